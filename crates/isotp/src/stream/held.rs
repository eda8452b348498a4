//! Frames that a link has taken and may not have let go of, and how long it may keep them.
//!
//! Where own frames do not come back, a message is through when the link has let go of its last frame. A link
//! whose bus is dead takes what its queue has room for and never lets go of it.

use tinwire_time::Instant;

use super::StreamError;
use crate::config::Micros;
use crate::error::{Timeout, TransferError};
use crate::event::TransferId;

/// Frames that are waited for at most. Beyond that a queue is long, not slow.
const MAX_HELD: u64 = 128;

/// How many frames the link has taken since it last had let go of all.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Held(u64);

impl Held {
    pub(crate) const fn add(&mut self, frames: u64) {
        self.0 = self.0.saturating_add(frames);
    }

    pub(crate) const fn clear(&mut self) {
        self.0 = 0;
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Until when the link has to let go of them: N_As for each, for they leave one after the other.
    pub(crate) fn due(self, now: Instant, n_as: Micros) -> Instant {
        n_as.times(self.0.clamp(1, MAX_HELD)).after(now)
    }
}

/// A message that is through but for the link's flush.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Through {
    pub(crate) id: TransferId,
    pub(crate) len: u32,
    /// When the flush is late.
    pub(crate) due: Instant,
}

impl Through {
    /// The failure of a message that the link did not let go of in time.
    pub(crate) const fn late(self) -> StreamError {
        StreamError::SendFailed {
            id: self.id,
            error: TransferError::Timeout(Timeout::NAs),
            sent: Some(self.len),
            len: self.len,
            cause: None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
