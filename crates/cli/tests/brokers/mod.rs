//! What the tests with brokers share: frames, the command, and the readers of `docs/brokers.md`.
#![allow(dead_code, reason = "each test file uses some of it")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "as tests"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use fstrm_codec::ControlFrame;

/// The Python that `cargo xtask setup` has prepared.
pub(crate) fn python() -> PathBuf {
    std::env::var_os("TINWIRE_PYTHON_STREAMS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/venv-streams/bin/python"),
        PathBuf::from,
    )
}

/// Sends a signal, by the name that `kill` knows.
pub(crate) fn signal(process: &Child, name: &str) {
    let pid = process.id().to_string();
    let killed = Command::new("kill").args([name, &pid]).status().unwrap();
    assert!(killed.success());
}

/// A process that ends with the test.
pub(crate) struct Guarded(pub(crate) Child);

impl Guarded {
    /// As `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) const CONTENT_TYPE: &[u8] = b"test:numbers";

/// A frame of about 100 bytes that holds its number.
pub(crate) fn numbered(number: u64) -> Vec<u8> {
    format!("{number:0100}").into_bytes()
}

pub(crate) fn write_start(out: &mut impl Write, content_type: &[u8]) {
    out.write_all(ControlFrame::start(Some(content_type)).unwrap().as_bytes())
        .unwrap();
}

pub(crate) fn write_frame(out: &mut impl Write, payload: &[u8]) {
    let len = u32::try_from(payload.len()).unwrap();
    out.write_all(&len.to_be_bytes()).unwrap();
    out.write_all(payload).unwrap();
}

pub(crate) fn write_stop(out: &mut impl Write) {
    out.write_all(ControlFrame::stop().as_bytes()).unwrap();
    out.flush().unwrap();
}

/// The value of a figure on a page for Prometheus.
pub(crate) fn figure(page: &str, name: &str) -> u64 {
    let line = page.lines().find(|line| line.starts_with(name));
    let line = line.unwrap_or_else(|| panic!("no {name} in {page}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// `tinwire fstrm relay`, or `tinwire dnstap relay`, at work.
pub(crate) struct Relay {
    pub(crate) process: Guarded,
    remarks: BufReader<std::process::ChildStderr>,
    told: String,
}

impl Relay {
    pub(crate) fn start(input: &str, output: &str, more: &[&str]) -> Self {
        Self::of("fstrm", input, output, more)
    }

    /// The relay of one of the two nouns.
    pub(crate) fn of(noun: &str, input: &str, output: &str, more: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tinwire"))
            .args([noun, "relay", input, output])
            .args(more)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let remarks = BufReader::new(child.stderr.take().unwrap());
        Self {
            process: Guarded(child),
            remarks,
            told: String::new(),
        }
    }

    /// Waits until it says this.
    pub(crate) fn wait_for(&mut self, words: &str) {
        while !self.told.contains(words) {
            let read = self.remarks.read_line(&mut self.told).unwrap();
            assert!(read > 0, "ended without {words:?}: {}", self.told);
        }
    }

    /// Where it shows its figures: it was started with `--metrics :0`, and what it is told.
    pub(crate) fn figures(&mut self) -> String {
        self.wait_for("/metrics");
        let place = self.told.split("http://").nth(1).unwrap();
        let place = place.split('/').next().unwrap();
        let mut stream = TcpStream::connect(place).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        page
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(&self.process.0, name);
    }

    /// Gives it a stream of these frames, and waits for its end.
    pub(crate) fn feed_and_end(mut self, content_type: &[u8], frames: &[Vec<u8>]) -> (Option<i32>, String) {
        let mut input = self.process.0.stdin.take().unwrap();
        write_start(&mut input, content_type);
        for frame in frames {
            write_frame(&mut input, frame);
        }
        write_stop(&mut input);
        drop(input);
        self.end()
    }

    /// Waits for its end: the exit status and all that it said.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        drop(self.process.0.stdin.take());
        self.remarks.read_to_string(&mut self.told).unwrap();
        (
            self.process.0.wait().unwrap().code(),
            core::mem::take(&mut self.told),
        )
    }
}

/// Runs the reader that `docs/brokers.md` shows, and gives back what it prints: number and payload of each
/// message.
pub(crate) fn read_back(which: &str, arguments: &[&str]) -> Vec<(u64, Vec<u8>)> {
    let page = include_str!("../../../../docs/brokers.md");
    let code = page.split(&format!("```python {which}\n")).nth(1).unwrap();
    let code = code.split("```").next().unwrap();
    let output = Command::new(python())
        .args(["-c", code])
        .args(arguments)
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| {
            let (number, payload) = line.split_once(' ').unwrap();
            (number.parse().unwrap(), testkit::vectors::hex(payload))
        })
        .collect()
}
