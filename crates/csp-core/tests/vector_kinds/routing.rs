//! Which interfaces a packet leaves on.

use bytes::Bytes;
use csp_core::{
    Address, ConnectConfig, Header, InterfaceConfig, InterfaceId, InterfaceName, Netmask, Node, Packet,
    RouteDialect, RouteStringReason, SendError, SocketConfig, Switch, Version,
};
use testkit::vectors::Value;

use super::{NOW, Outcome, address, bare, byte, header, port, text, version};

/// One way out: interface, next hop, source, destination.
type Leaving = (String, Option<u64>, u16, u16);

/// Sends or receives the packet of an entry: what reached the port on this node, and what left.
fn carry(node: &mut Node, names: &[(String, InterfaceId)], input: &Value) -> (Option<Header>, Vec<Leaving>) {
    let (destination, to) = (address(&input["dst"]), port(&input["dport"]));
    let socket = node.bind(to.into(), SocketConfig::default()).unwrap();
    if input["received_on"].is_null() {
        let config = ConnectConfig::default().local_port(port(&input["sport"]));
        let client = node.connect(NOW, destination, to, config).unwrap();
        match node.send(NOW, client, Bytes::new()) {
            Ok(_) | Err(SendError::NoRoute { .. } | SendError::Header(_)) => {}
            Err(error) => panic!("{error}: {input}"),
        }
    } else {
        let on = text(&input["received_on"]);
        let (_, interface) = names.iter().find(|(name, _)| name == on).unwrap();
        let header = Header::new((address(&input["src"]), port(&input["sport"])), (destination, to));
        node.handle_packet(NOW, *interface, Packet::new(header, Bytes::new()));
        let counted = node.stats();
        assert!(
            counted.delivered + counted.forwarded + counted.dropped >= 1,
            "{input}"
        );
    }
    let local = node.recv_from(socket).map(|message| message.header);
    (local, leaving(node, names))
}

pub(crate) fn routing(entry: &Value) -> Outcome {
    let (input, out) = (&entry["in"], &entry["out"]);
    let Some((mut node, names)) = set_up(input, version(input)) else {
        return Outcome::Differs(NO_HOP);
    };
    let mut interfaces = input["interfaces"].as_array().unwrap().iter();
    let is_own = interfaces.any(|one| one["addr"] == input["dst"]);
    let from_self = input["received_on"].is_null();
    let (local, leaving) = carry(&mut node, &names, input);
    if from_self && is_own && address(&input["dst"]) != Address::LOOPBACK {
        assert!(local.is_some() && leaving.is_empty(), "{entry}");
        return Outcome::Differs("ROUTE-12: an own address is local, whatever the link");
    }
    assert_eq!(local.is_some(), out["local"].as_bool().unwrap(), "{entry}");
    if let Some(local) = local {
        assert_eq!(local, header(&out["local_id"]), "{entry}");
    }
    let mut expected: Vec<Leaving> = out["out"].as_array().unwrap().iter().map(expected).collect();
    expected.sort();
    let all = expected.len();
    let max = version(input).broadcast().to_bits();
    expected.retain(|(_, via, ..)| via.is_none_or(|via| via <= max.into()));
    assert_eq!(leaving, expected, "{entry}");
    if expected.len() == all {
        Outcome::Agrees
    } else {
        Outcome::Differs(NO_HOP)
    }
}

const NO_HOP: &str = "BET-7: nothing leaves to a next hop that the header version cannot name";

fn expected(way: &Value) -> Leaving {
    let number = |value: &Value| address(value).to_bits();
    (
        text(&way["iface"]).into(),
        way["via"].as_u64(),
        number(&way["src"]),
        number(&way["dst"]),
    )
}

fn leaving(node: &mut Node, names: &[(String, InterfaceId)]) -> Vec<Leaving> {
    let mut leaving: Vec<Leaving> = core::iter::from_fn(|| node.poll_transmit())
        .map(|transmit| {
            let (name, _) = names.iter().find(|(_, id)| *id == transmit.interface).unwrap();
            let header = transmit.packet.header;
            let via = transmit.via.map(|via| via.to_bits().into());
            (
                name.clone(),
                via,
                header.source.to_bits(),
                header.destination.to_bits(),
            )
        })
        .collect();
    leaving.sort();
    leaving
}

/// `None`: a next hop of the routes is no address at all.
fn set_up(input: &Value, version: Version) -> Option<(Node, Vec<(String, InterfaceId)>)> {
    // The captures have set-ups that we refuse: the same network twice, netmask 0 on a router.
    let mut node = Node::new(bare().checks(Switch::Off), 1);
    let mut names = vec![];
    for interface in input["interfaces"].as_array().unwrap() {
        let name = text(&interface["name"]);
        let netmask = Netmask::new(byte(&interface["netmask"])).unwrap();
        let config = InterfaceConfig::new(
            InterfaceName::new(name).unwrap(),
            address(&interface["addr"]),
            netmask,
        );
        let config = config.version(version);
        let config = if interface["default"] == true {
            config.default_route()
        } else {
            config
        };
        names.push((name.to_owned(), node.add_interface(config).unwrap()));
    }
    match node.load_routes(text(&input["routes"])) {
        Ok(_) => Some((node, names)),
        Err(error) if matches!(error.reason, RouteStringReason::ViaTooLarge { .. }) => None,
        Err(error) => panic!("{error}: {input}"),
    }
}

/// A router of 1.6 has one address and no networks; ours has one of each per interface.
pub(crate) fn routing_v16(entry: &Value) -> Outcome {
    let (input, out) = (&entry["in"], &entry["out"]);
    let mut node = Node::new(bare().checks(Switch::Off), 1);
    let own = address(&input["address"]);
    // The further ones are nobody's in the entry.
    let is_taken = |bits: &u16| *bits == own.to_bits() || input["dst"] == *bits || input["src"] == *bits;
    let others = (1..31).rev().filter(|bits| !is_taken(bits));
    let addresses = core::iter::once(own).chain(others.map(|bits| Address::new(bits).unwrap()));
    let mut names = vec![];
    let mut sources = vec![];
    for (name, own) in input["interfaces"].as_array().unwrap().iter().zip(addresses) {
        let label = InterfaceName::new(text(name)).unwrap();
        let config = InterfaceConfig::new(label, own, Netmask::host(Version::V1)).version(Version::V1);
        names.push((text(name).to_owned(), node.add_interface(config).unwrap()));
        sources.push((text(name), own.to_bits()));
    }
    node.load_routes_as(text(&input["routes"]), RouteDialect::Libcsp1)
        .unwrap();
    let (local, leaving) = carry(&mut node, &names, input);
    let destination = address(&input["dst"]);
    let mut expected: Vec<Leaving> = out["out"].as_array().unwrap().iter().map(expected).collect();
    expected.sort();
    if destination == Address::LOOPBACK {
        assert!(local.is_some() && leaving.is_empty(), "{entry}");
        return Outcome::Differs("ROUTE-2, 6.7: address 0 is the node itself");
    }
    assert_eq!(local.is_some(), out["local"].as_bool().unwrap(), "{entry}");
    if leaving == expected {
        return Outcome::Agrees;
    }
    for (name, _, source, _) in &mut expected {
        assert!(input["src"].is_null() && *source == own.to_bits(), "{entry}");
        *source = sources.iter().find(|(known, _)| known == name).unwrap().1;
    }
    assert_eq!(leaving, expected, "{entry}");
    Outcome::Differs("NET-1: own packets have the address of the interface they leave on")
}
