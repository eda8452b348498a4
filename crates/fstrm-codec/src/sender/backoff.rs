//! How long to wait before the next attempt to connect.

use core::time::Duration;

use tinwire_time::Instant;

/// Connections that last this long have been good.
const GOOD: Duration = Duration::from_secs(1);

/// Delays that double, each cut by up to a half at random so that senders do not come back in step.
#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    last: Duration,
    next: Duration,
    seed: u64,
}

impl Backoff {
    pub(super) const fn new(first: Duration, last: Duration, seed: u64) -> Self {
        Self {
            first,
            last,
            next: first,
            seed,
        }
    }

    /// The delay after a failure.
    pub(super) fn delay(&mut self) -> Duration {
        let full = self.next.min(self.last);
        self.next = full.saturating_mul(2).min(self.last);
        let half = u64::try_from(full.as_micros() / 2).unwrap_or(u64::MAX);
        full.saturating_sub(Duration::from_micros(self.random() % half.saturating_add(1)))
    }

    /// The delay after the loss of a connection that carried a stream since `started`.
    ///
    /// One that lasted makes the delays begin anew; one that is closed at once counts as a failure, so that a
    /// collector which accepts and closes is not called all the time.
    pub(super) fn delay_after(&mut self, started: Instant, now: Instant) -> Duration {
        if now - started >= GOOD.max(self.next) {
            self.reset();
        }
        self.delay()
    }

    pub(super) const fn reset(&mut self) {
        self.next = self.first;
    }

    /// `SplitMix64`: a seed gives the same delays for ever.
    const fn random(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn delays_double_up_to_the_last_and_lose_at_most_half() {
        let mut backoff = Backoff::new(10 * MS, 5000 * MS, 7);
        for full in [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5000, 5000] {
            let delay = backoff.delay();
            assert!(
                delay >= full * MS / 2 && delay <= full * MS,
                "{delay:?} of {full} ms"
            );
        }
    }

    #[test]
    fn only_a_connection_that_lasted_makes_delays_begin_anew() {
        let mut backoff = Backoff::new(10 * MS, 5000 * MS, 7);
        let at = Instant::from_millis;
        for _ in 0..9 {
            backoff.delay_after(at(0), at(5));
        }
        assert!(backoff.delay_after(at(0), at(1500)) >= 2500 * MS);
        assert!(backoff.delay_after(at(0), at(5001)) <= 10 * MS);
    }

    #[test]
    fn seeds_part_senders() {
        let delay = |seed| Backoff::new(10 * MS, 5000 * MS, seed).delay();
        assert_eq!(delay(1), delay(1));
        assert_ne!(delay(1), delay(2));
    }
}
