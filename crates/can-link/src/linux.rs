//! CAN sockets of Linux: raw frames and kernel ISO-TP.
//!
//! [`RawOptions::open`] gives a [`RawSocket`], a full [`CanLink`](crate::CanLink); [`IsoTpOptions::bind`] gives an
//! [`IsoTpSocket`], which carries whole messages. In both, options belong to a builder whose opening consumes it, so
//! nothing can be set once the kernel has begun to queue frames.
//!
//! What lives where: `sys` holds every unsafe call, `readiness` the agreement with tokio, `netlink` what the kernel
//! tells about interfaces. Frame layouts are [`crate::record`]'s alone.

mod control;
#[cfg(feature = "socketcan")]
mod interop;
mod isotp;
mod isotp_options;
mod netlink;
mod options;
mod raw;
mod readiness;
mod rx;
mod sys;
mod tx;

#[cfg(feature = "socketcan")]
pub use interop::ForeignFrame;
pub use isotp::{IsoTpError, IsoTpSocket};
pub use isotp_options::{Broadcast, FlowControl, IsoTpOptions, LinkLayer, PaddingCheck, TxDl};
pub use options::{FdMode, OnBusOff, RawOptions, Reconnect, XlMode};
pub use raw::RawSocket;
pub use rx::RawRx;
pub use tx::RawTx;
