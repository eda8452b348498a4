//! Flows between processes that live, are killed, are stopped, and come back.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]
#![allow(clippy::disallowed_methods, reason = "a test is a driver: it spawns")]
#![allow(clippy::print_stdout, reason = "figures are printed")]

mod processes;

use core::future::Future;
use core::time::Duration;
use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use flow_core::peer::Peer;
use flow_core::providers::machine::{Balance, MachineConfig, MachineLayer, MachineProvider};
use flow_core::qos::PeerTimeout;
use flow_core::{EventKind, EventQueue, Flow, Name, QosSpec, ReadError, WriteError};
use futures::FutureExt;
use futures::future::join_all;
use nix::sys::signal::Signal;
use tempfile::TempDir;
use tokio::runtime::{Builder, Handle, Runtime};

use processes::{Actor, Role, cast, hear, say};

const ROLES: [(&str, Role); 3] = [("echo", echo), ("lazy", lazy), ("taker", taker)];
/// Longer than any machine takes.
const LIMIT: Duration = Duration::from_secs(60);
/// No liveness: what is seen is the death itself.
const NEVER_SILENT: QosSpec = QosSpec::DATA.with_timeout(PeerTimeout::OFF);
const FLOWS: usize = 1_000;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A layer at the place that is an actor's first word, bound to the second.
fn bound(words: &[String]) -> MachineProvider {
    let config = MachineConfig::default().directory(&words[0]);
    let config = match words.get(2).and_then(|word| Balance::from_word(word)) {
        Some(balance) => config.balance(balance),
        None => config,
    };
    let server = MachineLayer::open(config).unwrap().attach();
    server.bind(&name(&words[1])).unwrap();
    say("bound");
    server
}

