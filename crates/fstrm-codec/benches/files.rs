//! Files read and written, against plain loops over the same bytes and against the C library.
//!
//! Run with `cargo xtask bench fstrm-codec`. All are measured in turn in one run, and what counts are the
//! ratios. The C library is measured where its headers are (package libfstrm-dev), by a program built here.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark may panic"
)]
#![allow(clippy::print_stdout, reason = "a benchmark prints")]
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![allow(missing_docs, reason = "benchmarks are not an interface")]

use core::hint::black_box;
use std::env;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant as Clock;

use fstrm_codec::{Config, FileReader, FileWriter};

/// How often each is measured, in turn; the middle counts, of rates and of ratios.
const ROUNDS: usize = 9;
/// Payload lengths, and how many frames a file has.
const SIZES: [(usize, usize); 3] = [(64, 1_000_000), (256, 1_000_000), (4096, 200_000)];
/// What a plain loop reads and writes at once.
const PIECE: usize = 256 * 1024;

type Measured = (&'static str, fn(&Bench) -> Option<f64>);

/// Readers; the first is what the others are compared with.
const READERS: [Measured; 4] = [
    ("plain loop", |bench| bench.time(plain_loop)),
    ("next_frame", |bench| bench.time(next_frame)),
    ("next_run", |bench| bench.time(next_run)),
    ("C library", |bench| bench.peer(&["read", bench.path.to_str()?])),
];

/// Writers; the first is what the others are compared with.
const WRITERS: [Measured; 4] = [
    ("plain writes", |bench| bench.time(plain_writes)),
    ("write_frame", |bench| bench.time(write_frame)),
    ("write_run", |bench| bench.time(write_run)),
    ("C library", |bench| {
        let (len, count) = (bench.len.to_string(), bench.count.to_string());
        bench.peer(&["write", bench.copy.to_str()?, &len, &count])
    }),
];

struct Bench {
    path: PathBuf,
    copy: PathBuf,
    peer: Option<PathBuf>,
    len: usize,
    count: usize,
}

impl Bench {
    fn time(&self, work: fn(&Self) -> usize) -> Option<f64> {
        let begin = Clock::now();
        black_box(work(self));
        Some(begin.elapsed().as_secs_f64())
    }

    /// Seconds, as the program tells them first.
    fn peer(&self, words: &[&str]) -> Option<f64> {
        let output = Command::new(self.peer.as_ref()?).args(words).output().ok()?;
        let told = String::from_utf8(output.stdout).ok()?;
        told.split_whitespace().next()?.parse().ok()
    }

    fn compare(&self, what: &str, all: &[Measured]) {
        let mut seconds = vec![Vec::new(); all.len()];
        for _ in 0..ROUNDS {
            for ((_, measure), seconds) in all.iter().zip(&mut seconds) {
                // Cutting an old file down would cost the next writer time.
                fs::remove_file(&self.copy).ok();
                seconds.extend(measure(self));
            }
        }
        for ((name, _), measured) in all
            .iter()
            .zip(&seconds)
            .filter(|(_, seconds)| !seconds.is_empty())
        {
            let ratios = seconds[0].iter().zip(measured).map(|(plain, own)| plain / own);
            println!(
                "{what} {:5} B  {name:13} {:7.2} M frames/s  {:5.2} of the {}",
                self.len,
                self.count as f64 / middle(measured.iter().copied()) / 1e6,
                middle(ratios),
                all[0].0,
            );
        }
    }
}

fn middle(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// What a reader cannot beat: pieces of the file, and the lengths in them.
fn plain_loop(bench: &Bench) -> usize {
    let mut file = File::open(&bench.path).unwrap();
    let mut buffer = vec![0; 2 * PIECE];
    let (mut kept, mut sum) = (0, 0);
    // START without a type.
    file.read_exact(&mut [0; 12]).unwrap();
    loop {
        let read = file.read(&mut buffer[kept..kept + PIECE]).unwrap();
        if read == 0 {
            return sum;
        }
        let end = kept + read;
        let mut at = 0;
        while let Some(header) = buffer[at..end].first_chunk::<4>() {
            let len = usize::try_from(u32::from_be_bytes(*header)).unwrap();
            if len == 0 {
                return sum;
            }
            if at + 4 + len > end {
                break;
            }
            sum += usize::from(buffer[at + 4]);
            at += 4 + len;
        }
        buffer.copy_within(at..end, 0);
        kept = end - at;
    }
}

fn reader(bench: &Bench) -> FileReader<File> {
    FileReader::open(&bench.path, Config::new()).unwrap()
}

fn next_frame(bench: &Bench) -> usize {
    let (mut reader, mut sum) = (reader(bench), 0);
    while let Some(payload) = reader.next_frame().unwrap() {
        sum += usize::from(payload[0]);
    }
    sum
}

fn next_run(bench: &Bench) -> usize {
    let (mut reader, mut sum) = (reader(bench), 0);
    while let Some(run) = reader.next_run().unwrap() {
        sum += run.as_wire().len();
    }
    sum
}

fn plain_writes(bench: &Bench) -> usize {
    let mut file = File::create(&bench.copy).unwrap();
    let piece = vec![7; PIECE];
    let mut left = bench.count * (bench.len + 4);
    while left > 0 {
        let len = left.min(PIECE);
        file.write_all(&piece[..len]).unwrap();
        left -= len;
    }
    left
}

fn write_frame(bench: &Bench) -> usize {
    let mut writer = FileWriter::new(File::create(&bench.copy).unwrap(), None).unwrap();
    let payload = black_box(vec![7; bench.len]);
    for _ in 0..bench.count {
        writer.write_frame(&payload).unwrap();
    }
    writer.finish().unwrap();
    0
}

/// Reads as well.
fn write_run(bench: &Bench) -> usize {
    let mut writer = FileWriter::new(File::create(&bench.copy).unwrap(), None).unwrap();
    let mut reader = reader(bench);
    while let Some(run) = reader.next_run().unwrap() {
        writer.write_run(&run).unwrap();
    }
    writer.finish().unwrap();
    0
}

/// Builds the program over the C library; `None` where it cannot be built.
fn build(folder: &Path) -> Option<PathBuf> {
    let program = folder.join("files");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peer/files.c");
    let status = Command::new("cc")
        .args(["-O2", "-o"])
        .args([&program, &source])
        .arg("-lfstrm")
        .status();
    status.is_ok_and(|status| status.success()).then_some(program)
}

fn main() {
    if env::args()
        .skip(1)
        .any(|word| !word.starts_with('-') && !"files".contains(&*word))
    {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // Written in memory where there is such a folder: a disk's own business would drown the rest.
    let memory = tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap();
    let peer = build(folder.path());
    for (len, count) in SIZES {
        let bench = Bench {
            path: folder.path().join("read.fstrm"),
            copy: memory.path().join("written.fstrm"),
            peer: peer.clone(),
            len,
            count,
        };
        let mut writer = FileWriter::new(File::create(&bench.path).unwrap(), None).unwrap();
        let payload = vec![7; len];
        for _ in 0..count {
            writer.write_frame(&payload).unwrap();
        }
        writer.finish().unwrap();
        bench.compare("read ", &READERS);
        bench.compare("write", &WRITERS);
    }
}
