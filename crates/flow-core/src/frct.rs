//! FRCT: in order and reliable over what is not (spec ch. 10).
//!
//! [`Header`] is what stands in front of every packet. `Machine` is one end of one flow; it knows packets
//! and time, and nothing of names, transports and protection. Constants are those of
//! [`Wire`](crate::wire::Wire). `carry` makes a flow of any transport with a machine, and needs the feature
//! `tokio`.
//!
//! What a machine sends is what Ouroboros 0.23 understands, and mostly what it sends, but for these:
//!
//! - An acknowledgement says that packets have arrived in order and are kept; the window says what was read.
//!   At the peer both say what was read, so that a reader that stalls makes its sender repeat everything, and
//!   ends the flow after two minutes.
//! - Every second packet is acknowledged at once, a lone one after 10 ms, and one behind a missing one at
//!   once; three such acknowledgements make a sender repeat what is missing.
//! - The retransmission timer is at least [`MIN_RTO`], twice the delay of an acknowledgement; the peer's 250
//!   µs make it send lone packets twice. It is at most `MAX_RTO`. One packet is repeated when it runs out,
//!   then more as acknowledgements come.
//! - What is sent again has a fresh acknowledgement *and* window, and is protected anew.
//! - A sender whose window is closed asks for it every 100 ms, with data under way or not, and gives up with
//!   `DownReason::Reset` when it hears nothing at all for long; an ordered one goes on after a second.
//! - A sender that has no measured round trip while packets get lost asks for the window to measure one.
//! - A receiver of an ordered flow tells its window every 32 packets, and both kinds when they open a closed
//!   one, up to five times.
//! - A window never gets narrower, on either side, and never wider than any receiver has room for.
//! - Acknowledgements and windows are ignored until an own run is open, as are those of nothing under way: a
//!   peer that has heard control packets alone says 0 of both. Ours says nothing before it knows a run.
//! - An ordered receiver believes a number beyond its window when a second one goes on there: without a CRC
//!   one damaged number would have all that follow dropped as late.
//! - After a pause numbers go on instead of starting anew at random: a peer that has forgotten the run begins
//!   one, a peer that has not sees no gap.
//! - An end that has closed answers repetitions for a while.
//! - A packet with unknown flags is dropped, for it may be a fragment.

#[cfg(feature = "tokio")]
mod carry;
#[cfg(feature = "alloc")]
mod config;
mod header;
#[cfg(feature = "alloc")]
mod machine;
#[cfg(feature = "alloc")]
mod receive;
#[cfg(feature = "alloc")]
mod rtt;
#[cfg(feature = "alloc")]
mod send;
mod sequence;
#[cfg(feature = "alloc")]
mod state;

use core::time::Duration;

#[cfg(feature = "tokio")]
pub use carry::{FrctCarrier, FrctConfig, FrctEnd, FrctError, FrctStats, carry};
#[cfg(feature = "alloc")]
pub use config::{Config, DEFAULT_RESET_AFTER, Delivery, Linger};
pub use header::{DecodeError, Flags, HEADER_LEN, Header};
#[cfg(feature = "alloc")]
pub use machine::Machine;
#[cfg(feature = "alloc")]
pub use rtt::MAX_RTO;
pub use sequence::Sequence;
#[cfg(feature = "alloc")]
pub use state::{Discard, Discards, DownReason, Event, SendError, State, Stats, Transmit, Verdict};

/// The least retransmission timer: twice what an acknowledgement may be delayed.
pub const MIN_RTO: Duration = Duration::from_millis(20);
