//! Broadcast layers between processes: a chat whose members come, go, are killed, and are stopped.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]

mod processes;

use core::time::Duration;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread;

use flow_core::providers::machine::{MachineConfig, MachineLayer};
use flow_core::{Flow, Name, QueueConfig};
use nix::sys::signal::Signal;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use processes::{Actor, Role, cast, hear, say};

const ROLES: [(&str, Role); 2] = [("member", member), ("visitor", visitor)];

fn name() -> Name {
    Name::new("Chat").unwrap()
}

fn config(path: &str) -> MachineConfig {
    let queue = QueueConfig::default().packets(1_000);
    let local = flow_core::providers::local::LocalConfig::default().queue(queue);
    MachineConfig::default()
        .directory(path)
        .local(local)
        .handshake_timeout(Duration::from_millis(300))
}

fn place() -> (tempfile::TempDir, String) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("flow").to_str().unwrap().to_owned();
    (place, path)
}

fn block_on<T>(play: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
        .block_on(play)
}

/// What the test says, line by line.
fn orders() -> UnboundedReceiver<String> {
    let (sender, orders) = unbounded_channel();
    thread::spawn(move || {
        while let Some(line) = hear() {
            let _ = sender.send(line);
        }
    });
    orders
}

/// Says what it hears, and writes what it is told: `COUNT TEXT` writes so many lines, `lost` says how many
/// packets it lost, `leave` leaves.
fn member(words: &[String]) {
    block_on(async {
        let layer = MachineLayer::open(config(&words[0])).unwrap();
        let mut flow = layer.attach().join(&name(), None).await.unwrap();
        let mut orders = orders();
        say("joined");
        loop {
            tokio::select! {
                order = orders.recv() => match order.as_deref() {
                    None | Some("leave") => break,
                    Some("lost") => {
                        let stats = flow.read_stats();
                        say(format!("lost {} {}", stats.packets, stats.dropped + stats.lost));
                    }
                    Some(order) => write(&mut flow, order).await,
                },
                packet = flow.read_packet() => {
                    let packet = packet.unwrap();
                    say(String::from_utf8_lossy(&packet));
                }
            }
        }
        flow.dealloc().await.unwrap();
        say("left");
    });
}

async fn write(flow: &mut Flow, order: &str) {
    let (count, text) = order.split_once(' ').unwrap();
    for number in 0..count.parse().unwrap() {
        flow.write(format!("{text} {number}")).await.unwrap();
    }
}

/// Joins, says a word, and leaves, again and again.
fn visitor(words: &[String]) {
    block_on(async {
        let layer = MachineLayer::open(config(&words[0])).unwrap();
        for turn in 0..words[1].parse().unwrap() {
            let mut flow = layer.attach().join(&name(), None).await.unwrap();
            flow.write(format!("visitor {turn}")).await.unwrap();
            if turn % 2 == 1 {
                flow.dealloc().await.unwrap(); // the last one, too: what runs no more sends nothing
            }
            if turn % 5 == 0 {
                say(turn);
            }
        }
    });
}

struct Chat {
    _place: tempfile::TempDir,
    path: String,
}

impl Chat {
    fn new() -> Self {
        let (_place, path) = place();
        Self { _place, path }
    }

    fn member(&self) -> Actor {
        let actor = Actor::new("member", &[&self.path]);
        assert_eq!(actor.line(), "joined");
        actor
    }

    fn members<const N: usize>(&self) -> [Actor; N] {
        [(); N].map(|()| self.member())
    }

    /// Sockets in the layer's directory; none once everybody has left and the next has looked.
    fn seats(&self) -> usize {
        let layers = Path::new(&self.path).join("layers");
        let layers = fs::read_dir(layers).unwrap().flatten();
        layers
            .filter_map(|layer| fs::read_dir(layer.path()).ok())
            .flat_map(|seats| seats.flatten())
            .filter(|file| file.path().extension().is_some_and(|end| end == "sock"))
            .count()
    }
}

