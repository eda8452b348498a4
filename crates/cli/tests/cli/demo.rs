//! `demo`.

use core::time::Duration;
use std::time::Instant;

use crate::place::Place;

#[test]
fn the_demo_walks_through_every_protocol_in_twenty_lines() {
    let start = Instant::now();
    let ran = Place::new().run(&["demo"]).status(0);
    // Three seconds is the promise for a release build on an idle machine; here only a hang is a failure.
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert!((15..=22).contains(&lines.len()), "{}", ran.stdout);
    for station in [
        "obc      1",
        "eps      2",
        "adcs     3",
        "radio    5",
        "payload  9",
    ] {
        assert!(ran.stdout.contains(station), "{station}: {}", ran.stdout);
    }
    assert!(
        ran.stdout.contains("VIN TW1WRES1MXECU0001: 20 bytes in 3 frames"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("20 messages"), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("100 of 100 packets of 64 bytes came back"),
        "{}",
        ran.stdout
    );
    assert_eq!(ran.stderr, "");
}

#[test]
fn its_json_has_a_line_for_each_part() {
    let lines = Place::new()
        .run(&["demo", "--json", "--seed", "3"])
        .status(0)
        .json();
    let types: Vec<_> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["csp", "isotp", "dnstap", "flow", "summary"]);
    assert_eq!(lines[0]["nodes"].as_array().unwrap().len(), 5);
    assert_eq!(lines[1]["vin"], "TW1WRES1MXECU0001");
    assert_eq!(lines[2]["kinds"]["CQ"], 8);
    assert_eq!(
        (&lines[4]["sim"], &lines[4]["dropped"]),
        (&true.into(), &0.into())
    );
}
