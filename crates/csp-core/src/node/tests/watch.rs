//! Duplicates, taps and the bridge.

use super::*;
use crate::{
    BridgeError, Captured, DedupConfig, DedupMode, Direction, Overflow, Stage, TapConfig, TapId, Verdict,
};

fn two(config: Config) -> (Node, InterfaceId, InterfaceId) {
    let (mut node, left) = node(9, config);
    let right = node.add_interface(interface("B", 200, 8)).unwrap();
    (node, left, right)
}

fn deduplicating(mode: DedupMode) -> Config {
    Config::default().dedup(DedupConfig::default().mode(mode))
}

fn copies(node: &mut Node, tap: TapId) -> Vec<Captured> {
    core::iter::from_fn(|| node.captured(tap)).collect()
}

/// Everything that waits for the links.
fn leaving(node: &mut Node) -> Vec<(InterfaceId, Packet)> {
    core::iter::from_fn(|| node.poll_transmit())
        .map(|transmit| (transmit.interface, transmit.packet))
        .collect()
}

#[test]
fn a_duplicate_is_a_drop_of_the_interface_it_came_from() {
    let (mut node, left, right) = two(deduplicating(DedupMode::All));
    let through = packet((2, 33), (201, 10), Flags::NONE, b"x");
    node.handle_packet(at(0), left, through.clone());
    node.handle_packet(at(100), right, through.clone());
    assert_dropped(&mut node, DropReason::Duplicate);
    assert_eq!(node.interface_stats(right).unwrap().drop, 1);
    assert_eq!(leaving(&mut node), [(right, through.clone())]);
    node.set_dedup(DedupConfig::default());
    node.handle_packet(at(100), left, through);
    assert_eq!(leaving(&mut node).len(), 1, "switched off");
}

#[test]
fn a_broadcast_is_deduplicated_as_a_packet_for_us() {
    for (mode, delivered) in [(DedupMode::Incoming, 1), (DedupMode::Forwarded, 2)] {
        let (mut node, left, _) = two(deduplicating(mode));
        let socket = node.bind(port(10).into(), SocketConfig::default()).unwrap();
        for _ in 0..2 {
            node.handle_packet(at(0), left, packet((2, 33), (0x3FFF, 10), Flags::NONE, b"x"));
        }
        let got = core::iter::from_fn(|| node.recv_from(socket)).count();
        assert_eq!(got, delivered, "{mode:?}");
    }
}

#[test]
fn what_a_node_says_to_itself_twice_arrives_twice() {
    let (mut node, _, _) = two(deduplicating(DedupMode::All));
    let socket = node.bind(port(10).into(), SocketConfig::default()).unwrap();
    for _ in 0..2 {
        let to = (address(9), port(10));
        node.send_to(at(0), socket, to, ConnectConfig::default(), Bytes::new())
            .unwrap();
    }
    assert_eq!(core::iter::from_fn(|| node.recv_from(socket)).count(), 2);
}

#[test]
fn a_tap_shows_what_was_received_and_sent_with_interface_direction_and_time() {
    let (mut node, left, right) = two(deduplicating(DedupMode::All));
    node.filter(Stage::Incoming, |_, _| Verdict::Drop);
    let tap = node.tap(TapConfig::default());
    let other = node.tap(TapConfig::default().interface(right));
    let request = packet((2, 33), (9, 1), Flags::CRC32, b"ping");
    for _ in 0..2 {
        node.handle_packet(at(3), left, request.clone());
    }
    let client = node
        .connect(
            at(0),
            address(201),
            port(10),
            ConnectConfig::default().flags(Flags::CRC32),
        )
        .unwrap();
    node.send(at(4), client, Bytes::from_static(b"data")).unwrap();
    let shown = copies(&mut node, tap);
    let [received, sent] = &shown[..] else {
        panic!("the duplicate is not shown: {shown:?}")
    };
    assert_eq!(
        (received.at, received.interface, received.direction),
        (at(3), left, Direction::Received)
    );
    assert_eq!(received.packet, request, "before the filter");
    assert_eq!(
        (sent.at, sent.interface, sent.direction),
        (at(4), right, Direction::Sent)
    );
    assert_eq!(sent.packet, leaving(&mut node)[0].1, "trailers on");
    assert_eq!(&sent.encode().unwrap()[6..10], b"data");
    assert_eq!(copies(&mut node, other), shown[1..]);
}

#[test]
fn a_packet_to_ourselves_is_shown_once() {
    let (mut node, left, _) = two(Config::default());
    let tap = node.tap(TapConfig::default());
    let socket = node.bind(port(10).into(), SocketConfig::default()).unwrap();
    let to = (address(9), port(10));
    let config = ConnectConfig::default().flags(Flags::CRC32);
    node.send_to(at(7), socket, to, config, Bytes::from_static(b"x"))
        .unwrap();
    let shown = copies(&mut node, tap);
    let [copy] = &shown[..] else { panic!("{shown:?}") };
    assert_eq!((copy.interface, copy.direction), (left, Direction::Looped));
    assert_eq!(copy.packet.payload.len(), 5, "trailers on");
}

