extern crate std;

mod account;
mod blob;
mod filter;
mod interfaces;
mod keys;
mod rdp;
mod room;
mod routing;
mod services;
mod watch;
mod worlds;

use core::time::Duration;
use std::vec;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::conn::SendError;
use crate::ports::Binding;
use crate::seal::Protection;
use crate::{
    BindError, ConnectConfig, ConnectError, Counter, Flags, InterfaceConfig, InterfaceName, InterfaceStats,
    LinkState, ListenerId, Message, Need, Needs, Netmask, ReplyMatch, SocketConfig, Version, hmac,
};

fn address(bits: u16) -> Address {
    Address::new(bits).unwrap()
}

fn port(bits: u8) -> Port {
    Port::new(bits).unwrap()
}

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn interface(name: &str, own: u16, netmask: u8) -> InterfaceConfig {
    InterfaceConfig::new(
        InterfaceName::new(name).unwrap(),
        address(own),
        Netmask::new(netmask).unwrap(),
    )
}

/// A node with one interface of the given address in a network of 64, and that interface.
fn node(own: u16, config: Config) -> (Node, InterfaceId) {
    let mut node = Node::new(config, 1);
    let id = node
        .add_interface(interface("A", own, 8).default_route())
        .unwrap();
    (node, id)
}

fn packet(source: (u16, u8), destination: (u16, u8), flags: Flags, payload: &'static [u8]) -> Packet {
    let mut header = Header::new(
        (address(source.0), port(source.1)),
        (address(destination.0), port(destination.1)),
    );
    header.flags = flags;
    let key = hmac::Key::default();
    let protection = Protection::new(Version::V2, &key);
    let payload = protection.seal(flags, Bytes::from_static(payload), 0).unwrap();
    Packet::new(header, payload)
}

fn events(node: &mut Node) -> Vec<Event> {
    core::iter::from_fn(|| node.poll_event()).collect()
}

#[track_caller]
fn assert_dropped(node: &mut Node, expected: DropReason) {
    let reasons: Vec<_> = events(node)
        .into_iter()
        .filter_map(|event| match event {
            Event::Dropped(dropped) => Some(dropped.reason),
            _ => None,
        })
        .collect();
    assert_eq!(reasons, [expected]);
}

/// Two nodes, 1 and 2, and a wire without delay between them.
struct Pair {
    now: Instant,
    one: Node,
    two: Node,
    link: InterfaceId,
}

impl Pair {
    fn new() -> Self {
        let (one, link) = node(1, Config::default());
        let (two, _) = node(2, Config::default());
        Self {
            now: at(0),
            one,
            two,
            link,
        }
    }

    /// Carries packets both ways until nothing moves.
    fn drive(&mut self) {
        loop {
            let (there, back) = (self.one.poll_transmit(), self.two.poll_transmit());
            if there.is_none() && back.is_none() {
                return;
            }
            if let Some(transmit) = there {
                self.two.handle_packet(self.now, self.link, transmit.packet);
            }
            if let Some(transmit) = back {
                self.one.handle_packet(self.now, self.link, transmit.packet);
            }
        }
    }
}

fn listen(node: &mut Node, on: u8, config: SocketConfig) -> ListenerId {
    node.listen(port(on).into(), config).unwrap()
}

#[test]
fn a_request_reaches_the_listener_and_its_answer_comes_back() {
    let mut pair = Pair::new();
    let listener = listen(&mut pair.two, 10, SocketConfig::default());
    let flags = Flags::CRC32 | Flags::HMAC;
    let client = pair
        .one
        .connect(at(0), address(2), port(10), ConnectConfig::default().flags(flags))
        .unwrap();
    pair.one
        .send(pair.now, client, Bytes::from_static(b"question"))
        .unwrap();
    pair.drive();

    assert!(events(&mut pair.two).contains(&Event::Incoming(listener)));
    let server = pair.two.accept(listener).unwrap();
    let question = pair.two.recv(server).unwrap();
    assert_eq!(question.payload, "question");
    assert_eq!(question.header.source, address(1));
    pair.two
        .send(pair.now, server, Bytes::from_static(b"answer"))
        .unwrap();
    pair.drive();

    assert_eq!(events(&mut pair.one), [Event::Readable(client)]);
    let answer = pair.one.recv(client).unwrap();
    assert_eq!(
        (answer.payload, answer.header.flags),
        (Bytes::from_static(b"answer"), flags)
    );
    assert_eq!(pair.one.recv(client), None);
}

