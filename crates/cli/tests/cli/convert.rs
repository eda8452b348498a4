//! `dnstap convert` and `dnstap anonymize`.

use dnstap_codec::{Dnstap, Message, MessageType, Policy, PolicyAction, SocketFamily, SocketProtocol};

use crate::dnstap::{CAPTURE, stream};
use crate::place::Place;

fn with_capture() -> Place {
    let place = Place::new();
    place.write("unbound.fstrm", CAPTURE);
    place
}

fn read(place: &Place, name: &str) -> Vec<u8> {
    std::fs::read(place.path().join(name)).unwrap()
}

#[test]
fn json_and_back_is_the_same_file() {
    let place = with_capture();
    place
        .run(&["dnstap", "convert", "unbound.fstrm", "a.jsonl"])
        .status(0);
    let ran = place.run(&["dnstap", "convert", "a.jsonl", "b.tap"]).status(0);
    assert_eq!(ran.stderr, "20 messages, 2607 bytes, 0 dropped\n");
    assert_eq!(read(&place, "b.tap"), CAPTURE);
}

#[test]
fn json_brings_every_known_field_back() {
    let mut odd = Vec::new();
    let times = [
        (Some(1), None),
        (None, Some(1)),
        (Some(1), Some(1_000_000_000)),
        (Some(253_370_764_799), Some(999_999_999)),
        (Some(253_370_764_800), Some(0)),
        (Some(u64::MAX), Some(u32::MAX)),
    ];
    for (sec, nsec) in times {
        let message = Message {
            socket_family: Some(SocketFamily::from_bits(9)),
            socket_protocol: Some(SocketProtocol::from_bits(-1)),
            query_address: Some(&[]),
            response_address: Some(&[1, 2, 3]),
            query_port: Some(u32::MAX),
            query_time_sec: sec,
            query_time_nsec: nsec,
            response_time_sec: sec,
            response_time_nsec: nsec,
            query_message: Some(b""),
            response_message: Some(b"\xff"),
            query_zone: Some(b"\xc0"),
            policy: Some(Policy {
                rule: Some(b"\xffrule"),
                action: Some(PolicyAction::from_bits(77)),
                ..Policy::default()
            }),
            ..Message::new(MessageType::from_bits(99))
        };
        let identity = Some(&b"\x80\"\n"[..]);
        odd.push(
            Dnstap {
                identity,
                ..Dnstap::new(message)
            }
            .encode(),
        );
    }
    let frames: Vec<&[u8]> = odd.iter().map(Vec::as_slice).collect();
    let place = Place::new();
    place.write("odd.fstrm", stream(&frames));
    place
        .run(&["dnstap", "convert", "odd.fstrm", "a.jsonl"])
        .status(0);
    place.run(&["dnstap", "convert", "a.jsonl", "b.fstrm"]).status(0);
    assert_eq!(read(&place, "b.fstrm"), stream(&frames));
}

#[test]
fn every_message_becomes_a_packet_to_or_from_the_port_of_dns() {
    let place = with_capture();
    place
        .run(&["dnstap", "convert", "unbound.fstrm", "a.pcapng"])
        .status(0);
    let file = read(&place, "a.pcapng");
    let mut rest = file.as_slice();
    let mut packets = 0;
    while let Some((head, _)) = rest.split_first_chunk::<8>() {
        let len = u32::from_le_bytes(*head[4..].first_chunk().unwrap()) as usize;
        let (block, behind) = rest.split_at(len);
        match head[0] {
            1 => assert_eq!(block[8..10], [101, 0], "IP packets"),
            6 => {
                let packet = &block[28..];
                let udp = if packet[0] == 0x45 { 20 } else { 40 };
                let is_dns = |at: usize| packet[at..at + 2] == [0, 53];
                assert!(is_dns(udp) || is_dns(udp + 2));
                packets += 1;
            }
            _ => {}
        }
        rest = behind;
    }
    assert_eq!(packets, 20);
}

#[test]
fn a_form_can_be_said_and_messages_chosen() {
    let place = with_capture();
    let words = [
        "dnstap",
        "convert",
        "--to",
        "quiet",
        "--where",
        "qtype==TXT",
        "unbound.fstrm",
        "-",
    ];
    let ran = place.run(&words).status(0);
    assert_eq!(ran.stdout.lines().count(), 2);
    assert!(
        ran.stdout.lines().all(|line| line.ends_with(" IN TXT")),
        "{}",
        ran.stdout
    );
    let ran = place
        .run(&["dnstap", "convert", "unbound.fstrm", "file.bin"])
        .status(2);
    assert!(ran.stderr.contains("--to fstrm, json"), "{}", ran.stderr);
}

