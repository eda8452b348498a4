//! Stories of two channels on a perfect wire.
#![cfg(feature = "alloc")]
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

mod pair;

use core::time::Duration;

use bytes::Bytes;
use isotp::{BlockSize, Config, DataLink, Event, FlowStatus, Padding, Pci, Prefix, StMin, TransferError};
use pair::Pair;
use tinwire_time::Instant;

fn payload(len: usize) -> Bytes {
    (0..len)
        .map(|i| u8::try_from((i + i / 256) % 256).unwrap())
        .collect()
}

fn flow_statuses(frames: &[(Instant, can_link::CanFrame)]) -> Vec<FlowStatus> {
    let pci = |frame: &can_link::CanFrame| Pci::decode(frame.payload(), Prefix::None).map(|(pci, _)| pci);
    frames
        .iter()
        .filter_map(|(_, frame)| match pci(frame) {
            Ok(Pci::FlowControl(control)) => Some(control.status),
            _ => None,
        })
        .collect()
}

#[test]
fn messages_of_every_length_arrive_intact() {
    for link in [DataLink::Classic, DataLink::fd()] {
        let config = Config::default().data_link(link).max_rx_len(10_000);
        let mut pair = Pair::perfect(config, config);
        let lengths = (1..=130).chain([4094, 4095, 4096, 4097, 10_000]);
        for len in lengths.clone() {
            pair.a.outbox.push_back(payload(len));
        }
        pair.run();
        assert_eq!(
            pair.b.received.iter().map(Bytes::len).collect::<Vec<_>>(),
            lengths.collect::<Vec<_>>()
        );
        assert!(
            pair.b
                .received
                .iter()
                .all(|message| *message == payload(message.len()))
        );
        assert_eq!(pair.a.channel.stats().messages_sent, 135);
        assert_eq!(pair.b.channel.stats().ignored(), 0);
        assert_eq!(pair.b.channel.stats().events_lost, 0);
    }
}

#[test]
fn consecutive_frames_keep_the_receivers_separation_time_and_block_size() {
    let slow = Config::default()
        .block_size(BlockSize::from_bits(3))
        .st_min(StMin::from_millis(20).unwrap());
    let mut pair = Pair::perfect(Config::default(), slow);
    pair.a.outbox.push_back(payload(6 + 7 * 7));
    pair.run();
    let times: Vec<_> = pair.a.sent.iter().map(|(at, _)| at.as_micros() / 1000).collect();
    // The first frame of a block leaves at once.
    assert_eq!(times, [0, 0, 20, 40, 40, 60, 80, 80]);
    assert_eq!(flow_statuses(&pair.b.sent).len(), 3);
    assert_eq!(pair.b.received, [payload(55)]);
}

#[test]
fn no_flow_control_follows_the_last_frame_of_a_message_that_fills_its_block() {
    let blocks = Config::default().block_size(BlockSize::from_bits(2));
    let mut pair = Pair::perfect(Config::default(), blocks);
    pair.a.outbox.push_back(payload(6 + 4 * 7));
    pair.run();
    assert_eq!(flow_statuses(&pair.b.sent).len(), 2);
    assert_eq!(pair.b.received.len(), 1);
}

#[test]
fn a_forced_gap_replaces_the_receivers_separation_time() {
    let forced = Config::default().forced_gap(Some(Duration::from_micros(300)));
    let slow = Config::default().st_min(StMin::MAX);
    let mut pair = Pair::perfect(forced, slow);
    pair.a.outbox.push_back(payload(20));
    pair.run();
    let times: Vec<_> = pair.a.sent.iter().map(|(at, _)| at.as_micros()).collect();
    assert_eq!(times, [0, 0, 300]);
}

#[test]
fn both_directions_run_at_the_same_time() {
    let config = Config::default()
        .block_size(BlockSize::from_bits(2))
        .st_min(StMin::from_millis(1).unwrap());
    let mut pair = Pair::perfect(config, config);
    pair.a.outbox.push_back(payload(300));
    pair.b.outbox.push_back(payload(200));
    pair.run();
    assert_eq!(pair.b.received, [payload(300)]);
    assert_eq!(pair.a.received, [payload(200)]);
}

