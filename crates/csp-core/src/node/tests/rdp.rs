//! RDP between two nodes.

use super::*;
use crate::Switch;
use crate::rdp::{CloseReason, Options, Segment, SegmentFlags, Sequence, State};
use crate::{ConnectError, Priority};

pub(super) fn by_rdp() -> ConnectConfig {
    ConnectConfig::default().rdp(Switch::On)
}

/// Two nodes with a connection open between them, and its two names.
fn open() -> (Pair, ConnectionId, ConnectionId) {
    let mut pair = Pair::new();
    let listener = listen(&mut pair.two, 10, SocketConfig::default());
    let client = pair
        .one
        .connect(pair.now, address(2), port(10), by_rdp())
        .unwrap();
    pair.drive();
    assert_eq!(events(&mut pair.one), [Event::Connected(client)]);
    assert_eq!(events(&mut pair.two), [Event::Incoming(listener)]);
    let server = pair.two.accept(listener).unwrap();
    (pair, client, server)
}

#[test]
fn a_message_is_delivered_and_acknowledged() {
    let (mut pair, client, server) = open();
    assert_eq!(pair.one.send(pair.now, client, Bytes::from_static(b"x")), Ok(0));
    pair.drive();
    assert_eq!(events(&mut pair.two), [Event::Readable(server)]);
    assert_eq!(pair.two.recv(server).unwrap().payload, "x");
    assert_eq!(pair.one.acknowledged(client), Some(0));
    pair.now = pair.two.poll_timeout().unwrap();
    pair.two.handle_timeout(pair.now);
    pair.drive();
    assert_eq!(events(&mut pair.one), [Event::Acknowledged(client)]);
    assert_eq!(pair.one.acknowledged(client), Some(1));
}

#[test]
fn both_users_learn_of_the_end_and_nothing_is_left() {
    let (mut pair, client, server) = open();
    pair.one.close(pair.now, client);
    assert_eq!(pair.one.state(client), None, "its name is of no use at once");
    pair.drive();
    let closed = Event::Closed {
        connection: server,
        reason: CloseReason::ClosedByPeer,
        unacknowledged: 0,
    };
    assert_eq!(events(&mut pair.two), [closed]);
    assert_eq!(pair.two.state(server), Some(State::CloseWait));
    pair.two.close(pair.now, server);
    for node in [&mut pair.one, &mut pair.two] {
        assert_eq!(node.rdp_connections().count(), 0);
        assert_eq!(node.poll_timeout(), None);
    }
}

#[test]
fn what_is_due_when_a_packet_comes_is_done_before_it() {
    let (mut pair, client, server) = open();
    pair.two.send(pair.now, server, Bytes::from_static(b"x")).unwrap();
    while pair.two.poll_transmit().is_some() {}
    pair.one.send(pair.now, client, Bytes::from_static(b"y")).unwrap();
    let late = pair.one.poll_transmit().unwrap().packet;
    pair.two.handle_packet(at(1500), pair.link, late.clone());
    let repeated = pair.two.poll_transmit().unwrap().packet.payload;
    let (segment, _) = Segment::decode(&repeated).unwrap();
    let (sent, _) = Segment::decode(&late.payload).unwrap();
    assert!(
        segment.acknowledgement.is_before(sent.sequence),
        "what comes is acknowledged later"
    );
    pair.two.close(at(1500), server);
    while pair.two.poll_transmit().is_some() {}
    pair.two.handle_packet(at(12_000), pair.link, late);
    let answer = pair.two.poll_transmit().unwrap().packet.payload;
    let (answer, _) = Segment::decode(&answer).unwrap();
    assert_eq!(answer.flags, SegmentFlags::RST, "the connection is gone (RDP-11)");
}

/// Moves time on for both nodes until `until`, with everything carried.
fn pass(pair: &mut Pair, until: Instant) {
    loop {
        pair.drive();
        let due = [&pair.one, &pair.two].map(Node::poll_timeout);
        let Some(next) = due.into_iter().flatten().min().filter(|next| *next <= until) else {
            break;
        };
        pair.now = next;
        pair.one.handle_timeout(next);
        pair.two.handle_timeout(next);
    }
    pair.now = until;
}

