//! What happens to every server.

use serde_json::json;
use testkit::compat::{Direction, Outcome};

use crate::place::Place;
use crate::server::Server;
use crate::servers::collector::{Collector, FILE, messages, wait_for_lines};
use crate::servers::{wait_for, zone};

/// It is asked, and ends.
pub(crate) fn ends_well(server: &Server) {
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

/// It ends, is killed, and is there again.
pub(crate) fn is_followed_by_the_next(server: &Server) {
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

/// Its collector is killed, ends, and is there again.
pub(crate) fn finds_the_next_collector(server: &Server) {
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
