//! How long responses took.

use alloc::vec;
use alloc::vec::Vec;

/// Steps in each power of two, as a number of bits.
const STEP_BITS: u32 = 3;
const STEPS: usize = 1 << STEP_BITS;
/// A place for every number of 63 bits.
const PLACES: usize = 61 * STEPS + STEPS;

/// A histogram of latencies, in steps of an eighth of a power of two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latencies {
    places: Vec<u64>,
    count: u64,
    sum: u128,
    least: u64,
    most: u64,
    negative: u64,
    unknown: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self {
            places: vec![0; PLACES],
            count: 0,
            sum: 0,
            least: u64::MAX,
            most: 0,
            negative: 0,
            unknown: 0,
        }
    }
}

/// Where a number is counted: below eight each has its own place.
fn place(nanos: u64) -> usize {
    let above = nanos.checked_ilog2().unwrap_or(0).saturating_sub(STEP_BITS);
    let step = usize::try_from(nanos >> above).unwrap_or(0);
    usize::try_from(above).unwrap_or(0) * STEPS + step
}

/// The largest number that is counted at a place.
fn last(place: usize) -> u64 {
    let Some(above) = (place / STEPS).checked_sub(1) else {
        return u64::try_from(place).unwrap_or(u64::MAX);
    };
    let step = u64::try_from(place % STEPS + STEPS).unwrap_or(0);
    let above = u32::try_from(above).unwrap_or(0);
    ((step + 1) << above) - 1
}

impl Latencies {
    /// Counts a latency in nanoseconds. A negative one, of clocks that do not agree, is counted apart.
    pub(super) fn add(&mut self, nanos: i64) {
        let Ok(nanos) = u64::try_from(nanos) else {
            self.negative += 1;
            return;
        };
        if let Some(count) = self.places.get_mut(place(nanos)) {
            *count += 1;
        }
        self.count += 1;
        self.sum += u128::from(nanos);
        self.least = self.least.min(nanos);
        self.most = self.most.max(nanos);
    }

    pub(super) const fn add_unknown(&mut self) {
        self.unknown += 1;
    }

    pub(super) fn merge(&mut self, other: &Self) {
        super::add(&mut self.places, &other.places);
        self.count += other.count;
        self.sum += other.sum;
        self.least = self.least.min(other.least);
        self.most = self.most.max(other.most);
        self.negative += other.negative;
        self.unknown += other.unknown;
    }

    /// Latencies that were counted.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Responses before their queries, by their times.
    #[must_use]
    pub const fn negative(&self) -> u64 {
        self.negative
    }

    /// Responses without a time, or whose query was not seen.
    #[must_use]
    pub const fn unknown(&self) -> u64 {
        self.unknown
    }

    /// The least, in nanoseconds.
    #[must_use]
    pub fn min(&self) -> Option<u64> {
        (self.count > 0).then_some(self.least)
    }

    /// The most, in nanoseconds.
    #[must_use]
    pub fn max(&self) -> Option<u64> {
        (self.count > 0).then_some(self.most)
    }

    /// The mean, in nanoseconds.
    #[must_use]
    pub fn mean(&self) -> Option<u64> {
        let mean = self.sum.checked_div(u128::from(self.count))?;
        u64::try_from(mean).ok()
    }

    /// The latency in nanoseconds that `thousandths` of the responses did not exceed: 500 for the median, 990
    /// for the 99th percentile. At most 12.5 % too large.
    #[must_use]
    pub fn quantile(&self, thousandths: u64) -> Option<u64> {
        let share = u128::from(self.count) * u128::from(thousandths.min(1000));
        let rank = u64::try_from(share.div_ceil(1000)).ok()?.max(1);
        let mut seen = 0;
        for (place, count) in self.places.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Some(last(place).clamp(self.least, self.most));
            }
        }
        None
    }

    /// The steps that hold something: the largest latency of each, in nanoseconds, and how many there are.
    pub fn steps(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let places = self.places.iter().enumerate();
        places
            .filter(|(_, count)| **count > 0)
            .map(|(place, count)| (last(place), *count))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_number_has_a_place_and_places_follow_each_other() {
        let mut before = None;
        for place in 0..PLACES {
            let last = last(place);
            assert_eq!(super::place(last), place);
            assert!(before.is_none_or(|before| before < last));
            assert_eq!(super::place(before.map_or(0, |before| before + 1)), place);
            before = Some(last);
            if last >= i64::MAX as u64 {
                break;
            }
        }
    }

    proptest! {
        #[test]
        fn quantiles_are_at_most_an_eighth_too_large(
            mut numbers in prop::collection::vec(0..i64::MAX, 1..100),
            thousandths in 1..=1000_u64,
        ) {
            let mut latencies = Latencies::default();
            numbers.iter().for_each(|number| latencies.add(*number));
            numbers.sort_unstable();
            let rank = usize::try_from((numbers.len() as u64 * thousandths).div_ceil(1000) - 1).unwrap();
            let exact = numbers[rank] as u64;
            let told = latencies.quantile(thousandths).unwrap();
            prop_assert!(told >= exact && told - exact <= exact / 8, "{} {}", told, exact);
            prop_assert_eq!(latencies.max(), numbers.last().map(|last| *last as u64));
        }
    }
}
