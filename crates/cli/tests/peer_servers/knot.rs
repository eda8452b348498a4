//! Knot DNS with its module for dnstap, by the C library's sender, to `fstrm capture`.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests may panic like tests"
)]

#[path = "cli/place.rs"]
mod place;
mod servers;

use std::process::Command;

use place::Place;
use servers::collector::{Collector, FILE, lines, messages, wait_for_lines};
use servers::daemon::Daemon;
use servers::{debian_version, zone};
use testkit::compat::{Direction, Outcome, Report};

const AUTHORITY: [&str; 2] = ["AQ", "AR"];

/// Starts a Knot that answers for a zone of its own; `dnstap` are more words for the module.
fn knot(place: &Place, dnstap: &str) -> Daemon {
    place.write("zone", zone::FILE);
    let log = place.path().join("knot.log");
    Daemon::start(&log, zone::READY, |port| {
        let here = place.path().display();
        let configuration = format!(
            "server:
  rundir: \"{here}\"
  listen: 127.0.0.1@{port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
database:
  storage: \"{here}\"
log:
  - target: stderr
    any: info
mod-dnstap:
  - id: tap
    sink: unix:{here}/tap
    identity: \"ours\"
    log-queries: on
    log-responses: on
    {dnstap}
template:
  - id: default
    storage: \"{here}\"
    global-module: mod-dnstap/tap
zone:
  - domain: {}
    file: zone
",
            zone::NAME
        );
        place.write("knot.conf", configuration);
        let mut command = Command::new("knotd");
        command.args(["-c", "knot.conf"]).current_dir(place.path());
        command
    })
}

fn report() -> Report {
    Report {
        peer: "Knot DNS, mod-dnstap".into(),
        version: debian_version("knot"),
        over: "Unix socket".into(),
    }
}

#[test]
#[ignore = "needs knot and knot-module-dnstap: cargo xtask setup"]
fn knot_sends_each_question_and_answer_and_ends_well() {
    let place = Place::new();
    let collector = Collector::start(&place, &["unix:tap"]);
    let knot = knot(&place, "");
    knot.client().ask(&zone::QUESTIONS);
    let expected = lines(AUTHORITY, &zone::QUESTIONS);
    assert_eq!(wait_for_lines(&place, FILE, expected.len()), expected);
    let port = knot.port();
    knot.stop();
    let summary = collector.stop();
    assert_eq!(summary["ended"]["stop"], 1, "{summary}");
    place.run(&["fstrm", "verify", FILE]).status(0);
    for message in messages(&place, FILE) {
        assert_eq!(message["identity"], "ours");
        assert_eq!(message["message"]["response_address"], "127.0.0.1");
        assert_eq!(message["message"]["response_port"], port);
    }
    report().row(
        Direction::FromPeer,
        "messages: AQ and AR",
        Outcome::Works,
        "what was asked and answered, in order; ends with STOP",
    );
}

#[test]
#[ignore = "needs knot and knot-module-dnstap: cargo xtask setup"]
fn knots_responses_have_their_queries_when_it_is_told_so() {
    let place = Place::new();
    let collector = Collector::start(&place, &["unix:tap"]);
    let knot = knot(&place, "responses-with-queries: on");
    knot.client().ask(&zone::QUESTIONS);
    let expected = lines(AUTHORITY, &zone::QUESTIONS);
    assert_eq!(wait_for_lines(&place, FILE, expected.len()), expected);
    knot.stop();
    collector.stop();
    let messages = messages(&place, FILE);
    for (message, question) in messages.iter().skip(1).step_by(2).zip(zone::QUESTIONS) {
        let query = &message["message"]["query_dns"];
        assert_eq!(query["qr"], false);
        assert_eq!(query["question"][0]["name"], question.name);
    }
    report().row(
        Direction::FromPeer,
        "messages: AR with the query",
        Outcome::Works,
        "responses-with-queries: on",
    );
}

#[test]
#[ignore = "needs knot and knot-module-dnstap: cargo xtask setup"]
fn a_knot_that_is_killed_is_followed_by_the_next_one() {
    let place = Place::new();
    let collector = Collector::start(&place, &["unix:tap"]);
    let mut expected = Vec::new();
    for is_killed in [true, false] {
        let knot = knot(&place, "");
        knot.client().ask(&zone::QUESTIONS);
        expected.extend(lines(AUTHORITY, &zone::QUESTIONS));
        assert_eq!(wait_for_lines(&place, FILE, expected.len()), expected);
        if is_killed {
            knot.kill();
        } else {
            knot.stop();
        }
    }
    let summary = collector.stop();
    assert_eq!(
        summary["ended"],
        serde_json::json!({"stop": 1, "eof": 1}),
        "{summary}"
    );
    report().row(
        Direction::FromPeer,
        "restart: Knot, by kill -9",
        Outcome::Works,
        "all in one file; the killed one's end is told as such",
    );
}
