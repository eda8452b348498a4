//! A table whose keys go stale when their entry is removed.

use alloc::vec::Vec;

/// Names one entry for as long as it lives.
///
/// A later entry in the same place has another generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    index: usize,
    generation: u32,
}

#[derive(Debug)]
struct Entry<T> {
    generation: u32,
    value: Option<T>,
}

/// At most `max` entries, found by [`Key`] in constant time.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    entries: Vec<Entry<T>>,
    free: Vec<usize>,
    max: usize,
}

impl<T> Slab<T> {
    pub(crate) const fn new(max: usize) -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
            max,
        }
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.free.is_empty() && self.entries.len() >= self.max
    }

    /// Puts `value` in; `None` when the slab is full.
    pub(crate) fn insert(&mut self, value: T) -> Option<Key> {
        if let Some(index) = self.free.pop() {
            let entry = self.entries.get_mut(index)?;
            entry.value = Some(value);
            return Some(Key {
                index,
                generation: entry.generation,
            });
        }
        if self.is_full() {
            return None;
        }
        let index = self.entries.len();
        self.entries.push(Entry {
            generation: 0,
            value: Some(value),
        });
        Some(Key { index, generation: 0 })
    }

    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        self.entries
            .get(key.index)
            .filter(|entry| entry.generation == key.generation)?
            .value
            .as_ref()
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        self.entries
            .get_mut(key.index)
            .filter(|entry| entry.generation == key.generation)?
            .value
            .as_mut()
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let entry = self
            .entries
            .get_mut(key.index)
            .filter(|entry| entry.generation == key.generation)?;
        let value = entry.value.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(key.index);
        Some(value)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (Key, &mut T)> {
        self.entries.iter_mut().enumerate().filter_map(|(index, entry)| {
            let key = Key {
                index,
                generation: entry.generation,
            };
            entry.value.as_mut().map(|value| (key, value))
        })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.entries.iter().enumerate().filter_map(|(index, entry)| {
            let key = Key {
                index,
                generation: entry.generation,
            };
            entry.value.as_ref().map(|value| (key, value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_removed_entry_does_not_reach_its_successor() {
        let mut slab = Slab::new(1);
        let first = slab.insert('a').unwrap();
        assert_eq!(slab.insert('b'), None, "full");
        assert_eq!(slab.remove(first), Some('a'));
        let second = slab.insert('c').unwrap();
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get(second), Some(&'c'));
        assert_eq!(slab.iter().count(), 1);
    }
}
