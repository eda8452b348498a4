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
use testkit::bar::{self, Bar, Rounds};

/// Payload bytes of one file: far more than any cache of a processor, far less than memory.
const FILE_LEN: usize = 64 << 20;

/// A size of payloads, and what reading them has to reach: times the C library.
const SIZES: [(usize, f64); 3] = [(64, 3.0), (256, 2.5), (4096, 2.0)];

fn main() {
    if !bar::is_asked_for() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // Written in memory where there is such a folder: a disk's own business would drown the rest.
    let memory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let written = memory.as_ref().unwrap().path().join("written");
    let library = peer::Library::build(folder.path());
    for (size, least) in SIZES {
        let count = FILE_LEN / size;
        let path = folder.path().join(format!("{size}.fstrm"));
        write(&path, size, count);
        reading(&path, size, count, least, &library);
        writing(&written, size, count, &library);
        fs::remove_file(path).unwrap();
    }
}

fn reading(path: &Path, size: usize, count: usize, least: f64, library: &peer::Library) {
    let frames = |work: fn(&Path) -> u64| rate(count, || {}, || assert_ne!(black_box(work(path)), 0));
    let rounds = Rounds::measure([
        &mut || frames(read),
        &mut || frames(plain::read),
        &mut || library.read(path, count),
        &mut || frames(read_runs),
    ]);
    let name = |what: &str| format!("{size:4} bytes, read: {what}");
    told(&name("frames"), "M/s", 0.0, rounds.rate(0) / 1e6);
    told(&name("to the C reader"), "times", least, rounds.ratio(0, 2));
    told(&name("to a loop over 256 KiB"), "", 0.9, rounds.ratio(0, 1));
    told(
        &name("runs and their payloads, to that loop"),
        "",
        0.0,
        rounds.ratio(3, 1),
    );
}

fn writing(path: &Path, size: usize, count: usize, library: &peer::Library) {
    // To cut an old file down would cost the next writer time.
    let ready = || drop(fs::remove_file(path));
    let frames = |work: fn(&Path, usize, usize)| rate(count, ready, || work(path, size, count));
    let rounds = Rounds::measure([
        &mut || frames(write),
        &mut || frames(plain::write),
        &mut || frames(peer::framestream),
        &mut || {
            ready();
            library.write(path, size, count)
        },
    ]);
    let best = rounds.ratio(0, 2).min(rounds.ratio(0, 3));
    let name = |what: &str| format!("{size:4} bytes, write: {what}");
    told(&name("frames"), "M/s", 0.0, rounds.rate(0) / 1e6);
    told(&name("to the best peer"), "times", 1.0, best);
    told(&name("to plain writes of 256 KiB"), "", 0.85, rounds.ratio(0, 1));
}

fn told(name: &str, unit: &str, least: f64, figure: f64) {
    Bar::new(name, unit, least).reached(figure);
}

/// Frames in a second.
fn rate(count: usize, ready: impl FnMut(), mut work: impl FnMut()) -> f64 {
    let count = u32::try_from(count).unwrap();
    bar::round(ready, || {
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
