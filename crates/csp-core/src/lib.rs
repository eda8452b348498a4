#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod address;
pub mod crc;
mod flags;
mod header;
pub mod hmac;
#[cfg(feature = "alloc")]
mod packet;
mod ports;
#[cfg(feature = "alloc")]
pub mod seal;

pub use address::{Address, Netmask, ParseAddressError, Subnet, SubnetError};
pub use flags::{Flags, Priority};
pub use header::{DecodeError, EncodeError, Header, HeaderBytes, MAX_HEADER_LEN, Version};
#[cfg(feature = "alloc")]
pub use packet::Packet;
pub use ports::{ParsePortError, Port};