/// Sends back what comes on every flow.
fn echo(words: &[String]) {
    runtime().block_on(async {
        let server = bound(words);
        loop {
            let mut flow = server.accept(None).await.unwrap();
            tokio::spawn(async move {
                while let Ok(packet) = flow.read_packet().await {
                    if flow.write(packet).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
}

/// Accepts flows, answers on each once, and reads no more.
fn lazy(words: &[String]) {
    runtime().block_on(async {
        let server = bound(words);
        let mut flows = Vec::new();
        loop {
            let mut flow = server.accept(None).await.unwrap();
            flow.write("here").await.unwrap();
            flows.push(flow);
        }
    });
}

/// Accepts a flow each time it is told to, and tells so.
fn taker(words: &[String]) {
    runtime().block_on(async {
        let server = bound(words);
        let mut flows = Vec::new();
        // flows go on while it listens to the test
        while let Some("take") = tokio::task::spawn_blocking(hear).await.unwrap().as_deref() {
            let accept = server.accept(Some(LIMIT));
            let mut accept = Box::pin(accept);
            // in the registry before the test asks
            assert!(accept.as_mut().now_or_never().is_none());
            say("waits");
            flows.push(accept.await.unwrap());
            say("took");
        }
    });
}

/// Files, memory and tasks are the whole process's: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Play {
    place: TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Play {
    fn new() -> Self {
        cast(&ROLES);
        Self {
            _alone: alone(),
            place: tempfile::tempdir().unwrap(),
        }
    }

    /// Starts a process and waits until it is bound to the name `x`.
    fn actor(&self, role: &str, words: &[&str]) -> Actor {
        let actor = Actor::new(
            role,
            &[&[self.place.path().to_str().unwrap(), "x"], words].concat(),
        );
        assert_eq!(actor.line(), "bound");
        actor
    }

    fn layer(&self) -> MachineLayer {
        MachineLayer::open(MachineConfig::default().directory(self.place.path())).unwrap()
    }

    fn run<F: Future>(&self, scene: impl FnOnce(MachineLayer) -> F) -> F::Output {
        runtime().block_on(async { within(scene(self.layer())).await })
    }
}

async fn within<F: Future>(scene: F) -> F::Output {
    tokio::time::timeout(LIMIT, scene)
        .await
        .expect("an end of the scene")
}

async fn alloc(client: &MachineProvider, qos: QosSpec) -> Flow {
    client.alloc(&name("x"), qos, None).await.unwrap()
}

#[test]
fn packets_of_a_mebibyte_come_back_as_they_went() {
    let play = Play::new();
    let actor = play.actor("echo", &[]);
    play.run(|layer| async move {
        let mut flow = alloc(&layer.attach(), QosSpec::DATA).await;
        let Peer::Process { pid, uid } = *flow.peer() else {
            panic!("{:?}", flow.peer());
        };
        assert_eq!((pid, uid), (actor.pid(), nix::unistd::getuid().as_raw()));
        for len in [1, 600, 70_000, flow.max_packet() - 1, flow.max_packet()] {
            let packet: Bytes = (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect();
            for _ in 0..3 {
                flow.write(packet.clone()).await.unwrap();
                assert!(flow.read_packet().await.unwrap() == packet, "{len}");
            }
        }
        flow.dealloc().await.unwrap();
    });
}

#[test]
fn a_reader_that_stalls_holds_up_its_own_flow_alone() {
    let play = Play::new();
    let actor = play.actor("lazy", &[]);
    play.run(|layer| async move {
        let client = layer.attach();
        let mut stalled = alloc(&client, NEVER_SILENT).await;
        let packet = Bytes::from_static(&[7; 1_000]);
        while stalled.try_write(packet.clone()).is_ok() {
            tokio::task::yield_now().await;
        }
        assert_eq!(stalled.try_write(packet.clone()), Err(WriteError::WouldBlock));
        assert_eq!(
            (stalled.write_queue_len(), stalled.read_packet().await.unwrap()),
            (256, "here".into())
        );
        // the same two processes, another flow
        let mut other = alloc(&client, NEVER_SILENT).await;
        assert_eq!(other.read_packet().await.unwrap(), "here");
        for _ in 0..256 {
            other.write(packet.clone()).await.unwrap();
        }
        drop(actor);
    });
}

#[test]
fn a_kill_ends_a_blocked_reader_a_blocked_writer_and_a_watched_flow() {
    let play = Play::new();
    let mut actor = play.actor("lazy", &[]);
    play.run(|layer| async move {
        let client = layer.attach();
        let mut flows = Vec::new();
        for _ in 0..3 {
            let mut flow = alloc(&client, NEVER_SILENT).await;
            assert_eq!(flow.read_packet().await.unwrap(), "here");
            flows.push(flow);
        }
        let [mut reader, mut writer, watched] = <[Flow; 3]>::try_from(flows).unwrap();
        let mut events = EventQueue::new();
        events.set().add(&watched).unwrap();
        let mut write = Box::pin(async move {
            loop {
                if let Err(error) = writer.write("x").await {
                    return error;
                }
            }
        });
        let mut read = Box::pin(reader.read_packet());
        assert!(write.as_mut().now_or_never().is_none());
        assert!(read.as_mut().now_or_never().is_none());
        actor.kill();
        assert_eq!(write.await, WriteError::PeerGone);
        assert_eq!(read.await, Err(ReadError::PeerGone));
        assert_eq!(events.wait().await.kind, EventKind::Peer);
        assert_eq!((layer.stats().killed, layer.stats().flows), (3, 0));
    });
}

#[test]
fn a_process_that_is_stopped_is_silent_and_goes_after_the_timeout() {
    let play = Play::new();
    let actor = play.actor("echo", &[]);
    play.run(|layer| async move {
        let timeout = PeerTimeout::from_millis(400);
        let mut flow = alloc(&layer.attach(), QosSpec::DATA.with_timeout(timeout)).await;
        let mut events = EventQueue::new();
        events.set().add(&flow).unwrap();
        // nothing is said for longer than the timeout, and keepalives keep it
        assert_eq!(events.wait_timeout(Duration::from_millis(1_200)).await, None);
        actor.signal(Signal::SIGSTOP);
        assert_eq!(events.wait().await.kind, EventKind::Peer);
        assert_eq!(flow.read_packet().await, Err(ReadError::PeerGone));
        assert_eq!(layer.stats().silent, 1);
        actor.signal(Signal::SIGCONT);
    });
}

#[test]
fn the_socket_of_a_killed_process_is_taken_over_by_the_next() {
    let play = Play::new();
    let mut first = play.actor("echo", &[]);
    first.kill();
    play.run(|layer| async move {
        let client = layer.attach();
        let dead = client.alloc(&name("x"), QosSpec::DATA, None).await;
        assert!(dead.is_err(), "nobody is there");
    });
    let mut second = play.actor("echo", &[]);
    second.kill();
    let _third = play.actor("echo", &[]);
    play.run(|layer| async move {
        let mut flow = alloc(&layer.attach(), QosSpec::DATA).await;
        flow.write("x").await.unwrap();
        assert_eq!(flow.read_packet().await.unwrap(), "x");
        let left = layer.directory().candidates(&name("x")).unwrap().len();
        assert_eq!(left, 1, "dead sockets are gone");
    });
}

/// Asks `count` times with both takers waiting in accept, and tells which one took each.
fn takes(balance: Balance, count: usize) -> Vec<usize> {
    let play = Play::new();
    let mut takers = [
        play.actor("taker", &[balance.as_str()]),
        play.actor("taker", &[balance.as_str()]),
    ];
    let pids = takers.each_ref().map(Actor::pid);
    let mut took = Vec::new();
    takers.iter_mut().for_each(|taker| taker.tell("take"));
    takers.iter().for_each(|taker| assert_eq!(taker.line(), "waits"));
    let runtime = runtime();
    let client = {
        let _context = runtime.enter();
        play.layer().attach()
    };
    for _ in 0..count {
        let flow = runtime.block_on(within(alloc(&client, QosSpec::DATA)));
        let Peer::Process { pid, .. } = *flow.peer() else {
            panic!("{:?}", flow.peer());
        };
        let at = pids.iter().position(|taker| *taker == pid).unwrap();
        assert_eq!(takers[at].line(), "took");
        takers[at].tell("take");
        assert_eq!(takers[at].line(), "waits");
        took.push(at);
    }
    took
}

#[test]
fn two_processes_that_accept_one_name_take_turns() {
    cast(&ROLES);
    assert_eq!(takes(Balance::RoundRobin, 6), [0, 1, 0, 1, 0, 1]);
}

#[test]
fn spilling_over_the_younger_process_takes_all_that_it_can() {
    cast(&ROLES);
    assert_eq!(takes(Balance::SpillOver, 4), [1, 1, 1, 1]);
}

/// What this process holds: kilobytes of memory, open files, tasks of the runtime.
fn held() -> (u64, usize, usize) {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let rss = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let kilobytes = rss.trim_end_matches("kB").trim().parse().unwrap();
    let files = fs::read_dir("/proc/self/fd").unwrap().count();
    (kilobytes, files, Handle::current().metrics().num_alive_tasks())
}

/// A thousand flows to the process, each with a packet there and back and some more on the way.
async fn many(client: &MachineProvider, events: &EventQueue) -> Vec<Flow> {
    let flows = join_all((0..FLOWS).map(|_| async {
        let mut flow = alloc(client, NEVER_SILENT).await;
        flow.write(vec![7; 1_000]).await.unwrap();
        assert_eq!(flow.read_packet().await.unwrap().len(), 1_000);
        for _ in 0..10 {
            flow.write("on the way").await.unwrap();
        }
        flow
    }));
    let flows = flows.await;
    flows.iter().for_each(|flow| events.set().add(flow).unwrap());
    flows
}

/// Kills the process and sees every flow end; tells how much memory they took.
async fn all_end(client: &MachineProvider, mut actor: Actor) -> u64 {
    let mut events = EventQueue::new();
    let mut flows = many(client, &events).await;
    let (memory, ..) = held();
    actor.kill();
    let mut ended = 0;
    while ended < FLOWS {
        let kind = events.wait().await.kind;
        ended += usize::from(kind == EventKind::Peer);
        assert!(matches!(kind, EventKind::Peer | EventKind::Packet), "{kind:?}");
    }
    for flow in &mut flows {
        while flow.try_read_packet().is_ok() {}
        assert_eq!(flow.try_read_packet(), Err(ReadError::PeerGone));
        assert_eq!(flow.try_write("x"), Err(WriteError::PeerGone));
    }
    memory
}

#[test]
fn a_thousand_flows_end_at_a_kill_and_leave_nothing_behind() {
    let play = Play::new();
    let limit = nix::sys::resource::Resource::RLIMIT_NOFILE;
    let (soft, hard) = nix::sys::resource::getrlimit(limit).unwrap();
    nix::sys::resource::setrlimit(limit, soft.max(hard.min(4_096)), hard).unwrap();
    let first = play.actor("echo", &[]);
    let play = &play;
    play.run(|layer| async move {
        let client = layer.attach();
        let (fresh, ..) = held();
        // once for what an allocator and a runtime keep for later
        all_end(&client, first).await;
        let second = play.actor("echo", &[]);
        let files_of_the_actor = 2;
        let (memory, files, tasks) = held();
        let with_all = all_end(&client, second).await;
        let (memory_after, files_after, tasks_after) = held();
        println!(
            "{FLOWS} flows, killed: {fresh}, {memory} -> {with_all} -> {memory_after} kB, \
             {files} -> {files_after} files, {tasks} -> {tasks_after} tasks"
        );
        assert_eq!(files_after + files_of_the_actor, files);
        assert_eq!(tasks_after, tasks);
        assert!(memory_after <= memory + 4_096, "{memory} -> {memory_after} kB");
        let stats = layer.stats();
        assert_eq!((stats.flows, stats.killed), (0, 2 * 1_000));
    });
}

#[test]
fn who_waits_at_a_process_that_is_killed_gets_a_flow_of_the_next() {
    let play = Play::new();
    // bound, and never accepts until it is told to
    let mut first = play.actor("taker", &[]);
    let play = &play;
    play.run(|layer| async move {
        let client = layer.attach();
        let x = name("x");
        let mut asking = Box::pin(client.alloc(&x, QosSpec::DATA, None));
        assert!(
            tokio::time::timeout(Duration::from_millis(100), &mut asking)
                .await
                .is_err(),
            "it waits"
        );
        let second = play.actor("echo", &[]);
        first.kill();
        let mut flow = asking.await.unwrap();
        flow.write("x").await.unwrap();
        assert_eq!(flow.read_packet().await.unwrap(), "x");
        drop(second);
    });
}
