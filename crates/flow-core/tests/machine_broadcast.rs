//! Broadcast layers between two layers of one directory, which is what two processes have.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests may panic like tests"
)]
#![allow(clippy::disallowed_methods, reason = "a test is a driver: it spawns")]

use core::time::Duration;
use std::fs;
use std::path::PathBuf;

use flow_core::peer::Peer;
use flow_core::providers::local::LocalConfig;
use flow_core::providers::machine::{MachineConfig, MachineLayer};
use flow_core::{EventKind, EventQueue, Flow, JoinError, Name, QosSpec, QueueConfig, WriteError};
use futures::future::join_all;
use futures::{FutureExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn config(&self) -> MachineConfig {
        MachineConfig::default().directory(self.0.path())
    }

    fn layer(&self) -> MachineLayer {
        MachineLayer::open(self.config()).unwrap()
    }

    fn sockets(&self) -> Vec<PathBuf> {
        let layers = fs::read_dir(self.0.path().join("layers")).unwrap().flatten();
        let files = layers.flat_map(|layer| fs::read_dir(layer.path()).into_iter().flatten().flatten());
        files
            .map(|file| file.path())
            .filter(|path| path.extension().is_some_and(|end| end == "sock"))
            .collect()
    }
}

async fn chat(layer: &MachineLayer) -> Flow {
    layer.attach().join(&name("chat"), None).await.unwrap()
}

async fn hears(flow: &mut Flow, count: usize) -> Vec<String> {
    let mut heard = Vec::new();
    for _ in 0..count {
        let packet = flow.read_packet().await.unwrap();
        heard.push(String::from_utf8(packet.to_vec()).unwrap());
    }
    heard
}

