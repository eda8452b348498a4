//! Requests, replies, and the time between them: what every ping counts.

use core::time::Duration;

use serde::Serialize;

/// Counts of one run.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) sent: u64,
    received: u64,
    min: Duration,
    max: Duration,
    sum: Duration,
}

/// Round-trip times, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Rtt {
    min: u64,
    avg: u64,
    max: u64,
}

impl Tally {
    pub(super) const fn new() -> Self {
        Self {
            sent: 0,
            received: 0,
            min: Duration::MAX,
            max: Duration::ZERO,
            sum: Duration::ZERO,
        }
    }

    /// A reply came.
    pub(super) fn receive(&mut self, rtt: Duration) {
        self.received += 1;
        self.min = self.min.min(rtt);
        self.max = self.max.max(rtt);
        self.sum += rtt;
    }

    pub(super) const fn received(&self) -> u64 {
        self.received
    }

    /// Share of requests without a reply, 0 to 1; nothing sent is nothing lost.
    #[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]
    pub(super) fn loss(&self) -> f64 {
        let missing = self.sent.saturating_sub(self.received);
        if self.sent == 0 {
            return 0.0;
        }
        missing as f64 / self.sent as f64
    }

    /// The times, if there was a reply.
    pub(super) fn rtt(&self) -> Option<Rtt> {
        let count = u32::try_from(self.received).ok().filter(|&count| count > 0)?;
        Some(Rtt {
            min: micros(self.min),
            avg: micros(self.sum / count),
            max: micros(self.max),
        })
    }
}

impl core::fmt::Display for Rtt {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { min, avg, max } = self;
        write!(f, "rtt min/avg/max = {min}/{avg}/{max} µs")
    }
}

/// Whole microseconds.
pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_has_no_round_trip_time_and_is_all_loss() {
        let mut tally = Tally::new();
        assert_eq!(tally.loss().to_bits(), 0.0f64.to_bits(), "nothing was asked");
        tally.sent = 2;
        assert_eq!(tally.loss().to_bits(), 1.0f64.to_bits());
        assert_eq!(tally.rtt(), None);
    }

    #[test]
    fn times_are_summed_up_in_microseconds() {
        let mut tally = Tally::new();
        tally.sent = 4;
        for micros in [100, 300, 200] {
            tally.receive(Duration::from_micros(micros));
        }
        assert_eq!(
            tally.rtt().unwrap().to_string(),
            "rtt min/avg/max = 100/200/300 µs"
        );
        assert_eq!(tally.loss().to_bits(), 0.25f64.to_bits());
    }
}
