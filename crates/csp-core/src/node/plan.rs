//! Which interfaces a packet leaves on, and what its header is there (ROUTE-3 to ROUTE-6).

use alloc::vec::Vec;

use super::Node;
use super::exit::Refused;
use crate::iface::Interface;
use crate::{Address, DropReason, EncodeError, Header, InterfaceId, Netmask, SendError, Version};

/// One way out of the node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    pub(super) interface: InterfaceId,
    pub(super) via: Option<Address>,
    /// Leaves as the global broadcast of the interface's header version (ROUTE-3).
    pub(super) broadcast: bool,
    /// Why our own copy did not leave here, once that was tried.
    pub(super) refused: Option<Refused>,
}

impl Output {
    pub(super) const fn new(interface: InterfaceId, via: Option<Address>) -> Self {
        Self {
            interface,
            via,
            broadcast: false,
            refused: None,
        }
    }

    pub(super) fn refusal(&self) -> Option<(InterfaceId, Refused)> {
        Some((self.interface, self.refused?))
    }

    /// The header that goes onto the link of `interface`, for one of the address space of `space`.
    pub(super) fn header(
        &self,
        interface: &Interface,
        header: Header,
        space: Version,
    ) -> Result<Header, Refused> {
        let refused = |error| Refused {
            error,
            reason: DropReason::Unencodable,
        };
        let mut leaving = interface.mapping.enter_network(header);
        if self.broadcast {
            leaving.destination = interface.version.broadcast();
        }
        if let Err(error) = leaving.encode(interface.version) {
            return Err(refused(error.into()));
        }
        // Only a node without checks has such a route; a link would cut the address.
        let max = interface.version.broadcast();
        if let Some(address) = self.via.filter(|via| *via > max) {
            let field = "next hop";
            return Err(refused(EncodeError::Address { field, address, max }.into()));
        }
        // Address 31 of a v2 network is a node like others; in a v1 network it is everybody.
        let address = interface.version.broadcast();
        let everybody = leaving.source == address || (!self.broadcast && leaving.destination == address);
        if space != interface.version && everybody {
            return Err(refused(SendError::Broadcast { address }));
        }
        Ok(leaving)
    }
}

impl Node {
    /// The widest header version that the node's interfaces speak.
    ///
    /// Addresses that an application names are meant in it: on a node of v1 interfaces 31 is the broadcast,
    /// on one that has v2 interfaces too it is a node.
    pub(super) fn space(&self) -> Version {
        let versions = self.interfaces.real().map(|interface| interface.version);
        versions.max().unwrap_or_default()
    }

    /// Finds the ways out for `destination` (ROUTE-3 to ROUTE-5).
    ///
    /// True if there would be one, were it not blocked.
    pub(super) fn route(
        &self,
        from: Option<InterfaceId>,
        destination: Address,
        outputs: &mut Vec<Output>,
    ) -> bool {
        outputs.clear();
        let source = from.and_then(|from| self.interfaces.get(from));
        let space = source.map_or_else(|| self.space(), |source| source.version);
        let mut broadcast = destination == Address::BROADCAST || destination == space.broadcast();
        let mut ways = Ways {
            source,
            outputs,
            matched: false,
        };
        let in_network =
            |way: &&Interface| way.subnet.netmask() != Netmask::NONE && way.subnet.contains(destination);
        for way in self.interfaces.real().filter(in_network) {
            // Once the subnet broadcast, always: later copies leave so too, as with libcsp.
            broadcast |= way.subnet.is_broadcast(destination) && destination != way.version.broadcast();
            ways.add(way, None, broadcast);
        }
        if ways.matched {
            return true;
        }
        for route in self.routes.lookup(destination) {
            if let Some(way) = self.interfaces.get(route.interface) {
                ways.add(way, route.via, broadcast);
            }
        }
        if ways.matched {
            return true;
        }
        for way in self.interfaces.real().filter(|interface| interface.default) {
            ways.add(way, None, broadcast);
        }
        ways.matched
    }
}

/// The ways found so far for one packet.
struct Ways<'a> {
    /// Where the packet came from.
    source: Option<&'a Interface>,
    outputs: &'a mut Vec<Output>,
    /// Whether there was a way, blocked or not.
    matched: bool,
}

impl Ways<'_> {
    /// Takes note of a way, and takes it unless it is blocked.
    ///
    /// Split horizon: not back to where the packet came from, nor to an interface in the same network.
    fn add(&mut self, way: &Interface, via: Option<Address>, broadcast: bool) {
        self.matched = true;
        let blocked = |source: &Interface| source.id == way.id || source.subnet.contains(way.address());
        // A route over the loopback, which only a node without checks has, leads nowhere.
        if way.id != InterfaceId::LOOPBACK && !self.source.is_some_and(blocked) {
            self.outputs.push(Output {
                broadcast,
                ..Output::new(way.id, via)
            });
        }
    }
}
