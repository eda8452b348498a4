//! Messages whose bytes are produced while they are sent.
#![cfg(feature = "alloc")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic"
)]

use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;
use can_link::{CanFrame, StandardId};
use isotp::payload::{FromFn, FromIter, Outgoing, SourceFailed};
use isotp::{
    Address, BlockSize, BytesChannel, Channel, Config, DataLink, Endpoints, Event, Payload, RateLimit,
    SendError, SliceBuffer, SourceChannel, StMin, TransferError,
};
use proptest::prelude::*;
use tinwire_time::Instant;

fn normal() -> Address {
    let id = |raw| StandardId::new(raw).unwrap();
    Address::normal(id(0x7E0), id(0x7E8)).unwrap()
}

fn message(len: usize) -> Bytes {
    (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect()
}

/// What came of one message.
#[derive(Debug, PartialEq)]
struct Outcome {
    frames: Vec<(Instant, CanFrame)>,
    events: Vec<Event>,
    received: Option<Bytes>,
}

/// Sends one message to a receiver that allows blocks of `block`, on a wire without delay.
fn talk(payload: impl Payload, address: Address, config: Config, block: u8) -> Outcome {
    let answer = Config::default()
        .block_size(BlockSize::from_bits(block))
        .st_min(StMin::from_millis(1).unwrap())
        .data_link(DataLink::fd());
    let mut now = Instant::ZERO;
    let mut sender = Channel::new(address, config);
    let mut receiver = BytesChannel::new(address.reversed(), answer);
    sender.send(now, payload).unwrap();
    let (mut frames, mut events) = (Vec::new(), Vec::new());
    loop {
        while let Some(frame) = sender.poll_transmit(now) {
            sender.handle_transmitted(now, &frame);
            receiver.handle_frame(now, &frame);
            frames.push((now, frame));
            while let Some(answer) = receiver.poll_transmit(now) {
                receiver.handle_transmitted(now, &answer);
                sender.handle_frame(now, &answer);
            }
            events.extend(core::iter::from_fn(|| sender.poll_event()));
        }
        events.extend(core::iter::from_fn(|| sender.poll_event()));
        match sender.poll_timeout() {
            Some(due) if !sender.can_send() => now = now.max(due),
            _ => break,
        }
        sender.handle_timeout(now);
    }
    assert_eq!(sender.poll_transmit(now), None, "nothing follows");
    Outcome {
        frames,
        events,
        received: receiver.take_received(now).map(|(_, message)| message),
    }
}

/// A source that has so many bytes of a message.
fn source(message: &Bytes, has: usize) -> impl Payload + Send + use<> {
    FromIter::new(message.len(), message.slice(..has))
}

fn configs() -> impl Strategy<Value = (Address, Config)> {
    let id = |raw| StandardId::new(raw).unwrap();
    let extended = Address::extended(id(0x7E0), id(0x7E8), 1, 2).unwrap();
    let address = prop_oneof![Just(normal()), Just(extended)];
    let link = prop_oneof![Just(DataLink::Classic), Just(DataLink::fd())];
    (address, link, any::<bool>()).prop_map(|(address, link, is_limited)| {
        let limit = RateLimit::new(100_000, Duration::from_millis(20)).unwrap();
        let limit = Some(limit).filter(|_| is_limited);
        (address, Config::default().data_link(link).rate_limit(limit))
    })
}

proptest! {
    #[test]
    fn the_same_bytes_are_the_same_frames_at_the_same_times_from_memory_and_from_a_source(
        len in 1_usize..900,
        (address, config) in configs(),
        block in 0_u8..5,
    ) {
        let message = message(len);
        let from_memory = talk(message.clone(), address, config, block);
        prop_assert_eq!(from_memory.received.as_ref(), Some(&message));
        let bytes = message.clone();
        let copying = FromFn::new(len, move |offset, part: &mut [u8]| {
            part.copy_from_slice(&bytes[offset..offset + part.len()]);
            Ok(part.len())
        });
        prop_assert_eq!(&talk(copying, address, config, block), &from_memory);
        prop_assert_eq!(&talk(source(&message, len), address, config, block), &from_memory);
        let boxed = Outgoing::from_source(source(&message, len));
        prop_assert_eq!(&talk(boxed, address, config, block), &from_memory);
        // What a source has beyond the announced length stays with it.
        let endless = FromIter::new(len, message.iter().copied().chain(core::iter::repeat(0xEE)));
        prop_assert_eq!(&talk(endless, address, config, block), &from_memory);
    }

    #[test]
    fn a_source_that_ends_early_ends_the_transfer_and_nothing_made_up_is_sent(
        (len, has) in (1_usize..300).prop_flat_map(|len| (Just(len), 0..len)),
        (address, config) in configs(),
        block in 0_u8..5,
    ) {
        let message = message(len);
        let whole = talk(message.clone(), address, config, block);
        let cut = talk(source(&message, has), address, config, block);
        prop_assert_eq!(&cut.frames[..], &whole.frames[..cut.frames.len()]);
        prop_assert_eq!(cut.received, None);
        let Some(Event::SendFailed { error, sent, len: announced, .. }) = cut.events.last() else {
            return Err(TestCaseError::fail(format!("{:?}", cut.events)));
        };
        prop_assert_eq!((*error, *announced as usize), (TransferError::SourceEnded, len));
        // All that fills whole frames was sent.
        prop_assert!((*sent as usize) <= has && has - (*sent as usize) < 63, "{} of {}", sent, has);
        let is_sent = |event: &Event| matches!(event, Event::Sent { .. });
        prop_assert!(!cut.events.iter().any(is_sent));
    }
}

#[test]
fn a_source_that_fails_is_named_and_the_next_message_begins_clean() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let failing = FromFn::new(100, move |offset, part: &mut [u8]| {
        counted.fetch_add(1, Ordering::Relaxed);
        if offset < 13 {
            Ok(part.len())
        } else {
            Err(SourceFailed)
        }
    });
    let mut channel = SourceChannel::new(normal(), Config::default());
    let now = Instant::ZERO;
    let id = channel.send(now, Outgoing::from_source(failing)).unwrap();
    let head = channel.poll_transmit(now).unwrap();
    channel.handle_transmitted(now, &head);
    let them = StandardId::new(0x7E8).unwrap();
    channel.handle_frame(now, &CanFrame::data(them, &[0x30, 0, 0]).unwrap());
    assert!(channel.poll_transmit(now).is_some(), "its second part was there");
    assert_eq!(channel.poll_transmit(now), None);
    let events: Vec<_> = core::iter::from_fn(|| channel.poll_event()).collect();
    let (error, sent, len) = (TransferError::SourceFailed, 13, 100);
    assert_eq!(events.last(), Some(&Event::SendFailed { id, error, sent, len }));
    assert_eq!(channel.poll_timeout(), None);
    assert_eq!(calls.load(Ordering::Relaxed), 3, "it is not called again");
    assert_eq!(Arc::strong_count(&calls), 1, "and is given up");
    channel.send(now, Bytes::from_static(&[0x3E]).into()).unwrap();
    assert_eq!(channel.poll_transmit(now).unwrap().payload()[..2], [0x01, 0x3E]);
}

