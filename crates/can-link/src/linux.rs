//! CAN sockets of Linux: raw frames and kernel ISO-TP.
//!
//! [`RawOptions::open`] gives a [`RawSocket`], a full [`CanLink`](crate::CanLink); [`IsoTpOptions::bind`]
//! gives an [`IsoTpSocket`], which carries whole messages. In both, options belong to a builder whose opening
//! consumes it, so nothing can be set once the kernel has begun to queue frames.
//!
//! `nix` opens raw and netlink sockets, sets the options of level `SOL_SOCKET`, polls, and sends and receives
//! plain bytes. It knows no CAN address, no CAN option and no ISO-TP protocol number, and its batches and
//! control messages are tied to the addresses it knows: those calls are ours, on `libc`, in `sys`.
//!
//! What lives where: `sys` holds every unsafe call, `readiness` the agreement with tokio, `netlink` what the
//! kernel tells about interfaces. Frame layouts are [`crate::record`]'s alone.

mod control;
mod inbox;
#[cfg(feature = "socketcan")]
mod interop;
mod isotp;
mod netlink;
mod opening;
mod options;
mod outcome;
mod raw;
mod readiness;
mod rx;
mod stall;
mod support;
mod sys;
mod transport;
mod tx;

#[cfg(feature = "socketcan")]
pub use interop::ForeignFrame;
pub use isotp::IsoTpSocket;
pub use options::{FdMode, Loopback, OnBusOff, RawOptions, Reconnect, XlMode};
pub use outcome::IsoTpError;
pub use raw::RawSocket;
pub use rx::RawRx;
pub use support::IsoTpSupport;
pub use transport::{Broadcast, FlowControl, IsoTpOptions, IsoTpOptionsError, LinkLayer, PaddingCheck, TxDl};
pub use tx::RawTx;