#[test]
fn who_reads_again_has_the_acknowledgement_that_was_held_back_sent_at_once() {
    let (mut pair, client, server) = open();
    for _ in 0..15 {
        if pair.one.send(pair.now, client, Bytes::from_static(b"x")).is_err() {
            let until = pair.now + Duration::from_millis(300);
            pass(&mut pair, until);
            pair.one.send(pair.now, client, Bytes::from_static(b"x")).unwrap();
        }
        pair.drive();
    }
    assert!(
        pair.two.poll_timeout().unwrap() > pair.now + Duration::from_secs(1),
        "few places are free"
    );
    let mut reads = 0;
    while pair.two.poll_timeout().unwrap() > pair.now {
        pair.two.recv(server).unwrap();
        reads += 1;
    }
    assert_eq!(reads, 3, "a window is free");
}

pub(super) fn segment(kind: SegmentFlags, sequence: u16, acknowledgement: u16) -> Bytes {
    let segment = Segment {
        flags: kind,
        sequence: Sequence::new(sequence),
        acknowledgement: Sequence::new(acknowledgement),
        ..Segment::default()
    };
    Bytes::copy_from_slice(&segment.encode())
}

pub(super) fn syn(sequence: u16) -> Bytes {
    let trailer = segment(SegmentFlags::SYN, sequence, 0);
    [&Options::default().encode()[..], &trailer].concat().into()
}

/// A packet from port 40 of node 1 to port 10 of node 9.
pub(super) fn from_one(flags: Flags, payload: Bytes) -> Packet {
    let mut packet = packet((1, 40), (9, 10), Flags::NONE, b"");
    packet.header.flags = flags;
    packet.payload = payload;
    packet
}

#[test]
fn a_connection_that_nobody_answers_fails_once_and_its_port_is_free_at_once() {
    let (mut node, _) = node(1, Config::default());
    let config = by_rdp().local_port(port(40));
    let client = node.connect(at(0), address(2), port(10), config.clone()).unwrap();
    while let Some(due) = node.poll_timeout() {
        node.handle_timeout(due);
        while node.poll_transmit().is_some() {}
    }
    let failed = Event::Closed {
        connection: client,
        reason: CloseReason::NoAnswer,
        unacknowledged: 0,
    };
    assert_eq!(events(&mut node), [failed]);
    assert_eq!(node.stats().rdp.retransmissions, 9);
    let second = node.connect(at(20_000), address(2), port(10), config);
    assert!(second.is_ok(), "the port is free");
    node.close(at(20_000), client);
    assert_eq!(
        node.rdp_connections().count(),
        1,
        "the failed one is gone, the new one is not"
    );
}

#[test]
fn what_has_no_way_out_is_refused_when_it_is_asked_for() {
    let mut node = Node::new(Config::default(), 1);
    let refused = node.connect(at(0), address(5000), port(10), by_rdp());
    let destination = address(5000);
    assert_eq!(
        refused,
        Err(ConnectError::Send(SendError::NoRoute { destination }))
    );
    let broadcast = node.connect(at(0), Address::BROADCAST, port(10), by_rdp());
    assert_eq!(broadcast, Err(ConnectError::Unsupported { flags: Flags::RDP }));
    assert_eq!((node.rdp_connections().count(), node.poll_timeout()), (0, None));
}

/// A SYN to port 10 of node 9.
pub(super) fn syn_from(source: (u16, u8)) -> Packet {
    let mut packet = from_one(Flags::RDP, syn(7));
    packet.header.source = address(source.0);
    packet.header.source_port = port(source.1);
    packet
}

/// What a node sends next: to whom, of what kind, and with which number.
pub(super) fn sent(node: &mut Node) -> Option<((u16, u8), SegmentFlags, Sequence)> {
    let Packet { header, payload } = node.poll_transmit()?.packet;
    let (segment, _) = Segment::decode(&payload).unwrap();
    let to = (header.destination.to_bits(), header.destination_port.to_bits());
    Some((to, segment.flags, segment.sequence))
}

