//! A million numbered frames through the command, while everything happens to it that can happen to one.
//!
//! Faults come by how far the frames are, not by the clock: a producer has leave for so many frames, and
//! what it may send during a fault is more than all queues hold. The verdict does not depend on how fast the
//! machine is.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests may panic like tests, and figures are for people"
)]

#[path = "nothing_lost/files.rs"]
mod files;
#[path = "nothing_lost/peer.rs"]
mod peer;
#[path = "cli/place.rs"]
mod place;
#[path = "nothing_lost/producer.rs"]
mod producer;

use files::{Counts, count};
use fstrm_codec::queue::{Delivery, Policy};
use peer::{Guard, Peer, until};
use place::{Place, finish};
use producer::Producer;
use serde_json::Value;

/// Frames of each test.
const FRAMES: u64 = 1_000_000;
/// What the frames are called.
const TYPE: &str = "numbers";

/// What is done to the collector.
#[derive(Clone, Copy, Debug, PartialEq)]
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

const FAULTS: [Fault; 10] = [
    Fault::Killed,
    Fault::DiskFull,
    Fault::Stalled,
    Fault::SocketRemoved,
    Fault::Killed,
    Fault::DiskFull,
    Fault::Killed,
    Fault::Stalled,
    Fault::DiskFull,
    Fault::Killed,
];

impl Fault {
    fn begin(self, peer: &mut Peer<'_>) {
        match self {
            Self::SocketRemoved => {
                peer.remove_socket();
                peer.kill();
            }
            Self::Killed => peer.kill(),
            // A limit that is not 0 would let the store begin a file of another name.
            Self::DiskFull => peer.limit_files("0"),
            Self::Stalled => peer.signal("STOP"),
        }
    }

    fn end(self, peer: &mut Peer<'_>) {
        match self {
            Self::Killed | Self::SocketRemoved => peer.start(),
            Self::DiskFull => peer.limit_files("unlimited"),
            Self::Stalled => peer.signal("CONT"),
        }
    }
}

