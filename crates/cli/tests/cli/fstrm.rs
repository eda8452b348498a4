//! `fstrm cat`, `fstrm info`.

use crate::place::Place;

/// A stream without content type: START, two frames, STOP.
const PLAIN: &[u8] = b"\0\0\0\0\0\0\0\x04\0\0\0\x02\0\0\0\x05hello\0\0\0\x02hi\0\0\0\0\0\0\0\x04\0\0\0\x03";

fn with_captures() -> Place {
    let place = Place::new();
    place.write(
        "unbound.fstrm",
        include_bytes!("../../../../examples/data/unbound.fstrm"),
    );
    place.write("plain.fstrm", PLAIN);
    place.write("cut.fstrm", &PLAIN[..24]);
    place.write("tls.fstrm", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    place
}

#[test]
fn dnstap_messages_are_the_quiet_lines_of_the_dnstap_tools() {
    let ran = with_captures().run(&["fstrm", "cat", "unbound.fstrm"]).status(0);
    assert_eq!(ran.stdout.lines().count(), 20);
    let first = ran.stdout.lines().next().unwrap();
    let words: Vec<_> = first.split(' ').collect();
    assert_eq!(words[1], "CQ", "{first}");
    assert!(
        words[0].len() == "05:02:27.995759".len() && words[4].ends_with('b'),
        "{first}"
    );
    assert!(ran.stderr.starts_with("20 frames, "), "{}", ran.stderr);
    assert!(ran.stderr.ends_with(", 0 dropped\n"), "{}", ran.stderr);
}

#[test]
fn json_has_the_question_in_fields() {
    let ran = with_captures()
        .run(&["fstrm", "cat", "unbound.fstrm", "-j", "-n", "3"])
        .status(0);
    let lines = ran.json();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["dnstap"]["kind"], "CQ");
    assert!(
        lines[0]["dnstap"]["dns"]["qname"]
            .as_str()
            .unwrap()
            .ends_with('.')
    );
}

#[test]
fn other_payloads_are_hex_or_raw() {
    let place = with_captures();
    let ran = place.run(&["fstrm", "cat", "plain.fstrm"]).status(0);
    assert!(
        ran.stdout.lines().next().unwrap().ends_with("5b  68656c6c6f"),
        "{}",
        ran.stdout
    );
    let ran = place.run(&["fstrm", "cat", "--raw", "plain.fstrm"]).status(0);
    assert_eq!(ran.stdout, "hellohi");
    let lines = place.run(&["fstrm", "cat", "plain.fstrm", "-j"]).status(0).json();
    assert_eq!(
        (&lines[1]["data"], &lines[1]["offset"]),
        (&"6869".into(), &21.into())
    );
}

#[test]
fn standard_input_is_a_file_too() {
    let ran = Place::new()
        .run_with_input(&["fstrm", "cat", "-"], PLAIN)
        .status(0);
    assert_eq!(ran.stdout.lines().count(), 2);
}

#[test]
fn info_sums_up() {
    let place = with_captures();
    let ran = place.run(&["fstrm", "info", "unbound.fstrm"]).status(0);
    assert!(
        ran.stdout.contains("content      protobuf:dnstap.Dnstap"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("frames       20"), "{}", ran.stdout);
    let lines = place
        .run(&["fstrm", "info", "-j", "plain.fstrm", "unbound.fstrm"])
        .status(0)
        .json();
    assert_eq!(
        (&lines[0]["frames"], &lines[0]["end"]),
        (&2.into(), &"stop".into())
    );
    assert_eq!(lines[1]["content_types"][0], "protobuf:dnstap.Dnstap");
}

#[test]
fn a_cut_file_is_shown_as_far_as_it_goes_and_exits_1() {
    let place = with_captures();
    let ran = place.run(&["fstrm", "cat", "cut.fstrm"]).status(1);
    assert_eq!(ran.stdout.lines().count(), 1);
    assert!(
        ran.stderr.contains("cut.fstrm: ends within the frame at byte 21"),
        "{}",
        ran.stderr
    );
    let lines = place.run(&["fstrm", "info", "-j", "cut.fstrm"]).status(1).json();
    assert_eq!(
        (&lines[0]["frames"], &lines[0]["end"]),
        (&1.into(), &"truncated".into())
    );
}

#[test]
fn what_is_no_frame_stream_exits_4_and_says_what_it_is() {
    let ran = with_captures().run(&["fstrm", "cat", "tls.fstrm"]).status(4);
    assert!(ran.stderr.contains("TLS"), "{}", ran.stderr);
    with_captures().run(&["fstrm", "info", "tls.fstrm"]).status(4);
}

#[test]
fn another_content_type_is_refused() {
    with_captures()
        .run(&["fstrm", "cat", "-t", "protobuf:other", "unbound.fstrm"])
        .status(4);
}
