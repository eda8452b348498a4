//! Who gives way to whom.

use super::rdp::{by_rdp, from_one, open_by_hand, open_to, segment, sent, syn, syn_from};
use super::*;
use crate::rdp::{Segment, SegmentFlags, State};

#[test]
fn who_asks_often_and_never_goes_on_displaces_himself_alone() {
    let (mut node, link) = node(9, Config::default());
    let listener = listen(&mut node, 10, SocketConfig::default().backlog(4));
    let honest = (2, 40);
    node.handle_packet(at(0), link, syn_from(honest));
    let (_, _, number) = sent(&mut node).unwrap();
    for source_port in 20..60 {
        let now = at(u64::from(source_port));
        node.handle_packet(now, link, syn_from((1, source_port)));
        if source_port >= 23 {
            let (to, kind, _) = sent(&mut node).unwrap();
            assert_eq!(
                (to, kind),
                ((1, source_port - 3), SegmentFlags::RST | SegmentFlags::ACK)
            );
            assert_dropped(&mut node, DropReason::BacklogFull);
        }
        let (to, kind, _) = sent(&mut node).unwrap();
        assert_eq!(
            (to, kind),
            ((1, source_port), SegmentFlags::SYN | SegmentFlags::ACK)
        );
        assert_eq!(sent(&mut node), None);
    }
    assert_eq!(node.rdp_connections().count(), 4);
    let mut open = syn_from(honest);
    open.payload = segment(SegmentFlags::ACK, 8, number.to_bits());
    node.handle_packet(at(61), link, open);
    let peers = node
        .accept(listener)
        .and_then(|server| node.peers(server))
        .unwrap();
    assert_eq!(peers.remote, address(2));
}

#[test]
fn what_is_half_open_gives_way_where_the_node_is_full() {
    let (mut node, link) = node(9, Config::default().max_connections(2));
    listen(&mut node, 10, SocketConfig::default());
    for source_port in [40, 41] {
        node.handle_packet(at(0), link, syn_from((1, source_port)));
    }
    assert!(node.connect(at(1), address(2), port(10), by_rdp()).is_ok());
    assert_dropped(&mut node, DropReason::TooManyConnections);
    node.handle_packet(at(2), link, packet((1, 42), (9, 10), Flags::NONE, b"x"));
    assert_dropped(&mut node, DropReason::TooManyConnections);
    assert_eq!(node.rdp_connections().count(), 1, "ours");
    node.handle_packet(at(2), link, packet((1, 43), (9, 10), Flags::NONE, b"x"));
    assert_dropped(&mut node, DropReason::TooManyConnections);
}

#[test]
fn a_full_backlog_takes_no_syn_and_closes_what_opens_too_late() {
    let (mut node, link) = node(9, Config::default());
    listen(&mut node, 10, SocketConfig::default().backlog(1));
    node.handle_packet(at(0), link, from_one(Flags::RDP, syn(7)));
    let (answer, _) = Segment::decode(&node.poll_transmit().unwrap().packet.payload).unwrap();
    // A plain connection takes the only place.
    node.handle_packet(at(0), link, packet((1, 42), (9, 10), Flags::NONE, b"x"));
    node.handle_packet(at(0), link, syn_from((1, 41)));
    assert_dropped(&mut node, DropReason::BacklogFull);
    let open = segment(SegmentFlags::ACK, 8, answer.sequence.to_bits());
    node.handle_packet(at(0), link, from_one(Flags::RDP, open));
    let (reset, _) = Segment::decode(&node.poll_transmit().unwrap().packet.payload).unwrap();
    assert_eq!(reset.flags, SegmentFlags::RST | SegmentFlags::ACK);
    let status = node.rdp_connections().next().unwrap();
    assert_eq!((status.state, status.connection), (State::CloseWait, None));
}

#[test]
fn a_lingering_connection_gives_way_where_the_node_is_full() {
    let (mut node, _) = node(9, Config::default().max_connections(1));
    let first = open_by_hand(&mut node, at(0));
    let full = node.connect(at(0), address(2), port(10), by_rdp());
    assert_eq!(full, Err(ConnectError::TooManyConnections { max: 1 }));
    node.close(at(0), first);
    assert_eq!(node.rdp_connections().count(), 1, "it lingers");
    assert!(node.connect(at(0), address(2), port(10), by_rdp()).is_ok());
}

#[test]
fn hundreds_of_short_connections_find_a_port_though_nobody_hears_that_they_end() {
    let (mut node, _) = node(9, Config::default());
    let mut one_that_stays = None;
    for count in 0..300 {
        let now = at(3 * count);
        let client = open_by_hand(&mut node, now);
        if count == 0 {
            one_that_stays = Some(client);
        } else {
            node.close(now, client);
        }
        while node.poll_transmit().is_some() {}
    }
    assert_eq!(node.rdp_connections().count(), 47, "one for each ephemeral port");
    let stays = one_that_stays.unwrap();
    assert_eq!(
        node.state(stays),
        Some(State::Open),
        "what somebody has does not give way"
    );
    node.close(at(1000), stays);
    while let Some(due) = node.poll_timeout() {
        node.handle_timeout(due);
        while node.poll_transmit().is_some() {}
    }
    assert_eq!(node.rdp_connections().count(), 0);
}

#[test]
fn a_port_is_taken_over_from_a_connection_to_another_node_if_there_is_one() {
    let (mut node, _) = node(9, Config::default());
    let opened = (0..47).map(|count| {
        let client = open_to(&mut node, at(count), if count == 40 { 3 } else { 2 });
        while node.poll_transmit().is_some() {}
        client
    });
    let clients: Vec<_> = opened.collect();
    let ports: Vec<_> = clients
        .iter()
        .map(|client| node.peers(*client).unwrap().local_port)
        .collect();
    for (now, client) in (100..).zip(clients) {
        node.close(at(now), client);
    }
    let to = |node: &mut Node, remote| {
        let client = node
            .connect(at(200), address(remote), port(10), by_rdp())
            .unwrap();
        node.peers(client).unwrap().local_port
    };
    assert_eq!(
        to(&mut node, 2),
        ports[40],
        "node 2 may still know all the others"
    );
    assert_eq!(to(&mut node, 2), ports[0], "the oldest");
}
