//! Messages as packets in pcapng.

use core::time::Duration;
use std::time::UNIX_EPOCH;

use dnstap_codec::packet::{Packet, Ports};
use dnstap_codec::{DecodeError, Dnstap, MessageType};

use crate::pcapng::{Direction, InterfaceId, LinkType, Section};

/// One section, whose interface is the file that the messages come from.
#[derive(Debug)]
pub(super) struct Packets {
    section: Section,
    interface: InterfaceId,
    ports: Ports,
    packet: Vec<u8>,
}

impl Packets {
    pub(super) fn new(name: &str, ports: Ports) -> Self {
        let mut section = Section::begin("tinwire");
        let interface = section.interface(
            LinkType::RAW,
            name,
            "DNS messages of dnstap, as UDP packets made up",
        );
        Self {
            section,
            interface,
            ports,
            packet: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, payload: &[u8]) -> Result<(), DecodeError> {
        let dnstap = Dnstap::decode(payload)?;
        let Some(message) = &dnstap.message else {
            return Ok(());
        };
        for packet in Packet::of(message, self.ports) {
            self.packet.clear();
            packet.encode(&mut self.packet);
            let time = packet.time.and_then(|time| {
                let (second, nanos) = time.normal();
                UNIX_EPOCH.checked_add(Duration::new(second, nanos))
            });
            let time = time.unwrap_or(UNIX_EPOCH);
            let direction = direction(message.message_type, packet.is_query);
            self.section.packet(self.interface, time, direction, &self.packet);
        }
        Ok(())
    }

    pub(super) fn take(&mut self) -> Vec<u8> {
        self.section.take()
    }
}

/// As the server sees it that tells of the message: it answers clients, and asks others.
const fn direction(message_type: MessageType, is_query: bool) -> Direction {
    if message_type.is_of_client() == is_query {
        Direction::Inbound
    } else {
        Direction::Outbound
    }
}
