//! The bridge in the node.

use tinwire_time::Instant;

use super::plan::Output;
use super::{Node, Transmit};
use crate::bridge::{BRIDGE_DEPTH, Bridge};
use crate::{BridgeError, DropReason, InterfaceId, Packet};

impl Node {
    /// Carries everything that one interface receives to the other and delivers nothing of it here.
    ///
    /// Packets go across unchanged, those for this node too. Between header versions they are encoded anew,
    /// a global broadcast as that of the other network; what has no form there is dropped as
    /// [`Unencodable`](DropReason::Unencodable). Whatever was on one of the two links within the
    /// [window](crate::DedupConfig::window) and comes again is dropped as a
    /// [`Duplicate`](DropReason::Duplicate), so that a packet goes round a loop of links at most once if that
    /// takes no longer than the window.
    ///
    /// The links must let everything through: those on CAN have to be promiscuous (CAN-9).
    ///
    /// The node may still send on both; what answers come there go across. Other interfaces of the node go on
    /// as before. A node has one bridge: another call replaces it.
    ///
    /// # Errors
    /// These are not two interfaces of the node.
    pub fn bridge(&mut self, one: InterfaceId, other: InterfaceId) -> Result<(), BridgeError> {
        for interface in [one, other] {
            if interface == InterfaceId::LOOPBACK {
                return Err(BridgeError::Loopback);
            }
            if self.interfaces.get(interface).is_none() {
                return Err(BridgeError::UnknownInterface { interface });
            }
        }
        if one == other {
            return Err(BridgeError::SameInterface);
        }
        self.bridge = Some(Bridge {
            ends: [one, other],
            memory: self.dedup.deeper(BRIDGE_DEPTH),
        });
        Ok(())
    }

    /// Ends the bridge and gives its two interfaces, if there was one.
    pub fn unbridge(&mut self) -> Option<[InterfaceId; 2]> {
        self.bridge.take().map(|bridge| bridge.ends)
    }

    /// Sends what came from one end of the bridge to the other.
    pub(super) fn cross(&mut self, now: Instant, from: InterfaceId, to: InterfaceId, mut packet: Packet) {
        let (Some(here), Some(there)) = (self.interfaces.get(from), self.interfaces.get(to)) else {
            return self.drop_packet(to, Some(packet.header), DropReason::InterfaceRemoved);
        };
        let way = Output {
            broadcast: packet.header.destination == here.version.broadcast(),
            ..Output::new(to, None)
        };
        let header = match way.header(there, packet.header, here.version) {
            Ok(header) => header,
            Err(refused) => return self.drop_packet(to, Some(packet.header), refused.reason),
        };
        packet.header = header;
        let transmit = Transmit {
            interface: to,
            packet,
            via: None,
        };
        self.carry(now, from, transmit);
    }

    /// Remembers what leaves on an end of the bridge, so that its echo is known.
    pub(super) fn note_leaving(&mut self, now: Instant, id: InterfaceId, packet: &Packet) {
        let Some(bridge) = &mut self.bridge else { return };
        if let Some(interface) = self.interfaces.get(id)
            && bridge.across(id).is_some()
        {
            bridge.memory.is_known(now, interface.version, packet);
        }
    }
}
