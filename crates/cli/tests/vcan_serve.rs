//! `isotp serve` beside can-utils on a virtual interface of a real kernel.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]

#[path = "cli/place.rs"]
mod place;

use core::time::Duration;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use place::{Place, finish, signal_to};

fn interface() -> String {
    std::env::var("VCAN0").unwrap_or_else(|_| panic!("VCAN0 is not set; run: cargo xtask vcan"))
}

/// What `attempt` gives in the end.
fn soon<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let slow = std::env::var("VCAN_SLOW").map_or(1, |slow| slow.parse().unwrap());
    let start = Instant::now();
    loop {
        if let Some(done) = attempt() {
            return done;
        }
        assert!(
            start.elapsed() < Duration::from_secs(20 * slow),
            "{what}: in vain"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until somebody receives this identifier of 11 bits, by the means of isotp or raw.
fn wait_for_receiver(id: &str, means: &str) {
    // The mask of candump's filter leaves open how long identifiers are.
    let list = if means == "raw" { "fil" } else { "sff" };
    soon(id, || {
        let list = std::fs::read_to_string(format!("/proc/net/can/rcvlist_{list}")).unwrap();
        let id = u32::from_str_radix(id, 16).unwrap();
        let is_meant = |line: &str| {
            let words: Vec<_> = line.split_whitespace().collect();
            let received = words.get(1).and_then(|word| u32::from_str_radix(word, 16).ok());
            words.last() == Some(&means) && received.is_some_and(|raw| raw & 0x7FF == id)
        };
        list.lines().any(is_meant).then_some(())
    });
}

/// A program of can-utils, which ends by itself at the latest after a minute.
fn peer(words: &[&str]) -> Child {
    let mut command = Command::new("timeout");
    command.arg("60").args(words).arg(interface());
    let piped = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    piped.spawn().unwrap()
}

fn isotpsend(tx: &str, rx: &str, text: &str) {
    let mut child = peer(&["isotpsend", "-b", "-s", tx, "-d", rx]);
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    finish(child).status(0);
}

fn connect(listen: &str) -> BufReader<TcpStream> {
    let stream = soon("a connection", || TcpStream::connect(listen).ok());
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    BufReader::new(stream)
}

#[test]
#[ignore = "needs vcan: cargo xtask vcan"]
fn isotprecv_and_isotpsend_talk_to_its_clients_whoever_does_the_work() {
    for (backend, tx, rx) in [("user", "540", "548"), ("auto", "541", "549")] {
        let place = Place::new();
        let interface = interface();
        let words = [
            "isotp",
            "serve",
            "-l",
            "0",
            "-s",
            tx,
            "-d",
            rx,
            &interface,
            "--backend",
            backend,
            "--deadline",
            "60s",
        ];
        let server = place.start(&words);
        let mut client = connect(server.first.trim_end().rsplit_once(' ').unwrap().1);

        let recv = peer(&["isotprecv", "-s", rx, "-d", tx]);
        wait_for_receiver(tx, "isotp");
        client.get_mut().write_all(b"<112233445566778899AA>").unwrap();
        let ran = finish(recv).status(0);
        assert_eq!(
            ran.stdout.trim_end(),
            "11 22 33 44 55 66 77 88 99 AA",
            "{backend}"
        );

        isotpsend(rx, tx, "01 02 03 04 05 06 07 08 09");
        let mut line = String::new();
        client.read_line(&mut line).unwrap();
        assert_eq!(line, "<010203040506070809>\n", "{backend}");
    }
}

/// What a server puts on the bus for the same text, from the same letters.
fn frames(start: impl FnOnce(&[&str]) -> Child, tx: &str, rx: &str) -> Vec<String> {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port().to_string()
    };
    let interface = interface();
    let mut candump = Command::new("timeout")
        .args(["60", "candump", "-L", "-n", "4", &format!("{interface},{tx}:7FF")])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for_receiver(tx, "raw");
    let mut recv = peer(&["isotprecv", "-l", "-s", rx, "-d", tx]);
    wait_for_receiver(tx, "isotp");
    let words = [
        "-l", &port, "-s", tx, "-d", rx, "-p", "AA:", "-b", "8", "-m", "F2", &interface,
    ];
    let mut server = start(&words);
    let mut client = connect(&format!("127.0.0.1:{port}"));
    client
        .get_mut()
        .write_all(b"\n<0x11>junk<0102030405060708090a0b0c0d0e0f>")
        .unwrap();
    let output = BufReader::new(candump.stdout.take().unwrap());
    let payload = |line: String| line.split_once('#').unwrap().1.to_owned();
    let frames = output.lines().map(|line| payload(line.unwrap())).collect();
    server.kill().unwrap();
    // What stands before it hands this on.
    signal_to(&recv, "TERM");
    for child in [&mut server, &mut recv, &mut candump] {
        child.wait().unwrap();
    }
    frames
}

#[test]
#[ignore = "needs vcan: cargo xtask vcan"]
fn under_the_originals_name_it_puts_the_same_frames_on_the_bus() {
    let place = Place::new();
    let theirs = |words: &[&str]| Command::new("isotpserver").args(words).spawn().unwrap();
    let ours = |words: &[&str]| place.tool("isotpserver", words).spawn().unwrap();
    let expected = frames(theirs, "542", "54A");
    assert_eq!(expected.len(), 4);
    assert_eq!(frames(ours, "543", "54B"), expected);
}
