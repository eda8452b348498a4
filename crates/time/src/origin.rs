//! Conversion between a machine's time and the standard library's.

use std::time::Instant as StdInstant;

use crate::Instant;

/// The moment that a driver calls [`Instant::ZERO`].
///
/// A driver makes one when it starts, converts `now` with [`at`](Self::at) before each call into a machine,
/// and converts `poll_timeout` back with [`deadline`](Self::deadline). tokio's pausable clock fits through
/// `tokio::time::Instant::{into_std, from_std}`.
#[derive(Clone, Copy, Debug)]
pub struct Origin(StdInstant);

impl Origin {
    /// An origin at `start`.
    #[must_use]
    pub const fn new(start: StdInstant) -> Self {
        Self(start)
    }

    /// The machine's view of `now`, rounded down to a whole microsecond; zero before the origin.
    #[must_use]
    pub fn at(&self, now: StdInstant) -> Instant {
        let since = now.saturating_duration_since(self.0);
        Instant::from_micros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }

    /// The standard library's view of a deadline; `None` when it lies beyond what that clock can express.
    #[must_use]
    pub fn deadline(&self, deadline: Instant) -> Option<StdInstant> {
        self.0.checked_add(deadline.saturating_since(Instant::ZERO))
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a conversion from the real clock needs one reading of it"
)]
mod tests {
    use core::time::Duration;

    use super::*;

    #[test]
    fn a_deadline_converted_and_back_is_the_same_instant() {
        let start = StdInstant::now();
        let origin = Origin::new(start);
        let deadline = Instant::from_micros(1_234_567);
        let there = origin.deadline(deadline).unwrap();
        assert_eq!(origin.at(there), deadline);
        assert_eq!(there.duration_since(start), Duration::from_micros(1_234_567));
    }

    #[test]
    fn what_lies_before_the_origin_is_zero() {
        let start = StdInstant::now();
        let origin = Origin::new(start + Duration::from_secs(1));
        assert_eq!(origin.at(start), Instant::ZERO);
    }
}
