//! Stock `Framed` over any CAN link: no frame is cut, glued or lost, whatever the read sizes.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]

use core::pin::Pin;
use core::task::{Context, Poll};
use std::io;

use bytes::{Buf, BufMut, BytesMut};
use can_link::frame::FdFlags;
use can_link::link::{BadInput, Event, LinkChange};
use can_link::record::{self, RECORD_LEN};
use can_link::virtual_bus::{BusConfig, Echo, PortConfig};
use can_link::{CanFrame, CanRxExt, CanTxExt, ExtendedId, RecordError, RecordStream, StandardId, VirtualBus};
use futures::{SinkExt, StreamExt};
use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio_util::codec::{Decoder, Encoder, Framed, FramedRead};

/// The simplest codec there is: every record is one frame.
struct Frames;

impl Decoder for Frames {
    type Item = CanFrame;
    type Error = io::Error;

    fn decode(&mut self, bytes: &mut BytesMut) -> io::Result<Option<CanFrame>> {
        let Some(record) = bytes.first_chunk::<RECORD_LEN>() else {
            return Ok(None);
        };
        let frame = record::decode_record(record).map_err(io::Error::other)?;
        bytes.advance(RECORD_LEN);
        Ok(Some(frame))
    }
}

impl Encoder<CanFrame> for Frames {
    type Error = io::Error;

    fn encode(&mut self, frame: CanFrame, bytes: &mut BytesMut) -> io::Result<()> {
        bytes.put_slice(&record::encode_record(&frame).expect("the tests send no CAN XL"));
        Ok(())
    }
}

/// Reads from `inner` in pieces of the given sizes, over and over.
struct Pieces<R> {
    inner: R,
    sizes: Vec<usize>,
    next: usize,
}

impl<R: AsyncRead + Unpin> AsyncRead for Pieces<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let size = this.sizes[this.next % this.sizes.len()].clamp(1, out.remaining());
        let mut piece = vec![0; size];
        let mut part = ReadBuf::new(&mut piece);
        let poll = Pin::new(&mut this.inner).poll_read(cx, &mut part);
        out.put_slice(part.filled());
        this.next += 1;
        poll
    }
}

fn any_frame() -> impl Strategy<Value = CanFrame> {
    let data = |max| proptest::collection::vec(any::<u8>(), 0..=max);
    prop_oneof![
        (0..0x800u16, data(8))
            .prop_map(|(id, data)| CanFrame::data(StandardId::new(id).unwrap(), &data).unwrap()),
        (0..0x2000_0000u32, data(64)).prop_map(|(id, data)| {
            CanFrame::fd(ExtendedId::new(id).unwrap(), &data, FdFlags::BRS).unwrap()
        }),
        (0..0x800u16, 0..9usize)
            .prop_map(|(id, len)| CanFrame::remote(StandardId::new(id).unwrap(), len).unwrap()),
    ]
}

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn mixed_classic_and_fd_traffic_arrives_intact_at_any_read_size(
        frames in proptest::collection::vec(any_frame(), 1..200),
        sizes in proptest::collection::vec(1..400usize, 1..8),
    ) {
        run(async {
            let bus = VirtualBus::new();
            let mut sender = Framed::new(RecordStream::new(bus.join()), Frames);
            let pieces = Pieces { inner: RecordStream::new(bus.join()), sizes, next: 0 };
            let mut receiver = FramedRead::new(pieces, Frames);
            for frame in &frames {
                sender.feed(frame.clone()).await.unwrap();
            }
            sender.flush().await.unwrap();
            for frame in &frames {
                assert_eq!(&receiver.next().await.unwrap().unwrap(), frame);
            }
        });
    }
}

#[tokio::test]
async fn fed_frames_leave_as_single_frames_in_order() {
    let bus = VirtualBus::new();
    let mut sender = Framed::new(RecordStream::new(bus.join()), Frames);
    let mut receiver = bus.join();
    for raw in 0..300 {
        sender
            .feed(CanFrame::data(StandardId::new(raw).unwrap(), &[1]).unwrap())
            .await
            .unwrap();
    }
    sender.flush().await.unwrap();
    for raw in 0..300 {
        assert_eq!(receiver.recv_frame().await.unwrap().unwrap().frame.id_word(), raw);
    }
    assert_eq!(sender.get_ref().stats().written, 300);
}

