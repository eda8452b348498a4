//! Filters: what they see, what becomes of the packets, and in which order.

use core::sync::atomic::{AtomicUsize, Ordering};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use super::*;
use crate::{Asked, DedupConfig, DedupMode, FilterContext, OutsideConfig, Stage, TapConfig, Verdict};

/// A node with the address 9 in one network and 200 in the next, and these interfaces.
fn router() -> (Node, InterfaceId, InterfaceId) {
    let (mut node, left) = node(9, Config::default());
    let right = node.add_interface(interface("B", 200, 8)).unwrap();
    (node, left, right)
}

/// A filter that lets all pass, and what it saw.
fn witness(node: &mut Node, stage: Stage) -> Arc<Mutex<Vec<(FilterContext, Packet)>>> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    node.filter(stage, move |context, packet| {
        log.lock().unwrap().push((*context, packet.clone()));
        Verdict::Pass(packet)
    });
    seen
}

fn asked(node: &mut Node) -> Vec<Asked> {
    core::iter::from_fn(|| node.poll_filter()).collect()
}

fn payloads(node: &mut Node) -> Vec<Bytes> {
    core::iter::from_fn(|| node.poll_transmit())
        .map(|transmit| transmit.packet.payload)
        .collect()
}

#[test]
fn each_stage_sees_its_packets_where_it_stands() {
    let (mut node, left, right) = router();
    let stages = [Stage::Incoming, Stage::Outgoing, Stage::Routed];
    let seen = stages.map(|stage| witness(&mut node, stage));
    let ping = packet((2, 33), (9, 1), Flags::CRC32, b"ping");
    let through = packet((2, 33), (201, 10), Flags::CRC32, b"on");
    node.handle_packet(at(5), left, ping.clone());
    node.handle_packet(at(6), left, through.clone());
    let [incoming, outgoing, routed] = seen.map(|seen| seen.lock().unwrap().clone());
    let context = |now, stage, interface, from| FilterContext {
        now: at(now),
        stage,
        interface,
        version: Version::V2,
        from,
        via: None,
    };
    let plain = packet((9, 1), (2, 33), Flags::NONE, b"ping");
    assert_eq!(
        incoming,
        [
            (context(5, Stage::Incoming, left, None), ping),
            (context(6, Stage::Incoming, left, None), through.clone()),
        ]
    );
    assert_eq!(outgoing[0].0, context(5, Stage::Outgoing, left, None));
    assert_eq!(outgoing[0].1.payload, plain.payload, "without its trailer");
    assert_eq!(
        routed,
        [(context(6, Stage::Routed, right, Some(left)), through.clone())]
    );
    assert_eq!(node.poll_transmit().unwrap().packet.payload.len(), 8);
    assert_eq!(node.poll_transmit().unwrap().packet, through);
}

#[test]
fn what_a_filter_drops_goes_no_further_and_has_its_reason() {
    let (mut node, left, right) = router();
    node.filter(Stage::Incoming, |_, packet| {
        (packet.header.source != address(3)).then_some(packet).into()
    });
    node.filter(Stage::Routed, |_, _| Verdict::Drop);
    node.handle_packet(at(0), left, packet((3, 33), (9, 1), Flags::CRC32, b"x"));
    assert_dropped(&mut node, DropReason::Filtered);
    assert_eq!(node.interface_stats(left).unwrap().drop, 1);
    node.handle_packet(at(0), left, packet((2, 33), (201, 1), Flags::NONE, b"x"));
    assert_dropped(&mut node, DropReason::Filtered);
    assert_eq!(node.interface_stats(right).unwrap().drop, 1);
    node.filter(Stage::Outgoing, |_, _| Verdict::Drop);
    let client = node
        .connect(at(0), address(2), port(10), ConnectConfig::default())
        .unwrap();
    assert_eq!(node.send(at(0), client, Bytes::new()), Err(SendError::Filtered));
    assert_dropped(&mut node, DropReason::Filtered);
    assert_eq!(payloads(&mut node), [] as [Bytes; 0]);
    assert_eq!(node.drops().collect::<Vec<_>>(), [(DropReason::Filtered, 3)]);
}

