//! A collector under attack: 2,000 connections that mean ill, and one sender that does not.
//!
//! Prints the process's memory and the honest sender's speed with and without the attack; asserts that memory
//! stays within what the limits add up to, and that every honest frame is in the file, once and in order.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests may panic like tests, and figures are for people"
)]

#[path = "cli/place.rs"]
mod place;

use core::time::Duration;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::mpsc;
use std::time::Instant;

use fstrm_codec::file::Sequences;
use fstrm_codec::{Config, FileReader};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use place::{Place, finish, signal_to};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;

const TYPE: &str = "protobuf:dnstap.Dnstap";
const HOSTILE: u64 = 2_000;
const FRAMES: u64 = 30_000;
/// Ends of sessions that each kind of enemy brings about.
const REASONS: [&str; 4] = ["malformed", "protocol", "handshake_timeout", "memory"];
/// Longer than anything takes here.
const PATIENCE: Duration = Duration::from_secs(300);
/// What an honest payload begins with; its number follows.
const MARK: &[u8] = b"honest frame ";
const PAYLOAD_LEN: usize = 256;
/// 64 MiB for incomplete frames and half as much for reading, 16 MiB of batches, 8 KiB and a task for each
/// connection, the recorder's write, and as much again for what allocators keep.
const MAX_GROWTH_KIB: u64 = 256 * 1024;

/// A control frame that names the type.
fn control(kind: u8) -> Vec<u8> {
    let len = u8::try_from(TYPE.len()).unwrap();
    let head = [
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        12 + len,
        0,
        0,
        0,
        kind,
        0,
        0,
        0,
        1,
        0,
        0,
        0,
        len,
    ];
    [&head, TYPE.as_bytes()].concat()
}

fn ready() -> Vec<u8> {
    control(4)
}

fn start() -> Vec<u8> {
    control(2)
}

const STOP: &[u8] = b"\0\0\0\0\0\0\0\x04\0\0\0\x03";
const FINISH: &[u8] = b"\0\0\0\0\0\0\0\x04\0\0\0\x05";