#[test]
fn a_port_may_require_rdp_or_prohibit_it() {
    for (need, flags, reason) in [
        (Need::Required, Flags::NONE, DropReason::RdpRequired),
        (Need::Prohibited, Flags::RDP, DropReason::Prohibited),
    ] {
        let (mut node, link) = node(9, Config::default());
        let needs = Needs::default().rdp(need);
        listen(&mut node, 10, SocketConfig::default().needs(needs));
        node.handle_packet(at(0), link, from_one(flags, syn(7)));
        assert_dropped(&mut node, reason);
    }
}

#[test]
fn a_packet_without_rdp_does_not_come_between_the_messages_of_a_connection() {
    let (mut node, link) = node(9, Config::default());
    listen(&mut node, 10, SocketConfig::default());
    node.handle_packet(at(0), link, from_one(Flags::RDP, syn(7)));
    node.handle_packet(at(0), link, from_one(Flags::NONE, Bytes::from_static(b"x")));
    assert_dropped(&mut node, DropReason::RdpRequired);
}

#[test]
fn each_segment_that_is_not_used_has_its_reason() {
    let ack = SegmentFlags::ACK;
    let cases = [
        (segment(ack, 7, 0), DropReason::RdpUnexpected, 1),
        (segment(SegmentFlags::RST, 7, 0), DropReason::RdpUnexpected, 0),
        (segment(SegmentFlags::SYN, 7, 0), DropReason::RdpMalformed, 0),
        (Bytes::from_static(b"four"), DropReason::RdpMalformed, 0),
    ];
    for (payload, reason, answers) in cases {
        let (mut node, link) = node(9, Config::default());
        listen(&mut node, 10, SocketConfig::default());
        node.handle_packet(at(0), link, from_one(Flags::RDP, payload));
        assert_dropped(&mut node, reason);
        assert_eq!(
            core::iter::from_fn(|| node.poll_transmit()).count(),
            answers,
            "{reason:?}"
        );
    }
    let (mut pair, _, server) = open();
    let peers = pair.two.peers(server).unwrap();
    let mut stray = from_one(Flags::RDP, segment(ack, 0, 0));
    stray.header.source_port = peers.remote_port;
    stray.header.destination = address(2);
    let current = pair.two.machine(server).unwrap().next_segment();
    let (next, last) = (current.acknowledgement.next(), current.sequence.previous());
    for (sequence, acknowledgement, reason) in [
        (next.plus(100), last, DropReason::RdpOutOfWindow),
        (next, last.plus(100), DropReason::RdpAcknowledgement),
    ] {
        stray.payload = segment(ack, sequence.to_bits(), acknowledgement.to_bits());
        pair.two.handle_packet(pair.now, pair.link, stray.clone());
        assert_dropped(&mut pair.two, reason);
    }
    assert_eq!(pair.two.stats().rdp.dropped, 2);
}

#[test]
fn a_window_is_full_until_the_other_end_has_acknowledged() {
    let (mut pair, client, _) = open();
    for number in 0..4 {
        assert_eq!(
            pair.one.send(pair.now, client, Bytes::from_static(b"x")),
            Ok(number)
        );
    }
    let full = pair.one.send(pair.now, client, Bytes::from_static(b"x"));
    assert_eq!(full, Err(SendError::Full));
    assert_eq!(
        pair.one.send(pair.now, client, Bytes::new()),
        Err(SendError::Empty)
    );
    pair.drive();
    assert_eq!(
        events(&mut pair.one),
        [Event::Acknowledged(client), Event::Writable(client)]
    );
    assert_eq!(pair.one.acknowledged(client), Some(3));
    let long = pair.one.send(pair.now, client, Bytes::from(vec![0; 3000]));
    assert!(
        matches!(long, Err(SendError::TooLong { len: 3000, .. })),
        "{long:?}"
    );
    assert_eq!(
        pair.one.send(pair.now, client, Bytes::from_static(b"x")),
        Ok(4),
        "no number was lost"
    );
}

