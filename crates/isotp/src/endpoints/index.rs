//! From a frame to the endpoints that receive it.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use can_link::id::{self, EFF_FLAG};
use can_link::{CanFrame, Id};

use super::EndpointId;
use super::claim::variants;
use super::table::Table;
use crate::address::{RxAddress, Target};

/// An endpoint that receives an identifier, in the order of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Taker {
    functional: bool,
    /// The address byte that it expects.
    byte: Option<u8>,
    endpoint: EndpointId,
}

impl Taker {
    const fn key(&self) -> (bool, Option<u8>) {
        (self.functional, self.byte)
    }
}

/// Who receives frames with one identifier, sorted.
///
/// Of physical ones there is at most one for each frame, so at most 256; functional ones are any number.
/// Nearly always it is one, which then needs no memory of its own.
#[derive(Debug)]
enum Line {
    One(Taker),
    #[expect(clippy::box_collection, reason = "a table of lines is to be small")]
    Many(Box<Vec<Taker>>),
}

impl Line {
    const fn all(&self) -> &[Taker] {
        match self {
            Self::One(taker) => core::slice::from_ref(taker),
            Self::Many(takers) => takers.as_slice(),
        }
    }

    fn expecting(&self, key: (bool, Option<u8>)) -> &[Taker] {
        let all = self.all();
        let first = all.partition_point(|taker| taker.key() < key);
        let rest = all.get(first..).unwrap_or_default();
        let len = rest.partition_point(|taker| taker.key() == key);
        rest.get(..len).unwrap_or_default()
    }

    /// Who takes a frame that begins with `first`.
    fn of(&self, target: Target, first: Option<u8>) -> impl Iterator<Item = EndpointId> {
        let functional = target == Target::Functional;
        let unprefixed = self.expecting((functional, None));
        let prefixed = first.map_or(&[][..], |_| self.expecting((functional, first)));
        unprefixed.iter().chain(prefixed).map(|taker| taker.endpoint)
    }

    /// Who would take one of the physical frames that a new endpoint expecting `byte` takes.
    fn rival(&self, byte: Option<u8>) -> Option<EndpointId> {
        match byte {
            None => {
                let first = self.all().first().filter(|taker| !taker.functional);
                first.map(|taker| taker.endpoint)
            }
            Some(_) => self.of(Target::Physical, byte).next(),
        }
    }

    fn insert(&mut self, taker: Taker) {
        match self {
            Self::One(other) => *self = Self::Many(Box::new(vec![*other])),
            Self::Many(_) => {}
        }
        if let Self::Many(takers) = self {
            let place = takers.partition_point(|other| *other < taker);
            takers.insert(place, taker);
        }
    }

    /// Takes one out; false when that was the last.
    fn remove(&mut self, taker: &Taker) -> bool {
        let Self::Many(takers) = self else {
            return false;
        };
        if let Ok(place) = takers.binary_search(taker) {
            takers.remove(place);
        }
        match takers.as_slice() {
            [last] => *self = Self::One(*last),
            rest => return !rest.is_empty(),
        }
        true
    }
}

/// Identifiers, as many of their bits as matter, and who receives them.
///
/// Addresses differ in which identifier bits they compare (all, or all but the priority). Each such mask that
/// is in use costs a frame one look into the table, whatever the number of endpoints.
#[derive(Debug)]
pub(super) struct Index {
    lines: Table<Line>,
    /// The masks in use, and by how many endpoints.
    masks: Vec<(u32, usize)>,
}

/// The key of `word`'s line where only the bits of `mask` matter, and the format.
fn key(word: u32, mask: u32) -> u64 {
    u64::from(mask) << 32 | u64::from(word & (mask | EFF_FLAG))
}

impl Index {
    pub(super) const fn new() -> Self {
        Self {
            lines: Table::new(),
            masks: Vec::new(),
        }
    }

    /// Who receives `frame`: the one with a physical address first, then those with a functional one.
    pub(super) fn takers(&self, frame: &CanFrame) -> impl Iterator<Item = EndpointId> {
        let word = id::to_word(frame.id());
        let first = frame.payload().first().copied();
        let lines = move || {
            self.masks
                .iter()
                .filter_map(move |(mask, _)| self.lines.get(key(word, *mask)))
        };
        let physical = lines().find_map(|line| line.of(Target::Physical, first).next());
        let functional = lines().flat_map(move |line| line.of(Target::Functional, first));
        // An address may have one identifier for both.
        let others = functional.filter(move |endpoint| Some(*endpoint) != physical);
        physical.into_iter().chain(others)
    }

    /// Who receives physical frames that an endpoint with `rx` would receive too.
    pub(super) fn rival(&self, rx: &RxAddress) -> Option<EndpointId> {
        let word = id::to_word(rx.id(Target::Physical)?);
        self.masks.iter().find_map(|(mask, _)| {
            variants(word, rx.id_mask(), *mask)
                .filter_map(|word| self.lines.get(key(word, *mask)))
                .find_map(|line| line.rival(rx.address_byte()))
        })
    }

    pub(super) fn insert(&mut self, rx: &RxAddress, endpoint: EndpointId) {
        let mask = rx.id_mask();
        match self.masks.iter_mut().find(|(used, _)| *used == mask) {
            Some((_, users)) => *users += 1,
            None => self.masks.push((mask, 1)),
        }
        for (id, taker) in takers(rx, endpoint) {
            let key = key(id::to_word(id), mask);
            match self.lines.get_mut(key) {
                Some(line) => line.insert(taker),
                None => self.lines.insert(key, Line::One(taker)),
            }
        }
    }

    pub(super) fn remove(&mut self, rx: &RxAddress, endpoint: EndpointId) {
        let mask = rx.id_mask();
        for (id, taker) in takers(rx, endpoint) {
            let key = key(id::to_word(id), mask);
            let line = self.lines.get_mut(key);
            if line.is_some_and(|line| !line.remove(&taker)) {
                self.lines.remove(key);
            }
        }
        if let Some((_, users)) = self.masks.iter_mut().find(|(used, _)| *used == mask) {
            *users -= 1;
        }
        self.masks.retain(|(_, users)| *users > 0);
    }

    /// How much memory it takes.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        let many = |line: &Line| match line {
            Line::One(_) => 0,
            Line::Many(takers) => size_of::<Vec<Taker>>() + takers.capacity() * size_of::<Taker>(),
        };
        self.lines.memory() + self.lines.values().map(many).sum::<usize>()
    }
}

/// What an endpoint enters, and under which identifiers.
fn takers(rx: &RxAddress, endpoint: EndpointId) -> impl Iterator<Item = (Id, Taker)> {
    [Target::Physical, Target::Functional]
        .into_iter()
        .filter_map(move |target| {
            let taker = Taker {
                functional: target == Target::Functional,
                byte: rx.address_byte(),
                endpoint,
            };
            Some((rx.id(target)?, taker))
        })
}
