//! What reading and printing a message costs, of the messages that unbound sends.
//!
//! Run with `cargo xtask bench`. Figures besides the bars are ratios of this run; nothing asserts on time.

#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]
#![allow(missing_docs, unreachable_pub, reason = "benchmarks are not an interface")]

use std::path::Path;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use dnstap_codec::Dnstap;
use dnstap_codec::filter::Filter;
use dnstap_codec::stats::{Config as StatsConfig, Stats};
use dnstap_codec::text::{Printer, Style};
use fstrm_codec::{Config, FileReader};
use testkit::bar::{self, Bar};

#[path = "../tests/schema/mod.rs"]
mod schema;

const READER: Bar<'static> = Bar::new("reading unbound's messages, none copied", "messages/s", 10e6);
const QUIET: Bar<'static> = Bar::new("reading and printing quiet lines", "messages/s", 0.0);
const JSON: Bar<'static> = Bar::new("reading and printing JSON", "messages/s", 0.0);
const AGAINST_PROST: Bar<'static> = Bar::new("reading, against prost", "times", 0.0);

fn main() {
    if bar::is_asked_for() {
        bars();
    }
    divan::main();
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

fn bars() {
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
}

fn bench(bencher: Bencher<'_, '_>, mut work: impl FnMut(&Dnstap<'_>)) {
    let frames = frames();
    bencher.counter(ItemsCount::new(frames.len())).bench_local(|| {
        for frame in &frames {
            work(&Dnstap::decode(frame).unwrap());
        }
    });
}

#[divan::bench]
fn read(bencher: Bencher<'_, '_>) {
    bench(bencher, |dnstap| {
        black_box(dnstap);
    });
}

#[divan::bench(args = ["rcode!=0", "qname under example.org && qtype==AAAA", "qaddr in 192.0.2.0/24"])]
fn filter(bencher: Bencher<'_, '_>, text: &str) {
    let filter: Filter = text.parse().unwrap();
    bench(bencher, |dnstap| {
        black_box(filter.matches(dnstap));
    });
}

#[divan::bench]
fn stats(bencher: Bencher<'_, '_>) {
    let mut stats = Stats::new(StatsConfig::new());
    bench(bencher, |dnstap| stats.handle_message(None, dnstap));
}

#[divan::bench]
fn encode(bencher: Bencher<'_, '_>) {
    bench(bencher, |dnstap| {
        black_box(dnstap.encode());
    });
}
