//! The sender of the C library, `fstrm_iothr`, which servers have in them, to `fstrm capture`: in a program
//! of ours that does nothing else.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests may panic like tests"
)]

#[path = "../cli/place.rs"]
mod place;
#[path = "../servers/mod.rs"]
mod servers;

use core::ops::Range;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command};

use fstrm_codec::{Config, FileReader};
use place::{Place, finish};
use serde_json::json;
use servers::collector::{Collector, FILE};
use servers::{debian_version, wait_for};
use testkit::compat::{Direction, Outcome, Report};

const TYPE: &str = "protobuf:dnstap.Dnstap";
const FRAMES: u64 = 1_000;

/// The program while it runs; killed when it is dropped.
struct Sender {
    child: Option<Child>,
    orders: Option<ChildStdin>,
    news: BufReader<ChildStdout>,
    submitted: u64,
}

impl Sender {
    fn start(place: &Place, words: &[&str]) -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peer_libfstrm/sender.c");
        let program = place.path().join("sender");
        let mut compiler = Command::new("cc");
        compiler
            .args(["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra", "-o"])
            .arg(&program)
            .arg(source)
            .arg("-lfstrm");
        let compiled = compiler.output().unwrap();
        let said = String::from_utf8_lossy(&compiled.stderr);
        assert!(compiled.status.success() && said.is_empty(), "{said}");
        let mut command = place.foreign(program.to_str().unwrap(), words);
        command.stdin(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        Self {
            orders: child.stdin.take(),
            news: BufReader::new(child.stdout.take().unwrap()),
            child: Some(child),
            submitted: 0,
        }
    }

    /// Submits so many frames more; their numbers.
    fn submit(&mut self, count: u64) -> Range<u64> {
        writeln!(self.orders.as_mut().unwrap(), "{count}").unwrap();
        let mut line = String::new();
        self.news.read_line(&mut line).unwrap();
        let before = core::mem::replace(&mut self.submitted, line.trim().parse().unwrap());
        before..self.submitted
    }

    /// Ends the stream, and waits for the end of the program.
    fn end(mut self) {
        drop(self.orders.take());
        finish(self.child.take().unwrap()).status(0);
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn report(over: &str) -> Report {
    Report {
        peer: "libfstrm, fstrm_iothr".into(),
        version: debian_version("libfstrm0"),
        over: over.into(),
    }
}

/// The numbers in the file, each with as many bytes as belong to it. What is just being written is not there.
fn numbers(place: &Place) -> Vec<u64> {
    let mut reader = FileReader::open(place.path().join(FILE), Config::new()).unwrap();
    let mut numbers = Vec::new();
    while let Some(payload) = reader.next_frame().unwrap() {
        let (number, rest) = payload.split_first_chunk().unwrap();
        let number = u64::from_be_bytes(*number);
        assert_eq!(rest.len() as u64, number % 500);
        assert!(rest.iter().all(|byte| *byte == 7));
        numbers.push(number);
    }
    numbers
}

/// Waits until the last of these is in the file.
fn wait_for_frames(place: &Place, frames: &Range<u64>) {
    wait_for("the last frame", || {
        (numbers(place).last() == Some(&(frames.end - 1))).then_some(())
    });
}

#[test]
#[ignore = "needs libfstrm-dev: cargo xtask setup"]
fn each_frame_comes_once_and_in_order_over_either_transport() {
    for over in ["Unix socket", "TCP"] {
        let place = Place::new();
        let (collector, mut sender) = if over == "TCP" {
            let collector = Collector::start(&place, &["tcp://127.0.0.1:0"]);
            let port = collector.port().to_string();
            (
                collector,
                Sender::start(&place, &[TYPE, "tcp", "127.0.0.1", &port]),
            )
        } else {
            let collector = Collector::start(&place, &["unix:tap"]);
            (collector, Sender::start(&place, &[TYPE, "unix", "tap"]))
        };
        collector.hears("connected");
        for _ in 0..3 {
            sender.submit(FRAMES);
        }
        let all = 0..sender.submitted;
        sender.end();
        let summary = collector.stop();
        assert_eq!(summary["ended"], json!({"stop": 1}), "{summary}");
        assert!(numbers(&place).into_iter().eq(all), "{over}");
        place.run(&["fstrm", "verify", FILE]).status(0);
        report(over).row(
            Direction::FromPeer,
            "numbered frames",
            Outcome::Works,
            "each once and in order; ends with STOP",
        );
    }
}

#[test]
#[ignore = "needs libfstrm-dev: cargo xtask setup"]
fn a_collector_that_ends_or_is_killed_is_followed_by_one_that_gets_the_rest_once_and_in_order() {
    let place = Place::new();
    let mut collector = Collector::start(&place, &["unix:tap"]);
    let mut sender = Sender::start(&place, &[TYPE, "unix", "tap"]);
    collector.hears("connected");
    let mut sure = vec![sender.submit(FRAMES)];
    for is_killed in [true, false] {
        wait_for_frames(&place, sure.last().unwrap());
        if is_killed {
            collector.kill();
        } else {
            collector.stop();
        }
        collector = Collector::start(&place, &["unix:tap"]);
        // It sees that only when it writes, and then tries each second.
        wait_for("the sender to come back", || {
            sender.submit(1);
            collector.has_heard("connected").then_some(())
        });
        sure.push(sender.submit(FRAMES));
    }
    sender.end();
    let summary = collector.stop();
    assert_eq!(summary["ended"], json!({"stop": 1}), "{summary}");
    place.run(&["fstrm", "verify", FILE]).status(0);
    let numbers = numbers(&place);
    assert!(numbers.is_sorted_by(|one, next| one < next), "once and in order");
    for frames in sure {
        let came = numbers.iter().filter(|number| frames.contains(number)).count();
        assert_eq!(came as u64, FRAMES, "{frames:?}");
    }
    report("Unix socket").row(
        Direction::FromPeer,
        "restart: the collector, by kill -9 and by SIGTERM",
        Outcome::Works,
        "goes on in the same file; what is submitted from its return on comes once and in order",
    );
}

#[test]
#[ignore = "needs libfstrm-dev: cargo xtask setup"]
fn another_content_type_is_refused_as_often_as_it_comes() {
    let place = Place::new();
    let collector = Collector::start(&place, &["unix:tap"]);
    let mut sender = Sender::start(&place, &["something else", "unix", "tap"]);
    sender.submit(1);
    for _ in 0..2 {
        let failed = collector.hears("failed");
        let message = failed["message"].as_str().unwrap();
        assert!(message.contains("something else"), "{message}");
    }
    drop(sender);
    let summary = collector.stop();
    assert_eq!(summary["frames"], 0, "{summary}");
    report("Unix socket").row(
        Direction::FromPeer,
        "content type: another",
        Outcome::Works,
        "refused by us and told; it tries again",
    );
}
