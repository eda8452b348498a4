//! The networks of a running node: its addresses, routes and interfaces, changed while it runs.

use std::string::String;
use std::vec::Vec;

use super::{CallError, Node};
use crate::{
    Address, BridgeError, DedupConfig, InterfaceError, InterfaceId, InterfaceStats, Loaded, Netmask, Route,
    RouteDialect, RouteError, RouteStringError, Subnet,
};

impl Node {
    /// Adds a route.
    ///
    /// # Errors
    /// It cannot work, the table is full, or the node has stopped.
    pub fn add_route(&self, route: Route) -> Result<(), CallError<RouteError>> {
        self.running()?.node.add_route(route).map_err(CallError::Refused)
    }

    /// Removes the route for a network over an interface; false if there is none.
    pub fn remove_route(&self, subnet: Subnet, interface: InterfaceId) -> bool {
        self.shared().lock().node.remove_route(subnet, interface)
    }

    /// Removes all routes.
    pub fn clear_routes(&self) {
        self.shared().lock().node.clear_routes();
    }

    /// The routes, in the order they were made.
    #[must_use]
    pub fn routes(&self) -> Vec<Route> {
        self.shared().lock().node.routes().iter().copied().collect()
    }

    /// The interfaces that a packet of this node to `destination` would leave on now.
    #[must_use]
    pub fn interfaces_to(&self, destination: Address) -> Vec<InterfaceId> {
        self.shared().lock().node.interfaces_to(destination)
    }

    /// Adds the routes of a text such as `0/0 CAN, 8/2 KISS 3`, all of them or none.
    ///
    /// # Errors
    /// A route is not one, or cannot work: the error tells where. Or the node has stopped.
    pub fn load_routes(
        &self,
        text: &str,
        dialect: RouteDialect,
    ) -> Result<Loaded, CallError<RouteStringError>> {
        let mut state = self.running()?;
        state
            .node
            .load_routes_as(text, dialect)
            .map_err(CallError::Refused)
    }

    /// The routes as a text that [`load_routes`](Self::load_routes) and libcsp read.
    #[must_use]
    pub fn save_routes(&self) -> String {
        self.shared().lock().node.save_routes()
    }

    /// Makes every interface a default one if none is (ROUTE-8).
    pub fn mark_defaults(&self) {
        self.shared().lock().node.mark_defaults();
    }

    /// Gives an interface another address and netmask.
    ///
    /// The link is not told: one that filters by address has a handle for that (`CanAddresses` of csp-can),
    /// or is detached and attached anew.
    ///
    /// # Errors
    /// The interface could not be added with them, or the node has stopped.
    pub fn set_address(
        &self,
        interface: InterfaceId,
        address: Address,
        netmask: Netmask,
    ) -> Result<(), CallError<InterfaceError>> {
        let mut state = self.running()?;
        let set = state.node.set_address(interface, address, netmask);
        set.map_err(CallError::Refused)
    }

    /// Removes an interface with the routes over it, gives up its link, and tells its last counters.
    ///
    /// What waits for the link is dropped. `None`: there is no such interface, or it is the loopback.
    pub fn detach(&self, interface: InterfaceId) -> Option<InterfaceStats> {
        let mut state = self.shared().lock();
        let stats = state.node.remove_interface(interface)?;
        state.detached(interface);
        Some(stats)
    }

    /// Carries everything from each of two interfaces to the other ([`crate::Node::bridge`]).
    ///
    /// # Errors
    /// These are not two interfaces of the node, or the node has stopped.
    pub fn bridge(&self, one: InterfaceId, other: InterfaceId) -> Result<(), CallError<BridgeError>> {
        self.running()?
            .node
            .bridge(one, other)
            .map_err(CallError::Refused)
    }

    /// Ends the bridge and gives its two interfaces, if there was one.
    pub fn unbridge(&self) -> Option<[InterfaceId; 2]> {
        self.shared().lock().node.unbridge()
    }

    /// Sets which packets are dropped when they come again; what was remembered is forgotten.
    ///
    /// In place of [`Config::dedup`](crate::Config::dedup), and for a bridge made later.
    pub fn set_dedup(&self, config: DedupConfig) {
        self.shared().lock().node.set_dedup(config);
    }
}
