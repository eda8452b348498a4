//! Requests, replies, and the time between them: what every ping counts.

use core::time::Duration;

use serde::Serialize;

use super::histogram::Histogram;

/// Counts of one run.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) sent: u64,
    times: Histogram,
    sum: Duration,
}

/// Round-trip times, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Rtt {
    min: u64,
    avg: u64,
    p50: u64,
    p99: u64,
    max: u64,
}

impl Tally {
    /// A reply came.
    pub(super) fn receive(&mut self, rtt: Duration) {
        self.times.add(micros(rtt));
        self.sum += rtt;
    }

    pub(super) const fn received(&self) -> u64 {
        self.times.count()
    }

    /// How often each time was seen.
    pub(super) const fn times(&self) -> &Histogram {
        &self.times
    }

    /// Share of requests without a reply, 0 to 1; nothing sent is nothing lost.
    pub(super) fn loss(&self) -> f64 {
        share_missing(self.sent, self.received())
    }

    /// The times, if there was a reply.
    pub(super) fn rtt(&self) -> Option<Rtt> {
        let count = u128::from(self.received());
        let avg = self.sum.as_micros().checked_div(count)?;
        Some(Rtt {
            min: self.times.min(),
            avg: u64::try_from(avg).unwrap_or(u64::MAX),
            p50: self.times.per_mille(500),
            p99: self.times.per_mille(990),
            max: self.times.max(),
        })
    }
}

impl core::fmt::Display for Rtt {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self {
            min,
            avg,
            p50,
            p99,
            max,
        } = self;
        write!(f, "rtt min/avg/p50/p99/max = {min}/{avg}/{p50}/{p99}/{max} µs")
    }
}

/// What is missing of `sent`, 0 to 1; nothing sent is nothing lost.
#[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]
pub(super) fn share_missing(sent: u64, received: u64) -> f64 {
    if sent == 0 {
        return 0.0;
    }
    sent.saturating_sub(received) as f64 / sent as f64
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
        let mut tally = Tally::default();
        assert_eq!(tally.loss().to_bits(), 0.0f64.to_bits(), "nothing was asked");
        tally.sent = 2;
        assert_eq!(tally.loss().to_bits(), 1.0f64.to_bits());
        assert_eq!(tally.rtt(), None);
    }

    #[test]
    fn times_are_summed_up_in_microseconds() {
        let mut tally = Tally {
            sent: 4,
            ..Tally::default()
        };
        for micros in [100, 300, 200] {
            tally.receive(Duration::from_micros(micros));
        }
        assert_eq!(
            tally.rtt().unwrap().to_string(),
            "rtt min/avg/p50/p99/max = 100/200/200/296/300 µs"
        );
        assert_eq!(tally.loss().to_bits(), 0.25f64.to_bits());
    }
}
