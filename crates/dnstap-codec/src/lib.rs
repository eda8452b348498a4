#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

#[cfg(feature = "alloc")]
pub mod anonymize;
mod decode;
pub mod dns;
mod encode;
mod enums;
#[cfg(feature = "alloc")]
pub mod filter;
mod message;
#[cfg(feature = "alloc")]
pub mod packet;
#[cfg(feature = "alloc")]
pub mod stats;
#[cfg(feature = "text")]
pub mod text;
mod wire;

pub use decode::DecodeError;
pub use encode::EncodeError;
pub use enums::{
    DnstapType, HttpProtocol, MessageType, PolicyAction, PolicyMatch, SocketFamily, SocketProtocol,
};
pub use message::{Dnstap, Message, Policy, Timestamp};

/// The content type of a Frame Streams stream of dnstap messages.
pub const CONTENT_TYPE: &[u8] = b"protobuf:dnstap.Dnstap";
