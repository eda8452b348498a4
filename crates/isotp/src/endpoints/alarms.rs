//! Which endpoint has to be told of the time next.

use alloc::vec::Vec;

use tinwire_time::Instant;

/// Stands for "not in the heap".
const NOWHERE: u32 = u32::MAX;

/// At most one deadline for each place of a table, the earliest at hand.
///
/// A binary heap that knows where each deadline stands, so that moving one (each received frame moves an
/// N_Cr) takes no further memory. Its cost depends on how many deadlines run, not on how many places there
/// are.
#[derive(Debug)]
pub(super) struct Alarms {
    heap: Vec<(Instant, usize)>,
    /// Where in the heap each place's deadline is.
    at: Vec<u32>,
}

impl Alarms {
    pub(super) const fn new() -> Self {
        Self {
            heap: Vec::new(),
            at: Vec::new(),
        }
    }

    /// The earliest deadline.
    pub(super) fn earliest(&self) -> Option<Instant> {
        self.heap.first().map(|(due, _)| *due)
    }

    /// The place with the earliest deadline, if that has come.
    pub(super) fn due(&self, now: Instant) -> Option<usize> {
        self.heap
            .first()
            .filter(|(due, _)| *due <= now)
            .map(|(_, place)| *place)
    }

    /// Sets, moves or clears the deadline of `place`.
    pub(super) fn set(&mut self, place: usize, deadline: Option<Instant>) {
        let at = self.find(place);
        match (deadline, self.heap.get_mut(at)) {
            (None, None) => {}
            (Some(due), Some(entry)) if entry.0 == due => {}
            (Some(due), Some(entry)) => {
                entry.0 = due;
                let at = self.rise(at);
                self.sink(at);
            }
            (Some(due), None) => {
                if self.at.len() <= place {
                    self.at.resize(place + 1, NOWHERE);
                }
                self.heap.push((due, place));
                self.note(self.heap.len() - 1);
                self.rise(self.heap.len() - 1);
            }
            (None, Some(_)) => {
                self.heap.swap_remove(at);
                self.forget(place);
                if at < self.heap.len() {
                    self.note(at);
                    let at = self.rise(at);
                    self.sink(at);
                }
            }
        }
    }

    /// Where in the heap the deadline of `place` is, or past its end.
    fn find(&self, place: usize) -> usize {
        let at = self.at.get(place).copied().unwrap_or(NOWHERE);
        usize::try_from(at).unwrap_or(usize::MAX)
    }

    /// How much memory it takes.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.heap.capacity() * size_of::<(Instant, usize)>() + self.at.capacity() * size_of::<u32>()
    }

    fn forget(&mut self, place: usize) {
        if let Some(slot) = self.at.get_mut(place) {
            *slot = NOWHERE;
        }
    }

    /// Remembers that the entry at `at` is there.
    fn note(&mut self, at: usize) {
        if let Some((_, place)) = self.heap.get(at)
            && let Some(slot) = self.at.get_mut(*place)
        {
            *slot = u32::try_from(at).unwrap_or(NOWHERE);
        }
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        self.note(a);
        self.note(b);
    }

    fn is_before(&self, a: usize, b: usize) -> bool {
        let due = |at: usize| self.heap.get(at).map(|(due, _)| *due);
        match (due(a), due(b)) {
            (Some(a), Some(b)) => a < b,
            _ => false,
        }
    }

    /// Lets an entry rise to where it belongs, and tells where that is.
    fn rise(&mut self, mut at: usize) -> usize {
        while at > 0 && self.is_before(at, (at - 1) / 2) {
            self.swap(at, (at - 1) / 2);
            at = (at - 1) / 2;
        }
        at
    }

    fn sink(&mut self, mut at: usize) {
        loop {
            let (left, right) = (2 * at + 1, 2 * at + 2);
            let least = if self.is_before(right, left) { right } else { left };
            if !self.is_before(least, at) {
                return;
            }
            self.swap(at, least);
            at = least;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_earliest_of_all_deadlines_is_at_hand(
            moves in proptest::collection::vec((0..12usize, proptest::option::of(0..50u64)), 0..200),
        ) {
            let mut alarms = Alarms::new();
            let mut model = BTreeMap::new();
            for (place, deadline) in moves {
                let deadline = deadline.map(Instant::from_micros);
                alarms.set(place, deadline);
                match deadline {
                    Some(due) => model.insert(place, due),
                    None => model.remove(&place),
                };
                prop_assert_eq!(alarms.earliest(), model.values().min().copied());
            }
            let mut rung = Vec::new();
            while let Some(place) = alarms.due(Instant::MAX) {
                rung.extend(alarms.earliest().map(|due| (due, place)));
                alarms.set(place, None);
            }
            prop_assert!(rung.is_sorted_by_key(|(due, _)| *due));
            let rung: BTreeMap<_, _> = rung.into_iter().map(|(due, place)| (place, due)).collect();
            prop_assert_eq!(rung, model);
        }
    }
}
