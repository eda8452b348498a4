#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod address;
#[cfg(feature = "tokio")]
pub mod blocking;
#[cfg(feature = "alloc")]
mod bridge;
#[cfg(feature = "alloc")]
mod config;
#[cfg(feature = "alloc")]
mod conn;
pub mod crc;
#[cfg(feature = "alloc")]
mod dedup;
#[cfg(feature = "alloc")]
mod event;
#[cfg(feature = "alloc")]
mod filter;
mod flags;
mod header;
pub mod hmac;
#[cfg(feature = "alloc")]
mod iface;
#[cfg(feature = "alloc")]
mod keys;
#[cfg(feature = "alloc")]
mod needs;
#[cfg(feature = "alloc")]
mod node;
#[cfg(feature = "alloc")]
mod packet;
mod ports;
pub mod rdp;
#[cfg(feature = "alloc")]
mod route;
#[cfg(feature = "tokio")]
pub mod rt;
pub mod seal;
#[cfg(feature = "alloc")]
pub mod service;
pub mod sfp;
#[cfg(feature = "alloc")]
mod slab;
#[cfg(feature = "alloc")]
mod tap;
#[cfg(feature = "legacy-xtea")]
pub mod xtea;

pub use address::{Address, Netmask, ParseAddressError, Subnet, SubnetError};
#[cfg(feature = "alloc")]
pub use bridge::{BRIDGE_DEPTH, BridgeError};
#[cfg(feature = "alloc")]
pub use config::{Config, ConnectConfig, ReplyMatch, SocketConfig, Switch};
#[cfg(feature = "alloc")]
pub use conn::{ConnectError, ConnectionId, ListenerId, Message, Peers, SendError, SocketId};
#[cfg(feature = "alloc")]
pub use dedup::{DedupConfig, DedupMode};
#[cfg(feature = "alloc")]
pub use event::{Counter, DropReason, Dropped, Event, Stats};
#[cfg(feature = "alloc")]
pub use filter::{Asked, FilterContext, FilterId, OutsideConfig, Stage, Ticket, Verdict};
pub use flags::{Flags, Priority, XteaFlag};
pub use header::{DecodeError, EncodeError, Header, HeaderBytes, MAX_HEADER_LEN, Version};
#[cfg(feature = "alloc")]
pub use iface::{
    DEFAULT_MTU, InterfaceConfig, InterfaceError, InterfaceId, InterfaceName, InterfaceStats, LinkState,
    MAX_NAME_LEN, MIN_MTU, ParseInterfaceError, ParseNameError,
};
#[cfg(feature = "alloc")]
pub use needs::{Need, Needs};
#[cfg(feature = "alloc")]
pub use node::{Node, RdpStatus, Transmit};
#[cfg(feature = "alloc")]
pub use packet::Packet;
pub use ports::{BindError, Binding, ParsePortError, Port};
#[cfg(feature = "alloc")]
pub use route::{
    Loaded, MAX_ROUTES, Route, RouteDialect, RouteError, RouteStringError, RouteStringReason, RouteTable,
};
#[cfg(feature = "alloc")]
pub use tap::{Captured, Direction, Overflow, TapConfig, TapId};
