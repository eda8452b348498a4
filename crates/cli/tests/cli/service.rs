//! `fstrm capture` and `fstrm relay` as services: sockets handed over, readiness, watchdog, figures.

use core::time::Duration;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};

use crate::place::{Place, finish, signal_to};

const READY: &[u8] = b"\0\0\0\0\0\0\0\x0d\0\0\0\x04\0\0\0\x01\0\0\0\x01t";
const START: &[u8] = b"\0\0\0\0\0\0\0\x0d\0\0\0\x02\0\0\0\x01\0\0\0\x01t";
const FRAME: &[u8] = b"\0\0\0\x05hello";
const STOP: &[u8] = b"\0\0\0\0\0\0\0\x04\0\0\0\x03";
const FINISH: &[u8] = b"\0\0\0\0\0\0\0\x04\0\0\0\x05";
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts it as systemd does: the socket is descriptor 3, and the environment says so.
fn start(place: &Place, socket: OwnedFd, words: &str) -> Child {
    let script = format!("exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" {words}");
    let mut command: Command = place.command(&[]);
    let program = command.get_program().to_owned();
    let mut shell = Command::new("sh");
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    command = shell;
    command
        .arg("-c")
        .arg(script)
        .arg(program)
        .current_dir(place.path())
        .env("NOTIFY_SOCKET", place.path().join("notify"))
        .env("WATCHDOG_USEC", "300000")
        .env_remove("WATCHDOG_PID")
        .stdin(Stdio::from(socket))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits for a message that says so.
fn told(notify: &UnixDatagram, words: &str) -> String {
    let mut buffer = [0; 4096];
    loop {
        let len = notify.recv(&mut buffer).unwrap();
        let message = String::from_utf8_lossy(&buffer[..len]).into_owned();
        if message.contains(words) {
            return message;
        }
    }
}

/// Has a frame taken through a socket that was handed over.
fn handed_over(words: &str) {
    let place = Place::new();
    let notify = UnixDatagram::bind(place.path().join("notify")).unwrap();
    notify.set_read_timeout(Some(PATIENCE)).unwrap();
    let socket = UnixListener::bind(place.path().join("s")).unwrap();
    // Whoever comes before the collector waits.
    let mut early = UnixStream::connect(place.path().join("s")).unwrap();
    early.set_read_timeout(Some(PATIENCE)).unwrap();
    early.write_all(&[READY, START, FRAME, STOP].concat()).unwrap();

    let child = start(&place, socket.into(), words);
    told(&notify, "READY=1");
    let mut answer = Vec::new();
    early.read_to_end(&mut answer).unwrap();
    assert!(answer.ends_with(FINISH));
    let status = told(&notify, "WATCHDOG=1");
    assert!(status.contains("STATUS="), "{status}");
    signal_to(&child, "TERM");
    told(&notify, "STOPPING=1");
    finish(child).status(0);
    let file = std::fs::read(place.path().join("out")).unwrap();
    assert_eq!(file, [START, FRAME, STOP].concat());
    assert!(place.path().join("s").exists(), "the socket is systemd's");
}

#[test]
fn a_socket_handed_over_is_listened_on_and_readiness_is_told() {
    handed_over("fstrm capture -t t -w out");
}

#[test]
fn a_relay_takes_the_socket_of_its_input_from_who_hands_it_over() {
    handed_over("fstrm relay unix:s out");
    handed_over("dnstap relay -t t unix:s out");
}

#[test]
fn a_relay_that_waits_for_an_output_tells_that_it_lives() {
    let place = Place::new();
    let notify = UnixDatagram::bind(place.path().join("notify")).unwrap();
    notify.set_read_timeout(Some(PATIENCE)).unwrap();
    let socket = UnixListener::bind(place.path().join("s")).unwrap();
    let mut sender = UnixStream::connect(place.path().join("s")).unwrap();
    sender
        .write_all(&[READY, START, &FRAME.repeat(100)].concat())
        .unwrap();
    let words = "fstrm relay unix:s unix:none --queue 10";
    let child = start(&place, socket.into(), words);
    for _ in 0..100 {
        sender.write_all(&FRAME.repeat(500)).unwrap();
        let status = told(&notify, "WATCHDOG=1");
        // The sender's own queue is 1 MiB; what is over that is waited for.
        if !status.contains(" 0 waiting") && status.contains("waiting") {
            break;
        }
        sender.write_all(&FRAME.repeat(20_000)).unwrap();
    }
    for _ in 0..3 {
        told(&notify, "WATCHDOG=1");
    }
    signal_to(&child, "TERM");
    told(&notify, "STOPPING=1");
    // A supervisor that hears nothing for the time that outputs get at the end would kill it.
    told(&notify, "WATCHDOG=1");
    std::thread::spawn(move || while notify.recv(&mut [0; 4096]).is_ok() {});
    finish(child).status(3);
}

/// The figures of a command that takes two frames by the socket `s`.
fn figures(words: &[&str]) -> String {
    let place = Place::new();
    let mut child = place
        .command(&[words, &["--metrics", ":0"]].concat())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let port: u16 = loop {
        let mut line = String::new();
        assert!(
            stderr.read_line(&mut line).unwrap() > 0,
            "the port was never told"
        );
        if let Some(place) = line.trim().strip_prefix("metrics on http://127.0.0.1:") {
            break place.strip_suffix("/metrics").unwrap().parse().unwrap();
        }
    };
    let mut sender = UnixStream::connect(place.path().join("s")).unwrap();
    sender.set_read_timeout(Some(PATIENCE)).unwrap();
    sender
        .write_all(&[READY, START, FRAME, FRAME, STOP].concat())
        .unwrap();
    sender.read_to_end(&mut Vec::new()).unwrap();
    let mut reader = TcpStream::connect(("127.0.0.1", port)).unwrap();
    reader.set_read_timeout(Some(PATIENCE)).unwrap();
    reader.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut page = String::new();
    reader.read_to_string(&mut page).unwrap();
    signal_to(&child, "TERM");
    finish(child).status(0);
    page
}

#[test]
fn figures_are_served_while_it_runs() {
    let page = figures(&["fstrm", "capture", "-t", "t", "-u", "s", "-w", "out"]);
    for figure in [
        "tinwire_fstrm_frames_total{dir=\"in\"} 2",
        "tinwire_fstrm_frames_total{dir=\"out\"} 2",
        "tinwire_fstrm_drops_total{reason=\"torn\"} 0",
        "tinwire_fstrm_errors_total{reason=\"malformed\"} 0",
        "tinwire_fstrm_sessions_total 1",
        "tinwire_fstrm_queue_depth 0",
    ] {
        assert!(page.contains(&format!("{figure}\n")), "{figure}\n{page}");
    }
}

#[test]
fn a_relay_has_figures_for_each_output() {
    let page = figures(&["fstrm", "relay", "unix:s", "one", "file:two"]);
    for figure in [
        "tinwire_fstrm_frames_total{dir=\"in\"} 2",
        "tinwire_fstrm_frames_total{dir=\"out\",output=\"file:one\"} 2",
        "tinwire_fstrm_frames_total{dir=\"out\",output=\"file:two\"} 2",
        "tinwire_fstrm_bytes_total{dir=\"in\"} 10",
        "tinwire_fstrm_drops_total{reason=\"wrong_type\"} 0",
        "tinwire_fstrm_drops_total{reason=\"full\",output=\"file:one\"} 0",
        "tinwire_fstrm_errors_total{reason=\"malformed\"} 0",
        "tinwire_fstrm_sessions_total 1",
        "tinwire_fstrm_queue_depth{output=\"file:two\"} 0",
    ] {
        assert!(page.contains(&format!("{figure}\n")), "{figure}\n{page}");
    }
    let heads = page.lines().filter(|line| line.starts_with("# TYPE"));
    let names: std::collections::BTreeSet<_> = heads.clone().collect();
    assert_eq!(heads.count(), names.len(), "one name, one group\n{page}");
}

#[test]
fn a_relay_of_dnstap_has_figures_for_what_it_keeps_back() {
    let page = figures(&[
        "dnstap", "relay", "-t", "t", "--where", "kind==CR", "unix:s", "one",
    ]);
    for figure in [
        "tinwire_fstrm_frames_total{dir=\"in\"} 2",
        "tinwire_fstrm_frames_total{dir=\"out\",output=\"file:one\"} 0",
        "tinwire_fstrm_drops_total{reason=\"filtered\"} 0",
        "tinwire_fstrm_drops_total{reason=\"undecodable\"} 2",
    ] {
        assert!(page.contains(&format!("{figure}\n")), "{figure}\n{page}");
    }
}

/// Keys with their values, by section.
fn unit(text: &str) -> BTreeMap<(String, String), String> {
    let mut section = String::new();
    let mut found = BTreeMap::new();
    for line in text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name.to_owned();
            continue;
        }
        let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("{line:?}"));
        found.insert((section.clone(), key.to_owned()), value.to_owned());
    }
    found
}

#[test]
fn the_example_units_are_sound_and_their_words_are_understood() {
    let service = unit(include_str!("../../../../docs/systemd/tinwire-capture.service"));
    let socket = unit(include_str!("../../../../docs/systemd/tinwire-capture.socket"));
    let value = |unit: &BTreeMap<_, String>, section: &str, key: &str| {
        unit.get(&(section.to_owned(), key.to_owned())).unwrap().clone()
    };
    assert_eq!(value(&service, "Service", "Type"), "notify");
    assert_eq!(value(&service, "Unit", "Requires"), "tinwire-capture.socket");
    assert!(value(&socket, "Socket", "ListenStream").starts_with('/'));
    let line = value(&service, "Service", "ExecStart").replace("%%", "%");
    let words: Vec<_> = line.split(' ').skip(1).collect();
    // Without a socket there is nowhere to listen, which is told after all words have been understood.
    let ran = Place::new().run(&words).status(2);
    assert!(ran.stderr.contains("nowhere to listen"), "{}", ran.stderr);
}
