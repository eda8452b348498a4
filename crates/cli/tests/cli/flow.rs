//! `flow ping`.

use crate::place::Place;

#[test]
fn the_simulated_service_gives_every_packet_back() {
    let words = ["flow", "ping", "sim:echo", "-c", "3", "-i", "1ms"];
    let ran = Place::new().run(&words).status(0);
    assert!(
        ran.stdout
            .starts_with("PING sim:echo: 64 bytes\n64 bytes from sim:echo: seq=1 time="),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout
            .contains("--- sim:echo: 3 sent, 3 received, 0% loss\nrtt min/avg/p50/p99/max = ")
    );
    let lines = Place::new().run(&[&words[..], &["-j"]].concat()).status(0).json();
    assert_eq!(lines.len(), 4);
    assert_eq!(
        (&lines[3]["received"], &lines[3]["sim"]),
        (&3.into(), &true.into())
    );
}

#[test]
fn large_packets_and_no_pause_are_fine_and_too_large_ones_say_so() {
    let place = Place::new();
    place
        .run(&["flow", "ping", "sim:echo", "-c", "200", "-i", "0", "-s", "4000"])
        .status(0);
    let ran = place
        .run(&["flow", "ping", "sim:echo", "-s", "100000000"])
        .status(2);
    assert!(ran.stderr.contains("is the most here"), "{}", ran.stderr);
}

#[test]
fn a_name_that_nobody_has_is_told() {
    let ran = Place::new().run(&["flow", "ping", "sim:nobody"]).status(3);
    assert!(
        ran.stderr.contains("nobody is bound to the name \"nobody\""),
        "{}",
        ran.stderr
    );
    let ran = Place::new().run(&["flow", "ping", "hello"]).status(2);
    assert!(ran.stderr.contains("not in this version"), "{}", ran.stderr);
}

#[test]
fn a_quality_is_checked() {
    let place = Place::new();
    let words = ["flow", "ping", "sim:echo", "-c", "1", "--qos"];
    place.run(&[&words[..], &["data"]].concat()).status(0);
    place.run(&[&words[..], &["loss=0,in-order"]].concat()).status(0);
    let ran = place.run(&[&words[..], &["nice"]].concat()).status(2);
    assert!(ran.stderr.contains("expected a preset"), "{}", ran.stderr);
}
