//! From a frame to the endpoints that receive it.

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
#[derive(Debug, Default)]
pub(super) struct Line(Vec<Taker>);

impl Line {
    fn expecting(&self, key: (bool, Option<u8>)) -> &[Taker] {
        let first = self.0.partition_point(|taker| taker.key() < key);
        let rest = self.0.get(first..).unwrap_or_default();
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
            None => self
                .0
                .first()
                .filter(|taker| !taker.functional)
                .map(|taker| taker.endpoint),
            Some(_) => self.of(Target::Physical, byte).next(),
        }
    }

    fn insert(&mut self, taker: Taker) {
        let place = self.0.partition_point(|other| *other < taker);
        self.0.insert(place, taker);
    }

    fn remove(&mut self, taker: &Taker) {
        if let Ok(place) = self.0.binary_search(taker) {
            self.0.remove(place);
        }
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
            if let Some(line) = self.lines.get_or_insert_with(key, Line::default) {
                line.insert(taker);
            }
        }
    }

    pub(super) fn remove(&mut self, rx: &RxAddress, endpoint: EndpointId) {
        let mask = rx.id_mask();
        for (id, taker) in takers(rx, endpoint) {
            let key = key(id::to_word(id), mask);
            if let Some(line) = self.lines.get_mut(key) {
                line.remove(&taker);
                if line.0.is_empty() {
                    self.lines.remove(key);
                }
            }
        }
        if let Some((_, users)) = self.masks.iter_mut().find(|(used, _)| *used == mask) {
            *users -= 1;
        }
        self.masks.retain(|(_, users)| *users > 0);
    }

    /// How much memory one identifier with one taker takes at most.
    #[cfg(test)]
    pub(super) const fn line_len() -> usize {
        // A small vector begins with four places.
        Table::<Line>::entry_len() + 4 * size_of::<Taker>()
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
