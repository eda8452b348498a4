//! How much a host keeps for its members.

/// Members at most; further ones are turned away.
#[cfg(unix)]
pub(super) const MAX_MEMBERS: usize = 128;

/// Frames that wait for a member at the host before it loses some: 1 to 65536.
///
/// All queues share one copy of a frame: about 120 bytes, up to 2.1 kB for CAN XL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueLen(usize);

impl QueueLen {
    /// The shortest queue.
    pub const MIN: Self = Self(1);
    /// The longest queue.
    pub const MAX: Self = Self(65_536);

    /// A queue of this many frames, if that is in range.
    #[must_use]
    pub const fn new(frames: usize) -> Option<Self> {
        if Self::MIN.0 <= frames && frames <= Self::MAX.0 {
            Some(Self(frames))
        } else {
            None
        }
    }

    /// How many frames.
    #[must_use]
    pub const fn frames(self) -> usize {
        self.0
    }
}

/// 8192 frames, as on other links of this crate.
impl Default for QueueLen {
    fn default() -> Self {
        Self(8_192)
    }
}

impl core::fmt::Display for QueueLen {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_has_a_range() {
        assert_eq!(QueueLen::new(0), None);
        assert_eq!(QueueLen::new(1), Some(QueueLen::MIN));
        assert_eq!(QueueLen::new(65_536), Some(QueueLen::MAX));
        assert_eq!(QueueLen::new(65_537), None);
    }
}
