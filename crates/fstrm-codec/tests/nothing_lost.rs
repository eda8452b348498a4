//! A million numbered frames, while everything happens to the collector that can happen to one.
//!
//! The collector is a process of its own: this program once more, told by [`FOLDER`] to be one. Faults come
//! by how far the frames are, not by the clock, so the verdict does not depend on how fast the machine is.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests may panic like tests"
)]

use core::num::NonZeroU64;
use core::time::Duration;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::SystemTime;

use fstrm_codec::collector::{self, Batches, Collector};
use fstrm_codec::endpoint::{DialConfig, Dialer, Endpoint, ListenConfig, Listener, Place};
use fstrm_codec::queue::{self, Delivery, Policy};
use fstrm_codec::rotate::Now;
use fstrm_codec::sender;
use fstrm_codec::store::{self, Folder, Store};
use fstrm_codec::{Config, End, FileReader, OwnedRun, blocking};
use tempfile::TempDir;
use tinwire_time::Instant;

/// Frames of each test.
const FRAMES: u64 = 1_000_000;
/// Bytes of a payload; the number is in the first eight.
const PAYLOAD: usize = 24;
/// Where a collector works; where it is set, this process is one.
const FOLDER: &str = "FSTRM_NOTHING_LOST_FOLDER";
const NAME: &str = "with_patience_and_confirmation_every_frame_arrives";
/// Far longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(120);

/// What is done to the collector.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// `kill -9`, and started again.
    Killed,
    /// The socket's file is removed under it, it is killed, and started again later.
    SocketRemoved,
    /// Files may not grow for a while.
    DiskFull,
    /// It is stopped for a while.
    Stalled,
}

/// A collector's process, and where it works.
struct Peer {
    folder: TempDir,
    child: Child,
}

