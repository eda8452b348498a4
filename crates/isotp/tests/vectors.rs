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

use core::mem::ManuallyDrop;
use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

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

type Check = fn(&Value, &mut Tally);

/// The first entry that can be told wrong in this way is not agreed with any more.
fn is_noticed(group: &str, check: Check, falsify: impl Fn(&mut Value) -> Option<()>) {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/isotp");
    let file = &vectors::files(root)[&format!("{group}.json")];
    let falsified = |entry: &Value| {
        let mut entry = entry.clone();
        falsify(&mut entry).map(|()| entry)
    };
    let entry = vectors::entries(file).iter().find_map(falsified).unwrap();
    // Not dropped, so not printed among the real ones.
    let mut tally = ManuallyDrop::new(Tally::new(group, 0));
    let outcome = catch_unwind(AssertUnwindSafe(|| check(&entry, &mut tally)));
    assert!(outcome.is_err(), "agrees with what is wrong: {entry}");
}

/// Changes the last hexadecimal digit.
fn change(digits: &mut Value) -> Option<()> {
    let text = digits.as_str().filter(|text| text.len() > 4)?;
    let (rest, last) = text.split_at(text.len() - 1);
    let other = if last == "0" { "1" } else { "0" };
    *digits = Value::from(format!("{rest}{other}"));
    Some(())
}

/// The position of the first step of this kind, of an entry about which the file says this.
fn step(entry: &Value, iso: Option<&str>, op: &str) -> Option<usize> {
    let says = entry.get("iso").and_then(Value::as_str) == iso;
    let steps = entry["trace"].as_array().filter(|_| says)?;
    steps.iter().position(|step| step["op"] == op)
}

#[test]
fn a_file_that_is_wrong_is_not_agreed_with() {
    is_noticed("pdu", peer::pdu::check, |entry| {
        change(&mut entry["expect"]["data"])
    });
    is_noticed("address", peer::address::check, |entry| {
        let frame = entry.get_mut("is_for_me")?.get_mut(0)?;
        frame[1] = Value::from(frame[1] == false);
        Some(())
    });
    is_noticed("bus", peer::bus::check, |entry| {
        let step = step(entry, None, "bus")?;
        change(&mut entry["trace"][step]["frame"])
    });
    for iso in [None, Some("accept")] {
        for (op, what) in [("out", "frame"), ("recv", "payload")] {
            is_noticed("session", peer::session::check, |entry| {
                let step = step(entry, iso, op)?;
                change(&mut entry["trace"][step][what])
            });
        }
    }
    let left_out = [
        (None, "error"),
        (Some("N_TIMEOUT_Bs"), "error"),
        (Some("abort with N_WRONG_SN"), "error"),
        (Some("accept"), "recv"),
    ];
    for (iso, op) in left_out {
        is_noticed("session", peer::session::check, |entry| {
            let step = step(entry, iso, op)?;
            entry["trace"].as_array_mut()?.remove(step);
            Some(())
        });
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
