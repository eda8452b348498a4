//! Which interfaces a packet leaves on.

use bytes::Bytes;
use csp_core::{
    Address, ConnectConfig, Header, InterfaceConfig, InterfaceId, InterfaceName, Netmask, Node, Packet,
    Route, SendError, SocketConfig, Subnet, Switch, Version,
};
use testkit::vectors::Value;

use super::{NOW, Outcome, address, bare, byte, header, port, text, version};

/// One way out: interface, next hop, source, destination.
type Leaving = (String, Option<u64>, u16, u16);

pub(crate) fn routing(entry: &Value) -> Outcome {
    let (input, out) = (&entry["in"], &entry["out"]);
    let version = version(input);
    let (mut node, names) = set_up(input, version);
    let (destination, to) = (address(&input["dst"]), port(&input["dport"]));
    let socket = node.bind(to.into(), SocketConfig::default()).unwrap();
    let is_own = input["interfaces"]
        .as_array()
        .unwrap()
        .iter()
        .any(|one| one["addr"] == input["dst"]);
    let from_self = input["received_on"].is_null();
    if from_self {
        let config = ConnectConfig::default().local_port(port(&input["sport"]));
        let client = node.connect(destination, to, config).unwrap();
        match node.send(NOW, client, Bytes::new()) {
            Ok(()) => {}
            Err(SendError::NoRoute { .. }) => assert_eq!(out["out"], Value::Array(vec![]), "{entry}"),
            Err(error) => panic!("{error}: {entry}"),
        }
    } else {
        let on = text(&input["received_on"]);
        let (_, interface) = names.iter().find(|(name, _)| name == on).unwrap();
        let header = Header::new((address(&input["src"]), port(&input["sport"])), (destination, to));
        node.handle_packet(NOW, *interface, Packet::new(header, Bytes::new()));
    }
    let local = node.recv_from(socket).map(|message| message.header);
    let leaving = leaving(&mut node, &names);

    if from_self && is_own && destination != Address::LOOPBACK {
        assert!(local.is_some() && leaving.is_empty(), "{entry}");
        return Outcome::Differs("ROUTE-12: an own address is local, whatever the link");
    }
    assert_eq!(local.is_some(), out["local"].as_bool().unwrap(), "{entry}");
    if let Some(local) = local {
        assert_eq!(local, header(&out["local_id"]), "{entry}");
    }
    let mut expected: Vec<Leaving> = out["out"].as_array().unwrap().iter().map(expected).collect();
    expected.sort();
    assert_eq!(leaving, expected, "{entry}");
    Outcome::Agrees
}

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

fn set_up(input: &Value, version: Version) -> (Node, Vec<(String, InterfaceId)>) {
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
    for entry in text(&input["routes"])
        .split(',')
        .filter(|entry| !entry.is_empty())
    {
        let mut words = entry.split_whitespace();
        let (network, interface, via) = (words.next().unwrap(), words.next().unwrap(), words.next());
        let (network, netmask) = match network.split_once('/') {
            Some((network, netmask)) => (network, Netmask::new(netmask.parse().unwrap()).unwrap()),
            None => (network, Netmask::host(version)),
        };
        let subnet = Subnet::new(version, network.parse().unwrap(), netmask).unwrap();
        let (_, interface) = names.iter().find(|(name, _)| name == interface).unwrap();
        let via = via.map(|via| via.parse().unwrap());
        node.add_route(Route {
            subnet,
            interface: *interface,
            via,
        })
        .unwrap();
    }
    (node, names)
}
