//! Sets of identifiers, to tell whether two receivers would take the same frames.

use can_link::Id;
use can_link::id::{self, EFF_FLAG, EXTENDED_MASK};

use crate::address::{RxAddress, Target};

/// Identifier words of one format, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) first: u32,
    pub(crate) last: u32,
}

impl Range {
    /// `None` when there is nothing between the two, or their formats differ.
    pub(crate) fn new(first: Id, last: Id) -> Option<Self> {
        let (first, last) = (id::to_word(first), id::to_word(last));
        (first <= last && (first ^ last) & EFF_FLAG == 0).then_some(Self { first, last })
    }

    pub(crate) const fn contains(&self, word: u32) -> bool {
        self.first <= word && word <= self.last
    }
}

/// A set of frames by identifier and address byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) ids: Range,
    /// Identifier bits that matter.
    pub(crate) mask: u32,
    pub(crate) byte: Option<u8>,
}

impl Claim {
    /// The physical frames that an address receives.
    pub(crate) fn of(rx: &RxAddress) -> Self {
        let word = rx.id(Target::Physical).map_or(0, id::to_word);
        let ids = Range {
            first: word,
            last: word,
        };
        Self {
            ids,
            mask: rx.id_mask(),
            byte: rx.address_byte(),
        }
    }

    pub(crate) const fn exact(ids: Range, byte: Option<u8>) -> Self {
        Self {
            ids,
            mask: EXTENDED_MASK,
            byte,
        }
    }

    /// Its identifiers, as ranges in which every bit matters.
    fn ranges(&self) -> impl Iterator<Item = Range> {
        let length = self.ids.last - self.ids.first;
        variants(self.ids.first, self.mask, EXTENDED_MASK).map(move |first| Range {
            first,
            last: first + length,
        })
    }

    /// Whether a frame is in both sets.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let bytes = match (self.byte, other.byte) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        };
        let mut pairs = self.ranges().flat_map(|a| other.ranges().map(move |b| (a, b)));
        bytes && pairs.any(|(a, b)| a.first <= b.last && b.first <= a.last)
    }

    /// Whether frames with this identifier and first byte are in the set.
    pub(crate) fn takes(&self, word: u32, first_byte: Option<u8>) -> bool {
        let within = self.ranges().any(|ids| ids.contains(word));
        within && (self.byte.is_none() || self.byte == first_byte)
    }

    /// Filters that let exactly its identifiers through: one for each aligned block.
    #[cfg(any(feature = "tokio", test))]
    pub(crate) fn filters(&self) -> alloc::vec::Vec<can_link::Filter> {
        let mut filters = alloc::vec::Vec::new();
        let mut first = self.ids.first;
        loop {
            let left = self.ids.last - first;
            let mut low = 0;
            while first & (low << 1 | 1) == 0 && low << 1 | 1 <= left {
                low = low << 1 | 1;
            }
            filters.push(can_link::Filter::masked(id::from_word(first), self.mask & !low));
            if left <= low {
                return filters;
            }
            first += low + 1;
        }
    }
}

/// Every word that agrees with `word` in the bits of `mask`, and differs in those that `other` compares.
pub(super) fn variants(word: u32, mask: u32, other: u32) -> impl Iterator<Item = u32> {
    let free = if word & EFF_FLAG == 0 { 0 } else { other & !mask };
    let fixed = word & !free;
    // Counts down through the subsets of `free`: a subtraction borrows across the bits that are not in it.
    let subsets = core::iter::successors(Some(free), move |subset| {
        (*subset != 0).then(|| (subset - 1) & free)
    });
    subsets.map(move |subset| fixed | subset)
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use can_link::{CanFrame, ExtendedId, StandardId};
    use proptest::prelude::*;

    use super::*;

    const ANY_PRIORITY: u32 = 0x03FF_FFFF;

    fn extended(raw: u32) -> u32 {
        raw | EFF_FLAG
    }

    #[test]
    fn all_priorities_of_an_identifier_are_eight() {
        let word = extended(0x18DA_F110);
        let mut found: Vec<_> = variants(word, ANY_PRIORITY, EXTENDED_MASK).collect();
        found.sort_unstable();
        let all: Vec<_> = (0..8)
            .map(|priority| extended(priority << 26 | 0xDA_F110))
            .collect();
        assert_eq!(found, all);
        assert_eq!(variants(word, EXTENDED_MASK, ANY_PRIORITY).count(), 1);
    }

    #[test]
    fn a_claim_of_any_priority_overlaps_each_of_them() {
        let fixed = Claim::of(&RxAddress::normal_fixed(0x10, 0xF1));
        let other = |raw| Claim::of(&RxAddress::normal(ExtendedId::new(raw).unwrap()));
        assert!(fixed.overlaps(&other(0x18DA_F110)));
        assert!(other(0x04DA_F110).overlaps(&fixed));
        assert!(!fixed.overlaps(&other(0x18DA_F111)));
        // A range that begins in one priority and ends in the next.
        let across = Range {
            first: extended(0x18DA_F110),
            last: extended(0x1C00_0000),
        };
        assert!(fixed.overlaps(&Claim::exact(across, None)));
        let standard = Claim::of(&RxAddress::normal(StandardId::new(0x110).unwrap()));
        assert!(!standard.overlaps(&other(0x110)));
    }

    #[test]
    fn an_address_byte_tells_claims_apart_and_its_absence_does_not() {
        let id = StandardId::new(0x6F1).unwrap();
        let claim = |rx: RxAddress| Claim::of(&rx);
        let (a, b) = (
            claim(RxAddress::extended(id, 1)),
            claim(RxAddress::extended(id, 2)),
        );
        assert!(!a.overlaps(&b) && a.overlaps(&a));
        assert!(a.overlaps(&claim(RxAddress::normal(id))));
    }

    proptest! {
        #[test]
        fn filters_let_exactly_the_range_through(first in 0..0x800u16, len in 0..0x800u16) {
            let last = first.saturating_add(len).min(0x7FF);
            let id = |raw| Id::from(StandardId::new(raw).unwrap());
            let claim = Claim::exact(Range::new(id(first), id(last)).unwrap(), None);
            let filters = claim.filters();
            prop_assert!(filters.len() <= 20);
            for raw in 0..0x800 {
                let frame = CanFrame::data(StandardId::new(raw).unwrap(), &[]).unwrap();
                let passes = filters.iter().any(|filter| filter.accepts(&frame));
                prop_assert_eq!(passes, (first..=last).contains(&raw), "{:x}", raw);
            }
        }
    }
}
