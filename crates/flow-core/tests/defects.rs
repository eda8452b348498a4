//! The defects of Ouroboros 0.23.0 and PyOuroboros 0.23.0 that concern flows on one host, each with its
//! opposite here or in another file:
//!
//! | defect | where |
//! |---|---|
//! | 1 to 8, 11, 14 | here |
//! | 9 to 12, what is sent again | `frct` |
//! | 16, crashes and deaths | `machine`, `kills` |
//! | 20, users of one machine | `peer_user` |
//! | PyOuroboros: exceptions, lines, events, Ctrl-C, threads | `blocking`, `irm` |
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]
#![allow(
    clippy::disallowed_methods,
    reason = "a test is a driver: it spawns and looks at the clock"
)]

use core::time::Duration;
use std::io;

use bytes::{Bytes, BytesMut};
use flow_core::frct::{self, FrctConfig};
use flow_core::qos::{Order, PeerTimeout, Tolerance};
use flow_core::{
    AllocError, DeallocError, EventQueue, Flow, FlowFlags, LocalLayer, Name, Protection, QosSpec,
    QueueConfig, ReadError, WriteError, carry,
};
use futures::{FutureExt, Sink, Stream, TryStreamExt};
use tokio::io::DuplexStream;
use tokio::time::Instant;
use tokio_util::codec::{Framed, LengthDelimitedCodec};

async fn pair_with(qos: QosSpec) -> (Flow, Flow) {
    let layer = LocalLayer::new();
    let (server, client, name) = (layer.attach(), layer.attach(), Name::new("x").unwrap());
    server.bind(&name).unwrap();
    let (ours, theirs) = tokio::join!(client.alloc(&name, qos, None), server.accept(None));
    (ours.unwrap(), theirs.unwrap())
}

async fn pair() -> (Flow, Flow) {
    pair_with(QosSpec::RAW).await
}

/// Writes until there is no room.
fn fill(flow: &mut Flow) -> usize {
    (0..).take_while(|_| flow.try_write("x").is_ok()).count()
}

/// Defect 1.
#[tokio::test]
async fn a_second_partial_read_returns_the_rest() {
    let (mut ours, mut theirs) = pair().await;
    ours.write("0123456789").await.unwrap();
    let mut buffer = [0; 4];
    let mut pieces = Vec::new();
    for _ in 0..3 {
        let read = theirs.read(&mut buffer).await.unwrap();
        pieces.extend_from_slice(buffer.get(..read).unwrap());
    }
    assert_eq!(pieces, b"0123456789");
    assert_eq!(theirs.try_read(&mut buffer), Err(ReadError::WouldBlock));
}

/// Defect 2.
#[tokio::test(start_paused = true)]
async fn a_read_that_waited_longer_than_the_timeout_does_not_end_the_flow() {
    let qos = QosSpec::RAW.with_timeout(PeerTimeout::from_millis(100));
    let (mut ours, mut theirs) = pair_with(qos).await;
    let write = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        ours.write("late").await.unwrap();
        tokio::time::sleep(Duration::from_secs(10)).await;
        ours.write("later").await.unwrap();
    };
    let read = async { (theirs.read_packet().await, theirs.read_packet().await) };
    let ((), (first, second)) = tokio::join!(write, read);
    assert_eq!((first.unwrap(), second.unwrap()), ("late".into(), "later".into()));
}

/// Defect 3.
#[tokio::test]
async fn a_write_on_a_dead_flow_fails() {
    let (mut ours, theirs) = pair().await;
    drop(theirs);
    assert_eq!(ours.write("x").await, Err(WriteError::Deallocated));
    assert_eq!(ours.try_write("x"), Err(WriteError::Deallocated));
}

/// Defect 3, for a write that waits when the flow dies.
#[tokio::test]
async fn a_write_that_waits_for_room_fails_when_the_peer_goes() {
    let (mut ours, theirs) = pair().await;
    fill(&mut ours);
    let write = tokio::spawn(async move { ours.write("x").await });
    tokio::task::yield_now().await;
    drop(theirs);
    assert_eq!(write.await.unwrap(), Err(WriteError::Deallocated));
}

/// Defect 4.
#[tokio::test(start_paused = true)]
async fn dealloc_ends_in_time_though_the_peer_never_reads() {
    let (mut ours, mut theirs) = pair().await;
    let unread = fill(&mut ours);
    fill(&mut theirs);
    let start = Instant::now();
    assert_eq!(
        ours.dealloc_within(Duration::from_millis(250)).await,
        Err(DeallocError::Unread { packets: unread })
    );
    assert_eq!(start.elapsed().as_millis(), 250);
    assert_eq!(theirs.write("x").await, Err(WriteError::Deallocated));
}

