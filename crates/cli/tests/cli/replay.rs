//! `fstrm replay`, and `fstrm_replay`.

use core::time::Duration;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use fstrm_codec::control::ControlLimit;
use fstrm_codec::{Config, ControlFrame, ControlType, FileReader};

use crate::place::{Place, finish};

const CAPTURE: &[u8] = include_bytes!("../../../../examples/data/unbound.fstrm");
const TYPE: &str = "protobuf:dnstap.Dnstap";

/// What a collector does to one connection.
#[derive(Clone, Copy, PartialEq)]
enum Manners {
    Good,
    /// Reads so many frames, and hangs up.
    Leaves(usize),
    /// Takes STOP and says nothing.
    Mute,
}

/// A collector of so many connections, one after the other. Gives what each of them brought.
fn collector(manners: Vec<Manners>) -> (String, JoinHandle<Vec<Vec<Vec<u8>>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let collect = move || {
        manners
            .into_iter()
            .map(|manners| serve(&listener, manners))
            .collect()
    };
    (port, thread::spawn(collect))
}

fn serve(listener: &TcpListener, manners: Manners) -> Vec<Vec<u8>> {
    let (mut stream, _) = listener.accept().unwrap();
    let offered = read_ready(&mut stream);
    let offered = offered.iter().map(Vec::as_slice);
    let accept = ControlFrame::build(ControlType::Accept, offered, ControlLimit::Narrow).unwrap();
    stream.write_all(accept.as_bytes()).unwrap();
    let mut reader = FileReader::new(stream.try_clone().unwrap(), Config::new()).unwrap();
    let mut frames = Vec::new();
    while manners != Manners::Leaves(frames.len()) {
        match reader.next_frame().unwrap() {
            Some(payload) => frames.push(payload.to_vec()),
            None => break,
        }
    }
    match manners {
        Manners::Good => stream.write_all(ControlFrame::finish().as_bytes()).unwrap(),
        Manners::Leaves(_) => stream.shutdown(Shutdown::Both).unwrap(),
        Manners::Mute => {}
    }
    frames
}

/// The types of READY.
fn read_ready(stream: &mut TcpStream) -> Vec<Vec<u8>> {
    let mut header = [0; 8];
    stream.read_exact(&mut header).unwrap();
    let mut ready = vec![0; usize::from(header[7])];
    stream.read_exact(&mut ready).unwrap();
    let ready = fstrm_codec::Control::decode(&ready, fstrm_codec::control::Strictness::Strict).unwrap();
    ready.content_types().map(<[u8]>::to_vec).collect()
}

fn payloads(file: &[u8]) -> Vec<Vec<u8>> {
    let mut reader = FileReader::new(file, Config::new()).unwrap();
    let mut payloads = Vec::new();
    while let Some(payload) = reader.next_frame().unwrap() {
        payloads.push(payload.to_vec());
    }
    payloads
}

fn with_captures() -> Place {
    let place = Place::new();
    place.write("unbound.fstrm", CAPTURE);
    place.write("cut.fstrm", &CAPTURE[..1000]);
    place.write("text.fstrm", b"no frame stream");
    place
}

#[test]
fn files_arrive_as_they_are_as_often_as_they_are_wanted() {
    let (port, collected) = collector(vec![Manners::Good]);
    let stream = format!("tcp://127.0.0.1:{port}");
    let words = ["fstrm", "replay", "--loop", "3", "-j", "unbound.fstrm", &stream];
    let ran = with_captures().run(&words).status(0);
    let summary = &ran.json_errors()[0];
    assert_eq!(
        (&summary["frames"], &summary["sent"]),
        (&60.into(), &60.into()),
        "{summary}"
    );
    assert_eq!(
        (&summary["finished"], &summary["connections"]),
        (&true.into(), &1.into())
    );
    let once = payloads(CAPTURE);
    assert_eq!(
        collected.join().unwrap(),
        [[once.clone(), once.clone(), once].concat()]
    );
}

