//! Interfaces added, changed and removed.

use super::Node;
use crate::iface::Interface;
use crate::{
    Address, DropReason, InterfaceConfig, InterfaceError, InterfaceId, InterfaceName, InterfaceStats,
    Netmask, Subnet, Switch,
};

impl Node {
    /// Adds an interface, its link up.
    ///
    /// # Errors
    /// The configuration cannot work: see [`InterfaceError`].
    pub fn add_interface(&mut self, config: InterfaceConfig) -> Result<InterfaceId, InterfaceError> {
        let new = Interface::try_new(config, self.config.checks)?;
        if self.interfaces.iter().any(|old| old.name == new.name) {
            return Err(InterfaceError::NameInUse { name: new.name });
        }
        self.check_beside_others(&new)?;
        self.interfaces.insert(new).ok_or(InterfaceError::TooMany)
    }

    /// Gives an interface another address and netmask.
    ///
    /// Connections keep the address they began with.
    ///
    /// # Errors
    /// It could not be added with them: see [`InterfaceError`]. Nothing changed.
    pub fn set_address(
        &mut self,
        interface: InterfaceId,
        address: Address,
        netmask: Netmask,
    ) -> Result<(), InterfaceError> {
        let unknown = InterfaceError::Unknown { interface };
        let old = self.interfaces.get(interface).ok_or(unknown)?;
        if interface == InterfaceId::LOOPBACK {
            return Err(unknown);
        }
        let mut new = Interface::try_new(old.config(address, netmask), self.config.checks)?;
        new.id = interface;
        self.check_beside_others(&new)?;
        let changed = self.interfaces.get_mut(interface).ok_or(unknown)?;
        changed.subnet = new.subnet;
        Ok(())
    }

    /// Whether `new` works beside all interfaces but the one in its own place.
    fn check_beside_others(&self, new: &Interface) -> Result<(), InterfaceError> {
        if self.config.checks == Switch::Off {
            return Ok(());
        }
        let others = || self.interfaces.real().filter(|other| other.id != new.id);
        for other in others() {
            new.conflict(other)?;
        }
        let forwards = self.config.forward == Switch::On && others().next().is_some();
        let without = core::iter::once(new)
            .chain(others())
            .find(|interface| interface.subnet.netmask() == Netmask::NONE);
        match without.filter(|_| forwards) {
            Some(interface) => Err(InterfaceError::NoNetwork { name: interface.name }),
            None => Ok(()),
        }
    }

    /// Removes an interface, with the routes and the bridge over it, and gives its last counters.
    ///
    /// What waits for its link is dropped. `None`: there is no such interface, or it is the loopback.
    pub fn remove_interface(&mut self, interface: InterfaceId) -> Option<InterfaceStats> {
        let removed = self.interfaces.remove(interface)?;
        self.routes.remove_interface(interface);
        self.bridge.take_if(|bridge| bridge.across(interface).is_some());
        let mut stats = removed.stats;
        for transmit in removed.queue {
            let reason = DropReason::InterfaceRemoved;
            stats.count(reason.counter(), 1);
            self.drop_packet(interface, Some(transmit.packet.header), reason);
        }
        self.tell_writable();
        Some(stats)
    }

    /// Makes every interface a default one if none is (ROUTE-8).
    ///
    /// Call it when all are added, as the peers do; what no subnet and no route matches then leaves on all.
    pub fn mark_defaults(&mut self) {
        if self.interfaces.real().any(|interface| interface.default) {
            return;
        }
        for interface in self.interfaces.real_mut() {
            interface.default = true;
        }
    }

    /// The interfaces with their names, subnets and counters, the loopback first.
    pub fn interfaces(&self) -> impl Iterator<Item = (InterfaceId, InterfaceName, Subnet, &InterfaceStats)> {
        self.interfaces
            .iter()
            .map(|interface| (interface.id, interface.name, interface.subnet, &interface.stats))
    }

    /// The interface of that name.
    #[must_use]
    pub fn interface_named(&self, name: &str) -> Option<InterfaceId> {
        let mut interfaces = self.interfaces.iter();
        Some(interfaces.find(|interface| interface.name.as_str() == name)?.id)
    }

    /// Counters of one interface.
    #[must_use]
    pub fn interface_stats(&self, interface: InterfaceId) -> Option<&InterfaceStats> {
        Some(&self.interfaces.get(interface)?.stats)
    }
}