#[test]
fn later_packets_join_the_connection_and_another_source_port_opens_another() {
    let (mut node, link) = node(9, Config::default());
    let listener = listen(&mut node, 10, SocketConfig::default());
    for (source, text) in [
        ((12, 33), b"a"),
        ((12, 34), b"b"),
        ((13, 33), b"c"),
        ((12, 33), b"d"),
    ] {
        node.handle_packet(at(0), link, packet(source, (9, 10), Flags::NONE, text));
    }
    let mut received = vec![];
    while let Some(connection) = node.accept(listener) {
        let peers = node.peers(connection).unwrap();
        let texts: Vec<_> = core::iter::from_fn(|| node.recv(connection))
            .map(|m: Message| m.payload)
            .collect();
        received.push((
            peers.remote.to_bits(),
            peers.remote_port.to_bits(),
            texts.concat(),
        ));
    }
    assert_eq!(
        received,
        [
            (12, 33, b"ad".to_vec()),
            (12, 34, b"b".to_vec()),
            (13, 33, b"c".to_vec())
        ]
    );
}

#[test]
fn a_ping_with_a_checksum_is_answered_and_one_without_is_counted_as_wrong() {
    let (mut node, link) = node(9, Config::default());
    node.handle_packet(at(0), link, packet((12, 33), (9, 1), Flags::CRC32, b"echo"));
    let reply = node.poll_transmit().unwrap().packet;
    assert_eq!(reply, packet((9, 1), (12, 33), Flags::CRC32, b"echo"));
    node.handle_packet(at(0), link, packet((12, 33), (9, 1), Flags::NONE, b"echo"));
    assert_eq!(node.poll_transmit(), None);
    assert_dropped(&mut node, DropReason::ChecksumRequired);
    let stats = *node.interface_stats(link).unwrap();
    assert_eq!(
        (stats.rx, stats.tx, stats.rx_error, node.stats().served),
        (2, 1, 1, 1)
    );
}

#[test]
fn two_services_do_not_answer_each_other_for_ever() {
    let (mut node, link) = node(9, Config::default());
    node.handle_packet(at(0), link, packet((9, 1), (9, 1), Flags::CRC32, b"echo"));
    assert_eq!(node.poll_transmit(), None);
    assert_dropped(&mut node, DropReason::ServiceLoop);
}

#[test]
fn a_broadcast_ping_is_answered_from_the_interface_address() {
    let (mut node, link) = node(9, Config::default());
    for broadcast in [63, Address::BROADCAST.to_bits()] {
        node.handle_packet(at(0), link, packet((12, 33), (broadcast, 1), Flags::CRC32, b""));
        assert_eq!(node.poll_transmit().unwrap().packet.header.source, address(9));
    }
}

#[test]
fn a_packet_to_address_zero_comes_back_with_all_trailers_checked() {
    let (mut node, _) = node(9, Config::default());
    let socket = node.bind(port(10).into(), SocketConfig::default()).unwrap();
    let client = node
        .connect(
            at(0),
            Address::LOOPBACK,
            port(10),
            ConnectConfig::default().flags(Flags::CRC32 | Flags::HMAC),
        )
        .unwrap();
    node.send(at(5), client, Bytes::from_static(b"self")).unwrap();
    let message = node.recv_from(socket).unwrap();
    assert_eq!(
        (message.payload.as_ref(), message.received_at),
        (&b"self"[..], at(5))
    );
    node.reply(at(6), &message, None, Bytes::from_static(b"me"))
        .unwrap();
    assert_eq!(node.recv(client).unwrap().payload, "me");
    assert_eq!(node.poll_transmit(), None, "no link saw it");
}

#[test]
fn an_own_address_is_reached_without_a_link() {
    let (mut node, _) = node(9, Config::default());
    let socket = node.bind(port(10).into(), SocketConfig::default()).unwrap();
    let client = node
        .connect(at(0), address(9), port(10), ConnectConfig::default())
        .unwrap();
    node.send(at(0), client, Bytes::from_static(b"x")).unwrap();
    assert_eq!(node.recv_from(socket).unwrap().header.source, address(9));
    assert_eq!(node.poll_transmit(), None);
}

