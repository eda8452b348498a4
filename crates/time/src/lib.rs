#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "std")]
extern crate std;

mod instant;
#[cfg(feature = "std")]
mod origin;
mod timer;

pub use instant::Instant;
#[cfg(feature = "std")]
pub use origin::Origin;
pub use timer::{Timer, TimerTable};
