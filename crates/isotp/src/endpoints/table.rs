//! A hash table of identifiers, for there is none without `std`.

use alloc::vec::Vec;

/// Places that an empty table begins with.
const FIRST_LEN: usize = 16;

/// Values by a number, found in constant time.
///
/// Open addressing with linear probing, at most three quarters full. The keys are identifiers that this
/// program has chosen to receive, so nobody on the bus can make them collide on purpose.
#[derive(Debug)]
pub(super) struct Table<V> {
    /// A power of two, or nothing.
    places: Vec<Option<(u64, V)>>,
    len: usize,
}

impl<V> Table<V> {
    pub(super) const fn new() -> Self {
        Self {
            places: Vec::new(),
            len: 0,
        }
    }

    /// How much memory the table itself takes.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.places.capacity() * size_of::<Option<(u64, V)>>()
    }

    pub(super) fn get(&self, key: u64) -> Option<&V> {
        self.entry(self.find(key)?).map(|(_, value)| value)
    }

    pub(super) fn get_mut(&mut self, key: u64) -> Option<&mut V> {
        let place = self.find(key)?;
        let (_, value) = self.places.get_mut(place)?.as_mut()?;
        Some(value)
    }

    #[cfg(test)]
    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.places.iter().flatten().map(|(_, value)| value)
    }

    /// Sets the value of `key`.
    pub(super) fn insert(&mut self, key: u64, value: V) {
        if let Some(old) = self.get_mut(key) {
            *old = value;
            return;
        }
        if (self.len + 1) * 4 > self.places.len() * 3 {
            self.grow();
        }
        self.put(key, value);
        self.len += 1;
    }

    pub(super) fn remove(&mut self, key: u64) -> Option<V> {
        let mut hole = self.find(key)?;
        let (_, value) = self.places.get_mut(hole)?.take()?;
        self.len -= 1;
        // What was pushed past the hole moves back into it, so that every probe still ends where it should.
        let mut at = self.after(hole);
        while let Some((key, _)) = self.entry(at) {
            let home = self.home(*key);
            if self.distance(home, at) >= self.distance(hole, at) {
                self.places.swap(hole, at);
                hole = at;
            }
            at = self.after(at);
        }
        Some(value)
    }

    fn entry(&self, place: usize) -> Option<&(u64, V)> {
        self.places.get(place)?.as_ref()
    }

    /// Where `key` is.
    fn find(&self, key: u64) -> Option<usize> {
        let mut at = self.home(key);
        while let Some((found, _)) = self.entry(at) {
            if *found == key {
                return Some(at);
            }
            at = self.after(at);
        }
        None
    }

    /// The place that `key` would have alone: the top bits of a product with the golden ratio.
    fn home(&self, key: u64) -> usize {
        let mixed = key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        usize::try_from(mixed).unwrap_or_default() & self.last()
    }

    const fn last(&self) -> usize {
        self.places.len().saturating_sub(1)
    }

    const fn after(&self, place: usize) -> usize {
        (place + 1) & self.last()
    }

    /// How far it is from `from` on to `to`, round the end.
    const fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & self.last()
    }

    fn grow(&mut self) {
        let len = (self.places.len() * 2).max(FIRST_LEN);
        let old = core::mem::replace(&mut self.places, (0..len).map(|_| None).collect());
        for (key, value) in old.into_iter().flatten() {
            self.put(key, value);
        }
    }

    /// Puts a key that is not there where it belongs; at least one place is free.
    fn put(&mut self, key: u64, value: V) {
        let mut at = self.home(key);
        while self.entry(at).is_some() {
            at = self.after(at);
        }
        if let Some(free) = self.places.get_mut(at) {
            *free = Some((key, value));
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
        fn it_is_a_map(steps in proptest::collection::vec((any::<bool>(), 0..40u64, any::<u16>()), 0..300)) {
            let mut table = Table::new();
            let mut model = BTreeMap::new();
            for (insert, key, value) in steps {
                if insert {
                    table.insert(key, value);
                    model.insert(key, value);
                } else {
                    prop_assert_eq!(table.remove(key), model.remove(&key));
                }
                for key in 0..40 {
                    prop_assert_eq!(table.get(key), model.get(&key));
                }
                prop_assert_eq!(table.values().count(), model.len());
            }
        }
    }
}
