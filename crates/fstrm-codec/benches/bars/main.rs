//! What has to be reached with files: as a ratio to what others reach in the same run.
//!
//! `cargo xtask bench fstrm` makes a table of the lines. The peers: the C library (`peer.c`, built here), the
//! crate `framestream`, and loops that do no more than has to be done.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark may panic"
)]
#![allow(clippy::print_stdout, reason = "a benchmark prints")]
#![allow(missing_docs, reason = "benchmarks are not an interface")]

mod peer;
mod plain;

use core::hint::black_box;
use std::fs::{self, File};
use std::path::Path;

use fstrm_codec::{Config, FileReader, FileWriter};
use testkit::bar::{self, Bar};

/// Payload bytes of one file: far more than any cache of a processor, far less than memory.
const FILE_LEN: usize = 64 << 20;

/// A size of payloads, and what reading them has to reach: times the C library.
const SIZES: [(usize, f64); 3] = [(64, 3.0), (256, 2.5), (4096, 2.0)];

fn main() {
    if !bar::is_asked_for() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let library = peer::Library::build(folder.path());
    for (size, least) in SIZES {
        let count = FILE_LEN / size;
        let path = folder.path().join(format!("{size}.fstrm"));
        write(&path, size, count);
        reading(&path, size, count, least, &library);
        writing(&folder.path().join("written"), size, count, &library);
        fs::remove_file(path).unwrap();
    }
}

fn reading(path: &Path, size: usize, count: usize, least: f64, library: &peer::Library) {
    let frames = |work: fn(&Path) -> u64| rate(count, || assert_ne!(black_box(work(path)), 0));
    let (ours, runs) = (frames(read), frames(read_runs));
    let (plain, theirs) = (frames(plain::read), library.read(path, count));
    told(size, "read: frames", "M/s", 0.0, ours / 1e6);
    told(size, "read: to the C reader", "times", least, ours / theirs);
    told(size, "read: to a loop over 256 KiB", "", 0.9, ours / plain);
    told(
        size,
        "read: runs and their payloads, to that loop",
        "",
        0.0,
        runs / plain,
    );
}

fn writing(path: &Path, size: usize, count: usize, library: &peer::Library) {
    let frames = |work: fn(&Path, usize, usize)| rate(count, || work(path, size, count));
    let (ours, plain) = (frames(write), frames(plain::write));
    let best = frames(peer::framestream).max(library.write(path, size, count));
    told(size, "write: frames", "M/s", 0.0, ours / 1e6);
    told(size, "write: to the best peer", "times", 1.0, ours / best);
    told(size, "write: to plain writes of 256 KiB", "", 0.85, ours / plain);
}

fn told(size: usize, what: &str, unit: &str, least: f64, figure: f64) {
    let name = format!("{size:4} bytes, {what}");
    Bar::new(&name, unit, least).reached(figure);
}

/// Frames in a second.
fn rate(count: usize, mut work: impl FnMut()) -> f64 {
    let count = u32::try_from(count).unwrap();
    bar::best(|| {
        work();
        count
    })
}

/// Every length and one byte of every payload, so that nobody can leave out the work.
fn read(path: &Path) -> u64 {
    let mut reader = FileReader::open(path, Config::new()).unwrap();
    let mut sum = 0;
    while let Some(payload) = reader.next_frame().unwrap() {
        sum += plain::touch(payload);
    }
    sum
}

fn read_runs(path: &Path) -> u64 {
    let mut reader = FileReader::open(path, Config::new()).unwrap();
    let mut sum = 0;
    while let Some(run) = reader.next_run().unwrap() {
        sum += run.iter().map(plain::touch).sum::<u64>();
    }
    sum
}

fn write(path: &Path, size: usize, count: usize) {
    let payload = vec![b'x'; size];
    let mut writer = FileWriter::new(File::create(path).unwrap(), None).unwrap();
    for _ in 0..count {
        writer.write_frame(black_box(&payload)).unwrap();
    }
    writer.finish().unwrap();
}
