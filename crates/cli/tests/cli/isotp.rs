//! `isotp send`, `isotp recv`.

use crate::place::Place;

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
        .status(4);
    assert!(ran.stderr.contains("N_TIMEOUT_Bs"), "{}", ran.stderr);
    assert!(ran.stderr.contains("the right way round"), "{}", ran.stderr);
}

#[cfg(unix)]
#[test]
fn a_message_goes_from_one_process_to_another() {
    let place = Place::new();
    let receiver = place
        .command(&[
            "isotp",
            "recv",
            "-s",
            "7E8",
            "-d",
            "7E0",
            "bus:car",
            "-b",
            "2",
            "-m",
            "1",
            "--deadline",
            "60s",
        ])
        .spawn()
        .unwrap();
    // Until the receiver is on the bus, nobody answers the first frame.
    let message = "0102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E";
    let sent = (0..20).any(|_| {
        place
            .run(&["isotp", "send", "--no-answer", "bus:car", message])
            .status
            == Some(0)
    });
    assert!(sent);
    let output = receiver.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.trim().replace(' ', ""), message);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr, "1 messages, 0 failed, 0 frames dropped\n");
}
