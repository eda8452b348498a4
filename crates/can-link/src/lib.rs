#![doc = include_str!("../README.md")]
#![no_std]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

#[cfg(feature = "tokio")]
pub mod address;
#[cfg(feature = "alloc")]
pub mod candump;
pub mod error_frame;
#[cfg(feature = "tokio")]
pub mod faulty;
pub mod filter;
pub mod frame;
#[cfg(feature = "tokio")]
pub mod hub;
pub mod id;
#[cfg(feature = "std")]
pub mod link;
#[cfg(all(feature = "linux", target_os = "linux"))]
pub mod linux;
#[cfg(feature = "tokio")]
pub mod local_bus;
#[cfg(feature = "tokio")]
mod open;
pub mod record;
#[cfg(feature = "tokio")]
pub mod replay;
#[cfg(feature = "tokio")]
mod stream;
#[cfg(feature = "std")]
pub mod trace;
#[cfg(feature = "tokio")]
pub mod virtual_bus;

#[cfg(feature = "tokio")]
pub use address::LinkAddress;
pub use embedded_can::{ExtendedId, Id, StandardId};
pub use filter::Filter;
#[cfg(feature = "alloc")]
pub use filter::FilterSet;
pub use frame::CanFrame;
#[cfg(feature = "tokio")]
pub use hub::Hub;
#[cfg(feature = "std")]
pub use link::{
    CanLink, CanRx, CanRxExt, CanTx, CanTxExt, Event, EventBuf, Link, LinkError, Received, SendError,
};
#[cfg(feature = "tokio")]
pub use open::open;
#[cfg(feature = "tokio")]
pub use stream::{RecordError, RecordStats, RecordStream};
#[cfg(feature = "tokio")]
pub use virtual_bus::VirtualBus;