impl Peer {
    fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let child = spawn(folder.path());
        Self { folder, child }
    }

    fn begin(&mut self, fault: Fault) {
        match fault {
            Fault::SocketRemoved => fs::remove_file(self.socket()).unwrap(),
            // A limit that is not 0 would let the store begin a file of another name.
            Fault::DiskFull => return self.limit_files("0"),
            Fault::Stalled => return self.signal("-STOP"),
            Fault::Killed => {}
        }
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn end(&mut self, fault: Fault) {
        match fault {
            Fault::Killed | Fault::SocketRemoved => self.child = spawn(self.folder.path()),
            Fault::DiskFull => self.limit_files("unlimited"),
            Fault::Stalled => self.signal("-CONT"),
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// Files with something in them; a store that cannot go on in one begins another.
    fn files(&self) -> impl Iterator<Item = (PathBuf, u64)> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        entries.filter_map(|entry| {
            let entry = entry.unwrap();
            let len = entry.metadata().map_or(0, |metadata| metadata.len());
            let is_file = entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "fstrm");
            (is_file && len > 0).then(|| (entry.path(), len))
        })
    }

    fn len(&self) -> u64 {
        self.files().map(|(_, len)| len).sum()
    }

    fn signal(&self, name: &str) {
        run(Command::new("kill").args([name, &self.child.id().to_string()]));
    }

    fn limit_files(&self, limit: &str) {
        let (pid, limit) = (self.child.id().to_string(), format!("--fsize={limit}:"));
        run(Command::new("prlimit").args(["--pid", &pid, &limit]));
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(command: &mut Command) {
    let status = command
        .status()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}

fn spawn(folder: &Path) -> Child {
    // A file that would grow beyond its limit is an error to be dealt with, not the end.
    let words = ["-c", "trap '' XFSZ; exec \"$0\" \"$@\""];
    Command::new("sh")
        .args(words)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(FOLDER, folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Records what comes to `socket` in this folder.
fn collect_for_ever(folder: PathBuf) -> ! {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let endpoint = Endpoint::new(Place::Unix(folder.join("socket")));
        let listener = Listener::bind(&endpoint, ListenConfig::new()).await.unwrap();
        let (collector, batches) = Collector::spawn(collector::Config::new());
        collector.listen(listener);
        let record = move || record(batches, folder.join("frames.fstrm"));
        let recorded = tokio::task::spawn_blocking(record).await;
        panic!("it records until somebody kills it: {recorded:?}")
    })
}

/// Writes every batch to the file, whatever the disk says, and confirms it only then.
fn record(mut batches: Batches, path: PathBuf) {
    let config = store::Config::new().retry(Duration::from_millis(5), Duration::from_millis(50));
    let mut store = Store::open(Folder, path, config, now()).unwrap();
    while let Some(batch) = batches.blocking_next() {
        while store.write_run(now(), &batch.run.as_run()).is_err() {
            thread::sleep(Duration::from_millis(1));
        }
        store.flush(now());
        while store.confirmed() < store.accepted() {
            thread::sleep(Duration::from_millis(1));
            store.handle_timeout(now());
        }
        batch.confirm();
    }
}

fn now() -> Now {
    let wall = SystemTime::now();
    let micros = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros();
    Now {
        at: Instant::from_micros(u64::try_from(micros).unwrap()),
        wall,
    }
}

/// Waits until something is so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let since = SystemTime::now();
    while !is_so() {
        assert!(
            since.elapsed().unwrap_or_default() < LIMIT,
            "waited in vain: {what}"
        );
        thread::sleep(Duration::from_millis(2));
    }
}

fn sender(peer: &Peer, policy: Policy, delivery: Delivery) -> blocking::Sender {
    let dialer = Dialer::new(&Endpoint::new(Place::Unix(peer.socket())), DialConfig::new()).unwrap();
    let queue = queue::Config::new()
        .max_bytes(NonZeroU64::new(256 << 10).unwrap())
        .window_bytes(1 << 20)
        .policy(policy)
        .delivery(delivery);
    let config = sender::Config::new()
        .queue(queue)
        .backoff(Duration::from_millis(5), Duration::from_millis(100))
        .shutdown_timeout(LIMIT);
    blocking::Sender::spawn(dialer, config).unwrap()
}

/// Sends these numbers, half of them one by one and half as runs.
fn produce(sender: &blocking::Sender, numbers: core::ops::Range<u64>) {
    let payload = |number: u64| {
        let mut payload = [0xA5; PAYLOAD];
        payload[..8].copy_from_slice(&number.to_be_bytes());
        payload
    };
    let mut next = numbers.start;
    while next < numbers.end {
        for number in next..next + 500 {
            sender.send(payload(number).to_vec().into()).unwrap();
        }
        let payloads: Vec<_> = (next + 500..next + 1000).map(payload).collect();
        let run = OwnedRun::encode(
            payloads.iter().map(|payload| &payload[..]),
            fstrm_codec::FrameConfig::new(),
        );
        sender.send_run(run.unwrap()).unwrap();
        next += 1000;
    }
}

const FAULTS: [Fault; 8] = [
    Fault::Killed,
    Fault::DiskFull,
    Fault::Stalled,
    Fault::SocketRemoved,
    Fault::Killed,
    Fault::Stalled,
    Fault::DiskFull,
    Fault::Killed,
];

/// How often each frame is in the files.
fn count(peer: &Peer) -> Vec<u8> {
    let mut counts = vec![0_u8; usize::try_from(FRAMES).unwrap()];
    for (path, _) in peer.files() {
        let mut reader = FileReader::open(&path, Config::new()).unwrap();
        while let Some(payload) = reader.next_frame().unwrap() {
            assert_eq!(payload.len(), PAYLOAD);
            let number = u64::from_be_bytes(*payload.first_chunk().unwrap());
            counts[usize::try_from(number).unwrap()] += 1;
        }
        let end = reader.end_of_stream();
        assert!(
            matches!(end, Some(End::Eof | End::Stop)),
            "{}: {end:?}",
            path.display()
        );
    }
    counts
}

#[test]
fn with_patience_and_confirmation_every_frame_arrives() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        collect_for_ever(folder.into());
    }
    let mut peer = Peer::start();
    let sender = sender(&peer, Policy::Block, Delivery::Confirmed);
    let producer = thread::spawn({
        let sender = sender.clone();
        move || produce(&sender, 0..FRAMES)
    });
    for fault in FAULTS {
        let before = peer.len();
        until("frames go into the file", || peer.len() > before + 100_000);
        peer.begin(fault);
        until("the sender waits for the collector", || {
            let before = sender.stats().frames;
            thread::sleep(Duration::from_millis(20));
            let after = sender.stats().frames;
            after.queued_bytes > 128 << 10 && (after.offered, after.sent) == (before.offered, before.sent)
        });
        assert!(sender.stats().frames.offered < FRAMES, "the fault came too late");
        peer.end(fault);
    }
    producer.join().unwrap();
    let report = sender.close();
    let frames = report.stats.frames;
    assert!(report.is_complete() && report.finished, "{report:?}");
    assert_eq!(
        (frames.offered, frames.sent, frames.dropped.frames()),
        (FRAMES, FRAMES, 0)
    );
    let counts = count(&peer);
    let missing = counts.iter().filter(|count| **count == 0).count();
    let again: u64 = counts
        .iter()
        .map(|count| u64::from(count.saturating_sub(1)))
        .sum();
    println!(
        "{FRAMES} frames, {missing} missing, {again} more than once; {} streams, {} lost, {} sent again",
        report.stats.connected, report.stats.lost, frames.resent
    );
    assert_eq!(missing, 0);
    assert!(again <= frames.resent);
}

