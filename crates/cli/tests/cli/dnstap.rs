//! `dnstap cat`, `dnstap gen`, and the name `dnstap`.

use crate::place::Place;
#[cfg(unix)]
use crate::place::finish;

pub(crate) const CAPTURE: &[u8] = include_bytes!("../../../../examples/data/unbound.fstrm");

/// A stream of dnstap with these payloads, which need not be dnstap.
pub(crate) fn stream(payloads: &[&[u8]]) -> Vec<u8> {
    let content_type = fstrm_codec::ContentType::from_static(b"protobuf:dnstap.Dnstap");
    let mut writer = fstrm_codec::FileWriter::new(Vec::new(), content_type.as_ref()).unwrap();
    for payload in payloads {
        writer.write_frame(payload).unwrap();
    }
    writer.finish().unwrap()
}

fn with_capture() -> Place {
    let place = Place::new();
    place.write("unbound.fstrm", CAPTURE);
    place
}

#[test]
fn a_message_is_a_line_with_or_without_the_letter() {
    let place = with_capture();
    let plain = place.run(&["dnstap", "cat", "unbound.fstrm"]).status(0);
    assert_eq!(
        plain.stdout.lines().next().unwrap(),
        "05:25:51.615793 CQ 127.0.0.1 UDP 53b \"a.local.test.\" IN A"
    );
    assert_eq!(plain.stderr, "20 messages, 2607 bytes, 0 dropped\n");
    for words in [["-q", "unbound.fstrm"], ["-r", "unbound.fstrm"]] {
        let ran = place.run(&[&["dnstap", "cat"][..], &words].concat()).status(0);
        assert_eq!(ran.stdout, plain.stdout);
    }
}

#[test]
fn what_is_no_dnstap_is_counted_and_ends_nothing() {
    let place = Place::new();
    let mut reader = fstrm_codec::FileReader::new(CAPTURE, fstrm_codec::Config::new()).unwrap();
    let sound = reader.next_frame().unwrap().unwrap().to_vec();
    place.write("mixed.fstrm", stream(&[b"\xff\xff", &sound, b"\0", &sound]));
    let ran = place.run(&["dnstap", "cat", "mixed.fstrm"]).status(0);
    assert_eq!(ran.stdout.lines().count(), 2);
    assert!(
        ran.stderr.contains(", 2 not understood, 0 dropped"),
        "{}",
        ran.stderr
    );
    let ran = place.run(&["dnstap", "cat", "-j", "mixed.fstrm"]).status(0);
    assert_eq!(ran.json().len(), 2);
    assert_eq!(ran.json_errors()[0]["bad"], 2);
}

