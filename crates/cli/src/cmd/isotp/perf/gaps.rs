//! Gaps between consecutive frames, against the separation time that was asked for.

use core::time::Duration;
use std::collections::BTreeMap;

use isotp::StMin;

use super::meter::Gap;
use crate::cmd::histogram::Histogram;

/// Time stamps count microseconds, so a difference of two may be one too small.
const RESOLUTION: u64 = 1;

/// The gaps of one separation time.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    pub(super) histogram: Histogram,
    /// Gaps that were shorter than asked for.
    pub(super) shorter: u64,
    /// By how many microseconds the worst one was too short.
    pub(super) worst: u64,
}

/// All gaps, by what was asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Gaps {
    by_asked: BTreeMap<u8, Kept>,
}

impl Gaps {
    pub(super) fn add(&mut self, gap: Gap) {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let (asked, kept) = (micros(gap.asked.gap()), micros(gap.kept));
        let entry = self.by_asked.entry(gap.asked.to_bits()).or_default();
        entry.histogram.add(kept);
        if kept + RESOLUTION < asked {
            entry.shorter += 1;
            entry.worst = entry.worst.max(asked - kept);
        }
    }

    /// What was asked for, and what was kept.
    pub(super) fn iter(&self) -> impl Iterator<Item = (StMin, &Kept)> {
        self.by_asked
            .iter()
            .filter_map(|(&bits, kept)| Some((StMin::from_bits(bits)?, kept)))
    }

    pub(super) fn shorter(&self) -> u64 {
        self.by_asked.values().map(|kept| kept.shorter).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_shorter_by_more_than_the_clock_can_err_is_a_violation() {
        let mut gaps = Gaps::default();
        let asked = StMin::from_millis(5).unwrap();
        for micros in [4_900, 4_999, 5_000, 5_100] {
            let kept = Duration::from_micros(micros);
            gaps.add(Gap { asked, kept });
        }
        gaps.add(Gap {
            asked: StMin::ZERO,
            kept: Duration::ZERO,
        });
        assert_eq!(gaps.shorter(), 1);
        let found: Vec<_> = gaps.iter().map(|(asked, kept)| (asked, kept.worst)).collect();
        assert_eq!(found, [(StMin::ZERO, 0), (asked, 100)]);
    }
}
