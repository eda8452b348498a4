extern crate std;

use std::vec;

use can_link::ExtendedId;
use csp_core::{Address, Flags, Port, Priority};
use proptest::prelude::*;

use super::*;
use crate::Fragmenter;

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn header(source: u16, destination: u16) -> Header {
    let port = |bits| Port::new(bits).unwrap();
    let address = |bits| Address::new(bits).unwrap();
    Header::new((address(source), port(33)), (address(destination), port(10)))
}

/// The frames of a packet of `len` bytes from `source` to node 9, under a packet counter.
fn train(source: u16, counter: u8, len: usize) -> Vec<CanFrame> {
    let header = header(source, 9);
    let payload: Vec<u8> = (0..=255).cycle().take(len).collect();
    let mut fragmenter = Fragmenter::new(Version::V2, header.source).with_packet_counter(counter.into());
    fragmenter.fragments(&header, None, &payload).unwrap().collect()
}

fn received(reassembler: &mut Reassembler) -> Vec<Received> {
    core::iter::from_fn(|| reassembler.poll_received()).collect()
}

/// What comes of frames that arrive together: lengths of packets, and reasons.
fn take(config: ReassemblyConfig, frames: &[CanFrame]) -> (Vec<usize>, Vec<DiscardReason>) {
    let mut reassembler = Reassembler::new(Version::V2, config);
    for frame in frames {
        reassembler.handle_frame(at(0), frame);
    }
    split(received(&mut reassembler))
}

fn split(received: Vec<Received>) -> (Vec<usize>, Vec<DiscardReason>) {
    let mut lengths = vec![];
    let mut reasons = vec![];
    for item in received {
        match item {
            Received::Packet(complete) => lengths.push(complete.packet.payload.len()),
            Received::Discarded { reason, .. } => reasons.push(reason),
            Received::Ignored(reason) => panic!("{reason}"),
        }
    }
    (lengths, reasons)
}

#[test]
fn a_lost_frame_discards_its_packet_and_the_rest_of_it() {
    let mut frames = train(4, 0, 20);
    frames.remove(1);
    let (packets, reasons) = take(ReassemblyConfig::default(), &frames);
    assert!(packets.is_empty());
    assert_eq!(reasons, [DiscardReason::WrongCounter { expected: 1, got: 2 }]);
    frames.remove(0);
    assert_eq!(
        take(ReassemblyConfig::default(), &frames).1,
        [DiscardReason::NoBegin]
    );
}

#[test]
fn a_new_first_frame_takes_the_place_of_a_packet_that_was_not_completed() {
    let frames = [&train(4, 0, 20)[..2], &train(4, 0, 12)].concat();
    let (packets, reasons) = take(ReassemblyConfig::default(), &frames);
    assert_eq!((packets, reasons), (vec![12], vec![DiscardReason::Replaced]));
}

#[test]
fn a_first_frame_cut_short_ends_the_packet_whose_place_it_takes() {
    let mut frames = train(4, 0, 20);
    let short = CanFrame::data(frames[0].id(), &[1, 2, 3]).unwrap();
    frames.insert(1, short);
    let (packets, reasons) = take(ReassemblyConfig::default(), &frames);
    assert!(packets.is_empty());
    let short = DiscardReason::ShortBegin { need: 4, got: 3 };
    let rest = DiscardReason::NoBegin;
    assert_eq!(reasons, [DiscardReason::Replaced, short, rest, rest]);
}

#[test]
fn standard_and_remote_frames_are_somebody_elses() {
    let standard = CanFrame::data(can_link::StandardId::MAX, &[0; 8]).unwrap();
    let remote = CanFrame::remote(ExtendedId::MAX, 8).unwrap();
    let mut reassembler = Reassembler::new(Version::V2, ReassemblyConfig::default());
    reassembler.handle_frame(at(0), &standard);
    reassembler.handle_frame(at(0), &remote);
    let told = [IgnoreReason::StandardId, IgnoreReason::Remote].map(Received::Ignored);
    assert_eq!(received(&mut reassembler), told);
    let stats = reassembler.stats();
    assert_eq!(
        (stats.ignored_standard_id, stats.ignored_remote, stats.frames),
        (1, 1, 0)
    );
}

#[test]
fn more_than_eight_bytes_are_a_frame_error() {
    let id = train(4, 0, 0)[0].id();
    let frame = CanFrame::fd(id, &[0; 12], can_link::frame::FdFlags::default()).unwrap();
    assert_eq!(
        take(ReassemblyConfig::default(), &[frame]).1,
        [DiscardReason::LongFrame { got: 12 }]
    );
}

