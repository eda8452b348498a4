//! The command and the tools of the C library: each sends to the other, reads the other's files, and under
//! their names ours does what they do.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests may panic like tests, and figures are for people"
)]

#[path = "cli/place.rs"]
mod place;
#[path = "peer_fstrm_tools/tools.rs"]
mod tools;

use core::time::Duration;
use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;

use fstrm_codec::{Config, End, FileReader};
use place::{Place, finish};
use testkit::compat::Direction::{self, Both, FromPeer, ToPeer};
use testkit::compat::{Outcome, Report};
use tools::{Capture, Guard, Side, TYPE, run, until};

const READY: &[u8] = b"\0\0\0\0\0\0\0\x13\0\0\0\x04\0\0\0\x01\0\0\0\x07numbers";
/// Whoever answers at once has answered by then.
const MOMENT: Duration = Duration::from_millis(300);
/// How often theirs is ended while frames come.
const RESTARTS: u64 = 4;

fn report(tool: &str) -> Report {
    let over = if tool == "fstrm_dump" {
        "file"
    } else {
        "Unix socket"
    };
    tools::report(tool, over)
}

fn row(tool: &str, direction: Direction, feature: &str, remark: &str) {
    report(tool).row(direction, feature, Outcome::Works, remark);
}

/// Numbered frames in files, and files that are not as they should be.
fn files() -> Place {
    let place = Place::new();
    for (name, content_type, count, seed) in [
        ("a.fstrm", TYPE, "3000", "1"),
        ("b.fstrm", TYPE, "700", "2"),
        ("other.fstrm", "other", "7", "3"),
    ] {
        let words = [
            "fstrm",
            "gen",
            "-t",
            content_type,
            "-n",
            count,
            "-s",
            "16-300",
            "--seed",
            seed,
            name,
        ];
        place.run(&words).status(0);
    }
    let whole = fs::read(place.path().join("a.fstrm")).unwrap();
    place.write("cut.fstrm", &whole[..20_000]);
    place.write("text.fstrm", "hello, this is no frame stream");
    place.write("empty.fstrm", "");
    place
}

/// The frames of a file, and how it ends.
fn read(place: &Place, name: &str) -> (Vec<Vec<u8>>, Option<End>) {
    let mut reader = FileReader::open(place.path().join(name), Config::new()).unwrap();
    let mut payloads = Vec::new();
    while let Some(payload) = reader.next_frame().unwrap() {
        payloads.push(payload.to_vec());
    }
    (payloads, reader.end_of_stream())
}

/// What replays of these files, with the words of the C tool, leave in the capture; and all exit statuses.
fn replayed(place: &Place, replay: Side, capture: Side) -> (Vec<u8>, Vec<Option<i32>>) {
    const ROUNDS: [&[&str]; 9] = [
        &["-r", "a.fstrm"],
        &["-r", "a.fstrm", "-r", "b.fstrm"],
        &["-r", "cut.fstrm"],
        &["-r", "cut.fstrm", "-r", "b.fstrm"],
        &[
            "-r",
            "nope",
            "-r",
            "other.fstrm",
            "-r",
            "text.fstrm",
            "-r",
            "empty.fstrm",
            "-r",
            "b.fstrm",
        ],
        &["--read=a.fstrm", "--read-file", "b.fstrm"],
        &[],
        &["-r", "a.fstrm", "-x"],
        &["-r", "a.fstrm", "stray"],
    ];
    let _ = fs::remove_file(place.path().join("out"));
    let mut statuses = Vec::new();
    let running = Capture::start(place, capture, &["-t", TYPE, "-u", "s", "-w", "out"]);
    running.wait_for_socket("s");
    for words in ROUNDS {
        let words = [&["-t", TYPE, "-u", "s"], words].concat();
        statuses.push(run(place, replay, "fstrm_replay", &words).status);
    }
    for words in [
        ["-t", TYPE, "-u", "nobody", "-r", "a.fstrm"],
        ["-t", "other", "-u", "s", "-r", "other.fstrm"],
    ] {
        statuses.push(run(place, replay, "fstrm_replay", &words).status);
    }
    statuses.push(running.interrupt().status);
    (fs::read(place.path().join("out")).unwrap(), statuses)
}

