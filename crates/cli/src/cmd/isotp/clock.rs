//! The time of frames, as machines want it.

use std::time::SystemTime;

use tinwire_time::Instant;

/// From zero at the first frame, and never back.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    start: Option<SystemTime>,
    latest: Instant,
}

impl Clock {
    pub(super) fn at(&mut self, time: SystemTime) -> Instant {
        let start = *self.start.get_or_insert(time);
        let since = time.duration_since(start).unwrap_or_default();
        let now = Instant::from_micros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX));
        self.latest = self.latest.max(now);
        self.latest
    }
}