/// Defect 4, for the other flows of the process.
#[tokio::test(start_paused = true)]
async fn other_flows_work_while_one_lingers() {
    let (mut ours, theirs) = pair().await;
    fill(&mut ours);
    let dealloc = tokio::spawn(ours.dealloc());
    let (mut a, mut b) = pair().await;
    a.write("x").await.unwrap();
    assert_eq!(b.read_packet().await.unwrap(), "x");
    assert!(!dealloc.is_finished());
    drop(theirs);
    assert_eq!(dealloc.await.unwrap(), Err(DeallocError::Discarded));
}

/// Defect 5.
#[tokio::test]
async fn membership_in_a_set_ends_with_the_flow_and_is_inherited_by_none() {
    let mut events = EventQueue::new();
    let set = events.set();
    let mut gone = Vec::new();
    for _ in 0..100 {
        let (mut ours, theirs) = pair().await;
        set.add(&theirs).unwrap();
        ours.write("x").await.unwrap();
        gone.push(theirs.id());
        drop((ours, theirs));
    }
    assert!(set.is_empty());
    let (mut ours, theirs) = pair().await;
    assert!(!set.contains(&theirs) && !gone.contains(&theirs.id()));
    ours.write("x").await.unwrap();
    assert_eq!(events.try_next(), None);
    set.add(&theirs).unwrap();
}

/// Defect 6.
#[tokio::test]
async fn a_writer_that_waits_stalls_no_other_flow_of_the_same_layer() {
    let layer = LocalLayer::new();
    let (server, client, name) = (layer.attach(), layer.attach(), Name::new("x").unwrap());
    server.bind(&name).unwrap();
    let mut stalled = Vec::new();
    for _ in 0..1_000 {
        let (ours, theirs) = tokio::join!(client.alloc(&name, QosSpec::RAW, None), server.accept(None));
        let mut ours = ours.unwrap();
        fill(&mut ours);
        let mut write = Box::pin(async move { ours.write("x").await });
        assert!((&mut write).now_or_never().is_none());
        stalled.push((write, theirs.unwrap()));
    }
    let (ours, theirs) = tokio::join!(client.alloc(&name, QosSpec::RAW, None), server.accept(None));
    let (mut ours, mut theirs) = (ours.unwrap(), theirs.unwrap());
    assert_eq!(fill(&mut ours), 256, "it has all its room");
    assert!(theirs.read_packet().await.is_ok());
    for (write, theirs) in &mut stalled {
        theirs.read_packet().await.unwrap();
        write.await.unwrap();
    }
}

/// Defect 6, for bytes instead of packets: who holds the longest packets starves nobody.
#[tokio::test]
async fn long_packets_that_nobody_reads_take_no_room_from_other_flows() {
    let layer = LocalLayer::new();
    let (server, client, name) = (layer.attach(), layer.attach(), Name::new("x").unwrap());
    server.bind(&name).unwrap();
    let mut kept = Vec::new();
    for _ in 0..32 {
        let (ours, theirs) = tokio::join!(client.alloc(&name, QosSpec::RAW, None), server.accept(None));
        let (mut ours, theirs) = (ours.unwrap(), theirs.unwrap());
        ours.try_write(vec![0; ours.max_packet()]).unwrap();
        assert_eq!(
            ours.try_write("x"),
            Err(WriteError::WouldBlock),
            "its own room is used up"
        );
        kept.push((ours, theirs));
    }
}

/// Frames over a pipe in memory as a transport that needs none of what FRCT does.
fn framed(
    stream: DuplexStream,
) -> impl Stream<Item = io::Result<Bytes>> + Sink<Bytes, Error = io::Error> + Unpin {
    Framed::new(stream, LengthDelimitedCodec::new()).map_ok(BytesMut::freeze)
}

/// Two flows by FRCT.
fn frct_pair(qos: QosSpec) -> (Flow, Flow) {
    let (here, there) = tokio::io::duplex(1 << 16);
    let flow = |stream| {
        let (config, name) = (FrctConfig::new(qos), Name::new("x").unwrap());
        let (flow, carrier) = frct::carry(framed(stream), &name, config, Protection::none());
        tokio::spawn(carrier);
        flow
    };
    (flow(here), flow(there))
}