#[test]
fn finishing_tells_that_everything_arrived() {
    let (mut pair, client, server) = open();
    pair.one.send(pair.now, client, Bytes::from_static(b"x")).unwrap();
    pair.one.finish(pair.now, client, Duration::from_secs(5));
    assert_eq!(pair.one.state(client), Some(State::Finishing));
    pass(&mut pair, at(1000));
    let told = events(&mut pair.one);
    let closed = |connection, reason| Event::Closed {
        connection,
        reason,
        unacknowledged: 0,
    };
    assert_eq!(
        told,
        [Event::Acknowledged(client), closed(client, CloseReason::Finished)]
    );
    let told = events(&mut pair.two);
    assert_eq!(
        told,
        [Event::Readable(server), closed(server, CloseReason::ClosedByPeer)]
    );
    assert_eq!(pair.two.recv(server).unwrap().payload, "x");
    pair.one.close(pair.now, client);
    pair.two.close(pair.now, server);
    assert_eq!(
        pair.one.rdp_connections().count() + pair.two.rdp_connections().count(),
        0
    );
}

#[test]
fn a_client_that_began_anew_has_its_old_connection_reset() {
    let (mut node, link) = node(9, Config::default());
    let listener = listen(&mut node, 10, SocketConfig::default());
    node.handle_packet(at(0), link, from_one(Flags::RDP, syn(7)));
    let answer = node.poll_transmit().unwrap().packet.payload;
    let (answer, _) = Segment::decode(&answer).unwrap();
    let open = segment(SegmentFlags::ACK, 8, answer.sequence.to_bits());
    node.handle_packet(at(1), link, from_one(Flags::RDP, open));
    let server = node.accept(listener).unwrap();
    events(&mut node);
    node.handle_packet(at(2), link, from_one(Flags::RDP, syn(900)));
    let closed = Event::Closed {
        connection: server,
        reason: CloseReason::Reset,
        unacknowledged: 0,
    };
    assert!(events(&mut node).contains(&closed));
    let reset = node.poll_transmit().unwrap().packet;
    assert_eq!(reset.header.priority, Priority::High);
    let (reset, _) = Segment::decode(&reset.payload).unwrap();
    assert_eq!(reset.flags, SegmentFlags::RST | SegmentFlags::ACK);
    node.close(at(3), server);
    assert_eq!(
        node.rdp_connections().next().unwrap().connection,
        None,
        "it lingers"
    );
    let due = node.poll_timeout().unwrap();
    node.handle_timeout(due);
    assert_eq!((node.rdp_connections().count(), node.poll_timeout()), (0, None));
}

/// A connection to a node that answers once and never more.
pub(super) fn open_by_hand(node: &mut Node, now: Instant) -> ConnectionId {
    open_to(node, now, 2)
}

/// Opens a connection to port 10 of node `remote`.
pub(super) fn open_to(node: &mut Node, now: Instant, remote: u16) -> ConnectionId {
    let client = node.connect(now, address(remote), port(10), by_rdp()).unwrap();
    let request = node.poll_transmit().unwrap();
    let (opening, _) = Segment::decode(&request.packet.payload).unwrap();
    let answer = segment(
        SegmentFlags::SYN | SegmentFlags::ACK,
        500,
        opening.sequence.to_bits(),
    );
    let answer = Packet::new(request.packet.header.reply(), answer);
    node.handle_packet(now, request.interface, answer);
    assert_eq!(node.state(client), Some(State::Open));
    client
}

#[test]
fn a_connection_to_ourselves_needs_no_link() {
    let (mut node, _) = node(9, Config::default());
    let listener = listen(&mut node, 10, SocketConfig::default());
    for own in [address(9), Address::LOOPBACK] {
        let client = node.connect(at(0), own, port(10), by_rdp()).unwrap();
        let server = node.accept(listener).unwrap();
        node.send(at(0), client, Bytes::from_static(b"x")).unwrap();
        assert_eq!(node.recv(server).unwrap().payload, "x");
        node.close(at(0), server);
        node.close(at(0), client);
        assert_eq!(node.rdp_connections().count(), 0);
    }
}

