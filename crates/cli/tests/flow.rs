//! Flows between processes of the command.

#![cfg(unix)]
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
use std::process::Stdio;
use std::time::Instant;

use place::{Place, Running, finish};
use serde_json::{Value, json};

/// Everything here is a matter of milliseconds.
const LIMIT: Duration = Duration::from_secs(30);

fn parsed(line: &str) -> Value {
    let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
    assert_eq!(value["v"], 1, "{line}");
    value
}

/// The next line of this type.
#[track_caller]
fn line_of(running: &mut Running, kind: &str) -> Value {
    loop {
        let line = running.line();
        assert!(!line.is_empty(), "no {kind} came");
        let line = parsed(&line);
        if line["type"] == kind {
            return line;
        }
    }
}

/// Asks `flow ls` until a name or a layer has so many behind it.
#[track_caller]
fn wait_for(place: &Place, name: &str, many: usize) {
    let start = Instant::now();
    while start.elapsed() < LIMIT {
        let lines = place.run(&["flow", "ls", "--json"]).status(0).json();
        let found = lines.iter().find(|line| line["name"] == name);
        let behind = |line: &Value| {
            let who = line.get("accepters").or_else(|| line.get("members"));
            who.and_then(Value::as_array).map_or(0, Vec::len)
        };
        if found.is_some_and(|line| behind(line) == many) {
            return;
        }
    }
    panic!("{name} never had {many} behind it");
}

/// The names of an object's fields, in their order.
fn fields(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn a_service_is_pinged_and_tells_what_it_heard() {
    let place = Place::new();
    let server = place.start(&["flow", "ping", "-l", "-n", "hello"]);
    assert_eq!(server.first, "Listening at hello.\n");
    let ran = place
        .run(&["flow", "ping", "hello", "-c", "3", "-i", "1", "-D", "-g"])
        .status(0);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines[0], "Pinging hello with 64 bytes of data (3 packets):");
    assert!(
        lines[2].starts_with('[') && lines[2].contains("] 64 bytes from hello: seq=0 time="),
        "{}",
        lines[2]
    );
    assert_eq!(lines[6], "--- hello ping statistics ---");
    assert!(
        lines[7].starts_with("3 packets transmitted, 3 received, 0 out-of-order, 0% packet loss, time: "),
        "{}",
        lines[7]
    );
    assert!(lines[8].starts_with("rtt min/avg/max/mdev = "), "{}", lines[8]);
    assert!(lines[9].contains('#'), "a histogram: {ran:?}");
    server.signal("INT");
    let ended = server.end().status(0);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert!(lines[0].starts_with("New flow 1 from process "), "{ended:?}");
    assert_eq!(&lines[1..4], ["Received 64 bytes on flow 1."; 3]);
    assert_eq!(
        lines[4],
        "Flow 1 ended: the peer deallocated the flow; 3 packets, 192 bytes, 0 dropped."
    );
    assert_eq!(
        ended.stderr,
        "--- 1 flows, 3 packets, 192 bytes, 0 dropped, 0 lost\n"
    );
}

#[test]
fn the_lines_of_a_ping_keep_their_fields() {
    let place = Place::new();
    let _server = place.start(&["flow", "ping", "-l", "hello", "-Q"]);
    for flood in [&["-f"][..], &["-F"], &["-i", "0"], &["-i", "1"]] {
        let words = [
            &["flow", "ping", "-n", "hello", "-c", "2", "--json", "-s", "8"],
            flood,
        ]
        .concat();
        let lines = place.run(&words).status(0).json();
        assert_eq!(lines.len(), 3);
        assert_eq!(
            fields(&lines[0]),
            ["v", "type", "ts", "name", "seq", "size", "rtt_us"],
            "{flood:?}"
        );
        assert_eq!((&lines[1]["seq"], &lines[1]["size"]), (&json!(1), &json!(8)));
        let summary = &lines[2];
        for field in [
            "sent",
            "received",
            "loss",
            "rtt_us",
            "sim",
            "duplicates",
            "out_of_order",
            "dropped",
        ] {
            assert!(!summary[field].is_null(), "{field}: {summary}");
        }
        assert_eq!(
            (&summary["received"], &summary["sim"]),
            (&json!(2), &json!(false))
        );
    }
    let quiet = place
        .run(&["flow", "ping", "hello", "-d", "20", "-i", "2", "-Q"])
        .status(0);
    assert!(
        quiet.stdout.starts_with("\n--- hello ping statistics ---"),
        "{quiet:?}"
    );
}

