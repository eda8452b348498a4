//! Gaps between consecutive frames, against the separation time that was asked for.

use core::time::Duration;
use std::collections::BTreeMap;

use isotp::StMin;

use super::meter::Gap;

/// Time stamps count microseconds, so a difference of two may be one too small.
const RESOLUTION: u64 = 1;
/// Buckets of each power of two: values are kept within 1/32 of themselves.
const PARTS: u64 = 32;

/// How often each gap was seen. Memory is bounded: a few thousand buckets, whatever comes.
#[derive(Clone, Debug, Default)]
pub(super) struct Histogram {
    /// By the least value of each bucket, in microseconds.
    buckets: BTreeMap<u64, u64>,
    count: u64,
    min: u64,
    max: u64,
}

impl Histogram {
    pub(super) fn add(&mut self, micros: u64) {
        *self.buckets.entry(floor(micros)).or_default() += 1;
        self.min = if self.count == 0 {
            micros
        } else {
            self.min.min(micros)
        };
        self.max = self.max.max(micros);
        self.count += 1;
    }

    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    pub(super) const fn min(&self) -> u64 {
        self.min
    }

    pub(super) const fn max(&self) -> u64 {
        self.max
    }

    /// The value that so many of a thousand do not exceed; exact at both ends, else within 1/32.
    pub(super) fn per_mille(&self, share: u64) -> u64 {
        let rank = (self.count * share).div_ceil(1000).max(1);
        let mut seen = 0;
        for (&value, &count) in &self.buckets {
            seen += count;
            if seen >= rank {
                return value.clamp(self.min, self.max);
            }
        }
        self.max
    }

    /// At most `rows` ranges of equal width that cover 99 %, and one for what is above: from, to, count.
    pub(super) fn ranges(&self, rows: u64) -> Vec<(u64, u64, u64)> {
        let (from, to) = (self.min, self.per_mille(990));
        let width = (to - from).div_ceil(rows).max(1);
        let mut ranges: BTreeMap<u64, u64> = BTreeMap::new();
        for (&value, &count) in &self.buckets {
            let at = (value.max(from) - from) / width;
            *ranges.entry(at.min(rows)).or_default() += count;
        }
        ranges
            .into_iter()
            .map(|(at, count)| {
                let start = from + at * width;
                let end = if at == rows { self.max } else { start + width - 1 };
                (start, end.min(self.max), count)
            })
            .collect()
    }
}

/// The least value of the bucket that a value belongs to.
const fn floor(value: u64) -> u64 {
    let width = match value.checked_ilog2() {
        Some(log) => (1 << log) / PARTS,
        None => 0,
    };
    if width == 0 { value } else { value - value % width }
}

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
    fn values_are_kept_within_a_thirty_second_of_themselves() {
        for value in [0, 1, 63, 64, 65, 1000, 123_456, u64::MAX] {
            let kept = floor(value);
            assert!(kept <= value && value - kept <= value / PARTS, "{value} {kept}");
        }
        let mut histogram = Histogram::default();
        for value in 0..100_000 {
            histogram.add(value);
        }
        assert!(histogram.buckets.len() < 600, "{}", histogram.buckets.len());
        let median = histogram.per_mille(500);
        assert!((48_000..=50_000).contains(&median), "{median}");
        assert_eq!((histogram.min(), histogram.max()), (0, 99_999));
        let total: u64 = histogram.ranges(12).iter().map(|(_, _, count)| count).sum();
        assert_eq!(total, 100_000);
    }

    #[test]
    fn one_value_is_one_range() {
        let mut histogram = Histogram::default();
        histogram.add(5_000);
        histogram.add(5_000);
        assert_eq!(histogram.ranges(12), [(5_000, 5_000, 2)]);
        assert_eq!(histogram.per_mille(990), 5_000);
        assert!(Histogram::default().ranges(12).is_empty());
    }

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