#[test]
fn a_reply_from_a_stranger_is_refused_unless_ports_alone_decide() {
    for (reply_match, taken) in [(ReplyMatch::Strict, 1), (ReplyMatch::PortOnly, 3)] {
        let (mut node, link) = node(9, Config::default().reply_match(reply_match));
        let local = port(40);
        let config = ConnectConfig::default().local_port(local);
        let client = node.connect(at(0), address(12), port(10), config).unwrap();
        for source in [(12, 10), (13, 10), (12, 11)] {
            node.handle_packet(at(0), link, packet(source, (9, 40), Flags::NONE, b"r"));
        }
        assert_eq!(core::iter::from_fn(|| node.recv(client)).count(), taken);
        assert_eq!(node.stats().dropped, 3 - u64::try_from(taken).unwrap());
    }
}

#[test]
fn anybody_may_answer_a_broadcast() {
    let (mut node, link) = node(9, Config::default());
    let config = ConnectConfig::default().local_port(port(40));
    let client = node.connect(at(0), address(63), port(10), config).unwrap();
    node.handle_packet(at(0), link, packet((13, 10), (9, 40), Flags::NONE, b"r"));
    assert_eq!(node.recv(client).unwrap().header.source, address(13));
}

#[test]
fn a_closed_connection_gives_its_port_back() {
    let mut node = Node::new(Config::default().port_max_bind(port(61)), 7);
    let open = |node: &mut Node| node.connect(at(0), address(2), port(1), ConnectConfig::default());
    let (first, second) = (open(&mut node).unwrap(), open(&mut node).unwrap());
    assert_ne!(
        node.peers(first).unwrap().local_port,
        node.peers(second).unwrap().local_port
    );
    assert_eq!(open(&mut node), Err(ConnectError::NoFreePort));
    node.close(at(0), first);
    assert!(open(&mut node).is_ok());
    assert_eq!(node.send(at(0), first, Bytes::new()), Err(SendError::Closed));
}

#[test]
fn ports_are_bound_once_and_services_keep_theirs() {
    let (mut node, _) = node(9, Config::default());
    let any = Binding::Any;
    assert!(node.listen(any, SocketConfig::default()).is_ok());
    assert_eq!(
        node.bind(any, SocketConfig::default()),
        Err(BindError::InUse { binding: any })
    );
    let ping = Binding::Port(Port::PING);
    assert_eq!(
        node.bind(ping, SocketConfig::default()),
        Err(BindError::InUse { binding: ping })
    );
    let (port, max) = (port(17), port(16));
    assert_eq!(
        node.bind(port.into(), SocketConfig::default()),
        Err(BindError::TooHigh { port, max })
    );
}

#[test]
fn a_full_receive_queue_drops_the_newest() {
    let (mut node, link) = node(9, Config::default());
    let socket = node
        .bind(port(10).into(), SocketConfig::default().receive_queue(2))
        .unwrap();
    for text in [b"1", b"2", b"3"] {
        node.handle_packet(at(0), link, packet((12, 33), (9, 10), Flags::NONE, text));
    }
    assert_dropped(&mut node, DropReason::ReceiveQueueFull);
    let texts: Vec<_> = core::iter::from_fn(|| node.recv_from(socket))
        .map(|m| m.payload)
        .collect();
    assert_eq!(texts.concat(), b"12");
}

#[test]
fn an_application_is_told_once_until_it_has_read_everything() {
    let (mut node, link) = node(9, Config::default());
    let socket = node.bind(port(10).into(), SocketConfig::default()).unwrap();
    let arrive = |node: &mut Node| {
        node.handle_packet(at(0), link, packet((12, 33), (9, 10), Flags::NONE, b"x"));
        events(node).len()
    };
    assert_eq!((arrive(&mut node), arrive(&mut node)), (1, 0));
    while node.recv_from(socket).is_some() {}
    assert_eq!(arrive(&mut node), 1);
}

#[test]
fn a_full_backlog_drops_the_newcomer() {
    let (mut node, link) = node(9, Config::default());
    let listener = listen(&mut node, 10, SocketConfig::default().backlog(1));
    node.handle_packet(at(0), link, packet((12, 33), (9, 10), Flags::NONE, b"1"));
    node.handle_packet(at(0), link, packet((12, 34), (9, 10), Flags::NONE, b"2"));
    assert_dropped(&mut node, DropReason::BacklogFull);
    assert!(node.accept(listener).is_some());
    assert!(node.accept(listener).is_none());
}

