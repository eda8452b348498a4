//! `can dump`, `can send`, `can gen`.

use crate::place::Place;

#[test]
fn dump_shows_the_simulated_car() {
    let ran = Place::new().run(&["can", "dump", "sim:", "-n", "4"]).status(0);
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 4);
    assert!(lines[0].starts_with("  sim  0C8   [3]  "), "{}", lines[0]);
    assert!(lines[1].starts_with("  sim  1A0   [8]  "), "{}", lines[1]);
    assert_eq!(ran.stderr, "4 frames, 0 dropped\n");
}

#[test]
fn dump_in_json_has_a_line_per_frame_and_a_closing_line_on_stderr() {
    let ran = Place::new()
        .run(&["can", "dump", "sim:", "-n", "2", "--json"])
        .status(0);
    let frames = ran.json();
    assert_eq!(frames.len(), 2);
    assert_eq!(frames[0]["type"], "frame");
    assert_eq!(
        (&frames[0]["id"], &frames[0]["ext"]),
        (&"0C8".into(), &false.into())
    );
    let ts = frames[0]["ts"].as_str().unwrap();
    assert!(
        ts.ends_with('Z') && ts.len() == "2026-01-01T00:00:00.123456789Z".len(),
        "{ts}"
    );
    let summary = &ran.json_errors()[0];
    assert_eq!((&summary["frames"], &summary["dropped"]), (&2.into(), &0.into()));
}

#[test]
fn the_seed_of_the_simulation_decides_the_traffic() {
    let dump = |link: &str| {
        Place::new()
            .run(&["can", "dump", link, "-n", "6"])
            .status(0)
            .stdout
    };
    assert_eq!(dump("sim:?seed=7"), dump("sim:?seed=7"));
    assert_ne!(dump("sim:?seed=7"), dump("sim:?seed=8"));
}

#[test]
fn filters_let_only_the_wanted_through() {
    let ran = Place::new()
        .run(&["can", "dump", "sim:,1A0:7FF", "-n", "3"])
        .status(0);
    assert!(
        ran.stdout.lines().all(|line| line.contains("  1A0  ")),
        "{}",
        ran.stdout
    );
}

