//! What a ping has counted, and its closing lines.

use core::fmt;
use core::time::Duration;

use serde::Serialize;

use crate::cmd::histogram::Range;
use crate::cmd::rtt::{Rtt, Tally};

/// Counts of one run.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) pings: Tally,
    pub(super) duplicates: u64,
    pub(super) out_of_order: u64,
    /// Packets that are no replies to anything that was sent.
    pub(super) invalid: u64,
    spread: Spread,
}

impl Counts {
    pub(super) fn receive(&mut self, rtt: Duration) {
        self.pings.receive(rtt);
        self.spread.add(rtt.as_secs_f64() * 1e3);
    }

    pub(super) fn summary(&self, name: &str, time: Duration, sim: bool, histogram: bool) -> Summary {
        Summary {
            r#type: "summary",
            name: name.to_owned(),
            sent: self.pings.sent,
            received: self.pings.received(),
            loss: self.pings.loss(),
            rtt_us: self.pings.rtt(),
            sim,
            duplicates: self.duplicates,
            out_of_order: self.out_of_order,
            invalid: self.invalid,
            dropped: 0,
            lost: 0,
            time_ms: time.as_secs_f64() * 1e3,
            mdev_us: self.spread.deviation().map(|ms| ms * 1e3),
            histogram: histogram.then(|| self.pings.times().ranges()),
            spread: self.spread,
        }
    }
}

/// Mean and deviation as times come (Welford).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spread {
    count: f64,
    mean: f64,
    squares: f64,
    min: f64,
    max: f64,
}

impl Spread {
    fn add(&mut self, ms: f64) {
        self.min = if self.count < 0.5 { ms } else { self.min.min(ms) };
        self.max = self.max.max(ms);
        self.count += 1.0;
        let from_before = ms - self.mean;
        self.mean += from_before / self.count;
        self.squares += from_before * (ms - self.mean);
    }

    /// The deviation in milliseconds, from two times on.
    fn deviation(&self) -> Option<f64> {
        (self.count > 1.5).then(|| (self.squares / (self.count - 1.0)).sqrt())
    }
}

/// As oping writes it: in microseconds below a tenth of a millisecond; `NaN` of one time alone.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (factor, unit) = scale(self.mean);
        let [min, avg, max] = [self.min, self.mean, self.max].map(|ms| ms * factor);
        let mdev = self.deviation().map_or(f64::NAN, |ms| ms * factor);
        write!(
            f,
            "rtt min/avg/max/mdev = {min:.3}/{avg:.3}/{max:.3}/{mdev:.3} {unit}"
        )
    }
}

/// The unit of a time in milliseconds, and the factor to it.
pub(super) fn scale(ms: f64) -> (f64, &'static str) {
    if ms < 0.1 { (1e3, "µs") } else { (1.0, "ms") }
}

/// The closing line.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    r#type: &'static str,
    name: String,
    sent: u64,
    received: u64,
    loss: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rtt_us: Option<Rtt>,
    sim: bool,
    duplicates: u64,
    out_of_order: u64,
    invalid: u64,
    /// Packets that the queue of this side had no room for.
    pub(super) dropped: u64,
    /// Packets that got lost on their way here, as far as the transport can tell.
    pub(super) lost: u64,
    time_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    mdev_us: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    histogram: Option<Vec<Range>>,
    #[serde(skip)]
    spread: Spread,
}

/// As oping; what it does not count is added where there is any.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n--- {} ping statistics ---", self.name)?;
        write!(
            f,
            "{} packets transmitted, {} received, ",
            self.sent, self.received
        )?;
        write!(f, "{} out-of-order, ", self.out_of_order)?;
        for (count, what) in [
            (self.duplicates, "duplicates"),
            (self.invalid, "invalid"),
            (self.dropped, "dropped"),
            (self.lost, "lost on the way here"),
        ] {
            if count > 0 {
                write!(f, "{count} {what}, ")?;
            }
        }
        let loss = (self.loss * 100.0).ceil();
        write!(f, "{loss:.0}% packet loss, time: {:.3} ms", self.time_ms)?;
        if self.received > 0 {
            write!(f, "\n{}", self.spread)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_lines_are_opings() {
        let mut counts = Counts::default();
        counts.pings.sent = 3;
        for ms in [1, 3] {
            counts.receive(Duration::from_millis(ms));
        }
        counts.out_of_order = 1;
        let summary = counts.summary("hello", Duration::from_micros(2_001_500), false, false);
        assert_eq!(
            summary.to_string(),
            "\n--- hello ping statistics ---\n\
             3 packets transmitted, 2 received, 1 out-of-order, 34% packet loss, time: 2001.500 ms\n\
             rtt min/avg/max/mdev = 1.000/2.000/3.000/1.414 ms"
        );
    }

    #[test]
    fn one_fast_reply_is_shown_in_microseconds_without_deviation() {
        let mut counts = Counts::default();
        counts.pings.sent = 1;
        counts.receive(Duration::from_micros(42));
        let text = counts.summary("x", Duration::ZERO, false, false).to_string();
        assert!(
            text.ends_with("rtt min/avg/max/mdev = 42.000/42.000/42.000/NaN µs"),
            "{text}"
        );
        let nothing = Counts::default().summary("x", Duration::ZERO, false, false);
        assert!(nothing.to_string().contains("0% packet loss"), "{nothing}");
    }
}
