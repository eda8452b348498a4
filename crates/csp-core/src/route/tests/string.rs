//! Route tables as text, on a node with a v1 and two v2 interfaces.

extern crate std;

use std::string::{String, ToString};
use std::vec::Vec;
use std::{format, vec};

use proptest::prelude::*;

use super::super::*;
use crate::{Config, InterfaceConfig, InterfaceName, Netmask, Node, Switch, Version};

fn node_with(checks: Switch) -> Node {
    let mut node = Node::new(Config::default().checks(checks), 1);
    let interfaces = [
        ("CAN", 9, 2, Version::V1),
        ("KISS", 257, 8, Version::V2),
        ("ABCDEFGHIJ", 513, 8, Version::V2),
    ];
    for (name, own, netmask, version) in interfaces {
        let (name, netmask) = (InterfaceName::new(name).unwrap(), Netmask::new(netmask).unwrap());
        let config = InterfaceConfig::new(name, Address::new(own).unwrap(), netmask).version(version);
        let config = config.map(Address::new(1005).unwrap(), Address::new(own + 1).unwrap());
        node.add_interface(config).unwrap();
    }
    node
}

fn node() -> Node {
    node_with(Switch::On)
}

/// What is saved after loading a text.
#[track_caller]
fn saved(text: &str) -> String {
    let mut node = node();
    let loaded = node.load_routes(text).unwrap();
    assert_eq!(loaded.ignored, [], "{text}");
    node.save_routes()
}

#[track_caller]
fn refused(text: &str, entry: usize, offset: usize) -> RouteStringReason {
    let mut node = node();
    node.load_routes("8 CAN").unwrap();
    let error = node.load_routes(text).unwrap_err();
    assert_eq!((error.entry, error.offset), (entry, offset), "{error}");
    assert_eq!(node.save_routes(), "8 CAN", "nothing of a wrong text is taken");
    error.reason
}

#[test]
fn netmasks_count_in_the_bits_of_the_interface_named() {
    assert_eq!(
        saved("0/0 CAN, 16/1 CAN, 17/5 CAN, 18/14 KISS"),
        "0/0 CAN,16/1 CAN,17 CAN,18 KISS"
    );
    assert_eq!(
        refused("16/6 CAN", 1, 3),
        RouteStringReason::NetmaskTooLarge { max: 5 }
    );
    assert_eq!(
        refused("16/15 KISS", 1, 3),
        RouteStringReason::NetmaskTooLarge { max: 14 }
    );
    let max = Address::new(31).unwrap();
    assert_eq!(
        refused("40 KISS, 40 CAN", 2, 9),
        RouteStringReason::AddressTooLarge { max }
    );
}

#[test]
fn an_address_with_a_name_on_the_interface_can_be_routed_to_it() {
    assert_eq!(saved("1005 CAN"), "1005 CAN");
    let max = Address::new(31).unwrap();
    assert_eq!(
        refused("1005/5 CAN", 1, 0),
        RouteStringReason::AddressTooLarge { max }
    );
}

#[test]
fn an_error_tells_the_entry_the_byte_and_what_was_expected() {
    assert_eq!(refused("0/0 CAN,, x1 CAN", 2, 10), RouteStringReason::Address);
    assert_eq!(
        refused("-1 CAN", 1, 0),
        RouteStringReason::AddressTooLarge {
            max: Address::new(31).unwrap()
        }
    );
    assert_eq!(refused("0/ CAN", 1, 3), RouteStringReason::Netmask);
    assert_eq!(refused("17 ", 1, 3), RouteStringReason::Name);
    assert_eq!(
        refused("0/0 CAN 16000", 1, 8),
        RouteStringReason::Route(RouteError::ViaTooLarge {
            via: Address::new(16000).unwrap(),
            max: Address::new(31).unwrap(),
        })
    );
    assert_eq!(
        refused("0/0 KISS 16384", 1, 9),
        RouteStringReason::ViaTooLarge { max: 16383 }
    );
    let unknown = node().load_routes("0/0 CAN,8 NOPE 5").unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "route 2, at byte 10: expected one of the interfaces LOOP, CAN, KISS, ABCDEFGHIJ, got NOPE"
    );
}

#[test]
fn routes_that_cannot_work_are_refused_with_the_reason_unless_unchecked() {
    let via = |bits| Address::new(bits).unwrap();
    let own = RouteError::ViaOwn { via: via(257) };
    let cases = [
        ("0/0 LOOP 5", 4, RouteError::Loopback),
        ("0/0 KISS 257", 9, own),
        ("0/0 KISS 0", 9, RouteError::ViaOwn { via: via(0) }),
        ("0/0 KISS 319", 9, RouteError::ViaBroadcast { via: via(319) }),
        ("0/0 CAN 31", 8, RouteError::ViaBroadcast { via: via(31) }),
    ];
    for (text, offset, error) in cases {
        assert_eq!(
            refused(text, 1, offset),
            RouteStringReason::Route(error),
            "{text}"
        );
        assert!(node_with(Switch::Off).load_routes(text).is_ok(), "{text}");
    }
}

