//! Many flows, one queue of events.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests may panic like tests"
)]

use core::time::Duration;
use std::sync::Arc;

use flow_core::EventKind::{Alloc, Dealloc, Down, Packet, Up};
use flow_core::flow::FlowState;
use flow_core::{
    AcceptError, EventKind, EventQueue, Flow, FlowEvent, LocalLayer, LocalProvider, Name, QosSpec, SetError,
};
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

/// A queue that accepts for the name, a client, and the server, to see what the queue leaves to others.
fn accepting() -> (EventQueue, LocalProvider, Arc<LocalProvider>, Name) {
    let layer = LocalLayer::new();
    let (server, client, name) = (Arc::new(layer.attach()), layer.attach(), Name::new("x").unwrap());
    server.bind(&name).unwrap();
    let mut events = EventQueue::new();
    events.accept_from(Arc::clone(&server) as _);
    (events, client, server, name)
}

#[tokio::test]
async fn a_server_is_one_loop_over_events() {
    let (mut events, client, _server, name) = accepting();
    let clients = async {
        for number in 0..3 {
            let mut flow = client.alloc(&name, QosSpec::RAW, None).await.unwrap();
            flow.write(format!("hello {number}")).await.unwrap();
            let reply = flow.read_packet().await.unwrap();
            assert_eq!(reply, format!("hello {number}"));
        }
    };
    let server = async {
        let (mut flows, mut ended) = (Vec::<Flow>::new(), 0);
        while ended < 3 {
            let FlowEvent { flow: id, kind } = events.next().await.unwrap();
            match kind {
                Alloc => flows.push(events.take_flow(id).unwrap()),
                Packet => {
                    let flow = flows.iter_mut().find(|flow| flow.id() == id).unwrap();
                    let packet = flow.try_read_packet().unwrap();
                    flow.try_write(packet).unwrap();
                }
                Dealloc => {
                    flows.retain(|flow| flow.id() != id);
                    ended += 1;
                }
                other => panic!("{other:?}"),
            }
        }
    };
    tokio::join!(clients, server);
    assert!(events.set().is_empty());
}

#[tokio::test]
async fn an_accepted_flow_is_a_member_and_is_taken_once() {
    let (mut events, client, _server, name) = accepting();
    let (ours, event) = tokio::join!(client.alloc(&name, QosSpec::RAW, None), events.wait());
    let (mut ours, FlowEvent { flow: id, kind }) = (ours.unwrap(), event);
    assert_eq!((kind, kind.number()), (Alloc, Some(8)));
    assert_eq!(events.set().flows(), [id]);
    ours.write("x").await.unwrap();
    assert_eq!(kinds(&mut events), [Packet]);
    let flow = events.take_flow(id).unwrap();
    assert!(events.set().contains(&flow) && events.take_flow(id).is_none());
}

#[tokio::test]
async fn flows_that_nobody_takes_are_so_many_and_the_others_wait_for_whoever_accepts() {
    let (mut events, client, server, name) = accepting();
    events.set_max_untaken(2);
    let mut asked = Vec::new();
    for _ in 0..2 {
        let (flow, event) = tokio::join!(client.alloc(&name, QosSpec::RAW, None), events.wait());
        asked.push((flow.unwrap(), event.flow));
    }
    let (third, (none, accepted)) = tokio::join!(client.alloc(&name, QosSpec::RAW, None), async {
        (events.try_next(), server.accept(None).await)
    });
    assert!(third.is_ok() && none.is_none() && accepted.is_ok());
    // what is taken makes room
    assert!(events.take_flow(asked[0].1).is_some());
    let (fourth, event) = tokio::join!(client.alloc(&name, QosSpec::RAW, None), async {
        loop {
            let event = events.wait().await;
            if event.kind == Alloc {
                break event;
            }
        }
    });
    assert!(fourth.is_ok() && events.take_flow(event.flow).is_some());
}

#[tokio::test]
async fn flows_that_nobody_took_end_with_the_queue() {
    let (mut events, client, server, name) = accepting();
    let (ours, _event) = tokio::join!(client.alloc(&name, QosSpec::RAW, None), events.wait());
    drop(events);
    assert!(ours.unwrap().read_packet().await.is_err());
    let (next, accepted) = tokio::join!(client.alloc(&name, QosSpec::RAW, None), server.accept(None));
    assert!(next.is_ok() && accepted.is_ok());
}

#[tokio::test]
async fn a_provider_without_a_name_is_not_accepted_from_and_says_so() {
    let (mut events, _client, server, name) = accepting();
    assert_eq!((events.try_next(), events.take_accept_error()), (None, None));
    server.unbind(&name);
    assert_eq!(events.try_next(), None);
    assert_eq!(events.take_accept_error(), Some(AcceptError::NoName));
    assert_eq!(events.take_accept_error(), None);
}
