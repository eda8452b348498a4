//! The interfaces of a node.

use alloc::vec::Vec;

use super::{Interface, InterfaceId};

#[derive(Debug)]
struct Slot {
    generation: u16,
    interface: Option<Interface>,
}

/// Interfaces by [`InterfaceId`], the loopback first.
///
/// A place that was given up is used again under another id, so an id of a removed interface finds nothing.
#[derive(Debug)]
pub(crate) struct Interfaces {
    slots: Vec<Slot>,
}

impl Interfaces {
    /// The loopback interface alone.
    pub(crate) fn new() -> Self {
        Self {
            slots: [Slot {
                generation: 0,
                interface: Some(Interface::loopback()),
            }]
            .into(),
        }
    }

    pub(crate) fn get(&self, id: InterfaceId) -> Option<&Interface> {
        let slot = self.slots.get(usize::from(id.index))?;
        slot.interface
            .as_ref()
            .filter(|_| slot.generation == id.generation)
    }

    pub(crate) fn get_mut(&mut self, id: InterfaceId) -> Option<&mut Interface> {
        let slot = self.slots.get_mut(usize::from(id.index))?;
        slot.interface
            .as_mut()
            .filter(|_| slot.generation == id.generation)
    }

    /// All of them, with the loopback.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Interface> {
        self.slots.iter().filter_map(|slot| slot.interface.as_ref())
    }

    /// Those that have a link: all but the loopback.
    pub(crate) fn real(&self) -> impl Iterator<Item = &Interface> {
        self.iter().skip(1)
    }

    /// All of them, with the loopback.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Interface> {
        self.slots.iter_mut().filter_map(|slot| slot.interface.as_mut())
    }

    /// Those that have a link: all but the loopback.
    pub(crate) fn real_mut(&mut self) -> impl Iterator<Item = &mut Interface> {
        self.iter_mut().skip(1)
    }

    /// How many places there are for [`at`](Self::at).
    pub(crate) const fn places(&self) -> usize {
        self.slots.len()
    }

    /// The interface in a place.
    pub(crate) fn at(&self, place: usize) -> Option<InterfaceId> {
        Some(self.slots.get(place)?.interface.as_ref()?.id)
    }

    /// Gives `interface` a place and its id; `None` when there are 65536 interfaces.
    pub(crate) fn insert(&mut self, mut interface: Interface) -> Option<InterfaceId> {
        let free = self.slots.iter().position(|slot| slot.interface.is_none());
        let place = free.unwrap_or(self.slots.len());
        let index = u16::try_from(place).ok()?;
        if free.is_none() {
            self.slots.push(Slot {
                generation: 0,
                interface: None,
            });
        }
        let slot = self.slots.get_mut(place)?;
        interface.id = InterfaceId {
            index,
            generation: slot.generation,
        };
        Some(slot.interface.insert(interface).id)
    }

    /// Takes an interface out; the loopback stays.
    pub(crate) fn remove(&mut self, id: InterfaceId) -> Option<Interface> {
        if id == InterfaceId::LOOPBACK {
            return None;
        }
        self.get(id)?;
        let slot = self.slots.get_mut(usize::from(id.index))?;
        slot.generation = slot.generation.wrapping_add(1);
        slot.interface.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Address, Config, InterfaceConfig, InterfaceName, Netmask};

    fn interface(name: &str) -> Interface {
        let name = InterfaceName::new(name).unwrap();
        let config = InterfaceConfig::new(name, Address::new(9).unwrap(), Netmask::new(8).unwrap());
        Interface::try_new(config, Config::default().checks).unwrap()
    }

    #[test]
    fn the_id_of_a_removed_interface_does_not_find_the_one_that_took_its_place() {
        let mut table = Interfaces::new();
        let first = table.insert(interface("A")).unwrap();
        assert!(table.remove(first).is_some());
        assert!(table.remove(first).is_none());
        let second = table.insert(interface("B")).unwrap();
        assert_eq!((first.index(), table.places()), (second.index(), 2));
        assert!(table.get(first).is_none() && table.get_mut(first).is_none());
        assert_eq!(table.get(second).unwrap().id, second);
        assert_eq!(table.at(1), Some(second));
    }

    #[test]
    fn the_loopback_cannot_be_removed() {
        let mut table = Interfaces::new();
        assert!(table.remove(InterfaceId::LOOPBACK).is_none());
        assert_eq!((table.iter().count(), table.real().count()), (1, 0));
    }
}
