//! BIND: the C library's sender, to a socket and into a file that we read.

use std::path::Path;

use testkit::compat::{Direction, Outcome};

use crate::place::Place;
use crate::server::{CONFIGURATION, Server};
use crate::servers::collector::{Collector, FILE, line, lines, messages, wait_for_lines};
use crate::servers::daemon::Daemon;
use crate::servers::zone;
use crate::story;

pub(crate) const SERVER: Server = Server {
    peer: "BIND",
    package: "bind9",
    command: &["named", "-g", "-n", "1", "-c", CONFIGURATION],
    configuration: |here, port| configuration(here, port, "client;", SOCKET, "yes"),
    kinds: ["CQ", "CR"],
    // Those of its own zone: it would look for the others elsewhere.
    questions: zone::OWN,
    tells: &[("/identity", "ours")],
    keeps_from: None,
};
const SOCKET: &str = "unix \"tap\"";

/// One that answers for a zone of its own, with these kinds of messages and this place for them.
fn configuration(here: &Path, port: u16, kinds: &str, output: &str, recursion: &str) -> String {
    let here = here.display();
    format!(
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
    )
}

fn start(place: &Place, kinds: &str, output: &str, recursion: &str) -> Daemon {
    SERVER.start_with(place, |here, port| {
        configuration(here, port, kinds, output, recursion)
    })
}

#[test]
#[ignore = "needs bind9: cargo xtask setup"]
fn named_sends_each_question_and_answer_and_ends_well() {
    story::ends_well(&SERVER);
}

#[test]
#[ignore = "needs bind9: cargo xtask setup"]
fn named_that_ends_or_is_killed_is_followed_by_the_next_one() {
    story::is_followed_by_the_next(&SERVER);
}

#[test]
#[ignore = "needs bind9: cargo xtask setup"]
fn named_finds_the_next_collector_when_one_ends_or_is_killed() {
    story::finds_the_next_collector(&SERVER);
}

#[test]
#[ignore = "needs bind9: cargo xtask setup"]
fn named_sends_responses_alone_when_it_is_told_so() {
    let place = Place::new();
    let collector = Collector::start(&place, &["unix:tap"]);
    let named = start(&place, "client response;", SOCKET, "yes");
    named.client().ask(SERVER.questions);
    let mut expected = SERVER.lines(SERVER.questions);
    expected.retain(|line| line.starts_with("CR"));
    wait_for_lines(&place, FILE, expected.len());
    named.stop();
    collector.stop();
    let all: Vec<_> = messages(&place, FILE).iter().map(line).collect();
    assert_eq!(all, expected);
    SERVER.report("Unix socket").row(
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
    let named = start(&place, "client; auth;", SOCKET, "no");
    named.client().ask(&zone::QUESTIONS);
    let expected = lines(["AQ", "CR"], &zone::QUESTIONS);
    assert_eq!(wait_for_lines(&place, FILE, expected.len()), expected);
    named.stop();
    collector.stop();
    SERVER.report("Unix socket").row(
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
    let named = start(&place, "client;", &format!("file \"{FILE}\""), "yes");
    named.client().ask(SERVER.questions);
    named.stop();
    place.run(&["fstrm", "verify", FILE]).status(0);
    let all: Vec<_> = messages(&place, FILE).iter().map(line).collect();
    assert_eq!(all, SERVER.lines(SERVER.questions));
    SERVER.report("file").row(
        Direction::FromPeer,
        "messages: CQ and CR",
        Outcome::Works,
        "of a file that it has closed",
    );
}