#[test]
fn an_aborted_source_is_given_up_at_once() {
    let alive = Arc::new(());
    let held = Arc::clone(&alive);
    let endless = FromFn::new(100, move |_, part: &mut [u8]| {
        let _alive = &held;
        Ok(part.len())
    });
    let mut channel = SourceChannel::new(normal(), Config::default());
    channel
        .send(Instant::ZERO, Outgoing::from_source(endless))
        .unwrap();
    assert!(channel.poll_transmit(Instant::ZERO).is_some());
    assert_eq!(Arc::strong_count(&alive), 2);
    channel.abort_send();
    assert_eq!(Arc::strong_count(&alive), 1);
    let Some(Event::SendFailed { error, sent, .. }) = channel.poll_event() else {
        panic!("no failure");
    };
    assert_eq!((error, sent), (TransferError::Aborted, 6));
}

#[test]
fn the_announced_length_has_32_bits() {
    let mut memory = [0; 8];
    let mut channel = Channel::with_buffer(normal(), Config::default(), SliceBuffer::new(&mut memory));
    let zeros = |len| FromIter::new(len, core::iter::repeat(0));
    assert_eq!(channel.send(Instant::ZERO, zeros(0)), Err(SendError::Empty));
    let longest = usize::try_from(u32::MAX).unwrap();
    if let Some(len) = longest.checked_add(1) {
        let refused = channel.send(Instant::ZERO, zeros(len));
        assert_eq!(refused, Err(SendError::TooLong { len, max: longest }));
    }
    channel.send(Instant::ZERO, zeros(longest)).unwrap();
    let head = channel.poll_transmit(Instant::ZERO).unwrap();
    assert_eq!(head.payload(), [0x10, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0]);
}

#[test]
fn a_source_that_claims_more_than_it_was_asked_for_is_taken_at_what_it_was_asked_for() {
    let boasting = FromFn::new(20, |_, part: &mut [u8]| {
        part.fill(7);
        Ok(usize::MAX)
    });
    let outcome = talk(boasting, normal(), Config::default(), 0);
    assert_eq!(outcome.received, Some(Bytes::from(vec![7; 20])));
}

