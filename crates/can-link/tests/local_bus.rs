//! A bus between real processes, one of which is killed.
#![cfg(unix)]

use core::time::Duration;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use can_link::link::{Event, LinkChange};
use can_link::{CanFrame, CanRxExt, CanTxExt, Link, StandardId};
use tokio::time::timeout;

/// Far beyond what any step takes; reached only when something hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// Set in processes that [`start_child`] starts.
const CHILD: &str = "CAN_LINK_TEST_CHILD";

fn frame(number: u8) -> CanFrame {
    CanFrame::data(StandardId::ZERO, &[number]).expect("one byte fits")
}

async fn join(directory: &Path) -> Link {
    let config = can_link::local_bus::BusConfig::default().directory(directory);
    let port = timeout(PATIENCE, can_link::local_bus::join("processes", config)).await;
    port.expect("joining hangs").expect("joining fails").into_link()
}

async fn next(link: &mut Link) -> Event {
    let event = timeout(PATIENCE, link.recv()).await.expect("something hangs");
    event.expect("the link fails").expect("the link has ended")
}

/// Not a test of its own: the process that [`start_child`] starts. It echoes each frame plus one.
#[tokio::test]
async fn child() -> Result<(), Box<dyn core::error::Error>> {
    if std::env::var_os(CHILD).is_none() {
        return Ok(());
    }
    let mut link = can_link::open(&"bus:processes".parse()?).await?;
    eprintln!("joined");
    while let Some(received) = link.recv_frame().await? {
        let number = received.frame.payload().first().copied().unwrap_or_default();
        link.send(frame(number.wrapping_add(1))).await?;
    }
    Ok(())
}

/// Killed when dropped, so that a failing test leaves nothing behind.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a process that joins the bus in the runtime directory that `directory` stands for.
fn start_child(directory: &Path) -> Killed {
    start(Command::new(test_file()).env("XDG_RUNTIME_DIR", directory))
}

fn test_file() -> PathBuf {
    std::env::current_exe().expect("a test knows its own file")
}

fn start(command: &mut Command) -> Killed {
    let mut child = command
        .args(["--exact", "child", "--nocapture"])
        .env(CHILD, "1")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the test starts again");
    let output = child.stderr.take().expect("standard error is piped");
    let child = Killed(child);
    let mut lines = BufReader::new(output).lines().map_while(Result::ok);
    assert!(
        lines.any(|line| line == "joined"),
        "the child ended before it joined"
    );
    child
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_host_is_replaced() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let host = start_child(directory.path());
    let mut link = join(&directory.path().join("tinwire")).await;
    link.send(frame(1)).await.expect("the host is there");
    let Event::Frame(answer) = next(&mut link).await else {
        panic!("no answer")
    };
    assert_eq!(answer.frame, frame(2));

    drop(host); // SIGKILL
    link.send(frame(10)).await.expect("frames wait for the next host");
    assert_eq!(next(&mut link).await, Event::Link(LinkChange::Reconnected));

    let _second = start_child(directory.path());
    link.send(frame(20)).await.expect("we host now");
    loop {
        // the second child may be in time for what waited, and answers that too
        let Event::Frame(answer) = next(&mut link).await else {
            panic!("no answer")
        };
        if answer.frame == frame(21) {
            break;
        }
        assert_eq!(answer.frame, frame(11));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_host_is_not_replaced_and_loses_nothing() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let host = start_child(directory.path());
    let mut link = join(&directory.path().join("tinwire")).await;
    signal(&host, "STOP");
    for number in 0..100 {
        link.send(frame(number)).await.expect("there is room");
    }
    signal(&host, "CONT");
    for number in 0..100 {
        let answer = timeout(PATIENCE, link.recv()).await.expect("something hangs");
        let Ok(Some(Event::Frame(answer))) = answer else {
            panic!("{answer:?}")
        };
        assert_eq!(answer.frame, frame(number + 1));
    }
}

/// Sends a signal to a process, and is done when the process has got it.
fn signal(child: &Killed, name: &str) {
    let script = format!("kill -{name} {}", child.0.id());
    let status = Command::new("sh").args(["-c", &script]).status();
    assert!(status.expect("there is a shell").success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_of_a_killed_host_find_each_other() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let host = start_child(directory.path());
    let mut members = Vec::new();
    for _ in 0..8 {
        members.push(join(&directory.path().join("tinwire")).await);
    }
    drop(host);
    for link in &mut members {
        assert_eq!(next(link).await, Event::Link(LinkChange::Reconnected));
    }
    let (first, others) = members.split_first_mut().expect("eight members");
    first.send(frame(7)).await.expect("somebody hosts");
    for link in others {
        let Event::Frame(received) = next(link).await else {
            panic!("no frame")
        };
        assert_eq!(received.frame, frame(7));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_runtime_directory_the_temporary_one_holds_the_users_own() {
    use std::os::unix::fs::MetadataExt;

    let temporary = tempfile::tempdir().expect("a temporary directory");
    let _host = start(
        Command::new(test_file())
            .env_remove("XDG_RUNTIME_DIR")
            .env("TMPDIR", temporary.path()),
    );
    let uid = temporary.path().metadata().expect("it was just made").uid();
    let directory = temporary.path().join(format!("tinwire-{uid}"));
    let mode = directory.metadata().expect("the child made it").mode();
    assert_eq!(mode & 0o777, 0o700);
    let mut link = join(&directory).await;
    link.send(frame(1)).await.expect("the host is there");
    let Event::Frame(answer) = next(&mut link).await else {
        panic!("no answer")
    };
    assert_eq!(answer.frame, frame(2));
}
