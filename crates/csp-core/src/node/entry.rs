//! The first steps in: what every received packet meets before it is decided whose it is (7.1).

use tinwire_time::Instant;

use super::Node;
use super::rx::Arrival;
use crate::filter::Passage;
use crate::iface::Interface;
use crate::{
    Address, DedupConfig, DedupMode, Direction, DropReason, Header, InterfaceId, Packet, Stage, Switch,
};

/// What makes a packet ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Local {
    Unicast,
    Broadcast,
}

impl Node {
    /// Sets which packets are dropped when they come again; what was remembered is forgotten.
    ///
    /// In place of [`Config::dedup`](crate::Config::dedup), and for a bridge made later.
    pub fn set_dedup(&mut self, config: DedupConfig) {
        self.dedup.configure(config);
    }

    /// Counts a packet, drops what was here before, and shows the rest to taps and filters.
    ///
    /// `looped` ones are from this node itself.
    pub(super) fn receive(&mut self, now: Instant, interface: InterfaceId, looped: bool, packet: Packet) {
        let Some(entry) = self.interfaces.get_mut(interface) else {
            return self.drop_packet(interface, Some(packet.header), DropReason::InterfaceRemoved);
        };
        let len = u64::try_from(packet.payload.len()).unwrap_or(u64::MAX);
        entry.stats.rx = entry.stats.rx.wrapping_add(1);
        entry.stats.rx_bytes = entry.stats.rx_bytes.wrapping_add(len);
        // Nothing that a node says to itself takes a way on which it could be doubled.
        if !looped && self.is_duplicate(now, interface, &packet) {
            self.drop_packet(interface, Some(packet.header), DropReason::Duplicate);
            return;
        }
        if !self.taps.is_empty() {
            let direction = if looped {
                Direction::Looped
            } else {
                Direction::Received
            };
            self.capture(now, interface, direction, &packet);
        }
        if self.filters.is_empty(Stage::Incoming) {
            self.admit(now, interface, looped, packet);
        } else {
            self.pass(now, None, Passage::Incoming { interface, looped }, packet);
        }
    }

    /// Whether a packet was here before, as far as that matters for packets like it.
    fn is_duplicate(&mut self, now: Instant, id: InterfaceId, packet: &Packet) -> bool {
        if self.bridge.is_none() && self.dedup.mode() == DedupMode::Off {
            return false;
        }
        let Some(interface) = self.interfaces.get(id) else {
            return false;
        };
        let version = interface.version;
        if let Some(bridge) = &mut self.bridge
            && bridge.across(id).is_some()
        {
            return bridge.memory.is_known(now, version, packet);
        }
        let local = || self.local(interface, packet.header).is_some();
        let applies = match self.dedup.mode() {
            DedupMode::Off => false,
            DedupMode::Forwarded => !local(),
            DedupMode::Incoming => local(),
            DedupMode::All => true,
        };
        applies && self.dedup.is_known(now, version, packet)
    }

    /// Delivers a packet that is for us, and carries on one that is not.
    pub(super) fn admit(&mut self, now: Instant, interface: InterfaceId, looped: bool, mut packet: Packet) {
        // It may have gone while a filter outside had the packet.
        let Some(entry) = self.interfaces.get(interface) else {
            return self.drop_packet(interface, Some(packet.header), DropReason::InterfaceRemoved);
        };
        let local = self.local(entry, packet.header);
        packet.header = entry.mapping.leave_network(packet.header);
        if !looped
            && let Some(bridge) = &self.bridge
            && let Some(other) = bridge.across(interface)
        {
            return self.cross(now, interface, other, packet);
        }
        if !looped
            && packet.header.destination == Address::LOOPBACK
            && self.config.loopback_from_outside == Switch::Off
        {
            return self.drop_packet(interface, Some(packet.header), DropReason::LoopbackFromOutside);
        }
        match local {
            Some(local) => self.deliver(Arrival {
                now,
                interface,
                broadcast: local == Local::Broadcast,
                packet,
            }),
            None => self.forward(now, interface, packet),
        }
    }

    /// Whether a packet with this header, as `interface` received it, is for us.
    ///
    /// ROUTE-1: to any interface's own address, but broadcasts of the receiving interface alone. These come
    /// first: what is everybody in a v1 network may be an own address in one of v2.
    fn local(&self, interface: &Interface, header: Header) -> Option<Local> {
        if interface.subnet.is_broadcast(header.destination) {
            return Some(Local::Broadcast);
        }
        let destination = interface.mapping.leave_network(header).destination;
        let mut interfaces = self.interfaces.iter();
        let owned = interfaces.any(|entry| entry.owns(destination));
        owned.then_some(Local::Unicast)
    }
}
