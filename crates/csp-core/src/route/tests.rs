extern crate std;

mod string;

use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::{Netmask, Version};

fn route(version: Version, address: u16, netmask: u8, interface: usize) -> Route {
    let (address, netmask) = (Address::new(address).unwrap(), Netmask::new(netmask).unwrap());
    Route {
        subnet: Subnet::new(version, address, netmask).unwrap(),
        interface: InterfaceId::from_index(interface).unwrap(),
        via: None,
    }
}

fn wide(address: u16, netmask: u8, interface: usize) -> Route {
    route(Version::V2, address, netmask, interface)
}

fn found(table: &RouteTable, destination: u16) -> Vec<usize> {
    table
        .lookup(Address::new(destination).unwrap())
        .map(|route| route.interface.index())
        .collect()
}

#[test]
fn the_longest_prefix_wins_and_all_entries_equal_to_it_are_taken_latest_first() {
    let mut table = RouteTable::new();
    for entry in [wide(0, 0, 1), wide(8, 11, 2), wide(8, 11, 3)] {
        table.insert(entry).unwrap();
    }
    assert_eq!(found(&table, 9), [3, 2]);
    assert_eq!(found(&table, 16), [1]);
}

#[test]
fn one_network_counted_in_the_bits_of_both_versions_is_one_prefix() {
    let mut table = RouteTable::new();
    for entry in [
        wide(8, 11, 1),
        route(Version::V1, 8, 2, 2),
        route(Version::V1, 0, 0, 3),
    ] {
        table.insert(entry).unwrap();
    }
    assert_eq!(found(&table, 9), [2, 1]);
    assert_eq!(found(&table, 31), [3]);
    assert!(
        found(&table, 32).is_empty(),
        "no v1 route is for an address above 31"
    );
}

#[test]
fn the_same_network_on_the_same_interface_is_replaced_and_can_be_removed() {
    let mut table = RouteTable::new();
    table.insert(wide(8, 11, 2)).unwrap();
    let via = Route {
        via: Address::new(5),
        ..wide(8, 11, 2)
    };
    table.insert(via).unwrap();
    assert_eq!(table.iter().collect::<Vec<_>>(), [&via]);
    assert!(!table.remove(via.subnet, InterfaceId::LOOPBACK));
    assert!(table.remove(via.subnet, via.interface));
    assert!(!table.remove(via.subnet, via.interface));
    assert_eq!(table.iter().count(), 0);
}

#[test]
fn a_full_table_refuses_a_new_entry_and_still_replaces_an_old_one() {
    let mut table = RouteTable::new();
    for address in 0..u16::try_from(MAX_ROUTES).unwrap() {
        table.insert(wide(address, 14, 1)).unwrap();
    }
    assert_eq!(table.insert(wide(16000, 14, 1)), Err(RouteError::Full));
    assert_eq!(table.insert(wide(7, 14, 1)), Ok(()));
}

/// A network as its bits: version, address, netmask.
fn network() -> impl Strategy<Value = (Version, u16, u8)> {
    prop_oneof![
        (Just(Version::V1), 0..32_u16, 0..=5_u8),
        // Addresses that are near each other, so that they match.
        (Just(Version::V2), 0..70_u16, 7..=14_u8),
        (Just(Version::V2), 0..=16383_u16, 0..=14_u8),
    ]
}

proptest! {
    #[test]
    fn a_lookup_finds_what_trying_every_prefix_by_hand_finds(
        networks in proptest::collection::vec((network(), 1..4_usize), 0..30),
        destination in prop_oneof![0..70_u16, 0..=16383_u16],
    ) {
        let mut table = RouteTable::new();
        // The model: address, host bits and interface, the latest in the place of the one it replaces.
        let mut model: Vec<(Version, u16, u8, usize)> = Vec::new();
        for ((version, address, netmask), interface) in networks {
            table.insert(route(version, address, netmask, interface)).unwrap();
            let entry = (version, address, version.address_bits() - netmask, interface);
            if !model.contains(&entry) {
                model.push(entry);
            }
        }
        let matches = |(version, address, host_bits, _): &(Version, u16, u8, usize)| {
            destination <= version.broadcast().to_bits() && destination >> host_bits == address >> host_bits
        };
        let mut expected = Vec::new();
        let winner = |host_bits: u8| {
            let mut latest_first = model.iter().rev();
            latest_first.find(|entry| entry.2 == host_bits && matches(entry))
        };
        if let Some(winner) = (0..=14).find_map(winner) {
            let same = model.iter().rev().filter(|entry| (entry.1, entry.2) == (winner.1, winner.2));
            expected = same.map(|entry| entry.3).collect();
        }
        prop_assert_eq!(found(&table, destination), expected);
    }
}
