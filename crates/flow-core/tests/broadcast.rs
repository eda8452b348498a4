//! Layers that everybody hears.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests may panic like tests"
)]

use flow_core::flow::Access;
use flow_core::providers::local::LocalConfig;
use flow_core::qos::PeerTimeout;
use flow_core::{
    EventKind, EventQueue, Flow, JoinError, LocalLayer, Name, QosSpec, QueueConfig, ReadError, WriteError,
};

fn chat(layer: &LocalLayer) -> Flow {
    layer.attach().join(&Name::new("chat").unwrap()).unwrap()
}

fn heard(flow: &mut Flow) -> Vec<String> {
    core::iter::from_fn(|| flow.try_read_packet().ok())
        .map(|packet| String::from_utf8(packet.to_vec()).unwrap())
        .collect()
}

#[tokio::test]
async fn everybody_hears_everybody_but_nobody_hears_himself() {
    let layer = LocalLayer::new();
    let mut members = [(); 3].map(|()| chat(&layer));
    for (member, text) in members.iter_mut().zip(["a", "b", "c"]) {
        member.write(text).await.unwrap();
    }
    let heard = members.each_mut().map(heard);
    assert_eq!(heard, [["b", "c"], ["a", "c"], ["a", "b"]]);
    assert_eq!(
        (members[0].qos(), members[0].qos().timeout()),
        (QosSpec::BROADCAST, PeerTimeout::OFF)
    );
}

#[tokio::test]
async fn layers_of_different_names_are_different() {
    let layer = LocalLayer::new();
    let mut here = chat(&layer);
    let mut there = layer.attach().join(&Name::new("other").unwrap()).unwrap();
    here.write("x").await.unwrap();
    assert!(heard(&mut there).is_empty());
}

#[tokio::test]
async fn a_member_that_does_not_read_loses_the_newest_and_hinders_nobody() {
    let layer = LocalLayer::with_config(LocalConfig::default().queue(QueueConfig::default().packets(2)));
    let (mut sender, mut slow, mut quick) = (chat(&layer), chat(&layer), chat(&layer));
    let mut events = EventQueue::new();
    events.set().add(&slow).unwrap();
    for text in ["1", "2", "3", "4", "5"] {
        sender.write(text).await.unwrap();
        assert_eq!(heard(&mut quick), [text]);
    }
    assert_eq!((slow.read_stats().packets, slow.read_stats().dropped), (2, 3));
    let kinds: Vec<_> = core::iter::from_fn(|| events.try_next())
        .map(|event| event.kind)
        .collect();
    assert_eq!(
        kinds,
        [
            EventKind::Packet,
            EventKind::Packet,
            EventKind::Dropped { count: 3 }
        ]
    );
    assert_eq!(heard(&mut slow), ["1", "2"]);
    sender.write("6").await.unwrap();
    assert_eq!(heard(&mut slow), ["6"], "works on after a loss");
}

#[tokio::test]
async fn who_leaves_hears_no_more_and_ends_nobody_elses_flow() {
    let layer = LocalLayer::with_config(LocalConfig::default().members(2));
    let (mut stays, leaves) = (chat(&layer), chat(&layer));
    let name = Name::new("chat").unwrap();
    assert_eq!(
        layer.attach().join(&name).unwrap_err(),
        JoinError::Full { max: 2 }
    );
    drop(leaves);
    stays.write("alone").await.unwrap();
    assert_eq!(stays.try_read_packet(), Err(ReadError::WouldBlock));
    let mut comes = chat(&layer);
    stays.write("hello").await.unwrap();
    assert_eq!(heard(&mut comes), ["hello"], "and nothing of the past");
    assert_eq!(layer.stats().joins, 3);
}

#[tokio::test]
async fn a_member_can_be_deaf_or_mute() {
    let layer = LocalLayer::new();
    let (mut a, mut b) = (chat(&layer), chat(&layer));
    a.set_access(Access::WriteOnly);
    b.write("unheard").await.unwrap();
    assert_eq!(a.read_packet().await, Err(ReadError::WriteOnly));
    b.set_access(Access::ReadOnly);
    assert_eq!(b.write("x").await, Err(WriteError::ReadOnly));
    let max = a.max_packet();
    assert_eq!(
        a.write(vec![0; max + 1]).await,
        Err(WriteError::TooLong { len: max + 1, max })
    );
    assert_eq!(a.write("").await, Err(WriteError::Empty));
    a.write("heard").await.unwrap();
    a.dealloc().await.unwrap();
    assert_eq!(heard(&mut b), ["heard"]);
}