#[test]
fn a_packet_idle_for_a_second_is_kept_and_after_that_discarded() {
    let frames = train(4, 0, 20);
    for (gap, expected) in [(1_000_000, vec![20]), (1_000_001, vec![])] {
        let mut reassembler = Reassembler::new(Version::V2, ReassemblyConfig::default());
        reassembler.handle_frame(at(0), &frames[0]);
        assert_eq!(reassembler.poll_timeout(), Some(Instant::from_micros(1_000_001)));
        reassembler.handle_timeout(Instant::from_micros(gap));
        for frame in &frames[1..] {
            reassembler.handle_frame(Instant::from_micros(gap), frame);
        }
        assert_eq!(split(received(&mut reassembler)).0, expected);
    }
}

#[test]
fn without_a_timer_an_old_packet_is_discarded_when_another_begins() {
    let frames = train(4, 0, 20);
    for (other, expected) in [(None, vec![20]), (Some(train(5, 0, 0)), vec![0])] {
        let mut reassembler = Reassembler::new(Version::V2, ReassemblyConfig::default());
        reassembler.handle_frame(at(0), &frames[0]);
        for frame in other.iter().flatten().chain(&frames[1..]) {
            reassembler.handle_frame(at(5_000), frame);
        }
        assert_eq!(split(received(&mut reassembler)).0, expected);
    }
}

#[test]
fn a_timeout_without_traffic_discards_and_stops() {
    let mut reassembler = Reassembler::new(Version::V2, ReassemblyConfig::default());
    reassembler.handle_frame(at(0), &train(4, 0, 20)[0]);
    reassembler.handle_frame(at(900), &train(5, 0, 20)[0]);
    reassembler.handle_timeout(at(1_000));
    assert_eq!(reassembler.pending(), 2);
    reassembler.handle_timeout(at(1_001));
    let source = Sender::of(Version::V2, Address::new(4).unwrap());
    let stale = Received::Discarded {
        source,
        reason: DiscardReason::Stale,
    };
    assert_eq!(received(&mut reassembler), [stale]);
    assert_eq!(reassembler.poll_timeout(), Some(Instant::from_micros(1_900_001)));
    reassembler.handle_timeout(at(5_000));
    assert_eq!(
        (
            reassembler.pending(),
            reassembler.pending_bytes(),
            reassembler.poll_timeout()
        ),
        (0, 0, None)
    );
}

#[test]
fn one_sender_cannot_take_all_the_room() {
    let config = ReassemblyConfig::default().max_per_sender(2).max_pending(3);
    let mut reassembler = Reassembler::new(Version::V2, config);
    for (source, counter) in [(4, 0), (4, 1), (4, 2), (5, 0), (6, 0)] {
        reassembler.handle_frame(at(u64::from(counter)), &train(source, counter, 20)[0]);
    }
    assert_eq!(reassembler.pending(), 3);
    assert_eq!(
        turned_out(&mut reassembler),
        [4, 4],
        "the third of sender 4 pushed its first out, and its second gave way to sender 6"
    );
    for (source, counter) in [(4, 2), (5, 0), (6, 0)] {
        for frame in &train(source, counter, 20)[1..] {
            reassembler.handle_frame(at(3), frame);
        }
    }
    assert_eq!(split(received(&mut reassembler)).0, [20, 20, 20]);
}

#[test]
fn bytes_in_the_making_are_bounded() {
    let config = ReassemblyConfig::default().max_bytes(24);
    let mut reassembler = Reassembler::new(Version::V2, config);
    let (one, two) = (train(4, 0, 20), train(5, 0, 20));
    for (a, b) in one.iter().zip(&two) {
        reassembler.handle_frame(at(0), a);
        reassembler.handle_frame(at(0), b);
        assert!(reassembler.pending_bytes() <= 24);
    }
    let (packets, reasons) = split(received(&mut reassembler));
    assert_eq!(packets, [20]);
    assert_eq!(
        reasons,
        [DiscardReason::Full],
        "the first to grow beyond the bound"
    );
}

/// Which senders lost packets for want of room, in order.
fn turned_out(reassembler: &mut Reassembler) -> Vec<u8> {
    let full = |item| match item {
        Received::Discarded {
            source,
            reason: DiscardReason::Full,
        } => Some(source.to_bits()),
        _ => None,
    };
    received(reassembler).into_iter().filter_map(full).collect()
}

