//! Flows over something else: a byte stream in frames, a wire that goes silent.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]
#![allow(
    clippy::disallowed_methods,
    reason = "a test is a driver: it spawns and looks at the clock"
)]

use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::io;

use bytes::{Bytes, BytesMut};
use flow_core::carrier::EndedBy;
use flow_core::flow::Access;
use flow_core::qos::PeerTimeout;
use flow_core::{
    CarryConfig, DeallocError, EventKind, EventQueue, Flow, Name, QosSpec, QueueConfig, ReadError,
    WriteError, carry, carry_with,
};
use futures::channel::mpsc;
use futures::{FutureExt, Sink, SinkExt, Stream, StreamExt, TryStreamExt};
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::codec::{Framed, LengthDelimitedCodec};

fn qos(millis: u32) -> QosSpec {
    QosSpec::DATA.with_timeout(PeerTimeout::from_millis(millis))
}

fn name() -> Name {
    Name::new("carried").unwrap()
}

/// Frames over a pipe as messages of `Bytes`.
fn framed(
    stream: DuplexStream,
) -> impl Stream<Item = io::Result<Bytes>> + Sink<Bytes, Error = io::Error> + Unpin {
    Framed::new(stream, LengthDelimitedCodec::new()).map_ok(BytesMut::freeze)
}

type Carried = JoinHandle<io::Result<EndedBy>>;

/// Two flows with a byte stream of `room` bytes between them.
fn carried(room: usize, queue: QueueConfig, millis: u32) -> ((Flow, Carried), (Flow, Carried)) {
    let (here, there) = tokio::io::duplex(room);
    let end = |stream| {
        let (flow, carrier) = carry(framed(stream), &name(), qos(millis), queue);
        (flow, tokio::spawn(carrier))
    };
    (end(here), end(there))
}

/// The far end of a wire, played by the test: what the carrier sent, and a way to send to it.
struct Wire {
    sent: mpsc::UnboundedReceiver<Bytes>,
    send: mpsc::UnboundedSender<Bytes>,
}

struct Near {
    tx: mpsc::UnboundedSender<Bytes>,
    rx: mpsc::UnboundedReceiver<Bytes>,
}

impl Stream for Near {
    type Item = Result<Bytes, mpsc::SendError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.rx.poll_next_unpin(cx).map(|packet| packet.map(Ok))
    }
}

