//! `csp send`, `csp call`, `csp recv`

#![cfg(unix)]

use std::process::{Child, Stdio};

use crate::csp::words;
use crate::place::{Place, Ran, finish, signal_to};

/// Starts to receive as node 2. The port is bound before the bus is joined.
fn recv(place: &Place, more: &str) -> Child {
    let line = format!("csp recv 10 -i bus:lab --addr 2/8 {more} --deadline 50s");
    let child = place.command(&words(&line)).stdin(Stdio::null()).spawn().unwrap();
    place.wait_for_bus("lab");
    child
}

fn send(place: &Place, more: &str) -> Ran {
    place.run(&words(&format!("csp send 2:10 -i bus:lab -t 40s {more}")))
}

#[test]
fn a_packet_is_sent_and_received() {
    let place = Place::new();
    let receiving = recv(&place, "-j");
    let sent = send(&place, "0102FF").status(0);
    assert_eq!(sent.stdout, "3 bytes sent to 2:10 in 1 packet\n");
    let received = finish(receiving).status(0);
    let line = received.json().remove(0);
    assert_eq!(
        (&line["type"], &line["data"]),
        (&"message".into(), &"0102ff".into())
    );
    assert_eq!((&line["src"], &line["dst_port"]), (&10.into(), &10.into()));
    let summary = received.json_errors().pop().unwrap();
    assert_eq!(
        (&summary["messages"], &summary["dropped"]),
        (&1.into(), &0.into())
    );
}

#[test]
fn text_is_text_at_both_ends() {
    let place = Place::new();
    let receiving = recv(&place, "--text");
    let line = "csp send 2:10 -i bus:lab --text";
    place
        .run(&[&words(line)[..], &["hello there"]].concat())
        .status(0);
    assert_eq!(finish(receiving).status(0).stdout, "hello there\n");
}

#[test]
fn standard_input_goes_over_rdp_in_packets_and_is_acknowledged() {
    let place = Place::new();
    let receiving = recv(&place, "--rdp --raw -n 3");
    let bytes: Vec<u8> = (0..600_u32).map(|number| number.to_le_bytes()[0]).collect();
    let line = "csp send 2:10 -i bus:lab -t 40s --rdp -j";
    let sent = place.run_with_input(&words(line), &bytes).status(0);
    let sent = sent.json().remove(0);
    assert_eq!((&sent["bytes"], &sent["packets"]), (&600.into(), &3.into()));
    assert_eq!(sent["acknowledged"], true);
    // Raw bytes do not survive the reading of a text here; their number does, lossily.
    let received = finish(receiving).status(0);
    assert!(
        received.stderr.contains("3 messages, 0 failed"),
        "{}",
        received.stderr
    );
}

#[test]
fn a_blob_arrives_whole_over_rdp() {
    let place = Place::new();
    let text: String = (0..5_000).map(|number| format!("{number:05}\n")).collect();
    place.write("table.txt", &text);
    let receiving = recv(&place, "--rdp --sfp --raw");
    let sent = send(&place, "@table.txt --rdp --sfp").status(0);
    assert!(
        sent.stdout
            .starts_with("30000 bytes sent to 2:10 in 126 packets, acknowledged"),
        "{}",
        sent.stdout
    );
    assert_eq!(finish(receiving).status(0).stdout, text);
}

#[test]
fn a_call_prints_the_reply() {
    let place = Place::new();
    let _node = place.start(&words("csp node -i bus:lab --addr 2/8 --echo 10"));
    let call = |more: &str| place.run(&words(&format!("csp call 2:10 -i bus:lab -t 20s {more}")));
    assert_eq!(call("DEADBEEF").status(0).stdout, "DE AD BE EF\n");
    let reply = call("00ff -j").status(0).json().remove(0);
    assert_eq!((&reply["data"], &reply["len"]), (&"00ff".into(), &2.into()));
    assert!(reply["rtt_us"].is_u64());
    assert_eq!(call("--text --raw hello").status(0).stdout, "hello");
    // No byte is taken for part of a colour, or for one that a terminal does not print.
    let raw = "\x1b[31m\0\x07\r\x7f~";
    assert_eq!(call("1b5b33316d00070d7f7e --raw").status(0).stdout, raw);
    assert_eq!(call("0102 --rdp").status(0).stdout, "01 02\n");
}

#[test]
fn nobody_on_the_port_is_exit_1_with_the_reason() {
    let place = Place::new();
    let _node = place.start(&words("csp node -i bus:lab --addr 2/8"));
    let ran = place.run(&words("csp call 2:12 00 -i bus:lab -t 50")).status(1);
    assert!(
        ran.stderr.contains(
            "error: no reply from 2:12 on lab\nhint: node 2 answers a ping, but not this on port 12"
        ),
        "{}",
        ran.stderr
    );
    let ran = place
        .run(&words("csp send 2:12 00 --rdp -i bus:lab -t 50"))
        .status(1);
    assert!(
        ran.stderr
            .contains("error: 2:12: the connection was not opened: no answer\nhint: node 2 answers"),
        "{}",
        ran.stderr
    );
}

#[test]
fn what_passes_a_listener_by_is_told() {
    let place = Place::new();
    let line = "csp recv 10 -i bus:lab --addr 1/8";
    let receiving = place.command(&words(line)).spawn().unwrap();
    place.wait_for_bus("lab");
    send(&place, "00").status(0);
    // Its answer comes after all that it has heard before.
    place.run(&words("csp ping 1 -i bus:lab -c 1 -t 20s")).status(0);
    signal_to(&receiving, "INT");
    let ran = finish(receiving).status(130);
    assert!(
        ran.stderr.contains(
            "hint: frames of node 10 for node 2 were seen on the bus but filtered (1 packet): our netmask is \
             /8 and our address 1\n"
        ),
        "{}",
        ran.stderr
    );
}

#[test]
fn what_does_not_fit_a_packet_is_refused_with_what_does() {
    let long = "00".repeat(300);
    let ran = Place::new()
        .run(&["csp", "send", "2:10", &long, "-i", "bus:lab"])
        .status(2);
    assert!(
        ran.stderr.contains("hint: 252 bytes are the most here"),
        "{}",
        ran.stderr
    );
    let ran = Place::new().run(&words("csp send 2 00 -i bus:lab")).status(2);
    assert!(ran.stderr.contains("hint: write NODE:PORT"), "{}", ran.stderr);
}
