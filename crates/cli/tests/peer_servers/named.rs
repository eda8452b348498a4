//! BIND's dnstap, by the C library's sender: to `fstrm capture`, and into a file that we read.

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
use servers::collector::{Collector, FILE, line, lines, messages, wait_for_lines};
use servers::daemon::Daemon;
use servers::dns::Question;
use servers::{debian_version, zone};
use testkit::compat::{Direction, Outcome, Report};

const CLIENT: [&str; 2] = ["CQ", "CR"];

/// Those of its own zone: it would look for the others elsewhere.
const QUESTIONS: &[Question] = zone::QUESTIONS.split_at(4).0;

/// Starts a BIND that answers for a zone of its own, with these kinds of messages and this place for them.
fn named(place: &Place, kinds: &str, output: &str) -> Daemon {
    named_with(place, kinds, output, "yes")
}

fn named_with(place: &Place, kinds: &str, output: &str, recursion: &str) -> Daemon {
    place.write("zone", zone::FILE);
    let log = place.path().join("named.log");
    Daemon::start(&log, zone::READY, |port| {
        let here = place.path().display();
        let configuration = format!(
            "options {{
  directory \"{here}\";
  pid-file none;
  session-keyfile none;
  listen-on port {port} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  recursion {recursion};
  dnssec-validation no;
  notify no;
  dnstap {{ {kinds} }};
  dnstap-output {output};
  dnstap-identity \"ours\";
  fstrm-set-reopen-interval 1;
}};
controls {{ }};
zone \"{}\" {{ type primary; file \"zone\"; }};
",
            zone::NAME
        );
        place.write("named.conf", configuration);
        let mut command = Command::new("named");
        command
            .args(["-g", "-n", "1", "-c", "named.conf"])
            .current_dir(place.path());
        command
    })
}

fn to_socket(place: &Place) -> String {
    format!("unix \"{}\"", place.path().join("tap").display())
}

fn report(over: &str) -> Report {
    Report {
        peer: "BIND".into(),
        version: debian_version("bind9"),
        over: over.into(),
    }
}

#[test]
#[ignore = "needs bind9: cargo xtask setup"]
fn named_sends_each_question_and_answer_and_ends_well() {
    let place = Place::new();
    let collector = Collector::start(&place, &["unix:tap"]);
    let named = named(&place, "client;", &to_socket(&place));
    named.client().ask(QUESTIONS);
    let expected = lines(CLIENT, QUESTIONS);
    assert_eq!(wait_for_lines(&place, FILE, expected.len()), expected);
    let port = named.port();
    named.stop();
    let summary = collector.stop();
    assert_eq!(summary["ended"]["stop"], 1, "{summary}");
    place.run(&["fstrm", "verify", FILE]).status(0);
    for message in messages(&place, FILE) {
        assert_eq!(message["identity"], "ours");
        assert_eq!(message["message"]["response_port"], port);
    }
    report("Unix socket").row(
        Direction::FromPeer,
        "messages: CQ and CR",
        Outcome::Works,
        "what was asked and answered, in order; ends with STOP",
    );
}

#[test]
#[ignore = "needs bind9: cargo xtask setup"]
fn named_sends_responses_alone_when_it_is_told_so() {
    let place = Place::new();
    let collector = Collector::start(&place, &["unix:tap"]);
    let named = named(&place, "client response;", &to_socket(&place));
    named.client().ask(QUESTIONS);
    let mut expected = lines(CLIENT, QUESTIONS);
    expected.retain(|line| line.starts_with("CR"));
    wait_for_lines(&place, FILE, expected.len());
    named.stop();
    collector.stop();
    let all: Vec<_> = messages(&place, FILE).iter().map(line).collect();
    assert_eq!(all, expected);
    report("Unix socket").row(
        Direction::FromPeer,
        "messages: CR alone",
        Outcome::Works,
        "dnstap { client response; }",
    );
}

#[test]
#[ignore = "needs bind9: cargo xtask setup"]
fn a_named_without_recursion_calls_queries_authoritative_and_responses_a_clients() {
    let place = Place::new();
    let collector = Collector::start(&place, &["unix:tap"]);
    let named = named_with(&place, "client; auth;", &to_socket(&place), "no");
    named.client().ask(&zone::QUESTIONS);
    let expected = lines(["AQ", "CR"], &zone::QUESTIONS);
    assert_eq!(wait_for_lines(&place, FILE, expected.len()), expected);
    named.stop();
    collector.stop();
    report("Unix socket").row(
        Direction::FromPeer,
        "messages: without recursion",
        Outcome::PeerDiffers,
        "queries are AQ and their responses CR; { client; } alone has no queries",
    );
}

#[test]
#[ignore = "needs bind9: cargo xtask setup"]
fn named_writes_a_file_that_we_read() {
    let place = Place::new();
    let named = named(&place, "client;", &format!("file \"{FILE}\""));
    named.client().ask(QUESTIONS);
    named.stop();
    place.run(&["fstrm", "verify", FILE]).status(0);
    let all: Vec<_> = messages(&place, FILE).iter().map(line).collect();
    assert_eq!(all, lines(CLIENT, QUESTIONS));
    report("file").row(
        Direction::FromPeer,
        "messages: CQ and CR",
        Outcome::Works,
        "of a file that it has closed",
    );
}

#[test]
#[ignore = "needs bind9: cargo xtask setup"]
fn a_collector_that_is_killed_is_followed_by_the_next_one_and_what_comes_then_arrives() {
    let place = Place::new();
    let collector = Collector::start(&place, &["unix:tap"]);
    let named = named(&place, "client;", &to_socket(&place));
    named.client().ask(QUESTIONS);
    let mut expected = lines(CLIENT, QUESTIONS);
    assert_eq!(wait_for_lines(&place, FILE, expected.len()), expected);
    collector.kill();
    // The sender sees that only when it writes, and then tries each second.
    let collector = Collector::start(&place, &["unix:tap"]);
    servers::wait_for("named to come back", || {
        named.client().is_answered(zone::READY);
        collector.has_heard("connected").then_some(())
    });
    named.client().ask(QUESTIONS);
    expected.extend(lines(CLIENT, QUESTIONS));
    assert_eq!(wait_for_lines(&place, FILE, expected.len()), expected);
    named.stop();
    collector.stop();
    place.run(&["fstrm", "verify", FILE]).status(0);
    report("Unix socket").row(
        Direction::FromPeer,
        "restart: the collector, by kill -9",
        Outcome::Works,
        "goes on in the same file",
    );
}
