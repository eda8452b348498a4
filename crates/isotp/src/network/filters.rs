//! What the link has to deliver.

use alloc::vec::Vec;

use can_link::{Filter, FilterSet};

use crate::address::Target;
use crate::endpoints::{Claim, Endpoints};

/// Filters given to a link at most. Kernels compare a frame with each of them, and controllers have few: with
/// more endpoints the link is left open, and the machine finds out in constant time what is whose.
const MAX_FILTERS: usize = 64;

/// Whether own frames come back, and have to pass too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Confirmation {
    /// A frame counts as sent when the link has taken it.
    Taken,
    /// A frame counts as sent when the link gives it back, which it does once it was on the wire.
    Echo,
}

/// Filters that let through what somebody receives.
pub(super) fn filters(endpoints: &Endpoints, confirmation: Confirmation) -> FilterSet {
    let mut all: Vec<Filter> = Vec::new();
    let groups = endpoints
        .groups()
        .flat_map(|group| group.responders().claims())
        .flat_map(|claim| claim.filters());
    let targets = [Target::Physical, Target::Functional];
    let receiving = endpoints.singles().flat_map(|channel| {
        let rx = *channel.address().rx();
        let functional = rx.id(Target::Functional);
        let functional = functional.map(|id| Filter::masked(id, rx.id_mask()));
        Claim::of(&rx).filters().into_iter().chain(functional)
    });
    let echoed = endpoints
        .iter()
        .filter(|_| confirmation == Confirmation::Echo)
        .flat_map(|(_, channel)| targets.map(|target| Filter::id(channel.address().tx().id(target))));
    for filter in groups.chain(receiving).chain(echoed) {
        if all.contains(&filter) {
            continue;
        }
        if all.len() >= MAX_FILTERS {
            return FilterSet::default();
        }
        all.push(filter);
    }
    FilterSet::any(all)
}
