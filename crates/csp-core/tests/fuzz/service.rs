//! Any bytes as requests to the services of a node, and as replies to its clients.

use bytes::Bytes;
use csp_core::hmac::Key;
use csp_core::seal::Protection;
use csp_core::service::cmp::Code;
use csp_core::service::{
    Counters, Identity, Memory, Origin, Peek, Platform, Poke, PowerCommand, Refusal, Service, Services,
    SetRoute, Timestamp, figure,
};
use csp_core::{
    Address, Config, DEFAULT_MTU, DropReason, Event, Flags, Header, InterfaceConfig, InterfaceId,
    InterfaceName, Netmask, Node, Packet, Port, Version,
};
use tinwire_time::Instant;

use testkit::fuzz::Input;

/// A machine with 16 bytes of memory that can be peeked at addresses below 16.
struct Machine(Memory);

impl Platform for Machine {
    fn processes(&mut self, _: &Origin) -> Option<String> {
        Some("idle\n".repeat(100))
    }

    fn clock(&mut self, _: &Origin) -> Option<Timestamp> {
        Some(Timestamp::default())
    }

    fn set_clock(&mut self, _: &Origin, time: Timestamp) -> Result<(), Refusal> {
        if time.nanoseconds < 1_000_000_000 {
            Ok(())
        } else {
            Err(Refusal::Refused)
        }
    }

    fn reboot(&mut self, _: &Origin) -> Result<(), Refusal> {
        Ok(())
    }

    fn peek(&mut self, _: &Origin, address: u64, data: &mut [u8]) -> Result<(), Refusal> {
        self.0.read(address, data)
    }

    fn poke(&mut self, _: &Origin, address: u64, data: &[u8]) -> Result<(), Refusal> {
        self.0.write(address, data)
    }
}

fn node() -> (Node, InterfaceId) {
    let all = Service::ALL.into_iter().fold(Services::none(), Services::on);
    let mut memory = Memory::new();
    memory.add(0, [0; 16]).unwrap();
    let config = Config::default().services(all).platform(Machine(memory));
    let mut node = Node::new(config, 1);
    let name = InterfaceName::new("A").unwrap();
    let interface = InterfaceConfig::new(name, Address::new(9).unwrap(), Netmask::new(8).unwrap());
    let id = node.add_interface(interface).unwrap();
    (node, id)
}

/// Every request is answered in the length that its client demands, done without an answer, or dropped once
/// with its reason; replies of any bytes are refused or say what they carry; nothing panics or grows.
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (mut node, interface) = node();
    while !input.is_empty() {
        let kind = input.byte();
        let len = input.byte();
        let body = input.take(len.into());
        // Half of what is made up is to get past type and code.
        let (port, body) = if kind & 0x80 == 0 {
            (Port::new(kind % 7).unwrap(), body.to_vec())
        } else {
            (Port::CMP, [&[0, kind % 10], body].concat())
        };
        let body = &body[..body.len().min(DEFAULT_MTU - 4)];
        request(&mut node, interface, port, body);
        reply(body);
    }
}

fn request(node: &mut Node, interface: InterfaceId, port: Port, body: &[u8]) {
    let source = (Address::new(2).unwrap(), Port::new(33).unwrap());
    let mut header = Header::new(source, (Address::new(9).unwrap(), port));
    header.flags = Flags::CRC32;
    let key = Key::default();
    let protection = Protection::new(Version::V2, &key);
    let sealed = protection
        .seal(header.flags, Bytes::copy_from_slice(body), 0)
        .unwrap();
    node.handle_packet(Instant::ZERO, interface, Packet::new(header, sealed));

    let mut replies = Vec::new();
    while let Some(transmit) = node.poll_transmit() {
        assert!(transmit.packet.payload.len() <= DEFAULT_MTU);
        assert_eq!(transmit.packet.header.reply(), header);
        let opened = protection.open(&transmit.packet.header, transmit.packet.payload);
        replies.push(opened.unwrap());
    }
    let mut drops = Vec::new();
    while let Some(event) = node.poll_event() {
        if let Event::Dropped(dropped) = event {
            drops.push(dropped.reason);
        }
    }
    let is_reboot = port == Port::REBOOT && PowerCommand::decode(body) == Ok(PowerCommand::Reboot);
    let outcomes = usize::from(!replies.is_empty()) + drops.len() + usize::from(is_reboot);
    assert_eq!(outcomes, 1, "{port}: {replies:?} {drops:?}");
    if port == Port::CMP {
        managed(
            body,
            replies.first().map(|reply| &reply[..]),
            drops.first().copied(),
        );
    }
}

fn managed(body: &[u8], reply: Option<&[u8]>, drop: Option<DropReason>) {
    let Ok(code) = Code::of_request(body) else {
        assert_eq!(drop, Some(DropReason::BadRequest));
        return;
    };
    let Some(reply) = reply else { return };
    assert_eq!(reply[..2], [0xFF, code.to_bits()]);
    let expected = match code {
        Code::Identity => 93,
        Code::SetRoute1 => 15,
        Code::InterfaceStats => 53,
        Code::Clock => 10,
        Code::SetRoute2 => 20,
        _ => body.len(),
    };
    assert_eq!(reply.len(), expected, "{code:?}");
}

fn reply(bytes: &[u8]) {
    if let Ok(identity) = Identity::decode(bytes) {
        assert_eq!(bytes.len(), 93);
        let again = Identity::decode(&identity.reply()).unwrap();
        assert_eq!(Identity::decode(&again.reply()), Ok(again));
    }
    if let Ok(time) = Timestamp::decode(bytes) {
        assert_eq!(time.reply(), bytes);
    }
    if let Ok(counters) = Counters::decode(bytes) {
        assert_eq!(counters.reply(bytes).unwrap(), bytes);
    }
    if let Ok(number) = figure::decode(bytes) {
        assert_eq!(figure::reply(number), bytes);
    }
    if let Ok(peek) = Peek::decode(bytes) {
        let full = peek.request();
        assert_eq!(Peek::decode(&full), Ok(peek));
        let data = vec![0xA5; peek.amount()];
        assert_eq!(peek.data(&peek.reply(&full, &data)), Ok(&data[..]));
        let _ = peek.data(bytes);
    }
    let shared = Bytes::copy_from_slice(bytes);
    if let Ok(poke) = Poke::decode(&shared) {
        assert_eq!(Poke::decode(&poke.request()), Ok(poke.clone()));
        let _ = poke.confirm(bytes);
    }
    if let Ok(route) = SetRoute::decode(bytes) {
        let again = route.request();
        let read = SetRoute::decode(&again).unwrap();
        assert_eq!(
            (read.destination, read.interface),
            (route.destination, route.interface)
        );
        let _ = SetRoute::confirm(&again, bytes);
    }
}