#[test]
fn silence_and_deadline_end_a_dump_with_its_counts() {
    for flag in [&["-T", "30"][..], &["--deadline", "30ms"]] {
        let words = [&["can", "dump", "virtual:quiet"], flag].concat();
        let ran = Place::new().run(&words).status(0);
        assert_eq!(
            (ran.stdout.as_str(), ran.stderr.as_str()),
            ("", "0 frames, 0 dropped\n"),
            "{flag:?}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_signal_ends_a_dump_with_its_counts_and_status_0() {
    for signal in ["INT", "TERM", "HUP"] {
        let place = Place::new();
        let dump = place.start_in_terminal(&["can", "dump", "sim:", "--deadline", "100s"]);
        dump.signal(signal);
        let ran = dump.end().status(0);
        assert!(ran.stderr.contains(" dropped\n"), "{signal}: {}", ran.stderr);
    }
}

#[test]
fn a_log_on_stdout_and_in_a_file_is_one_that_canplayer_reads() {
    let place = Place::new();
    let ran = place.run(&["can", "dump", "sim:", "-n", "3", "-L"]).status(0);
    for line in ran.stdout.lines() {
        let (time, rest) = line.strip_prefix('(').unwrap().split_once(") ").unwrap();
        assert_eq!(time.len(), 17, "{line}");
        assert!(
            rest.starts_with("sim 0C8#") || rest.starts_with("sim 1A0#"),
            "{line}"
        );
    }
    let ran = place
        .run(&["can", "dump", "sim:", "-n", "3", "-f", "car.log"])
        .status(0);
    assert_eq!(ran.stdout, "", "logging silences standard output");
    let log = std::fs::read_to_string(place.path().join("car.log")).unwrap();
    assert_eq!(log.lines().count(), 3);
    assert!(log.starts_with('('));
}

#[cfg(unix)]
#[test]
fn frames_go_from_one_process_to_another_over_a_bus() {
    let place = Place::new();
    // Sends until the dump has had enough, so that it does not matter who comes first.
    let mut sender = place
        .command(&[
            "can",
            "send",
            "bus:lab",
            "123#DEAD",
            "456##1112233",
            "--cycle",
            "10ms",
        ])
        .spawn()
        .unwrap();
    let ran = place.run(&["can", "dump", "bus:lab", "-n", "4"]).status(0);
    sender.kill().unwrap();
    sender.wait().unwrap();
    assert!(ran.stdout.contains("  lab  123   [2]  DE AD\n"), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("  lab  456  [03]  11 22 33\n"),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_log_is_a_link_that_ends() {
    let place = Place::new();
    let log = "(0000000001.000000) can0 123#11\n(0000000001.500000) can0 12345678#R\n";
    place.write("car.log", log);
    let ran = place
        .run(&["can", "dump", "log:car.log?speed=0", "-t", "d"])
        .status(0);
    assert_eq!(ran.stdout.lines().count(), 2, "{}", ran.stdout);
    assert!(ran.stdout.contains("(000.500000)"), "{}", ran.stdout);
    assert_eq!(ran.stderr, "2 frames, 0 dropped\n");
}

#[test]
fn a_log_without_one_good_line_is_malformed() {
    let place = Place::new();
    place.write("bad.log", "this is\nno log\n");
    let ran = place.run(&["can", "dump", "log:bad.log?speed=0", "-j"]).status(4);
    let errors = ran.json_errors();
    assert_eq!(errors[0]["bad"], 2);
    assert_eq!(errors[1]["error"]["code"], "malformed");
    place.write("bad.log", "this is\n(1.000000) can0 123#11\n");
    place.run(&["can", "dump", "log:bad.log?speed=0"]).status(0);
}

/// The dump's reader does not read: the pipe fills, then the dump's queue, and then frames are lost.
///
/// A node keeps the bus, so that no host leaves with frames in its hands, and a numbered heartbeat lasts from
/// before the dump until all is sent, so that silence means the end however slow the machine is.
#[cfg(unix)]
#[test]
fn what_a_dump_could_not_take_is_counted() {
    const SENT: u64 = 20_000;
    let place = Place::new();
    let limit = ["--deadline", "100s"];
    let start = |words: &str| place.start(&[&words.split(' ').collect::<Vec<_>>()[..], &limit].concat());
    let _host = start("csp node -i bus:lab --addr 2/8 -q");
    let heartbeat = start("can gen bus:lab -I 001 -L 8 -D i -g 20 -v");
    let dump = start("can dump bus:lab?queue=16 -T 3s --json --strict");
    let first: serde_json::Value = serde_json::from_str(&dump.first).unwrap();
    let missed = first["data"].as_str().unwrap();
    let missed = u64::from_str_radix(missed, 16).unwrap().swap_bytes();
    let flood = format!("can gen bus:lab -g 0 -n {SENT} -I 42A");
    place.run(&flood.split(' ').collect::<Vec<_>>()).status(0);
    heartbeat.signal("INT");
    let beats = heartbeat.end().status(0).stderr;
    let beats: u64 = beats.split(' ').next().unwrap().parse().unwrap();

    let ran = dump.end().status(5);
    let shown = 1 + ran.json().iter().filter(|line| line["type"] == "frame").count() as u64;
    let errors = ran.json_errors();
    let [summary, error] = errors.as_slice() else {
        panic!("{errors:?}");
    };
    let dropped = summary["dropped"].as_u64().unwrap();
    assert!(dropped > 0, "{summary}");
    assert_eq!(shown + dropped, SENT + beats - missed, "{summary}");
    assert_eq!(error["error"]["code"], "data-lost");
}

#[test]
fn a_strict_dump_that_lost_nothing_is_done() {
    Place::new()
        .run(&["can", "dump", "sim:", "-n", "2", "--strict"])
        .status(0);
}

#[test]
fn generated_frames_follow_their_modes_and_their_seed() {
    let words = [
        "can",
        "gen",
        "virtual:x",
        "-g",
        "0",
        "-n",
        "5",
        "-v",
        "--seed",
        "3",
    ];
    let gen_with = |more: &[&str]| Place::new().run(&[&words, more].concat()).status(0).stdout;
    assert_eq!(gen_with(&[]), gen_with(&[]));
    assert_eq!(
        gen_with(&["-I", "i", "-L", "2", "-D", "i"]),
        "  x  000#0000\n  x  001#0100\n  x  002#0200\n  x  003#0300\n  x  004#0400\n"
    );
    assert!(
        gen_with(&["-e"])
            .lines()
            .all(|line| line.split('#').next().unwrap().len() == 5 + 8)
    );
    assert!(
        gen_with(&["-b", "-L", "64"])
            .lines()
            .all(|line| line.contains("##5"))
    );
}

#[test]
fn sending_tells_how_much_was_sent() {
    let ran = Place::new().run(&[
        "can",
        "send",
        "virtual:x",
        "123#11",
        "124#22",
        "-n",
        "3",
        "--cycle",
        "1ms",
        "-j",
    ]);
    assert_eq!(ran.status(0).json()[0]["sent"], 6);
}