#[tokio::test]
async fn a_write_that_is_no_record_is_refused_and_puts_nothing_on_the_bus() {
    let bus = VirtualBus::new();
    let mut stream = RecordStream::new(bus.join());
    let error = stream.write(&[0; RECORD_LEN - 1]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<RecordError>());
    assert_eq!(inner, Some(&RecordError::Truncated { got: 71 }));
    assert_eq!(bus.stats().frames, 0);
}

#[tokio::test]
async fn a_record_that_cannot_be_sent_is_counted_and_does_not_hold_up_the_next() {
    let bus = VirtualBus::with_config(BusConfig::default().classic_only());
    let mut other = bus.join();
    let mut framed = Framed::new(RecordStream::new(bus.join()), Frames);
    let fd = CanFrame::fd(StandardId::ZERO, &[1], FdFlags::NONE).unwrap();
    framed.send(fd).await.unwrap();
    framed
        .send(CanFrame::data(StandardId::MAX, &[7]).unwrap())
        .await
        .unwrap();
    assert_eq!(other.recv_frame().await.unwrap().unwrap().frame.payload(), [7]);
    let mut too_long = [0; RECORD_LEN];
    too_long[4] = 9;
    let stream = framed.get_mut();
    stream.write_all(&too_long).await.unwrap();
    assert_eq!((stream.stats().refused, stream.stats().written), (2, 1));
    let refused = stream.next_event().unwrap();
    assert_eq!(
        refused,
        Event::BadInput(BadInput::Unsupported {
            what: "CAN FD frames"
        })
    );
    assert!(matches!(
        stream.next_event(),
        Some(Event::BadInput(BadInput::Record(_)))
    ));
    assert_eq!(bus.stats().frames, 1);
}

#[tokio::test]
async fn of_too_many_events_the_newest_are_kept() {
    let bus = VirtualBus::new();
    let mut stream = RecordStream::new(bus.join());
    let mut other = bus.join();
    for _ in 0..200 {
        bus.set_link(LinkChange::Down);
        bus.set_link(LinkChange::Up);
        other
            .send(CanFrame::data(StandardId::ZERO, &[]).unwrap())
            .await
            .unwrap();
        stream.read_exact(&mut [0; RECORD_LEN]).await.unwrap();
    }
    bus.set_link(LinkChange::Gone);
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(stream.stats().events_lost, 401 - 256);
    let mut last = None;
    while let Some(event) = stream.next_event() {
        last = Some(event);
    }
    assert_eq!(last, Some(Event::Link(LinkChange::Gone)));
}

#[tokio::test]
async fn what_is_not_a_record_is_counted_and_offered_on_the_side() {
    let bus = VirtualBus::new();
    let mut other = bus.join();
    let mut stream = RecordStream::new(bus.join_with(PortConfig::default().echo(Echo::On)));
    let xl = can_link::frame::XlFrame::new(StandardId::ZERO, [1, 2, 3]).unwrap();
    other.send(xl.clone()).await.unwrap();
    bus.set_link(LinkChange::Down);
    bus.set_link(LinkChange::Up);
    let mut own = [0; RECORD_LEN];
    own[4] = 1;
    stream.write_all(&own).await.unwrap();
    other
        .send(CanFrame::data(StandardId::MAX, &[7]).unwrap())
        .await
        .unwrap();
    let mut record = [0; RECORD_LEN];
    stream.read_exact(&mut record).await.unwrap();
    assert_eq!(record::decode_record(&record).unwrap().payload(), [7]);
    let stats = *stream.stats();
    assert_eq!((stats.xl_frames, stats.own_echoes, stats.read), (1, 1, 1));
    assert!(
        matches!(stream.next_event(), Some(Event::Frame(received)) if received.frame == CanFrame::Xl(xl))
    );
    assert_eq!(stream.next_event(), Some(Event::Link(LinkChange::Down)));
    assert_eq!(stream.next_event(), Some(Event::Link(LinkChange::Up)));
    assert_eq!(stream.next_event(), None);
}

#[tokio::test]
async fn the_stream_ends_when_the_link_is_gone() {
    let bus = VirtualBus::new();
    let mut framed = Framed::new(RecordStream::new(bus.join()), Frames);
    bus.join()
        .send(CanFrame::data(StandardId::ZERO, &[]).unwrap())
        .await
        .unwrap();
    bus.set_link(LinkChange::Gone);
    assert!(
        framed.next().await.unwrap().is_ok(),
        "what came before is still delivered"
    );
    assert!(framed.next().await.is_none());
    let error = framed
        .send(CanFrame::data(StandardId::ZERO, &[]).unwrap())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotConnected);
}
