//! Gaps between consecutive frames against the separation time that was asked for.

use core::fmt;
use core::time::Duration;

/// Upper ends of the bars, in microseconds above what was asked for.
const BARS: [u128; 9] = [10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000];

/// The gaps of one transfer after the other.
pub(crate) struct Gaps {
    asked: Duration,
    /// By how much each one is longer than asked for.
    over: Vec<Duration>,
    /// How many were shorter, and the shortest.
    short: usize,
    shortest: Duration,
}

impl Gaps {
    pub(crate) const fn new(asked: Duration) -> Self {
        Self {
            asked,
            over: Vec::new(),
            short: 0,
            shortest: Duration::MAX,
        }
    }

    pub(crate) fn add(&mut self, gap: Duration) {
        self.short += usize::from(gap < self.asked);
        self.shortest = self.shortest.min(gap);
        self.over.push(gap.saturating_sub(self.asked));
    }

    /// The overshoot that `percent` of the gaps do not exceed.
    fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.over.clone();
        sorted.sort_unstable();
        let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
        sorted.get(at).copied().unwrap_or_default()
    }
}

impl fmt::Display for Gaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.over.len();
        let (asked, short, shortest) = (self.asked, self.short, self.shortest);
        write!(
            f,
            "STmin {asked:?}: {count} gaps, {short} shorter (the shortest {shortest:?}); longer by"
        )?;
        let [middle, most, nearly] = [50, 90, 99].map(|percent| self.percentile(percent));
        let longest = self.percentile(100);
        writeln!(
            f,
            " {middle:?} in the middle, {most:?} at 90 %, {nearly:?} at 99 %, {longest:?} at most"
        )?;
        let lower = [0].into_iter().chain(BARS);
        for (from, to) in lower.zip(BARS.into_iter().chain([u128::MAX])) {
            let within = |over: &&Duration| (from..to).contains(&over.as_micros());
            let hits = self.over.iter().filter(within).count();
            if hits > 0 {
                let bar = "#".repeat((hits * 60).div_ceil(count));
                writeln!(f, "  {from:>5} us.. {hits:>5} {bar}")?;
            }
        }
        Ok(())
    }
}