#[test]
fn what_a_filter_changes_is_routed_sealed_and_sent_as_changed() {
    let (mut node, left, right) = router();
    node.filter(Stage::Incoming, |_, mut packet| {
        packet.header.destination = address(201);
        Verdict::Pass(packet)
    });
    node.filter(Stage::Outgoing, |_, mut packet| {
        packet.header.flags = Flags::CRC32;
        packet.payload = Bytes::from_static(b"changed");
        Verdict::Pass(packet)
    });
    node.handle_packet(at(0), left, packet((2, 33), (9, 10), Flags::NONE, b"x"));
    assert_eq!(node.poll_transmit().unwrap().interface, right);
    let client = node
        .connect(at(0), address(2), port(10), ConnectConfig::default())
        .unwrap();
    node.send(at(0), client, Bytes::from_static(b"plain")).unwrap();
    let sealed = packet((9, 1), (2, 10), Flags::CRC32, b"changed").payload;
    assert_eq!(node.poll_transmit().unwrap().packet.payload, sealed);
    node.filter(Stage::Outgoing, |_, mut packet| {
        packet.payload = vec![0; 253].into();
        Verdict::Pass(packet)
    });
    assert_eq!(
        node.send(at(0), client, Bytes::new()),
        Err(SendError::TooLong { len: 253, max: 252 })
    );
}

#[test]
fn filters_of_a_stage_are_asked_in_the_order_they_were_added() {
    let (mut node, left, _) = router();
    let add = |letter: u8| {
        move |_: &FilterContext, mut packet: Packet| {
            packet.payload = [&packet.payload[..], &[letter]].concat().into();
            Verdict::Pass(packet)
        }
    };
    node.filter(Stage::Routed, add(b'a'));
    let outside = node.filter_outside(Stage::Routed, OutsideConfig::default());
    let last = node.filter(Stage::Routed, add(b'c'));
    let arrive = |node: &mut Node| {
        node.handle_packet(at(0), left, packet((2, 33), (201, 10), Flags::NONE, b"_"));
    };
    arrive(&mut node);
    let Asked {
        ticket, mut packet, ..
    } = node.poll_filter().unwrap();
    assert_eq!(packet.payload, "_a");
    packet.payload = Bytes::from_static(b"_ab");
    node.handle_verdict(at(0), ticket, Some(packet));
    assert_eq!(payloads(&mut node), ["_abc"]);
    node.remove_filter(at(0), last);
    arrive(&mut node);
    assert_eq!(payloads(&mut node), [] as [Bytes; 0]);
    node.remove_filter(at(0), outside);
    assert_eq!(payloads(&mut node), ["_a"], "goes on when its filter is gone");
    assert_eq!(node.poll_filter(), None);
}

#[test]
fn packets_go_on_in_the_order_they_came_whatever_the_order_of_verdicts() {
    let (mut node, left, _) = router();
    node.filter_outside(Stage::Incoming, OutsideConfig::default());
    for payload in [&b"1"[..], b"2", b"3"] {
        node.handle_packet(at(0), left, packet((2, 33), (201, 10), Flags::NONE, payload));
    }
    let asked = asked(&mut node);
    let verdict = |node: &mut Node, index: usize| {
        node.handle_verdict(at(0), asked[index].ticket, Some(asked[index].packet.clone()));
        payloads(node)
    };
    assert_eq!(verdict(&mut node, 2), [] as [Bytes; 0]);
    node.handle_verdict(at(0), asked[1].ticket, None);
    node.handle_verdict(at(0), asked[1].ticket, Some(asked[1].packet.clone()));
    assert_eq!(verdict(&mut node, 0), ["1", "3"], "the first verdict counts");
    assert_dropped(&mut node, DropReason::Filtered);
    assert_eq!(
        verdict(&mut node, 0),
        [] as [Bytes; 0],
        "an old ticket is ignored"
    );
    assert_eq!(node.poll_timeout(), None);
}

#[test]
fn a_late_verdict_is_a_drop_and_lets_the_others_go_on() {
    let (mut node, left, _) = router();
    node.filter_outside(
        Stage::Incoming,
        OutsideConfig::default().timeout(Duration::from_millis(50)),
    );
    for (time, payload) in [(0, &b"1"[..]), (10, b"2"), (20, b"3")] {
        node.handle_packet(at(time), left, packet((2, 33), (201, 10), Flags::NONE, payload));
    }
    let asked = asked(&mut node);
    let [first, second, _] = &asked[..] else { panic!() };
    node.handle_verdict(at(30), second.ticket, Some(second.packet.clone()));
    assert_eq!(node.poll_timeout(), Some(at(50)));
    node.handle_timeout(at(49));
    assert_eq!(payloads(&mut node), [] as [Bytes; 0]);
    node.handle_timeout(at(50));
    assert_eq!(payloads(&mut node), ["2"]);
    assert_dropped(&mut node, DropReason::FilterTimeout);
    node.handle_verdict(at(51), first.ticket, Some(first.packet.clone()));
    assert_eq!(payloads(&mut node), [] as [Bytes; 0]);
    assert_eq!(node.poll_timeout(), Some(at(70)));
    node.handle_timeout(at(1_000));
    assert_dropped(&mut node, DropReason::FilterTimeout);
    assert_eq!(node.poll_timeout(), None);
}

