#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

#[cfg(feature = "tokio")]
pub mod blocking;
#[cfg(feature = "tokio")]
pub mod codec;
#[cfg(feature = "tokio")]
pub mod collector;
#[cfg(feature = "tokio")]
pub mod conn;
#[cfg(feature = "alloc")]
mod content_type;
pub mod control;
#[cfg(feature = "tokio")]
pub mod endpoint;
#[cfg(feature = "std")]
pub mod file;
pub mod frame;
#[cfg(feature = "alloc")]
pub mod handshake;
pub mod hint;
#[cfg(feature = "alloc")]
pub mod queue;
#[cfg(feature = "std")]
pub mod rotate;
#[cfg(feature = "tokio")]
pub mod sender;
#[cfg(feature = "std")]
pub mod store;
#[cfg(feature = "tls")]
pub mod tls;

#[cfg(feature = "tokio")]
pub use codec::FstrmCodec;
#[cfg(feature = "tokio")]
pub use collector::Collector;
#[cfg(feature = "tokio")]
pub use conn::{FstrmReader, FstrmWriter};
#[cfg(feature = "alloc")]
pub use content_type::ContentType;
pub use control::{Control, ControlFrame, ControlType};
#[cfg(feature = "std")]
pub use file::{FileReader, FileWriter};
#[cfg(feature = "alloc")]
pub use frame::OwnedRun;
pub use frame::{End, Frame, FrameConfig, Parser, Run};
#[cfg(feature = "alloc")]
pub use handshake::{Config, Event, Mode, ReaderMachine, Stats, WriterMachine};
#[cfg(feature = "tokio")]
pub use sender::Sender;
