//! Whether the collector takes what it is sent, and how little to send it while that is in doubt.
//!
//! A collector that is killed and one that will never take a certain frame look alike: the connection is
//! gone. So streams get shorter from loss to loss until what is lost is one frame alone, and longer again
//! with each FINISH. A frame that is lost alone again and again, and that readers in the field do refuse, is
//! given up, so that it does not keep all the others for ever.

/// Payloads up to this length are taken by every reader in the field: a DNS message and what goes with it.
const TAKEN_BY_ALL: usize = 64 * 1024;
/// Losses in a row after which a longer one is given up.
const TRIES: u32 = 8;

/// What is known of the collector's mood.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doubt {
    /// Frames of one stream at most.
    limit: u64,
    /// Losses since the last FINISH.
    losses: u32,
    /// The frame that was lost alone, and how many times in a row.
    suspect: u64,
    times: u32,
}

/// What was on its way when the collector went.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loss {
    /// The first frame that is not done.
    pub(super) first: u64,
    /// Frames of which something was written.
    pub(super) frames: u64,
}

impl Doubt {
    pub(super) const fn new() -> Self {
        Self {
            limit: u64::MAX,
            losses: 0,
            suspect: 0,
            times: 0,
        }
    }

    /// Frames of one stream at most.
    pub(super) const fn limit(&self) -> u64 {
        self.limit
    }

    /// A stream has come to its FINISH.
    pub(super) const fn handle_confirmed(&mut self) {
        self.losses = 0;
        self.limit = self.limit.saturating_mul(2);
    }

    /// The collector has taken that and not said FINISH in time: its disk is full or slow. Perhaps less comes
    /// through; nothing that it has taken is suspected.
    pub(super) fn handle_unconfirmed(&mut self, loss: Loss) {
        self.losses = self.losses.saturating_add(1);
        // Once is what happens to collectors.
        if self.losses > 1 {
            self.limit = (self.limit.min(loss.frames) / 2).max(1);
        }
    }

    /// The collector has left in the middle of that.
    pub(super) fn handle_refused(&mut self, loss: Loss) {
        self.handle_unconfirmed(loss);
        if loss.frames > 1 {
            return;
        }
        if self.suspect != loss.first {
            self.times = 0;
        }
        self.suspect = loss.first;
        self.times = self.times.saturating_add(1);
    }

    /// Whether the frame of that number and payload length is to be given up.
    pub(super) const fn is_hopeless(&self, number: u64, len: usize) -> bool {
        self.times >= TRIES && self.suspect == number && len > TAKEN_BY_ALL
    }
}

#[cfg(test)]
mod tests;
