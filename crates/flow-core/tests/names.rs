//! Names between processes: crowds that come, go and are killed; programs that are started.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]

mod processes;

use core::time::Duration;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::id;

use flow_core::providers::machine::{
    Bindings, Directory, MachineConfig, MachineLayer, NameSettings, Names, Start,
};
use flow_core::{AllocError, Name, QosSpec};

use processes::{Actor, Role, cast, hear, say};

const ROLES: [(&str, Role); 4] = [
    ("crowd", crowd),
    ("holder", holder),
    ("server", server),
    ("echo", echo),
];

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn config(path: &str) -> MachineConfig {
    MachineConfig::default().directory(path)
}

fn open(path: &str) -> Directory {
    Directory::open(&config(path)).unwrap()
}

fn place() -> (tempfile::TempDir, String) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("flow").to_str().unwrap().to_owned();
    (place, path)
}

fn names_there(path: &str) -> Vec<String> {
    let entries = fs::read_dir(Path::new(path).join("names")).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// Binds and lets go of the same few names as all others, again and again; each binding is to be found, and
/// listens, for as long as it is held.
fn crowd(words: &[String]) {
    let directory = open(&words[0]);
    let turns: usize = words[1].parse().unwrap();
    for turn in 0..turns {
        let name = name(["one", "Two", "three"][turn % 3]);
        let seat = directory.publish(&name).unwrap();
        let mut candidates = directory.candidates(&name).unwrap();
        assert!(candidates.paths().any(|path| path == seat.path()));
        UnixStream::connect(seat.path()).unwrap();
        let others: Vec<_> = candidates.paths().map(Path::to_path_buf).collect();
        for other in others {
            if UnixStream::connect(&other).is_err() {
                candidates.stale(&other);
            }
        }
        candidates.chosen(seat.path());
        if turn % 10 == 0 {
            say(turn);
        }
    }
}

/// Holds a name until it is told otherwise.
fn holder(words: &[String]) {
    let seat = open(&words[0]).publish(&name(&words[1])).unwrap();
    say("bound");
    hear();
    drop(seat);
}

/// A program that accepts for what it is bound to, once.
fn server(words: &[String]) {
    let path = std::env::var("TINWIRE_FLOW_DIR").unwrap();
    let directory = open(&path);
    let mut bindings = Bindings::new(&directory, &config(&path).program("server"));
    let name = bindings.poll().unwrap().first().unwrap().clone();
    let seat = directory.publish(&name).unwrap();
    let log = Path::new(&words[0]);
    fs::write(log.join(format!("started-{}", id())), "").unwrap();
    while seat.listener().accept().is_err() {
        std::thread::yield_now();
    }
}

/// A program that accepts for what it is bound to, and answers.
fn echo(_: &[String]) {
    block_on(async {
        let path = std::env::var("TINWIRE_FLOW_DIR").unwrap();
        let layer = MachineLayer::open(config(&path).program("server")).unwrap();
        let provider = layer.attach();
        let mut flow = provider.accept(None).await.unwrap();
        let packet = flow.read_packet().await.unwrap();
        flow.write(packet).await.unwrap();
        flow.dealloc().await.unwrap();
    });
}

/// Plays in a runtime of its own, wherever this is called.
fn block_on(play: impl Future<Output = ()> + Send + 'static) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    std::thread::spawn(move || runtime.block_on(play)).join().unwrap();
}

#[test]
fn crowds_that_come_and_go_and_are_killed_leave_nothing_behind() {
    cast(&ROLES);
    let (_place, path) = place();
    let mut doomed: Vec<_> = (0..3).map(|_| Actor::new("crowd", &[&path, "100000"])).collect();
    let steady: Vec<_> = (0..3).map(|_| Actor::new("crowd", &[&path, "150"])).collect();
    for (kills, actor) in doomed.iter_mut().enumerate() {
        for _ in 0..=kills {
            actor.line(); // in the midst of it
        }
        actor.kill();
    }
    for actor in steady {
        actor.lines();
        actor.end();
    }
    drop(open(&path));
    assert_eq!(names_there(&path), [""; 0], "the last one cleans up");
}

#[test]
fn a_killed_holder_is_met_once_and_the_living_go_on() {
    cast(&ROLES);
    let (_place, path) = place();
    let mut holders: Vec<_> = (0..3).map(|_| Actor::new("holder", &[&path, "echo"])).collect();
    holders
        .iter()
        .for_each(|holder| assert_eq!(holder.line(), "bound"));
    let listed = Names::open(&config(&path)).unwrap().list().unwrap();
    let mut pids: Vec<_> = listed[0].accepters.iter().map(|accepter| accepter.pid).collect();
    pids.sort_unstable();
    let mut expected: Vec<_> = holders.iter().map(Actor::pid).collect();
    expected.sort_unstable();
    assert_eq!(pids, expected);

    let directory = open(&path);
    holders[1].kill();
    let mut candidates = directory.candidates(&name("echo")).unwrap();
    assert_eq!(candidates.len(), 3, "nobody was told");
    let paths: Vec<_> = candidates.paths().map(Path::to_path_buf).collect();
    let dead: Vec<_> = paths
        .iter()
        .filter(|path| UnixStream::connect(path).is_err())
        .collect();
    assert_eq!(dead.len(), 1);
    candidates.stale(dead[0]);
    assert_eq!(directory.candidates(&name("echo")).unwrap().len(), 2);
    holders.iter_mut().for_each(Actor::kill);
    drop(open(&path));
    assert_eq!(names_there(&path), [""; 0]);
}

/// A script of the name `server`, which plays `role` in this test.
fn script(place: &tempfile::TempDir, role: &str) -> (PathBuf, Start) {
    let path = place.path().join("server");
    let own = std::env::current_exe().unwrap();
    let text = format!(
        "#!/bin/sh\nTINWIRE_TEST_ROLE='{role}' exec '{}' \"$@\"\n",
        own.display()
    );
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    let test = std::thread::current().name().unwrap().to_owned();
    let args = ["--exact", &test, "--nocapture"].map(Into::into).to_vec();
    (path, Start::Auto { args })
}

#[tokio::test]
async fn a_program_is_started_once_for_requests_that_find_nobody() {
    cast(&ROLES);
    let (place, path) = place();
    let (names, directory) = (Names::open(&config(&path)).unwrap(), open(&path));
    let log = place.path().to_str().unwrap();
    let (script, start) = script(&place, &format!("server\u{1f}{log}"));
    let echo = name("echo");
    names.create(&echo, NameSettings::default()).unwrap();
    names.bind_program(&script, &echo, start).unwrap();

    let (candidates, others) = tokio::join!(directory.reach(&echo), directory.reach(&echo));
    assert_eq!((candidates.unwrap().len(), others.unwrap().len()), (1, 1));
    let started = || {
        let entries = fs::read_dir(place.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        entries
            .filter(|name| name.to_string_lossy().starts_with("started-"))
            .count()
    };
    let again = directory.reach(&echo).await.unwrap();
    let socket = again.paths().next().unwrap().to_path_buf();
    UnixStream::connect(&socket).unwrap();
    while socket.exists() {
        tokio::task::yield_now().await; // it ends when it was met
    }
    assert_eq!(started(), 1);
}

#[tokio::test]
async fn a_flow_to_a_name_that_nobody_accepts_for_starts_its_program() {
    cast(&ROLES);
    let (place, path) = place();
    let layer = MachineLayer::open(config(&path)).unwrap();
    let (script, start) = script(&place, "echo");
    let echo = name("echo");
    layer.names().create(&echo, NameSettings::default()).unwrap();
    layer.names().bind_program(&script, &echo, start).unwrap();
    for text in ["one", "two"] {
        let mut flow = layer.attach().alloc(&echo, QosSpec::DATA, None).await.unwrap();
        flow.write(text).await.unwrap();
        assert_eq!(flow.read_packet().await.unwrap(), text);
        assert!(
            flow.read_packet().await.is_err(),
            "it ends, and the next one is another"
        );
    }
}

#[tokio::test]
async fn a_program_that_is_busy_is_started_once_more() {
    cast(&ROLES);
    let (place, path) = place();
    let layer = MachineLayer::open(config(&path)).unwrap();
    let (script, start) = script(&place, "echo");
    let echo = name("echo");
    layer.names().create(&echo, NameSettings::default()).unwrap();
    layer.names().bind_program(&script, &echo, start).unwrap();
    let (one, two) = (layer.attach(), layer.attach());
    let limit = Some(Duration::from_secs(60));
    let first = one.alloc(&echo, QosSpec::DATA, limit).await.unwrap();
    // the first program waits for a packet; two who ask at once start one each, one after the other
    let (second, third) = tokio::join!(
        one.alloc(&echo, QosSpec::DATA, limit),
        two.alloc(&echo, QosSpec::DATA, limit)
    );
    let flows = [first, second.unwrap(), third.unwrap()];
    let mut peers: Vec<_> = flows.iter().map(|flow| flow.peer().clone()).collect();
    peers.dedup();
    assert_eq!(peers.len(), 3, "{peers:?}");
    for mut flow in flows {
        flow.write("x").await.unwrap();
        assert_eq!(flow.read_packet().await.unwrap(), "x");
    }
}

#[tokio::test]
async fn who_waits_in_accept_is_bound_and_let_go_of_by_settings() {
    cast(&ROLES);
    let (_place, path) = place();
    let (here, there) = [(); 2]
        .map(|()| MachineLayer::open(config(&path)).unwrap())
        .into();
    let (server, client, names) = (here.attach(), there.attach(), here.names());
    let (own, assigned) = (name("own"), name("assigned"));
    server.bind(&own).unwrap();
    names.create(&assigned, NameSettings::default()).unwrap();
    let unreachable = client.alloc(&assigned, QosSpec::DATA, None).await.unwrap_err();
    assert!(
        matches!(unreachable, AllocError::Unreachable { .. }),
        "{unreachable}"
    );

    let asking = async {
        names.bind_process(id(), &assigned).unwrap();
        loop {
            match client.alloc(&assigned, QosSpec::DATA, None).await {
                Ok(flow) => return flow,
                Err(error) => assert!(matches!(error, AllocError::Unreachable { .. }), "{error}"),
            }
            tokio::task::yield_now().await;
        }
    };
    let (accepted, asked) = tokio::join!(server.accept(None), asking);
    assert_eq!((accepted.unwrap().name(), asked.name()), (&assigned, &assigned));

    names.unbind_process(id(), &assigned).unwrap();
    let let_go = async {
        while !directory_is_empty(&here, &assigned) {
            tokio::task::yield_now().await;
        }
        client.alloc(&own, QosSpec::DATA, None).await.unwrap()
    };
    let (accepted, asked) = tokio::join!(server.accept(None), let_go);
    assert_eq!((accepted.unwrap().name(), asked.name()), (&own, &own));
}

fn directory_is_empty(layer: &MachineLayer, name: &Name) -> bool {
    layer.directory().candidates(name).unwrap().is_empty()
}
