//! What can be configured, and what is refused.

use super::*;
use crate::{InterfaceError, Route, Subnet, SubnetError, Switch};

fn name(text: &str) -> InterfaceName {
    InterfaceName::new(text).unwrap()
}

#[track_caller]
fn refused(config: InterfaceConfig) -> InterfaceError {
    let (mut node, _) = node(9, Config::default());
    let mut lax = super::node(9, Config::default().checks(Switch::Off)).0;
    let error = node.add_interface(config.clone()).unwrap_err();
    let known = !matches!(
        error,
        InterfaceError::NameInUse { .. } | InterfaceError::Subnet(_)
    );
    assert_eq!(
        lax.add_interface(config).is_ok(),
        known,
        "without checks all is taken that has a meaning"
    );
    assert_eq!(node.interfaces().count(), 2, "nothing was added");
    error
}

#[test]
fn an_interface_that_cannot_work_is_refused_with_the_reason() {
    let other = name("A");
    let one = || interface("B", 100, 8);
    assert_eq!(
        refused(interface("A", 100, 8)),
        InterfaceError::NameInUse { name: other }
    );
    for own in [9, 10] {
        let address = address(own);
        let expected = match own {
            9 => InterfaceError::AddressInUse { address, other },
            _ => InterfaceError::NetworkInUse { address, other },
        };
        assert_eq!(refused(interface("B", own, 8)), expected);
    }
    let part = InterfaceError::NetworkInUse {
        address: address(40),
        other,
    };
    assert_eq!(
        refused(interface("B", 40, 10)),
        part,
        "a part of a network is in it"
    );
    assert_eq!(refused(one().mtu(7)), InterfaceError::MtuTooSmall { mtu: 7 });
    assert_eq!(refused(interface("B", 0, 8)), InterfaceError::Loopback);
    assert_eq!(
        refused(interface("B", 127, 8)),
        InterfaceError::Broadcast {
            address: address(127)
        }
    );
    let global = InterfaceError::Broadcast {
        address: Address::BROADCAST,
    };
    assert_eq!(refused(interface("B", 16383, 14)), global);
    assert_eq!(
        refused(interface("B", 100, 0)),
        InterfaceError::NoNetwork { name: name("B") }
    );
    let taken = InterfaceError::AddressInUse {
        address: address(9),
        other,
    };
    assert_eq!(refused(one().alias(address(9))), taken);
    let twice = InterfaceError::AliasTwice {
        address: address(100),
    };
    assert_eq!(refused(one().alias(address(100))), twice);
    assert_eq!(
        refused(one().alias(address(127))),
        InterfaceError::Broadcast {
            address: address(127)
        }
    );
    let v1 = |own, netmask| interface("B", own, netmask).version(Version::V1);
    for config in [v1(100, 5), v1(1, 6), v1(1, 5).alias(address(32))] {
        assert!(matches!(refused(config), InterfaceError::Subnet(_)));
    }
}

#[test]
fn a_node_that_does_not_forward_needs_no_networks() {
    let mut node = Node::new(Config::default().forward(Switch::Off), 1);
    let left = node.add_interface(interface("L", 1, 0)).unwrap();
    node.add_interface(interface("R", 65, 0).default_route()).unwrap();
    node.handle_packet(at(0), left, packet((2, 33), (66, 10), Flags::NONE, b""));
    assert_eq!(node.poll_transmit(), None);
    assert_dropped(&mut node, DropReason::NotForwarding);
}

#[test]
fn a_redundant_interface_gets_copies_and_nothing_crosses_to_it() {
    let (mut node, first) = node(9, Config::default());
    let second = node.add_interface(interface("B", 9, 8).redundant()).unwrap();
    let client = node
        .connect(at(0), address(2), port(10), ConnectConfig::default())
        .unwrap();
    node.send(at(0), client, Bytes::new()).unwrap();
    let left: Vec<_> = core::iter::from_fn(|| node.poll_transmit())
        .map(|one| one.interface)
        .collect();
    assert_eq!(left, [first, second]);
    node.handle_packet(at(0), first, packet((2, 33), (3, 10), Flags::NONE, b""));
    assert_dropped(&mut node, DropReason::Blocked);
}

#[test]
fn a_mapping_is_refused_if_an_address_would_mean_two_nodes() {
    let v1 = |pairs: &[(u16, u16)]| {
        let config = interface("V", 9, 2).version(Version::V1).alias(address(10));
        let config = pairs.iter().fold(config, |config, (outside, inside)| {
            config.map(address(*outside), address(*inside))
        });
        Node::new(Config::default(), 1).add_interface(config).map(|_| ())
    };
    assert_eq!(
        v1(&[(300, 11), (31, 12)]),
        Ok(()),
        "31 is a node like others outside"
    );
    for (inside, why) in [
        (0, "loopback"),
        (9, "own"),
        (10, "alias"),
        (15, "broadcast"),
        (16, "elsewhere"),
    ] {
        let inside = address(inside);
        let refused = v1(&[(300, inside.to_bits())]);
        assert_eq!(refused, Err(InterfaceError::MappedName { inside }), "{why}");
    }
    for (outside, why) in [(0, "loopback"), (9, "own"), (12, "inside"), (16383, "broadcast")] {
        let outside = address(outside);
        let refused = v1(&[(outside.to_bits(), 11)]);
        assert_eq!(refused, Err(InterfaceError::MappedAddress { outside }), "{why}");
    }
    let twice = |bits| {
        Err(InterfaceError::MappedTwice {
            address: address(bits),
        })
    };
    assert_eq!(v1(&[(300, 11), (300, 12)]), twice(300));
    assert_eq!(v1(&[(300, 11), (301, 11)]), twice(11));
    let wide = SubnetError::Address {
        address: address(40),
        max: address(31),
    };
    assert_eq!(v1(&[(300, 40)]), Err(InterfaceError::Subnet(wide)));
}