fn capture<'a>(place: &'a Place, more: &[&'a str]) -> Peer<'a> {
    let words = ["fstrm", "capture", "-t", TYPE, "-u", "s", "-w", "out.fstrm"];
    Peer::new(place, "s", &[&words, more].concat())
}

#[test]
fn with_patience_and_confirmation_every_frame_is_in_the_files() {
    let place = Place::new();
    let mut peer = capture(&place, &[]);
    let producer = Producer::start(&place, Policy::Block, Delivery::Confirmed);
    let each = FRAMES / FAULTS.len() as u64;
    for (fault, end) in FAULTS.into_iter().zip((1..).map(|part| part * each)) {
        let before = files::len(&place);
        producer.may_offer(end - each / 2);
        until("frames go into the file", || {
            files::len(&place) > before + 100_000
        });
        fault.begin(&mut peer);
        producer.may_offer(end);
        until("the sender waits for the collector", || producer.is_stuck());
        fault.end(&mut peer);
    }
    let report = producer.finish();
    let told = peer.end();
    let frames = report.stats.frames;
    assert!(report.is_complete() && report.finished, "{report:?}\n{told}");
    assert_eq!(
        (frames.offered, frames.sent, frames.dropped.frames()),
        (FRAMES, FRAMES, 0)
    );
    let Counts {
        missing,
        again,
        files,
    } = count(&place);
    println!(
        "{FRAMES} frames in {files} files: {missing} missing, {again} more than once; {} streams, {} lost, \
         {} sent again",
        report.stats.connected, report.stats.lost, frames.resent
    );
    assert_eq!(missing, 0, "{told}");
    assert!(again <= frames.resent, "{told}");
}

#[test]
fn what_is_dropped_is_counted_exactly() {
    for policy in [Policy::DropNewest, Policy::DropOldest] {
        let place = Place::new();
        let mut peer = capture(&place, &[]);
        let producer = Producer::start(&place, policy, Delivery::Written);
        let each = FRAMES / FAULTS.len() as u64;
        for (fault, end) in FAULTS.into_iter().zip((1..).map(|part| part * each)) {
            producer.offer_and_flush(end - each / 2);
            fault.begin(&mut peer);
            producer.offer(end);
            fault.end(&mut peer);
        }
        let report = producer.finish();
        let told = peer.end();
        let frames = report.stats.frames;
        let dropped = frames.dropped.frames();
        assert!(
            report.finished && frames.dropped.shutdown == 0,
            "{report:?}\n{told}"
        );
        assert_eq!((frames.offered, frames.sent + dropped), (FRAMES, FRAMES));
        assert!(dropped > 0, "{report:?}");
        let Counts { missing, again, .. } = count(&place);
        println!(
            "{policy:?}: {} sent, {dropped} dropped, {missing} missing",
            frames.sent
        );
        assert_eq!(again, 0, "{told}");
        // What lay in the socket of a collector that was killed was sent, and has not arrived.
        assert!(missing >= dropped, "{told}");
    }
}

#[test]
fn a_collector_that_only_hesitates_has_all_that_was_not_dropped() {
    let faults = [Fault::Stalled, Fault::DiskFull];
    for policy in [Policy::DropNewest, Policy::DropOldest] {
        let place = Place::new();
        let mut peer = capture(&place, &["--split-size", "3MB"]);
        let producer = Producer::start(&place, policy, Delivery::Written);
        for (fault, end) in faults.into_iter().zip([FRAMES / 2, FRAMES]) {
            producer.offer_and_flush(end - FRAMES / 4);
            fault.begin(&mut peer);
            producer.offer(end);
            fault.end(&mut peer);
        }
        let report = producer.finish();
        let told = peer.end();
        let dropped = report.stats.frames.dropped.frames();
        let Counts { missing, again, .. } = count(&place);
        assert_eq!((missing, again), (dropped, 0), "{report:?}\n{told}");
        assert!(dropped > 0, "{report:?}");
    }
}

#[test]
fn no_rotation_loses_or_doubles_a_frame() {
    const ROTATIONS: u64 = 10;
    let place = Place::new();
    let peer = capture(&place, &["--split-size", "5MB", "-s", "1", "--gmtime"]);
    let producer = Producer::start(&place, Policy::Block, Delivery::Confirmed);
    for round in 1..=ROTATIONS {
        let (end, len, before) = (
            round * FRAMES / ROTATIONS,
            files::len(&place),
            files::named(&place).len(),
        );
        producer.may_offer(end - 50_000);
        until("frames go into the file", || files::len(&place) > len + 100_000);
        peer.signal("USR1");
        producer.may_offer(end);
        until("there is a next file", || files::named(&place).len() > before);
    }
    let report = producer.finish();
    let told = peer.end();
    assert!(report.is_complete() && report.finished, "{report:?}\n{told}");
    let names = files::named(&place);
    assert!(names.len() as u64 > ROTATIONS, "{names:?}");
    let words = [
        &["fstrm", "verify"],
        &names.iter().map(String::as_str).collect::<Vec<_>>()[..],
    ];
    place.run(&words.concat()).status(0);
    let Counts {
        missing,
        again,
        files,
    } = count(&place);
    println!("{FRAMES} frames in {files} files: {missing} missing, {again} more than once");
    assert_eq!((missing, again), (0, 0), "{told}");
}

/// gen, relay and capture, each a process of its own; the relay dies, and so does the capture.
#[test]
fn a_relay_that_is_killed_confirms_nothing_that_it_has_not_delivered() {
    let place = Place::new();
    let mut capture = capture(&place, &[]);
    let mut relay = Peer::new(&place, "r", &["fstrm", "relay", "-t", TYPE, "unix:r", "unix:s"]);
    let (count, linger) = (FRAMES.to_string(), "60s");
    let words = [
        "fstrm",
        "gen",
        "-t",
        TYPE,
        "-n",
        &count,
        "--seed",
        "7",
        "--delivery",
        "confirmed",
        "--linger",
        linger,
        "unix:r",
        "--json",
    ];
    // All queues together hold less than there is to send: as long as the capture stands still, it goes on.
    let mut sender = Guard::new(place.command(&words).spawn().unwrap());
    for round in 0..6 {
        let before = files::len(&place);
        until("frames go into the file", || {
            let ended = sender.child().try_wait().unwrap().is_some();
            ended || files::len(&place) > before + 100_000
        });
        if round % 3 == 2 {
            capture.kill();
            relay.kill();
            relay.start();
            capture.start();
        } else {
            capture.signal("STOP");
            relay.kill();
            relay.start();
            capture.signal("CONT");
        }
    }
    let ran = finish(sender.take()).status(0);
    let told = [relay.end(), capture.end()].concat();
    let summary: Value = serde_json::from_str(ran.stderr.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&summary["sent"], &summary["left"]),
        (&FRAMES.into(), &0.into()),
        "{told}"
    );
    let names = files::named(&place);
    let words = [
        &["fstrm", "gen", "--check", "--json", "-n", &count],
        &names.iter().map(String::as_str).collect::<Vec<_>>()[..],
    ];
    let checked = place.run(&words.concat());
    println!("{}", checked.stdout);
    assert_eq!(checked.status, Some(0), "{checked:?}\n{told}");
}
