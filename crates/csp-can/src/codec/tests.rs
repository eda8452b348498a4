use std::vec::Vec;

use bytes::Bytes;
use can_link::{CanFrame, CanTxExt, RecordStream, StandardId, VirtualBus};
use csp_core::{Header, Port};
use futures::{FutureExt, SinkExt, StreamExt};
use proptest::prelude::*;
use tokio_util::codec::Framed;

use super::*;
use crate::{DiscardReason, IgnoreReason, Reassembled};

fn packet(source: u16, payload: impl Into<Bytes>) -> Packet {
    let port = |bits| Port::new(bits).unwrap();
    let address = |bits| Address::new(bits).unwrap();
    Packet::new(
        Header::new((address(source), port(33)), (address(9), port(10))),
        payload.into(),
    )
}

fn codec(address: u16) -> CfpCodec {
    CfpCodec::new(
        Version::V2,
        Address::new(address).unwrap(),
        ReassemblyConfig::default(),
    )
}

fn complete(packet: Packet) -> Received {
    Received::Packet(Reassembled {
        packet,
        broadcast: false,
    })
}

#[tokio::test(start_paused = true)]
async fn framed_carries_packets_over_a_bus_among_foreign_traffic() {
    let bus = VirtualBus::new();
    let mut one = Framed::new(RecordStream::new(bus.join()), codec(4));
    let mut two = Framed::new(RecordStream::new(bus.join()), codec(9));
    let mut stranger = bus.join();
    for len in [0, 3, 4, 5, 100, 256] {
        stranger
            .send(CanFrame::data(StandardId::MAX, &[1, 2, 3]).unwrap())
            .await
            .unwrap();
        let sent = packet(
            4,
            (0..len).map(|byte: u16| byte.to_be_bytes()[1]).collect::<Bytes>(),
        );
        one.send(sent.clone()).await.unwrap();
        let foreign = Received::Ignored(IgnoreReason::StandardId);
        assert_eq!(two.next().await.unwrap().unwrap(), foreign);
        assert_eq!(two.next().await.unwrap().unwrap(), complete(sent));
    }
    assert_eq!(two.codec().reassembler().stats().ignored_standard_id, 6);
}

#[tokio::test(start_paused = true)]
async fn a_broken_packet_is_an_item_and_the_next_one_comes_through() {
    let bus = VirtualBus::new();
    let mut two = Framed::new(RecordStream::new(bus.join()), codec(9));
    let mut sender = bus.join();
    let header = packet(4, "").header;
    let mut fragmenter = Fragmenter::new(Version::V2, header.source);
    let broken: Vec<_> = fragmenter.fragments(&header, None, &[7; 20]).unwrap().collect();
    sender.send(broken[0].clone()).await.unwrap();
    sender.send(broken[2].clone()).await.unwrap();
    for frame in fragmenter.fragments(&header, None, b"good").unwrap() {
        sender.send(frame).await.unwrap();
    }
    let reason = DiscardReason::WrongCounter { expected: 1, got: 2 };
    let source = crate::Sender::of(Version::V2, header.source);
    assert_eq!(
        two.next().await.unwrap().unwrap(),
        Received::Discarded { source, reason }
    );
    assert_eq!(two.next().await.unwrap().unwrap(), complete(packet(4, "good")));
    assert!(two.next().now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_no_frame_is_told_and_counted() {
    let mut records = BytesMut::from(&[0xFF; RECORD_LEN][..]);
    codec(4).encode(packet(4, "good"), &mut records).unwrap();
    let mut decoder = codec(9);
    let Some(Received::Ignored(IgnoreReason::Malformed(_))) = decoder.decode(&mut records).unwrap() else {
        panic!("it is not told");
    };
    assert_eq!(
        decoder.decode(&mut records).unwrap(),
        Some(complete(packet(4, "good")))
    );
    assert_eq!(decoder.reassembler().stats().ignored_malformed, 1);
}

#[tokio::test(start_paused = true)]
async fn a_header_without_a_form_is_refused_and_writes_nothing() {
    let mut wrong = packet(4, "x");
    wrong.header.flags = csp_core::Flags::from_bits(0x80);
    let mut records = BytesMut::new();
    let error = codec(4).encode(wrong, &mut records).unwrap_err();
    assert_eq!((error.kind(), records.len()), (io::ErrorKind::InvalidInput, 0));
}

proptest! {
    #[test]
    fn any_cutting_of_the_records_gives_the_same_items(
        lengths in proptest::collection::vec(0..60usize, 1..6),
        cuts in proptest::collection::vec(1..200usize, 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _clock = runtime.enter();
        let sent: Vec<_> = lengths.iter().map(|len| packet(4, std::vec![9; *len])).collect();
        let mut records = BytesMut::new();
        let mut encoder = codec(4);
        for packet in &sent {
            encoder.encode(packet.clone(), &mut records).unwrap();
        }
        let mut decoder = codec(9);
        let (mut arrived, mut got) = (BytesMut::new(), Vec::new());
        for cut in cuts.into_iter().cycle() {
            arrived.put_slice(&records.split_to(cut.min(records.len())));
            while let Some(item) = decoder.decode(&mut arrived).unwrap() {
                got.push(item);
            }
            if records.is_empty() {
                break;
            }
        }
        prop_assert_eq!(got, sent.into_iter().map(complete).collect::<Vec<_>>());
    }

    #[test]
    fn any_bytes_decode_without_harm(bytes: Vec<u8>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _clock = runtime.enter();
        let mut records = BytesMut::from(&bytes[..]);
        let mut decoder = codec(9);
        while decoder.decode(&mut records).unwrap().is_some() {}
        prop_assert!(records.len() < RECORD_LEN);
    }
}