/// Hears `count` lines, and holds them to the order of each speaker.
#[track_caller]
fn heard(actor: &Actor, count: usize) -> BTreeMap<String, u64> {
    let mut next = BTreeMap::new();
    for _ in 0..count {
        let line = actor.line();
        let (speaker, number) = line.rsplit_once(' ').unwrap();
        if speaker == "visitor" {
            continue;
        }
        let expected = next.entry(speaker.to_owned()).or_insert(0);
        assert_eq!(
            number.parse::<u64>().unwrap(),
            *expected,
            "each line once, in order: {line}"
        );
        *expected += 1;
    }
    next
}

fn lines(of: &[(&str, u64)]) -> BTreeMap<String, u64> {
    of.iter()
        .map(|(speaker, count)| ((*speaker).to_owned(), *count))
        .collect()
}

#[test]
fn everybody_sees_every_line_of_the_others_and_never_an_own_one() {
    cast(&ROLES);
    let chat = Chat::new();
    let mut members = chat.members::<3>();
    for (member, text) in members.iter_mut().zip(["ann", "bob", "cid"]) {
        member.tell(&format!("40 {text}"));
    }
    for (member, others) in members
        .iter()
        .zip([["bob", "cid"], ["ann", "cid"], ["ann", "bob"]])
    {
        assert_eq!(heard(member, 80), lines(&others.map(|speaker| (speaker, 40))));
    }
    for mut member in members {
        member.tell("leave");
        assert_eq!(member.line(), "left");
        member.end();
    }
    assert_eq!(chat.seats(), 0);
}

#[test]
fn a_member_that_is_killed_is_just_gone_and_another_takes_its_place() {
    cast(&ROLES);
    let chat = Chat::new();
    let mut members = chat.members::<3>();
    members[1].kill();
    members[0].tell("30 ann");
    assert_eq!(heard(&members[2], 30), lines(&[("ann", 30)]));
    let mut fourth = chat.member();
    fourth.tell("30 dan");
    members[2].tell("30 cid");
    assert_eq!(heard(&members[0], 60), lines(&[("cid", 30), ("dan", 30)]));
    assert_eq!(heard(&fourth, 30), lines(&[("cid", 30)]));
    assert_eq!(heard(&members[2], 30), lines(&[("dan", 30)]));
    assert_eq!(chat.seats(), 3, "the dead one's socket was cleared away");
}

#[test]
fn what_is_written_just_before_leaving_arrives() {
    cast(&ROLES);
    let chat = Chat::new();
    let [mut ann, bob] = chat.members::<2>();
    ann.tell("500 ann");
    ann.tell("leave");
    assert_eq!(ann.line(), "left");
    ann.end();
    assert_eq!(heard(&bob, 500), lines(&[("ann", 500)]));
}

#[test]
fn in_a_storm_of_visitors_those_who_stay_hear_each_other_once_and_in_order() {
    cast(&ROLES);
    let chat = Chat::new();
    let mut members = chat.members::<2>();
    let visitors: [_; 3] = [(); 3].map(|()| Actor::new("visitor", &[&chat.path, "40"]));
    let mut doomed = Actor::new("visitor", &[&chat.path, "100000"]);
    doomed.line();
    for (member, text) in members.iter_mut().zip(["ann", "bob"]) {
        member.tell(&format!("200 {text}"));
    }
    doomed.line();
    doomed.kill();
    for visitor in visitors {
        visitor.lines();
        visitor.end();
    }
    let mut late = chat.member();
    late.tell("1 late");
    for (member, other) in members.iter().zip(["bob", "ann"]) {
        let mut heard = 0;
        let mut visits = 0;
        loop {
            let line = member.line();
            match line.rsplit_once(' ').unwrap() {
                ("late", _) => break,
                ("visitor", _) => visits += 1,
                (speaker, number) => {
                    assert_eq!((speaker, number.parse()), (other, Ok(heard)));
                    heard += 1;
                }
            }
        }
        assert_eq!(heard, 200);
        // each of them had joined before it spoke, and nobody was too slow for so few
        assert!(visits >= 3 * 40, "{visits}");
    }
    assert_eq!(chat.seats(), 3);
}

