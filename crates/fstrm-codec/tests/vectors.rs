//! Bytes and results of real peers. Folder: `TINWIRE_VECTORS`, or the copy beside this file.
//!
//! Where Frame Streams implementations differ, the rule that this crate follows is asserted and printed. No
//! rule looks at an entry's name.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test says what is wrong by panicking, and where it was by printing"
)]

mod vector_kinds;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use vector_kinds::{captures, control, python, scripts, sessions, streams};

/// What one file's entries came to.
#[derive(Debug, Default)]
struct Tally {
    checked: usize,
    total: usize,
    /// Rules by which this crate's outcome differs from a peer's, and how often.
    rules: BTreeMap<&'static str, usize>,
}

impl Tally {
    fn rule(&mut self, rule: &'static str) {
        *self.rules.entry(rule).or_default() += 1;
    }

    fn checked(&mut self) {
        self.checked += 1;
        self.total += 1;
    }
}

/// Bytes written as hex, or as a list of segments.
fn bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => unhex(text),
        Value::Array(segments) => segments.iter().flat_map(bytes).collect(),
        Value::Object(segment) if segment.contains_key("hex") => bytes(&segment["hex"]),
        Value::Object(segment) => {
            let count = usize::try_from(segment["count"].as_u64().unwrap()).unwrap();
            bytes(&segment["fill"]).repeat(count)
        }
        other => panic!("no bytes: {other}"),
    }
}

fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "odd hex: {text}");
    (0..text.len() / 2)
        .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
        .collect()
}

/// A content type that is written as text.
fn latin1(text: &Value) -> Vec<u8> {
    let text = text.as_str().unwrap();
    text.chars().map(|byte| u8::try_from(byte).unwrap()).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Every JSON file of this crate: the folder and its subfolders but for dnstap's.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "dnstap") {
                files(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "json") {
            found.push(path);
        }
    }
    found.sort();
}

#[test]
fn every_vector_holds() {
    let root = std::env::var_os("TINWIRE_VECTORS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors"),
        PathBuf::from,
    );
    let mut found = Vec::new();
    files(&root.join("fstrm"), &mut found);
    for path in found {
        let file = read(&path);
        let mut tally = Tally::default();
        match file["schema"].as_str() {
            Some("fstrm-control-1") => control::check(&file, &mut tally),
            Some("fstrm-streams-1") => streams::check(&file, &mut tally),
            Some("fstrm-transcripts-1") => sessions::check(&file, &mut tally),
            Some("fstrm-capture-raw-1") => scripts::check(&file, &mut tally),
            Some("fstrm-python-codec-1") => python::check(&file, &mut tally),
            Some("fstrm-capture-files-1") => captures::check(&file, path.parent().unwrap(), &mut tally),
            Some("fstrm-dnstap-1") => continue,
            other => panic!("{}: unknown kind {other:?}", path.display()),
        }
        let name = path.strip_prefix(&root).unwrap().display();
        println!("{name}: {}/{}", tally.checked, tally.total);
        for (rule, count) in tally.rules {
            println!("    {count} by rule: {rule}");
        }
    }
}
