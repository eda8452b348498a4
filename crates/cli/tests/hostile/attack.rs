//! Two thousand connections that mean ill.

use core::time::Duration;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::task::JoinSet;

use crate::collector::{Collector, WORDS, connect};
use crate::honest::{FRAMES, numbers, ready, round, start};
use crate::place::Place;
use crate::{PATIENCE, TURN, within_limits};

const HOSTILE: u64 = 2_000;
/// Ends of sessions that each kind of enemy brings about.
const REASONS: [&str; 4] = ["malformed", "protocol", "handshake_timeout", "memory"];
/// 64 MiB for incomplete frames and half as much for reading, 16 MiB of batches, 8 KiB and a task for each
/// connection, the recorder's write, and as much again for what allocators keep.
const MAX_GROWTH_KIB: u64 = 256 * 1024;

/// What they send.
struct Arsenal {
    handshake: Vec<u8>,
    /// Almost a whole frame of 1 MiB.
    almost: Vec<u8>,
    /// A length near 2^32.
    huge: Vec<u8>,
    /// Every stream that the readers in the field refuse, fall over, or take for something else.
    streams: Vec<Vec<u8>>,
}

impl Arsenal {
    fn new() -> Self {
        let handshake = [ready(), start()].concat();
        let streams = streams().into_iter().map(|stream| [ready(), stream].concat());
        Self {
            almost: [&handshake[..], &[0, 0x10, 0, 0], &[7; (1 << 20) - 64]].concat(),
            huge: [&handshake[..], &[0xff, 0xff, 0xff, 0xf8], &[7; 4096]].concat(),
            streams: streams.collect(),
            handshake,
        }
    }
}

/// What one of them does, again and again, for as long as it is let.
async fn hostile(path: PathBuf, number: usize, arsenal: Arc<Arsenal>) {
    loop {
        let mut stream = connect(&path).await;
        // That the collector hangs up is what is wanted.
        let _ = match number % 5 {
            // And then nothing.
            0 => stream.write_all(&arsenal.almost).await,
            1 => stream.write_all(&arsenal.huge).await,
            // A handshake, a byte at a time.
            2 => drip(&mut stream, &arsenal.handshake).await,
            // A frame, a byte at a time.
            3 => {
                let begun = [&arsenal.handshake[..], &[0, 0, 0xff, 0]].concat();
                let _ = stream.write_all(&begun).await;
                drip(&mut stream, &[7; 100]).await
            }
            _ => {
                let streams = &arsenal.streams;
                stream.write_all(&streams[number / 5 % streams.len()]).await
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_hostile_connections_neither_bloat_nor_stop_it() {
    let _turn = TURN.lock().await;
    let enemies = within_limits(HOSTILE);
    let place = Place::new();
    let collector = Collector::start(&place, place.command(&WORDS));
    let alone = round(collector.socket(), 0).await;
    let before = collector.memory("VmRSS");

    let arsenal = Arc::new(Arsenal::new());
    let mut attack = JoinSet::new();
    for number in 0..usize::try_from(enemies).unwrap() {
        let socket = collector.socket().to_owned();
        attack.spawn(hostile(socket, number, Arc::clone(&arsenal)));
    }
    let all_came = async {
        while collector.figure("tinwire_fstrm_sessions_total").await <= enemies {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, all_came).await.unwrap();
    let first = round(collector.socket(), FRAMES).await;
    // Until those that hold memory hold it, and slow handshakes are too slow.
    let all_are_at_it = async {
        for reason in REASONS {
            let name = format!("tinwire_fstrm_errors_total{{reason=\"{reason}\"}}");
            while collector.figure(&name).await == 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    };
    tokio::time::timeout(PATIENCE, all_are_at_it).await.unwrap();
    let second = round(collector.socket(), 2 * FRAMES).await;
    let during = collector.memory("VmHWM");
    attack.shutdown().await;
    let after_alone = round(collector.socket(), 3 * FRAMES).await;
    let after = collector.memory("VmRSS");
    let file = collector.file().to_owned();
    let summary = collector.stop();

    println!("{enemies} hostile connections");
    println!("memory: {before} KiB before, {during} KiB at most, {after} KiB after");
    println!(
        "honest sender: {alone:.0} frames/s alone, {first:.0} and {second:.0} under attack, \
         {after_alone:.0} after"
    );
    println!("{summary}");
    assert!(during < before + MAX_GROWTH_KIB, "{during} KiB");
    assert!(numbers(&file).into_iter().eq(0..4 * FRAMES));
    for reason in REASONS {
        assert!(
            summary["failed"][reason].as_u64() > Some(0),
            "{reason}: {summary}"
        );
    }
}