#[test]
fn a_slow_consumer_makes_the_sender_wait_and_loses_nothing() {
    let mut pair = Pair::perfect(Config::default(), Config::default());
    pair.b.appetite = 0;
    pair.a.outbox.extend([payload(3), payload(20)]);
    pair.run_until(Instant::from_millis(1500));
    assert_eq!(flow_statuses(&pair.b.sent), [FlowStatus::Wait; 3]);
    pair.b.appetite = 2;
    pair.run();
    assert_eq!(pair.b.received, [payload(3), payload(20)]);
    assert_eq!(pair.b.channel.stats().waits_sent, 3);
    assert_eq!(pair.a.channel.stats().waits_received, 3);
}

#[test]
fn a_consumer_that_never_comes_ends_the_transfer_with_an_overflow() {
    let patient = Config::default().wft_max(2);
    let mut pair = Pair::perfect(Config::default(), patient);
    pair.b.appetite = 0;
    pair.a.outbox.extend([payload(3), payload(20), payload(4)]);
    pair.run();
    assert_eq!(
        flow_statuses(&pair.b.sent),
        [FlowStatus::Wait, FlowStatus::Wait, FlowStatus::Overflow]
    );
    assert!(matches!(
        pair.a.events[2],
        Event::SendFailed {
            error: TransferError::Overflow,
            sent: 6,
            len: 20,
            ..
        }
    ));
    let stats = pair.b.channel.stats();
    assert_eq!(
        (
            stats.messages_refused,
            stats.ignored_no_room,
            stats.messages_received
        ),
        (1, 1, 1)
    );
}

#[test]
fn a_sender_gives_up_after_more_waits_than_it_accepts() {
    let impatient = Config::default().wait_limit(Some(1));
    let mut pair = Pair::perfect(impatient, Config::default());
    pair.b.appetite = 0;
    pair.a.outbox.extend([payload(3), payload(20)]);
    pair.run_until(Instant::from_millis(5000));
    let gave_up = |event: &Event| {
        matches!(
            event,
            Event::SendFailed {
                error: TransferError::TooManyWaits { max: 1 },
                ..
            }
        )
    };
    assert!(pair.a.events.iter().any(gave_up), "{:?}", pair.a.events);
    assert_eq!(pair.a.channel.stats().sends_failed, 1);
}

#[test]
fn a_message_above_the_limit_is_refused_and_the_next_one_arrives() {
    let mut pair = Pair::perfect(Config::default(), Config::default().max_rx_len(100));
    pair.a.outbox.extend([payload(101), payload(100)]);
    pair.run();
    assert_eq!(flow_statuses(&pair.b.sent)[0], FlowStatus::Overflow);
    assert_eq!(pair.b.events[0], Event::Refused { len: 101, max: 100 });
    assert_eq!(pair.b.received, [payload(100)]);
    assert_eq!(pair.a.channel.stats().sends_failed, 1);
    assert_eq!(pair.a.channel.stats().messages_sent, 1);
}

#[test]
fn unpadded_endpoints_understand_padded_ones() {
    let mut pair = Pair::perfect(
        Config::default().padding(Padding::none()),
        Config::default().padding(Padding::filled(0x55)),
    );
    pair.a.outbox.extend([payload(2), payload(15)]);
    pair.b.outbox.extend([payload(2), payload(15)]);
    pair.run();
    assert_eq!(pair.b.received, [payload(2), payload(15)]);
    assert_eq!(pair.a.received, [payload(2), payload(15)]);
    assert_eq!(pair.a.sent[0].1.payload(), [2, 0, 1]);
    assert_eq!(
        pair.b.sent[0].1.payload(),
        [2, 0, 1, 0x55, 0x55, 0x55, 0x55, 0x55]
    );
}
