//! What reading and printing a message costs, of the messages that unbound sends.
//!
//! Run with `cargo xtask bench`; what has to be reached is in `bars.rs`. Nothing asserts on time.

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

fn main() {
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

#[divan::bench(args = [Style::Quiet, Style::Json])]
fn print(bencher: Bencher<'_, '_>, style: Style) {
    let (mut printer, mut text) = (Printer::new(style), Vec::new());
    bench(bencher, |dnstap| {
        text.clear();
        printer.print(dnstap, &mut text);
        black_box(&text);
    });
}
