#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

pub mod address;
#[cfg(feature = "tokio")]
mod alarm;
#[cfg(feature = "tokio")]
pub mod backend;
#[cfg(feature = "tokio")]
pub mod blocking;
mod buffer;
mod channel;
#[cfg(feature = "tokio")]
pub mod codec;
pub mod config;
pub mod data_link;
#[cfg(feature = "alloc")]
pub mod endpoints;
mod error;
mod event;
mod follower;
#[cfg(feature = "tokio")]
pub mod isotpserver;
#[cfg(all(feature = "linux", target_os = "linux"))]
mod kernel;
#[cfg(feature = "tokio")]
pub mod network;
#[cfg(feature = "tokio")]
mod open;
mod padding;
pub mod payload;
pub mod pci;
mod rate;
#[cfg(feature = "alloc")]
pub mod responders;
mod rx;
pub mod stmin;
#[cfg(feature = "tokio")]
pub mod stream;
#[cfg(feature = "alloc")]
pub mod survey;
mod tx;

pub use address::{Address, AddressError, RxAddress, Target, TxAddress};
#[cfg(feature = "tokio")]
pub use backend::{Backend, Choice, OpenError};
pub use buffer::{Buffer, SliceBuffer};
pub use channel::Channel;
#[cfg(feature = "alloc")]
pub use channel::{BytesChannel, SourceChannel};
#[cfg(feature = "tokio")]
pub use codec::PciCodec;
pub use config::{Config, Duplex, FlowParameters, Role};
pub use data_link::{DataLink, Padding, TxDl};
#[cfg(feature = "alloc")]
pub use endpoints::{EndpointId, Endpoints, GroupId, InsertError};
pub use error::{IgnoreReason, NResult, ParameterError, SendError, Side, Timeout, TransferError};
pub use event::{Event, SendState, Stats, TransferId};
pub use follower::{Direction, Follower};
#[cfg(all(feature = "linux", target_os = "linux"))]
pub use kernel::{KernelIsoTp, KernelSending};
#[cfg(feature = "tokio")]
pub use network::{Endpoint, Group, Network};
#[cfg(feature = "tokio")]
pub use open::{IsoTp, IsoTpSending, ToLinkAddress, open, open_with};
pub use padding::{FrameLength, PaddingCheck, PaddingFault};
pub use payload::Payload;
pub use pci::{DecodeError, FlowControl, FlowStatus, Pci, Prefix, SequenceNumber};
pub use rate::RateLimit;
#[cfg(feature = "alloc")]
pub use responders::{Responder, Responders, RespondersError};
pub use stmin::{BlockSize, StMin};
#[cfg(feature = "tokio")]
pub use stream::{IsoTpStream, Sending, StreamError};
