//! The defects of Ouroboros 0.23.0 that concern flows on one host, each with its opposite here.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]
#![allow(
    clippy::disallowed_methods,
    reason = "a test is a driver: it spawns and looks at the clock"
)]

use core::time::Duration;

use flow_core::qos::PeerTimeout;
use flow_core::{DeallocError, EventQueue, Flow, LocalLayer, Name, QosSpec, ReadError, WriteError};
use futures::FutureExt;
use tokio::time::Instant;

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
