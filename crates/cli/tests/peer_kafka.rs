//! `fstrm relay` to librdkafka's mock cluster.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]

mod brokers;

use std::io::{BufRead as _, BufReader, BufWriter};
use std::process::{Command, Stdio};

use brokers::{
    CONTENT_TYPE, Guarded, Relay, numbered, python, read_back, write_frame, write_start, write_stop,
};

struct Cluster {
    process: Guarded,
    hosts: String,
}

impl Cluster {
    fn started(topic: &str) -> Self {
        let mut child = Command::new(python())
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/brokers/mock_cluster.py"
            ))
            .arg(topic)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut hosts = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut hosts).unwrap();
        Self {
            process: Guarded(child),
            hosts: hosts.trim().to_owned(),
        }
    }

    fn signal(&self, signal: &str) {
        let pid = self.process.0.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
    }
}

/// Feeds numbered frames, up to and including the last, to a relay's standard input.
fn feed(relay: &mut Relay, numbers: core::ops::RangeInclusive<u64>) {
    let mut input = BufWriter::new(relay.process.0.stdin.as_mut().unwrap());
    for number in numbers {
        write_frame(&mut input, &numbered(number));
    }
}

#[test]
#[ignore = "needs confluent-kafka: cargo xtask setup"]
fn all_frames_are_acknowledged_and_found_in_order() {
    let total = 10_000;
    let cluster = Cluster::started("tap");
    let mut relay = Relay::start("-", &format!("kafka://{}/tap", cluster.hosts), &[]);
    write_start(relay.process.0.stdin.as_mut().unwrap(), CONTENT_TYPE);
    feed(&mut relay, 1..=total);
    write_stop(relay.process.0.stdin.as_mut().unwrap());
    let (status, told) = relay.end();
    assert_eq!(status, Some(0), "{told}");
    let found = read_back("kafka", &[&cluster.hosts, "tap", &total.to_string()]);
    let expected: Vec<_> = (1..=total).map(|number| (number, numbered(number))).collect();
    assert!(found == expected, "in order, each once");
}

#[test]
#[ignore = "needs confluent-kafka: cargo xtask setup"]
fn a_broker_that_falls_silent_in_the_middle_loses_nothing() {
    let total = 10_000;
    let cluster = Cluster::started("tap");
    let target = format!("kafka://{}/tap?timeout=1&window=65536", cluster.hosts);
    let mut relay = Relay::start("-", &target, &["--queue", "65536"]);
    write_start(relay.process.0.stdin.as_mut().unwrap(), CONTENT_TYPE);
    feed(&mut relay, 1..=total / 2);
    cluster.signal("-STOP");
    feed(&mut relay, total / 2 + 1..=total / 2 + 10);
    relay.wait_for("trying again");
    cluster.signal("-CONT");
    feed(&mut relay, total / 2 + 11..=total);
    write_stop(relay.process.0.stdin.as_mut().unwrap());
    let (status, told) = relay.end();
    assert_eq!(status, Some(0), "{told}");
    // A request whose answer came too late is written twice, so there are at least as many.
    let found = read_back("kafka", &[&cluster.hosts, "tap", &total.to_string()]);
    let mut next = 1;
    for (number, payload) in found {
        assert_eq!(payload, numbered(number));
        assert!(number <= next, "{number} comes before {next}");
        next = next.max(number + 1);
    }
}

#[test]
#[ignore = "needs confluent-kafka: cargo xtask setup"]
fn a_topic_that_is_not_there_ends_the_relay() {
    let cluster = Cluster::started("tap");
    let mut relay = Relay::start("-", &format!("kafka://{}/none", cluster.hosts), &[]);
    write_start(relay.process.0.stdin.as_mut().unwrap(), CONTENT_TYPE);
    feed(&mut relay, 1..=1);
    write_stop(relay.process.0.stdin.as_mut().unwrap());
    let (status, told) = relay.end();
    assert_ne!(status, Some(0));
    assert!(told.contains("no topic \"none\""), "{told}");
}
