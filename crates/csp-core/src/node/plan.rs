//! Which interfaces a packet leaves on (ROUTE-3 to ROUTE-6).

use alloc::vec::Vec;

use super::Node;
use super::exit::Refused;
use crate::{Address, InterfaceId, Netmask};

/// One way out of the node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    /// Index of the interface.
    pub(super) interface: usize,
    pub(super) via: Option<Address>,
    /// The subnet broadcast, which leaves as the global one (ROUTE-3).
    pub(super) broadcast: bool,
    /// Why our own copy did not leave here, once that was tried.
    pub(super) refused: Option<Refused>,
}

impl Output {
    pub(super) const fn new(interface: usize, via: Option<Address>) -> Self {
        Self {
            interface,
            via,
            broadcast: false,
            refused: None,
        }
    }

    pub(super) fn refusal(&self) -> Option<(InterfaceId, Refused)> {
        InterfaceId::from_index(self.interface).zip(self.refused)
    }
}

impl Node {
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
        // Split horizon: not back to where it came from, nor to an interface that lies in the same network.
        let source = from.and_then(|from| Some((from.index(), self.interfaces.get(from.index())?.subnet)));
        let blocked = |index: usize, address: Address| {
            source.is_some_and(|(from, subnet)| index == from || subnet.contains(address))
        };
        let mut matched = false;
        let real = || self.interfaces.iter().enumerate().skip(1);
        for (index, interface) in real() {
            let subnet = interface.subnet;
            if subnet.netmask() != Netmask::NONE && subnet.contains(destination) {
                matched = true;
                if !blocked(index, interface.address()) {
                    let broadcast = subnet.is_broadcast(destination);
                    outputs.push(Output {
                        broadcast,
                        ..Output::new(index, None)
                    });
                }
            }
        }
        if matched {
            return true;
        }
        for route in self.routes.lookup(destination) {
            matched = true;
            let index = route.interface.index();
            let Some(interface) = self.interfaces.get(index) else {
                continue;
            };
            if !blocked(index, interface.address()) {
                outputs.push(Output::new(index, route.via));
            }
        }
        if matched {
            return true;
        }
        for (index, interface) in real().filter(|(_, interface)| interface.default) {
            matched = true;
            if !blocked(index, interface.address()) {
                outputs.push(Output::new(index, None));
            }
        }
        matched
    }
}