/// Offers all frames, half of them while a fault lasts. Gives how many were sent, how many arrived,
/// and how often each.
fn drop_some(policy: Policy, faults: &[Fault]) -> (u64, u64, Vec<u8>) {
    let mut peer = Peer::start();
    let sender = sender(&peer, policy, Delivery::Written);
    let each = FRAMES / u64::try_from(faults.len()).unwrap();
    for (fault, part) in faults.iter().zip(0..) {
        let (from, half) = (part * each, (part * each + each / 2) / 1000 * 1000);
        produce(&sender, from..half);
        sender.flush().unwrap();
        peer.begin(*fault);
        produce(&sender, half..from + each);
        peer.end(*fault);
    }
    let report = sender.close();
    assert!(report.finished, "{report:?}");
    let frames = report.stats.frames;
    let dropped = frames.dropped.frames();
    assert_eq!(
        (frames.offered, frames.sent + dropped),
        (FRAMES, FRAMES),
        "{report:?}"
    );
    assert!(dropped > 0 && frames.dropped.shutdown == 0, "{report:?}");
    let counts = count(&peer);
    let arrived: u64 = counts.iter().map(|count| u64::from(*count)).sum();
    println!(
        "{policy:?} {faults:?}: {} sent, {dropped} dropped, {arrived} arrived",
        frames.sent
    );
    assert!(counts.iter().all(|count| *count <= 1), "no frame twice");
    (frames.sent, arrived, counts)
}

#[test]
fn what_is_dropped_is_counted_exactly() {
    for policy in [Policy::DropNewest, Policy::DropOldest] {
        // What lay in the socket of a collector that was killed was sent, and has not arrived.
        let (sent, arrived, _) = drop_some(policy, &FAULTS);
        assert!(arrived <= sent);
    }
}

#[test]
fn a_collector_that_only_hesitates_has_all_that_was_not_dropped() {
    let faults = [Fault::Stalled, Fault::DiskFull, Fault::Stalled, Fault::DiskFull];
    for policy in [Policy::DropNewest, Policy::DropOldest] {
        let (sent, arrived, counts) = drop_some(policy, &faults);
        assert_eq!(arrived, sent);
        // Pushed out was only what is older than what came last.
        assert!(policy == Policy::DropNewest || counts.last() == Some(&1));
    }
}
