//! Many flows, one queue of events.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]

use core::time::Duration;

use flow_core::EventKind::{Dealloc, Down, Packet, Up};
use flow_core::flow::FlowState;
use flow_core::{EventKind, EventQueue, Flow, FlowEvent, LocalLayer, Name, QosSpec, SetError};
use futures::StreamExt;

async fn pair() -> (Flow, Flow) {
    let layer = LocalLayer::new();
    let (server, client, name) = (layer.attach(), layer.attach(), Name::new("x").unwrap());
    server.bind(&name).unwrap();
    let (ours, theirs) = tokio::join!(client.alloc(&name, QosSpec::RAW, None), server.accept(None));
    (ours.unwrap(), theirs.unwrap())
}

/// The events there are now.
fn kinds(events: &mut EventQueue) -> Vec<EventKind> {
    core::iter::from_fn(|| events.try_next())
        .map(|event| event.kind)
        .collect()
}

#[tokio::test]
async fn a_server_reads_once_per_event_and_misses_nothing() {
    let (mut ours, mut theirs) = pair().await;
    let mut events = EventQueue::new();
    events.set().add(&theirs).unwrap();
    for text in ["1", "2", "3"] {
        ours.write(text).await.unwrap();
    }
    let flow = theirs.id();
    for text in ["1", "2", "3"] {
        assert_eq!(events.next().await, Some(FlowEvent { flow, kind: Packet }));
        assert_eq!(theirs.try_read_packet().unwrap(), text);
    }
    assert_eq!(events.try_next(), None);
}

#[tokio::test]
async fn reading_more_than_one_packet_per_event_gives_no_empty_wake_ups() {
    let (mut ours, mut theirs) = pair().await;
    let mut events = EventQueue::new();
    events.set().add(&theirs).unwrap();
    for text in ["1", "2", "3"] {
        ours.write(text).await.unwrap();
    }
    assert_eq!(events.wait().await.kind, Packet);
    while theirs.try_read_packet().is_ok() {}
    assert_eq!(events.try_next(), None);
}

#[tokio::test]
async fn what_was_there_before_the_flow_was_added_is_told() {
    let (mut ours, theirs) = pair().await;
    ours.write("1").await.unwrap();
    drop(ours);
    let mut events = EventQueue::new();
    events.set().add(&theirs).unwrap();
    assert_eq!(kinds(&mut events), [Packet, Dealloc]);
}

#[tokio::test]
async fn flows_take_turns_however_much_one_of_them_has_to_tell() {
    let (pairs, mut events) = ([pair().await, pair().await], EventQueue::new());
    let [(mut busy, a), (mut calm, b)] = pairs;
    for flow in [&a, &b] {
        events.set().add(flow).unwrap();
    }
    for _ in 0..3 {
        busy.write("x").await.unwrap();
    }
    calm.write("x").await.unwrap();
    let order: Vec<_> = core::iter::from_fn(|| events.try_next())
        .map(|event| event.flow)
        .collect();
    assert_eq!(order, [a.id(), b.id(), a.id(), a.id()]);
}

#[tokio::test]
async fn down_up_and_the_end_are_told() {
    let (mut ours, theirs) = pair().await;
    let mut events = EventQueue::new();
    events.set().add(&theirs).unwrap();
    for (state, kind) in [(FlowState::Down, Down), (FlowState::Up, Up)] {
        ours.set_state(state);
        assert_eq!(kinds(&mut events), [kind]);
    }
    drop(ours);
    assert_eq!(kinds(&mut events), [Dealloc]);
}

#[tokio::test]
async fn a_flow_is_in_one_set_at_most() {
    let (_ours, theirs) = pair().await;
    let (events, other) = (EventQueue::new(), EventQueue::new());
    let set = events.set();
    set.add(&theirs).unwrap();
    assert_eq!(set.add(&theirs), Err(SetError::AlreadyMember));
    assert_eq!(other.set().add(&theirs), Err(SetError::AlreadyMember));
    assert!(set.contains(&theirs) && !other.set().contains(&theirs));
    assert!(!other.set().remove(&theirs) && set.remove(&theirs));
    other.set().add(&theirs).unwrap();
    drop(other);
    set.add(&theirs).unwrap();
    assert_eq!(set.flows(), [theirs.id()]);
    set.clear();
    assert!(set.is_empty() && !set.contains(&theirs));
    drop(events);
    assert_eq!(set.add(&theirs), Err(SetError::NoQueue));
}

#[tokio::test]
async fn what_left_the_set_is_told_no_more() {
    let (mut ours, theirs) = pair().await;
    let mut events = EventQueue::new();
    events.set().add(&theirs).unwrap();
    ours.write("x").await.unwrap();
    events.set().remove(&theirs);
    assert_eq!(events.try_next(), None);
}

#[tokio::test]
async fn a_set_that_nobody_drains_takes_no_memory_and_tells_what_is_true_in_the_end() {
    let (mut ours, mut theirs) = pair().await;
    let mut events = EventQueue::new();
    events.set().add(&theirs).unwrap();
    for turn in 0..10_000 {
        ours.write("x").await.unwrap();
        ours.set_state(if turn % 2 == 0 {
            FlowState::Down
        } else {
            FlowState::Up
        });
        ours.set_state(FlowState::Up);
        theirs.read_packet().await.unwrap();
    }
    ours.write("y").await.unwrap();
    assert_eq!(kinds(&mut events), [Packet]);
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_with_an_event_or_with_its_time() {
    let (mut ours, theirs) = pair().await;
    let mut events = EventQueue::new();
    assert_eq!(events.wait_timeout(Duration::from_secs(1)).await, None);
    events.set().add(&theirs).unwrap();
    let write = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        ours.write("x").await.unwrap();
    };
    let (event, ()) = tokio::join!(events.wait_timeout(Duration::from_secs(1)), write);
    assert_eq!(event.unwrap().kind, Packet);
}
