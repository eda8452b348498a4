//! The services of `csp node`, asked by the other verbs of `csp`.

#![cfg(unix)]

use serde_json::Value;

use crate::csp::words;
use crate::place::{Place, Ran, Running};

/// A node with all services, as node 2 on a bus.
fn node(place: &Place, more: &str) -> Running {
    let line = format!("csp node -i bus:lab --addr 2/8 {more}");
    let node = place.start(&words(line.trim()));
    assert!(node.first.contains("node 2/8 is on lab") || node.first.contains(r#""type":"ready""#));
    node
}

/// Asks node 2.
fn ask(place: &Place, verb: &str, more: &str) -> Ran {
    place.run(&words(
        format!("csp {verb} 2 {more} -i bus:lab -t 20s")
            .replace("  ", " ")
            .as_str(),
    ))
}

fn answer(place: &Place, verb: &str, more: &str) -> Value {
    let ran = ask(place, verb, &format!("{more} -j")).status(0);
    ran.json().remove(0)
}

#[test]
fn a_node_says_who_it_is() {
    let place = Place::new();
    let _node = node(&place, "--hostname eps --model P31 --revision 7");
    assert_eq!(
        ask(&place, "ident", "").status(0).stdout,
        "node      2\nhostname  eps\nmodel     P31\nrevision  7\nbuilt\n"
    );
    let ident = answer(&place, "ident", "");
    assert_eq!((&ident["type"], &ident["node"]), (&"ident".into(), &2.into()));
    assert_eq!(
        (&ident["hostname"], &ident["model"]),
        (&"eps".into(), &"P31".into())
    );
    assert_eq!(ident["sim"], false);
    let ran = place.run(&words("csp ident 16383 -i bus:lab -t 1s -j")).status(0);
    let answers = ran.json();
    let [eps] = answers.as_slice() else {
        panic!("asked by broadcast, we do not answer ourselves: {answers:?}");
    };
    assert_eq!((&eps["node"], &eps["hostname"]), (&2.into(), &"eps".into()));
}

#[test]
fn figures_have_types() {
    let place = Place::new();
    let _node = node(&place, "");
    let uptime = answer(&place, "uptime", "");
    assert_eq!(uptime["type"], "uptime");
    assert!(uptime["seconds"].as_u64().unwrap() < 60, "{uptime}");
    let ran = ask(&place, "uptime", "").status(0);
    assert!(
        ran.stdout.starts_with("00:00:") && ran.stdout.ends_with(" s)\n"),
        "{}",
        ran.stdout
    );
    assert!(answer(&place, "buf", "")["buffers"].is_u64());
    let ps = answer(&place, "ps", "");
    assert!(ps["text"].as_str().unwrap().contains("tinwire csp node"), "{ps}");
    if cfg!(target_os = "linux") {
        assert!(answer(&place, "mem", "")["bytes"].as_u64().unwrap() > 0);
    }
}

#[test]
fn counters_are_a_table_of_the_interfaces_there_are() {
    let place = Place::new();
    let _node = node(&place, "");
    let can = answer(&place, "ifstat", "CAN");
    assert_eq!((&can["interface"], &can["rx"]), (&"CAN".into(), &1.into()));
    let line = "csp ifstat 2 NOPE -i bus:lab -t 50";
    let ran = place.run(&words(line)).status(1);
    assert!(ran.stderr.contains("no answer from 2"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("or there is no such interface"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_route_over_an_interface_that_is_not_there_names_that() {
    let place = Place::new();
    let _node = node(&place, "--services default,route-set");
    let line = [
        "csp",
        "route",
        "set",
        "2",
        "8/10 NOPE",
        "-i",
        "bus:lab",
        "-t",
        "50",
    ];
    let ran = place.run(&line).status(1);
    assert!(
        ran.stderr.contains("or there is no such interface"),
        "{}",
        ran.stderr
    );
}

#[test]
fn what_changes_a_node_is_off_unless_it_is_named() {
    let place = Place::new();
    let _node = node(&place, "");
    for (verb, more) in [("peek", "0 4"), ("poke", "0 00"), ("clock set", "now")] {
        let line = format!("csp {verb} 2 {more} -i bus:lab -t 50");
        let ran = place.run(&words(&line)).status(1);
        assert!(
            ran.stderr
                .contains("hint: node 2 answers a ping, but not this on port 0"),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn memory_is_written_and_read_in_as_many_requests_as_it_takes() {
    let place = Place::new();
    let _node = node(&place, "--services default,peek,poke");
    let bytes: Vec<u8> = (0..=255).chain(0..=255).collect();
    place.write("patch.bin", &bytes);
    let written = answer(&place, "poke", "0x100 @patch.bin");
    assert_eq!(
        (&written["type"], &written["len"]),
        (&"written".into(), &512.into())
    );
    let ran = ask(&place, "peek", "0x100 512 --output read.bin").status(0);
    assert_eq!(ran.stdout, "512 bytes written to read.bin\n");
    assert_eq!(std::fs::read(place.path().join("read.bin")).unwrap(), bytes);
    let wide = answer(&place, "peek", "0x102 4 --64");
    assert_eq!(
        (&wide["address"], &wide["data"]),
        (&"102".into(), &"02030405".into())
    );
    assert_eq!(
        ask(&place, "peek", "0x100 17").status(0).stdout,
        "00000100  00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f  |................|\n\
         00000110  10                                               |.|\n"
    );
    let ran = place
        .run(&words("csp peek 2 0xFFFF 2 -i bus:lab -t 50"))
        .status(1);
    assert!(
        ran.stderr.starts_with("error: at 0xffff: no answer from 2")
            && ran.stderr.contains("or not all of this is memory"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_clock_is_read_with_its_offset_and_set() {
    let place = Place::new();
    let mut node = node(&place, "--services default,clock-set -j");
    let clock = answer(&place, "clock get", "");
    assert!(clock["offset_us"].as_i64().unwrap().abs() < 60_000_000, "{clock}");
    let clock = answer(&place, "clock set", "1000000000");
    assert!(
        clock["time"].as_str().unwrap().starts_with("2001-09-09T01:4"),
        "{clock}"
    );
    assert!(clock["offset_us"].as_i64().unwrap() < -1_000_000_000);
    let event: Value = serde_json::from_str(&node.line()).unwrap();
    assert_eq!((&event["what"], &event["by"]), (&"clock-set".into(), &10.into()));
    assert_eq!(event["detail"], "2001-09-09T01:46:40.000000000Z");
}

#[test]
fn a_shutdown_has_to_be_meant_and_ends_the_node() {
    let place = Place::new();
    let node = node(&place, "--services all");
    let ran = place.run(&words("csp shutdown 2 -i bus:lab")).status(2);
    assert!(
        ran.stderr.contains("was not confirmed\nhint: --yes"),
        "{}",
        ran.stderr
    );
    let ran = ask(&place, "reboot", "--yes").status(0);
    assert_eq!(ran.stdout, "reboot sent to node 2; there is no reply to it\n");
    ask(&place, "shutdown", "--yes").status(0);
    let ran = node.end().status(0);
    assert!(
        ran.stdout.ends_with("reboot by node 10\nshutdown by node 10\n"),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_pass_phrase_keeps_strangers_out() {
    let place = Place::new();
    let _node = node(&place, "--hmac secret");
    ask(&place, "uptime", "--hmac secret").status(0);
    let ran = place.run(&words("csp uptime 2 -i bus:lab -t 50")).status(1);
    assert!(ran.stderr.contains("no answer from 2"), "{}", ran.stderr);
    place
        .run(&words("csp uptime 2 -i bus:lab -t 50 --hmac other"))
        .status(1);
}

#[test]
fn requests_without_a_checksum_are_answered_where_that_is_allowed() {
    let place = Place::new();
    let _node = node(&place, "--no-crc");
    ask(&place, "uptime", "--no-crc").status(0);
}

#[test]
fn a_route_is_set_where_that_is_allowed() {
    let place = Place::new();
    let mut node = node(&place, "--services default,route-set -j");
    let line = [
        "csp",
        "route",
        "set",
        "2",
        "64/8 CAN 5",
        "-i",
        "bus:lab",
        "-t",
        "20s",
        "-j",
    ];
    let route = place.run(&line).status(0).json().remove(0);
    assert_eq!((&route["address"], &route["netmask"]), (&64.into(), &8.into()));
    assert_eq!((&route["interface"], &route["via"]), (&"CAN".into(), &5.into()));
    let event: Value = serde_json::from_str(&node.line()).unwrap();
    assert_eq!((&event["what"], &event["by"]), (&"route-set".into(), &10.into()));
}

#[test]
fn a_table_of_routes_is_read_with_place_and_reason() {
    let place = Place::new();
    let ran = place
        .run(&["csp", "route", "check", "0/0 CAN 5, 8 KISS"])
        .status(0);
    assert_eq!(ran.stdout, "0/0 CAN via 5\n8/14 KISS\n");
    let ran = place
        .run(&["csp", "route", "check", "0/0 CAN, 99999 KISS"])
        .status(2);
    assert!(
        ran.stderr
            .starts_with("error: route 2, at byte 9: expected an address"),
        "{}",
        ran.stderr
    );
}
