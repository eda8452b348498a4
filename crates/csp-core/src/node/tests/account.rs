//! What is counted, and where.

use std::string::String;

use super::*;
use crate::service::{Origin, Platform, Services};

fn reasons(node: &Node) -> Vec<(DropReason, u64)> {
    node.drops().collect()
}

#[test]
fn an_answer_that_cannot_leave_is_dropped_with_its_reason() {
    let (mut node, link) = node(9, Config::default().transmit_queue(1));
    for sent in [0, 1] {
        node.handle_packet(at(sent), link, packet((2, 33), (9, 1), Flags::CRC32, b"x"));
    }
    assert_dropped(&mut node, DropReason::TransmitQueueFull);
    assert_eq!(node.stats().served, 1);
    assert_eq!(node.interface_stats(link).unwrap().tx_error, 1);
    assert_eq!(reasons(&node), [(DropReason::TransmitQueueFull, 1)]);
}

#[test]
fn every_packet_of_an_answer_that_finds_no_room_is_counted() {
    struct Talker;
    impl Platform for Talker {
        fn processes(&mut self, _: &Origin) -> Option<String> {
            Some("12345".into())
        }
    }
    let config = Config::default()
        .platform(Talker)
        .services(Services::default().text_len(1))
        .transmit_queue(2);
    let (mut node, link) = node(9, config);
    node.handle_packet(at(0), link, packet((2, 33), (9, 2), Flags::CRC32, b"\x55"));
    assert_eq!(node.waiting_on(link), 2);
    assert_eq!(reasons(&node), [(DropReason::TransmitQueueFull, 3)]);
    assert_eq!(node.stats().served, 0, "not in whole");
}

#[test]
fn an_answer_to_nowhere_is_dropped_where_the_request_came_from() {
    let mut node = Node::new(Config::default(), 1);
    let link = node.add_interface(interface("A", 9, 8)).unwrap();
    node.handle_packet(at(0), link, packet((5000, 33), (9, 1), Flags::CRC32, b"x"));
    assert_dropped(&mut node, DropReason::NoRoute);
    assert_eq!(node.interface_stats(link).unwrap().drop, 1);
}

#[test]
fn a_copy_lost_beside_one_that_left_is_a_drop_and_not_an_error() {
    let (mut node, first) = node(9, Config::default());
    let second = node.add_interface(interface("B", 9, 8).redundant()).unwrap();
    node.handle_link(second, LinkState::Down);
    events(&mut node);
    let client = node
        .connect(at(0), address(2), port(10), ConnectConfig::default())
        .unwrap();
    assert_eq!(node.send(at(0), client, Bytes::new()), Ok(0));
    assert_dropped(&mut node, DropReason::LinkDown);
    assert_eq!(node.poll_transmit().unwrap().interface, first);
    assert_eq!(node.interface_stats(second).unwrap().tx_error, 1);
    node.handle_link(first, LinkState::Down);
    events(&mut node);
    assert_eq!(node.send(at(0), client, Bytes::new()), Err(SendError::LinkDown));
    assert_eq!(events(&mut node), [], "the caller was told");
    assert_eq!(node.interface_stats(first).unwrap().tx_error, 1);
}

#[test]
fn waiting_for_room_is_no_error_of_the_interface() {
    let (mut node, link) = node(9, Config::default().transmit_queue(0));
    let client = node
        .connect(at(0), address(2), port(10), ConnectConfig::default())
        .unwrap();
    assert_eq!(node.send(at(0), client, Bytes::new()), Err(SendError::Full));
    assert_eq!(node.interface_stats(link), Some(&InterfaceStats::default()));
}

#[test]
fn counters_can_be_set_back_to_zero() {
    let (mut node, link) = node(9, Config::default());
    node.handle_packet(at(0), link, packet((2, 33), (9, 11), Flags::NONE, b"x"));
    node.handle_discard(link, DropReason::LinkFrame, 3);
    node.handle_interrupts(link, 2);
    assert_eq!(
        reasons(&node),
        [(DropReason::LinkFrame, 3), (DropReason::NoListener, 1)]
    );
    let stats = *node.interface_stats(link).unwrap();
    assert_eq!((stats.rx, stats.frame, stats.drop, stats.irq), (1, 3, 1, 2));
    assert_eq!(node.stats().dropped, 4);
    node.reset_interface_stats(link);
    assert_eq!(node.interface_stats(link), Some(&InterfaceStats::default()));
    assert_eq!(node.stats().dropped, 4);
    node.reset_stats();
    assert_eq!((node.stats(), reasons(&node)), (Stats::default(), vec![]));
}
