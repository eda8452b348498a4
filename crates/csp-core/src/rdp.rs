//! RDP, the reliable transport: segments that are numbered, acknowledged and repeated (spec 9).
//!
//! [`Segment`] is the trailer on the wire, [`Options`] what a SYN carries. [`Machine`] is one end of one
//! connection; it knows segments and time, and no packets, ports or sockets. [`Node`](crate::Node) makes one
//! when a SYN comes to a listening port, or when [`ConnectConfig::rdp`](crate::ConnectConfig::rdp) asks.

#[cfg(feature = "alloc")]
mod arrive;
#[cfg(feature = "alloc")]
mod close;
mod limits;
#[cfg(feature = "alloc")]
mod machine;
mod options;
#[cfg(feature = "alloc")]
mod receive;
mod segment;
#[cfg(feature = "alloc")]
mod send;
mod sequence;
#[cfg(feature = "alloc")]
mod state;
#[cfg(feature = "alloc")]
mod transmit;

#[cfg(feature = "alloc")]
#[cfg(test)]
mod tests;

#[cfg(feature = "alloc")]
pub use arrive::{Discard, Verdict};
pub use limits::{Change, Clamped, Limits, Setting};
#[cfg(feature = "alloc")]
pub use machine::{Machine, SendError};
pub use options::{Acks, OPTIONS_LEN, Options, Window};
pub use segment::{Filler, SEGMENT_LEN, Segment, SegmentFlags};
pub use sequence::Sequence;
#[cfg(feature = "alloc")]
pub use state::{CloseReason, Event, State, Stats};
#[cfg(feature = "alloc")]
pub use transmit::{Transmit, Urgency};
