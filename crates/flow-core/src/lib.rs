#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

#[cfg(feature = "alloc")]
pub mod name;
pub mod qos;

#[cfg(feature = "alloc")]
pub use name::{Name, NameError};
pub use qos::{QosError, QosSpec};
