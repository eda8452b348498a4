//! The way out: interfaces, routes, limits.

use super::*;
use crate::{Route, RouteError, Subnet, Switch};

#[test]
fn a_packet_too_long_for_the_interface_is_refused_with_the_limit() {
    let (mut node, _) = node(9, Config::default());
    let client = node
        .connect(
            at(0),
            address(2),
            port(10),
            ConnectConfig::default().flags(Flags::CRC32),
        )
        .unwrap();
    let payload = Bytes::from(vec![0; 253]);
    assert_eq!(
        node.send(at(0), client, payload.clone()),
        Err(SendError::TooLong { len: 253, max: 252 })
    );
    assert_eq!(node.send(at(0), client, payload.slice(1..)), Ok(0));
}

#[test]
fn a_full_transmit_queue_refuses_and_tells_when_there_is_room() {
    let (mut node, link) = node(9, Config::default().transmit_queue(1));
    let client = node
        .connect(at(0), address(2), port(10), ConnectConfig::default())
        .unwrap();
    assert_eq!(node.send(at(0), client, Bytes::new()), Ok(0));
    assert_eq!(node.send(at(0), client, Bytes::new()), Err(SendError::Full));
    assert_eq!(events(&mut node), []);
    assert!(node.poll_transmit_on(link).is_some());
    assert_eq!(events(&mut node), [Event::Writable(client)]);
    assert_eq!(node.send(at(0), client, Bytes::new()), Ok(1));
}

#[test]
fn a_link_that_goes_down_refuses_packets_until_it_is_up_again() {
    let (mut node, link) = node(9, Config::default());
    let client = node
        .connect(at(0), address(2), port(10), ConnectConfig::default())
        .unwrap();
    node.send(at(0), client, Bytes::new()).unwrap();
    node.handle_link(link, LinkState::Down);
    assert_eq!(node.poll_transmit(), None);
    assert_dropped(&mut node, DropReason::LinkDown);
    assert_eq!(node.send(at(0), client, Bytes::new()), Err(SendError::LinkDown));
    node.handle_link(link, LinkState::Up);
    assert_eq!(node.send(at(0), client, Bytes::new()), Ok(1));
}

#[test]
fn without_a_way_out_there_is_an_error() {
    let mut node = Node::new(Config::default(), 1);
    node.add_interface(interface("A", 9, 8)).unwrap();
    let client = node
        .connect(at(0), address(5000), port(10), ConnectConfig::default())
        .unwrap();
    let destination = address(5000);
    assert_eq!(
        node.send(at(0), client, Bytes::new()),
        Err(SendError::NoRoute { destination })
    );
}

#[test]
fn a_router_carries_packets_between_networks_untouched_and_not_back() {
    let mut router = Node::new(Config::default(), 1);
    let left = router.add_interface(interface("L", 1, 8)).unwrap();
    let right = router
        .add_interface(interface("R", 65, 8).default_route())
        .unwrap();
    let mut passing = packet((2, 33), (66, 10), Flags::CRC32, b"x");
    passing.payload = Bytes::from_static(b"bad sum");
    router.handle_packet(at(0), left, passing.clone());
    let onward = Transmit {
        interface: right,
        packet: passing,
        via: None,
    };
    assert_eq!(router.poll_transmit(), Some(onward));
    router.handle_packet(at(0), right, packet((66, 33), (5000, 10), Flags::NONE, b"x"));
    assert_eq!(router.poll_transmit(), None);
    assert_dropped(&mut router, DropReason::Blocked);
    router.handle_packet(at(0), left, packet((2, 33), (3, 10), Flags::NONE, b"x"));
    assert_dropped(&mut router, DropReason::Blocked);
}

#[test]
fn a_route_names_the_next_hop_and_must_name_an_interface() {
    let (mut node, link) = node(9, Config::default());
    let subnet = Subnet::new(Version::V2, address(5000), Netmask::new(14).unwrap()).unwrap();
    let via = Some(address(12));
    node.add_route(Route {
        subnet,
        interface: link,
        via,
    })
    .unwrap();
    let client = node
        .connect(at(0), address(5000), port(10), ConnectConfig::default())
        .unwrap();
    node.send(at(0), client, Bytes::new()).unwrap();
    assert_eq!(node.poll_transmit().unwrap().via, via);
    let interface = InterfaceId::from_index(7).unwrap();
    assert_eq!(
        node.add_route(Route {
            subnet,
            interface,
            via
        }),
        Err(RouteError::UnknownInterface { interface })
    );
}

