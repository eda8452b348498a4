//! FRCT: in order and reliable over what is not (spec ch. 10).
//!
//! [`Header`] is what stands in front of every packet.

mod header;
mod sequence;

use core::time::Duration;

pub use header::{DecodeError, Flags, HEADER_LEN, Header};
pub use sequence::Sequence;

/// The least retransmission timer: twice what an acknowledgement may be delayed.
pub const MIN_RTO: Duration = Duration::from_millis(20);
