//! `fstrm capture` of dnstap, and what of it `dnstap cat --json` shows.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command};
use std::sync::mpsc::{self, Receiver};
use std::time::Instant;

use serde_json::Value;

use super::dns::Question;
use super::{PATIENCE, wait_for};
use crate::place::{Place, signal_to};

/// Where captures go to.
pub(crate) const FILE: &str = "out.fstrm";
/// What names of questions begin with that only ask whether a server is there.
pub(crate) const READY: &str = "ready.";

/// A collector that runs; killed when it is dropped.
pub(crate) struct Collector {
    child: Child,
    told: Receiver<Value>,
    endpoint: String,
}

impl Collector {
    /// Starts a capture, with these words besides.
    pub(crate) fn start(place: &Place, words: &[&str]) -> Self {
        let all = ["fstrm", "capture", "-t", "protobuf:dnstap.Dnstap"];
        let all = [&all, ["-w", FILE, "-d", "--json"].as_slice(), words].concat();
        Self::spawn(place.command(&all))
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stderr.lines() {
                let event = serde_json::from_str(&line.unwrap()).unwrap();
                // Nobody may listen any more.
                let _ = tell.send(event);
            }
        });
        let endpoint = String::new();
        let mut collector = Self {
            child,
            told,
            endpoint,
        };
        let listening = collector.hears("listening");
        listening["endpoint"]
            .as_str()
            .unwrap()
            .clone_into(&mut collector.endpoint);
        collector
    }

    /// The port, where it listens on one.
    pub(crate) fn port(&self) -> u16 {
        let (_, port) = self.endpoint.rsplit_once(':').unwrap();
        port.parse().unwrap()
    }

    /// Waits for an event.
    #[track_caller]
    pub(crate) fn hears(&self, event: &str) -> Value {
        loop {
            let told = self.told.recv_timeout(PATIENCE);
            let told = told.unwrap_or_else(|error| panic!("{event} was never told: {error}"));
            if told["type"] == event {
                return told;
            }
        }
    }

    /// Whether there has been such an event since the last one that was asked for.
    pub(crate) fn has_heard(&self, event: &str) -> bool {
        self.told.try_iter().any(|told| told["type"] == event)
    }

    /// Ends it as its owner would, and gives its summary.
    pub(crate) fn stop(mut self) -> Value {
        signal_to(&self.child, "TERM");
        let summary = self.hears("summary");
        let status = wait_for("the end of a capture", || self.child.try_wait().unwrap());
        assert!(status.success(), "{status}");
        summary
    }

    /// Kills it, and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a message is about: `CQ www.example. A`, `CR www.example. A NOERROR`.
pub(crate) type Line = String;

/// The messages of a file, as JSON, but those that asked whether the server is there.
pub(crate) fn messages(place: &Place, file: &str) -> Vec<Value> {
    let ran = place.run(&["dnstap", "cat", "--json", file]);
    // 1 is a frame that is just being written.
    assert!(matches!(ran.status, Some(0 | 1)), "{ran:?}");
    let messages = ran.json().into_iter();
    messages
        .filter(|message| !line(message).contains(&format!(" {READY}")))
        .collect()
}

/// What a message is about.
pub(crate) fn line(message: &Value) -> Line {
    let message = &message["message"];
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let (query, response) = (&message["query_dns"], &message["response_dns"]);
    let dns = if response.is_null() { query } else { response };
    let question = &dns["question"][0];
    let mut line = [
        text(&message["kind"]),
        text(&question["name"]),
        text(&question["type"]),
    ]
    .join(" ");
    if !response.is_null() {
        line.push(' ');
        line.push_str(&text(&response["rcode"]));
    }
    line
}

/// The lines of these questions: a query and a response each, of kinds such as `["CQ", "CR"]`.
pub(crate) fn lines(kinds: [&str; 2], questions: &[Question]) -> Vec<Line> {
    let lines = questions.iter().flat_map(|question| {
        let asked = format!("{} {}", question.name, question.record);
        [
            format!("{} {asked}", kinds[0]),
            format!("{} {asked} {}", kinds[1], question.rcode),
        ]
    });
    lines.collect()
}

/// Waits until a file has so many messages, and gives what they are about.
#[track_caller]
pub(crate) fn wait_for_lines(place: &Place, file: &str, count: usize) -> Vec<Line> {
    let start = Instant::now();
    loop {
        let lines: Vec<_> = messages(place, file).iter().map(line).collect();
        if lines.len() >= count {
            return lines;
        }
        assert!(start.elapsed() < PATIENCE, "{count} lines wanted: {lines:#?}");
    }
}
