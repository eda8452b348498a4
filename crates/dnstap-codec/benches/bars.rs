//! What has to be reached: ten million messages a second on one core.
//!
//! `cargo xtask bench fstrm` makes a table of the lines. The messages are those that unbound sends.
#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]
#![allow(missing_docs, reason = "benchmarks are not an interface")]

#[path = "../tests/schema/mod.rs"]
mod schema;

use core::hint::black_box;
use std::path::Path;

use dnstap_codec::Dnstap;
use dnstap_codec::stats::{Config as StatsConfig, Stats};
use dnstap_codec::text::{Printer, Style};
use fstrm_codec::{Config, FileReader};
use testkit::bar::{self, Bar};

const READER: Bar<'static> = Bar::new("reading unbound's messages, none copied", "messages/s", 10e6);
const QUIET: Bar<'static> = Bar::new("reading and printing quiet lines", "messages/s", 0.0);
const JSON: Bar<'static> = Bar::new("reading and printing JSON", "messages/s", 0.0);
const STATS: Bar<'static> = Bar::new("reading and counting in statistics", "messages/s", 0.0);
const AGAINST_PROST: Bar<'static> = Bar::new("reading, against prost", "times", 0.0);

fn main() {
    if !bar::is_asked_for() {
        return;
    }
    let frames = frames();
    let ours = speed(&frames, |frame| {
        black_box(Dnstap::decode(black_box(frame)).unwrap());
    });
    READER.reached(ours);
    let theirs = speed(&frames, |frame| {
        black_box(schema::decode(black_box(frame)).unwrap());
    });
    AGAINST_PROST.reached(ours / theirs);
    for (style, bar) in [(Style::Quiet, QUIET), (Style::Json, JSON)] {
        let (mut printer, mut text) = (Printer::new(style), Vec::new());
        bar.reached(speed(&frames, |frame| {
            text.clear();
            printer.print(&Dnstap::decode(frame).unwrap(), &mut text);
            black_box(&text);
        }));
    }
    let mut stats = Stats::new(StatsConfig::new());
    STATS.reached(speed(&frames, |frame| {
        stats.handle_message(None, &Dnstap::decode(frame).unwrap());
    }));
}

fn frames() -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/fstrm/dnstap/unbound.fstrm");
    let mut reader = FileReader::open(&path, Config::new()).unwrap();
    let mut frames = Vec::new();
    while let Some(frame) = reader.next_frame().unwrap() {
        frames.push(frame.to_vec());
    }
    frames
}

/// Messages in a second when each is read and given to `work`.
fn speed(frames: &[Vec<u8>], mut work: impl FnMut(&[u8])) -> f64 {
    let count = u32::try_from(frames.len()).unwrap();
    bar::best(|| {
        for _ in 0..100 {
            frames.iter().for_each(|frame| work(frame));
        }
        count * 100
    })
}
