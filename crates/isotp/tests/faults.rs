//! Two channels on a bad wire, and one channel against anything at all.
#![cfg(feature = "alloc")]
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

mod pair;

use core::fmt::Write;
use core::time::Duration;
use std::collections::HashSet;

use bytes::Bytes;
use can_link::{CanFrame, StandardId};
use isotp::{Address, BlockSize, BytesChannel, Config, DataLink, Event, SliceBuffer, StMin};
use pair::{Pair, Side};
use proptest::prelude::*;
use testkit::Faults;
use testkit::snapshot::assert_snapshot;
use tinwire_time::Instant;

const MESSAGES: u8 = 20;

/// A message that no other can be taken for, of more than ten frames of `tx_dl` bytes.
///
/// ISO-TP has no memory of messages: where every frame of a message arrives twice and late, so does the
/// message.
fn message(number: u8, tx_dl: usize) -> Bytes {
    (0..10 * tx_dl + usize::from(number) * 7)
        .map(|i| number.wrapping_mul(31) ^ u8::try_from(i % 251).unwrap())
        .collect()
}

fn address() -> Address {
    let id = |raw| StandardId::new(raw).unwrap();
    Address::normal(id(0x7E0), id(0x7E8)).unwrap()
}

struct Outcome {
    delivered: usize,
    send_failures: u64,
    receive_failures: u64,
    frames: usize,
}

/// Sends all messages one after the other, and checks that none is wrong, doubled, or lost without a report.
fn run(seed: u64, faults: Faults, link: DataLink, config: Config) -> Outcome {
    let config = config.data_link(link);
    let message = |number| message(number, link.tx_dl().len());
    let mut pair = Pair::new(
        Side::new(address(), config),
        Side::new(address().reversed(), config),
        seed,
        faults,
    );
    for number in 0..MESSAGES {
        pair.a.outbox.push_back(message(number));
        pair.run();
        // Frames that are late by the wire's fault die out before the next message: a late frame of an old
        // message whose 4-bit number happens to be due is beyond what ISO-TP can notice.
        let quiet = pair.now + Duration::from_millis(5);
        pair.run_until(quiet);
    }
    let sent: HashSet<Bytes> = (0..MESSAGES).map(message).collect();
    let received: HashSet<Bytes> = pair.b.received.iter().cloned().collect();
    assert!(received.is_subset(&sent), "seed {seed}: a wrong message");
    assert_eq!(
        received.len(),
        pair.b.received.len(),
        "seed {seed}: a message twice"
    );

    let confirmed = pair
        .a
        .events
        .iter()
        .filter(|event| matches!(event, Event::Sent { .. }))
        .count();
    let (a, b) = (*pair.a.channel.stats(), *pair.b.channel.stats());
    assert_eq!(
        confirmed + usize::try_from(a.sends_failed).unwrap(),
        usize::from(MESSAGES),
        "seed {seed}"
    );
    let lost_after_sending = confirmed.saturating_sub(received.len());
    assert!(
        lost_after_sending <= usize::try_from(b.receives_failed).unwrap(),
        "seed {seed}: {lost_after_sending} messages vanished without a report"
    );
    assert!(
        pair.a.channel.can_send() && pair.b.channel.receiving().is_none(),
        "seed {seed}"
    );
    assert_eq!(a.events_lost + b.events_lost, 0);
    Outcome {
        delivered: received.len(),
        send_failures: a.sends_failed,
        receive_failures: b.receives_failed,
        frames: pair.a.sent.len() + pair.b.sent.len(),
    }
}

#[test]
fn no_fault_of_the_wire_yields_a_wrong_message_or_hides_a_failure() {
    let mut table =
        String::from("loss dup reorder  BS STmin  delivered  send failed  receive failed  frames\n");
    for (loss, duplication, reordering) in [
        (0, 0, 0),
        (1, 0, 0),
        (5, 0, 0),
        (20, 0, 0),
        (0, 5, 0),
        (0, 0, 5),
        (5, 5, 5),
    ] {
        for (block_size, st_min) in [(0, 0), (1, 0), (8, 0), (8, 1)] {
            let faults = Faults {
                loss,
                duplication,
                reordering,
                delay: Duration::from_micros(100),
            };
            let config = Config::default()
                .block_size(BlockSize::from_bits(block_size))
                .st_min(StMin::from_millis(st_min).unwrap());
            let outcome = run(1, faults, DataLink::Classic, config);
            let (sent, received) = (outcome.send_failures, outcome.receive_failures);
            write!(
                table,
                "{loss:>3}% {duplication:>2}% {reordering:>6}% {block_size:>3} {st_min:>2} ms"
            )
            .unwrap();
            writeln!(
                table,
                " {:>8}/{MESSAGES} {sent:>12} {received:>15} {:>7}",
                outcome.delivered, outcome.frames
            )
            .unwrap();
        }
    }
    assert_snapshot(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults.txt"), &table);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_seed_and_any_faults_keep_that_promise(
        seed: u64,
        loss in 0..40u8,
        duplication in 0..20u8,
        reordering in 0..20u8,
        block_size: u8,
        st_min in 0..3u8,
        fd: bool,
    ) {
        let faults = Faults { loss, duplication, reordering, delay: Duration::from_micros(50) };
        let link = if fd { DataLink::fd() } else { DataLink::Classic };
        let config = Config::default()
            .block_size(BlockSize::from_bits(block_size))
            .st_min(StMin::from_millis(st_min).unwrap());
        run(seed, faults, link, config);
    }
}