#[test]
fn a_full_queue_of_a_filter_counts_as_the_peers_full_router_queue() {
    let (mut node, left, _) = router();
    node.filter_outside(Stage::Incoming, OutsideConfig::default().queue(1));
    for _ in 0..2 {
        node.handle_packet(at(0), left, packet((2, 33), (201, 10), Flags::NONE, b"x"));
    }
    assert_dropped(&mut node, DropReason::FilterQueueFull);
    assert_eq!(node.interface_stats(left).unwrap().tx_error, 1);
}

#[test]
fn an_own_packet_waits_for_room_in_a_filter_and_is_told_of_it() {
    let (mut node, link) = node(9, Config::default());
    node.filter_outside(Stage::Outgoing, OutsideConfig::default().queue(1));
    let client = node
        .connect(at(0), address(2), port(10), ConnectConfig::default())
        .unwrap();
    assert_eq!(node.send(at(0), client, Bytes::new()), Ok(0));
    assert_eq!(node.send(at(0), client, Bytes::new()), Err(SendError::Full));
    let asked = node.poll_filter().unwrap();
    assert_eq!(events(&mut node), []);
    node.handle_verdict(at(0), asked.ticket, Some(asked.packet));
    assert_eq!(events(&mut node), [Event::Writable(client)]);
    assert_eq!(node.waiting_on(link), 1);
    node.handle_link(link, LinkState::Down);
    events(&mut node);
    let sent = node.send(at(0), client, Bytes::new());
    assert_eq!(sent, Err(SendError::LinkDown), "told before the filter is asked");
}

#[test]
fn a_packet_that_cannot_leave_after_its_verdict_is_a_drop() {
    let (mut node, link) = node(9, Config::default());
    node.filter_outside(Stage::Outgoing, OutsideConfig::default());
    let client = node
        .connect(at(0), address(2), port(10), ConnectConfig::default())
        .unwrap();
    node.send(at(0), client, Bytes::new()).unwrap();
    node.handle_link(link, LinkState::Down);
    events(&mut node);
    let asked = node.poll_filter().unwrap();
    node.handle_verdict(at(0), asked.ticket, Some(asked.packet));
    assert_dropped(&mut node, DropReason::LinkDown);
}

#[test]
fn what_waits_for_a_filter_when_its_interface_goes_says_so() {
    for stage in [Stage::Incoming, Stage::Outgoing, Stage::Routed] {
        let (mut node, left, right) = router();
        node.filter_outside(stage, OutsideConfig::default());
        witness(&mut node, stage);
        let (from, packet) = match stage {
            Stage::Incoming => (left, packet((2, 33), (9, 10), Flags::NONE, b"x")),
            Stage::Outgoing => (left, packet((2, 33), (9, 1), Flags::CRC32, b"x")),
            Stage::Routed => (right, packet((201, 33), (2, 10), Flags::NONE, b"x")),
        };
        node.handle_packet(at(0), from, packet);
        let waiting = asked(&mut node).pop().unwrap();
        node.remove_interface(left).unwrap();
        node.handle_verdict(at(0), waiting.ticket, Some(waiting.packet));
        assert_dropped(&mut node, DropReason::InterfaceRemoved);
    }
}

#[test]
fn packets_to_ourselves_meet_the_filters_of_both_directions() {
    let (mut node, _) = node(9, Config::default());
    node.filter_outside(Stage::Outgoing, OutsideConfig::default());
    node.filter_outside(Stage::Incoming, OutsideConfig::default());
    let socket = node.bind(port(10).into(), SocketConfig::default()).unwrap();
    let to = (Address::LOOPBACK, port(10));
    node.send_to(
        at(0),
        socket,
        to,
        ConnectConfig::default(),
        Bytes::from_static(b"x"),
    )
    .unwrap();
    for stage in [Stage::Outgoing, Stage::Incoming] {
        assert!(node.recv_from(socket).is_none());
        let asked = node.poll_filter().unwrap();
        assert_eq!(asked.context.stage, stage);
        node.handle_verdict(at(0), asked.ticket, Some(asked.packet));
    }
    assert_eq!(node.recv_from(socket).unwrap().payload, "x");
}

#[test]
fn a_timeout_leaves_nothing_behind_that_is_due_at_once() {
    let (mut node, _) = node(9, Config::default());
    let config = OutsideConfig::default().timeout(Duration::ZERO);
    node.filter_outside(Stage::Outgoing, config);
    node.filter_outside(Stage::Incoming, config);
    let flags = ConnectConfig::default().flags(Flags::RDP);
    node.connect(at(0), address(2), port(10), flags).unwrap();
    let socket = node.bind(port(10).into(), SocketConfig::default()).unwrap();
    let own = (address(9), port(10));
    node.send_to(at(0), socket, own, ConnectConfig::default(), Bytes::new())
        .unwrap();
    let mut now = at(0);
    for _ in 0..8 {
        node.handle_timeout(now);
        let Some(next) = node.poll_timeout() else { return };
        assert!(next > now, "{next:?} at {now:?}");
        now = next;
    }
}

