#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

#[cfg(feature = "alloc")]
pub mod address;
#[cfg(feature = "tokio")]
mod alarm;
#[cfg(feature = "tokio")]
pub mod blocking;
#[cfg(feature = "tokio")]
pub mod carrier;
#[cfg(feature = "alloc")]
pub mod error;
pub mod event;
#[cfg(feature = "tokio")]
pub mod flow;
#[cfg(feature = "tokio")]
pub mod flows;
pub mod frct;
pub mod liveness;
#[cfg(feature = "alloc")]
pub mod name;
#[cfg(feature = "alloc")]
pub mod peer;
#[cfg(feature = "tokio")]
mod pipe;
#[cfg(feature = "alloc")]
pub mod protect;
#[cfg(feature = "tokio")]
pub mod provider;
#[cfg(feature = "tokio")]
pub mod providers;
pub mod qos;
#[cfg(feature = "alloc")]
pub mod queue;
#[cfg(feature = "tokio")]
pub mod set;
pub mod wire;

#[cfg(feature = "alloc")]
pub use address::{Address, ParseAddressError};
#[cfg(feature = "tokio")]
pub use carrier::{Carrier, CarryConfig, Losses, carry, carry_with};
#[cfg(feature = "std")]
pub use error::LayerError;
#[cfg(feature = "alloc")]
pub use error::{
    AcceptError, AllocError, BindError, DeallocError, Errno, FlowError, JoinError, ReadError, ReadLineError,
    SetError, WriteError, WriteLineError,
};
pub use event::{EventKind, FlowEvent, FlowId};
#[cfg(feature = "tokio")]
pub use flow::{Flow, FlowFlags, FlowReader, FlowWriter};
#[cfg(feature = "tokio")]
pub use flows::Flows;
pub use liveness::Liveness;
#[cfg(feature = "alloc")]
pub use name::{Name, NameError};
#[cfg(feature = "alloc")]
pub use peer::Peer;
#[cfg(feature = "alloc")]
pub use protect::Protection;
#[cfg(feature = "tokio")]
pub use provider::{DEFAULT_ALLOC_TIMEOUT, Provider};
#[cfg(feature = "tokio")]
pub use providers::local::{LocalLayer, LocalProvider};
pub use qos::{QosError, QosSpec};
#[cfg(feature = "alloc")]
pub use queue::{PacketQueue, PartialReads, QueueConfig};
#[cfg(feature = "tokio")]
pub use set::{EventQueue, FlowSet};
pub use wire::Wire;
