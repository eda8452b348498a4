//! CAN sockets of Linux: raw frames and kernel ISO-TP.
//!
//! [`RawOptions::open`] gives a [`RawSocket`], a full [`CanLink`](crate::CanLink); [`IsoTpOptions::bind`]
//! gives an [`IsoTpSocket`], which carries whole messages. In both, options belong to a builder whose opening
//! consumes it, so nothing can be set once the kernel has begun to queue frames.
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
mod sys;
mod transport;
mod tx;

#[cfg(feature = "socketcan")]
pub use interop::ForeignFrame;
pub use isotp::IsoTpSocket;
pub use options::{FdMode, OnBusOff, RawOptions, Reconnect, XlMode};
pub use outcome::IsoTpError;
pub use raw::RawSocket;
pub use rx::RawRx;
pub use transport::{Broadcast, FlowControl, IsoTpOptions, LinkLayer, PaddingCheck, TxDl};
pub use tx::RawTx;