#[test]
fn closing_a_listener_ends_what_waits_on_it() {
    let mut pair = Pair::new();
    let listener = listen(&mut pair.two, 10, SocketConfig::default());
    let client = pair
        .one
        .connect(pair.now, address(2), port(10), by_rdp())
        .unwrap();
    pair.drive();
    events(&mut pair.one);
    pair.two.close_listener(pair.now, listener);
    pair.drive();
    let closed = Event::Closed {
        connection: client,
        reason: CloseReason::ClosedByPeer,
        unacknowledged: 0,
    };
    assert_eq!(events(&mut pair.one), [closed]);
    assert_eq!(pair.two.rdp_connections().count(), 0);
}

#[test]
fn who_accepts_a_connection_that_is_over_is_told_then() {
    let mut pair = Pair::new();
    let listener = listen(&mut pair.two, 10, SocketConfig::default());
    let client = pair
        .one
        .connect(pair.now, address(2), port(10), by_rdp())
        .unwrap();
    pair.drive();
    pair.one.send(pair.now, client, Bytes::from_static(b"x")).unwrap();
    pair.drive();
    pair.one.close(pair.now, client);
    pair.drive();
    let told = events(&mut pair.two);
    assert!(
        !told.iter().any(|event| matches!(event, Event::Closed { .. })),
        "{told:?}"
    );
    let server = pair.two.accept(listener).unwrap();
    let closed = Event::Closed {
        connection: server,
        reason: CloseReason::ClosedByPeer,
        unacknowledged: 0,
    };
    assert_eq!(events(&mut pair.two), [closed]);
    assert_eq!(pair.two.recv(server).unwrap().payload, "x");
}

#[test]
fn an_opening_that_is_given_up_is_gone_at_once_and_asks_no_more() {
    let (mut node, _) = node(1, Config::default());
    let give_up: [fn(&mut Node, ConnectionId); 2] = [
        |node, client| node.close(at(0), client),
        |node, client| node.finish(at(0), client, Duration::from_secs(5)),
    ];
    for give_up in give_up {
        let config = by_rdp().local_port(port(40));
        let client = node.connect(at(0), address(2), port(10), config).unwrap();
        give_up(&mut node, client);
        let kinds: Vec<_> = core::iter::from_fn(|| sent(&mut node))
            .map(|sent| sent.1)
            .collect();
        assert_eq!(kinds, [SegmentFlags::SYN, SegmentFlags::RST | SegmentFlags::ACK]);
        assert_eq!(node.poll_timeout(), None);
    }
    assert_eq!(
        node.rdp_connections().count(),
        1,
        "its owner is told that it is finished"
    );
}

#[test]
fn finishing_without_rdp_is_told_once_and_nothing_more_is_sent() {
    let (mut node, _) = node(1, Config::default());
    let client = node
        .connect(at(0), address(2), port(10), ConnectConfig::default())
        .unwrap();
    let closed = Event::Closed {
        connection: client,
        reason: CloseReason::Finished,
        unacknowledged: 0,
    };
    for told in [&[closed][..], &[]] {
        node.finish(at(0), client, Duration::ZERO);
        assert_eq!(events(&mut node), told);
    }
    let late = node.send(at(0), client, Bytes::from_static(b"x"));
    assert_eq!(late, Err(SendError::Closed));
}

#[test]
fn what_is_sent_too_early_is_told_when_it_may_be_sent() {
    let mut pair = Pair::new();
    listen(&mut pair.two, 10, SocketConfig::default());
    let client = pair
        .one
        .connect(pair.now, address(2), port(10), by_rdp())
        .unwrap();
    let early = pair.one.send(pair.now, client, Bytes::from_static(b"x"));
    assert_eq!(early, Err(SendError::Full));
    pair.drive();
    assert_eq!(
        events(&mut pair.one),
        [Event::Connected(client), Event::Writable(client)]
    );
    assert_eq!(pair.one.send(pair.now, client, Bytes::from_static(b"x")), Ok(0));
}

