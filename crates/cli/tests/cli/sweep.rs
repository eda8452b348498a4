//! `csp scan`

use crate::csp::words;
use crate::place::Place;

/// The nodes of the satellite whose hop loses nothing.
const SOUND: [u64; 4] = [1, 2, 3, 5];

#[test]
fn a_scan_finds_the_satellite_and_prints_only_what_answered() {
    let ran = Place::new().run(&words("csp scan --retries 2 -j")).status(0);
    let lines = ran.json();
    let mut nodes: Vec<_> = lines.iter().filter_map(|line| line["node"].as_u64()).collect();
    nodes.sort_unstable();
    assert_eq!(nodes, [1, 2, 3, 5, 9]);
    for line in &lines {
        assert_eq!(line["type"], "node");
        assert!(line["rtt_us"].is_u64(), "{line}");
    }
    let eps = lines.iter().find(|line| line["node"] == 2).unwrap();
    assert_eq!(eps["name"], "eps");
    assert!(eps["ident"]["model"].is_string(), "{eps}");
    let summary = ran.json_errors().pop().unwrap();
    assert_eq!((&summary["asked"], &summary["found"]), (&61.into(), &5.into()));
    assert_eq!(summary["sim"], true);
}

#[test]
fn the_whole_of_version_1_is_asked_at_once() {
    let ran = Place::new()
        .run(&words("csp scan all -i bus:empty,v1,addr=10 -t 100"))
        .status(1);
    assert!(
        ran.stderr
            .ends_with("0 nodes, 29 asked, 0 dropped\nerror: nobody answered on empty\n"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_broadcast_finds_them_too() {
    let ran = Place::new()
        .run(&words("csp scan --fast --no-ident -j"))
        .status(0);
    let nodes: Vec<_> = ran
        .json()
        .iter()
        .filter_map(|line| line["node"].as_u64())
        .collect();
    for node in SOUND {
        assert!(nodes.contains(&node), "{nodes:?}");
    }
}

#[test]
fn a_range_names_whom_to_ask() {
    let ran = Place::new().run(&words("csp scan 2,5-7 --no-ident -j")).status(0);
    let mut nodes: Vec<_> = ran
        .json()
        .iter()
        .filter_map(|line| line["node"].as_u64())
        .collect();
    nodes.sort_unstable();
    assert_eq!(nodes, [2, 5]);
    let ran = Place::new()
        .run(&words("csp scan 40 -i sim:,v1,addr=3"))
        .status(2);
    assert!(
        ran.stderr
            .contains("40 is no address of this header version, 31 is"),
        "{}",
        ran.stderr
    );
    let ran = Place::new().run(&words("csp scan 10")).status(2);
    assert!(ran.stderr.contains("there is nobody to ask"), "{}", ran.stderr);
}