#[test]
fn a_service_that_is_killed_ends_the_ping_with_what_it_counted() {
    let place = Place::new();
    let mut server = place.start(&["flow", "ping", "-l", "hello"]);
    let mut ping = place.start(&["flow", "ping", "hello", "-c", "0", "-i", "5", "--json"]);
    line_of(&mut ping, "reply");
    server.kill();
    let ran = ping.end().status(3);
    let summary = parsed(ran.stdout.lines().last().unwrap());
    assert_eq!(summary["type"], "summary");
    assert!(summary["received"].as_u64().unwrap() > 0, "{summary}");
    let error = parsed(ran.stderr.lines().last().unwrap());
    assert_eq!(error["error"]["code"], "lost");
    // the dead process is in nobody's way
    place.run(&["flow", "ping", "hello", "-c", "1"]).status(3);
    let _server = place.start(&["flow", "ping", "-l", "hello"]);
    place.run(&["flow", "ping", "hello", "-c", "1"]).status(0);
}

#[test]
fn one_who_asks_and_is_killed_is_told_to_who_listens() {
    let place = Place::new();
    let mut listener = place.start(&["flow", "listen", "hello", "--json"]);
    let (mut cat, _input) = {
        let mut child = place
            .command(&["flow", "cat", "hello"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(b"one").unwrap();
        (child, input)
    };
    let packet = line_of(&mut listener, "packet");
    assert_eq!(packet["data"], "6f6e65");
    assert_eq!(fields(&packet), ["v", "type", "ts", "flow", "size", "data"]);
    cat.kill().unwrap();
    cat.wait().unwrap();
    let end = line_of(&mut listener, "end");
    assert_eq!(
        (&end["reason"], &end["packets"]),
        (&json!("peer-gone"), &json!(1))
    );
    listener.signal("TERM");
    let ran = listener.end().status(0);
    let summary = parsed(ran.stderr.lines().last().unwrap());
    assert_eq!((&summary["flows"], &summary["bytes"]), (&json!(1), &json!(3)));
}

#[test]
fn an_echo_says_what_was_said() {
    let place = Place::new();
    let mut server = place.start(&["flow", "echo", "--name", "hello"]);
    let ran = place
        .run(&["flow", "echo", "hello", "how", "are", "you"])
        .status(0);
    assert_eq!(ran.stdout, "Server replied with how are you\n");
    assert!(server.line().starts_with("New flow 1"));
    assert_eq!(server.line(), "Message from flow 1 is how are you.\n");
    let lines = place.run(&["flow", "echo", "hello", "-j"]).status(0).json();
    assert_eq!(lines[0]["data"], "68656c6c6f");
    // it gives a ping back, too
    place
        .run(&["flow", "ping", "hello", "-c", "2", "-i", "1", "-q", "loss=0"])
        .status(0);
}

#[test]
fn two_cats_speak_both_ways() {
    let place = Place::new();
    let cat = |words: &[&str]| {
        let child = place.command(words).stdin(Stdio::piped()).spawn();
        child.unwrap()
    };
    let mut there = cat(&["flow", "cat", "-l", "hello", "--lines"]);
    wait_for(&place, "hello", 1);
    there.stdin.take().unwrap().write_all(b"two\nthree\n").unwrap();
    let mut here = cat(&["flow", "cat", "hello", "--lines"]);
    here.stdin.take().unwrap().write_all(b"one\n").unwrap();
    let (here, there) = (finish(here).status(0), finish(there).status(0));
    assert_eq!(
        (here.stdout.as_str(), there.stdout.as_str()),
        ("two\nthree\n", "one\n")
    );
    // and bytes as they are
    let long: Vec<u8> = (0..200_000u32).map(|number| (number % 251) as u8).collect();
    place.write("long", &long);
    let mut listener = place.command(&["flow", "listen", "bytes", "--raw", "--once", "-q"]);
    let listener = listener.spawn().unwrap();
    wait_for(&place, "bytes", 1);
    let input = std::fs::File::open(place.path().join("long")).unwrap();
    let sent = place
        .command(&["flow", "cat", "bytes"])
        .stdin(input)
        .spawn()
        .unwrap();
    finish(sent).status(0);
    let output = listener.wait_with_output().unwrap();
    assert!(
        output.status.success() && output.stdout == long,
        "{:?}",
        output.stderr
    );
}

#[test]
fn three_processes_chat_over_a_layer() {
    let place = Place::new();
    let join = || {
        let words = ["flow", "join", "lab", "--json"];
        place.start_with_open_input(&words, b"")
    };
    let (mut anna, mut anna_says) = join();
    let (mut bert, mut bert_says) = join();
    let (mut cara, cara_says) = join();
    wait_for(&place, "lab", 3);
    anna_says.write_all(b"good morning\n").unwrap();
    for member in [&mut bert, &mut cara] {
        assert_eq!(line_of(member, "packet")["data"], "676f6f64206d6f726e696e67");
    }
    bert_says.write_all(b"hi\n").unwrap();
    for member in [&mut anna, &mut cara] {
        assert_eq!(line_of(member, "packet")["data"], "6869");
    }
    // one is killed, and the others go on
    bert.kill();
    place.run(&["flow", "join", "-n", "lab", "-m", "bye"]).status(0);
    for member in [&mut anna, &mut cara] {
        assert_eq!(line_of(member, "packet")["data"], "627965");
    }
    drop((anna_says, cara_says)); // at the end of its input a member leaves
    let ran = anna.end().status(0);
    let summary = parsed(ran.stderr.lines().last().unwrap());
    assert_eq!(
        (&summary["sent"], &summary["received"], &summary["dropped"]),
        (&json!(1), &json!(2), &json!(0))
    );
    cara.end().status(0);
}

#[test]
fn what_was_sent_at_a_rate_is_what_the_server_counts() {
    let place = Place::new();
    let mut server = place.start(&["flow", "cbr", "-l", "-n", "sink", "-i", "50ms", "--json"]);
    let words = [
        "flow", "cbr", "-n", "sink", "-r", "8M", "-s", "100", "-d", "200ms", "--json",
    ];
    let sent = place.run(&words).status(0).json();
    let sent = sent.last().unwrap();
    let packets = sent["sent"].as_u64().unwrap();
    assert!(
        (1..=2_200).contains(&packets),
        "10,000 a second for 0.2 s: {sent}"
    );
    let mut counted = 0;
    let end = loop {
        let line = parsed(&server.line());
        match line["type"].as_str() {
            Some("interval") => counted += line["packets"].as_u64().unwrap(),
            Some("end") => break line,
            _ => {}
        }
    };
    assert_eq!(
        (counted, &end["packets"], &end["dropped"]),
        (packets, &json!(packets), &json!(0))
    );
    let text = place
        .run(&["flow", "cbr", "sink", "-f", "-d", "0.05"])
        .status(0)
        .stdout;
    assert!(text.contains("\nsent statistics: "), "{text}");
    assert!(text.trim_end().ends_with("Mb/s"), "{text}");
}

#[test]
fn throughput_is_measured_one_way_and_there_and_back() {
    let place = Place::new();
    let _server = place.start(&["flow", "perf", "-l", "-n", "fast"]);
    let ran = place
        .run(&["flow", "perf", "-n", "fast", "-f", "-d", "100"])
        .status(0);
    assert!(ran.stdout.contains("--- fast perf statistics ---"), "{ran:?}");
    let words = [
        "flow", "perf", "fast", "-t", "bi", "-r", "10M", "-d", "100ms", "--json",
    ];
    let lines = place.run(&words).status(0).json();
    let summary = &lines[0];
    assert!(summary["sent"].as_u64().unwrap() > 0, "{summary}");
    assert_eq!(summary["sent"], summary["received"], "{summary}");
}

#[test]
fn names_are_made_bound_listed_and_taken_back() {
    let place = Place::new();
    place
        .run(&["flow", "name", "create", "hello", "--lb", "spill-over"])
        .status(0);
    let ran = place.run(&["flow", "name", "create", "hello"]).status(3);
    assert!(ran.stderr.contains("is there already"), "{ran:?}");
    place
        .run(&[
            "flow", "bind", "program", "/bin/sh", "name", "hello", "auto", "--", "-c", "true",
        ])
        .status(0);
    let pid = std::process::id().to_string();
    place
        .run(&["flow", "bind", "process", &pid, "name", "hello"])
        .status(0);
    place.run(&["flow", "bind", "process", &pid, "other"]).status(1);
    place
        .run(&["flow", "bind", "program", "/nowhere", "hello"])
        .status(2);
    let lines = place.run(&["flow", "name", "list", "--json"]).status(0).json();
    let expected = json!({
        "v": 1, "type": "name", "name": "hello", "created": true, "sharing": "user",
        "owner": lines[0]["owner"], "balance": "spill-over", "accepters": [],
        "programs": [{"path": "/bin/sh", "auto": true}], "processes": [std::process::id()],
    });
    assert_eq!(lines, [expected]);
    let listed = place.run(&["flow", "ls"]).status(0).stdout;
    assert!(
        listed.contains("NAME   ACCEPTED BY  BALANCE     SHARED WITH"),
        "{listed}"
    );
    assert!(listed.contains("/bin/sh (auto), process "), "{listed}");
    place.run(&["flow", "unbind", "process", &pid, "hello"]).status(0);
    place.run(&["flow", "unbind", "process", &pid, "hello"]).status(1);
    place
        .run(&["flow", "unbind", "program", "/bin/sh", "hello"])
        .status(0);
    place.run(&["flow", "name", "destroy", "hello"]).status(0);
    place.run(&["flow", "name", "destroy", "hello"]).status(1);
}

#[test]
fn who_is_bound_by_settings_serves_without_naming_itself() {
    let place = Place::new();
    place.run(&["flow", "name", "create", "hello"]).status(0);
    let server = place.start(&["flow", "echo", "-l"]);
    let pid = server.id().to_string();
    place.run(&["flow", "bind", "process", &pid, "hello"]).status(0);
    wait_for(&place, "hello", 1);
    place.run(&["flow", "echo", "hello"]).status(0);
}

#[test]
fn stat_tells_of_seats_processes_and_their_flows() {
    let place = Place::new();
    let mut listener = place.start(&["flow", "listen", "two", "--json"]);
    let mut cat = place
        .command(&["flow", "cat", "two", "--no-input"])
        .spawn()
        .unwrap();
    line_of(&mut listener, "flow");
    let lines = place.run(&["flow", "stat", "--json"]).status(0).json();
    assert_eq!(
        (&lines[0]["type"], &lines[0]["seats"], &lines[0]["stale"]),
        (&json!("machine"), &json!(1), &json!(0))
    );
    assert_eq!(lines[1]["pid"], listener.id());
    assert_eq!(lines[1]["names"], json!(["two"]));
    if cfg!(target_os = "linux") {
        assert_eq!(lines[1]["flows"], 1, "{}", lines[1]);
    }
    listener.kill();
    let lines = place.run(&["flow", "stat", "--json"]).status(0).json();
    assert_eq!(lines[0]["seats"], 0, "{}", lines[0]);
    assert_eq!(cat.wait().unwrap().code(), Some(3), "its peer was killed");
}

#[test]
fn a_directory_of_ones_own_keeps_names_apart() {
    let place = Place::new();
    let _server = place.start(&["flow", "ping", "-l", "hello", "--dir", "apart"]);
    place.run(&["flow", "ping", "hello", "-c", "1"]).status(3);
    place
        .run(&["flow", "ping", "hello", "-c", "1", "--dir", "apart"])
        .status(0);
}

#[test]
fn frames_of_a_stream_are_packets_that_go_one_way() {
    let place = Place::new();
    let address = format!("fstrm:unix:{}?type=text", place.path().join("s").display());
    let mut listener = place.start(&["flow", "listen", &address, "--once", "--json"]);
    let start = Instant::now();
    while !place.path().join("s").exists() && start.elapsed() < LIMIT {
        std::thread::yield_now();
    }
    let ran = place.run_with_input(&["flow", "cat", "--lines", &address], b"one\ntwo\n");
    ran.status(0);
    assert_eq!(line_of(&mut listener, "packet")["data"], "6f6e65");
    assert_eq!(line_of(&mut listener, "packet")["data"], "74776f");
    listener.end().status(0);
    let ran = place.run(&["flow", "ping", "csp:nobody"]).status(2);
    assert!(ran.stderr.contains("csp:nobody"), "{ran:?}");
}

#[test]
fn a_port_of_a_node_on_a_bus_is_a_flow_like_any_other() {
    let place = Place::new();
    let words = [
        "flow", "ping", "-l", "csp:*:10", "--iface", "bus:lab", "--addr", "5/8",
    ];
    let server = place.start(&words);
    assert_eq!(server.first, "Listening at csp:*:10.\n");
    let words = [
        "flow",
        "ping",
        "csp:5:10",
        "--iface",
        "bus:lab",
        "--addr",
        "6/8",
        "-c",
        "3",
        "-i",
        "1",
        "--json",
        "-q",
        "loss=0,timeout=0",
    ];
    let ran = place.run(&words).status(0);
    assert_eq!(ran.json()[3]["received"], 3, "{ran:?}");
}
