//! Which numbers of a run have come.

use std::collections::BTreeMap;

/// Gaps that are remembered. Of more, the first ones are taken for lost.
const MAX_RANGES: usize = 65_536;

/// The numbers of one run, as ranges: in order, they are one.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// First number of a range, and the one behind its last.
    ranges: BTreeMap<u64, u64>,
    frames: u64,
    duplicated: u64,
    reordered: u64,
    /// Numbers in gaps that were given up.
    given_up: u64,
    /// The highest number and one.
    next: u64,
}

impl Tally {
    /// A frame of this number has come.
    pub(super) fn take(&mut self, number: u64) {
        self.frames += 1;
        // Nearly every frame goes behind the last one.
        if number >= self.next {
            match self.ranges.last_entry() {
                Some(mut last) if *last.get() == number => *last.get_mut() = number + 1,
                _ => {
                    self.ranges.insert(number, number + 1);
                }
            }
            self.next = number + 1;
        } else if self.has(number) {
            self.duplicated += 1;
        } else {
            self.reordered += 1;
            self.insert(number);
        }
        if self.ranges.len() > MAX_RANGES {
            self.give_up();
        }
    }

    fn has(&self, number: u64) -> bool {
        let before = self.ranges.range(..=number).next_back();
        before.is_some_and(|(_, end)| *end > number)
    }

    fn insert(&mut self, number: u64) {
        let end = self.ranges.remove(&(number + 1)).unwrap_or(number + 1);
        match self.ranges.range_mut(..number).next_back() {
            Some((_, before)) if *before == number => *before = end,
            _ => {
                self.ranges.insert(number, end);
            }
        }
    }

    /// Closes the first gap.
    fn give_up(&mut self) {
        if let Some((first, end)) = self.ranges.pop_first()
            && let Some((second, behind)) = self.ranges.pop_first()
        {
            self.given_up += second - end;
            self.ranges.insert(first, behind);
        }
    }

    /// Frames that have come, each as often as it did.
    pub(super) const fn frames(&self) -> u64 {
        self.frames
    }

    /// Frames that came again.
    pub(super) const fn duplicated(&self) -> u64 {
        self.duplicated
    }

    /// Frames that came behind a later one.
    pub(super) const fn reordered(&self) -> u64 {
        self.reordered
    }

    /// The lowest number.
    pub(super) fn first(&self) -> Option<u64> {
        self.ranges.first_key_value().map(|(first, _)| *first)
    }

    /// The highest number.
    pub(super) fn last(&self) -> Option<u64> {
        self.next.checked_sub(1)
    }

    /// Numbers that have not come, of `expected` ones or up to the highest.
    pub(super) fn lost(&self, expected: Option<u64>) -> u64 {
        let come: u64 = self.ranges.iter().map(|(first, end)| end - first).sum();
        let all = expected.unwrap_or(0).max(self.next);
        // Gaps that were given up lie within a range.
        all - come + self.given_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(numbers: impl IntoIterator<Item = u64>) -> Tally {
        let mut tally = Tally::default();
        for number in numbers {
            tally.take(number);
        }
        tally
    }

    #[test]
    fn in_order_nothing_is_missing() {
        let tally = tally(0..1_000);
        assert_eq!(
            (tally.lost(None), tally.lost(Some(1_500)), tally.ranges.len()),
            (0, 500, 1)
        );
    }

    #[test]
    fn what_is_missing_doubled_and_late_is_counted() {
        let tally = tally([1, 2, 5, 2, 4, 9, 4, 3]);
        assert_eq!((tally.frames(), tally.duplicated(), tally.reordered()), (8, 2, 2));
        assert_eq!(
            (tally.lost(None), tally.first(), tally.last()),
            (4, Some(1), Some(9))
        );
        assert_eq!(tally.ranges.len(), 2, "1 to 5, and 9");
    }

    #[test]
    fn in_any_order_the_sum_is_the_same() {
        let reversed = tally((0..100).rev());
        assert_eq!(
            (reversed.lost(None), reversed.reordered(), reversed.ranges.len()),
            (0, 99, 1)
        );
        let shuffled = tally((0..101).map(|number| number * 37 % 101));
        assert_eq!(
            (shuffled.lost(None), shuffled.duplicated(), shuffled.ranges.len()),
            (0, 0, 1)
        );
    }

    #[test]
    fn memory_is_bounded_and_the_count_stays_right() {
        let every_second = tally((0..200_000).map(|number| number * 2));
        assert!(every_second.ranges.len() <= MAX_RANGES);
        assert_eq!(every_second.lost(None), 199_999);
    }
}
