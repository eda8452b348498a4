#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

pub mod control;
pub mod frame;
pub mod hint;

pub use control::{Control, ControlFrame, ControlType};
pub use frame::{End, Frame, FrameConfig, Parser};
