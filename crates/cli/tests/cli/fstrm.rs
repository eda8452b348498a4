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
fn dnstap_is_shown_as_dnstap_cat_shows_it() {
    let place = with_captures();
    let [lines, of_dnstap] =
        ["fstrm", "dnstap"].map(|noun| place.run(&[noun, "cat", "unbound.fstrm"]).status(0).stdout);
    assert_eq!(lines, of_dnstap);
    let [lines, of_dnstap] = ["fstrm", "dnstap"].map(|noun| {
        place
            .run(&[noun, "cat", "unbound.fstrm", "-j", "-n", "3"])
            .status(0)
            .json()
    });
    assert_eq!(lines.len(), 3);
    for (line, of_dnstap) in lines.iter().zip(&of_dnstap) {
        assert_eq!(&line["dnstap"], of_dnstap);
    }
    assert_eq!(lines[0]["dnstap"]["message"]["kind"], "CQ");
}

#[test]
fn what_should_be_dnstap_and_is_none_is_told_and_kept() {
    let place = with_captures();
    let start = [
        &b"\0\0\0\0\0\0\0\x22\0\0\0\x02\0\0\0\x01\0\0\0\x16"[..],
        b"protobuf:dnstap.Dnstap",
    ];
    let rest = b"\0\0\0\x03\xff\xff\xff\0\0\0\0\0\0\0\x04\0\0\0\x03";
    place.write("bad.fstrm", [&start.concat()[..], rest].concat());
    let ran = place.run(&["fstrm", "cat", "bad.fstrm"]).status(0);
    assert!(ran.stdout.contains("3b  ffffff ("), "{}", ran.stdout);
    assert!(ran.stderr.contains("1 not understood"), "{}", ran.stderr);
    let lines = place.run(&["fstrm", "cat", "-j", "bad.fstrm"]).status(0).json();
    assert_eq!((lines.len(), &lines[0]["data"]), (1, &"ffffff".into()));
    assert!(lines[0]["error"].is_string(), "{}", lines[0]);
}

