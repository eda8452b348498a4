//! `fstrm relay` to librdkafka's mock cluster.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]

mod brokers;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, BufWriter};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use brokers::{
    CONTENT_TYPE, Guarded, Relay, figure, numbered, python, read_back, signal, write_frame, write_start,
    write_stop,
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

    fn signal(&self, name: &str) {
        signal(&self.process.0, name);
    }
}

/// An address that stays while clusters come and go behind it.
struct Door {
    port: u16,
    behind: Arc<Mutex<Option<String>>>,
}

impl Door {
    fn to(hosts: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let behind = Arc::new(Mutex::new(Some(hosts.to_owned())));
        let shared = Arc::clone(&behind);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let place = shared.lock().unwrap().clone();
                // Whoever finds nobody behind it is hung up on.
                if let (Ok(client), Some(Ok(server))) = (client, place.map(TcpStream::connect)) {
                    for (mut from, mut to) in [
                        (client.try_clone().unwrap(), server.try_clone().unwrap()),
                        (server, client),
                    ] {
                        std::thread::spawn(move || {
                            let _ = std::io::copy(&mut from, &mut to);
                            let _ = to.shutdown(Shutdown::Both);
                        });
                    }
                }
            }
        });
        Self { port, behind }
    }

    fn lead(&self, hosts: Option<&str>) {
        *self.behind.lock().unwrap() = hosts.map(ToOwned::to_owned);
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

#[test]
#[ignore = "needs confluent-kafka: cargo xtask setup"]
fn a_broker_that_is_killed_leaves_to_the_next_exactly_what_it_has_not_acknowledged() {
    let total = 20_000;
    let mut first = Cluster::started("tap");
    let door = Door::to(&first.hosts);
    let target = format!("kafka://127.0.0.1:{}/tap?timeout=2&window=65536", door.port);
    let mut relay = Relay::start("-", &target, &["--queue", "65536", "--metrics", ":0", "--json"]);
    write_start(relay.process.0.stdin.as_mut().unwrap(), CONTENT_TYPE);
    let output = format!("output=\"kafka://127.0.0.1:{}/tap\"", door.port);
    let name = format!("tinwire_broker_frames_total{{{output},what=\"stored\"}}");
    feed(&mut relay, 1..=total / 2);
    while figure(&relay.figures(), &name) == 0 {
        std::thread::yield_now();
    }
    door.lead(None);
    // What it takes from here on it never acknowledges.
    first.signal("-STOP");
    // It blocks when everything is full, until there is a broker again.
    let mut input = relay.process.0.stdin.take().unwrap();
    let feeding = std::thread::spawn(move || {
        let mut input = BufWriter::new(&mut input);
        for number in total / 2 + 1..=total {
            write_frame(&mut input, &numbered(number));
        }
        write_stop(&mut input);
    });
    first.process.kill();
    relay.wait_for("trying again");
    let stored = figure(&relay.figures(), &name);
    assert!(stored <= total / 2, "{stored} were acknowledged");
    let second = Cluster::started("tap");
    door.lead(Some(&second.hosts));
    feeding.join().unwrap();
    let (status, told) = relay.end();
    assert_eq!(status, Some(0), "{told}");
    assert!(told.contains(&format!("\"stored\":{total}")), "{told}");
    let left = total - stored;
    let found = read_back("kafka", &[&second.hosts, "tap", &left.to_string()]);
    let expected: Vec<_> = (stored + 1..=total)
        .map(|number| (number, numbered(number)))
        .collect();
    assert!(found == expected, "{stored} before, {} now", found.len());
}

/// A dnstap frame of that identity, without a message.
fn dnstap(identity: Option<&str>) -> Vec<u8> {
    let mut frame = Vec::new();
    if let Some(identity) = identity {
        frame.extend([0x0a, u8::try_from(identity.len()).unwrap()]);
        frame.extend(identity.as_bytes());
    }
    frame.extend([0x78, 0x01]);
    frame
}

#[test]
#[ignore = "needs confluent-kafka: cargo xtask setup"]
fn frames_of_one_identity_are_in_one_partition_and_in_order() {
    let keys: Vec<String> = (0..40).map(|number| format!("ns{number}.example")).collect();
    let cluster = Cluster::started("tap");
    let total = 4_000;
    let frames: Vec<_> = (0..total)
        // Each 41st has no identity.
        .map(|number| dnstap(keys.get(number % 41).map(String::as_str)))
        .collect();
    let relay = Relay::start("-", &format!("kafka://{}/tap", cluster.hosts), &[]);
    let (status, told) = relay.feed_and_end(b"protobuf:dnstap.Dnstap", &frames);
    assert_eq!(status, Some(0), "{told}");
    let output = Command::new(python())
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/brokers/partitions.py"
        ))
        .args([&cluster.hosts, "tap", &total.to_string()])
        .args(&keys)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut places = BTreeMap::new();
    let mut last = BTreeMap::new();
    let mut found = 0;
    for line in text.lines() {
        let words: Vec<_> = line.split(' ').collect();
        let (partition, key, number) = (words[0], words[1], words[2].parse::<usize>().unwrap());
        let known = *places
            .entry(key.to_owned())
            .or_insert_with(|| partition.to_owned())
            == partition;
        assert!(
            known,
            "{key} is in {partition} too, where librdkafka or we put it"
        );
        if number > 0 {
            let expected = keys.get((number - 1) % 41).map_or("-", String::as_str);
            assert_eq!(key, expected);
            let before = last.insert(partition.to_owned(), number);
            assert!(before < Some(number), "{before:?} before {number} in {partition}");
            found += 1;
        }
    }
    assert_eq!(found, total);
    assert!(last.len() > 1, "one partition proves nothing");
}

#[test]
#[ignore = "needs confluent-kafka: cargo xtask setup"]
fn a_broker_that_makes_no_topics_and_one_that_knows_no_login_end_the_relay() {
    let cluster = Cluster::started("tap");
    for (target, why) in [
        (
            format!("kafka://{}/none?create=true", cluster.hosts),
            "making the topic: ",
        ),
        (
            format!("kafka://ann:secret@{}/tap", cluster.hosts),
            "Sasl handshake failed",
        ),
        (
            format!("kafka://ann:secret@{}/tap?sasl=scram-sha-512", cluster.hosts),
            "Sasl handshake failed",
        ),
        (
            format!("kafka://{}/tap?partition=9", cluster.hosts),
            "no partition 9; there are 4",
        ),
    ] {
        let (status, told) = Relay::start("-", &target, &[]).feed_and_end(CONTENT_TYPE, &[numbered(1)]);
        assert_eq!(status, Some(3), "{told}");
        assert!(told.contains(why), "{told}");
        assert!(!told.contains("secret"), "{told}");
    }
}

#[test]
#[ignore = "needs confluent-kafka: cargo xtask setup"]
fn a_broker_without_tls_is_not_spoken_to_in_the_clear() {
    let cluster = Cluster::started("tap");
    let target = format!("kafka://{}/tap?tls=true&timeout=1&drain=1", cluster.hosts);
    let (status, told) = Relay::start("-", &target, &[]).feed_and_end(CONTENT_TYPE, &[numbered(1)]);
    assert_eq!(status, Some(3), "{told}");
    assert!(told.contains("1 frame could not be delivered"), "{told}");
}
