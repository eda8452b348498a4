//! `flow ping`.

use crate::place::Place;

#[test]
fn the_simulated_service_gives_every_packet_back() {
    let words = ["flow", "ping", "sim:echo", "-c", "3", "-i", "1ms"];
    let ran = Place::new().run(&words).status(0);
    assert!(
        ran.stdout.starts_with(
            "Pinging sim:echo with 64 bytes of data (3 packets):\n\n64 bytes from sim:echo: seq=0 time="
        ),
        "{}",
        ran.stdout
    );
    let closing = "\n--- sim:echo ping statistics ---\n\
                   3 packets transmitted, 3 received, 0 out-of-order, 0% packet loss, time: ";
    assert!(ran.stdout.contains(closing), "{}", ran.stdout);
    assert!(ran.stdout.contains("rtt min/avg/max/mdev = "), "{}", ran.stdout);
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
    let ran = Place::new().run(&["flow", "ping"]).status(2);
    assert!(ran.stderr.contains("no name to ping"), "{}", ran.stderr);
    let ran = Place::new().run(&["flow", "ping", "csp:5"]).status(2);
    assert!(ran.stderr.contains("csp:5"), "{}", ran.stderr);
    #[cfg(unix)]
    {
        let ran = Place::new().run(&["flow", "ping", "hello"]).status(3);
        assert!(ran.stderr.contains("nobody is bound"), "{}", ran.stderr);
        assert!(ran.stderr.contains("tinwire flow ls"), "{}", ran.stderr);
    }
}

#[test]
fn the_simulated_satellite_is_pinged_over_a_flow() {
    let words = [
        "flow",
        "ping",
        "csp:5:1",
        "-q",
        "raw-no-errors",
        "-c",
        "3",
        "-i",
        "1",
        "-j",
    ];
    let ran = Place::new().run(&words).status(0);
    assert_eq!(ran.json()[3]["received"], 3, "{}", ran.stdout);
    assert_eq!(ran.json()[3]["sim"], true);
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