#[test]
#[ignore = "needs fstrm-bin: cargo xtask setup"]
fn under_its_name_each_of_ours_stands_in_for_theirs() {
    let place = files();
    let expected = replayed(&place, Side::Theirs, Side::Theirs);
    assert!(expected.0.len() > 1_000_000 && expected.1.contains(&Some(1)));
    for (replay, capture) in [
        (Side::Ours, Side::Theirs),
        (Side::Theirs, Side::Ours),
        (Side::Ours, Side::Ours),
    ] {
        let outcome = replayed(&place, replay, capture);
        assert_eq!(outcome.1, expected.1, "{replay:?} to {capture:?}");
        assert!(outcome.0 == expected.0, "{replay:?} to {capture:?}: other files");
    }
    row(
        "fstrm_replay",
        FromPeer,
        "replay: sound, cut, foreign and missing files",
        "the same file as with fstrm_capture",
    );
    row(
        "fstrm_capture",
        ToPeer,
        "replay: sound, cut, foreign and missing files",
        "the same file and exit statuses as with fstrm_replay",
    );
    row(
        "fstrm_capture",
        Both,
        "under its name: files and exit statuses",
        "as fstrm_capture",
    );
    row(
        "fstrm_replay",
        Both,
        "under its name: files and exit statuses",
        "as fstrm_replay",
    );
}

#[test]
#[ignore = "needs fstrm-bin: cargo xtask setup"]
fn usage_errors_and_questions_end_with_the_same_status() {
    let place = files();
    for (tool, words) in [
        ("fstrm_capture", &[][..]),
        ("fstrm_capture", &["-h"]),
        ("fstrm_capture", &["--help"]),
        ("fstrm_capture", &["--version"]),
        ("fstrm_capture", &["-t", TYPE, "-w", "x"]),
        ("fstrm_capture", &["-t", TYPE, "-u", "x"]),
        ("fstrm_capture", &["-u", "x", "-w", "y"]),
        (
            "fstrm_capture",
            &["-t", TYPE, "-a", "localhost", "-p", "1", "-w", "y"],
        ),
        ("fstrm_capture", &["-t", TYPE, "-a", "127.0.0.1", "-w", "y"]),
        ("fstrm_capture", &["-t", TYPE, "-u", "x", "-w", "y", "-s", "5"]),
        (
            "fstrm_capture",
            &["-t", TYPE, "-u", "x", "-w", "y", "--gmtime", "--localtime"],
        ),
        ("fstrm_capture", &["-t", TYPE, "-u", "x", "-w", "."]),
        ("fstrm_capture", &["-t", TYPE, "-u", "no/such/folder", "-w", "y"]),
        ("fstrm_capture", &["--bogus"]),
        ("fstrm_replay", &[]),
        ("fstrm_replay", &["-h"]),
        ("fstrm_replay", &["-t", TYPE, "-r", "a.fstrm"]),
        ("fstrm_replay", &["-t", TYPE, "-r", "a.fstrm", "-a", "127.0.0.1"]),
        ("fstrm_dump", &[]),
        ("fstrm_dump", &["--help"]),
        ("fstrm_dump", &["nope"]),
        ("fstrm_dump", &["a.fstrm", "no/such/folder"]),
        ("fstrm_dump", &["a.fstrm", "copy", "more"]),
    ] {
        let theirs = run(&place, Side::Theirs, tool, words);
        let ours = run(&place, Side::Ours, tool, words);
        assert_eq!(
            ours.status, theirs.status,
            "{tool} {words:?}\n{ours:?}\n{theirs:?}"
        );
    }
}

#[test]
#[ignore = "needs fstrm-bin: cargo xtask setup"]
fn under_its_name_dump_says_and_copies_byte_for_byte_what_theirs_does() {
    let place = files();
    let mut checked = 0;
    for name in [
        "a.fstrm",
        "b.fstrm",
        "other.fstrm",
        "cut.fstrm",
        "text.fstrm",
        "empty.fstrm",
        "nope",
    ] {
        let dumped = |side| {
            let _ = fs::remove_file(place.path().join("copy"));
            let ran = run(&place, side, "fstrm_dump", &[name, "copy"]);
            (ran, fs::read(place.path().join("copy")).ok())
        };
        let (theirs, their_copy) = dumped(Side::Theirs);
        let (ours, our_copy) = dumped(Side::Ours);
        assert_eq!(ours.status, theirs.status, "{name}");
        assert!(ours.stdout == theirs.stdout, "{name}");
        assert!(our_copy == their_copy, "{name}");
        if theirs.status == Some(0) {
            assert!(ours.stderr == theirs.stderr, "{name}");
            checked += 1;
        }
    }
    assert_eq!(checked, 4);
    row(
        "fstrm_dump",
        Both,
        "sound and cut files: words and copy",
        "byte for byte the same",
    );
}