/// Memory of a process, in KiB.
fn memory(id: u32, key: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

async fn connect(path: &Path) -> UnixStream {
    loop {
        match UnixStream::connect(path).await {
            Ok(stream) => return stream,
            // The backlog is full, or the socket is not there yet.
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

/// Sends numbered frames from `first` on and waits for FINISH; frames a second.
async fn honest(path: &Path, first: u64) -> f64 {
    let begin = Instant::now();
    let mut stream = connect(path).await;
    stream.write_all(&[ready(), start()].concat()).await.unwrap();
    let mut wire = Vec::new();
    for number in first..first + FRAMES {
        let mut payload = [MARK, &number.to_be_bytes()].concat();
        payload.resize(PAYLOAD_LEN, 7);
        wire.extend(u32::try_from(payload.len()).unwrap().to_be_bytes());
        wire.extend(payload);
        if wire.len() > 60_000 {
            stream.write_all(&wire).await.unwrap();
            wire.clear();
        }
    }
    wire.extend(STOP);
    stream.write_all(&wire).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.ends_with(FINISH));
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let speed = FRAMES as f64 / begin.elapsed().as_secs_f64();
    speed
}

/// What one of them does, again and again, for as long as it is let.
async fn hostile(path: PathBuf, number: u64, streams: Vec<Vec<u8>>) {
    loop {
        let mut stream = connect(&path).await;
        let number = usize::try_from(number).unwrap();
        let handshake = [ready(), start()].concat();
        // That the collector hangs up is what is wanted.
        let _ = match number % 5 {
            // Almost a whole frame of 1 MiB, and then nothing.
            0 => {
                let almost = [&handshake[..], &[0, 0x10, 0, 0], &vec![7; (1 << 20) - 64]].concat();
                stream.write_all(&almost).await
            }
            // A length near 2^32.
            1 => {
                let huge = [&handshake[..], &[0xff, 0xff, 0xff, 0xf8], &[7; 4096]].concat();
                stream.write_all(&huge).await
            }
            // A handshake, a byte at a time.
            2 => drip(&mut stream, &handshake).await,
            // A frame, a byte at a time.
            3 => {
                let _ = stream
                    .write_all(&[&handshake[..], &[0, 0, 0xff, 0]].concat())
                    .await;
                drip(&mut stream, &[7; 100]).await
            }
            // Every stream that the readers in the field refuse, fall over, or take for something else.
            _ => {
                let said = &streams[number / 5 % streams.len()];
                stream.write_all(&[ready(), said.clone()].concat()).await
            }
        };
        let mut answer = [0; 64];
        let limit = Duration::from_secs(2);
        while let Ok(Ok(1..)) = tokio::time::timeout(limit, stream.read(&mut answer)).await {}
    }
}

async fn drip(stream: &mut UnixStream, bytes: &[u8]) -> std::io::Result<()> {
    for byte in bytes {
        stream.write_all(&[*byte]).await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// The streams of the vectors.
fn streams() -> Vec<Vec<u8>> {
    let folder = std::env::var_os("TINWIRE_VECTORS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../fstrm-codec/tests/vectors"),
        PathBuf::from,
    );
    let text = fs::read(folder.join("fstrm/streams.json")).unwrap();
    let file: Value = serde_json::from_slice(&text).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    vectors.iter().map(|vector| stream(&vector["input"])).collect()
}

fn stream(input: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    for segment in input.as_array().unwrap() {
        if let Some(hex) = segment["hex"].as_str() {
            let digits = hex.as_bytes().chunks(2);
            bytes.extend(
                digits.map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap()),
            );
        } else {
            let fill = u8::from_str_radix(segment["fill"].as_str().unwrap(), 16).unwrap();
            let count = usize::try_from(segment["count"].as_u64().unwrap()).unwrap();
            bytes.resize(bytes.len() + count, fill);
        }
    }
    bytes
}

/// The numbers of the honest frames in the file, in order.
fn numbers(path: &Path) -> Vec<u64> {
    let reader = FileReader::new(fs::File::open(path).unwrap(), Config::new()).unwrap();
    let mut reader = reader.sequences(Sequences::Concatenated);
    let mut numbers = Vec::new();
    while let Some(payload) = reader.next_frame().unwrap() {
        if let Some(rest) = payload.strip_prefix(MARK) {
            numbers.push(u64::from_be_bytes(rest[..8].try_into().unwrap()));
        }
    }
    numbers
}

/// What the collector says, line by line, to the end.
fn lines(child: &mut Child) -> mpsc::Receiver<Value> {
    let (said, lines) = mpsc::channel();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    std::thread::spawn(move || {
        for line in stderr.lines() {
            let _ = said.send(serde_json::from_str(&line.unwrap()).unwrap());
        }
    });
    lines
}

/// A figure of the collector's, added up over its labels.
async fn figure(address: &str, name: &str) -> u64 {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await.unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).await.unwrap();
    let samples = page.lines().filter(|line| line.starts_with(name));
    samples
        .map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap())
        .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_hostile_connections_neither_bloat_nor_stop_it() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most.min(16_384), most).unwrap();
    // With fewer descriptors there are fewer enemies; they are still many.
    let enemies = HOSTILE.min(most.saturating_sub(200) / 2);

    let place = Place::new();
    let words = [
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
    let mut child = place.command(&words).spawn().unwrap();
    let lines = lines(&mut child);
    let address = loop {
        let line = lines.recv_timeout(PATIENCE).unwrap();
        if let Some(url) = line["url"].as_str() {
            break url
                .strip_prefix("http://")
                .unwrap()
                .split('/')
                .next()
                .unwrap()
                .to_owned();
        }
    };
    let (id, path) = (child.id(), place.path().join("s"));
    let alone = honest(&path, 0).await;
    let before = memory(id, "VmRSS");

    let streams = streams();
    let mut attack = JoinSet::new();
    for number in 0..enemies {
        attack.spawn(hostile(path.clone(), number, streams.clone()));
    }
    // Until they have come, those that hold memory hold it, and slow handshakes are too slow.
    let all_are_at_it = async {
        while figure(&address, "tinwire_fstrm_sessions_total").await <= enemies {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for reason in REASONS {
            let name = format!("tinwire_fstrm_errors_total{{reason=\"{reason}\"}}");
            while figure(&address, &name).await == 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    };
    tokio::time::timeout(PATIENCE, all_are_at_it).await.unwrap();
    let mut attacked = Vec::new();
    for round in 1..=2 {
        attacked.push(honest(&path, round * FRAMES).await);
    }
    let during = memory(id, "VmHWM");
    attack.shutdown().await;
    let after_alone = honest(&path, 3 * FRAMES).await;
    let after = memory(id, "VmRSS");
    signal_to(&child, "TERM");
    finish(child).status(0);
    let summary = lines.iter().last().unwrap();

    println!("{enemies} hostile connections");
    println!("memory: {before} KiB before, {during} KiB at most, {after} KiB after");
    println!("honest sender: {alone:.0} frames/s alone, {attacked:.0?} under attack, {after_alone:.0} after");
    println!("{summary}");
    assert!(during < before + MAX_GROWTH_KIB, "{during} KiB");
    assert!(numbers(&place.path().join("out")).into_iter().eq(0..4 * FRAMES));
    for reason in REASONS {
        assert!(
            summary["failed"][reason].as_u64() > Some(0),
            "{reason}: {summary}"
        );
    }
}
