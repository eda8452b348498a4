//! The time of frames, as machines want it.

use core::time::Duration;
use std::time::{SystemTime, UNIX_EPOCH};

use tinwire_time::Instant;

/// From zero at the first frame, and never back.
///
/// It steps with the microseconds of the wall clock, so that a difference of two times is the one that tools
/// see whose time stamps have no finer part.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    start: Option<SystemTime>,
    latest: Instant,
}

impl Clock {
    pub(crate) fn at(&mut self, time: SystemTime) -> Instant {
        let start = *self.start.get_or_insert_with(|| whole_micros(time));
        let since = time.duration_since(start).unwrap_or_default();
        let now = Instant::from_micros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX));
        self.latest = self.latest.max(now);
        self.latest
    }

    /// The latest of them.
    pub(crate) const fn latest(&self) -> Instant {
        self.latest
    }
}

fn whole_micros(time: SystemTime) -> SystemTime {
    let nanos = time.duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos();
    time.checked_sub(Duration::from_nanos(u64::from(nanos % 1000)))
        .unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_those_of_stamps_in_microseconds() {
        let at = |nanos| UNIX_EPOCH + Duration::from_nanos(nanos);
        let mut clock = Clock::default();
        let first = clock.at(at(1_000_900));
        assert_eq!(first, Instant::ZERO);
        assert_eq!(clock.at(at(1_001_100)), Instant::from_micros(1));
        assert_eq!(clock.at(at(1_002_999)), Instant::from_micros(2));
        assert_eq!(clock.at(at(1_000_000)), Instant::from_micros(2), "never back");
    }
}