#[test]
fn bad_files_are_told_and_the_good_ones_sent() {
    let (port, collected) = collector(vec![Manners::Good]);
    let stream = format!("tcp://127.0.0.1:{port}");
    let words = [
        "fstrm",
        "replay",
        "text.fstrm",
        "-t",
        TYPE,
        "cut.fstrm",
        "unbound.fstrm",
        &stream,
    ];
    let ran = with_captures().run(&words).status(4);
    assert!(
        ran.stderr.contains("cut.fstrm: ends within the frame"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("text.fstrm: at byte 0: not a frame stream"),
        "{}",
        ran.stderr
    );
    assert_eq!(collected.join().unwrap()[0].len(), 27);

    let (port, collected) = collector(vec![Manners::Good]);
    let stream = format!("tcp://127.0.0.1:{port}");
    with_captures()
        .run(&["fstrm", "replay", "cut.fstrm", &stream])
        .status(1);
    assert_eq!(collected.join().unwrap()[0].len(), 7);
}

#[test]
fn without_a_collector_nothing_is_sent() {
    let place = with_captures();
    let ran = place
        .run(&["fstrm", "replay", "unbound.fstrm", "unix:none.sock"])
        .status(3);
    assert!(
        ran.stderr.contains("unix:none.sock: No such file"),
        "{}",
        ran.stderr
    );
    let ran = place.run(&["fstrm", "replay", "unbound.fstrm"]).status(2);
    assert!(ran.stderr.contains("file:unbound.fstrm"), "{}", ran.stderr);
    place.run(&["fstrm", "replay", "unix:none.sock"]).status(2);
    place.run(&["fstrm", "replay"]).status(2);
}

#[test]
fn a_collector_that_leaves_is_called_again_and_gets_what_it_did_not_confirm() {
    let (port, collected) = collector(vec![Manners::Leaves(5), Manners::Good]);
    let words = [
        "fstrm",
        "replay",
        "--delivery=confirmed",
        "unbound.fstrm",
        "-a127.0.0.1",
        "-p",
        &port,
    ];
    let ran = with_captures().run(&words).status(0);
    assert!(ran.stderr.contains("connected again"), "{}", ran.stderr);
    assert!(ran.stderr.contains("20 sent, 20 sent again"), "{}", ran.stderr);
    let collected = collected.join().unwrap();
    assert_eq!((collected[0].len(), &collected[1]), (5, &payloads(CAPTURE)));
}

#[test]
fn an_end_that_is_not_confirmed_is_told() {
    let (port, _collected) = collector(vec![Manners::Mute]);
    let stream = format!("tcp://127.0.0.1:{port}");
    let ran = with_captures()
        .run(&["fstrm", "replay", "unbound.fstrm", &stream])
        .status(3);
    assert!(ran.stderr.contains("no FINISH after STOP"), "{}", ran.stderr);
}

#[test]
fn a_rate_is_kept() {
    let (port, collected) = collector(vec![Manners::Good]);
    let stream = format!("tcp://127.0.0.1:{port}");
    let began = Instant::now();
    with_captures()
        .run(&["fstrm", "replay", "--rate", "100", "unbound.fstrm", &stream])
        .status(0);
    // 20 frames: the last is due after 190 ms. Later is allowed, sooner is not.
    assert!(began.elapsed() >= Duration::from_millis(190));
    assert_eq!(collected.join().unwrap()[0].len(), 20);
}

#[test]
fn under_the_tools_name_bad_files_are_skipped_with_a_warning() {
    let place = with_captures();
    let (port, collected) = collector(vec![Manners::Good]);
    let words = [
        "-t",
        TYPE,
        "-r",
        "nope",
        "-r",
        "cut.fstrm",
        "--read",
        "text.fstrm",
        "-a",
        "127.0.0.1",
        "-p",
        &port,
    ];
    let ran = finish(place.tool("fstrm_replay", &words).spawn().unwrap()).status(0);
    assert_eq!(
        ran.stderr
            .lines()
            .filter(|line| line.starts_with("Warning: "))
            .count(),
        3,
        "{}",
        ran.stderr
    );
    assert_eq!(collected.join().unwrap()[0].len(), 7);

    let words = ["-t", TYPE, "-r", "unbound.fstrm", "-u", "none.sock"];
    let ran = finish(place.tool("fstrm_replay", &words).spawn().unwrap()).status(1);
    assert!(ran.stderr.starts_with("Error: unix:none.sock"), "{}", ran.stderr);
    let ran = finish(place.tool("fstrm_replay", &["-t", TYPE]).spawn().unwrap()).status(1);
    assert!(ran.stderr.contains("Usage: fstrm_replay"), "{}", ran.stderr);
}

#[test]
fn what_helps_with_a_collector_that_never_answers_is_told_once() {
    const HINT: &str = "--delivery written is for collectors that never answer STOP";
    let place = Place::new();
    place.write("day", CAPTURE);
    // Streams get shorter with each loss, so there are more of them than of losses.
    let manners = [vec![Manners::Mute; 2], vec![Manners::Good; 100]];
    let (port, _) = collector(manners.concat());
    let to = format!("tcp://127.0.0.1:{port}");
    let words = ["fstrm", "replay", "--delivery", "confirmed", "day", &to];
    let ran = place.run(&words).status(0);
    assert_eq!(ran.stderr.matches(HINT).count(), 1, "{}", ran.stderr);
    let (port, _) = collector(vec![Manners::Mute; 1000]);
    let to = format!("tcp://127.0.0.1:{port}");
    let words = ["fstrm", "replay", "--delivery", "confirmed", "day", &to];
    let ran = place.run(&words).status(3);
    let told = format!("{to} has left STOP unanswered 5 times and confirms nothing\nhint: {HINT}\n");
    assert!(ran.stderr.ends_with(&told), "{}", ran.stderr);
    let waited = [&words[..], &["--wait", "2s", "--json"]].concat();
    let begun = Instant::now();
    let ran = place.run(&waited).status(3);
    assert!(ran.stderr.contains("confirms nothing"), "{}", ran.stderr);
    assert!(begun.elapsed() >= Duration::from_secs(2), "it was asked to wait");
    let words = ["fstrm", "relay", "--delivery", "confirmed", "day", &to];
    let ran = place.run(&words).status(3);
    assert!(ran.stderr.ends_with(&format!("hint: {HINT}\n")), "{}", ran.stderr);
    let ran = place
        .run(&["fstrm", "relay", "day", "tcp://127.0.0.1:1"])
        .status(3);
    assert!(!ran.stderr.contains(HINT), "{}", ran.stderr);
}
