//! The collector, and what can be measured of it from outside.

use core::time::Duration;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::mpsc;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

use crate::PATIENCE;
use crate::place::{Place, finish, signal_to};

pub(crate) const TYPE: &str = "protobuf:dnstap.Dnstap";
/// Its words: frames of that type from the socket `s` to the file `out`, with metrics.
pub(crate) const WORDS: [&str; 11] = [
    "fstrm",
    "capture",
    "-t",
    TYPE,
    "-u",
    "s",
    "-w",
    "out",
    "--json",
    "--metrics",
    ":0",
];

/// A collector that runs; killed when it is dropped.
pub(crate) struct Collector {
    child: Option<Child>,
    lines: mpsc::Receiver<Value>,
    metrics: String,
    socket: PathBuf,
    file: PathBuf,
}

impl Collector {
    pub(crate) fn start(place: &Place, mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut collector = Self {
            lines: lines(&mut child),
            child: Some(child),
            metrics: String::new(),
            socket: place.path().join("s"),
            file: place.path().join("out"),
        };
        let url = collector.hears("metrics")["url"].as_str().unwrap().to_owned();
        let address = url.strip_prefix("http://").unwrap().split('/').next();
        address.unwrap().clone_into(&mut collector.metrics);
        collector
    }

    /// Waits for an event.
    pub(crate) fn hears(&self, event: &str) -> Value {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap();
            if line["type"] == event {
                return line;
            }
        }
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Where the frames go.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Memory of the process, in KiB.
    pub(crate) fn memory(&self, key: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// What the process has used of a processor.
    pub(crate) fn time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap();
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        // Fields 14 and 15, in hundredths of a second; the third is the first here.
        let ticks = fields.split(' ').skip(11).take(2);
        let ticks: u64 = ticks.map(|ticks| ticks.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 10)
    }

    /// A figure, added up over its labels.
    pub(crate) async fn figure(&self, name: &str) -> u64 {
        let mut stream = TcpStream::connect(&self.metrics).await.unwrap();
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await.unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).await.unwrap();
        assert!(page.lines().next().unwrap().ends_with(" 200 OK"), "{page}");
        let samples = page.lines().filter(|line| line.starts_with(name));
        samples
            .map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap())
            .sum()
    }

    /// Ends it as its owner would, and gives its summary.
    pub(crate) fn stop(mut self) -> Value {
        let child = self.child.take().unwrap();
        signal_to(&child, "TERM");
        finish(child).status(0);
        self.hears("summary")
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What it says, line by line, to the end.
fn lines(child: &mut Child) -> mpsc::Receiver<Value> {
    let (said, lines) = mpsc::channel();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    std::thread::spawn(move || {
        for line in stderr.lines() {
            // Nobody may listen any more.
            let _ = said.send(serde_json::from_str(&line.unwrap()).unwrap());
        }
    });
    lines
}

pub(crate) async fn connect(path: &Path) -> UnixStream {
    loop {
        match UnixStream::connect(path).await {
            Ok(stream) => return stream,
            // The backlog is full, or the socket is not there yet.
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}
