//! `isotp send`, `isotp recv`.

use crate::place::{Place, finish, signal_to};

const VIN: &str = "62 F1 90 54 57 31 57 52 45 53 31 4D 58 45 43 55 30 30 30 31\n";

#[test]
fn a_request_is_answered_in_several_frames() {
    let ran = Place::new().run(&["isotp", "send", "22F190"]).status(0);
    assert_eq!(ran.stdout, VIN);
    assert!(
        ran.stderr.contains("using the built-in simulated devices"),
        "{}",
        ran.stderr
    );
    let ran = Place::new().run(&["isotp", "send", "-q", "22F190"]).status(0);
    assert_eq!(ran.stderr, "", "-q hides notices");
}

#[test]
fn json_has_what_was_sent_and_what_came_back() {
    let lines = Place::new()
        .run(&["isotp", "send", "sim:", "22", "F190", "-j"])
        .status(0)
        .json();
    assert_eq!((&lines[0]["type"], &lines[0]["len"]), (&"sent".into(), &3.into()));
    assert_eq!(
        (&lines[1]["type"], &lines[1]["len"]),
        (&"answer".into(), &20.into())
    );
    assert!(lines[1]["data"].as_str().unwrap().starts_with("62f190"));
}

#[test]
fn standard_input_is_one_message_and_its_answer_is_not_awaited() {
    let place = Place::new();
    let ran = place
        .run_with_input(&["isotp", "send", "sim:"], b"22 F1\n90\n")
        .status(0);
    assert_eq!(ran.stdout, "");
    let ran = place
        .run_with_input(&["isotp", "send", "sim:", "--answer", "1s"], b"22 F1 90")
        .status(0);
    assert_eq!(ran.stdout, VIN);
    place.run_with_input(&["isotp", "send", "sim:"], b"").status(2);
}

#[test]
fn flags_of_the_kernels_tools_that_are_not_built_say_so() {
    for flags in [&["-P", "a"][..], &["-p", "CC:AA"], &["-C"], &["-t", "1"]] {
        let words = [&["isotp", "send", "sim:", "3E00"], flags].concat();
        let ran = Place::new().run(&words).status(2);
        assert!(
            ran.stderr.contains("is not in this version"),
            "{flags:?}: {}",
            ran.stderr
        );
    }
}

#[test]
fn a_lossy_bus_ends_a_transfer_with_the_standards_name() {
    // Every frame is lost, so no flow control comes.
    let ran = Place::new()
        .run(&["isotp", "send", "sim:?loss=1", "0102030405060708"])
        .status(1);
    assert!(ran.stderr.contains("N_TIMEOUT_Bs"), "{}", ran.stderr);
    assert!(ran.stderr.contains("the right way round"), "{}", ran.stderr);
}

#[cfg(unix)]
#[test]
fn waiting_in_vain_is_no_success_when_it_is_interrupted() {
    for (signal, status) in [("INT", 130), ("TERM", 143)] {
        let place = Place::new();
        let words = ["isotp", "recv", "bus:car", "--deadline", "60s"];
        let child = place.command(&words).spawn().unwrap();
        // Signals are listened for before the bus is joined.
        place.wait_for_bus("car");
        signal_to(&child, signal);
        let ran = finish(child).status(status);
        assert!(ran.stderr.contains("error: interrupted"), "{}", ran.stderr);
    }
}

/// The sender goes on until the receiver has its message: nobody answers before it is there, and on a loaded
/// machine a transfer may time out.
#[cfg(unix)]
#[test]
fn a_message_goes_from_one_process_to_another() {
    let place = Place::new();
    let words = "isotp recv -s 7E8 -d 7E0 bus:car -b 2 -m 1 --deadline 100s --json";
    let mut receiver = place
        .command(&words.split(' ').collect::<Vec<_>>())
        .spawn()
        .unwrap();
    let message = "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e";
    let send = [
        "isotp",
        "send",
        "--no-answer",
        "bus:car",
        message,
        "--deadline",
        "20s",
    ];
    let mut sent = 0;
    while receiver.try_wait().unwrap().is_none() {
        sent += usize::from(place.run(&send).status == Some(0));
    }
    assert!(sent > 0);
    let ran = finish(receiver).status(0);
    let received = ran.json();
    assert_eq!((received.len(), &received[0]["data"]), (1, &message.into()));
    assert_eq!(ran.json_errors().last().unwrap()["messages"], 1);
}
