//! What the ISO-TP tools of can-utils were recorded doing, done by the command under their names.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]

#[path = "cli/place.rs"]
mod place;

use core::time::Duration;
use std::io::Write as _;
use std::process::{Child, Stdio};
use std::time::Instant;

use place::{Place, Ran, finish, signal_to};
use sha2::{Digest as _, Sha256};
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

/// Waits until so many programs have joined the bus that another one hosts.
fn wait_for_members(place: &Place, count: usize) {
    let socket = place.path().join("tinwire").join("vcan0.bus");
    let start = Instant::now();
    loop {
        let sockets = std::fs::read_to_string("/proc/net/unix").unwrap();
        let of_bus = sockets
            .lines()
            .filter(|line| line.ends_with(socket.to_str().unwrap()));
        // The one that listens has the same name, and so has the host's own.
        if of_bus.count() > count + 1 {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{count} never joined");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A recorded command line, on the bus of that name.
fn start(place: &Place, command: &str, input: Option<&str>) -> Child {
    let words: Vec<_> = command
        .split(' ')
        .map(|word| word.replace("vcan0", "bus:vcan0"))
        .collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let mut child = place
        .tool(words[0], &words[1..])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let _ = stdin.write_all(input.unwrap_or_default().as_bytes());
    child
}

/// How many frames the log has to have.
fn expected_count(entry: &Value) -> u64 {
    let steps = entry["candump"].as_array().unwrap();
    steps.iter().map(|step| step["count"].as_u64().unwrap_or(1)).sum()
}

/// The frames as candump of that kernel logs them, without the flag that says CAN FD once more.
fn without_fdf(frame: &str) -> String {
    match frame.split_once("##") {
        Some((id, rest)) => {
            let flags = u8::from_str_radix(&rest[..1], 16).unwrap() & 0x3;
            format!("{id}##{flags:X}{}", &rest[1..])
        }
        None => frame.to_owned(),
    }
}

fn check_frames(entry: &Value, ours: &[String]) {
    let steps = entry["candump"].as_array().unwrap();
    let recorded: Vec<_> = frames(entry).into_iter().map(without_fdf).collect();
    if recorded.len() == steps.len() {
        assert_eq!(ours, recorded, "{}", entry["id"]);
        return;
    }
    let [step] = steps.as_slice() else {
        panic!("{}: several steps in one", entry["id"]);
    };
    let (head, tail) = (step["head"].as_array().unwrap(), step["tail"].as_array().unwrap());
    assert_eq!(ours[..head.len()], *head);
    assert_eq!(ours[ours.len() - tail.len()..], *tail);
    let digest: String = Sha256::digest(ours.join("\n"))
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(digest, step["sha256"]);
}

/// One PDU a line: hex pairs with a blank behind each.
fn check_payload(entry: &Value, printed: &str) {
    let line = printed
        .strip_suffix(" \n")
        .unwrap_or_else(|| panic!("{printed:?}"));
    let bytes = vectors::hex(line);
    match &entry["recv_payload"] {
        Value::String(hex) => assert_eq!(bytes, vectors::hex(hex)),
        payload => {
            assert_eq!(
                bytes.len(),
                usize::try_from(payload["len"].as_u64().unwrap()).unwrap()
            );
            let digest: String = Sha256::digest(&bytes)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            assert_eq!(digest, payload["sha256"]);
        }
    }
}

/// Runs what was recorded: the receiver, the sender, and a log beside them.
fn run(entry: &Value) {
    let place = Place::new();
    let count = expected_count(entry);
    let wanted = count.max(1).to_string();
    let log = [
        "can",
        "dump",
        "-L",
        "bus:vcan0",
        "-n",
        &wanted,
        "--deadline",
        "50s",
    ];
    let log = place.command(&log).spawn().unwrap();
    place.wait_for_bus("vcan0");
    let receiver = entry["recv_cmd"]
        .as_str()
        .map(|command| start(&place, command, None));
    if receiver.is_some() {
        wait_for_members(&place, 1);
    }
    let sent = finish(start(
        &place,
        entry["send_cmd"].as_str().unwrap(),
        entry["stdin"].as_str(),
    ));
    assert_eq!(sent.status.map(i64::from), entry["send_rc"].as_i64(), "{sent:?}");
    assert_eq!(
        format!("{}{}", sent.stdout, sent.stderr),
        entry["send_out"].as_str().unwrap()
    );
    if count == 0 {
        signal_to(&log, "INT");
    }
    let logged: Ran = finish(log).status(0);
    let ours: Vec<_> = logged
        .stdout
        .lines()
        .map(|line| without_fdf(line.split(' ').nth(2).unwrap()))
        .collect();
    check_frames(entry, &ours);
    let Some(receiver) = receiver else {
        return;
    };
    let goes_on = entry["recv_cmd"].as_str().unwrap().contains(" -l");
    if goes_on {
        signal_to(&receiver, "TERM");
    }
    let received = finish(receiver);
    assert_eq!(received.stderr, "", "{}", entry["id"]);
    if !goes_on {
        assert_eq!(received.status, Some(0), "{received:?}");
        check_payload(entry, &received.stdout);
    } else {
        assert_eq!(received.stdout.lines().count(), 3, "{received:?}");
    }
}

#[test]
fn every_recorded_run_of_isotpsend_and_isotprecv_has_the_same_frames_output_and_status() {
    for (name, file) in recorded() {
        let entries = vectors::entries(&file);
        let mut tally = Tally::new(format!("{name}, isotpsend and isotprecv"), entries.len());
        for entry in entries {
            // The tools' second for an answer may pass on a machine that has other things to do.
            let attempts = (0..3).any(|_| std::panic::catch_unwind(|| run(entry)).is_ok());
            assert!(attempts, "{}: see above", entry["id"]);
            tally.checked();
        }
    }
}