#[test]
fn a_connection_nobody_accepts_is_dropped_when_its_time_is_up() {
    let (mut node, link) = node(9, Config::default().max_connections(1));
    let listener = listen(
        &mut node,
        10,
        SocketConfig::default().accept_timeout(Duration::from_secs(3)),
    );
    node.handle_packet(at(1_000), link, packet((12, 33), (9, 10), Flags::NONE, b"1"));
    assert_eq!(node.poll_timeout(), Some(at(4_000)));
    node.handle_packet(at(2_000), link, packet((12, 34), (9, 10), Flags::NONE, b"2"));
    node.handle_timeout(at(3_999));
    assert_dropped(&mut node, DropReason::TooManyConnections);
    node.handle_timeout(at(4_000));
    assert_dropped(&mut node, DropReason::NotAccepted);
    assert_eq!((node.poll_timeout(), node.accept(listener)), (None, None));
    node.handle_packet(at(4_001), link, packet((12, 34), (9, 10), Flags::NONE, b"3"));
    assert!(node.accept(listener).is_some(), "there is room again");
    assert_eq!(
        node.poll_timeout(),
        None,
        "an accepted connection waits for nothing"
    );
}

#[test]
fn closing_a_listener_closes_what_waits_on_it_and_leaves_what_was_accepted() {
    let (mut node, link) = node(9, Config::default());
    let listener = listen(&mut node, 10, SocketConfig::default());
    for source in [33, 34] {
        node.handle_packet(at(0), link, packet((12, source), (9, 10), Flags::NONE, b"x"));
    }
    let accepted = node.accept(listener).unwrap();
    node.close_listener(at(0), listener);
    assert!(node.peers(accepted).is_some());
    assert_eq!(node.connections.iter().count(), 1);
    node.handle_packet(at(0), link, packet((12, 33), (9, 10), Flags::NONE, b"y"));
    assert_eq!(core::iter::from_fn(|| node.recv(accepted)).count(), 2);
    events(&mut node);
    node.handle_packet(at(0), link, packet((12, 34), (9, 10), Flags::NONE, b"y"));
    assert_dropped(&mut node, DropReason::NoListener);
}

#[test]
fn each_fault_of_a_packet_has_its_reason_and_its_counter() {
    let hmac = Needs::default().hmac(Need::Required);
    let cases = [
        (
            packet((1, 33), (9, 11), Flags::NONE, b"x"),
            Needs::default(),
            DropReason::NoListener,
            Counter::Drop,
        ),
        (
            packet((1, 33), (9, 10), Flags::NONE, b"x"),
            hmac,
            DropReason::AuthenticationRequired,
            Counter::AuthErr,
        ),
        (
            packet((1, 33), (9, 10), Flags::RDP, b"x"),
            Needs::default(),
            DropReason::RdpMalformed,
            Counter::RxError,
        ),
        (
            packet((1, 33), (5000, 10), Flags::NONE, b"x"),
            Needs::default(),
            DropReason::Blocked,
            Counter::Drop,
        ),
    ];
    for (packet, needs, reason, counter) in cases {
        let (mut node, link) = node(9, Config::default());
        listen(&mut node, 10, SocketConfig::default().needs(needs));
        node.handle_packet(at(0), link, packet);
        assert_dropped(&mut node, reason);
        let mut expected = InterfaceStats {
            rx: 1,
            rx_bytes: 1,
            ..InterfaceStats::default()
        };
        expected.count(counter, 1);
        assert_eq!(node.interface_stats(link), Some(&expected), "{reason:?}");
    }
}

proptest! {
    #[test]
    fn no_frame_stops_a_forwarding_node(
        frames in proptest::collection::vec(
            (0..3usize, proptest::collection::vec(any::<u8>(), 0..40)),
            0..60,
        ),
    ) {
        let mut router = Node::new(Config::default().transmit_queue(8).event_queue(8).max_connections(4), 1);
        let left = router.add_interface(interface("L", 1, 8)).unwrap();
        router.add_interface(interface("R", 65, 8).version(Version::V2).default_route()).unwrap();
        router.add_interface(interface("V", 9, 2).version(Version::V1)).unwrap_err();
        router.listen(Binding::Any, SocketConfig::default().backlog(2)).unwrap();
        for (from, frame) in frames {
            router.handle_frame(at(0), InterfaceId::from_index(from).unwrap(), frame.into());
        }
        prop_assert!(router.connections.iter().count() <= 4);
        while router.poll_transmit().is_some() {}
        router.handle_packet(at(0), left, packet((2, 33), (1, 1), Flags::CRC32, b"still there"));
        let reply = router.poll_transmit().unwrap().packet;
        prop_assert_eq!(reply, packet((1, 1), (2, 33), Flags::CRC32, b"still there"));
    }
}