/// Anything that can happen to a channel.
#[derive(Clone, Debug)]
enum Op {
    Frame { id: u16, data: Vec<u8>, fd: bool },
    Wait { micros: u64 },
    Send { len: usize, functional: bool },
    Transmit { confirm: bool },
    Refuse,
    Take,
    Abort,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    // Mostly frames that are nearly right, for these reach the deep states.
    let pci = prop_oneof![
        Just(vec![0x03]),
        Just(vec![0x10, 0x14]),
        Just(vec![0x10, 0x00, 0x00, 0x00, 0x20, 0x00]),
        (0x20..=0x2Fu8).prop_map(|first| vec![first]),
        (0x30..=0x34u8, any::<u8>(), any::<u8>()).prop_map(|(first, bs, st)| vec![first, bs, st]),
        any::<u8>().prop_map(|first| vec![first]),
        Just(vec![]),
    ];
    let frame = (
        prop_oneof![4 => Just(0x7E8u16), 1 => Just(0x7DF), 1 => Just(0x123)],
        pci,
        proptest::collection::vec(any::<u8>(), 0..=62),
        any::<bool>(),
    );
    let frame = frame.prop_map(|(id, mut data, rest, fd)| {
        data.extend(rest);
        data.truncate(if fd { 64 } else { 8 });
        Op::Frame { id, data, fd }
    });
    let op = prop_oneof![
        6 => frame,
        2 => (0..2_000_000u64).prop_map(|micros| Op::Wait { micros }),
        1 => (0..200usize, any::<bool>()).prop_map(|(len, functional)| Op::Send { len, functional }),
        4 => any::<bool>().prop_map(|confirm| Op::Transmit { confirm }),
        1 => Just(Op::Refuse),
        2 => Just(Op::Take),
        1 => Just(Op::Abort),
    ];
    proptest::collection::vec(op, 0..200)
}

proptest! {
    #[test]
    fn no_sequence_of_frames_times_and_calls_breaks_a_channel(ops in ops(), classic: bool) {
        let link = if classic { DataLink::Classic } else { DataLink::fd() };
        let config = Config::default().data_link(link).max_rx_len(1000).block_size(BlockSize::from_bits(3));
        let address = address().accepting_functional(StandardId::new(0x7DF).unwrap());
        let mut channel = BytesChannel::new(address, config);
        let mut now = Instant::ZERO;
        let mut last: Option<CanFrame> = None;
        for op in ops {
            match op {
                Op::Frame { id, data, fd } => {
                    let id = StandardId::new(id).unwrap();
                    let frame = if fd {
                        CanFrame::fd(id, &data, can_link::frame::FdFlags::NONE)
                    } else {
                        CanFrame::data(id, &data)
                    };
                    channel.handle_frame(now, &frame.unwrap());
                }
                Op::Wait { micros } => {
                    now += Duration::from_micros(micros);
                    channel.handle_timeout(now);
                    let expired = channel.poll_timeout().filter(|&due| due <= now);
                    prop_assert_eq!(expired, None, "it still runs");
                }
                Op::Send { len, functional } => {
                    let payload = Bytes::from(vec![7; len]);
                    let free = channel.can_send();
                    let result = if functional {
                        channel.send_functional(now, payload)
                    } else {
                        channel.send(now, payload)
                    };
                    prop_assert!(free || result.is_err());
                    prop_assert!(len > 0 || result.is_err());
                }
                Op::Transmit { confirm } => {
                    let mut frames = 0;
                    while let Some(frame) = channel.poll_transmit(now) {
                        frames += 1;
                        prop_assert!(frames < 200, "no end of frames");
                        if confirm {
                            channel.handle_transmitted(now, &frame);
                        }
                        last = Some(frame);
                    }
                }
                Op::Refuse => {
                    if let Some(frame) = &last {
                        channel.handle_not_transmitted(now, frame);
                    }
                }
                Op::Take => {
                    let held = channel.received().is_some();
                    prop_assert_eq!(channel.take_received(now).is_some(), held);
                }
                Op::Abort => {
                    channel.abort_send();
                    channel.abort_receive();
                    prop_assert!(channel.can_send() && channel.receiving().is_none());
                }
            }
            if let Some((received, len)) = channel.receiving() {
                prop_assert!(received <= len && len <= 1000);
            }
            if let Some((_, sent, len)) = channel.sending() {
                prop_assert!(sent <= len);
            }
            while channel.poll_event().is_some() {}
        }
        prop_assert_eq!(channel.stats().events_lost, 0);
    }

    #[test]
    fn a_fixed_buffer_receives_what_fits_and_refuses_what_does_not(len in 8..200usize, room in 1..200usize) {
        let mut memory = vec![0; room];
        let buffer = SliceBuffer::new(&mut memory);
        let mut channel: isotp::Channel<&[u8], _> =
            isotp::Channel::with_buffer(address().reversed(), Config::default(), buffer);
        let mut sender = BytesChannel::new(address(), Config::default());
        let payload: Bytes = (0..len).map(|i| u8::try_from(i).unwrap()).collect();
        let now = Instant::ZERO;
        sender.send(now, payload.clone()).unwrap();
        loop {
            let mut quiet = true;
            while let Some(frame) = sender.poll_transmit(now) {
                quiet = false;
                sender.handle_transmitted(now, &frame);
                channel.handle_frame(now, &frame);
            }
            while let Some(frame) = channel.poll_transmit(now) {
                quiet = false;
                channel.handle_transmitted(now, &frame);
                sender.handle_frame(now, &frame);
            }
            if quiet {
                break;
            }
        }
        let received = channel.received().map(|(_, message)| message);
        prop_assert_eq!(received, (len <= room).then_some(&payload[..]));
        prop_assert_eq!(channel.stats().messages_refused, u64::from(len > room));
    }
}
