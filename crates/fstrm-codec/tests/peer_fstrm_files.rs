//! Files that `fstrm_capture` was killed over, mended, and gone on with: what `fstrm_dump` and `dnstap-ldns`
//! make of them.
#![cfg(unix)]
#![allow(clippy::disallowed_methods, reason = "processes live in real time")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]

use core::time::Duration;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Instant, SystemTime};

use fstrm_codec::file::{Cut, Info, repair};
use fstrm_codec::frame::FrameConfig;
use fstrm_codec::rotate::Now;
use fstrm_codec::store::{self, Folder, Store};
use fstrm_codec::{Config, ContentType, End, FileReader, FileWriter, Run};

/// Generous, because the machine may be busy; nothing waits so long when all is well.
const PATIENCE: Duration = Duration::from_secs(30);

const DNSTAP: &str = "protobuf:dnstap.Dnstap";

fn content_type() -> ContentType {
    ContentType::from_static(DNSTAP.as_bytes()).unwrap()
}

/// Files that `fstrm_capture` wrote: rotated, killed, flushed and killed.
fn captures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/fstrm/capture");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|suffix| suffix == "fstrm"))
        .collect();
    files.sort();
    assert!(files.len() >= 8, "{files:?}");
    files
}

fn info(path: &Path) -> Info {
    Info::read(&mut FileReader::open(path, Config::new()).unwrap())
}

fn mend(path: &Path) -> u64 {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    repair(file, FrameConfig::new(), Cut::Partial, io::sink())
        .unwrap()
        .frames
}

fn dump(path: &Path, words: &[&str]) -> Output {
    Command::new("fstrm_dump").arg(path).args(words).output().unwrap()
}

/// The tool takes the file as it is: its frames, and the same bytes again.
#[track_caller]
fn check_with_fstrm_dump(path: &Path, frames: u64) {
    let copy = path.with_extension("copy");
    let dumped = dump(path, &[copy.to_str().unwrap()]);
    assert!(dumped.status.success(), "{}", path.display());
    let said = String::from_utf8(dumped.stderr).unwrap();
    let counted = said.lines().filter(|line| line.starts_with("Data frame")).count() as u64;
    assert_eq!(counted, frames, "{}", path.display());
    assert!(said.ends_with("FSTRM_CONTROL_STOP.\n"), "{said}");
    assert_eq!(
        fs::read(path).unwrap(),
        fs::read(&copy).unwrap(),
        "{}",
        path.display()
    );
}

#[test]
#[ignore = "needs fstrm-bin: cargo xtask setup"]
fn fstrm_dump_copies_every_mended_capture_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let mut mended = 0;
    for capture in captures() {
        let path = dir.path().join(capture.file_name().unwrap());
        fs::copy(&capture, &path).unwrap();
        let before = info(&path);
        assert_eq!(mend(&path), before.frames);
        assert!(matches!(info(&path).end, Ok(End::Stop)));
        mended += u64::from(!matches!(before.end, Ok(End::Stop)));
        check_with_fstrm_dump(&path, before.frames);
    }
    println!("{mended} files were cut or open");
    assert!(mended >= 2, "killed_mid_frame and hup_then_kill among them");
}

#[test]
#[ignore = "needs fstrm-bin: cargo xtask setup"]
fn fstrm_dump_reads_what_a_store_appended_to_a_killed_capture() {
    let dir = tempfile::tempdir().unwrap();
    for capture in captures() {
        let path = dir.path().join(capture.file_name().unwrap());
        fs::copy(&capture, &path).unwrap();
        let before = info(&path).frames;
        let now = Now {
            at: tinwire_time::Instant::ZERO,
            wall: SystemTime::now(),
        };
        let config = store::Config::new().content_type(content_type());
        let mut store = Store::open(Folder, path.clone(), config, now).unwrap();
        let wire = b"\0\0\0\x05hello\0\0\0\x05again";
        store
            .write_run(now, &Run::decode(wire, FrameConfig::new()).unwrap())
            .unwrap();
        store.close(now).unwrap();
        check_with_fstrm_dump(&path, before + 2);
    }
}

#[test]
#[ignore = "needs fstrm-bin: cargo xtask setup"]
fn a_capture_killed_right_now_is_mended_and_replayed() {
    let dir = tempfile::tempdir().unwrap();
    let (source, socket) = (dir.path().join("source.fstrm"), dir.path().join("socket"));
    let path = dir.path().join("capture.fstrm");
    let mut writer = FileWriter::create_new(&source, Some(&content_type())).unwrap();
    for number in 0..5_000_u32 {
        writer.write_frame(&number.to_be_bytes().repeat(25)).unwrap();
    }
    writer.finish().unwrap();
    let start = |file: &Path| {
        let words = [
            "-t",
            DNSTAP,
            "-u",
            socket.to_str().unwrap(),
            "-w",
            file.to_str().unwrap(),
        ];
        let capture = Command::new("fstrm_capture").args(words).spawn().unwrap();
        let began = Instant::now();
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            assert!(began.elapsed() < PATIENCE, "fstrm_capture does not listen");
            std::thread::yield_now();
        }
        capture
    };
    let replay = |file: &Path| {
        let words = [
            "-t",
            DNSTAP,
            "-u",
            socket.to_str().unwrap(),
            "-r",
            file.to_str().unwrap(),
        ];
        assert!(
            Command::new("fstrm_replay")
                .args(words)
                .status()
                .unwrap()
                .success()
        );
    };
    let mut capture = start(&path);
    replay(&source);
    // The end is in its buffer, for 4 KiB are not full: killed, it leaves a torn frame.
    capture.kill().unwrap();
    capture.wait().unwrap();
    let before = info(&path);
    assert!(matches!(before.end, Ok(End::Truncated { .. })), "{before:?}");
    assert_eq!(mend(&path), before.frames);
    check_with_fstrm_dump(&path, before.frames);

    fs::remove_file(&socket).unwrap();
    let again = dir.path().join("again.fstrm");
    let mut capture = start(&again);
    replay(&path);
    let stopped = Command::new("kill")
        .args(["-INT", &capture.id().to_string()])
        .status();
    assert!(stopped.unwrap().success() && capture.wait().unwrap().success());
    assert_eq!(fs::read(&again).unwrap(), fs::read(&path).unwrap());
}

#[test]
#[ignore = "needs dnstap-ldns: cargo xtask setup"]
fn dnstap_ldns_reads_a_mended_capture_of_dnstap() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cut.fstrm");
    let whole = include_bytes!("../../../examples/data/unbound.fstrm");
    let lines = |path: &Path| {
        let read = Command::new("dnstap-ldns")
            .arg("-q")
            .arg("-r")
            .arg(path)
            .output()
            .unwrap();
        assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
        u64::try_from(String::from_utf8(read.stdout).unwrap().lines().count()).unwrap()
    };
    // Everywhere within the last two frames, and the borders between them.
    for cut in (0..400).step_by(7) {
        File::create(&path)
            .unwrap()
            .write_all(&whole[..whole.len() - cut])
            .unwrap();
        let frames = mend(&path);
        assert_eq!(lines(&path), frames, "{cut} bytes are missing");
    }
}