#[test]
fn a_broadcast_leaves_in_the_form_of_the_interface() {
    let mut node = Node::new(Config::default(), 1);
    let config = interface("A", 9, 2).version(Version::V1).default_route();
    node.add_interface(config).unwrap();
    for destination in [address(15), Address::BROADCAST] {
        let client = node
            .connect(at(0), destination, port(10), ConnectConfig::default())
            .unwrap();
        node.send(at(0), client, Bytes::new()).unwrap();
        assert_eq!(
            node.poll_transmit().unwrap().packet.header.destination,
            address(31)
        );
    }
    let wide = node
        .connect(at(0), address(40), port(10), ConnectConfig::default())
        .unwrap();
    assert!(matches!(
        node.send(at(0), wide, Bytes::new()),
        Err(SendError::Header(_))
    ));
}

#[test]
fn a_next_hop_without_a_form_on_the_interface_is_told_and_not_cut() {
    let mut node = Node::new(Config::default().checks(Switch::Off), 1);
    let config = interface("A", 9, 5).version(Version::V1);
    node.add_interface(config).unwrap();
    node.load_routes("0/0 A 300").unwrap();
    let client = node
        .connect(at(0), address(20), port(10), ConnectConfig::default())
        .unwrap();
    let refused = node.send(at(0), client, Bytes::new());
    assert!(matches!(refused, Err(SendError::Header(_))), "{refused:?}");
}

#[test]
fn an_alias_is_an_own_address_from_outside_and_from_inside() {
    let mut node = Node::new(Config::default(), 1);
    let left = interface("L", 1, 8).alias(address(5000));
    node.add_interface(left.default_route()).unwrap();
    let right = node.add_interface(interface("R", 65, 8)).unwrap();
    let listener = listen(&mut node, 10, SocketConfig::default());
    let mut remotes = Vec::new();
    node.handle_packet(
        at(0),
        right,
        packet((66, 33), (5000, 10), Flags::NONE, b"from outside"),
    );
    let client = node
        .connect(at(0), address(5000), port(10), ConnectConfig::default())
        .unwrap();
    node.send(at(0), client, Bytes::from_static(b"from inside"))
        .unwrap();
    assert_eq!(node.poll_transmit(), None, "neither goes onto a link");
    while let Some(accepted) = node.accept(listener) {
        let peers = node.peers(accepted).unwrap();
        assert_eq!(
            peers.local,
            address(5000),
            "the answer comes from the address asked"
        );
        remotes.push(peers.remote.to_bits());
        node.send(at(0), accepted, Bytes::from_static(b"answer")).unwrap();
    }
    assert_eq!(remotes, [66, 1]);
    assert_eq!(node.poll_transmit().unwrap().packet.header.source, address(5000));
    assert_eq!(node.recv(client).unwrap().payload, "answer");
}

#[test]
fn address_zero_is_local_from_outside_unless_it_is_switched_off() {
    for (accept, delivered) in [(Switch::On, true), (Switch::Off, false)] {
        let (mut node, link) = node(9, Config::default().loopback_from_outside(accept));
        let socket = node.bind(port(10).into(), SocketConfig::default()).unwrap();
        node.handle_packet(at(0), link, packet((2, 33), (0, 10), Flags::NONE, b"x"));
        assert_eq!(node.recv_from(socket).is_some(), delivered);
        if !delivered {
            assert_dropped(&mut node, DropReason::LoopbackFromOutside);
            assert_eq!(node.interface_stats(link).unwrap().drop, 1);
        }
        let client = node
            .connect(at(0), Address::LOOPBACK, port(10), ConnectConfig::default())
            .unwrap();
        node.send(at(0), client, Bytes::new()).unwrap();
        assert!(node.recv_from(socket).is_some(), "its own packets are");
    }
}
