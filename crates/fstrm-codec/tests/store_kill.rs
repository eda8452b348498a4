//! A process that writes a store is killed at random moments, and the next one goes on in the same file.
#![cfg(unix)]
#![allow(clippy::disallowed_methods, reason = "processes live in real time")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]

use core::time::Duration;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Instant, SystemTime};

use fstrm_codec::frame::FrameConfig;
use fstrm_codec::rotate::Now;
use fstrm_codec::store::{Config, Folder, Store};
use fstrm_codec::{ContentType, End, FileReader, Run};

/// The file that a child writes; where it is set, this process is one.
const FILE: &str = "STORE_KILL_FILE";
/// Other luck than that of the clock, to repeat a run.
const SEED: &str = "STORE_KILL_SEED";
const KILLS: u64 = 20;
/// Generous, because the machine may be busy; nothing waits so long when all is well.
const PATIENCE: Duration = Duration::from_secs(60);

const NAME: &str = "killed_at_any_moment_a_store_leaves_one_torn_frame_at_most";

#[test]
fn killed_at_any_moment_a_store_leaves_one_torn_frame_at_most() {
    if let Some(path) = std::env::var_os(FILE) {
        write_for_ever(path.into());
    }
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let seed =
        std::env::var(SEED).map_or_else(|_| u64::from(clock.subsec_nanos()), |seed| seed.parse().unwrap());
    println!("{SEED}={seed}");
    let mut random = seed | 1;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("capture.fstrm");
    let (mut frames, mut torn) = (0, 0);
    for kill in 0..KILLS {
        let len = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
        let until = len + below(&mut random, 1_500_000);
        let mut child = start(&path);
        let began = Instant::now();
        // Spins, so that the blow falls anywhere in a write.
        while std::fs::metadata(&path).map_or(0, |metadata| metadata.len()) <= until {
            assert!(began.elapsed() < PATIENCE, "nothing is written");
            core::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let (found, end) = read(&path);
        assert!(found >= frames, "kill {kill}: {found} frames after {frames}");
        frames = found;
        torn += u64::from(matches!(end, End::Truncated { .. }));
        assert_ne!(end, End::Stop, "kill {kill}");
    }
    println!("{KILLS} kills, {frames} frames, {torn} files torn");
}

fn start(path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME])
        .env(FILE, path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn now(began: Instant) -> Now {
    let micros = u64::try_from(began.elapsed().as_micros()).unwrap();
    Now {
        at: tinwire_time::Instant::from_micros(micros),
        wall: SystemTime::now(),
    }
}

/// Numbered frames, small ones that share a write and large ones that take several pages.
fn write_for_ever(path: PathBuf) -> ! {
    let began = Instant::now();
    let (mut number, _) = if path.exists() { read(&path) } else { (0, End::Eof) };
    let config = Config::new().content_type(ContentType::from_static(b"numbers").unwrap());
    let mut store = Store::open(Folder, path, config, now(began)).unwrap();
    let mut random = number * 2 + 1;
    loop {
        let mut wire = Vec::new();
        for _ in 0..=below(&mut random, 50) {
            let most = if below(&mut random, 10) == 0 { 60_000 } else { 300 };
            let len = 8 + usize::try_from(below(&mut random, most)).unwrap();
            wire.extend_from_slice(&u32::try_from(len).unwrap().to_be_bytes());
            wire.extend_from_slice(&number.to_be_bytes());
            wire.resize(wire.len() + len - 8, number.to_be_bytes()[7]);
            number += 1;
        }
        let run = Run::decode(&wire, FrameConfig::new()).unwrap();
        store.write_run(now(began), &run).unwrap();
        while store.poll_event().is_some() {}
    }
}

/// How many frames there are, each with its number and its filling, and how the file ends.
fn read(path: &Path) -> (u64, End) {
    let mut reader = FileReader::open(path, fstrm_codec::Config::new()).unwrap();
    let mut next = 0_u64;
    while let Some(payload) = reader.next_frame().unwrap() {
        let (number, filling) = payload.split_at(8);
        assert_eq!(number, next.to_be_bytes(), "frame {next}");
        assert!(filling.iter().all(|byte| *byte == number[7]), "frame {next}");
        next += 1;
    }
    (next, reader.end_of_stream().unwrap())
}

/// Xorshift: small and good enough.
fn below(random: &mut u64, limit: u64) -> u64 {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    random.wrapping_mul(0x2545_f491_4f6c_dd1d) % limit
}
