//! Deduplication, promiscuous mode, bridge.

use core::time::Duration;

use csp_core::{
    Address, Binding, Captured, ConnectConfig, DedupConfig, DedupMode, Header, InterfaceConfig, InterfaceId,
    InterfaceName, Netmask, Node, Packet, SocketConfig, SocketId, Switch, TapConfig, Version, seal,
};
use testkit::vectors::{Value, optional};
use tinwire_time::Instant;

use super::{NOW, Outcome, address, bare, byte, bytes, header, is_16, number, one_interface, text, version};

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("a list: {value}"))
}

fn add(node: &mut Node, version: Version, name: &str, own: Address, netmask: u8) -> InterfaceId {
    let name = InterfaceName::new(name).unwrap();
    let config = InterfaceConfig::new(name, own, Netmask::new(netmask).unwrap());
    node.add_interface(config.version(version)).unwrap()
}

pub(crate) fn dedup(entry: &Value) -> Outcome {
    let (input, out) = (&entry["in"], &entry["out"]);
    let version = version(input);
    let mode = match text(&input["mode"]) {
        "off" => DedupMode::Off,
        "forwarded" => DedupMode::Forwarded,
        "incoming" => DedupMode::Incoming,
        "all" => DedupMode::All,
        other => panic!("unknown mode {other}: {entry}"),
    };
    let window = if is_16(entry) { 1000 } else { 100 };
    let dedup = DedupConfig::default().window(Duration::from_millis(window));
    let config = bare().dedup(dedup.mode(mode)).checks(Switch::Off);
    let mut node = Node::new(config, 1);
    let mut on = None;
    for one in list(&input["interfaces"]) {
        let (own, netmask) = (address(&one["addr"]), byte(&one["netmask"]));
        let id = add(&mut node, version, text(&one["name"]), own, netmask);
        if one["name"] == input["received_on"] {
            on = Some(id);
        }
    }
    let on = on.unwrap();
    let socket = node.bind(Binding::Any, SocketConfig::default()).unwrap();
    for event in list(&out["events"]) {
        let now = Instant::from_millis(number(&event["t"]));
        let frame = bytes(&input["frames"][text(&event["packet"])]);
        node.handle_frame(now, on, frame.into());
        let delivered = node.recv_from(socket).is_some();
        assert_eq!(event["delivered"], delivered, "{event} of {entry}");
        let forwarded = core::iter::from_fn(|| node.poll_transmit()).count();
        assert_eq!(event["forwarded"], forwarded, "{event} of {entry}");
    }
    let stats = node.interface_stats(on).unwrap();
    assert_eq!(out["drop_counter"], stats.drop, "{entry}");
    Outcome::Agrees
}

pub(crate) fn promisc(entry: &Value) -> Outcome {
    let input = &entry["in"];
    let (mut node, link) = one_interface(input, bare());
    let socket = node.bind(Binding::Any, SocketConfig::default()).unwrap();
    let tap = node.tap(TapConfig::default());
    for event in list(&entry["out"]["events"]) {
        let expected: Vec<Packet> = list(&event["captured"]).iter().map(packet).collect();
        // What was captured is all that tells what was done.
        let Some(first) = expected.first() else { continue };
        if text(&event["op"]).starts_with("rx_") {
            node.handle_packet(NOW, link, first.clone());
        } else {
            send(&mut node, socket, first);
        }
        while node.poll_transmit().is_some() {}
        let captured: Vec<Captured> = core::iter::from_fn(|| node.captured(tap)).collect();
        for copy in &captured {
            let wire = copy.encode().unwrap();
            assert_eq!(Packet::decode(copy.version, wire), Ok(copy.packet.clone()));
        }
        let packets: Vec<Packet> = captured.into_iter().map(|copy| copy.packet).collect();
        assert_eq!(packets, expected, "{event} of {entry}");
    }
    Outcome::Agrees
}

fn packet(captured: &Value) -> Packet {
    Packet::new(header(&captured["id"]), bytes(&captured["payload"]).into())
}

/// Sends what becomes `expected` once it has its trailers.
fn send(node: &mut Node, socket: SocketId, expected: &Packet) {
    let Header {
        destination,
        destination_port,
        source_port,
        priority,
        flags,
        ..
    } = expected.header;
    let payload = expected.payload.len() - seal::trailer_len(flags);
    let payload = expected.payload.slice(..payload);
    let config = ConnectConfig::default()
        .flags(flags)
        .priority(priority)
        .local_port(source_port);
    node.send_to(NOW, socket, (destination, destination_port), config, payload)
        .unwrap();
}

pub(crate) fn bridge(entry: &Value) -> Outcome {
    let (input, out) = (&entry["in"], &entry["out"]);
    let version = version(input);
    let mut node = Node::new(bare().checks(Switch::Off), 1);
    // Which addresses the peer had was not recorded; a bridge goes by none.
    let netmask = version.address_bits() - 3;
    let names = list(&input["interfaces"]);
    let ids: Vec<InterfaceId> = (1..)
        .zip(names)
        .map(|(own, name)| {
            let own = Address::new(own * 8 + 1).unwrap();
            add(&mut node, version, text(name), own, netmask)
        })
        .collect();
    let [one, other] = ids[..] else {
        panic!("two interfaces: {entry}")
    };
    node.bridge(one, other).unwrap();
    let id = |name: &Value| ids[names.iter().position(|known| known == name).unwrap()];
    for event in list(&out["events"]) {
        let frame = bytes(&event["frame"]);
        let now = Instant::from_millis(optional(event, "t").map_or(0, number));
        node.handle_frame(now, id(&event["received_on"]), frame.into());
        let left: Vec<_> = core::iter::from_fn(|| node.poll_transmit())
            .map(|transmit| {
                (
                    transmit.interface,
                    transmit.packet.encode(version).unwrap().to_vec(),
                )
            })
            .collect();
        let expected: Vec<_> = list(&event["out"])
            .iter()
            .map(|way| (id(&way["iface"]), bytes(&way["frame"])))
            .collect();
        assert_eq!(left, expected, "{event} of {entry}");
    }
    Outcome::Agrees
}