#[test]
fn each_tap_is_told_once_and_full_ones_lose_their_own_copies_alone() {
    let (mut node, left, _) = two(Config::default());
    let small = node.tap(TapConfig::default().queue(1));
    let large = node.tap(TapConfig::default().overflow(Overflow::Oldest));
    for time in 0..3 {
        node.handle_packet(at(time), left, packet((2, 33), (201, 10), Flags::NONE, b"x"));
    }
    let told: Vec<_> = events(&mut node);
    assert_eq!(told, [Event::Tapped(small), Event::Tapped(large)]);
    assert_eq!(node.stats().dropped, 0, "a lost copy is no lost packet");
    assert_eq!(
        (node.tap_missed(small), node.tap_missed(large)),
        (Some(2), Some(0))
    );
    assert_eq!(copies(&mut node, small).len(), 1);
    assert_eq!(copies(&mut node, large).len(), 3);
    node.handle_packet(at(3), left, packet((2, 33), (201, 10), Flags::NONE, b"x"));
    node.close_tap(small);
    assert_eq!(
        events(&mut node),
        [Event::Tapped(large)],
        "closed before it was told"
    );
    assert_eq!((node.captured(small), node.tap_missed(small)), (None, None));
}

#[test]
fn a_bridge_needs_two_interfaces_with_links() {
    let (mut node, left, right) = two(Config::default());
    let unknown = InterfaceId::from_index(7).unwrap();
    let refused = [
        (left, left, BridgeError::SameInterface),
        (left, InterfaceId::LOOPBACK, BridgeError::Loopback),
        (
            unknown,
            left,
            BridgeError::UnknownInterface { interface: unknown },
        ),
    ];
    for (one, other, error) in refused {
        assert_eq!(node.bridge(one, other), Err(error));
    }
    assert_eq!(node.unbridge(), None);
    assert_eq!(node.bridge(left, right), Ok(()));
    assert_eq!(node.unbridge(), Some([left, right]));
}

#[test]
fn a_bridge_carries_all_across_and_delivers_nothing_until_it_is_taken_back() {
    let (mut node, left, right) = two(Config::default());
    let third = node.add_interface(interface("C", 300, 8)).unwrap();
    let socket = node.bind(port(10).into(), SocketConfig::default()).unwrap();
    node.bridge(right, left).unwrap();
    let packets = [
        packet((2, 33), (9, 10), Flags::NONE, b"ours"),
        packet((2, 33), (0x3FFF, 10), Flags::NONE, b"all"),
        packet((2, 33), (63, 10), Flags::NONE, b"all of A"),
        packet((2, 33), (5000, 10), Flags::CRC32, b"nowhere"),
    ];
    for packet in packets {
        node.handle_packet(at(0), left, packet.clone());
        assert_eq!(leaving(&mut node), [(right, packet)]);
    }
    assert!(node.recv_from(socket).is_none());
    node.handle_packet(at(0), third, packet((302, 33), (9, 10), Flags::NONE, b"x"));
    assert!(node.recv_from(socket).is_some(), "others go on as before");
    node.unbridge();
    node.handle_packet(at(0), left, packet((2, 33), (9, 10), Flags::NONE, b"ours"));
    assert!(node.recv_from(socket).is_some());
    node.bridge(right, left).unwrap();
    node.remove_interface(right);
    assert_eq!(node.unbridge(), None);
}

#[test]
fn what_a_node_says_to_itself_does_not_cross_its_bridge() {
    let (mut node, left, right) = two(Config::default());
    node.bridge(left, right).unwrap();
    let socket = node.bind(port(10).into(), SocketConfig::default()).unwrap();
    let client = node
        .connect(at(0), address(9), port(10), ConnectConfig::default())
        .unwrap();
    node.send(at(0), client, Bytes::from_static(b"x")).unwrap();
    assert_eq!(node.recv_from(socket).unwrap().payload, "x");
    assert_eq!(leaving(&mut node), []);
}

/// A node with a v1 and a v2 interface under a bridge.
fn between_versions() -> (Node, InterfaceId, InterfaceId) {
    let mut node = Node::new(Config::default(), 1);
    let old = interface("OLD", 1, 2).version(Version::V1);
    let old = node.add_interface(old).unwrap();
    let new = node.add_interface(interface("NEW", 200, 8)).unwrap();
    node.bridge(old, new).unwrap();
    (node, old, new)
}