#[test]
fn a_line_that_is_no_message_is_told_and_the_others_are_converted() {
    let place = Place::new();
    let good = r#"{"v":1,"type":"MESSAGE","message":{"type":"TOOL_QUERY","query_address":"192.0.2.1"}}"#;
    let lines = format!("{good}\n\nnothing\n{{\"v\":2}}\n{good}\n");
    place.write("a.jsonl", lines.as_bytes());
    let ran = place.run(&["dnstap", "convert", "a.jsonl", "a.fstrm"]).status(4);
    assert!(ran.stderr.contains("a.jsonl: line 3: "), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("a.jsonl: line 4: \"v\" is 2"),
        "{}",
        ran.stderr
    );
    let ran = place.run(&["dnstap", "cat", "a.fstrm"]).status(0);
    assert_eq!(ran.stdout.lines().count(), 2);
}

#[test]
fn a_copy_does_not_say_who_asked() {
    let place = with_capture();
    let words = [
        "dnstap",
        "anonymize",
        "--v4",
        "8",
        "--no-identity",
        "unbound.fstrm",
        "a.fstrm",
    ];
    let ran = place.run(&words).status(0);
    assert!(
        ran.stderr.starts_with("20 addresses, 0 client subnets changed\n"),
        "{}",
        ran.stderr
    );
    let ran = place.run(&["dnstap", "cat", "--json", "a.fstrm"]).status(0);
    for object in ran.json() {
        assert!(object["identity"].is_null());
        let address = object["message"]["query_address"].as_str().unwrap();
        assert!(["127.0.0.0", "0.0.0.0", "::"].contains(&address), "{address}");
    }
}

#[test]
fn cookies_are_blanked_on_request_and_counted() {
    // A query with an OPT record of one option: a cookie of four bytes.
    let query = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\x01\0\0\x02\0\x01\0\0\x29\x04\xd0\0\0\0\0\0\x08\0\x0a\
        \0\x04cook";
    let message = Message {
        query_message: Some(query),
        ..Message::new(MessageType::ClientQuery)
    };
    let place = Place::new();
    place.write("a.fstrm", stream(&[&Dnstap::new(message).encode()]));
    let words = ["dnstap", "anonymize", "--no-options", "a.fstrm", "b.fstrm"];
    let ran = place.run(&words).status(0);
    let told = "0 addresses, 0 client subnets, 1 other option changed\n";
    assert!(ran.stderr.starts_with(told), "{}", ran.stderr);
    let file = read(&place, "b.fstrm");
    assert!(!file.windows(4).any(|four| four == b"cook"));
}

#[test]
fn a_key_replaces_addresses_always_alike() {
    let place = with_capture();
    place.write("key", b"000102030405060708090a0b0c0d0e0f\n");
    for name in ["a.fstrm", "b.fstrm"] {
        let words = ["dnstap", "anonymize", "--key-file", "key", "unbound.fstrm", name];
        place.run(&words).status(0);
    }
    assert_eq!(read(&place, "a.fstrm"), read(&place, "b.fstrm"));
    assert_ne!(read(&place, "a.fstrm"), CAPTURE);
    assert_eq!(read(&place, "a.fstrm").len(), CAPTURE.len());
    place.write("short", b"abc");
    let ran = place
        .run(&[
            "dnstap",
            "anonymize",
            "--key-file",
            "short",
            "unbound.fstrm",
            "c.fstrm",
        ])
        .status(2);
    assert!(
        ran.stderr.contains("3 bytes, expected a key of 16 bytes"),
        "{}",
        ran.stderr
    );
}

#[test]
fn what_might_hold_anything_is_dropped_and_counted() {
    let place = Place::new();
    place.write("mixed.fstrm", stream(&[b"\xff", b"\x78\x01"]));
    let ran = place
        .run(&["dnstap", "anonymize", "mixed.fstrm", "a.fstrm"])
        .status(0);
    assert!(ran.stderr.contains(", 1 not understood"), "{}", ran.stderr);
    assert_eq!(read(&place, "a.fstrm"), stream(&[b"\x78\x01"]));
}