#[test]
fn a_count_goes_over_all_files_and_a_bad_file_does_not_hide_the_next() {
    let place = with_capture();
    let ran = place
        .run(&["dnstap", "cat", "unbound.fstrm", "unbound.fstrm", "-n", "23"])
        .status(0);
    assert_eq!(ran.stdout.lines().count(), 23);
    place.write("cut.fstrm", &CAPTURE[..CAPTURE.len() - 20]);
    place.write("tls.fstrm", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    let ran = place
        .run(&["dnstap", "cat", "cut.fstrm", "unbound.fstrm"])
        .status(1);
    assert_eq!(ran.stdout.lines().count(), 39);
    let files = ["cut.fstrm", "tls.fstrm", "unbound.fstrm"];
    let ran = place.run(&[&["dnstap", "cat"][..], &files].concat()).status(4);
    assert_eq!(ran.stdout.lines().count(), 39);
    place.run(&["dnstap", "cat", "missing.fstrm"]).status(3);
    place.run(&["dnstap", "cat"]).status(2);
}

#[cfg(unix)]
#[test]
fn a_pipe_is_shown_as_it_comes_and_a_signal_ends_it() {
    let place = Place::new();
    let cut = &CAPTURE[..200];
    let (running, _stdin) = place.start_with_open_input(&["dnstap", "cat", "-"], cut);
    assert!(
        running.first.starts_with("05:25:51.615793 CQ"),
        "{}",
        running.first
    );
    running.signal("INT");
    let ran = running.end();
    assert_eq!(ran.status, Some(0), "{ran:?}");
    assert!(ran.stderr.starts_with("1 message, "), "{}", ran.stderr);
}

#[test]
fn made_up_traffic_is_the_same_for_the_same_seed_and_a_file_is_left_alone() {
    let place = Place::new();
    for name in ["one", "two"] {
        place
            .run(&["dnstap", "gen", name, "-n", "500", "--seed", "7"])
            .status(0);
    }
    let read = |name: &str| std::fs::read(place.path().join(name)).unwrap();
    assert_eq!(read("one"), read("two"));
    let ran = place.run(&["dnstap", "gen", "one"]).status(3);
    assert!(ran.stderr.contains("hint: -a goes on"), "{}", ran.stderr);
    assert_eq!(read("one"), read("two"));
    let ran = place.run(&["dnstap", "gen", "-a", "one", "-n", "5"]).status(0);
    assert_eq!(ran.stderr, "5 messages written\n");
    let ran = place.run(&["dnstap", "cat", "one"]).status(0);
    assert_eq!(ran.stdout.lines().count(), 505);
    assert!(ran.stderr.contains(" 0 dropped"), "{}", ran.stderr);
    for kind in [" CQ ", " CR ", " RQ ", " RR "] {
        assert!(ran.stdout.contains(kind), "{kind}");
    }
}

#[cfg(unix)]
#[test]
fn made_up_traffic_goes_to_a_collector_in_its_time() {
    let place = Place::new();
    let words = [
        "dnstap",
        "top",
        "--json",
        "--interval",
        "50ms",
        "unix:a.sock",
        "--deadline",
        "50s",
    ];
    let top = place.start(&words);
    let words = [
        "dnstap",
        "gen",
        "-n",
        "300",
        "--rate",
        "20k",
        "--delivery",
        "confirmed",
        "unix:a.sock",
    ];
    let ran = place.run(&words).status(0);
    assert_eq!(ran.stderr, "300 messages written\n");
    top.signal("TERM");
    let summary = top.end().json_errors().pop().unwrap();
    assert_eq!((&summary["frames"], &summary["bad"]), (&300.into(), &0.into()));
    // Nobody is there any more.
    let words = ["dnstap", "gen", "-n", "3", "--linger", "100ms", "unix:none.sock"];
    let ran = place.run(&words).status(3);
    assert!(
        ran.stderr.contains("0 messages written, 3 left"),
        "{}",
        ran.stderr
    );
}

#[test]
fn an_expression_chooses_messages_and_frames_are_copied_as_they_came() {
    let place = with_capture();
    let ran = place
        .run(&[
            "dnstap",
            "cat",
            "--where",
            "kind == CQ && qtype == AAAA",
            "unbound.fstrm",
        ])
        .status(0);
    assert!(
        ran.stdout
            .lines()
            .all(|line| line.contains(" CQ ") && line.ends_with(" AAAA"))
    );
    let shown = ran.stdout.lines().count();
    assert!(shown > 0);
    let counts = format!("20 messages, 2607 bytes, {shown} shown, 0 dropped\n");
    assert_eq!(ran.stderr, counts);
    let copy = ["dnstap", "cat", "unbound.fstrm", "-w", "copy.fstrm"];
    place.run(&copy).status(0);
    let read = |name: &str| std::fs::read(place.path().join(name)).unwrap();
    assert_eq!(read("copy.fstrm"), CAPTURE);
    place.run(&copy).status(3);
    place
        .run(&[&copy[..], &["-a", "--where", "kind == CQ"]].concat())
        .status(0);
    let ran = place.run(&["dnstap", "cat", "copy.fstrm", "-y"]).status(0);
    assert!(ran.stdout.matches("\n---\n").count() > 20);
    let ran = place.run(&["dnstap", "cat", "--where", "qtype==", "x"]).status(2);
    assert!(ran.stderr.contains("qtype=="), "{}", ran.stderr);
}

#[test]
fn lines_are_those_of_the_tool_that_is_named() {
    let place = with_capture();
    for (style, first) in [
        (
            "golang",
            "05:25:51.615793 CQ 127.0.0.1 UDP 53b \"a.local.test.\" IN A",
        ),
        (
            "ldns",
            "2026-11-20 05:25:51.615793 CQ 127.0.0.1 UDP 53b \"a.local.test.\" IN A",
        ),
        (
            "bind",
            "20-Nov-2026 05:25:51.615 CQ 127.0.0.1:58695 -> 127.0.0.1:5301 UDP 53b a.local.test/IN/A",
        ),
    ] {
        let ran = place
            .run(&["dnstap", "cat", "--style", style, "unbound.fstrm"])
            .status(0);
        assert_eq!(ran.stdout.lines().next().unwrap(), first);
    }
    let ran = place.run(&["dnstap", "cat", "-j", "unbound.fstrm"]).status(0);
    assert_eq!(ran.json()[0]["message"]["query_dns"]["question"][0]["type"], "A");
}

#[cfg(unix)]
#[test]
fn servers_connect_and_what_they_send_is_written_and_told_by_peer() {
    let place = with_capture();
    let listen = [
        "dnstap",
        "listen",
        "unix:in.sock",
        "-n",
        "40",
        "--deadline",
        "50s",
    ];
    let listener = place.command(&listen).spawn().unwrap();
    // Whoever sends waits until somebody listens.
    for _ in 0..2 {
        let ran = place
            .run(&["dnstap", "cat", "unbound.fstrm", "-U", "in.sock"])
            .status(0);
        assert_eq!(ran.stdout, "", "{}", ran.stderr);
    }
    let ran = finish(listener).status(0);
    assert_eq!(ran.stdout.lines().count(), 40);
    assert!(
        ran.stderr.contains("listening on listen+unix:in.sock"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.ends_with("40 messages, 5214 bytes, 0 dropped\n"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_relay_passes_on_what_it_is_told_to() {
    let place = with_capture();
    place
        .run(&[
            "dnstap",
            "relay",
            "unbound.fstrm",
            "all.fstrm",
            "file:again.fstrm",
        ])
        .status(0);
    for name in ["all.fstrm", "again.fstrm"] {
        assert_eq!(std::fs::read(place.path().join(name)).unwrap(), CAPTURE);
    }
    let ran = place
        .run(&[
            "dnstap",
            "relay",
            "--where",
            "kind == CR",
            "unbound.fstrm",
            "cr.fstrm",
        ])
        .status(0);
    assert!(ran.stderr.contains(" shown, 0 dropped"), "{}", ran.stderr);
    let ran = place.run(&["dnstap", "cat", "cr.fstrm"]).status(0);
    assert!(!ran.stdout.is_empty() && ran.stdout.lines().all(|line| line.contains(" CR ")));
    place.run(&["dnstap", "listen", "unbound.fstrm"]).status(2);
}

#[cfg(unix)]
mod golang {
    use super::with_capture;
    use crate::place::{Place, Ran, finish, signal_to};

    fn dnstap(place: &Place, words: &[&str]) -> Ran {
        finish(place.tool("dnstap", words).spawn().unwrap())
    }

    #[test]
    fn under_the_name_dnstap_its_letters_count() {
        let place = with_capture();
        let ran = dnstap(&place, &["-r", "unbound.fstrm", "-q", "-w", "lines.txt"]).status(0);
        assert_eq!(
            (&*ran.stdout, &*ran.stderr),
            ("", "dnstap: opened input file unbound.fstrm\n")
        );
        let read = || std::fs::read_to_string(place.path().join("lines.txt")).unwrap();
        let lines = read();
        assert_eq!(lines.lines().count(), 20);
        dnstap(&place, &["-r=unbound.fstrm", "-q=true", "-w", "lines.txt"]).status(0);
        assert_eq!(read(), lines, "written anew");
        dnstap(&place, &["--r", "unbound.fstrm", "-q", "-a", "-w", "lines.txt"]).status(0);
        assert_eq!(read(), lines.repeat(2));
        let ran = dnstap(&place, &["-r", "unbound.fstrm"]).status(0);
        assert_eq!(ran.stdout, lines);
    }

    #[test]
    fn it_ends_as_that_tool_does() {
        let place = with_capture();
        place.write("cut.fstrm", &super::CAPTURE[..300]);
        place.write("tls.fstrm", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
        for (words, status) in [
            (&["-r", "cut.fstrm"][..], 0),
            (&["-r", "tls.fstrm"], 1),
            (&["-r", "missing"], 1),
            (&["-q"], 1),
            (&["-x"], 2),
            (&["-h"], 0),
        ] {
            let ran = dnstap(&place, words).status(status);
            assert!(!ran.stderr.is_empty(), "{words:?}");
        }
    }

    /// Two files in the end: one that was renamed before a hangup, and the one that was opened then, with
    /// another hangup that found it in its place.
    fn hang_up(place: &Place, words: &[&str]) -> [Vec<u8>; 2] {
        let child = place
            .tool("dnstap", &[&["-u", "in.sock", "-w", "out"][..], words].concat())
            .spawn()
            .unwrap();
        // Ends with FINISH: everything is written.
        let send = || {
            place
                .run(&["dnstap", "relay", "unbound.fstrm", "unix:in.sock"])
                .status(0);
        };
        let [old, out] = ["old", "out"].map(|name| place.path().join(name));
        send();
        std::fs::rename(&out, &old).unwrap();
        signal_to(&child, "HUP");
        let start = std::time::Instant::now();
        while !out.exists() {
            assert!(start.elapsed().as_secs() < 60, "nothing was opened");
            std::thread::yield_now();
        }
        let whole = std::fs::read(&old).unwrap();
        send();
        // Nobody moved it: what is there stays.
        signal_to(&child, "HUP");
        send();
        signal_to(&child, "INT");
        finish(child).status(0);
        assert!(std::fs::read(old).unwrap() == whole, "it was left alone");
        [whole, std::fs::read(out).unwrap()]
    }

    #[test]
    fn a_hangup_goes_on_in_the_file_that_has_the_name_then() {
        let place = with_capture();
        let [old, new] = hang_up(&place, &[]);
        assert!(old == super::CAPTURE, "complete, with STOP");
        place.write("new.fstrm", &new);
        place.run(&["fstrm", "verify", "new.fstrm"]).status(0);
        let ran = dnstap(&place, &["-r", "new.fstrm", "-q"]).status(0);
        assert_eq!(ran.stdout.lines().count(), 40);
    }

    #[test]
    fn a_hangup_does_so_with_text() {
        let place = with_capture();
        let [old, new] = hang_up(&place, &["-q"]).map(|text| String::from_utf8(text).unwrap());
        assert_eq!(old.lines().count(), 20);
        assert_eq!(new, old.repeat(2));
    }
}
