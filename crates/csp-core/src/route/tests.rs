extern crate std;

use super::*;
use crate::{Netmask, Version};

fn route(address: u16, netmask: u8, interface: usize) -> Route {
    let (address, netmask) = (Address::new(address).unwrap(), Netmask::new(netmask).unwrap());
    Route {
        subnet: Subnet::new(Version::V2, address, netmask).unwrap(),
        interface: InterfaceId::from_index(interface).unwrap(),
        via: None,
    }
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
    for entry in [route(0, 0, 1), route(8, 11, 2), route(8, 11, 3)] {
        table.insert(entry).unwrap();
    }
    assert_eq!(found(&table, 9), [3, 2]);
    assert_eq!(found(&table, 16), [1]);
}

#[test]
fn the_same_network_on_the_same_interface_is_replaced() {
    let mut table = RouteTable::new();
    table.insert(route(8, 11, 2)).unwrap();
    let via = Route {
        via: Address::new(5),
        ..route(8, 11, 2)
    };
    table.insert(via).unwrap();
    assert_eq!(table.iter().collect::<Vec<_>>(), [&via]);
}

#[test]
fn a_full_table_refuses_a_new_entry_and_still_replaces_an_old_one() {
    let mut table = RouteTable::new();
    for address in 0..u16::try_from(MAX_ROUTES).unwrap() {
        table.insert(route(address, 14, 1)).unwrap();
    }
    assert_eq!(table.insert(route(16000, 14, 1)), Err(RouteError::Full));
    assert_eq!(table.insert(route(7, 14, 1)), Ok(()));
}
