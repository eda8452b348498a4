//! The first steps in: what every received packet meets before it is decided whose it is (7.1).

use tinwire_time::Instant;

use super::Node;
use super::rx::Arrival;
use crate::filter::Passage;
use crate::{DropReason, InterfaceId, Packet, Stage};

impl Node {
    /// Counts a packet and shows it to the filters; `looped` ones are from this node itself.
    pub(super) fn receive(&mut self, now: Instant, interface: InterfaceId, looped: bool, packet: Packet) {
        let Some(entry) = self.interfaces.get_mut(interface) else {
            return self.drop_packet(interface, Some(packet.header), DropReason::InterfaceRemoved);
        };
        let len = u64::try_from(packet.payload.len()).unwrap_or(u64::MAX);
        entry.stats.rx = entry.stats.rx.wrapping_add(1);
        entry.stats.rx_bytes = entry.stats.rx_bytes.wrapping_add(len);
        if self.filters.is_empty(Stage::Incoming) {
            self.admit(now, interface, looped, packet);
        } else {
            self.pass(now, None, Passage::Incoming { interface, looped }, packet);
        }
    }

    /// Delivers a packet that is for us, and carries on one that is not.
    pub(super) fn admit(&mut self, now: Instant, interface: InterfaceId, _looped: bool, mut packet: Packet) {
        // It may have gone while a filter outside had the packet.
        let Some(entry) = self.interfaces.get(interface) else {
            return self.drop_packet(interface, Some(packet.header), DropReason::InterfaceRemoved);
        };
        let broadcast = entry.subnet.is_broadcast(packet.header.destination);
        packet.header = entry.mapping.leave_network(packet.header);
        let destination = packet.header.destination;
        // ROUTE-1: any interface's own address, but broadcasts of the receiving interface alone.
        let own = self.interfaces.iter().any(|entry| entry.owns(destination));
        if own || broadcast {
            self.deliver(Arrival {
                now,
                interface,
                broadcast: broadcast && !own,
                packet,
            });
        } else {
            self.forward(now, interface, packet);
        }
    }
}
