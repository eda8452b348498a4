//! A table whose keys go stale when their entry is removed.

use alloc::vec::Vec;

/// Names one entry for as long as it lives; a later entry in the same place has another generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    index: u32,
    generation: u32,
}

impl Key {
    /// The entry's place, which a later entry may have again.
    pub(crate) fn place(self) -> usize {
        usize::try_from(self.index).unwrap_or(usize::MAX)
    }

    /// Tells the entries of one place apart.
    pub(crate) const fn generation(self) -> u32 {
        self.generation
    }
}

#[derive(Debug)]
struct Entry<T> {
    generation: u32,
    value: Option<T>,
}

/// Values that are found by [`Key`] in constant time.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    /// How much memory the table takes.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        self.entries.capacity() * size_of::<Entry<T>>() + self.free.capacity() * size_of::<u32>()
    }

    pub(crate) const fn new() -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Puts `value` in; `None` when no further entry can be numbered.
    pub(crate) fn insert(&mut self, value: T) -> Option<Key> {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                let index = u32::try_from(self.entries.len()).ok()?;
                self.entries.push(Entry {
                    generation: 0,
                    value: None,
                });
                index
            }
        };
        let key = Key { index, generation: 0 };
        let entry = self.entries.get_mut(key.place())?;
        entry.value = Some(value);
        Some(Key {
            generation: entry.generation,
            ..key
        })
    }

    /// The name of the entry that has a place now, if one has.
    pub(crate) fn at(&self, place: usize) -> Option<Key> {
        let entry = self.entries.get(place)?;
        let index = u32::try_from(place).ok()?;
        let generation = entry.generation;
        entry.value.as_ref().map(|_| Key { index, generation })
    }

    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        let entry = self.entries.get(key.place())?;
        entry
            .value
            .as_ref()
            .filter(|_| entry.generation == key.generation)
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let entry = self.entries.get_mut(key.place())?;
        entry
            .value
            .as_mut()
            .filter(|_| entry.generation == key.generation)
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        self.get(key)?;
        let entry = self.entries.get_mut(key.place())?;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(key.index);
        entry.value.take()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        (0..).zip(&self.entries).filter_map(|(index, entry)| {
            let generation = entry.generation;
            let value = entry.value.as_ref()?;
            Some((Key { index, generation }, value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_removed_entry_does_not_reach_its_successor() {
        let mut slab = Slab::new();
        let first = slab.insert('a').unwrap();
        assert_eq!(slab.remove(first), Some('a'));
        let second = slab.insert('c').unwrap();
        assert_eq!(second.place(), first.place());
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get_mut(second), Some(&mut 'c'));
        assert_eq!(slab.iter().collect::<Vec<_>>(), [(second, &'c')]);
        assert_eq!(slab.len(), 1);
    }
}