#[test]
fn without_checks_every_interface_that_is_added_can_be_used_without_harm() {
    let mut node = Node::new(Config::default().checks(Switch::Off), 1);
    let odd = interface("A", 0, 0)
        .mtu(0)
        .alias(address(0))
        .map(address(0), address(0))
        .map(address(1), address(0));
    let odd = node.add_interface(odd.default_route()).unwrap();
    for destination in 0..=16383 {
        node.handle_packet(at(0), odd, packet((2, 33), (destination, 10), Flags::CRC32, b"x"));
    }
    assert_eq!(node.interface_stats(odd).unwrap().rx, 16384);
    assert_eq!(node.stats().dropped, 16384);
}

#[test]
fn a_removed_interface_takes_its_queue_and_routes_with_it() {
    let (mut node, link) = node(9, Config::default());
    let subnet = Subnet::new(Version::V2, address(5000), Netmask::new(14).unwrap()).unwrap();
    node.add_route(Route {
        subnet,
        interface: link,
        via: None,
    })
    .unwrap();
    let client = node
        .connect(at(0), address(2), port(10), ConnectConfig::default())
        .unwrap();
    node.send(at(0), client, Bytes::new()).unwrap();
    let stats = node.remove_interface(link).unwrap();
    assert_eq!((stats.tx, stats.drop), (0, 1));
    assert_dropped(&mut node, DropReason::InterfaceRemoved);
    assert_eq!((node.poll_transmit(), node.routes().iter().count()), (None, 0));
    assert_eq!(node.remove_interface(link), None);
    assert_eq!(node.remove_interface(InterfaceId::LOOPBACK), None);

    let again = node.add_interface(interface("A", 9, 8)).unwrap();
    assert_ne!(again, link, "the old id does not name the new interface");
    node.handle_packet(at(0), link, packet((2, 33), (9, 10), Flags::NONE, b""));
    node.handle_frame(at(0), link, Bytes::new());
    assert_eq!(node.interface_stats(again).unwrap().rx, 0);
    assert_eq!(node.stats().dropped, 3);
}

#[test]
fn an_address_can_be_changed_to_one_that_could_have_been_given() {
    let (mut node, link) = node(9, Config::default());
    node.add_interface(interface("B", 100, 8)).unwrap();
    let mask = Netmask::new(8).unwrap();
    assert_eq!(
        node.set_address(link, address(12), mask),
        Ok(()),
        "its own network is not in its way"
    );
    let taken = InterfaceError::NetworkInUse {
        address: address(101),
        other: name("B"),
    };
    assert_eq!(node.set_address(link, address(101), mask), Err(taken));
    let none = InterfaceError::NoNetwork { name: name("A") };
    assert_eq!(node.set_address(link, address(12), Netmask::NONE), Err(none));
    let unknown = InterfaceError::Unknown {
        interface: InterfaceId::LOOPBACK,
    };
    assert_eq!(
        node.set_address(InterfaceId::LOOPBACK, address(3), mask),
        Err(unknown)
    );
    let client = node
        .connect(at(0), address(2), port(10), ConnectConfig::default())
        .unwrap();
    node.send(at(0), client, Bytes::new()).unwrap();
    assert_eq!(node.poll_transmit().unwrap().packet.header.source, address(12));
}

#[test]
fn all_interfaces_are_marked_default_if_none_is() {
    let mut node = Node::new(Config::default(), 1);
    let left = node.add_interface(interface("L", 1, 8)).unwrap();
    let right = node.add_interface(interface("R", 65, 8)).unwrap();
    let client = node
        .connect(at(0), Address::BROADCAST, port(10), ConnectConfig::default())
        .unwrap();
    assert!(node.send(at(0), client, Bytes::new()).is_err());
    node.mark_defaults();
    node.send(at(0), client, Bytes::new()).unwrap();
    let left_on: Vec<_> = core::iter::from_fn(|| node.poll_transmit())
        .map(|one| one.interface)
        .collect();
    assert_eq!(left_on, [left, right]);
    let third = node.add_interface(interface("T", 129, 8)).unwrap();
    node.mark_defaults();
    node.send(at(0), client, Bytes::new()).unwrap();
    assert!(core::iter::from_fn(|| node.poll_transmit()).all(|one| one.interface != third));
}