#[test]
fn a_sender_that_fills_all_room_gives_way_to_one_that_has_none() {
    let config = ReassemblyConfig::default().max_per_sender(8).max_pending(4);
    let mut reassembler = Reassembler::new(Version::V2, config);
    for counter in 0..4 {
        reassembler.handle_frame(at(counter.into()), &train(4, counter, 20)[0]);
    }
    reassembler.handle_frame(at(4), &train(5, 0, 20)[0]);
    reassembler.handle_frame(at(5), &train(5, 1, 20)[0]);
    reassembler.handle_frame(at(6), &train(5, 2, 20)[0]);
    assert_eq!(
        turned_out(&mut reassembler),
        [4, 4, 5],
        "two each; a third would be more than the other has"
    );
    for (source, counter) in [(4, 2), (4, 3), (5, 0), (5, 1)] {
        for frame in &train(source, counter, 20)[1..] {
            reassembler.handle_frame(at(6), frame);
        }
    }
    assert_eq!(split(received(&mut reassembler)).0, [20, 20, 20, 20]);
}

#[test]
fn a_sender_that_fills_all_bytes_gives_way_to_one_that_has_less() {
    let config = ReassemblyConfig::default().max_bytes(64).max_bytes_per_sender(64);
    let mut reassembler = Reassembler::new(Version::V2, config);
    for counter in 0..3 {
        for frame in &train(4, counter, 100)[..3] {
            reassembler.handle_frame(at(counter.into()), frame);
        }
    }
    assert_eq!(reassembler.pending_bytes(), 60);
    for frame in &train(5, 0, 20) {
        reassembler.handle_frame(at(4), frame);
    }
    let (packets, reasons) = split(received(&mut reassembler));
    assert_eq!((packets, reasons), (vec![20], vec![DiscardReason::Full]));
    assert_eq!((reassembler.pending(), reassembler.pending_bytes()), (2, 40));
}

#[test]
fn bytes_of_one_sender_are_bounded_and_it_loses_the_packet_that_grew_too_much() {
    let config = ReassemblyConfig::default().max_bytes_per_sender(24);
    let mut reassembler = Reassembler::new(Version::V2, config);
    for (a, b) in train(4, 0, 20).iter().zip(&train(4, 1, 20)) {
        reassembler.handle_frame(at(0), a);
        reassembler.handle_frame(at(0), b);
        assert!(reassembler.pending_bytes() <= 24);
    }
    for frame in &train(5, 0, 20) {
        reassembler.handle_frame(at(0), frame);
    }
    let (packets, reasons) = split(received(&mut reassembler));
    assert_eq!(packets, [20, 20]);
    assert_eq!(reasons, [DiscardReason::Full]);
}

#[test]
fn a_flood_of_one_sender_costs_the_others_nothing() {
    let mut reassembler = Reassembler::new(Version::V2, ReassemblyConfig::default());
    let honest: Vec<_> = (1..=20).map(|source| train(source, 0, 200)).collect();
    let mut now = 0;
    for at_frame in 0..honest[0].len() {
        for train in &honest {
            // Each honest frame comes among many that begin packets or go on with them.
            for priority in 0..4_u32 {
                for bits in [0x42, 0x44, 0x62, 0x64] {
                    let id = priority << 27 | 9 << 13 | 40 << 7 | bits;
                    let frame = CanFrame::data(ExtendedId::new(id).unwrap(), &[0xEE; 8]).unwrap();
                    reassembler.handle_frame(Instant::from_micros(now), &frame);
                    now += 130;
                }
            }
            reassembler.handle_frame(Instant::from_micros(now), &train[at_frame]);
            now += 130;
        }
    }
    let packets = received(&mut reassembler)
        .into_iter()
        .filter_map(|item| match item {
            Received::Packet(complete) => Some(complete.packet),
            Received::Discarded { source, .. } => {
                assert_eq!(source.to_bits(), 40);
                None
            }
            Received::Ignored(reason) => panic!("{reason}"),
        });
    let mut sources: Vec<_> = packets
        .filter(|packet| packet.payload.len() == 200)
        .map(|packet| packet.header.source.to_bits())
        .collect();
    sources.sort_unstable();
    assert_eq!(sources, (1..=20).collect::<Vec<_>>());
}