/// Defect 7.
#[tokio::test(start_paused = true)]
async fn an_ordered_stream_goes_one_way_for_as_long_as_it_likes() {
    let (mut ours, mut theirs) = frct_pair(QosSpec::BEST_EFFORT);
    let write = async {
        for number in 0..10_000_u32 {
            ours.write(number.to_be_bytes().to_vec()).await.unwrap();
        }
    };
    let read = async {
        for number in 0..10_000_u32 {
            let packet = theirs.read_packet_timeout(Duration::from_secs(60)).await.unwrap();
            assert_eq!(packet, number.to_be_bytes()[..]);
        }
    };
    tokio::join!(write, read);
}

/// Defect 8.
#[tokio::test(start_paused = true)]
async fn a_send_timeout_while_the_window_is_closed_ends_no_flow() {
    let (mut ours, mut theirs) = frct_pair(QosSpec::DATA);
    ours.set_send_timeout(Some(Duration::from_secs(2)));
    let mut written = 0_u32;
    for _ in 0..10 {
        let error = loop {
            match ours.write(written.to_be_bytes().to_vec()).await {
                Ok(()) => written += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(error, WriteError::TimedOut, "after {written}");
    }
    for number in 0..written {
        assert_eq!(theirs.read_packet().await.unwrap(), number.to_be_bytes()[..]);
    }
    ours.write("and on").await.unwrap();
    assert_eq!(theirs.read_packet().await.unwrap(), "and on");
}

/// Defect 11.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_outside_any_set_is_woken_for_every_packet() {
    let (here, there) = tokio::io::duplex(64);
    let name = Name::new("x").unwrap();
    let flow = |stream| {
        let (flow, carrier) = carry(framed(stream), &name, QosSpec::DATA, QueueConfig::default());
        tokio::spawn(carrier);
        flow
    };
    let (mut outside, mut inside) = (flow(here), flow(there));
    let mut events = EventQueue::new();
    events.set().add(&inside).unwrap();
    let echo = tokio::spawn(async move {
        for _ in 0..1_000 {
            events.wait().await;
            let packet = inside.try_read_packet().unwrap();
            inside.write(packet).await.unwrap();
        }
    });
    for number in 0..1_000_u32 {
        outside.write(number.to_be_bytes().to_vec()).await.unwrap();
        assert_eq!(outside.read_packet().await.unwrap(), number.to_be_bytes()[..]);
    }
    echo.await.unwrap();
}

/// Defect 14.
#[tokio::test(start_paused = true)]
async fn an_allocation_takes_as_long_as_it_must_and_no_time_is_stretched() {
    let layer = LocalLayer::new();
    let (server, client, name) = (layer.attach(), layer.attach(), Name::new("x").unwrap());
    server.bind(&name).unwrap();
    let start = Instant::now();
    let (ours, theirs) = tokio::join!(client.alloc(&name, QosSpec::RAW, None), server.accept(None));
    assert!(ours.is_ok() && theirs.is_ok());
    assert_eq!(start.elapsed(), Duration::ZERO);
    let short = Some(Duration::from_millis(10));
    let nobody = client.alloc(&name, QosSpec::RAW, short).await;
    assert_eq!(
        nobody.unwrap_err(),
        AllocError::TimedOut,
        "which the C library calls EPERM"
    );
    assert_eq!(start.elapsed(), Duration::from_millis(10));
}

/// `QoSSpec(loss=0)` of PyOuroboros' README gives a raw flow there.
#[tokio::test]
async fn who_asks_for_no_loss_alone_gets_order_too() {
    let (ours, theirs) = pair_with(QosSpec::RAW.with_loss(Tolerance::NONE)).await;
    for flow in [ours, theirs] {
        assert_eq!(
            (flow.qos().loss(), flow.qos().order()),
            (Tolerance::NONE, Order::Kept)
        );
    }
}

/// The setter of write-only kills the own sends there, and the getter of an unset timeout fails.
#[tokio::test]
async fn a_write_only_flow_writes_and_a_timeout_that_is_not_set_is_none() {
    let (mut ours, mut theirs) = pair().await;
    assert_eq!((ours.receive_timeout(), ours.send_timeout()), (None, None));
    ours.set_flags(FlowFlags::WRITE_ONLY);
    ours.write("x").await.unwrap();
    assert_eq!(theirs.read_packet().await.unwrap(), "x");
}
