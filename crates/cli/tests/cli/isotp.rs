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
    let types: Vec<_> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["backend", "sending", "sent", "answer"]);
    assert_eq!(
        (&lines[0]["backend"], &lines[1]["state"]),
        (&"user".into(), &"queued".into())
    );
    assert_eq!(
        (&lines[2]["state"], &lines[2]["len"]),
        (&"done".into(), &3.into())
    );
    assert_eq!(lines[3]["len"], 20);
    assert!(lines[3]["data"].as_str().unwrap().starts_with("62f190"));
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
    assert_eq!((received.len(), &received[1]["data"]), (2, &message.into()));
    assert_eq!(ran.json_errors().last().unwrap()["messages"], 1);
}

#[test]
fn each_state_of_a_long_message_is_a_line_and_so_is_its_end() {
    // Nobody answers the first frame.
    let words = [
        "isotp",
        "send",
        "virtual:x",
        "-D",
        "300",
        "--timer",
        "N_Bs=50ms",
        "--json",
    ];
    let ran = Place::new().run(&words).status(1);
    let lines = ran.json();
    let states: Vec<_> = lines[1..]
        .iter()
        .map(|line| line["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["queued", "started", "failed"]);
    let failed = &lines[3];
    assert_eq!(
        (&failed["n_result"], &failed["side"]),
        (&"N_TIMEOUT_Bs".into(), &"sender".into())
    );
    assert_eq!((&failed["sent"], &failed["len"]), (&6.into(), &300.into()));
}

#[test]
fn a_transfer_that_is_given_up_tells_how_far_it_got() {
    let words = ["isotp", "send", "virtual:x", "-D", "300", "--abort-after", "30ms"];
    let ran = Place::new().run(&words).status(1);
    assert!(
        ran.stderr
            .contains("aborted after 6 of 300 bytes: 30.000 ms are over"),
        "{}",
        ran.stderr
    );
}

#[cfg(unix)]
#[test]
fn a_transfer_that_is_interrupted_ends_at_once_and_tells_how_far_it_got() {
    let place = Place::new();
    let words = "isotp send bus:car -D 300 --timer N_Bs=60s --json";
    let running = place.start(&words.split(' ').collect::<Vec<_>>());
    // Once it says so, the first frame is out or about to be.
    running.signal("INT");
    let ran = running.end().status(130);
    assert!(ran.stderr.contains("aborted after"), "{}", ran.stderr);
}

#[test]
fn a_message_may_be_a_file() {
    let place = Place::new();
    place.write("vin.bin", [0x22, 0xF1, 0x90]);
    for words in [
        &["isotp", "send", "sim:", "@vin.bin", "--answer", "1s"][..],
        &["isotp", "send", "-i", "vin.bin", "--answer", "1s"],
    ] {
        assert_eq!(place.run(words).status(0).stdout, VIN);
    }
    let missing = place.run(&["isotp", "send", "@no-such-file"]).status(3);
    assert!(missing.stderr.contains("no-such-file"), "{}", missing.stderr);
    place.run(&["isotp", "send", "3E00", "-D", "4"]).status(2);
}

#[cfg(unix)]
#[test]
fn a_file_goes_from_one_process_to_another_as_it_is() {
    let place = Place::new();
    let bytes: Vec<u8> = (0..3000_u32)
        .map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1])
        .collect();
    place.write("fw.bin", &bytes);
    let words = "isotp recv -s 7E8 -d 7E0 bus:car --deadline 100s --json";
    let words: Vec<_> = words.split(' ').collect();
    let mut receiver = place.command(&words).spawn().unwrap();
    while receiver.try_wait().unwrap().is_none() {
        place.run(&["isotp", "send", "bus:car", "@fw.bin", "--deadline", "20s"]);
    }
    let expected: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let received = finish(receiver).status(0).json();
    assert_eq!(received[1]["data"], expected);
}

#[test]
fn a_file_of_gigabytes_is_announced_or_refused_without_being_read() {
    let place = Place::new();
    place.write("long.bin", []);
    let file = std::fs::File::options()
        .write(true)
        .open(place.path().join("long.bin"))
        .unwrap();
    file.set_len(1 << 30).unwrap();
    let words = "isotp send virtual:x @long.bin --timer N_Bs=50ms --json";
    let ran = place.run(&words.split(' ').collect::<Vec<_>>()).status(1);
    let failed = ran.json().pop().unwrap();
    assert_eq!((&failed["sent"], &failed["len"]), (&2.into(), &(1 << 30).into()));
    file.set_len(1 << 32).unwrap();
    let ran = place.run(&["isotp", "send", "virtual:x", "@long.bin"]).status(2);
    assert!(
        ran.stderr.contains("a message of 4294967296 bytes"),
        "{}",
        ran.stderr
    );
}

#[test]
fn who_does_the_work_is_told_and_the_kernel_is_not_replaced_silently() {
    let ran = Place::new().run(&["isotp", "send", "-v", "22F190"]).status(0);
    assert!(
        ran.stderr
            .contains("sim: backend user: the link is no CAN interface of Linux"),
        "{}",
        ran.stderr
    );
    let words = ["isotp", "send", "sim:", "22F190", "--backend", "kernel"];
    let ran = Place::new().run(&words).status(3);
    assert!(ran.stderr.contains("no kernel backend here"), "{}", ran.stderr);
}

