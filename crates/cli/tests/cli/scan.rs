//! `isotp scan`.

use core::fmt::Write as _;

use crate::place::Place;

/// Two conversations, one of them with address bytes, among signals.
fn drive() -> String {
    let mut log = String::new();
    let mut millis = 0;
    let mut line = |log: &mut String, frame: &str| {
        millis += 1;
        writeln!(log, "(100.{:06}) can0 {frame}", millis * 1000).unwrap();
    };
    for round in 0..20 {
        let talk = [
            "7E0#0322F190CCCCCCCC",
            "7E8#101462F190545731",
            "7E0#300000CCCCCCCCCC",
            "7E8#2157524553314D58",
            "7E8#2245435530303031",
            "6F1#12023E00",
            "612#F1027E00",
            "6F1#1210080102030405",
            "612#F1300000",
            "6F1#1221060708",
        ];
        for frame in talk {
            line(&mut log, frame);
            line(&mut log, &format!("0C0#{round:02X}30100021FF0000"));
            line(&mut log, &format!("0C1#02{round:02X}00"));
        }
    }
    log
}

#[test]
fn pairs_are_learnt_from_a_log_with_their_evidence() {
    let place = Place::new();
    place.write("drive.log", drive());
    let ran = place
        .run(&["isotp", "scan", "--passive", "log:drive.log"])
        .status(0);
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{}", ran.stdout);
    assert_eq!(
        lines[0],
        "6F1{12} -> 612{F1}    extended      certain   20 long messages (160 bytes), 20 answers to 1 \
         service, 0 of 100 frames against it"
    );
    assert!(
        lines[1].starts_with("7E0 -> 7E8            normal11      certain "),
        "{}",
        lines[1]
    );
    assert!(
        ran.stderr
            .starts_with("2 pairs; 6 identifiers, 600 frames, 0 dropped"),
        "{}",
        ran.stderr
    );

    let words = ["isotp", "scan", "--passive", "log:drive.log", "--json"];
    let lines = place.run(&words).status(0).json();
    assert_eq!(
        (&lines[0]["type"], &lines[0]["addressing"]),
        (&"pair".into(), &"extended".into())
    );
    assert_eq!(
        (&lines[0]["source"]["id"], &lines[0]["source"]["address"]),
        (&"6F1".into(), &"12".into())
    );
    assert_eq!(
        (&lines[1]["destination"]["id"], &lines[1]["confidence"]),
        (&"7E8".into(), &"certain".into())
    );
    assert_eq!(lines[1]["evidence"]["bytes"], 400);
}

#[test]
fn traffic_of_other_kinds_is_no_pair() {
    let place = Place::new();
    let log: String = drive()
        .lines()
        .filter(|line| line.contains("0C"))
        .fold(String::new(), |log, line| log + line + "\n");
    place.write("signals.log", log);
    let ran = place
        .run(&["isotp", "scan", "--passive", "log:signals.log"])
        .status(1);
    assert_eq!(ran.stdout, "");
    assert!(ran.stderr.contains("no pair was found"), "{}", ran.stderr);
    // The satellite and the car of the simulation talk, but not in this protocol as long as nobody asks.
    place
        .run(&["isotp", "scan", "--passive", "sim:", "--for", "1s"])
        .status(1);
}

#[test]
fn who_answers_is_found_by_asking() {
    let words = "isotp scan --active 7DF-7E1,7E8 sim: --gap 200ms --wait 500ms --listen 20ms --json";
    let ran = Place::new().run(&words.split(' ').collect::<Vec<_>>()).status(0);
    let lines = ran.json();
    let pair = |line: usize| {
        let side = |side: &str| lines[line][side]["id"].as_str().unwrap().to_owned();
        (
            side("source"),
            side("destination"),
            lines[line]["functional"].as_bool().unwrap(),
        )
    };
    assert_eq!(pair(0), ("7DF".into(), "7E8".into(), true));
    assert_eq!(pair(1), ("7E0".into(), "7E8".into(), false));
    assert_eq!(lines.len(), 2);
    let summary = ran.json_errors().pop().unwrap();
    assert_eq!((&summary["pairs"], &summary["skipped"]), (&2.into(), &1.into()));
}

#[test]
fn nobody_there_is_status_1_and_a_range_too_wide_is_refused() {
    let place = Place::new();
    let words = [
        "isotp", "scan", "--active", "100-103", "sim:", "--gap", "1ms", "--listen", "0", "--wait", "5ms",
    ];
    let ran = place.run(&words).status(1);
    assert!(ran.stderr.contains("nobody answered"), "{}", ran.stderr);
    let ran = place
        .run(&["isotp", "scan", "--active", "00000000-1FFFFFFF", "sim:"])
        .status(2);
    assert!(
        ran.stderr.contains("more than 65536 identifiers"),
        "{}",
        ran.stderr
    );
    place.run(&["isotp", "scan", "sim:"]).status(2);
    place
        .run(&["isotp", "scan", "--passive", "--active", "7E0", "sim:"])
        .status(2);
}
