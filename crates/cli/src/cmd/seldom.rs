//! Remarks that others can cause as often as they like.

use core::time::Duration;

use tokio::time::Instant;

/// Tells which of many remarks are made: so many in a second, with how many were not.
#[derive(Debug)]
pub(crate) struct Seldom {
    per_second: u32,
    /// When a new second begins, and how many remarks were made in this one.
    next: Option<Instant>,
    told: u32,
    untold: u64,
}

/// One in a second.
impl Default for Seldom {
    fn default() -> Self {
        Self::at_most(1)
    }
}

impl Seldom {
    const GAP: Duration = Duration::from_secs(1);

    /// For remarks of which a few at once are usual.
    pub(crate) const fn at_most(per_second: u32) -> Self {
        Self {
            per_second,
            next: None,
            told: 0,
            untold: 0,
        }
    }

    /// How many were not told before, if this one may be.
    pub(crate) fn take(&mut self, now: Instant, count: u64) -> Option<u64> {
        if self.next.is_none_or(|next| now >= next) {
            (self.next, self.told) = (Some(now + Self::GAP), 0);
        }
        let untold = self.untold + count.saturating_sub(1);
        if self.told >= self.per_second {
            self.untold = untold + 1;
            return None;
        }
        self.told += 1;
        self.untold = 0;
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

    #[test]
    fn where_a_few_at_once_are_usual_these_are_told() {
        let mut seldom = Seldom::at_most(3);
        let start = Instant::now();
        let told = [(); 5].map(|()| seldom.take(start, 1));
        assert_eq!(told, [Some(0), Some(0), Some(0), None, None]);
        assert_eq!(seldom.take(start + Seldom::GAP, 1), Some(2));
        assert_eq!(seldom.take(start + Seldom::GAP, 1), Some(0));
    }
}
