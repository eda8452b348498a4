//! What a reassembler counts.

use crate::{DiscardReason, IgnoreReason};

/// Counters of a [`Reassembler`](crate::Reassembler) since it was made.
///
/// Each `ignored_*` was also told as [`Received::Ignored`](crate::Received::Ignored), each `discarded_*` as
/// [`Received::Discarded`](crate::Received::Discarded) with the [`DiscardReason`] of that name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReassemblyStats {
    /// CFP frames taken.
    pub frames: u64,
    /// Packets completed.
    pub packets: u64,
    /// Ignored: standard identifiers (CAN-1).
    pub ignored_standard_id: u64,
    /// Ignored: remote frames (CAN-1).
    pub ignored_remote: u64,
    /// Ignored: records that are no frames.
    pub ignored_malformed: u64,
    /// Discarded: first frames without room for what they must begin with.
    pub discarded_short_begin: u64,
    /// Discarded: later frames of packets whose first was lost or discarded.
    pub discarded_no_begin: u64,
    /// Discarded: packets with a frame missing, doubled or out of order.
    pub discarded_wrong_counter: u64,
    /// Discarded: frames of more than 8 bytes.
    pub discarded_long_frame: u64,
    /// Discarded: packets with more bytes than announced.
    pub discarded_beyond_length: u64,
    /// Discarded: packets over the configured length.
    pub discarded_too_long: u64,
    /// Discarded: packets whose place a new one took.
    pub discarded_replaced: u64,
    /// Discarded: packets whose next frame did not come in time.
    pub discarded_stale: u64,
    /// Discarded: packets not complete when the link went down.
    pub discarded_link_down: u64,
    /// Discarded: packets without room.
    pub discarded_full: u64,
}

impl ReassemblyStats {
    pub(crate) const NONE: Self = Self {
        frames: 0,
        packets: 0,
        ignored_standard_id: 0,
        ignored_remote: 0,
        ignored_malformed: 0,
        discarded_short_begin: 0,
        discarded_no_begin: 0,
        discarded_wrong_counter: 0,
        discarded_long_frame: 0,
        discarded_beyond_length: 0,
        discarded_too_long: 0,
        discarded_replaced: 0,
        discarded_stale: 0,
        discarded_link_down: 0,
        discarded_full: 0,
    };

    /// All that was ignored.
    #[must_use]
    pub const fn ignored(&self) -> u64 {
        self.ignored_standard_id + self.ignored_remote + self.ignored_malformed
    }

    /// All that was discarded.
    #[must_use]
    pub const fn discarded(&self) -> u64 {
        self.discarded_short_begin
            + self.discarded_no_begin
            + self.discarded_wrong_counter
            + self.discarded_long_frame
            + self.discarded_beyond_length
            + self.discarded_too_long
            + self.discarded_replaced
            + self.discarded_stale
            + self.discarded_link_down
            + self.discarded_full
    }

    pub(crate) const fn count_ignored(&mut self, reason: IgnoreReason) {
        *match reason {
            IgnoreReason::StandardId => &mut self.ignored_standard_id,
            IgnoreReason::Remote => &mut self.ignored_remote,
            IgnoreReason::Malformed(_) => &mut self.ignored_malformed,
        } += 1;
    }

    pub(crate) const fn count_discarded(&mut self, reason: DiscardReason) {
        *match reason {
            DiscardReason::ShortBegin { .. } => &mut self.discarded_short_begin,
            DiscardReason::NoBegin => &mut self.discarded_no_begin,
            DiscardReason::WrongCounter { .. } => &mut self.discarded_wrong_counter,
            DiscardReason::LongFrame { .. } => &mut self.discarded_long_frame,
            DiscardReason::BeyondLength { .. } => &mut self.discarded_beyond_length,
            DiscardReason::TooLong { .. } => &mut self.discarded_too_long,
            DiscardReason::Replaced => &mut self.discarded_replaced,
            DiscardReason::Stale => &mut self.discarded_stale,
            DiscardReason::LinkDown => &mut self.discarded_link_down,
            DiscardReason::Full => &mut self.discarded_full,
        } += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_counter_of_its_own() {
        let discards = [
            DiscardReason::ShortBegin { need: 6, got: 1 },
            DiscardReason::NoBegin,
            DiscardReason::WrongCounter { expected: 1, got: 2 },
            DiscardReason::LongFrame { got: 9 },
            DiscardReason::BeyondLength { length: 1 },
            DiscardReason::TooLong { max: 1 },
            DiscardReason::Replaced,
            DiscardReason::Stale,
            DiscardReason::LinkDown,
            DiscardReason::Full,
        ];
        let mut stats = ReassemblyStats::default();
        let mut seen = alloc::vec![stats];
        for reason in discards {
            let mut counted = ReassemblyStats::default();
            counted.count_discarded(reason);
            assert!(!seen.contains(&counted), "{reason:?}");
            assert_eq!((counted.discarded(), counted.ignored()), (1, 0));
            seen.push(counted);
            stats.count_discarded(reason);
        }
        let malformed = can_link::record::DecodeError::ErrorFrame.into();
        for reason in [IgnoreReason::StandardId, IgnoreReason::Remote, malformed] {
            let mut counted = ReassemblyStats::default();
            counted.count_ignored(reason);
            assert!(!seen.contains(&counted), "{reason:?}");
            assert_eq!((counted.discarded(), counted.ignored()), (0, 1));
            seen.push(counted);
            stats.count_ignored(reason);
        }
        assert_eq!((stats.discarded(), stats.ignored()), (10, 3));
    }
}
