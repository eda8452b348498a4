//! Every future dropped half-way.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]
#![allow(
    clippy::disallowed_methods,
    reason = "a test is a driver: it spawns and looks at the clock"
)]

use core::future::Future;
use core::pin::pin;
use core::time::Duration;

use flow_core::providers::local::LocalConfig;
use flow_core::{
    EventKind, EventQueue, Flow, LocalLayer, LocalProvider, Name, QosSpec, QueueConfig, ReadError,
};
use futures::FutureExt;

fn name() -> Name {
    Name::new("echo").unwrap()
}

fn layer() -> (LocalLayer, LocalProvider, LocalProvider) {
    let layer = LocalLayer::with_config(LocalConfig::default().queue(QueueConfig::default().packets(1)));
    let (server, client) = (layer.attach(), layer.attach());
    server.bind(&name()).unwrap();
    (layer, server, client)
}

async fn pair() -> (Flow, Flow) {
    let (_layer, server, client) = layer();
    let name = name();
    let (ours, theirs) = tokio::join!(client.alloc(&name, QosSpec::RAW, None), server.accept(None));
    (ours.unwrap(), theirs.unwrap())
}

/// Polls once, expects to wait, and drops.
fn begin_and_drop<F: Future>(future: F) {
    assert!(pin!(future).now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_alloc_leaves_no_ghost() {
    let (layer, server, client) = layer();
    begin_and_drop(client.alloc(&name(), QosSpec::RAW, None));
    assert_eq!((layer.stats().waiting, layer.stats().withdrawn), (0, 1));
    assert!(server.accept(Some(Duration::from_secs(1))).await.is_err());
}

#[tokio::test]
async fn an_alloc_dropped_after_its_acceptance_is_a_flow_that_ends() {
    let (layer, server, client) = layer();
    let mut flow = {
        let name = name();
        let mut alloc = pin!(client.alloc(&name, QosSpec::RAW, None));
        assert!((&mut alloc).now_or_never().is_none());
        server.accept(None).await.unwrap()
    };
    assert_eq!(flow.read_packet().await, Err(ReadError::Deallocated));
    assert_eq!(layer.stats().withdrawn, 0);
}

#[tokio::test]
async fn a_dropped_accept_loses_no_request_even_when_it_was_woken_for_it() {
    let (_layer, server, client) = layer();
    let alloc = {
        let mut accept = pin!(server.accept(None));
        assert!((&mut accept).now_or_never().is_none());
        let alloc = tokio::spawn(async move { client.alloc(&name(), QosSpec::RAW, None).await });
        tokio::task::yield_now().await; // the request is offered to the accept, which is woken, and dropped
        alloc
    };
    server.accept(None).await.unwrap();
    alloc.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_dropped_accept_hands_its_wake_up_to_the_next() {
    let (_layer, server, client) = layer();
    let mut next = {
        let mut accept = pin!(server.accept(None));
        assert!((&mut accept).now_or_never().is_none());
        let mut next = Box::pin(server.accept(None));
        assert!((&mut next).now_or_never().is_none());
        let alloc = tokio::spawn(async move { client.alloc(&name(), QosSpec::RAW, None).await });
        tokio::task::yield_now().await;
        drop(alloc);
        next
    };
    (&mut next).now_or_never().unwrap().unwrap();
}

#[tokio::test]
async fn a_dropped_read_loses_nothing() {
    let (mut ours, mut theirs) = pair().await;
    begin_and_drop(theirs.read_packet());
    begin_and_drop(theirs.read(&mut [0; 8]));
    ours.write("x").await.unwrap();
    assert_eq!(theirs.read_packet().await.unwrap(), "x");
}

#[tokio::test]
async fn a_dropped_write_wrote_nothing() {
    let (mut ours, mut theirs) = pair().await;
    ours.write("1").await.unwrap();
    begin_and_drop(ours.write("2"));
    assert_eq!(theirs.try_read_packet().unwrap(), "1");
    assert_eq!(theirs.try_read_packet(), Err(ReadError::WouldBlock));
    ours.write("3").await.unwrap();
    assert_eq!(theirs.read_packet().await.unwrap(), "3");
    assert_eq!(ours.write_stats().packets, 2);
}

#[tokio::test]
async fn a_dropped_dealloc_ends_the_flow_at_once() {
    let (mut ours, mut theirs) = pair().await;
    ours.write("1").await.unwrap();
    begin_and_drop(ours.dealloc());
    assert_eq!(theirs.read_packet().await.unwrap(), "1");
    assert_eq!(theirs.read_packet().await, Err(ReadError::Deallocated));
}

#[tokio::test]
async fn a_dropped_wait_loses_no_event() {
    let (mut ours, theirs) = pair().await;
    let mut events = EventQueue::new();
    events.set().add(&theirs).unwrap();
    begin_and_drop(events.wait());
    ours.write("x").await.unwrap();
    assert_eq!(events.wait().await.kind, EventKind::Packet);
}

#[tokio::test]
async fn a_dropped_wait_of_a_queue_that_accepts_loses_no_request() {
    let (layer, server, client) = layer();
    let mut events = EventQueue::new();
    events.accept_from(std::sync::Arc::new(server));
    begin_and_drop(events.wait());
    let alloc = tokio::spawn(async move { client.alloc(&name(), QosSpec::RAW, None).await });
    tokio::task::yield_now().await; // the request is offered to the queue
    let event = events.wait().await;
    assert_eq!(event.kind, EventKind::Alloc);
    let mut ours = alloc.await.unwrap().unwrap();
    begin_and_drop(events.wait());
    ours.write("x").await.unwrap();
    assert_eq!(events.wait().await.kind, EventKind::Packet);
    assert_eq!(
        events.take_flow(event.flow).unwrap().try_read_packet().unwrap(),
        "x"
    );
    assert_eq!(layer.stats().withdrawn, 0);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_with_a_timeout_loses_nothing_and_leaves_no_timer() {
    let (mut ours, mut theirs) = pair().await;
    let timeout = Some(Duration::from_secs(1));
    ours.set_send_timeout(timeout);
    theirs.set_receive_timeout(timeout);
    begin_and_drop(theirs.read_packet());
    begin_and_drop(theirs.read_line());
    ours.write_line("1").await.unwrap();
    begin_and_drop(ours.write_line("2"));
    begin_and_drop(ours.write("3"));
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(theirs.read_line().await.unwrap(), "1");
    assert_eq!(theirs.try_read_packet(), Err(ReadError::WouldBlock));
}
