//! Several filters and how they combine.

use alloc::vec::Vec;

use super::{Filter, merge};
use crate::error_frame::ErrorClasses;
use crate::frame::CanFrame;

/// How the filters of a set combine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Join {
    /// A frame passes when any filter accepts it.
    #[default]
    Any,
    /// A frame passes when every filter accepts it: notches several identifiers out with inverted filters.
    All,
}

/// What a receiver wants: data filters, how they combine, and which error reports.
///
/// The default accepts all traffic and all error reports. A set without filters accepts no traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterSet {
    filters: Vec<Filter>,
    join: Join,
    errors: ErrorClasses,
}

impl Default for FilterSet {
    fn default() -> Self {
        Self::any([Filter::ALL])
    }
}

impl FilterSet {
    /// Accepts what any of `filters` accepts, and all error reports.
    #[must_use]
    pub fn any(filters: impl IntoIterator<Item = Filter>) -> Self {
        Self {
            filters: filters.into_iter().collect(),
            join: Join::Any,
            errors: ErrorClasses::ALL,
        }
    }

    /// Accepts what all of `filters` accept, and all error reports.
    #[must_use]
    pub fn all(filters: impl IntoIterator<Item = Filter>) -> Self {
        Self {
            join: Join::All,
            ..Self::any(filters)
        }
    }

    /// Chooses which error reports are wanted.
    #[must_use]
    pub fn with_errors(self, errors: ErrorClasses) -> Self {
        Self { errors, ..self }
    }

    /// The filters.
    #[must_use]
    pub fn filters(&self) -> &[Filter] {
        &self.filters
    }

    /// How the filters combine.
    #[must_use]
    pub const fn join(&self) -> Join {
        self.join
    }

    /// Which error reports are wanted.
    #[must_use]
    pub const fn errors(&self) -> ErrorClasses {
        self.errors
    }

    /// Whether `frame` passes. An empty set accepts nothing, whatever the join.
    #[must_use]
    pub fn accepts(&self, frame: &CanFrame) -> bool {
        let word = frame.id_word();
        match self.join {
            Join::Any => self.filters.iter().any(|filter| filter.accepts_word(word)),
            Join::All => {
                !self.filters.is_empty() && self.filters.iter().all(|filter| filter.accepts_word(word))
            }
        }
    }

    /// At most `slots` filters that accept at least what this set accepts.
    ///
    /// Controllers have few filter slots. Filters are merged pair by pair, each time the pair whose union
    /// lets the fewest further identifiers through; what they let through in excess is for the software
    /// filter. A set that cannot be widened slot by slot (inverted filters, [`Join::All`]) that does not fit
    /// becomes [`Filter::ALL`].
    #[must_use]
    pub fn merge(&self, slots: usize) -> Vec<Filter> {
        if self.filters.len() <= slots && self.join == Join::Any {
            return self.filters.clone();
        }
        if self.join == Join::All || slots == 0 || self.filters.iter().any(|filter| filter.is_inverted()) {
            return alloc::vec![Filter::ALL];
        }
        merge::merge(self.filters.clone(), slots)
    }
}

#[cfg(test)]
mod tests {
    use embedded_can::StandardId;
    use proptest::prelude::*;

    use super::*;

    fn exact(raw: u16) -> Filter {
        Filter::id(StandardId::new(raw & 0x7FF).unwrap().into())
    }

    fn frame(raw: u16) -> CanFrame {
        CanFrame::data(StandardId::new(raw & 0x7FF).unwrap(), &[]).unwrap()
    }

    #[test]
    fn two_inverted_filters_notch_out_only_when_joined() {
        let filters = [exact(1).inverted(), exact(2).inverted()];
        assert!(
            FilterSet::any(filters).accepts(&frame(1)),
            "ORed inversions let everything through"
        );
        let notch = FilterSet::all(filters);
        assert!(!notch.accepts(&frame(1)) && !notch.accepts(&frame(2)) && notch.accepts(&frame(3)));
    }

    #[test]
    fn an_empty_set_accepts_no_traffic() {
        assert!(!FilterSet::any([]).accepts(&frame(1)));
        assert!(!FilterSet::all([]).accepts(&frame(1)));
        assert!(FilterSet::default().accepts(&frame(1)));
    }

    #[test]
    fn merging_prefers_the_pair_that_widens_least() {
        let set = FilterSet::any([exact(0x100), exact(0x101), exact(0x7FF)]);
        let merged = set.merge(2);
        assert_eq!(merged.len(), 2);
        let accepted: Vec<u16> = (0..=0x7FF)
            .filter(|&raw| merged.iter().any(|filter| filter.accepts(&frame(raw))))
            .collect();
        assert_eq!(accepted, [0x100, 0x101, 0x7FF]);
    }

    #[test]
    fn what_cannot_be_widened_accepts_all() {
        assert_eq!(
            FilterSet::any([exact(1).inverted(), exact(2)]).merge(1),
            [Filter::ALL]
        );
        assert_eq!(FilterSet::all([exact(1).inverted()]).merge(4), [Filter::ALL]);
        assert_eq!(FilterSet::any([exact(1)]).merge(0), [Filter::ALL]);
    }

    proptest! {
        #[test]
        fn merging_never_loses_a_frame(
            ids in proptest::collection::vec(0..0x800u16, 1..12),
            slots in 1..6usize,
        ) {
            let set = FilterSet::any(ids.iter().map(|&raw| exact(raw)));
            let merged = set.merge(slots);
            prop_assert!(merged.len() <= slots);
            for raw in ids {
                prop_assert!(merged.iter().any(|filter| filter.accepts(&frame(raw))));
            }
        }
    }
}