#[test]
fn a_broadcast_is_marked_and_takes_the_own_address_if_there_is_one() {
    let header = header(4, Address::BROADCAST.to_bits());
    let frames: Vec<_> = Fragmenter::new(Version::V2, header.source)
        .fragments(&header, None, b"abc")
        .unwrap()
        .collect();
    let own = Address::new(9).unwrap();
    for (config, destination) in [
        (ReassemblyConfig::default(), Address::BROADCAST),
        (ReassemblyConfig::default().address(own), own),
    ] {
        let mut reassembler = Reassembler::new(Version::V2, config);
        reassembler.handle_frame(at(0), &frames[0]);
        match reassembler.poll_received() {
            Some(Received::Packet(complete)) => {
                assert_eq!(
                    (complete.packet.header.destination, complete.broadcast),
                    (destination, true)
                );
            }
            other => panic!("{other:?}"),
        }
    }
}

fn any_packet() -> impl Strategy<Value = (Header, Vec<u8>)> {
    let addresses = (0..16384u16, 0..16383u16);
    (
        addresses,
        0..4u8,
        0..64u8,
        0..64u8,
        0..64u8,
        proptest::collection::vec(any::<u8>(), 0..300),
    )
        .prop_map(|((source, destination), priority, to, from, flags, payload)| {
            let port = |bits| Port::new(bits).unwrap();
            let address = |bits| Address::new(bits).unwrap();
            let mut header = Header::new((address(source), port(from)), (address(destination), port(to)));
            header.priority = Priority::new(priority).unwrap();
            header.flags = Flags::from_bits(flags);
            (header, payload)
        })
}

/// A frame of one of few packets, so that frames meet, and the milliseconds before it.
fn any_frame() -> impl Strategy<Value = (CanFrame, u64)> {
    let data = proptest::collection::vec(any::<u8>(), 0..9);
    (0..0x300_u32, data, 0..400u64).prop_map(|(id, data, gap)| {
        let id = ExtendedId::new(id).unwrap();
        (CanFrame::data(id, &data).unwrap(), gap)
    })
}

/// What a bus does to a frame.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Arrives,
    Lost,
    Doubled,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![8 => Just(Fate::Arrives), 1 => Just(Fate::Lost), 1 => Just(Fate::Doubled)]
}

/// A packet from node 4 to node 9 with a version 1 header, as frames.
fn cfp1_train(payload: &[u8]) -> Vec<CanFrame> {
    let header = header(4, 9);
    Fragmenter::new(Version::V1, header.source)
        .fragments(&header, None, payload)
        .unwrap()
        .collect()
}

#[test]
fn cfp_1_packets_of_every_length_come_out_as_they_went_in() {
    let mut reassembler = Reassembler::new(Version::V1, ReassemblyConfig::default());
    for len in (0..40).chain([crate::MAX_CFP1_PAYLOAD]) {
        let payload: Vec<u8> = (0..=255).cycle().take(len).collect();
        for frame in cfp1_train(&payload) {
            assert_eq!(reassembler.poll_received(), None);
            reassembler.handle_frame(at(0), &frame);
        }
        let packet = Packet::new(header(4, 9), payload.into());
        let complete = Reassembled {
            packet,
            broadcast: false,
        };
        assert_eq!(received(&mut reassembler), [Received::Packet(complete)]);
    }
}

#[test]
fn cfp_1_notices_any_number_of_lost_frames() {
    let frames = cfp1_train(&[7; 200]);
    for lost in 1..frames.len() - 2 {
        let mut reassembler = Reassembler::new(Version::V1, ReassemblyConfig::default());
        for frame in frames.iter().take(1).chain(frames.iter().skip(1 + lost)) {
            reassembler.handle_frame(at(0), frame);
        }
        let (packets, reasons) = split(received(&mut reassembler));
        assert!(packets.is_empty());
        assert!(
            matches!(reasons[0], DiscardReason::WrongCounter { .. }),
            "{lost}: {reasons:?}"
        );
    }
}

#[test]
fn a_length_announced_costs_no_memory_before_its_bytes_come() {
    let config = ReassemblyConfig::default().max_bytes(16).max_payload(2042);
    let mut reassembler = Reassembler::new(Version::V1, config);
    reassembler.handle_frame(at(0), &cfp1_train(&[7; 2042])[0]);
    assert_eq!((reassembler.pending(), reassembler.pending_bytes()), (1, 2));
    let mut small = Reassembler::new(Version::V1, ReassemblyConfig::default().max_payload(2041));
    small.handle_frame(at(0), &cfp1_train(&[7; 2042])[0]);
    assert_eq!(
        split(received(&mut small)).1,
        [DiscardReason::TooLong { max: 2041 }]
    );
}

