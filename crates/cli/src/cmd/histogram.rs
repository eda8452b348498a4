//! How often each time was seen.

use core::time::Duration;
use std::collections::BTreeMap;

use serde::Serialize;

use crate::units;

/// Rows of a histogram.
const ROWS: u64 = 12;
/// Letters of the longest bar.
const BAR: u64 = 40;
/// Buckets of each power of two: values are kept within 1/32 of themselves.
const PARTS: u64 = 32;

/// How often each time was seen. Memory is bounded: a few thousand buckets, whatever comes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Histogram {
    /// By the least value of each bucket, in microseconds.
    buckets: BTreeMap<u64, u64>,
    count: u64,
    min: u64,
    max: u64,
}

impl Histogram {
    pub(crate) fn add(&mut self, micros: u64) {
        *self.buckets.entry(floor(micros)).or_default() += 1;
        self.min = if self.count == 0 {
            micros
        } else {
            self.min.min(micros)
        };
        self.max = self.max.max(micros);
        self.count += 1;
    }

    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    pub(crate) const fn min(&self) -> u64 {
        self.min
    }

    pub(crate) const fn max(&self) -> u64 {
        self.max
    }

    /// The value that so many of a thousand do not exceed; exact at both ends, else within 1/32.
    pub(crate) fn per_mille(&self, share: u64) -> u64 {
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

    /// Some ranges of equal width that cover 99 %, and one for what is above.
    pub(crate) fn ranges(&self) -> Vec<Range> {
        let (from, to) = (self.min, self.per_mille(990));
        let width = (to - from).div_ceil(ROWS).max(1);
        let mut ranges: BTreeMap<u64, u64> = BTreeMap::new();
        for (&value, &count) in &self.buckets {
            let at = (value.max(from) - from) / width;
            *ranges.entry(at.min(ROWS)).or_default() += count;
        }
        let range = |(at, count)| {
            let from_us = from + at * width;
            let end = if at == ROWS { self.max } else { from_us + width - 1 };
            Range {
                from_us,
                to_us: end.min(self.max),
                count,
            }
        };
        ranges.into_iter().map(range).collect()
    }

    /// The ranges as lines with bars.
    pub(crate) fn bars(&self) -> Vec<String> {
        let ranges = self.ranges();
        let most = ranges.iter().map(|range| range.count).max().unwrap_or(1).max(1);
        let bar = |Range {
                       from_us,
                       to_us,
                       count,
                   }: &Range| {
            let letters = (count * BAR).div_ceil(most);
            let bar = "#".repeat(usize::try_from(letters).unwrap_or_default());
            let [from, to] = [*from_us, *to_us].map(|micros| units::shown(Duration::from_micros(micros)));
            format!("{from:>14} .. {to:<12} {bar:<40} {count}")
        };
        ranges.iter().map(bar).collect()
    }
}

/// How many times lie in a range, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Range {
    from_us: u64,
    to_us: u64,
    count: u64,
}

/// The least value of the bucket that a value belongs to.
const fn floor(value: u64) -> u64 {
    let width = match value.checked_ilog2() {
        Some(log) => (1 << log) / PARTS,
        None => 0,
    };
    if width == 0 { value } else { value - value % width }
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
        let total: u64 = histogram.ranges().iter().map(|range| range.count).sum();
        assert_eq!(total, 100_000);
    }

    #[test]
    fn one_value_is_one_range() {
        let mut histogram = Histogram::default();
        histogram.add(5_000);
        histogram.add(5_000);
        let range = Range {
            from_us: 5_000,
            to_us: 5_000,
            count: 2,
        };
        assert_eq!(histogram.ranges(), [range]);
        let bar = "#".repeat(40);
        assert_eq!(
            histogram.bars(),
            [format!("      5.000 ms .. 5.000 ms     {bar} 2")]
        );
        assert_eq!(histogram.per_mille(990), 5_000);
        assert!(Histogram::default().bars().is_empty());
    }
}