#[test]
#[ignore = "needs fstrm-bin: cargo xtask setup"]
fn each_reads_the_file_that_the_other_has_captured() {
    let place = files();
    for (side, name) in [(Side::Theirs, "theirs"), (Side::Ours, "ours")] {
        let capture = Capture::start(&place, side, &["-t", TYPE, "-u", "s", "-w", name]);
        capture.wait_for_socket("s");
        place.run(&["fstrm", "replay", "a.fstrm", "unix:s"]).status(0);
        assert_eq!(capture.interrupt().status, Some(0));
        assert!(read(&place, name) == read(&place, "a.fstrm"), "{name}");
        let dumped = run(&place, Side::Theirs, "fstrm_dump", &[name, "copy"]);
        assert_eq!(dumped.status, Some(0));
        assert!(
            fs::read(place.path().join("copy")).unwrap() == fs::read(place.path().join("a.fstrm")).unwrap()
        );
        place.run(&["fstrm", "verify", name]).status(0);
    }
    row(
        "fstrm_dump",
        ToPeer,
        "a file of fstrm capture",
        "byte for byte the same",
    );
    row("fstrm_capture", FromPeer, "its file", "every frame, STOP");
}

#[test]
#[ignore = "needs fstrm-bin: cargo xtask setup"]
fn each_sends_to_the_other_over_tcp() {
    let place = files();
    // The C tool cannot choose a free port itself.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
        .to_string();
    let place_words = ["-a", "127.0.0.1", "-p", &port];
    for (capture, replay) in [(Side::Theirs, Side::Ours), (Side::Ours, Side::Theirs)] {
        let _ = fs::remove_file(place.path().join("out"));
        let running = Capture::start(
            &place,
            capture,
            &[&["-t", TYPE, "-w", "out"][..], &place_words].concat(),
        );
        running.wait_for_port(&port);
        let words = [&["-t", TYPE, "-r", "a.fstrm", "-r", "b.fstrm"][..], &place_words].concat();
        assert_eq!(run(&place, replay, "fstrm_replay", &words).status, Some(0));
        assert_eq!(running.interrupt().status, Some(0));
        let both = [read(&place, "a.fstrm").0, read(&place, "b.fstrm").0].concat();
        assert!(read(&place, "out") == (both, Some(End::Stop)), "{capture:?}");
    }
    tools::report("fstrm_capture", "TCP").row(ToPeer, "two files", Outcome::Works, "every frame, FINISH");
    tools::report("fstrm_replay", "TCP").row(FromPeer, "two files", Outcome::Works, "every frame, STOP");
}

#[test]
#[ignore = "needs fstrm-bin: cargo xtask setup"]
fn with_one_connection_allowed_the_next_waits_its_turn() {
    for side in [Side::Theirs, Side::Ours] {
        let place = files();
        let capture = Capture::start(&place, side, &["-t", TYPE, "-u", "s", "-w", "out", "-c", "1"]);
        capture.wait_for_socket("s");
        let connect = || {
            let stream = UnixStream::connect(place.path().join("s")).unwrap();
            (&stream).write_all(READY).unwrap();
            stream
        };
        let (first, second) = (connect(), connect());
        // The first byte of ACCEPT.
        (&first).read_exact(&mut [0]).unwrap();
        second.set_read_timeout(Some(MOMENT)).unwrap();
        let early = (&second).read(&mut [0]).unwrap_err();
        assert_eq!(early.kind(), ErrorKind::WouldBlock, "{side:?}");
        drop(first);
        second.set_read_timeout(None).unwrap();
        (&second).read_exact(&mut [0]).unwrap();
        let words = ["fstrm", "replay", "--wait", "50s", "b.fstrm", "unix:s"];
        let third = Guard::new(place.command(&words).spawn().unwrap());
        drop(second);
        finish(third.take()).status(0);
        assert_eq!(capture.interrupt().status, Some(0));
        assert!(read(&place, "out") == read(&place, "b.fstrm"));
    }
    row(
        "fstrm_capture",
        ToPeer,
        "-c 1: a second sender",
        "waits until the first has left",
    );
}

