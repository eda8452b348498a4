//! The text forms, against what the tools printed of the same files, and of messages that no server sends.
//!
//! `text/NAME.quiet`, `.dated`, `.bind` and `.yaml` are the output of golang-dnstap 0.4.0, dnstap-ldns and
//! BIND's dnstap-read, of the captures in `vectors`. `text/edges.*` is ours: a message for each thing that
//! may be missing, unknown, malformed or seldom.

#![allow(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by panicking"
)]

use std::fs;
use std::path::{Path, PathBuf};

use dnstap_codec::Dnstap;
use dnstap_codec::text::{Printer, Style};
use fstrm_codec::{Config, FileReader};
use proptest::prelude::*;
use serde_json::Value;
use testkit::snapshot::assert_snapshot;

const CAPTURES: [&str; 7] = [
    "dnsdist",
    "knot",
    "named",
    "named_file",
    "unbound",
    "unbound_tls",
    "unbound_uni",
];

fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

fn printed(path: &Path, style: Style) -> String {
    let mut reader = FileReader::open(path, Config::new()).unwrap();
    let (mut printer, mut text) = (Printer::new(style), Vec::new());
    while let Some(frame) = reader.next_frame().unwrap() {
        printer.print(&Dnstap::decode(frame).unwrap(), &mut text);
    }
    String::from_utf8(text).unwrap()
}

/// Compares with a tool's output, line by line, but for the lines of which `ours` says that we know better.
#[track_caller]
fn compare(style: Style, suffix: &str, rule: &str, is_better: impl Fn(&str, &str) -> bool) {
    for name in CAPTURES {
        let ours = printed(&here(&format!("vectors/fstrm/dnstap/{name}.fstrm")), style);
        let theirs = fs::read_to_string(here(&format!("text/{name}.{suffix}"))).unwrap();
        assert_eq!(ours.lines().count(), theirs.lines().count(), "{name}");
        let (mut same, mut better) = (0, 0);
        for (ours, theirs) in ours.lines().zip(theirs.lines()) {
            if ours == theirs {
                same += 1;
            } else {
                assert!(is_better(ours, theirs), "{name}:\n  ours {ours}\ntheirs {theirs}");
                better += 1;
            }
        }
        println!("{name}.{suffix}: {same} lines as the tool's, {better} better ({rule})");
    }
}

#[test]
fn quiet_lines_are_those_of_golang_dnstap() {
    compare(Style::Quiet, "quiet", "none", |_, _| false);
}

#[test]
fn dated_lines_are_those_of_dnstap_ldns() {
    compare(
        Style::Dated,
        "dated",
        "updates, which the tool does not know",
        |ours, theirs| {
            theirs == "[unhandled Dnstap.Message.Type]" && (ours.contains(" UQ ") || ours.contains(" UR "))
        },
    );
}

#[test]
fn binds_lines_are_those_of_dnstap_read() {
    compare(
        Style::Bind,
        "bind",
        "a missing transport, which the tool takes for UDP",
        |ours, theirs| ours.replace(" ? ", " UDP ") == theirs,
    );
}

#[test]
fn yaml_is_that_of_golang_dnstap() {
    compare(Style::Yaml, "yaml", "none", |_, _| false);
}

#[test]
fn what_no_server_sends_is_printed_nevertheless() {
    let edges = here("text/edges.fstrm");
    for (style, suffix) in [
        (Style::Quiet, "quiet"),
        (Style::Dated, "dated"),
        (Style::Bind, "bind"),
        (Style::Yaml, "yaml"),
        (Style::Json, "json"),
    ] {
        assert_snapshot(here(&format!("text/edges.{suffix}")), &printed(&edges, style));
    }
}

#[test]
fn every_json_line_is_one_object_with_a_version() {
    for name in CAPTURES {
        for line in printed(&here(&format!("vectors/fstrm/dnstap/{name}.fstrm")), Style::Json).lines() {
            let object: Value = serde_json::from_str(line).unwrap();
            assert_eq!((&object["v"], &object["type"]), (&1.into(), &"MESSAGE".into()));
            let message = &object["message"];
            let dns = [&message["query_dns"], &message["response_dns"]];
            assert!(
                dns.iter().any(|dns| dns["question"][0]["name"].is_string()),
                "{line}"
            );
            assert!(dns.iter().all(|dns| dns["dns_error"].is_null()), "{line}");
        }
    }
}

/// A frame of the captures or of the edge cases, with some bytes changed.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let mut frames = Vec::new();
    for name in [
        "text/edges",
        "vectors/fstrm/dnstap/named",
        "vectors/fstrm/dnstap/knot",
    ] {
        let mut reader = FileReader::open(here(&format!("{name}.fstrm")), Config::new()).unwrap();
        while let Some(frame) = reader.next_frame().unwrap() {
            frames.push(frame.to_vec());
        }
    }
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    (prop::sample::select(frames), changes).prop_map(|(mut frame, changes)| {
        for (at, byte) in changes {
            let at = at.index(frame.len());
            frame[at] = byte;
        }
        frame
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_damage_stops_the_stream_or_breaks_a_line(frame in damaged()) {
        let Ok(dnstap) = Dnstap::decode(&frame) else { return Ok(()) };
        for style in [Style::Quiet, Style::Dated, Style::Bind, Style::Json, Style::Yaml] {
            let mut text = b"before\n".to_vec();
            Printer::new(style).print(&dnstap, &mut text);
            let text = String::from_utf8(text).unwrap();
            let rest = text.strip_prefix("before\n").unwrap();
            prop_assert!(rest.ends_with('\n'));
            if style != Style::Yaml {
                prop_assert_eq!(rest.lines().count(), 1, "{}", rest);
            }
            if style == Style::Json {
                let parsed = serde_json::from_str::<Value>(rest);
                prop_assert!(parsed.is_ok(), "{}: {:?}", rest, parsed);
            }
        }
    }
}
