//! What goes wrong is told in one sentence, with a stable code, and the exit status of its kind.

use crate::place::Place;

/// The code and the message of the one JSON error.
#[track_caller]
fn failure(words: &[&str], status: i32) -> (String, String) {
    let ran = Place::new().run(words).status(status);
    let errors = ran.json_errors();
    let error = errors
        .iter()
        .find_map(|line| line.get("error"))
        .unwrap_or_else(|| panic!("{ran:#?}"));
    let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
    (text("code"), text("message"))
}

#[test]
fn an_unknown_scheme_says_what_was_meant() {
    let ran = Place::new().run(&["can", "dump", "socketcam:can0"]).status(2);
    assert_eq!(
        ran.stderr,
        "error: link socketcam:can0: unknown scheme \"socketcam\" (did you mean \"socketcan\"?)\n"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn an_interface_that_is_not_there_is_told_with_the_fix() {
    // Without CAN in the kernel the sentence is about that; either way it names the link and what would help.
    let (code, message) = failure(&["can", "dump", "nocan99", "--json", "-n", "1"], 3);
    assert_eq!(code, "cannot-open");
    assert_eq!(message.matches("nocan99").count(), 1, "{message}");
    let ran = Place::new().run(&["can", "dump", "nocan99"]).status(3);
    assert_eq!(ran.stderr.matches("hint: ").count(), 1, "{}", ran.stderr);
    assert!(
        !ran.stderr.contains("isotp"),
        "a raw socket was wanted: {}",
        ran.stderr
    );
    // What the doctor says of this kernel is what the error says.
    let findings = Place::new().run(&["doctor", "--json"]).status(0).json();
    let kernel = findings
        .iter()
        .find(|finding| finding["what"] == "kernel CAN")
        .unwrap();
    if let Some(fix) = kernel["fix"].as_str() {
        assert!(ran.stderr.ends_with(&format!("hint: {fix}\n")), "{}", ran.stderr);
        assert!(
            !ran.stderr.lines().next().unwrap().contains("bus:"),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn links_of_later_versions_say_so() {
    let (code, message) = failure(&["can", "send", "slcan:/dev/ttyACM0@500000", "123#", "-j"], 3);
    assert_eq!(code, "cannot-open");
    assert!(message.contains("slcan"), "{message}");
}

#[test]
fn a_wrong_command_line_is_json_too() {
    let (code, message) = failure(&["can", "dumb", "--json"], 2);
    assert_eq!(code, "usage");
    assert!(message.contains("dumb"), "{message}");
    let ran = Place::new().run(&["can", "dumb"]).status(2);
    assert!(
        ran.stderr.contains("dump"),
        "a word that was meant: {}",
        ran.stderr
    );
}

#[test]
fn codes_and_statuses_belong_together() {
    for (words, status, code) in [
        (&["can", "send", "virtual:x", "800#11", "-j"][..], 2, "usage"),
        (&["can", "dump", "virtual:x,wrong", "-j"], 2, "usage"),
        (
            &["can", "gen", "virtual:x", "-L", "9", "-n", "1", "-j"],
            2,
            "usage",
        ),
        (
            &["isotp", "send", "bus:a", "22F190", "--link", "sim:", "-j"],
            2,
            "usage",
        ),
        (&["csp", "ping", "nobody", "-j"], 2, "bad-address"),
        (
            &["csp", "ping", "5", "-i", "zmq://hub", "-j"],
            2,
            "not-in-this-version",
        ),
        (&["isotp", "dump", "isotpserver://h:1", "-j"], 2, "usage"),
        (&["csp", "node", "-i", "virtual:x", "-j"], 2, "usage"),
        (
            &["csp", "ping", "2", "-i", "virtual:x", "-c", "1", "-t", "20", "-j"],
            1,
            "no-reply",
        ),
        (
            &["isotp", "send", "virtual:x", "3E00", "--answer", "20ms", "-j"],
            1,
            "no-reply",
        ),
        (
            &["isotp", "send", "virtual:x", "0102030405060708", "-j"],
            1,
            "no-reply",
        ),
        (&["isotp", "send", "2701", "-j"], 4, "negative-response"),
        (
            &["isotp", "recv", "virtual:x", "--deadline", "20ms", "-j"],
            1,
            "deadline",
        ),
        (&["fstrm", "cat", "no-such-file", "-j"], 3, "file"),
        (
            &["fstrm", "info", "unix:/run/dnstap.sock", "-j"],
            2,
            "not-in-this-version",
        ),
    ] {
        assert_eq!(failure(words, status).0, code, "{words:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_signal_that_leaves_no_result_is_the_exit_status() {
    for (signal, status) in [("INT", 130), ("TERM", 143)] {
        let place = Place::new();
        // Far more than it can do in that time.
        let words = "isotp send sim: 22F190 -l 1000000 --deadline 60s";
        let words: Vec<_> = words.split(' ').collect();
        let sending = place.start(&words);
        sending.signal(signal);
        let ran = sending.end().status(status);
        assert!(
            ran.stderr.starts_with("error: interrupted"),
            "{signal}: {}",
            ran.stderr
        );
    }
}
