//! The most frequent of many keys, with a fixed number of counters: Space-Saving.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::dns::Name;

/// Counters in a heap with the least on top; a key that has none takes over the least and its count.
#[derive(Clone, Debug)]
pub(super) struct Sketch {
    capacity: usize,
    counters: Vec<Counter>,
    /// Indices of `counters`, so that no counter's is above its parent's.
    heap: Vec<usize>,
    by_key: BTreeMap<Box<[u8]>, usize>,
}

#[derive(Clone, Debug)]
struct Counter {
    key: Box<[u8]>,
    count: u64,
    error: u64,
    /// Place in the heap.
    place: usize,
}

impl Counter {
    const fn entry(&self) -> Entry<'_> {
        Entry {
            key: &self.key,
            count: self.count,
            error: self.error,
        }
    }
}

/// A key, how often it was seen at most, and how much of that may be others'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry<'s> {
    pub(super) key: &'s [u8],
    pub(super) count: u64,
    pub(super) error: u64,
}

impl Sketch {
    pub(super) const fn new(capacity: usize) -> Self {
        Self {
            capacity,
            counters: Vec::new(),
            heap: Vec::new(),
            by_key: BTreeMap::new(),
        }
    }

    pub(super) fn add(&mut self, key: &[u8]) {
        self.add_many(key, 1, 0);
    }

    fn add_many(&mut self, key: &[u8], count: u64, error: u64) {
        if let Some(index) = self.by_key.get(key).copied() {
            if let Some(counter) = self.counters.get_mut(index) {
                counter.count += count;
                counter.error += error;
                let place = counter.place;
                self.sink(place);
            }
        } else if self.counters.len() < self.capacity {
            self.push(key, count, error);
        } else if let Some(index) = self.heap.first().copied() {
            self.replace(index, key, count, error);
        }
    }

    fn push(&mut self, key: &[u8], count: u64, error: u64) {
        let (index, place) = (self.counters.len(), self.heap.len());
        self.counters.push(Counter {
            key: key.into(),
            count,
            error,
            place,
        });
        self.by_key.insert(key.into(), index);
        self.heap.push(index);
        self.rise(place);
    }

    /// The least counter is the new key's from now on.
    fn replace(&mut self, index: usize, key: &[u8], count: u64, error: u64) {
        let Some(counter) = self.counters.get_mut(index) else {
            return;
        };
        self.by_key.remove(&counter.key);
        counter.key = key.into();
        counter.error = counter.count + error;
        counter.count += count;
        self.by_key.insert(key.into(), index);
        self.sink(0);
    }

    fn count_at(&self, place: usize) -> Option<u64> {
        let index = self.heap.get(place)?;
        Some(self.counters.get(*index)?.count)
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        for place in [a, b] {
            let counter = self
                .heap
                .get(place)
                .and_then(|index| self.counters.get_mut(*index));
            if let Some(counter) = counter {
                counter.place = place;
            }
        }
    }

    /// Restores the order when the count at `place` has grown.
    fn sink(&mut self, mut place: usize) {
        loop {
            let children = [2 * place + 1, 2 * place + 2];
            let least = children
                .into_iter()
                .filter_map(|child| Some((self.count_at(child)?, child)))
                .min();
            match (least, self.count_at(place)) {
                (Some((count, child)), Some(own)) if count < own => {
                    self.swap(place, child);
                    place = child;
                }
                _ => return,
            }
        }
    }

    /// Restores the order when a counter was added at `place`.
    fn rise(&mut self, mut place: usize) {
        while let Some(parent) = place.checked_sub(1).map(|below| below / 2) {
            if self.count_at(parent) <= self.count_at(place) {
                return;
            }
            self.swap(place, parent);
            place = parent;
        }
    }

    /// What a key without a counter may have been seen, at most.
    fn least(&self) -> u64 {
        if self.counters.len() < self.capacity {
            0
        } else {
            self.count_at(0).unwrap_or(0)
        }
    }

    /// Adds the counts of another sketch. A key that has no counter in one of them may have been seen there
    /// as often as the least that has.
    pub(super) fn merge(&mut self, other: &Self) {
        let (ours, theirs) = (self.least(), other.least());
        let mut all: BTreeMap<&[u8], (u64, u64)> = BTreeMap::new();
        for counter in &self.counters {
            all.insert(&counter.key, (counter.count + theirs, counter.error + theirs));
        }
        for counter in &other.counters {
            let (count, error) = (counter.count, counter.error);
            all.entry(&counter.key)
                .and_modify(|both| *both = (both.0 - theirs + count, both.1 - theirs + error))
                .or_insert((count + ours, error + ours));
        }
        let mut all: Vec<_> = all.into_iter().collect();
        all.sort_by_key(|(_, (count, _))| core::cmp::Reverse(*count));
        let mut merged = Self::new(self.capacity);
        for (key, (count, error)) in all.into_iter().take(self.capacity) {
            merged.add_many(key, count, error);
        }
        *self = merged;
    }

    /// The `limit` most frequent, in order.
    pub(super) fn top(&self, limit: usize) -> Vec<Entry<'_>> {
        let mut entries: Vec<_> = self.counters.iter().map(Counter::entry).collect();
        entries.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.key.cmp(b.key)));
        entries.truncate(limit);
        entries
    }
}

/// A name as a key: lower case, uncompressed, as on the wire.
pub(super) fn name<'b>(name: &Name<'_>, buffer: &'b mut [u8; 256]) -> &'b [u8] {
    let mut len = 0;
    for label in name.labels() {
        let Some(room) = buffer.get_mut(len..len + 1 + label.len()) else {
            break;
        };
        if let Some((first, rest)) = room.split_first_mut() {
            *first = u8::try_from(label.len()).unwrap_or(0);
            rest.copy_from_slice(label);
            rest.make_ascii_lowercase();
        }
        len += 1 + label.len();
    }
    // The root label ends it.
    len += 1;
    buffer.get(..len).unwrap_or_default()
}
