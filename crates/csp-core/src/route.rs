//! The route table (ROUTE-4).
//!
//! Longest prefix first, the latest entry first among equals.

use alloc::vec::Vec;

use thiserror::Error;

use crate::{Address, InterfaceId, Subnet};

/// Most routes that a table holds.
pub const MAX_ROUTES: usize = 4096;

/// Packets for `subnet` leave on `interface`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The destinations it is for. Host bits of the address are kept but not compared.
    pub subnet: Subnet,
    /// The interface they leave on.
    pub interface: InterfaceId,
    /// The next hop told to the link; `None`: the destination itself (ROUTE-10).
    pub via: Option<Address>,
}

/// Routes in the order they were made.
#[derive(Clone, Debug, Default)]
pub struct RouteTable {
    routes: Vec<Route>,
}

impl RouteTable {
    /// An empty table.
    #[must_use]
    pub const fn new() -> Self {
        Self { routes: Vec::new() }
    }

    /// Adds `route`.
    ///
    /// One with the same address, netmask and interface is replaced in its place; one that differs in the
    /// interface alone is kept beside it, and both are used (redundant paths).
    ///
    /// # Errors
    /// The table holds [`MAX_ROUTES`] entries.
    pub fn insert(&mut self, route: Route) -> Result<(), RouteError> {
        let same = |old: &&mut Route| old.subnet == route.subnet && old.interface == route.interface;
        if let Some(old) = self.routes.iter_mut().find(same) {
            *old = route;
        } else if self.routes.len() < MAX_ROUTES {
            self.routes.push(route);
        } else {
            return Err(RouteError::Full);
        }
        Ok(())
    }

    /// Removes the routes over one interface.
    pub(crate) fn remove_interface(&mut self, interface: InterfaceId) {
        self.routes.retain(|route| route.interface != interface);
    }

    /// Removes every route.
    pub fn clear(&mut self) {
        self.routes.clear();
    }

    /// The routes, in the order they were made.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter()
    }

    /// The routes that a packet for `destination` takes, all of them.
    ///
    /// Those with the longest matching prefix, the latest first.
    pub fn lookup(&self, destination: Address) -> impl Iterator<Item = &Route> {
        let matching = self
            .routes
            .iter()
            .rev()
            .filter(move |route| route.subnet.contains(destination));
        // Fewer host bits are a longer prefix, whatever header version the netmask counts in.
        let best = matching
            .min_by_key(|route| route.subnet.host_mask())
            .map(|route| route.subnet);
        self.routes
            .iter()
            .rev()
            .filter(move |route| Some(route.subnet) == best)
    }
}

/// Why a route cannot be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RouteError {
    /// There is no room.
    #[error("the route table already has {MAX_ROUTES} entries")]
    Full,
    /// The interface does not exist.
    #[error("the node has no interface {interface:?}")]
    UnknownInterface {
        /// The one named.
        interface: InterfaceId,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Netmask, Version};

    fn route(address: u16, netmask: u8, interface: usize) -> Route {
        let (address, netmask) = (Address::new(address).unwrap(), Netmask::new(netmask).unwrap());
        Route {
            subnet: Subnet::new(Version::V2, address, netmask).unwrap(),
            interface: InterfaceId::from_index(interface).unwrap(),
            via: None,
        }
    }

    fn found(table: &RouteTable, destination: u16) -> Vec<usize> {
        table
            .lookup(Address::new(destination).unwrap())
            .map(|route| route.interface.index())
            .collect()
    }

    #[test]
    fn the_longest_prefix_wins_and_all_entries_equal_to_it_are_taken_latest_first() {
        let mut table = RouteTable::new();
        for entry in [route(0, 0, 1), route(8, 11, 2), route(8, 11, 3)] {
            table.insert(entry).unwrap();
        }
        assert_eq!(found(&table, 9), [3, 2]);
        assert_eq!(found(&table, 16), [1]);
    }

    #[test]
    fn the_same_network_on_the_same_interface_is_replaced() {
        let mut table = RouteTable::new();
        table.insert(route(8, 11, 2)).unwrap();
        let via = Route {
            via: Address::new(5),
            ..route(8, 11, 2)
        };
        table.insert(via).unwrap();
        assert_eq!(table.iter().collect::<Vec<_>>(), [&via]);
    }

    #[test]
    fn a_full_table_refuses_a_new_entry_and_still_replaces_an_old_one() {
        let mut table = RouteTable::new();
        for address in 0..u16::try_from(MAX_ROUTES).unwrap() {
            table.insert(route(address, 14, 1)).unwrap();
        }
        assert_eq!(table.insert(route(16000, 14, 1)), Err(RouteError::Full));
        assert_eq!(table.insert(route(7, 14, 1)), Ok(()));
    }
}
