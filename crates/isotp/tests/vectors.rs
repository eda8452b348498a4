//! Every vector captured from real peers, against the machine with a virtual clock.
#![cfg(feature = "alloc")]
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says what is wrong by panicking"
)]

#[path = "story/command.rs"]
mod command;
mod pair;
mod peer;

#[cfg(feature = "tokio")]
use peer::isotpserver::{file as lines, session as line_session};
use testkit::vectors::{self, Tally, Value};

#[test]
fn the_machine_agrees_with_every_vector_or_says_why_not() {
    let root = vectors::root(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors"));
    let files = vectors::files(root.join("isotp"));
    assert!(!files.is_empty(), "no vectors in {}", root.display());
    for (name, file) in files {
        run(&name, &file);
    }
    for (name, file) in vectors::files(root.join("can-link")) {
        if name.contains("isotpserver") {
            line_session(&format!("can-link/{name}"), &file);
        }
    }
}

fn run(name: &str, file: &Value) {
    assert_eq!(file["schema"], "isotp-vectors/1", "{name}: unknown schema");
    let group = file["group"].as_str().unwrap();
    let entries = vectors::entries(file);
    // What needs a kernel is no part of the count; `vcan_vectors` counts it.
    let here = !["kernel-socket", "canutils"].contains(&group);
    let mut tally = Tally::new(name, if here { entries.len() } else { 0 });
    if group == "isotpserver" {
        return lines(file, &mut tally);
    }
    let check = match group {
        "pdu" => peer::pdu::check,
        "address" => peer::address::check,
        "bus" => peer::bus::check,
        "session" => peer::session::check,
        "kernel-session" => peer::linux::check,
        "aioisotp" => peer::aioisotp::check,
        "kernel-socket" => peer::recorded::socket,
        "canutils" => peer::recorded::tools,
        unknown => panic!("{name}: unknown group {unknown}"),
    };
    for entry in entries {
        check(entry, &mut tally);
    }
}

#[cfg(not(feature = "tokio"))]
fn lines(_: &Value, tally: &mut Tally) {
    tally.remark("the server needs the feature tokio");
}

#[cfg(not(feature = "tokio"))]
fn line_session(name: &str, file: &Value) {
    let steps = file["steps"].as_array().unwrap();
    Tally::new(name, steps.len()).remark("the server needs the feature tokio");
}
