//! DNS servers that send dnstap to `fstrm capture`: what all of them do, and what each does besides.

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

mod knot;
mod named;
mod server;
mod unbound;

use place::Place;
use serde_json::json;
use server::Server;
use servers::collector::{Collector, FILE, messages, wait_for_lines};
use servers::{wait_for, zone};
use testkit::compat::{Direction, Outcome};

const SERVERS: [&Server; 3] = [&unbound::SERVER, &knot::SERVER, &named::SERVER];

#[test]
#[ignore = "needs unbound, knot and bind9: cargo xtask setup"]
fn a_server_sends_each_question_and_answer_and_ends_well() {
    for server in SERVERS {
        let place = Place::new();
        let collector = Collector::start(&place, &["unix:tap"]);
        let daemon = server.start(&place);
        let port = daemon.port();
        server.check(&place, collector, daemon);
        for message in messages(&place, FILE) {
            assert_eq!(message["message"]["response_port"], port, "{message}");
            for (pointer, value) in server.tells {
                assert_eq!(message.pointer(pointer), Some(&json!(value)), "{message}");
            }
        }
        server.report("Unix socket").row(
            Direction::FromPeer,
            &format!("messages: {} and {}", server.kinds[0], server.kinds[1]),
            Outcome::Works,
            "what was asked and answered, in order; ends with STOP",
        );
    }
}

#[test]
#[ignore = "needs unbound, knot and bind9: cargo xtask setup"]
fn a_server_that_ends_or_is_killed_is_followed_by_the_next_one() {
    for server in SERVERS {
        let place = Place::new();
        let collector = Collector::start(&place, &["unix:tap"]);
        let mut expected = Vec::new();
        for is_killed in [false, true, false] {
            let daemon = server.start(&place);
            daemon.client().ask(server.questions);
            expected.extend(server.lines(server.questions));
            assert_eq!(wait_for_lines(&place, FILE, expected.len()), expected);
            if is_killed {
                daemon.kill();
            } else {
                daemon.stop();
            }
        }
        let summary = collector.stop();
        assert_eq!(summary["sessions"], 3, "{summary}");
        assert_eq!(summary["ended"], json!({"stop": 2, "eof": 1}), "{summary}");
        place.run(&["fstrm", "verify", FILE]).status(0);
        server.report("Unix socket").row(
            Direction::FromPeer,
            "restart: the server, by SIGTERM and by kill -9",
            Outcome::Works,
            "all in one file; the killed one's end is told as such",
        );
    }
}

#[test]
#[ignore = "needs unbound, knot and bind9: cargo xtask setup"]
fn a_collector_that_ends_or_is_killed_is_followed_by_the_next_one() {
    for server in SERVERS {
        let place = Place::new();
        let mut collector = Collector::start(&place, &["unix:tap"]);
        let daemon = server.start(&place);
        let (first, second) = server.questions.split_at(2);
        let mut expected = Vec::new();
        let mut ask = |questions| {
            daemon.client().ask(questions);
            expected.extend(server.lines(questions));
            expected.clone()
        };
        for is_killed in [true, false] {
            let expected = ask(first);
            assert_eq!(wait_for_lines(&place, FILE, expected.len()), expected);
            let before = server.keeps_from.map(|words| daemon.has_said(words));
            if is_killed {
                collector.kill();
            } else {
                collector.stop();
            }
            if let Some((words, before)) = server.keeps_from.zip(before) {
                wait_for("the server to see that", || {
                    (daemon.has_said(words) > before).then_some(())
                });
                // It keeps these for whoever comes next.
                ask(second);
            }
            collector = Collector::start(&place, &["unix:tap"]);
            // Those that see it only when they write try again after a while.
            wait_for("the server to come back", || {
                daemon.client().is_answered(zone::READY);
                collector.has_heard("connected").then_some(())
            });
        }
        let expected = ask(server.questions);
        assert_eq!(wait_for_lines(&place, FILE, expected.len()), expected);
        daemon.stop();
        collector.stop();
        place.run(&["fstrm", "verify", FILE]).status(0);
        let remark = match server.keeps_from {
            Some(_) => "goes on in the same file; what was asked meanwhile comes too",
            None => "goes on in the same file",
        };
        server.report("Unix socket").row(
            Direction::FromPeer,
            "restart: the collector, by kill -9 and by SIGTERM",
            Outcome::Works,
            remark,
        );
    }
}
