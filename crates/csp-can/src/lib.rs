#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "tokio")]
mod codec;
#[cfg(feature = "alloc")]
mod config;
mod fragment;
mod id;
#[cfg(feature = "tokio")]
mod iface;
#[cfg(feature = "alloc")]
mod piece;
#[cfg(feature = "alloc")]
mod reassembly;
#[cfg(feature = "alloc")]
mod received;
#[cfg(feature = "alloc")]
mod shares;
#[cfg(feature = "alloc")]
mod stats;

#[cfg(feature = "tokio")]
pub use codec::CfpCodec;
#[cfg(feature = "alloc")]
pub use config::ReassemblyConfig;
pub use fragment::{FragmentError, Fragmenter, Fragments, IdOrder, MAX_CFP1_PAYLOAD};
pub use id::{Cfp1Id, Cfp2Id, Sender};
#[cfg(feature = "tokio")]
pub use iface::{CanAddresses, CanConfig, CanInterface, CanInterfaceError};
#[cfg(feature = "alloc")]
pub use reassembly::Reassembler;
#[cfg(feature = "alloc")]
pub use received::{DiscardReason, IgnoreReason, Reassembled, Received};
#[cfg(feature = "alloc")]
pub use stats::ReassemblyStats;