#[test]
fn a_network_counted_for_another_version_is_counted_anew_or_refused() {
    let mut node = node();
    let (can, kiss) = (
        node.interface_named("CAN").unwrap(),
        node.interface_named("KISS").unwrap(),
    );
    let over = |interface, version, address, netmask| Route {
        interface,
        ..super::route(version, address, netmask, 0)
    };
    node.add_route(over(can, Version::V2, 16, 10)).unwrap();
    node.add_route(over(kiss, Version::V1, 24, 2)).unwrap();
    node.add_route(over(can, Version::V2, 1005, 14)).unwrap();
    assert_eq!(node.save_routes(), "16/1 CAN,24/11 KISS,1005 CAN");
    for (address, netmask) in [(0, 0), (1006, 14), (1005, 13)] {
        let refused = node.add_route(over(can, Version::V2, address, netmask));
        assert!(
            matches!(refused, Err(RouteError::Network { .. })),
            "{address}/{netmask}"
        );
    }
    assert!(node.remove_route(over(can, Version::V2, 16, 10).subnet, can));
    assert!(!node.remove_route(over(can, Version::V2, 16, 10).subnet, can));
    node.clear_routes();
    assert_eq!(node.save_routes(), "");
}

#[test]
fn what_libcsp_reads_over_is_told() {
    let ignored = |text: &str| {
        let mut node = node();
        let loaded = node.load_routes(text).unwrap();
        let parts = loaded
            .ignored
            .into_iter()
            .map(|range| text.get(range).unwrap().to_string());
        (loaded.entries, parts.collect::<Vec<_>>(), node.save_routes())
    };
    let all = |entries, parts: &[&str], saved: &str| {
        (
            entries,
            parts.iter().map(ToString::to_string).collect::<Vec<_>>(),
            saved.to_string(),
        )
    };
    assert_eq!(
        ignored("0/0 KISS 5 6 seven, 8 CAN"),
        all(2, &["6 seven"], "0/0 KISS 5,8 CAN")
    );
    assert_eq!(ignored("0/0 KISS via"), all(1, &["via"], "0/0 KISS"));
    assert_eq!(ignored("0/0 ABCDEFGHIJKL"), all(1, &["KL"], "0/0 ABCDEFGHIJ"));
    assert_eq!(ignored("0/0 KISS 65546"), all(1, &["65546"], "0/0 KISS 10"));
    assert_eq!(ignored("0/0 KISS, ,8 CAN"), all(1, &[" ,8 CAN"], "0/0 KISS"));
}

#[test]
fn a_text_may_be_longer_than_libcsp_reads() {
    let text = (16..300)
        .map(|address| format!("{address} KISS"))
        .collect::<Vec<_>>()
        .join(",");
    assert_eq!(saved(&text), text);
}

#[test]
fn the_older_dialect_knows_other_words_for_nothing() {
    let mut node = node();
    let loaded = node
        .load_routes_as("0/0 kiss 255", RouteDialect::Libcsp1)
        .unwrap();
    assert_eq!((loaded.entries, &node.save_routes()[..]), (1, "0/0 KISS"));
    for wrong in ["5/-1 CAN", "0/0 KISS 256", "0/0 KISS 65535"] {
        assert!(
            node.check_routes(wrong, RouteDialect::Libcsp1).is_err(),
            "{wrong}"
        );
        assert!(node.check_routes(wrong, RouteDialect::Libcsp2).is_ok(), "{wrong}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic_and_what_it_takes_is_saved_and_read_alike(
        text in prop_oneof![
            any::<String>(),
            "([0-9]{1,5}(/-?[0-9]{0,2})?[ \t]{0,2}(CAN|KISS|kiss|NO)?[ ]?[-+0-9x]{0,3},?){0,6}",
        ],
    ) {
        for dialect in [RouteDialect::Libcsp1, RouteDialect::Libcsp2] {
            let mut node = node();
            match node.load_routes_as(&text, dialect) {
                Ok(loaded) => {
                    for range in loaded.ignored {
                        prop_assert!(text.get(range).is_some());
                    }
                    let first = node.save_routes();
                    node.clear_routes();
                    prop_assert_eq!(node.load_routes(&first).unwrap().ignored, vec![]);
                    prop_assert_eq!(node.save_routes(), first);
                }
                Err(error) => {
                    prop_assert!(error.offset <= text.len() && error.entry > 0);
                    prop_assert_eq!(node.routes().iter().count(), 0);
                }
            }
        }
    }

    #[test]
    fn a_table_saved_and_read_again_is_the_same_table(
        routes in proptest::collection::vec(
            (super::network(), 1..4_usize, proptest::option::of(0..=16383_u16)),
            0..20,
        ),
    ) {
        let (mut one, mut two) = (node(), node());
        for ((version, address, netmask), interface, via) in routes {
            let via = via.and_then(Address::new);
            // Some are refused.
            let _ = one.add_route(Route { via, ..super::route(version, address, netmask, interface) });
        }
        two.load_routes(&one.save_routes()).unwrap();
        prop_assert!(one.routes().iter().eq(two.routes().iter()));
    }
}
