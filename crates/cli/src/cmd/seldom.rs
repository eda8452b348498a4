//! Remarks that others can cause as often as they like.

use core::time::Duration;

use tokio::time::Instant;

/// Tells which of many remarks is made: one in a second, with how many were not.
#[derive(Debug, Default)]
pub(crate) struct Seldom {
    next: Option<Instant>,
    untold: u64,
}

impl Seldom {
    const GAP: Duration = Duration::from_secs(1);

    /// How many were not told before, if this one may be.
    pub(crate) fn take(&mut self, now: Instant, count: u64) -> Option<u64> {
        let untold = self.untold + count.saturating_sub(1);
        if self.next.is_some_and(|next| now < next) {
            self.untold = untold + 1;
            return None;
        }
        (self.next, self.untold) = (Some(now + Self::GAP), 0);
        Some(untold)
    }

    /// Causes came faster than they were read.
    pub(crate) const fn miss(&mut self, count: u64) {
        self.untold += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_told_once_a_second_with_what_was_not_told() {
        let mut seldom = Seldom::default();
        let start = Instant::now();
        assert_eq!(seldom.take(start, 1), Some(0));
        for _ in 0..500 {
            assert_eq!(seldom.take(start + Duration::from_millis(999), 2), None);
        }
        seldom.miss(10);
        assert_eq!(seldom.take(start + Seldom::GAP, 1), Some(1010));
        assert_eq!(seldom.take(start + Seldom::GAP, 1), None);
        assert_eq!(seldom.take(start + 2 * Seldom::GAP, 3), Some(3));
    }
}