#[test]
fn a_stopped_member_holds_up_nobody_and_is_told_what_it_lost() {
    cast(&ROLES);
    const LINES: u64 = 4_000;
    let chat = Chat::new();
    let [mut ann, bob, mut cid] = chat.members::<3>();
    cid.signal(Signal::SIGSTOP);
    let ann_says = "ann".repeat(300);
    for _ in 0..LINES / 100 {
        ann.tell(&format!("100 {ann_says}"));
        for number in 0..100 {
            assert_eq!(bob.line(), format!("{ann_says} {number}"));
        }
    }
    // somebody joins without it, and is heard by it all the same
    let mut dan = chat.member();
    cid.signal(Signal::SIGCONT);
    let (mut heard, lost) = lost_of(&mut cid, LINES);
    assert!(lost > 0, "queues and buffers are shorter than that");
    while heard + lost < LINES {
        assert!(cid.line().starts_with(&ann_says));
        heard += 1;
    }
    dan.tell("1 dan");
    assert_eq!(cid.line(), "dan 0");
    cid.tell("1 cid");
    let mut bobs = [bob.line(), bob.line()];
    bobs.sort(); // there is no order between speakers
    assert_eq!(bobs, ["cid 0", "dan 0"]);
    assert_eq!(dan.line(), "cid 0");
}

#[test]
fn who_joins_and_leaves_waits_for_nobody_that_is_stopped() {
    cast(&ROLES);
    let chat = Chat::new();
    let [ann, cid] = chat.members::<2>();
    cid.signal(Signal::SIGSTOP);
    let mut dan = chat.member();
    dan.tell("3 dan");
    assert_eq!(heard(&ann, 3), lines(&[("dan", 3)]));
    dan.tell("leave");
    assert_eq!(dan.line(), "left");
    dan.end();
}

#[test]
fn who_leaves_does_not_wait_for_one_that_is_stopped() {
    cast(&ROLES);
    let chat = Chat::new();
    let [mut ann, cid] = chat.members::<2>();
    cid.signal(Signal::SIGSTOP);
    ann.tell(&format!("4000 {}", "ann".repeat(300)));
    ann.tell("leave");
    assert_eq!(ann.line(), "left");
    ann.end();
}

#[test]
fn what_a_slow_member_gets_and_what_it_is_told_it_lost_is_all_that_was_written() {
    cast(&ROLES);
    const LINES: u64 = 4_000;
    let chat = Chat::new();
    let [mut ann, mut bob, mut cid] = chat.members::<3>();
    cid.signal(Signal::SIGSTOP);
    ann.tell(&format!("{LINES} {}", "ann".repeat(300)));
    lost_of(&mut bob, LINES); // all was written
    cid.signal(Signal::SIGCONT);
    let (_, lost) = lost_of(&mut cid, LINES);
    assert!(lost > 0, "queues and buffers are shorter than that");
}

/// Waits until a member knows of so many lines, and returns how many it has told, and how many it lost.
fn lost_of(actor: &mut Actor, lines: u64) -> (u64, u64) {
    let mut heard = 0;
    loop {
        actor.tell("lost");
        let counts = loop {
            if let Some(counts) = actor.line().strip_prefix("lost ") {
                break counts.to_owned();
            }
            heard += 1;
        };
        let (got, lost) = counts.split_once(' ').unwrap();
        let (got, lost): (u64, u64) = (got.parse().unwrap(), lost.parse().unwrap());
        assert!(got + lost <= lines);
        if got + lost == lines {
            return (heard, lost);
        }
    }
}
