#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

#[cfg(feature = "alloc")]
pub mod error;
pub mod event;
pub mod liveness;
#[cfg(feature = "alloc")]
pub mod name;
pub mod qos;
#[cfg(feature = "alloc")]
pub mod queue;

#[cfg(feature = "alloc")]
pub use error::{
    AcceptError, AllocError, BindError, DeallocError, Errno, FlowError, JoinError, ReadError, SetError,
    WriteError,
};
pub use event::{EventKind, FlowEvent, FlowId};
pub use liveness::Liveness;
#[cfg(feature = "alloc")]
pub use name::{Name, NameError};
pub use qos::{QosError, QosSpec};
#[cfg(feature = "alloc")]
pub use queue::{PacketQueue, PartialReads, QueueConfig};