#[test]
fn padding_is_looked_at_when_asked() {
    let send = |flags: &[&str], status| {
        let words = [&["isotp", "send", "-q", "3E00", "--answer", "300ms"], flags].concat();
        Place::new().run(&words).status(status)
    };
    // The simulated controller fills with CC.
    assert_eq!(send(&["-p", ":CC", "-P", "a"], 0).stdout, "7E 00\n");
    assert_eq!(send(&["-p", "00:AA", "-P", "l"], 0).stdout, "7E 00\n");
    send(&["-p", "00:AA", "-P", "c"], 1);
    send(&["-P", "l"], 1);
    assert!(send(&["-P", "c"], 2).stderr.contains("-p :CC"));
}

#[test]
fn a_long_message_to_all_waits_for_nobody() {
    let place = Place::new();
    let dump = place
        .command(&["can", "dump", "-L", "bus:car", "-n", "6", "--deadline", "20s"])
        .spawn()
        .unwrap();
    place.wait_for_bus("car");
    let send = [
        "isotp", "send", "bus:car", "-s", "7DF", "-C", "-D", "40", "-p", "none", "-t", "1000000",
    ];
    place.run(&send).status(0);
    let ran = finish(dump).status(0);
    let frames: Vec<_> = ran
        .stdout
        .lines()
        .map(|line| line.split(' ').nth(2).unwrap())
        .collect();
    assert_eq!(frames.len(), 6);
    assert_eq!(
        (frames[0], frames[5]),
        ("7DF#1028010203040506", "7DF#25232425262728")
    );
    place
        .run(&[&send[..], &["--backend", "kernel"]].concat())
        .status(2);
}

#[test]
fn fixed_addresses_make_the_identifiers() {
    let place = Place::new();
    let dump = place
        .command(&["can", "dump", "-L", "bus:car", "-n", "1", "--deadline", "20s"])
        .spawn()
        .unwrap();
    place.wait_for_bus("car");
    let words = "isotp send bus:car --addressing mixed29 --ta 10 --sa F1 --ae 55 3E00 --no-answer";
    place.run(&words.split(' ').collect::<Vec<_>>()).status(0);
    let ran = finish(dump).status(0);
    assert!(
        ran.stdout.contains(" 18CE10F1#55023E00CCCCCCCC"),
        "{}",
        ran.stdout
    );
}

/// A server of the line protocol with one client and one answer.
#[test]
fn an_isotpserver_is_a_link_too() {
    use std::io::{Read as _, Write as _};

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let link = format!("isotpserver://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut request = [0; 8];
        client.read_exact(&mut request).unwrap();
        client.write_all(b"<62F19031>\n").unwrap();
        request
    });
    let ran = Place::new()
        .run(&["isotp", "send", &link, "22F190", "--json"])
        .status(0);
    assert_eq!(server.join().unwrap().to_ascii_uppercase(), b"<22F190>");
    let lines = ran.json();
    assert_eq!(lines[0]["backend"], "server");
    assert_eq!(lines.last().unwrap()["data"], "62f19031");
}

#[test]
fn a_request_to_all_shows_who_answers() {
    let ran = Place::new()
        .run(&["isotp", "send", "-q", "-S", "22F190", "--answer", "300ms"])
        .status(0);
    assert_eq!(ran.stdout, format!("7E8  {VIN}"), "{}", ran.stderr);
    let words = [
        "isotp", "send", "-S", "-s", "7DF", "sim:", "3E00", "--answer", "300ms", "--json",
    ];
    let lines = Place::new().run(&words).status(0).json();
    let answer = lines.last().unwrap();
    assert_eq!((&answer["id"], &answer["data"]), (&"7E8".into(), &"7e00".into()));
    let ran = Place::new()
        .run(&["isotp", "send", "virtual:x", "-S", "3E00", "--answer", "30ms"])
        .status(1);
    assert!(ran.stderr.contains("nobody answered"), "{}", ran.stderr);
    let words = ["isotp", "send", "virtual:x", "-S", "-s", "00000123", "3E00"];
    let ran = Place::new().run(&words).status(2);
    assert!(ran.stderr.contains("on which identifiers"), "{}", ran.stderr);
    // Whoever wants no answer needs no rule.
    Place::new()
        .run(&[&words[..], &["--no-answer"]].concat())
        .status(0);
}

#[test]
fn an_answer_comes_as_fast_and_as_long_as_we_say() {
    let ran = Place::new()
        .run(&[
            "isotp",
            "send",
            "22F190",
            "-j",
            "--stmin",
            "7F",
            "--block-size",
            "8",
        ])
        .status(0);
    let lines = ran.json();
    let second = |kind: &str| -> f64 {
        let line = lines.iter().find(|line| line["type"] == kind).unwrap();
        let (_, second) = line["ts"].as_str().unwrap().rsplit_once(':').unwrap();
        second.trim_end_matches('Z').parse().unwrap()
    };
    // Two consecutive frames, 127 ms apart.
    let gap = (second("answer") - second("sent")).rem_euclid(60.0);
    assert!(gap > 0.126, "{gap} s");

    let ran = Place::new()
        .run(&["isotp", "send", "22F190", "--max-len", "10"])
        .status(4);
    assert!(ran.stderr.contains("at most 10"), "{}", ran.stderr);
    Place::new()
        .run(&["isotp", "send", "22F190", "--stmin", "80"])
        .status(2);
}
