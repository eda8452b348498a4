//! Two processes on one bus, and one of them dies.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]

#[path = "cli/place.rs"]
mod place;

use core::time::Duration;
use std::time::Instant;

use place::Place;

#[test]
fn a_node_in_another_process_answers() {
    let place = Place::new();
    let _node = place.start(&["csp", "node", "-i", "bus:x", "--addr", "2"]);
    let ran = place
        .run(&["csp", "ping", "2", "-i", "bus:x", "-c", "5", "--interval", "1ms"])
        .status(0);
    assert!(
        ran.stdout.contains("5 sent, 5 received, 0% loss"),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_node_killed_before_the_ping_is_loss_and_exit_1_within_the_timeout() {
    let place = Place::new();
    let mut node = place.start(&["csp", "node", "-i", "bus:x", "--addr", "2"]);
    node.kill();
    let start = Instant::now();
    let ran = place
        .run(&[
            "csp",
            "ping",
            "2",
            "-i",
            "bus:x",
            "-c",
            "3",
            "--interval",
            "1ms",
            "-t",
            "200",
        ])
        .status(1);
    assert!(
        ran.stdout.contains("3 sent, 0 received, 100% loss"),
        "{}",
        ran.stdout
    );
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "three timeouts of 200 ms: {:?}",
        start.elapsed()
    );
}

/// The node was first, so it is also the host of the bus: the ping has to take over, and to notice the
/// silence.
#[test]
fn a_node_killed_in_the_middle_is_reported_as_loss_and_nothing_hangs() {
    let place = Place::new();
    let mut node = place.start(&["csp", "node", "-i", "bus:x", "--addr", "2"]);
    let ping = place.start(&[
        "csp",
        "ping",
        "2",
        "-i",
        "bus:x",
        "-c",
        "20",
        "--interval",
        "20ms",
        "-t",
        "200",
        "--json",
        "--max-loss",
        "10%",
    ]);
    assert!(ping.first.contains("\"type\":\"reply\""), "{}", ping.first);
    node.kill();
    let start = Instant::now();
    let ran = ping.end().status(1);
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    let summary: serde_json::Value = serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(summary["type"], "summary");
    assert_eq!(summary["sent"], 20);
    assert!(summary["received"].as_u64().unwrap() < 20, "{summary}");
}

#[test]
fn when_the_host_of_a_bus_dies_the_others_go_on() {
    let place = Place::new();
    let mut host = place.start(&["csp", "node", "-i", "bus:x", "--addr", "2"]);
    let _node = place.start(&["csp", "node", "-i", "bus:x", "--addr", "3"]);
    host.kill();
    let ran = place
        .run(&[
            "csp",
            "ping",
            "3",
            "-i",
            "bus:x",
            "-c",
            "5",
            "--interval",
            "50ms",
            "-t",
            "500",
        ])
        .status(0);
    assert!(!ran.stdout.contains("100% loss"), "{}", ran.stdout);
}
