//! `fstrm capture`, and the command as `fstrm_capture`.

use core::time::Duration;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStderr};

use crate::place::{Place, Ran, signal_to};

const READY: &[u8] = b"\0\0\0\0\0\0\0\x0d\0\0\0\x04\0\0\0\x01\0\0\0\x01t";
const ACCEPT: &[u8] = b"\0\0\0\0\0\0\0\x0d\0\0\0\x01\0\0\0\x01\0\0\0\x01t";
const START: &[u8] = b"\0\0\0\0\0\0\0\x0d\0\0\0\x02\0\0\0\x01\0\0\0\x01t";
const STOP: &[u8] = b"\0\0\0\0\0\0\0\x04\0\0\0\x03";
const FINISH: &[u8] = b"\0\0\0\0\0\0\0\x04\0\0\0\x05";
const PATIENCE: Duration = Duration::from_secs(60);

/// A capture that runs; killed when it is dropped.
pub(crate) struct Capturing {
    child: Child,
    stderr: BufReader<ChildStderr>,
    told: String,
}

impl Capturing {
    pub(crate) fn start(mut command: std::process::Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let told = String::new();
        Self { child, stderr, told }
    }

    /// Waits for a line that says so.
    pub(crate) fn hears(&mut self, words: &str) -> String {
        loop {
            let mut line = String::new();
            let len = self.stderr.read_line(&mut line).unwrap();
            assert!(len > 0, "{words:?} was never said:\n{}", self.told);
            self.told.push_str(&line);
            if line.contains(words) {
                return line;
            }
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        signal_to(&self.child, name);
    }

    pub(crate) fn end(mut self) -> Ran {
        self.stderr.read_to_string(&mut self.told).unwrap();
        let status = self.child.wait().unwrap().code();
        Ran {
            status,
            stdout: String::new(),
            stderr: core::mem::take(&mut self.told),
        }
    }
}

impl Drop for Capturing {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn capture(place: &Place, more: &[&str]) -> Capturing {
    let words = [&["fstrm", "capture", "-t", "t", "-u", "s", "-dd"], more].concat();
    let mut capturing = Capturing::start(place.command(&words));
    capturing.hears("listening on unix:s");
    capturing
}

fn frame(payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap();
    [&len.to_be_bytes(), payload].concat()
}

fn connect(place: &Place) -> UnixStream {
    let stream = UnixStream::connect(place.path().join("s")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends frames, and waits until the capture says that it has them.
fn send(place: &Place, payloads: &[&[u8]]) {
    let mut stream = connect(place);
    let frames: Vec<u8> = payloads.iter().flat_map(|payload| frame(payload)).collect();
    stream.write_all(&[READY, START, &frames, STOP].concat()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, [ACCEPT, FINISH].concat());
}

fn file(payloads: &[&[u8]]) -> Vec<u8> {
    let frames: Vec<u8> = payloads.iter().flat_map(|payload| frame(payload)).collect();
    [START, &frames, STOP].concat()
}

fn read(place: &Place, name: &str) -> Vec<u8> {
    std::fs::read(place.path().join(name)).unwrap()
}

#[test]
fn what_was_confirmed_is_in_the_file_and_terminate_ends_it_well() {
    let place = Place::new();
    let capturing = capture(&place, &["-w", "out"]);
    send(&place, &[b"one", b"two"]);
    assert!(read(&place, "out").ends_with(b"two"), "FINISH promises that");
    capturing.signal("TERM");
    let ran = capturing.end().status(0);
    assert!(
        ran.stderr
            .ends_with("2 frames, 14 bytes, 1 file, 1 session, 0 dropped\n"),
        "{}",
        ran.stderr
    );
    assert_eq!(read(&place, "out"), file(&[b"one", b"two"]));
    assert!(!place.path().join("s").exists(), "the socket goes with its owner");
}

#[test]
fn a_file_that_exists_is_gone_on_with() {
    let place = Place::new();
    place.write("out", [START, &frame(b"old"), b"\0\0\0\x05to"].concat());
    let mut capturing = capture(&place, &["-w", "out"]);
    capturing.hears("resumed out");
    send(&place, &[b"new"]);
    capturing.signal("INT");
    capturing.end().status(0);
    assert_eq!(read(&place, "out"), file(&[b"old", b"new"]));
}

#[test]
fn former_files_that_are_torn_are_told_with_what_mends_them() {
    let place = Place::new();
    place.write(
        "day-20000101.f",
        [START, &frame(b"old"), b"\0\0\0\x05to"].concat(),
    );
    place.write("day-20000102.f", [START, &frame(b"old"), STOP].concat());
    place.write("day-20000103.f.part", [START, &frame(b"old")].concat());
    let capturing = capture(&place, &["-w", "day-%Y%m%d.f", "--gmtime", "--part"]);
    capturing.signal("TERM");
    let ran = capturing.end().status(0);
    let told: Vec<_> = ran
        .stderr
        .lines()
        .filter(|line| line.contains("repair"))
        .collect();
    assert_eq!(
        told,
        [
            "day-20000101.f ends within the frame at byte 28; \"tinwire fstrm repair \
             day-20000101.f\" mends it",
            "day-20000103.f.part was left by a capture that was killed; \"tinwire fstrm repair \
             day-20000103.f.part\" mends it, then call it day-20000103.f"
        ],
        "{}",
        ran.stderr
    );
    // As is said, so it is done.
    place.run(&["fstrm", "repair", "day-20000101.f"]).status(0);
    assert_eq!(read(&place, "day-20000101.f"), file(&[b"old"]));
}

#[test]
fn a_socket_that_is_taken_stays_with_its_owner_and_the_file_is_left_alone() {
    let place = Place::new();
    let first = capture(&place, &["-w", "out"]);
    let mut sender = connect(&place);
    sender
        .write_all(&[READY, START, &frame(b"one")].concat())
        .unwrap();
    place.write("other", "precious");
    for file in ["other", "new"] {
        let words = ["fstrm", "capture", "-t", "t", "-u", "s", "-w", file];
        let second = place.run(&words).status(3);
        let words = "s: another process listens on this socket";
        assert!(second.stderr.contains(words), "{}", second.stderr);
    }
    assert_eq!(read(&place, "other"), b"precious");
    assert!(!place.path().join("new").exists());
    // Whom the first has, and who comes to it later, do not notice.
    sender.write_all(&[&frame(b"two")[..], STOP].concat()).unwrap();
    let mut answer = Vec::new();
    sender.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, [ACCEPT, FINISH].concat());
    send(&place, &[b"three"]);
    first.signal("TERM");
    first.end().status(0);
    assert_eq!(read(&place, "out"), file(&[b"one", b"two", b"three"]));
}

#[test]
fn usr1_goes_on_in_the_next_file_and_hangup_does_not_end_it() {
    let place = Place::new();
    let mut capturing = capture(&place, &["-w", "out"]);
    send(&place, &[b"one"]);
    capturing.signal("HUP");
    capturing.signal("USR1");
    capturing.hears("closed out");
    send(&place, &[b"two"]);
    capturing.signal("TERM");
    capturing.end().status(0);
    assert_eq!(read(&place, "out"), file(&[b"one"]));
    assert_eq!(read(&place, "out.1"), file(&[b"two"]));
}

#[test]
fn files_are_split_by_size_and_never_overwritten() {
    let place = Place::new();
    let capturing = capture(&place, &["-w", "out", "--split-size", "60"]);
    let payloads: Vec<_> = (0_u8..8).map(|number| [number; 8]).collect();
    for payload in &payloads {
        send(&place, &[payload]);
    }
    capturing.signal("TERM");
    capturing.end().status(0);
    let mut found = 0;
    for number in 0.. {
        let name = if number == 0 {
            "out".to_owned()
        } else {
            format!("out.{number}")
        };
        if !place.path().join(&name).exists() {
            break;
        }
        let contents = read(&place, &name);
        assert!(contents.len() <= 60 && contents.ends_with(STOP), "{name}");
        found += (contents.len() - START.len() - STOP.len()) / 12;
    }
    assert_eq!(found, payloads.len());
}

#[test]
fn a_count_ends_it_and_standard_output_is_a_file_too() {
    let place = Place::new();
    let mut capturing = capture(&place, &["-w", "-", "-n", "2"]);
    send(&place, &[b"one", b"two", b"three"]);
    let mut stdout = Vec::new();
    capturing
        .child
        .stdout
        .take()
        .unwrap()
        .read_to_end(&mut stdout)
        .unwrap();
    capturing.end().status(0);
    assert_eq!(stdout, file(&[b"one", b"two"]));
}

#[test]
fn either_handshake_takes_streams_that_begin_with_start() {
    let place = Place::new();
    let capturing = capture(&place, &["-w", "out", "--handshake", "either", "-n", "2"]);
    send(&place, &[b"two-way"]);
    connect(&place)
        .write_all(&[START, &frame(b"one-way"), STOP].concat())
        .unwrap();
    capturing.end().status(0);
    assert_eq!(read(&place, "out"), file(&[b"two-way", b"one-way"]));
}

#[test]
fn what_goes_wrong_is_in_the_summary_by_reason() {
    let place = Place::new();
    let mut capturing = capture(&place, &["-w", "out", "--json"]);
    connect(&place).write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let failed = capturing.hears("\"failed\"");
    assert!(failed.contains("looks like text"), "{failed}");
    connect(&place)
        .write_all(&[READY, START, b"\0\0\0\x05hal"].concat())
        .unwrap();
    capturing.hears("\"ended\"");
    capturing.signal("TERM");
    let ran = capturing.end().status(0);
    let lines = ran.json_errors();
    let summary = lines.last().unwrap();
    assert_eq!(summary["type"], "summary");
    assert_eq!(
        (&summary["sessions"], &summary["dropped"]),
        (&2.into(), &1.into())
    );
    assert_eq!(summary["failed"]["malformed"], 1);
    assert_eq!(summary["drops"]["torn"], 1);
    assert_eq!(summary["ended"]["truncated"], 1);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let place = Place::new();
    let capturing = capture(&place, &["-w", "out"]);
    let mut stream = connect(&place);
    stream.write_all(&[READY, START].concat()).unwrap();
    let mut answer = vec![0; ACCEPT.len()];
    stream.read_exact(&mut answer).unwrap();
    capturing.signal("TERM");
    capturing.signal("INT");
    let ran = capturing.end();
    // Where the first one was quicker, it has ended well. Which of two is the second when both are there at
    // once, nobody can tell.
    assert!(matches!(ran.status, Some(0 | 130 | 143)), "{ran:?}");
}

#[test]
fn names_go_through_strftime_only_when_that_is_asked_for() {
    for (flags, named) in [(&["-w", "%Y"][..], "%Y"), (&["-w", "d-%%", "--gmtime"], "d-%")] {
        let place = Place::new();
        let capturing = capture(&place, flags);
        send(&place, &[b"x"]);
        capturing.signal("TERM");
        capturing.end().status(0);
        assert_eq!(read(&place, named), file(&[b"x"]));
    }
}

#[test]
fn wrong_words_are_told_before_anything_is_touched() {
    let place = Place::new();
    for words in [
        &["-t", "t", "-w", "out"][..],
        &["-t", "t", "-u", "s", "-w", "out", "-s", "5"],
        &["-t", "t", "-a", "127.0.0.1", "-w", "out"],
        &["-u", "s", "-w", "out"],
        &["-t", "t", "dial+unix:s", "-w", "out"],
        &["-t", "t", "-u", "s", "-w", "out-%!", "--gmtime"],
    ] {
        let ran = place.run(&[&["fstrm", "capture"], words].concat());
        assert!(matches!(ran.status, Some(2 | 3)), "{words:?} {ran:?}");
        assert!(!place.path().join("out").exists(), "{words:?}");
    }
}

/// As the tool itself: silent, and with its exit statuses.
#[test]
fn under_its_name_it_is_fstrm_capture() {
    let place = Place::new();
    let words = ["-t", "t", "-u", "s", "-w", "out", "-b", "16", "-ddd"];
    let mut capturing = Capturing::start(place.tool("fstrm_capture", &words));
    capturing.hears("listening on");
    send(&place, &[b"short", b"this one is too long", b"kept"]);
    capturing.signal("TERM");
    let ran = capturing.end().status(0);
    assert!(
        ran.stderr.contains("passed over a frame of 20 bytes"),
        "{}",
        ran.stderr
    );
    assert_eq!(read(&place, "out"), file(&[b"short", b"kept"]));
    let help = crate::place::finish(place.tool("fstrm_capture", &["-h"]).spawn().unwrap());
    assert!(help.status(1).stderr.starts_with("Usage: fstrm_capture"));
    let version = crate::place::finish(place.tool("fstrm_capture", &["--version"]).spawn().unwrap());
    assert!(version.status(0).stderr.starts_with("fstrm_capture: "));
}

#[test]
fn several_places_are_listened_on_at_once() {
    let place = Place::new();
    let words = [
        "fstrm", "capture", "-t", "t", "unix:s", "tcp://:0", "-w", "out", "-n", "2",
    ];
    let mut capturing = Capturing::start(place.command(&words));
    capturing.hears("listening on unix:s");
    let line = capturing.hears("listening on tcp://");
    let port: u16 = line.trim().rsplit(':').next().unwrap().parse().unwrap();
    send(&place, &[b"one"]);
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
        .write_all(&[READY, START, &frame(b"two"), STOP].concat())
        .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, [ACCEPT, FINISH].concat());
    capturing.end().status(0);
    assert_eq!(read(&place, "out"), file(&[b"one", b"two"]));
}