#[test]
fn an_endpoint_whose_source_fails_says_so_and_lets_others_have_their_turns() {
    let id = |raw| StandardId::new(raw).unwrap();
    let mut endpoints = Endpoints::new();
    let [first, second] = [1, 2].map(|n| {
        let address = Address::normal(id(0x100 + n), id(0x200 + n)).unwrap();
        endpoints.insert(address, Config::default()).unwrap()
    });
    let now = Instant::ZERO;
    let mut one = endpoints.get_mut(first).unwrap();
    one.send_from(now, source(&message(20), 3)).unwrap();
    drop(one);
    endpoints.get_mut(second).unwrap().send(now, message(3)).unwrap();
    while endpoints.poll_event().is_some() {}
    let (owner, frame) = endpoints.poll_transmit(now).unwrap();
    assert_eq!((owner, frame.payload()[0]), (second, 0x03));
    assert_eq!(endpoints.poll_transmit(now), None);
    let events: Vec<_> = core::iter::from_fn(|| endpoints.poll_event()).collect();
    let [(owner, Event::SendFailed { error, sent, .. })] = events[..] else {
        panic!("{events:?}");
    };
    assert_eq!((owner, error, sent), (first, TransferError::SourceEnded, 0));
    assert!(endpoints.get(first).unwrap().can_send());
}

#[cfg(feature = "tokio")]
mod driven {
    use can_link::virtual_bus::VirtualBus;
    use futures::TryStreamExt as _;
    use isotp::payload::FromReader;
    use isotp::{IsoTpStream, Network, SendState, StreamError};

    use super::*;

    fn failure(result: Result<(), StreamError>) -> (TransferError, Option<u32>, u32) {
        match result.unwrap_err() {
            StreamError::SendFailed { error, sent, len, .. } => (error, sent, len),
            other => panic!("{other}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_sends_from_a_reader_and_tells_how_it_gets_on() {
        let bus = VirtualBus::new();
        let config = Config::default().max_rx_len(100_000);
        let mut tester = IsoTpStream::new(bus.join(), normal(), config).unwrap();
        let mut ecu = IsoTpStream::new(bus.join(), normal().reversed(), config).unwrap();
        let bytes = message(50_000);
        let reader = std::io::Cursor::new(bytes.clone());
        let sending = tester.start_from(FromReader::new(bytes.len(), reader));
        let states = sending.try_collect::<Vec<_>>();
        let (states, received) = tokio::join!(states, ecu.recv());
        let states = states.unwrap();
        assert_eq!(received.unwrap().unwrap(), bytes);
        assert_eq!(states.last(), Some(&SendState::Done));
        assert!(
            states
                .iter()
                .any(|state| matches!(state, SendState::Progress { len: 50_000, .. }))
        );
        // Behind the end of the reader there is nothing, and then the stream is as before.
        let short = FromReader::new(20, std::io::Cursor::new([1, 2, 3]));
        let failed = failure(tester.send_from(short).await);
        assert_eq!(failed, (TransferError::SourceEnded, Some(0), 20));
        let (sent, received) = tokio::join!(tester.send(message(9)), ecu.recv());
        sent.unwrap();
        assert_eq!(received.unwrap().unwrap(), message(9));
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_waits_behind_the_message_before_it() {
        let bus = VirtualBus::new();
        let mut tester = IsoTpStream::new(bus.join(), normal(), Config::default()).unwrap();
        let mut ecu = IsoTpStream::new(bus.join(), normal().reversed(), Config::default()).unwrap();
        drop(tester.start(message(100)));
        let both = async {
            (
                ecu.recv().await.unwrap().unwrap(),
                ecu.recv().await.unwrap().unwrap(),
            )
        };
        let second = message(30);
        let (sent, (one, two)) = tokio::join!(tester.send_from(source(&second, 30)), both);
        sent.unwrap();
        assert_eq!((one, two), (message(100), second));
    }

    #[tokio::test(start_paused = true)]
    async fn an_endpoint_goes_on_with_the_next_message_when_a_source_fails_half_way() {
        let bus = VirtualBus::new();
        let (testers, ecus) = (Network::new(bus.join()), Network::new(bus.join()));
        let tester = testers.endpoint(normal(), Config::default()).await.unwrap();
        let ecu = ecus
            .endpoint(normal().reversed(), Config::default())
            .await
            .unwrap();
        let good = message(300);
        let failing = FromFn::new(300, |offset, part: &mut [u8]| match offset {
            0..150 => Ok(part.len()),
            _ => Err(SourceFailed),
        });
        let failing = tester.start_from(failing);
        let going = tester.start_from(source(&good, 300));
        assert_eq!(tester.queued(), 1);
        let (error, sent, len) = failure(failing.done().await);
        assert_eq!((error, len), (TransferError::SourceFailed, 300));
        assert!((150..160).contains(&sent.unwrap()), "{sent:?}");
        let (sent, interrupted) = tokio::join!(going.done(), ecu.recv());
        sent.unwrap();
        let interrupted = interrupted.unwrap().unwrap_err();
        assert!(matches!(
            interrupted,
            StreamError::ReceiveFailed {
                error: TransferError::UnexpectedPdu,
                ..
            }
        ));
        assert_eq!(ecu.recv().await.unwrap().unwrap(), good);
    }
}
