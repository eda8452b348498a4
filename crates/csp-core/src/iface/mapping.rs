//! Other names of addresses in one network.

use alloc::collections::BTreeMap;

use crate::{Address, Header};

/// Pairs of an address and its name in the network of one interface.
///
/// Each address and each name occurs once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mapping {
    inside: BTreeMap<Address, Address>,
    outside: BTreeMap<Address, Address>,
    /// The first address that was to be mapped twice.
    clash: Option<Address>,
}

impl Mapping {
    /// Calls `outside` by the name `inside`.
    pub(crate) fn insert(&mut self, outside: Address, inside: Address) {
        let taken = self.inside.insert(outside, inside).map(|_| outside);
        let named = self.outside.insert(inside, outside).map(|_| inside);
        self.clash = self.clash.or(taken).or(named);
    }

    /// The first address that was to be mapped twice.
    pub(crate) const fn clash(&self) -> Option<Address> {
        self.clash
    }

    pub(crate) fn pairs(&self) -> impl Iterator<Item = (Address, Address)> {
        self.inside.iter().map(|(outside, inside)| (*outside, *inside))
    }

    /// Whether `outside` has a name in the network.
    pub(crate) fn names(&self, outside: Address) -> bool {
        self.inside.contains_key(&outside)
    }

    /// Whether `inside` is a name in the network.
    pub(crate) fn is_name(&self, inside: Address) -> bool {
        self.outside.contains_key(&inside)
    }

    /// The header as the network sees it.
    pub(crate) fn enter_network(&self, header: Header) -> Header {
        translate(&self.inside, header)
    }

    /// The header as the rest of the world sees it.
    pub(crate) fn leave_network(&self, header: Header) -> Header {
        translate(&self.outside, header)
    }
}

fn translate(names: &BTreeMap<Address, Address>, header: Header) -> Header {
    let name = |address: Address| names.get(&address).copied().unwrap_or(address);
    Header {
        source: name(header.source),
        destination: name(header.destination),
        ..header
    }
}