#[test]
fn between_versions_a_bridge_encodes_anew_and_a_broadcast_stays_one() {
    let (mut node, old, new) = between_versions();
    let node_to_node = packet((2, 33), (30, 10), Flags::CRC32, b"x");
    let everybody_old = packet((2, 33), (31, 10), Flags::NONE, b"x");
    let everybody_new = packet((3, 33), (0x3FFF, 10), Flags::NONE, b"x");
    let back = packet((3, 33), (31, 10), Flags::NONE, b"x");
    let there = packet((2, 33), (0x3FFF, 10), Flags::NONE, b"x");
    for (from, packet, to, expected) in [
        (old, &node_to_node, new, &node_to_node),
        (old, &everybody_old, new, &there),
        (new, &everybody_new, old, &back),
    ] {
        node.handle_packet(at(0), from, packet.clone());
        assert_eq!(leaving(&mut node), [(to, expected.clone())]);
    }
}

#[test]
fn what_has_no_form_on_the_other_side_of_a_bridge_is_dropped_with_the_reason() {
    let (mut node, old, new) = between_versions();
    let cases = [
        (new, packet((2, 33), (32, 10), Flags::NONE, b"address above 31")),
        (new, packet((2, 33), (31, 10), Flags::NONE, b"would be everybody")),
        (new, packet((31, 33), (2, 10), Flags::NONE, b"from everybody")),
        (
            old,
            packet((2, 33), (3, 10), Flags::from_bits(0x40), b"seventh flag"),
        ),
    ];
    for (from, packet) in cases {
        node.handle_packet(at(0), from, packet);
        assert_dropped(&mut node, DropReason::Unencodable);
        assert_eq!(leaving(&mut node), []);
    }
}

#[test]
fn a_bridge_knows_the_echo_of_what_it_sent_in_either_version() {
    for (mut node, one, other) in [between_versions(), {
        let (mut node, left, right) = two(Config::default());
        node.bridge(left, right).unwrap();
        (node, left, right)
    }] {
        node.handle_packet(at(0), one, packet((2, 33), (3, 10), Flags::NONE, b"x"));
        let client = node
            .connect(at(0), address(201), port(10), ConnectConfig::default())
            .unwrap();
        let own = node.send(at(0), client, Bytes::new());
        assert!(own.is_ok());
        let sent = leaving(&mut node);
        assert_eq!(sent.iter().filter(|(id, _)| *id == other).count(), 2);
        for (id, packet) in sent {
            node.handle_packet(at(1), id, packet);
            assert_dropped(&mut node, DropReason::Duplicate);
        }
        assert_eq!(leaving(&mut node), []);
    }
}

#[test]
fn a_ring_of_two_bridges_comes_to_rest_however_many_packets_are_on_it() {
    let mut bridges = [(); 2].map(|()| {
        let (mut node, left, right) = two(Config::default().transmit_queue(usize::MAX));
        node.bridge(left, right).unwrap();
        (node, [left, right])
    });
    let mut on_the_ring: VecDeque<(usize, usize, Packet)> = VecDeque::new();
    for number in 0..800u16 {
        // Both bridges hear the sender.
        let sent = packet((number + 1, 33), (5000, 10), Flags::NONE, b"x");
        on_the_ring.extend([(0, 0, sent.clone()), (1, 0, sent)]);
    }
    let (mut now, mut carried) = (at(0), 0);
    while let Some((bridge, side, packet)) = on_the_ring.pop_front() {
        now += Duration::from_micros(10);
        let (node, ends) = &mut bridges[bridge];
        node.handle_packet(now, ends[side], packet);
        for (id, packet) in leaving(node) {
            carried += 1;
            assert!(carried <= 2 * 800, "it does not come to rest");
            let side = usize::from(id == ends[1]);
            on_the_ring.push_back((1 - bridge, side, packet));
        }
    }
    assert!(carried >= 800);
}

proptest! {
    #[test]
    fn every_packet_on_a_bridge_crosses_or_has_a_reason(
        frames in proptest::collection::vec(
            (any::<bool>(), 0..120u64, proptest::collection::vec(0..3u8, 0..9)),
            0..60,
        ),
    ) {
        let (mut node, old, new) = between_versions();
        let tap = node.tap(TapConfig::default().queue(usize::MAX));
        let (mut now, count) = (at(0), frames.len());
        for (from_old, wait, frame) in frames {
            now += Duration::from_millis(wait);
            node.handle_frame(now, if from_old { old } else { new }, frame.into());
        }
        let stats = node.stats();
        prop_assert_eq!(stats.delivered, 0);
        prop_assert_eq!(u64::try_from(count).unwrap(), stats.forwarded + stats.dropped);
        let unshown: u64 = node
            .drops()
            .filter(|(reason, _)| matches!(reason, DropReason::ShortHeader | DropReason::Duplicate))
            .map(|(_, count)| count)
            .sum();
        let shown = u64::try_from(copies(&mut node, tap).len()).unwrap();
        prop_assert_eq!(u64::try_from(count).unwrap(), shown + unshown);
    }
}
