//! The route table (ROUTE-4).
//!
//! Longest prefix first, the latest entry first among equals.

mod scan;
pub(crate) mod string;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;

use thiserror::Error;

pub use self::string::{Loaded, RouteDialect, RouteStringError, RouteStringReason};
use crate::{Address, InterfaceId, Netmask, Subnet};

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

    /// Removes the route for a network over an interface; false if there is none.
    pub fn remove(&mut self, subnet: Subnet, interface: InterfaceId) -> bool {
        let before = self.routes.len();
        self.routes
            .retain(|route| route.subnet != subnet || route.interface != interface);
        self.routes.len() < before
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
        // Fewer host bits are a longer prefix, whatever header version the netmask counts in.
        let prefix = |route: &Route| (route.subnet.host_mask(), route.subnet.address());
        let latest_first = || self.routes.iter().rev();
        let best = latest_first()
            .filter(|route| route.subnet.contains(destination))
            .min_by_key(|route| route.subnet.host_mask())
            .map(prefix);
        latest_first().filter(move |route| Some(prefix(route)) == best)
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
    /// The interface is the loopback, which leads nowhere.
    #[error("a route over the loopback leads nowhere")]
    Loopback,
    /// No address of the network has a form in the interface's header version.
    #[error(
        "network {address}/{netmask} counts in 14 bits, and the interface speaks version 1: count in 5 bits, \
         or give the address a name on the interface"
    )]
    Network {
        /// The address of the network.
        address: Address,
        /// Its netmask, counted in 14 bits.
        netmask: Netmask,
    },
    /// The next hop has no form in the interface's header version.
    #[error("next hop {via} does not fit the interface's header version, whose largest is {max}")]
    ViaTooLarge {
        /// The next hop.
        via: Address,
        /// The largest address of the version.
        max: Address,
    },
    /// The next hop is everybody on the interface's network.
    #[error("next hop {via} is a broadcast on the interface: name one node, or none")]
    ViaBroadcast {
        /// The next hop.
        via: Address,
    },
    /// The next hop is this node.
    #[error("next hop {via} is an address of this node: name the node that is next, or none")]
    ViaOwn {
        /// The next hop.
        via: Address,
    },
}
