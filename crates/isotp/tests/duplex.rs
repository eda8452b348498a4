//! One direction at a time.
#![cfg(feature = "alloc")]
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

mod pair;

use bytes::Bytes;
use can_link::{CanFrame, StandardId};
use isotp::{Address, BytesChannel, Config, Duplex, Event, IgnoreReason, NResult};
use pair::Pair;
use tinwire_time::Instant;

fn half() -> Config {
    Config::default().duplex(Duplex::Half)
}

fn channel() -> BytesChannel {
    let (us, them) = (StandardId::new(0x7E0).unwrap(), StandardId::new(0x7E8).unwrap());
    let address = Address::normal(us, them).unwrap();
    BytesChannel::new(
        address.accepting_functional(StandardId::new(0x7DF).unwrap()),
        half(),
    )
}

fn peer(data: &[u8]) -> CanFrame {
    CanFrame::data(StandardId::new(0x7E8).unwrap(), data).unwrap()
}

fn message(len: usize) -> Bytes {
    Bytes::from(vec![0x11; len])
}

fn events(channel: &mut BytesChannel) -> Vec<Event> {
    core::iter::from_fn(|| channel.poll_event()).collect()
}

const NOW: Instant = Instant::from_millis(1);

#[test]
fn messages_alternate_and_all_arrive() {
    let mut pair = Pair::perfect(half(), half());
    for len in [3, 50, 400] {
        pair.a.outbox.push_back(message(len));
        pair.run();
        pair.b.outbox.push_back(message(len));
        pair.run();
    }
    assert_eq!(pair.a.received, pair.b.received);
    assert_eq!(pair.a.received.len(), 3);
}

#[test]
fn a_message_waits_until_the_one_that_is_received_is_complete() {
    let mut channel = channel();
    channel.handle_frame(NOW, &peer(&[0x10, 9, 1, 2, 3, 4, 5, 6]));
    let id = channel.send(NOW, message(3)).unwrap();
    let control = channel.poll_transmit(NOW).unwrap();
    assert_eq!(control.payload()[0], 0x30);
    channel.handle_transmitted(NOW, &control);
    assert_eq!(channel.poll_transmit(NOW), None);
    channel.handle_frame(NOW, &peer(&[0x21, 7, 8, 9]));
    let frame = channel.poll_transmit(NOW).unwrap();
    assert_eq!(frame.payload()[0], 0x03);
    channel.handle_transmitted(NOW, &frame);
    let events = events(&mut channel);
    assert_eq!(events.last(), Some(&Event::Sent { id }));
    assert!(channel.received().is_some());
}

#[test]
fn a_message_waits_until_the_one_that_is_received_has_failed() {
    let mut channel = channel();
    channel.handle_frame(NOW, &peer(&[0x10, 9, 1, 2, 3, 4, 5, 6]));
    channel.send(NOW, message(3)).unwrap();
    let control = channel.poll_transmit(NOW).unwrap();
    channel.handle_transmitted(NOW, &control);
    let due = channel.poll_timeout().unwrap();
    channel.handle_timeout(due);
    assert_eq!(channel.poll_transmit(due).unwrap().payload()[0], 0x03);
}

#[test]
fn what_comes_while_a_message_is_sent_is_ignored_but_its_flow_control() {
    let mut channel = channel();
    channel.send(NOW, message(9)).unwrap();
    let first = channel.poll_transmit(NOW).unwrap();
    channel.handle_transmitted(NOW, &first);
    events(&mut channel);
    let theirs: [&[u8]; 3] = [&[0x02, 1, 2], &[0x10, 9, 1, 2, 3, 4, 5, 6], &[0x21, 7, 8, 9]];
    for frame in theirs {
        channel.handle_frame(NOW, &peer(frame));
        assert_eq!(events(&mut channel), [Event::Ignored(IgnoreReason::HalfDuplex)]);
    }
    assert_eq!(channel.stats().ignored_half_duplex, 3);
    channel.handle_frame(NOW, &peer(&[0x30, 0, 0]));
    assert_eq!(channel.poll_transmit(NOW).unwrap().payload()[0], 0x21);
}

#[test]
fn a_flow_control_while_a_message_is_received_is_ignored() {
    let mut channel = channel();
    channel.handle_frame(NOW, &peer(&[0x10, 9, 1, 2, 3, 4, 5, 6]));
    events(&mut channel);
    channel.handle_frame(NOW, &peer(&[0x30, 0, 0]));
    assert_eq!(events(&mut channel), [Event::Ignored(IgnoreReason::HalfDuplex)]);
    assert_eq!(channel.receiving(), Some((6, 9)));
}

#[test]
fn a_functional_message_is_another_conversation() {
    let mut channel = channel();
    channel.send(NOW, message(9)).unwrap();
    let first = channel.poll_transmit(NOW).unwrap();
    channel.handle_transmitted(NOW, &first);
    let broadcast = CanFrame::data(StandardId::new(0x7DF).unwrap(), &[0x02, 0x3E, 0x80]).unwrap();
    channel.handle_frame(NOW, &broadcast);
    assert_eq!(channel.take_received(NOW).unwrap().1[..], [0x3E, 0x80]);
}

#[test]
fn two_first_frames_at_once_fail_both_messages_and_leave_the_pair_usable() {
    let mut pair = Pair::perfect(half(), half());
    pair.a.outbox.push_back(message(20));
    pair.b.outbox.push_back(message(20));
    pair.run();
    for side in [&pair.a, &pair.b] {
        let failed = side.events.iter().find_map(|event| match event {
            Event::SendFailed { error, .. } => Some(error.n_result()),
            _ => None,
        });
        assert_eq!(failed, Some(NResult::TimeoutBs));
        assert_eq!(side.channel.stats().ignored_half_duplex, 1);
    }
    pair.a.outbox.push_back(message(20));
    pair.run();
    assert_eq!(pair.b.received, [message(20)]);
}