#[test]
fn the_broadcast_of_a_subnet_is_nobody_to_connect_to() {
    let (mut node, link) = node(9, Config::default());
    let subnet = node.connect(at(0), address(63), port(10), by_rdp());
    assert_eq!(subnet, Err(ConnectError::Unsupported { flags: Flags::RDP }));
    listen(&mut node, 10, SocketConfig::default());
    let mut to_all = syn_from((1, 40));
    to_all.header.destination = address(63);
    node.handle_packet(at(0), link, to_all);
    assert_dropped(&mut node, DropReason::RdpUnexpected);
    assert_eq!(sent(&mut node), None);
}

#[test]
fn a_stranger_comes_not_between_the_messages_where_answers_from_anybody_are_taken() {
    let (mut node, link) = node(9, Config::default().reply_match(ReplyMatch::PortOnly));
    let client = open_by_hand(&mut node, at(0));
    let (to, _, next) = sent(&mut node).unwrap();
    let port_of = node.peers(client).unwrap().local_port;
    for (source, is_peer) in [((3, 10), false), ((2, 11), false), (to, true)] {
        let mut data = packet(source, (9, port_of.to_bits()), Flags::RDP, b"");
        let trailer = segment(SegmentFlags::ACK, 501, next.previous().to_bits());
        data.payload = [&b"x"[..], &trailer].concat().into();
        node.handle_packet(at(1), link, data);
        assert_eq!(node.recv(client).is_some(), is_peer, "{source:?}");
    }
}

#[test]
fn who_believes_in_a_connection_is_told_with_the_key_of_the_listener() {
    let (mut node, link) = node(9, Config::default());
    let key = hmac::Key::from_pass_phrase(b"the listener's own");
    let flags = Flags::RDP | Flags::HMAC | Flags::CRC32;
    listen(&mut node, 10, SocketConfig::default().hmac_key(key.clone()));
    let protection = Protection::new(Version::V2, &key);
    let trailer = protection
        .seal(flags, segment(SegmentFlags::ACK, 7, 0), 0)
        .unwrap();
    node.handle_packet(at(0), link, from_one(flags, trailer));
    let Packet { header, payload } = node.poll_transmit().unwrap().packet;
    assert_eq!((header.flags, header.priority), (flags, Priority::High));
    let payload = protection.open(&header, payload).unwrap();
    let (reset, _) = Segment::decode(&payload).unwrap();
    assert_eq!(reset.flags, SegmentFlags::RST);
}

#[test]
fn a_listener_takes_no_larger_window_than_its_limit() {
    let (mut node, link) = node(9, Config::default());
    listen(&mut node, 10, SocketConfig::default());
    let asked = Options::default().window(crate::rdp::Window::new(100).unwrap());
    let trailer = segment(SegmentFlags::SYN, 7, 0);
    let payload = [&asked.encode()[..], &trailer].concat().into();
    node.handle_packet(at(0), link, from_one(Flags::RDP, payload));
    let status = node.rdp_connections().next().unwrap();
    let change = status.options.changes().next().unwrap();
    assert_eq!((change.asked, change.used), (100, 32));
}

#[test]
fn each_connection_begins_with_another_number() {
    let (mut node, _) = node(1, Config::default());
    let [first, second] = [10, 11].map(|to| {
        node.connect(at(0), address(2), port(to), by_rdp()).unwrap();
        sent(&mut node).unwrap().2
    });
    assert_ne!(first, second);
}

#[test]
fn who_found_no_room_on_the_link_is_told_when_there_is_some() {
    let (mut node, _) = node(9, Config::default().transmit_queue(1));
    let client = open_by_hand(&mut node, at(0));
    events(&mut node);
    let full = node.send(at(0), client, Bytes::from_static(b"x"));
    assert_eq!(full, Err(SendError::Full));
    assert!(node.poll_transmit().is_some());
    assert_eq!(events(&mut node), [Event::Writable(client)]);
    assert_eq!(node.send(at(0), client, Bytes::from_static(b"x")), Ok(0));
}
