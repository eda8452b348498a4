//! `fstrm gen`, and its check.

use crate::place::Place;
#[cfg(unix)]
use crate::place::{finish, signal_to};

#[test]
fn numbered_frames_are_all_there() {
    let place = Place::new();
    let ran = place
        .run(&[
            "fstrm", "gen", "-n", "5000", "-s", "16-300", "--seed", "7", "a.fstrm",
        ])
        .status(0);
    assert!(
        ran.stderr.starts_with("5000 frames sent, 0 dropped in "),
        "{}",
        ran.stderr
    );
    place.run(&["fstrm", "verify", "a.fstrm"]).status(0);
    let ran = place
        .run(&["fstrm", "gen", "--check", "-n", "5000", "a.fstrm"])
        .status(0);
    assert_eq!(
        ran.stdout,
        "run 7: 5000 frames, 0 to 4999, 0 lost, 0 duplicated, 0 reordered\n"
    );
    place
        .run(&["fstrm", "gen", "--check", "-n", "5001", "a.fstrm"])
        .status(5);
}

#[test]
fn a_file_that_exists_is_gone_on_with_only_when_told() {
    let place = Place::new();
    let words = ["fstrm", "gen", "-n", "10", "--seed", "1", "a.fstrm"];
    place.run(&words).status(0);
    let ran = place.run(&words).status(3);
    assert!(ran.stderr.contains("-a goes on"), "{}", ran.stderr);
    place
        .run(&["fstrm", "gen", "-a", "-n", "10", "--seed", "2", "a.fstrm"])
        .status(0);
    let ran = place.run(&["fstrm", "gen", "--check", "-j", "a.fstrm"]).status(0);
    let lines = ran.json();
    assert_eq!(
        (lines.len(), &lines[1]["run"], &lines[1]["frames"]),
        (2, &2.into(), &10.into())
    );
    // The same file twice: every frame comes again.
    place
        .run(&["fstrm", "gen", "--check", "a.fstrm", "a.fstrm"])
        .status(0);
    let ran = place
        .run(&["fstrm", "gen", "--check", "--strict", "a.fstrm", "a.fstrm"])
        .status(5);
    assert!(ran.stderr.contains("0 lost, 20 duplicated"), "{}", ran.stderr);
}

#[test]
fn a_missing_and_a_foreign_frame_are_found() {
    let place = Place::new();
    place
        .run(&["fstrm", "gen", "-n", "3", "-s", "16", "--seed", "1", "a.fstrm"])
        .status(0);
    let mut bytes = std::fs::read(place.path().join("a.fstrm")).unwrap();
    bytes.drain(32..52);
    place.write("lost.fstrm", &bytes);
    let ran = place.run(&["fstrm", "gen", "--check", "lost.fstrm"]).status(5);
    assert!(ran.stderr.contains("2 frames in 1 run: 1 lost"), "{}", ran.stderr);
    bytes[16] ^= 1;
    place.write("damaged.fstrm", &bytes);
    let ran = place.run(&["fstrm", "gen", "--check", "damaged.fstrm"]).status(5);
    assert!(ran.stderr.contains("1 damaged or foreign"), "{}", ran.stderr);
}

#[test]
fn wrong_words_are_refused() {
    let place = Place::new();
    for words in [
        &["fstrm", "gen", "-s", "8", "a.fstrm"][..],
        &["fstrm", "gen", "a.fstrm", "b.fstrm"],
        &["fstrm", "gen", "tcp://collector"],
        &["fstrm", "gen", "--strict", "a.fstrm"],
    ] {
        place.run(words).status(2);
    }
    let ran = place
        .run(&["fstrm", "gen", "-n", "2", "--linger", "20ms", "unix:nobody.sock"])
        .status(3);
    assert!(ran.stderr.contains("2 left"), "{}", ran.stderr);
}

#[test]
#[cfg(unix)]
fn a_collector_writes_every_frame() {
    let place = Place::new();
    // It says nothing on standard output; the sender tries until it listens.
    let capture = place
        .command(&[
            "fstrm", "capture", "-t", "numbers", "-u", "socket", "-w", "c.fstrm",
        ])
        .spawn()
        .unwrap();
    for seed in ["1", "2"] {
        let words = [
            "fstrm",
            "gen",
            "-t",
            "numbers",
            "-n",
            "20000",
            "--seed",
            seed,
            "--delivery",
            "confirmed",
            "unix:socket",
        ];
        let ran = place.run(&words).status(0);
        assert!(ran.stderr.starts_with("20000 frames sent"), "{}", ran.stderr);
    }
    signal_to(&capture, "TERM");
    finish(capture).status(0);
    let ran = place
        .run(&[
            "fstrm", "gen", "--check", "-j", "--strict", "-n", "20000", "c.fstrm",
        ])
        .status(0);
    assert_eq!(ran.json().len(), 2);
}
