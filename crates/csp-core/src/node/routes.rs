//! The route table of a node: what is refused, and its text.

use alloc::string::String;
use alloc::vec::Vec;

use super::Node;
use crate::iface::Interface;
use crate::route::string::{self, Reader};
use crate::{
    Address, InterfaceId, Loaded, Netmask, Route, RouteDialect, RouteError, RouteStringError, RouteTable,
    Subnet, Switch, Version,
};

impl Node {
    /// Adds a route.
    ///
    /// One for the same network over the same interface is replaced in its place; one over another interface
    /// is kept beside it, and both are used (7.3).
    ///
    /// # Errors
    /// It cannot work, or the table is full: see [`RouteError`].
    pub fn add_route(&mut self, route: Route) -> Result<(), RouteError> {
        let checked = self.check_route(route)?;
        self.routes.insert(checked)
    }

    /// Removes the route for a network over an interface; false if there is none.
    pub fn remove_route(&mut self, subnet: Subnet, interface: InterfaceId) -> bool {
        let Some(entry) = self.interfaces.get(interface) else {
            return false;
        };
        self.routes.remove(counted_on(entry, subnet), interface)
    }

    /// Removes all routes.
    pub fn clear_routes(&mut self) {
        self.routes.clear();
    }

    /// The routes.
    #[must_use]
    pub const fn routes(&self) -> &RouteTable {
        &self.routes
    }

    /// The interfaces that a packet of this node to `destination` would leave on now (ROUTE-3 to ROUTE-5).
    #[must_use]
    pub fn interfaces_to(&self, destination: Address) -> Vec<InterfaceId> {
        let mut outputs = Vec::new();
        self.route(None, destination, &mut outputs);
        outputs.iter().map(|way| way.interface).collect()
    }

    /// Adds the routes of a text such as `0/0 CAN, 8/2 KISS 3`, as written for libcsp 2.x.
    ///
    /// Addresses and netmasks count in the bits of the header version that the interface named speaks. An
    /// address that has another name on the interface ([`InterfaceConfig::map`](crate::InterfaceConfig::map))
    /// may be given too. There is no limit to the length, where libcsp reads 100 characters.
    ///
    /// # Errors
    /// A route is not one, or cannot work; the error tells where. Then none of the text is added. (libcsp
    /// keeps the routes before the wrong one.)
    pub fn load_routes(&mut self, text: &str) -> Result<Loaded, RouteStringError> {
        self.load_routes_as(text, RouteDialect::Libcsp2)
    }

    /// [`load_routes`](Self::load_routes) of a text in another dialect.
    ///
    /// # Errors
    /// As there.
    pub fn load_routes_as(&mut self, text: &str, dialect: RouteDialect) -> Result<Loaded, RouteStringError> {
        let (table, loaded) = self.read_routes(text, dialect)?;
        self.routes = table;
        Ok(loaded)
    }

    /// What [`load_routes_as`](Self::load_routes_as) would say; nothing changes.
    ///
    /// # Errors
    /// As there.
    pub fn check_routes(&self, text: &str, dialect: RouteDialect) -> Result<Loaded, RouteStringError> {
        Ok(self.read_routes(text, dialect)?.1)
    }

    /// The routes as a text that [`load_routes`](Self::load_routes) and libcsp read.
    ///
    /// In the order they were made, without those over the loopback.
    #[must_use]
    pub fn save_routes(&self) -> String {
        string::write(self.routes.iter(), |id| Some(self.interfaces.get(id)?.name))
    }

    /// The table with the routes of `text` added.
    fn read_routes(
        &self,
        text: &str,
        dialect: RouteDialect,
    ) -> Result<(RouteTable, Loaded), RouteStringError> {
        let mut table = self.routes.clone();
        let add = |route| table.insert(self.check_route(route)?);
        let loaded = Reader::new(text, dialect, &self.interfaces).read(add)?;
        Ok((table, loaded))
    }

    /// The route as the table keeps it, if it can work.
    fn check_route(&self, route: Route) -> Result<Route, RouteError> {
        let interface = route.interface;
        let unknown = RouteError::UnknownInterface { interface };
        let entry = self.interfaces.get(interface).ok_or(unknown)?;
        let subnet = counted_on(entry, route.subnet);
        if self.config.checks == Switch::On {
            if interface == InterfaceId::LOOPBACK {
                return Err(RouteError::Loopback);
            }
            let address = subnet.address();
            let is_named = subnet.netmask() == Netmask::host(Version::V2) && entry.mapping.names(address);
            if subnet.version() != entry.version && !is_named {
                return Err(RouteError::Network {
                    address,
                    netmask: subnet.netmask(),
                });
            }
            if let Some(via) = route.via {
                self.check_via(entry, via)?;
            }
        }
        Ok(Route { subnet, ..route })
    }

    /// Whether `via` can be a next hop on the interface.
    fn check_via(&self, interface: &Interface, via: Address) -> Result<(), RouteError> {
        let max = interface.version.broadcast();
        if via > max {
            return Err(RouteError::ViaTooLarge { via, max });
        }
        if interface.subnet.is_broadcast(via) {
            return Err(RouteError::ViaBroadcast { via });
        }
        if self.interfaces.iter().any(|own| own.owns(via)) {
            return Err(RouteError::ViaOwn { via });
        }
        Ok(())
    }
}

/// The same network, its netmask counted in the address bits of the interface's header version, if it has
/// any.
fn counted_on(interface: &Interface, subnet: Subnet) -> Subnet {
    let further = Version::V2
        .address_bits()
        .saturating_sub(Version::V1.address_bits());
    let bits = subnet.netmask().to_bits();
    let bits = match (subnet.version(), interface.version) {
        (Version::V1, Version::V2) => bits.checked_add(further),
        (Version::V2, Version::V1) => bits.checked_sub(further),
        _ => Some(bits),
    };
    bits.and_then(Netmask::new)
        .and_then(|netmask| Subnet::new(interface.version, subnet.address(), netmask).ok())
        .unwrap_or(subnet)
}
