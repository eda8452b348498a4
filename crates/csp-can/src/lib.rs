#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "tokio")]
mod codec;
mod fragment;
mod id;
#[cfg(feature = "tokio")]
mod iface;
#[cfg(feature = "alloc")]
mod reassembly;

#[cfg(feature = "tokio")]
pub use codec::CfpCodec;
pub use fragment::{Fragmenter, Fragments};
pub use id::{CfpId, Sender};
#[cfg(feature = "tokio")]
pub use iface::{CanConfig, CanInterface, CanInterfaceError};
#[cfg(feature = "alloc")]
pub use reassembly::{DiscardReason, Reassembled, Reassembler, ReassemblyConfig, ReassemblyStats, Received};