impl Sink<Bytes> for Near {
    type Error = mpsc::SendError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.tx.poll_ready_unpin(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, packet: Bytes) -> Result<(), Self::Error> {
        self.tx.start_send_unpin(packet)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.tx.poll_flush_unpin(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.tx.poll_close_unpin(cx)
    }
}

fn wired(millis: u32, queue: QueueConfig) -> (Flow, JoinHandle<Result<EndedBy, mpsc::SendError>>, Wire) {
    let ((tx, sent), (send, rx)) = (mpsc::unbounded(), mpsc::unbounded());
    let (flow, carrier) = carry(Near { tx, rx }, &name(), qos(millis), queue);
    (flow, tokio::spawn(carrier), Wire { sent, send })
}

#[tokio::test(start_paused = true)]
async fn packets_cross_a_narrow_byte_stream_whole_and_in_order() {
    let ((mut ours, _), (mut theirs, _)) = carried(7, QueueConfig::default().packets(2), 0);
    let packets: Vec<Bytes> = (1..200usize).map(|len| vec![7; len].into()).collect();
    let sent = packets.clone();
    tokio::spawn(async move {
        for packet in sent {
            ours.write(packet).await.unwrap();
        }
        ours.dealloc_within(Duration::MAX).await.unwrap();
    });
    let mut got = Vec::new();
    while let Some(packet) = theirs.next().await {
        got.push(packet.unwrap());
    }
    assert_eq!(got, packets);
}

#[tokio::test(start_paused = true)]
async fn each_end_of_a_carried_flow_is_told_by_its_name() {
    let ((ours, here), (theirs, there)) = carried(64, QueueConfig::default(), 0);
    drop(ours);
    assert_eq!(there.await.unwrap().unwrap(), EndedBy::Peer);
    assert_eq!(here.await.unwrap().unwrap(), EndedBy::Application);
    let (mut reader, mut writer) = theirs.split();
    assert_eq!(reader.read_packet().await, Err(ReadError::Deallocated));
    assert_eq!(writer.write("x").await, Err(WriteError::Deallocated));
}

#[tokio::test(start_paused = true)]
async fn a_carrier_that_is_dropped_ends_the_flow() {
    let ((mut ours, here), _there) = carried(64, QueueConfig::default(), 0);
    let mut events = EventQueue::new();
    events.set().add(&ours).unwrap();
    here.abort();
    assert_eq!(events.wait().await.kind, EventKind::Dealloc);
    assert_eq!(ours.write("x").await, Err(WriteError::Deallocated));
}

#[tokio::test(start_paused = true)]
async fn a_closed_writer_leaves_the_reader_its_direction() {
    let (flow, carrier, mut wire) = wired(0, QueueConfig::default());
    let (mut reader, mut writer) = flow.split();
    writer.send("bye".into()).await.unwrap();
    writer.close().await.unwrap();
    assert_eq!(wire.sent.next().await.unwrap(), "bye");
    assert_eq!(wire.sent.next().await, None);
    wire.send.unbounded_send("still here".into()).unwrap();
    assert_eq!(reader.read_packet().await.unwrap(), "still here");
    drop((reader, writer));
    assert_eq!(carrier.await.unwrap().unwrap(), EndedBy::Application);
}

#[tokio::test(start_paused = true)]
async fn silence_is_filled_with_keepalives_every_quarter_of_the_timeout() {
    let (mut flow, _carrier, mut wire) = wired(1_200, QueueConfig::default());
    let start = Instant::now();
    assert!(wire.sent.next().await.unwrap().is_empty());
    assert_eq!(start.elapsed().as_millis(), 300);
    tokio::time::sleep(Duration::from_millis(200)).await;
    flow.write("x").await.unwrap();
    assert_eq!(wire.sent.next().await.unwrap(), "x");
    assert!(wire.sent.next().await.unwrap().is_empty());
    assert_eq!(start.elapsed().as_millis(), 800);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_silent_for_the_timeout_is_gone_and_the_rest_is_read_first() {
    let (mut flow, carrier, wire) = wired(1_200, QueueConfig::default());
    let events = EventQueue::new();
    events.set().add(&flow).unwrap();
    let start = Instant::now();
    wire.send.unbounded_send("last".into()).unwrap();
    assert_eq!(carrier.await.unwrap().unwrap(), EndedBy::Silence);
    assert_eq!(start.elapsed().as_millis(), 1_200);
    let kinds: Vec<_> = events.take(2).map(|event| event.kind).collect().await;
    assert_eq!(kinds, [EventKind::Packet, EventKind::Peer]);
    assert_eq!(flow.next().await.unwrap().unwrap(), "last");
    assert_eq!(flow.write("x").await, Err(WriteError::PeerGone));
    assert!(flow.next().await.unwrap().is_err(), "an abnormal end is told");
    assert!(flow.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn keepalives_that_arrive_count_whether_or_not_anybody_reads() {
    let (mut flow, carrier, wire) = wired(1_000, QueueConfig::default());
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(250)).await;
        wire.send.unbounded_send(Bytes::new()).unwrap();
    }
    assert!(!carrier.is_finished());
    assert_eq!(
        flow.try_read_packet(),
        Err(ReadError::WouldBlock),
        "nobody reads a keepalive"
    );
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_holds_the_peer_back_and_does_not_hold_it_for_gone() {
    let (mut flow, carrier, wire) = wired(1_000, QueueConfig::default().packets(1));
    for text in ["1", "2", "3"] {
        wire.send.unbounded_send(text.into()).unwrap();
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!carrier.is_finished());
    for text in ["1", "2", "3"] {
        assert_eq!(flow.read_packet().await.unwrap(), text);
    }
    assert_eq!(carrier.await.unwrap().unwrap(), EndedBy::Silence);
}

#[tokio::test(start_paused = true)]
async fn a_failed_transport_is_the_carriers_result_and_the_flows_end() {
    let (mut flow, carrier, wire) = wired(0, QueueConfig::default());
    drop(wire.sent);
    flow.write("x").await.unwrap();
    assert!(carrier.await.unwrap().unwrap_err().is_disconnected());
    assert_eq!(flow.read_packet().await, Err(ReadError::Reset));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_can_take_is_counted() {
    let ((tx, _sent), (send, rx)) = (mpsc::unbounded(), mpsc::unbounded());
    let queue = QueueConfig::default().bytes(3);
    let (flow, mut carrier) = carry(Near { tx, rx }, &name(), qos(0), queue);
    send.unbounded_send("long".into()).unwrap();
    send.unbounded_send("ok".into()).unwrap();
    let (mut reader, _writer) = flow.split();
    assert!((&mut carrier).now_or_never().is_none());
    assert_eq!(reader.try_read_packet().unwrap(), "ok");
    drop(reader);
    send.unbounded_send("no".into()).unwrap();
    send.unbounded_send(Bytes::new()).unwrap();
    assert!((&mut carrier).now_or_never().is_none());
    let stats = carrier.stats();
    assert_eq!(
        (stats.too_long, stats.unwanted, stats.keepalives_received),
        (1, 1, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_transport_loses_is_counted_and_told() {
    let mut losses = None;
    let (sent, received) = (mpsc::unbounded().0, mpsc::unbounded::<Bytes>().1);
    let (flow, carrier) = carry_with(&name(), qos(0), CarryConfig::default(), |told| {
        losses = Some(told);
        Near {
            tx: sent,
            rx: received,
        }
    });
    let mut events = EventQueue::new();
    events.set().add(&flow).unwrap();
    let losses = losses.unwrap();
    losses.handle_lost_incoming(2);
    losses.handle_lost_incoming(1);
    losses.handle_lost_outgoing(5);
    assert_eq!(events.wait().await.kind, EventKind::Dropped { count: 3 });
    assert_eq!((flow.read_stats().lost, flow.read_stats().dropped), (3, 0));
    assert_eq!(flow.write_stats().lost, 5);
    drop(carrier);
}

#[tokio::test(start_paused = true)]
async fn a_packet_longer_than_the_transport_takes_is_refused_at_once() {
    let config = CarryConfig::default().max_packet(4).access(Access::WriteOnly);
    let (mut flow, carrier) = carry_with(&name(), qos(0), config, |_| framed(tokio::io::duplex(64).0));
    let carrier = tokio::spawn(carrier);
    assert_eq!(flow.max_packet(), 4);
    let refused = flow.write("12345").await.unwrap_err();
    assert_eq!(refused, WriteError::TooLong { len: 5, max: 4 });
    flow.write("1234").await.unwrap();
    assert_eq!(flow.read_packet().await.unwrap_err(), ReadError::WriteOnly);
    carrier.abort();
}

#[tokio::test(start_paused = true)]
async fn a_flow_that_ends_waits_until_its_transport_has_closed() {
    let (here, there) = tokio::io::duplex(16);
    let (mut flow, carrier) = carry(framed(here), &name(), qos(0), QueueConfig::default());
    let carrier = tokio::spawn(carrier);
    flow.write(vec![7; 100]).await.unwrap();
    let late = flow.dealloc_within(Duration::from_secs(1)).await.unwrap_err();
    assert_eq!(
        late,
        DeallocError::Unread { packets: 1 },
        "the pipe of 16 bytes is full"
    );
    let mut far = framed(there);
    assert_eq!(far.next().await.unwrap().unwrap().len(), 100);
    drop(far);
    assert_eq!(carrier.await.unwrap().unwrap(), EndedBy::Application);
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_fails_resets_the_flow() {
    let (here, mut there) = tokio::io::duplex(64);
    let (mut flow, carrier) = carry(framed(here), &name(), qos(0), QueueConfig::default());
    let carrier = tokio::spawn(carrier);
    there.write_all(&[0xff; 8]).await.unwrap(); // a length beyond all limits
    assert_eq!(flow.read_packet().await.unwrap_err(), ReadError::Reset);
    assert_eq!(flow.write("x").await.unwrap_err(), WriteError::Reset);
    carrier.await.unwrap().unwrap_err();
}