/// Waits for what other tasks are about to do.
async fn until(mut done: impl FnMut() -> bool) {
    while !done() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn members_of_one_process_and_of_others_all_hear_each_other() {
    let machine = Machine::new();
    let (here, there) = (machine.layer(), machine.layer());
    let mut members = [chat(&here).await, chat(&there).await, chat(&here).await];
    assert_eq!(members[0].qos(), QosSpec::BROADCAST);
    assert_eq!(members[1].peer(), &Peer::Broadcast);
    for (member, text) in members.iter_mut().zip(["a", "b", "c"]) {
        member.write(text).await.unwrap();
    }
    for (member, expected) in members.iter_mut().zip([["b", "c"], ["a", "c"], ["a", "b"]]) {
        let mut heard = hears(member, 2).await;
        heard.sort();
        assert_eq!(heard, expected);
        assert!(member.read_packet().now_or_never().is_none(), "nothing twice");
    }
    assert_eq!(here.stats().broadcast.links, 1, "one for both members");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_join_at_once_have_one_link_for_each_two() {
    let machine = Machine::new();
    let layers: Vec<_> = (0..8).map(|_| machine.layer()).collect();
    let joining = layers.iter().map(|layer| {
        let layer = layer.clone();
        tokio::spawn(async move { chat(&layer).await })
    });
    let mut members: Vec<_> = join_all(joining).await.into_iter().map(Result::unwrap).collect();
    for (at, member) in members.iter_mut().enumerate() {
        member.write(at.to_string()).await.unwrap();
    }
    for (at, member) in members.iter_mut().enumerate() {
        let mut heard = hears(member, 7).await;
        heard.sort();
        let expected: Vec<_> = (0..8)
            .filter(|other| *other != at)
            .map(|other| other.to_string())
            .collect();
        assert_eq!(heard, expected);
        assert!(member.read_packet().now_or_never().is_none(), "nothing twice");
    }
    assert!(layers.iter().all(|layer| layer.stats().broadcast.links == 7));
}

#[tokio::test]
async fn the_last_to_leave_takes_the_layer_along() {
    let machine = Machine::new();
    let (here, there) = (machine.layer(), machine.layer());
    let (ours, theirs) = (chat(&here).await, chat(&there).await);
    let (reader, writer) = ours.split();
    drop(reader);
    tokio::task::yield_now().await;
    assert_eq!(machine.sockets().len(), 2, "who only writes is a member");
    drop(writer);
    until(|| machine.sockets().len() == 1).await;
    until(|| there.stats().broadcast.links == 0).await;
    drop(theirs);
    until(|| machine.sockets().is_empty()).await;
    until(|| fs::read_dir(machine.0.path().join("layers")).unwrap().count() == 0).await;
}

#[tokio::test]
async fn who_only_reads_goes_on_hearing() {
    let machine = Machine::new();
    let (here, there) = (machine.layer(), machine.layer());
    let (mut reader, writer) = chat(&here).await.split();
    drop(writer);
    chat(&there).await.write("x").await.unwrap();
    assert_eq!(reader.read_packet().await.unwrap(), "x");
}

#[tokio::test]
async fn a_layer_has_no_more_members_than_it_may() {
    let machine = Machine::new();
    let limited = || MachineLayer::open(machine.config().members(2)).unwrap();
    let (here, there) = (limited(), limited());
    let (_ours, theirs) = (chat(&here).await, chat(&there).await);
    let full = JoinError::Full { max: 2 };
    for layer in [&here, &limited(), &there] {
        let refused = layer.attach().join(&name("chat"), None).await.unwrap_err();
        assert_eq!(refused, full);
    }
    // one with limits of its own is refused by those who are there
    let refused = machine
        .layer()
        .attach()
        .join(&name("chat"), None)
        .await
        .unwrap_err();
    assert_eq!(refused, full);
    drop(theirs);
    until(|| machine.sockets().len() == 1 && here.stats().broadcast.links == 0).await;
    chat(&there).await;
}

#[tokio::test]
async fn what_the_others_do_not_take_is_told_to_them_as_an_event() {
    let machine = Machine::new();
    let small = LocalConfig::default().queue(QueueConfig::default().packets(4));
    let slow = MachineLayer::open(machine.config().local(small)).unwrap();
    let quick = machine.layer();
    let (mut slow, mut quick) = (chat(&slow).await, chat(&quick).await);
    let mut events = EventQueue::new();
    events.set().add(&slow).unwrap();
    for number in 0..10 {
        quick.write(number.to_string()).await.unwrap();
    }
    until(|| slow.read_stats().packets + slow.read_stats().dropped == 10).await;
    assert_eq!(hears(&mut slow, 4).await, ["0", "1", "2", "3"]);
    let mut dropped = 0;
    while dropped < 6 {
        if let EventKind::Dropped { count } = events.next().await.unwrap().kind {
            dropped += count;
        }
    }
    assert_eq!(dropped, 6);
}

#[tokio::test]
async fn a_packet_longer_than_another_takes_is_lost_for_that_one_and_told() {
    let machine = Machine::new();
    let narrow = LocalConfig::default().queue(QueueConfig::default().bytes(100));
    let narrow = MachineLayer::open(machine.config().local(narrow)).unwrap();
    let (wide, third) = (machine.layer(), machine.layer());
    let (mut ours, mut theirs, mut other) = (chat(&narrow).await, chat(&wide).await, chat(&third).await);
    theirs.write(vec![7; 101]).await.unwrap();
    theirs.write("x").await.unwrap();
    assert_eq!(hears(&mut ours, 1).await, ["x"]);
    assert_eq!(ours.read_stats().lost, 1);
    assert_eq!(wide.stats().broadcast.too_long, 1);
    assert_eq!(other.read_packet().await.unwrap().len(), 101);
    let error = ours.write(vec![7; 101]).await.unwrap_err();
    assert_eq!(error, WriteError::TooLong { len: 101, max: 100 });
}

#[tokio::test]
async fn a_large_packet_arrives_whole() {
    let machine = Machine::new();
    let (mut ours, mut theirs) = (chat(&machine.layer()).await, chat(&machine.layer()).await);
    let packet: Vec<u8> = (0..1_000_000_u32).map(|at| at.to_le_bytes()[0]).collect();
    ours.write(packet.clone()).await.unwrap();
    assert_eq!(theirs.read_packet().await.unwrap(), packet);
}

#[tokio::test]
async fn nonsense_and_silence_harm_nobody_and_are_counted() {
    let machine = Machine::new();
    let config = machine
        .config()
        .handshakes(2)
        .handshake_timeout(Duration::from_millis(50));
    let here = MachineLayer::open(config).unwrap();
    let mut ours = chat(&here).await;
    let socket = machine.sockets().remove(0);
    let mut nonsense = UnixStream::connect(&socket).await.unwrap();
    nonsense.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    assert_eq!(nonsense.read(&mut [0; 64]).await.unwrap(), 0);
    assert_eq!(here.stats().broadcast.malformed, 1);

    let mut silent = Vec::new();
    for _ in 0..5 {
        silent.push(UnixStream::connect(&socket).await.unwrap());
    }
    let there = machine.layer();
    let mut theirs = chat(&there).await; // it tries until there is room
    for silent in &mut silent {
        assert_eq!(silent.read(&mut [0; 64]).await.unwrap(), 0, "turned out");
    }
    assert!(here.stats().broadcast.mute >= 5);

    let mut rude = UnixStream::connect(&socket).await.unwrap();
    rude.write_all(b"TWB1\xff\xff\xff\0\x04\0\0\0chat\x09\0\0\0")
        .await
        .unwrap();
    let mut answer = Vec::new();
    rude.read_to_end(&mut answer).await.unwrap();
    assert_eq!((answer.len(), answer[4]), (12, 0), "welcome, then an end");
    until(|| here.stats().broadcast.malformed == 2).await;
    theirs.write("x").await.unwrap();
    assert_eq!(hears(&mut ours, 1).await, ["x"]);
}

#[tokio::test]
async fn somebody_of_another_layer_is_not_let_in() {
    let machine = Machine::new();
    let here = machine.layer();
    let ours = chat(&here).await;
    let mut stranger = UnixStream::connect(&machine.sockets()[0]).await.unwrap();
    stranger
        .write_all(b"TWB1\xff\xff\xff\0\x04\0\0\0talk")
        .await
        .unwrap();
    let mut answer = Vec::new();
    stranger.read_to_end(&mut answer).await.unwrap();
    assert_eq!(
        (answer.len(), answer[4], here.stats().broadcast.links),
        (12, 3, 0)
    );
    drop(ours);
}

#[tokio::test]
async fn a_join_dropped_half_way_joins_nothing() {
    let machine = Machine::new();
    let here = machine.layer();
    // one that listens and never answers
    let mute = machine.layer().directory().publish(&name("chat")).unwrap();
    let layers = machine.0.path().join("layers");
    fs::remove_dir(&layers).unwrap();
    fs::rename(machine.0.path().join("names"), &layers).unwrap();
    let provider = here.attach();
    let chat = name("chat");
    let timed = provider.join(&chat, Some(Duration::from_millis(20))).await;
    assert_eq!(timed.unwrap_err(), JoinError::TimedOut);
    assert!(provider.join(&chat, None).now_or_never().is_none());
    until(|| machine.sockets().len() == 1).await;
    assert_eq!(here.stats().broadcast.joins, 0);
    until(|| here.stats().broadcast.links == 0).await;
    drop(mute);
}