/// What may befall a node with filters of all kinds at all stages.
#[derive(Clone, Debug)]
enum Step {
    Receive { source: u16, to: u16 },
    Ask,
    Verdict { index: usize, pass: bool },
    Wait { millis: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1..5u16, prop_oneof![Just(9u16), Just(201), Just(5000), Just(250)])
            .prop_map(|(source, to)| Step::Receive { source, to }),
        2 => Just(Step::Ask),
        3 => (0..8usize, any::<bool>()).prop_map(|(index, pass)| Step::Verdict { index, pass }),
        1 => (0..80u64).prop_map(|millis| Step::Wait { millis }),
    ];
    proptest::collection::vec(step, 0..80)
}

proptest! {
    #[test]
    fn with_filters_everything_received_is_delivered_forwarded_waits_or_has_a_reason(
        steps in steps(), is_bridged: bool, dedup in 0..4u8,
    ) {
        let (mut node, left, right) = router();
        let mode = DedupMode::from_bits(dedup).unwrap();
        node.set_dedup(DedupConfig::default().mode(mode).window(Duration::from_millis(20)));
        if is_bridged {
            node.bridge(left, right).unwrap();
        }
        let tap = node.tap(TapConfig::default().queue(usize::MAX));
        let config = OutsideConfig::default().queue(3).timeout(Duration::from_millis(50));
        let asked_inside = Arc::new(AtomicUsize::new(0));
        for stage in [Stage::Incoming, Stage::Routed] {
            node.filter_outside(stage, config);
            let count = Arc::clone(&asked_inside);
            node.filter(stage, move |context, packet| {
                count.fetch_add(1, Ordering::Relaxed);
                // Every fifth, and never the first.
                (context.now.as_micros() % 5 != 4).then_some(packet).into()
            });
        }
        let socket = node.bind(port(10).into(), SocketConfig::default().receive_queue(2)).unwrap();
        let mut now = at(0);
        let mut received = 0u64;
        let mut open: Vec<Asked> = Vec::new();
        let mut tickets = 0usize;
        for step in steps {
            match step {
                Step::Receive { source, to } => {
                    received += 1;
                    node.handle_packet(now, left, packet((source, 33), (to, 10), Flags::NONE, b"x"));
                }
                Step::Ask => {
                    let new = asked(&mut node);
                    tickets += new.len();
                    open.extend(new);
                }
                Step::Verdict { index, pass } if index < open.len() => {
                    let Asked { ticket, packet, .. } = open.remove(index);
                    node.handle_verdict(now, ticket, pass.then_some(packet));
                }
                Step::Verdict { .. } => {}
                Step::Wait { millis } => {
                    now += Duration::from_millis(millis);
                    node.handle_timeout(now);
                }
            }
            now += Duration::from_micros(1);
        }
        let distinct: BTreeSet<_> = open.iter().map(|asked| std::format!("{:?}", asked.ticket)).collect();
        prop_assert_eq!(distinct.len(), open.len());
        prop_assert!(tickets >= open.len());
        // What still waits is dropped in the end, so that the account closes: once each at two places.
        for _ in 0..2 {
            now += Duration::from_secs(1);
            node.handle_timeout(now);
        }
        prop_assert_eq!(node.poll_timeout(), None);
        let stats = node.stats();
        let copies = core::iter::from_fn(|| node.captured(tap)).count();
        let copies = u64::try_from(copies).unwrap();
        let duplicates = node.drops().find(|(reason, _)| *reason == DropReason::Duplicate);
        prop_assert_eq!(copies + duplicates.map_or(0, |(_, count)| count), received);
        let queued = u64::try_from(node.waiting_on(right)).unwrap();
        prop_assert_eq!(stats.forwarded, queued);
        prop_assert_eq!(received, stats.delivered + stats.forwarded + stats.dropped);
        prop_assert_eq!(stats.dropped, node.drops().map(|(_, count)| count).sum::<u64>());
        let counted: u64 = [left, right]
            .iter()
            .map(|id| node.interface_stats(*id).unwrap())
            .map(|stats| stats.drop + stats.tx_error + stats.rx_error + stats.autherr + stats.frame)
            .sum();
        prop_assert_eq!(counted, stats.dropped);
        while node.recv_from(socket).is_some() {}
    }
}