#[test]
fn what_hides_behind_an_empty_frame_is_told() {
    // What a Go or Python writer makes of an empty frame: the next one looks like a control frame.
    let place = Place::new();
    place.write("empty.fstrm", [&PLAIN[..12], &[0; 4], &PLAIN[12..]].concat());
    for verb in ["cat", "dump"] {
        let ran = place.run(&["fstrm", verb, "empty.fstrm"]).status(0);
        assert!(
            ran.stderr
                .ends_with("1 frame, 2 bytes, 1 control passed over, 0 dropped\n"),
            "{}",
            ran.stderr
        );
    }
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

#[cfg(unix)]
#[test]
fn a_live_stream_is_shown_as_it_comes_and_a_signal_ends_it() {
    for signal in ["INT", "TERM"] {
        let place = Place::new();
        let (running, _stdin) = place.start_with_open_input(&["fstrm", "cat", "-"], &PLAIN[..21]);
        assert!(running.first.ends_with("5b  68656c6c6f\n"), "{}", running.first);
        running.signal(signal);
        let ran = running.end();
        assert_eq!(ran.status, Some(0), "{ran:?}");
        assert_eq!(ran.stderr, "1 frame, 5 bytes, 0 dropped\n");
    }
}

#[test]
fn the_deadline_ends_a_stream_that_stays_open() {
    let place = Place::new();
    let deadline = ["--deadline", "200ms", "fstrm"];
    let words = [&deadline[..], &["cat", "-"]].concat();
    // Within a frame, after STOP, and before anything.
    for (input, frames) in [
        (&PLAIN[..23], "1 frame, 5"),
        (PLAIN, "2 frames, 7"),
        (&[], "0 frames, 0"),
    ] {
        let ran = place.run_with_open_input(&words, input).status(0);
        assert_eq!(ran.stderr, format!("{frames} bytes, 0 dropped\n"));
    }
    let words = [&deadline[..], &["info", "-"]].concat();
    let ran = place.run_with_open_input(&words, PLAIN).status(1);
    assert!(ran.stderr.contains("the deadline passed"), "{}", ran.stderr);
}

#[cfg(unix)]
#[test]
fn a_pipe_that_nobody_writes_to_can_be_left() {
    let place = Place::new();
    let made = std::process::Command::new("mkfifo")
        .arg(place.path().join("pipe"))
        .status();
    assert!(made.unwrap().success());
    for (verb, status) in [("cat", 0), ("info", 1)] {
        place
            .run(&["--deadline", "200ms", "fstrm", verb, "pipe"])
            .status(status);
    }
}

#[test]
fn a_file_that_ends_before_or_in_start_exits_1() {
    let place = Place::new();
    for (len, missing) in [(0, 12), (3, 1), (10, 2)] {
        place.write("short.fstrm", &PLAIN[..len]);
        for verb in ["cat", "info"] {
            let ran = place.run(&["fstrm", verb, "short.fstrm"]).status(1);
            let expected = format!("short.fstrm: ends before a complete START; {missing} or more bytes");
            assert!(ran.stderr.contains(&expected), "{}", ran.stderr);
        }
    }
    place.write("short.fstrm", b"");
    let ran = place.run(&["fstrm", "info", "short.fstrm"]).status(1);
    assert!(
        !ran.stdout.contains("content"),
        "no START, no type: {}",
        ran.stdout
    );
}

#[test]
fn rubbish_behind_stop_is_told_and_no_fault() {
    let place = Place::new();
    place.write("tail.fstrm", [PLAIN, &[0xee; 20]].concat());
    let ran = place.run(&["fstrm", "cat", "tail.fstrm"]).status(0);
    assert_eq!(ran.stdout.lines().count(), 2);
    assert!(
        ran.stderr
            .starts_with("tail.fstrm: 20 bytes behind STOP are no stream and were passed over\n"),
        "{}",
        ran.stderr
    );
    let ran = place.run(&["fstrm", "cat", "-j", "tail.fstrm"]).status(0);
    assert_eq!(ran.json_errors().last().unwrap()["trailing_bytes"], 20);
    let lines = place.run(&["fstrm", "info", "-j", "tail.fstrm"]).status(0).json();
    assert_eq!(
        (&lines[0]["trailing_bytes"], &lines[0]["end"]),
        (&20.into(), &"stop".into())
    );
    place.write("two.fstrm", [PLAIN, PLAIN].concat());
    let ran = place.run(&["fstrm", "cat", "two.fstrm"]).status(0);
    assert_eq!(ran.stdout.lines().count(), 4);
}

#[test]
fn a_bad_file_does_not_hide_the_next_and_the_worst_is_told_last() {
    let place = with_captures();
    let files = ["cut.fstrm", "tls.fstrm", "missing.fstrm", "plain.fstrm"];
    for verb in ["cat", "info"] {
        let ran = place.run(&[&["fstrm", verb][..], &files].concat()).status(4);
        let errors: Vec<_> = ran
            .stderr
            .lines()
            .filter_map(|line| line.strip_prefix("error: "))
            .map(|line| line.split(':').next().unwrap())
            .collect();
        assert_eq!(
            errors,
            ["cut.fstrm", "missing.fstrm", "tls.fstrm"],
            "{}",
            ran.stderr
        );
        let last = ran.stdout.lines().last().unwrap();
        assert!(last.ends_with("6869") || last.ends_with("stop"), "{last}");
    }
    let ran = place
        .run(&[&["fstrm", "info", "-j"][..], &files].concat())
        .status(4);
    let codes: Vec<_> = ran
        .json_errors()
        .iter()
        .map(|line| line["error"]["code"].clone())
        .collect();
    assert_eq!(codes, ["truncated", "file", "malformed"]);
}

#[test]
fn a_folder_is_no_malformed_file() {
    let place = Place::new();
    for verb in ["cat", "info"] {
        let ran = place.run(&["fstrm", verb, "."]).status(3);
        assert_eq!(ran.stdout, "");
        assert!(ran.stderr.contains("error: .: is a directory"), "{}", ran.stderr);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_cannot_be_read_is_not_called_malformed() {
    // Nothing is mapped at the front of a process's memory.
    let place = Place::new();
    let ran = place.run(&["fstrm", "info", "/proc/self/mem"]).status(3);
    assert!(
        ran.stdout.ends_with("end          unreadable\n"),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_summary_counts_one_frame_and_has_no_end_that_was_not_reached() {
    let place = with_captures();
    let ran = place.run(&["fstrm", "cat", "-n", "1", "plain.fstrm"]).status(0);
    assert!(ran.stderr.starts_with("1 frame, "), "{}", ran.stderr);
    let ran = place
        .run(&["fstrm", "cat", "-j", "-n", "1", "plain.fstrm"])
        .status(0);
    assert!(ran.json_errors()[0].get("end").is_none(), "{}", ran.stderr);
    let ran = place.run(&["fstrm", "cat", "-j", "plain.fstrm"]).status(0);
    assert_eq!(ran.json_errors()[0]["end"], "stop");
}

#[test]
fn another_content_type_is_told_in_plain_words() {
    let ran = with_captures()
        .run(&["fstrm", "cat", "-t", "foo", "unbound.fstrm"])
        .status(4);
    assert!(ran.stderr.contains("expected \"foo\""), "{}", ran.stderr);
}

#[cfg(unix)]
#[test]
fn a_sender_on_a_socket_is_shown_and_gets_its_finish() {
    use std::io::{Read as _, Write as _};

    let place = Place::new();
    let path = place.path().join("sender.sock");
    let sender = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let sent = std::thread::spawn(move || {
        let (mut peer, _) = sender.accept().unwrap();
        peer.write_all(b"\0\0\0\0\0\0\0\x04\0\0\0\x04").unwrap();
        peer.write_all(PLAIN).unwrap();
        let mut answers = Vec::new();
        peer.read_to_end(&mut answers).unwrap();
        answers
    });
    let word = format!("dial+unix:{}", path.display());
    let ran = place.run(&["fstrm", "cat", "--json", &word]).status(0);
    let lines = ran.json();
    assert_eq!(lines.len(), 2, "{ran:?}");
    assert_eq!(
        (&lines[0]["data"], lines[1].get("offset")),
        (&"68656c6c6f".into(), None)
    );
    let finish = b"\0\0\0\0\0\0\0\x04\0\0\0\x05";
    assert!(sent.join().unwrap().ends_with(finish));
}
