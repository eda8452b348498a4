//! Knot DNS with its module for dnstap: the C library's sender.

use std::path::Path;

use testkit::compat::{Direction, Outcome};

use crate::place::Place;
use crate::server::{CONFIGURATION, Server};
use crate::servers::collector::{Collector, FILE, messages};
use crate::servers::zone;
use crate::story;

pub(crate) const SERVER: Server = Server {
    peer: "Knot DNS, mod-dnstap",
    package: "knot",
    command: &["knotd", "-c", CONFIGURATION],
    configuration: |here, port| configuration(here, port, ""),
    kinds: ["AQ", "AR"],
    questions: &zone::QUESTIONS,
    tells: &[("/identity", "ours"), ("/message/response_address", "127.0.0.1")],
    keeps_from: None,
};

/// One that answers for a zone of its own, with more words for the module.
fn configuration(here: &Path, port: u16, dnstap: &str) -> String {
    let here = here.display();
    format!(
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
    )
}

#[test]
#[ignore = "needs knot and knot-module-dnstap: cargo xtask setup"]
fn knot_sends_each_question_and_answer_and_ends_well() {
    story::ends_well(&SERVER);
}

#[test]
#[ignore = "needs knot and knot-module-dnstap: cargo xtask setup"]
fn knot_that_ends_or_is_killed_is_followed_by_the_next_one() {
    story::is_followed_by_the_next(&SERVER);
}

#[test]
#[ignore = "needs knot and knot-module-dnstap: cargo xtask setup"]
fn knot_finds_the_next_collector_when_one_ends_or_is_killed() {
    story::finds_the_next_collector(&SERVER);
}

#[test]
#[ignore = "needs knot and knot-module-dnstap: cargo xtask setup"]
fn knots_responses_have_their_queries_when_it_is_told_so() {
    let place = Place::new();
    let collector = Collector::start(&place, &["unix:tap"]);
    let knot = SERVER.start_with(&place, |here, port| {
        configuration(here, port, "responses-with-queries: on")
    });
    SERVER.check(&place, collector, knot);
    let messages = messages(&place, FILE);
    for (message, question) in messages.iter().skip(1).step_by(2).zip(zone::QUESTIONS) {
        let query = &message["message"]["query_dns"];
        assert_eq!(query["qr"], false);
        assert_eq!(query["question"][0]["name"], question.name);
    }
    SERVER.report("Unix socket").row(
        Direction::FromPeer,
        "messages: AR with the query",
        Outcome::Works,
        "responses-with-queries: on",
    );
}
