//! Fitting many filters into few slots.

use alloc::vec::Vec;

use super::Filter;

/// The narrowest filter that accepts what `a` and `b` accept (both not inverted).
const fn union(a: Filter, b: Filter) -> Filter {
    let mask = a.mask & b.mask & !(a.word ^ b.word);
    Filter {
        word: a.word & mask,
        mask,
        inverted: false,
    }
}

/// How many identifier words the union lets through beyond the two, at most.
fn excess(a: Filter, b: Filter) -> u64 {
    let size = |filter: Filter| 1u64 << filter.mask.count_zeros();
    size(union(a, b)).saturating_sub(size(a)).saturating_sub(size(b))
}

/// Merges the cheapest pair until at most `slots` (at least 1) filters are left.
pub(super) fn merge(mut filters: Vec<Filter>, slots: usize) -> Vec<Filter> {
    while filters.len() > slots.max(1) {
        let pairs = (0..filters.len()).flat_map(|i| (0..i).map(move |j| (i, j)));
        let cost = |&(i, j): &(usize, usize)| match (filters.get(i), filters.get(j)) {
            (Some(&a), Some(&b)) => excess(a, b),
            _ => u64::MAX,
        };
        let Some((i, j)) = pairs.min_by_key(cost) else {
            break;
        };
        let (a, b) = (filters.swap_remove(i), filters.swap_remove(j));
        filters.push(union(a, b));
    }
    filters
}