/// Two of ours at a time, into one of theirs that ends a file every second.
#[test]
#[ignore = "needs fstrm-bin: cargo xtask setup"]
fn files_that_theirs_splits_hold_what_two_of_ours_sent() {
    let place = files();
    let words = ["-t", TYPE, "-u", "s", "-w", "out-%H%M%S", "--gmtime", "-s", "1"];
    let capture = Capture::start(&place, Side::Theirs, &words);
    capture.wait_for_socket("s");
    let senders = ["11", "12"].map(|seed| {
        let words = [
            "fstrm", "gen", "-t", TYPE, "-n", "3000", "--rate", "1200", "--seed", seed, "--linger", "50s",
            "unix:s",
        ];
        Guard::new(place.command(&words).spawn().unwrap())
    });
    for sender in senders {
        finish(sender.take()).status(0);
    }
    assert_eq!(capture.interrupt().status, Some(0));
    let entries = fs::read_dir(place.path()).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.retain(|name| name.starts_with("out-"));
    names.sort();
    assert!(names.len() >= 2, "{names:?}");
    let words = [
        &["fstrm", "gen", "--check", "--strict", "-n", "3000"],
        &names.iter().map(String::as_str).collect::<Vec<_>>()[..],
    ];
    place.run(&words.concat()).status(0);
    row(
        "fstrm_capture",
        ToPeer,
        "-s: two senders",
        "every frame once, in order",
    );
}

/// A million frames into theirs, which is ended and started again, each time with another file. Gives how
/// many frames are in none of them.
fn lost_by_theirs(end: impl Fn(Capture<'_>)) -> u64 {
    let place = Place::new();
    let start = |name: &str| {
        let capture = Capture::start(&place, Side::Theirs, &["-t", TYPE, "-u", "s", "-w", name]);
        capture.wait_for_socket("s");
        capture
    };
    let names: Vec<String> = (0..=RESTARTS).map(|number| format!("out{number}")).collect();
    let mut capture = start(&names[0]);
    let words = [
        "fstrm",
        "gen",
        "-t",
        TYPE,
        "-n",
        "1000000",
        "--seed",
        "5",
        "--delivery",
        "confirmed",
        "--linger",
        "50s",
        "unix:s",
    ];
    let mut sender = Guard::new(place.command(&words).spawn().unwrap());
    for pair in names.windows(2) {
        until("frames come", || {
            tools::len(&place, &pair[0]) > 100_000 || !sender.is_running()
        });
        end(capture);
        capture = start(&pair[1]);
    }
    finish(sender.take()).status(0);
    capture.interrupt().status(0);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let words = [
        &["fstrm", "gen", "--check", "--json", "-n", "1000000"],
        &names[..],
    ]
    .concat();
    let checked = place.run(&words);
    let run = &checked.json()[0];
    println!("{run}");
    run["lost"].as_u64().unwrap()
}

#[test]
#[ignore = "needs fstrm-bin: cargo xtask setup"]
fn nothing_is_missing_when_theirs_is_ended_and_started_again() {
    let lost = lost_by_theirs(|capture| {
        capture.interrupt().status(0);
    });
    assert_eq!(lost, 0);
    row(
        "fstrm_capture",
        ToPeer,
        "INT and a new start under load, --delivery confirmed",
        "every frame at least once",
    );
}

/// It answers STOP with FINISH while frames are in its buffer of 4 KiB: those go with it.
#[test]
#[ignore = "needs fstrm-bin: cargo xtask setup"]
fn no_more_than_its_buffer_is_missing_when_theirs_is_killed() {
    let lost = lost_by_theirs(|capture| capture.kill());
    // 64 bytes and a length each.
    assert!(lost <= RESTARTS * (4096 / 68 + 1), "{lost} frames");
    let remark = "it confirms what is in its buffer: at most 4 KiB are lost at each kill";
    report("fstrm_capture").row(
        ToPeer,
        "kill -9 and a new start under load, --delivery confirmed",
        Outcome::PeerDiffers,
        remark,
    );
}
