//! RDP, the reliable transport: segments that are numbered, acknowledged and repeated (spec 9).
//!
//! [`Segment`] is the trailer on the wire, [`Options`] what a SYN carries. `Machine` is one end of one
//! connection; it knows segments and time, and no packets, ports or sockets. `Node` makes one when a SYN
//! comes to a listening port, or when a connection is asked for with RDP.
//!
//! What a machine sends is what libcsp 2.2 sends, at the same time, but for these:
//!
//! - A SYN|ACK has to acknowledge the SYN that was sent (9.3), and a half-open connection is reset with the
//!   number that it waits for, so that it ends (9.8).
//! - An acknowledgement that is older than one before takes nothing back (RDP-4).
//! - Where the packet timeout is not above the acknowledgement timeout, a segment that was received before is
//!   heard for what it acknowledges: two ends that repeat their last message to each other tell it in nothing
//!   else (9.4).
//! - The extended acknowledgements of 1.6 are understood and not sent (9.9).
//! - Without delayed acknowledgements, what the other end repeats is acknowledged again: else it does so
//!   until the connection ends.
//! - While its user does not read, a connection tells that it lives, and acknowledges nothing new.
//! - An ended connection waits to be accepted as long as others (9.6).
//! - A SYN that nothing follows is answered for a thousand packet timeouts at most.
//! - Who closes before it is open says so and asks no more.
//! - A reset that comes while the last acknowledgement is waited for, and is not it, is answered with an
//!   acknowledgement first (RDP-10): the peers reset before they have counted the last message that was read.
//! - Nothing is sent again for longer than the connection timeout after the end.

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
