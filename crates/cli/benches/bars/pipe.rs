//! Replay into capture: ours, the C tools', and a copy that looks at nothing.

use core::time::Duration;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use crate::files::{TYPE, equal};
use crate::told;

const OURS: &str = env!("CARGO_BIN_EXE_tinwire");
const ROUNDS: usize = 5;
const PIECE: usize = 256 << 10;

/// Size of the payloads, how many of them, and what has to be reached: times the C tools, and of a bare copy.
const SIZES: [(usize, usize, f64, f64); 3] = [
    (64, 2_000_000, 5.0, 0.0),
    (256, 1_000_000, 5.0, 0.0),
    (4096, 100_000, 0.0, 0.7),
];

pub(crate) fn measure(folder: &Path) {
    for (size, count, times, share) in SIZES {
        let file = equal(folder, size, count);
        let rate = |seconds: f64| count as f64 / seconds;
        let ours = rate(best(|| {
            let socket = folder.join("ours");
            let address = format!("unix:{}", socket.display());
            let capture = words(&[
                OURS,
                "fstrm",
                "capture",
                "-q",
                "-t",
                TYPE,
                &address,
                "-w",
                "/dev/null",
            ]);
            let replay = words(&[OURS, "fstrm", "replay", "-q", "-t", TYPE, &address, "-r"]);
            through(capture, replay, &socket, &file)
        }));
        let theirs = rate(best(|| {
            let socket = folder.join("theirs");
            let at = socket.to_str().unwrap();
            let capture = words(&["fstrm_capture", "-t", TYPE, "-u", at, "-w", "/dev/null"]);
            let replay = words(&["fstrm_replay", "-t", TYPE, "-u", at, "-r"]);
            through(capture, replay, &socket, &file)
        }));
        let bare = rate(best(|| copy(&file)));
        let name = |what: &str| format!("{size:4} bytes, replay into capture: {what}");
        told(&name("frames"), "M/s", 0.0, ours / 1e6);
        told(
            &name("to fstrm_replay and fstrm_capture"),
            "times",
            times,
            ours / theirs,
        );
        told(&name("to a bare copy through a socket"), "", share, ours / bare);
        std::fs::remove_file(file).unwrap();
    }
}

fn best(mut seconds: impl FnMut() -> f64) -> f64 {
    (0..ROUNDS).map(|_| seconds()).fold(f64::INFINITY, f64::min)
}

fn words(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command
        .args(&words[1..])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Seconds from the start of the one that sends to its end: it ends when the other one has taken all.
fn through(mut capture: Command, mut replay: Command, socket: &Path, file: &Path) -> f64 {
    let mut capture = Running(capture.spawn().unwrap());
    while UnixStream::connect(socket).is_err() {
        assert!(capture.0.try_wait().unwrap().is_none(), "the collector is gone");
        thread::sleep(Duration::from_millis(5));
    }
    let begin = Instant::now();
    let status = replay.arg(file).status().unwrap();
    let seconds = begin.elapsed().as_secs_f64();
    assert!(status.success(), "{status}");
    drop(capture);
    // The C tool leaves its socket behind.
    let _ = std::fs::remove_file(socket);
    seconds
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn copy(file: &Path) -> f64 {
    let (mut near, mut far) = UnixStream::pair().unwrap();
    let mut input = File::open(file).unwrap();
    let begin = Instant::now();
    let taker = thread::spawn(move || {
        let mut output = File::create("/dev/null").unwrap();
        let mut piece = vec![0; PIECE];
        loop {
            match far.read(&mut piece).unwrap() {
                0 => return,
                len => output.write_all(&piece[..len]).unwrap(),
            }
        }
    });
    let mut piece = vec![0; PIECE];
    loop {
        match input.read(&mut piece).unwrap() {
            0 => break,
            len => near.write_all(&piece[..len]).unwrap(),
        }
    }
    drop(near);
    taker.join().unwrap();
    begin.elapsed().as_secs_f64()
}
