//! What the ISO-TP tools of can-utils were recorded doing, done by the command under their names.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]

#[path = "cli/place.rs"]
mod place;

use place::{Place, finish};
use testkit::vectors::{self, Tally, Value};

/// The recorded runs: every file of this kind, wherever it is.
fn recorded() -> Vec<(String, Value)> {
    let root = vectors::root(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors"));
    let files = vectors::files(root.join("isotp"));
    let recorded: Vec<_> = files
        .into_iter()
        .filter(|(_, file)| file["group"] == "canutils")
        .collect();
    assert!(!recorded.is_empty(), "no recorded runs in {}", root.display());
    for (name, file) in &recorded {
        assert_eq!(file["schema"], "isotp-vectors/1", "{name}: unknown schema");
    }
    recorded
}

/// The value behind a flag of a command line.
fn flag<'a>(command: &'a str, flag: &str) -> Option<&'a str> {
    let mut words = command.split(' ');
    words.find(|word| *word == flag)?;
    words.next()
}

/// The frames of a run, where they were recorded one by one.
fn frames(entry: &Value) -> Vec<&str> {
    let steps = entry["candump"].as_array().unwrap();
    steps.iter().filter_map(|step| step["frame"].as_str()).collect()
}

#[test]
fn every_recorded_frame_has_the_line_that_isotpdump_gave_it() {
    for (name, file) in recorded() {
        let entries: Vec<_> = vectors::entries(&file)
            .iter()
            .filter(|entry| entry["isotpdump"].is_array())
            .collect();
        let mut tally = Tally::new(format!("{name}, isotpdump"), entries.len());
        for entry in entries {
            let place = Place::new();
            let log: String = frames(entry)
                .iter()
                .map(|frame| format!("(1700000000.000000) vcan0 {frame}\n"))
                .collect();
            place.write("run.log", log);
            let send = entry["send_cmd"].as_str().unwrap();
            let mut words = vec![
                "-s",
                flag(send, "-s").unwrap(),
                "-d",
                flag(send, "-d").unwrap(),
                "log:run.log",
            ];
            if send.contains(" -x ") {
                words.extend(["-x", "any"]);
            }
            let ran = finish(place.tool("isotpdump", &words).spawn().unwrap()).status(0);
            let ours: Vec<_> = ran
                .stdout
                .lines()
                .map(|line| line.trim().replace("log:run.log", "vcan0"))
                .collect();
            assert_eq!(ours, *entry["isotpdump"].as_array().unwrap(), "{}", entry["id"]);
            tally.checked();
        }
    }
}