proptest! {
    #[test]
    fn a_packet_comes_out_as_it_went_in((header, payload) in any_packet(), counter in 0..4u8) {
        let mut fragmenter = Fragmenter::new(Version::V2, header.source).with_packet_counter(counter.into());
        let mut reassembler = Reassembler::new(Version::V2, ReassemblyConfig::default());
        for frame in fragmenter.fragments(&header, None, &payload).unwrap() {
            prop_assert_eq!(reassembler.poll_received(), None);
            reassembler.handle_frame(at(0), &frame);
        }
        let packet = Packet::new(header, payload.into());
        let complete = Reassembled { packet, broadcast: false };
        prop_assert_eq!(received(&mut reassembler), vec![Received::Packet(complete)]);
        prop_assert_eq!(reassembler.pending_bytes(), 0);
    }

    #[test]
    fn packets_of_several_senders_interleave_freely(
        lengths in proptest::collection::vec(0..80usize, 1..8), order: Vec<u8>,
    ) {
        let trains: Vec<_> = (0..).zip(&lengths).map(|(source, len)| train(source, 0, *len)).collect();
        let mut queues: Vec<_> = trains.iter().map(|train| train.iter()).collect();
        let mut reassembler = Reassembler::new(Version::V2, ReassemblyConfig::default());
        for pick in order {
            let at_queue = usize::from(pick) % queues.len();
            if let Some(frame) = queues[at_queue].next() {
                reassembler.handle_frame(at(0), frame);
            }
        }
        for frame in queues.into_iter().flatten() {
            reassembler.handle_frame(at(0), frame);
        }
        let (mut got, reasons) = split(received(&mut reassembler));
        let mut expected = lengths;
        got.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!((got, reasons), (expected, vec![]));
    }

    // At most eight frames a packet and four packets: beyond that CFP cannot tell packets and frames apart
    // (CFP2-7).
    #[test]
    fn lost_and_doubled_frames_never_make_a_wrong_packet(
        trains in proptest::collection::vec((0..60usize, proptest::collection::vec(fate(), 8)), 1..=4),
    ) {
        let mut reassembler = Reassembler::new(Version::V2, ReassemblyConfig::default());
        let header = header(4, 9);
        let mut fragmenter = Fragmenter::new(Version::V2, header.source);
        let mut sent = vec![];
        for (number, (len, fates)) in (0_u8..).zip(&trains) {
            let bytes = (0..=u8::MAX).map(|byte| byte.wrapping_mul(5) ^ number);
            let payload: Vec<u8> = bytes.take(*len).collect();
            for (frame, fate) in fragmenter.fragments(&header, None, &payload).unwrap().zip(fates) {
                let times = match fate { Fate::Lost => 0, Fate::Arrives => 1, Fate::Doubled => 2 };
                for _ in 0..times {
                    reassembler.handle_frame(at(0), &frame);
                }
            }
            sent.push(Packet::new(header, payload.into()));
        }
        for item in received(&mut reassembler) {
            if let Received::Packet(complete) = item {
                prop_assert!(sent.contains(&complete.packet), "{complete:?}");
            }
        }
    }

    #[test]
    fn no_frames_exceed_the_bounds(
        frames in proptest::collection::vec(any_frame(), 0..300), cfp1: bool,
    ) {
        let config = ReassemblyConfig::default().max_pending(5).max_per_sender(2);
        let config = config.max_bytes(64).max_payload(40);
        let version = if cfp1 { Version::V1 } else { Version::V2 };
        let mut reassembler = Reassembler::new(version, config);
        let mut now = 0;
        for (frame, gap) in frames {
            now += gap;
            reassembler.handle_frame(at(now), &frame);
            let bytes: usize = reassembler.pending.iter().map(|pending| pending.payload.len()).sum();
            prop_assert_eq!(bytes, reassembler.pending_bytes());
            prop_assert!(bytes <= 64 && reassembler.pending() <= 5);
            while let Some(item) = reassembler.poll_received() {
                if let Received::Packet(complete) = item {
                    prop_assert!(complete.packet.payload.len() <= 40);
                }
            }
        }
        reassembler.handle_timeout(at(now + 1_001));
        prop_assert_eq!((reassembler.pending(), reassembler.pending_bytes()), (0, 0));
    }
}
