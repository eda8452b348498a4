//! `fstrm relay`: files, sockets, and processes that are killed between them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Stdio};

use fstrm_codec::{Config, ContentType, FileReader, FileWriter};

use crate::dnstap::{CAPTURE, stream};
use crate::place::Place;

/// A relay that listens.
struct Relay(Child);

impl Relay {
    /// Starts it, and waits until it listens.
    fn start(place: &Place, words: &[&str]) -> Self {
        Self::of("fstrm", place, words)
    }

    /// The relay of one of the two nouns.
    fn of(noun: &str, place: &Place, words: &[&str]) -> Self {
        let mut child = place
            .command(&[&[noun, "relay"][..], words].concat())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        assert!(line.contains("listening on "), "{line}");
        child.stderr = Some(stderr.into_inner());
        Self(child)
    }

    /// Interrupts it; its status, and what it said.
    fn end(&mut self) -> (Option<i32>, String) {
        let id = self.0.id().to_string();
        let killed = std::process::Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap();
        assert!(killed.success());
        let mut text = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        (self.0.wait().unwrap().code(), text)
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn payloads(place: &Place, name: &str) -> Vec<Vec<u8>> {
    frames(&std::fs::read(place.path().join(name)).unwrap())
}

fn frames(file: &[u8]) -> Vec<Vec<u8>> {
    let mut reader = FileReader::new(file, Config::new()).unwrap();
    let mut all = Vec::new();
    while let Some(payload) = reader.next_frame().unwrap() {
        all.push(payload.to_vec());
    }
    all
}

fn typed(content_type: &'static [u8]) -> Vec<u8> {
    let mut writer = FileWriter::new(Vec::new(), ContentType::from_static(content_type).as_ref()).unwrap();
    writer.write_frame(b"x").unwrap();
    writer.finish().unwrap()
}

#[test]
fn a_file_goes_to_any_number_of_files_as_it_is() {
    let place = Place::new();
    place.write("in.fstrm", CAPTURE);
    let ran = place
        .run(&["fstrm", "relay", "in.fstrm", "one.fstrm", "file:two.fstrm"])
        .status(0);
    assert_eq!(
        ran.stderr,
        "20 frames, 2607 bytes; file:one.fstrm: 20 delivered, 0 dropped; \
         file:two.fstrm: 20 delivered, 0 dropped\n"
    );
    for name in ["one.fstrm", "two.fstrm"] {
        assert!(std::fs::read(place.path().join(name)).unwrap() == CAPTURE);
    }
    let ran = place
        .run_with_input(&["fstrm", "relay", "-", "-"], CAPTURE)
        .status(0);
    assert_eq!(ran.stdout.len(), String::from_utf8_lossy(CAPTURE).len());
}

#[test]
fn a_chain_confirms_from_its_far_end() {
    let place = Place::new();
    place.write("in.fstrm", CAPTURE);
    let mut last = Relay::start(&place, &["unix:b.sock", "out.fstrm"]);
    let mut middle = Relay::start(&place, &["unix:a.sock", "unix:b.sock"]);
    // Its last FINISH comes when the file at the far end has everything.
    place
        .run(&["fstrm", "relay", "in.fstrm", "unix:a.sock"])
        .status(0);
    assert!(payloads(&place, "out.fstrm").len() == 20, "before anybody ends");
    let (status, text) = middle.end();
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("unix:b.sock: 20 delivered, 0 dropped"), "{text}");
    assert_eq!(last.end().0, Some(0));
    assert!(std::fs::read(place.path().join("out.fstrm")).unwrap() == CAPTURE);
    assert!(
        !place.path().join("a.sock").exists(),
        "sockets are removed by their owners"
    );
}

#[test]
fn a_collector_that_is_killed_between_gets_everything_in_the_end() {
    let place = Place::new();
    let numbers: Vec<Vec<u8>> = (0..2_000_u32)
        .map(|number| number.to_be_bytes().to_vec())
        .collect();
    let slices: Vec<&[u8]> = numbers.iter().map(Vec::as_slice).collect();
    let wire = stream(&slices);
    let (front, back) = wire.split_at(wire.len() / 2);
    let mut collector = Relay::start(&place, &["unix:b.sock", "out.fstrm"]);
    let mut sender = place
        .command(&["fstrm", "relay", "-", "unix:b.sock"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = sender.stdin.take().unwrap();
    stdin.write_all(front).unwrap();
    // Once something has arrived, it dies without a word.
    let start = std::time::Instant::now();
    while std::fs::metadata(place.path().join("out.fstrm")).map_or(0, |it| it.len()) < 1_000 {
        assert!(start.elapsed().as_secs() < 60, "nothing has arrived");
        std::thread::yield_now();
    }
    collector.kill();
    stdin.write_all(back).unwrap();
    drop(stdin);
    let mut collector = Relay::start(&place, &["unix:b.sock", "out.fstrm"]);
    let sent = sender.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&sent.stderr);
    assert_eq!(sent.status.code(), Some(0), "{text}");
    assert_eq!(collector.end().0, Some(0));
    let arrived = payloads(&place, "out.fstrm");
    let distinct: std::collections::BTreeSet<_> = arrived.iter().collect();
    assert!(numbers.iter().all(|number| distinct.contains(number)), "{text}");
}

#[test]
fn a_dead_output_that_may_drop_stops_no_other() {
    let place = Place::new();
    place.write("in.fstrm", CAPTURE);
    let words = ["fstrm", "relay", "in.fstrm", "copy.fstrm", "unix:none.sock"];
    let rules = ["--on-full", "unix:none.sock=drop-old", "--queue", "100", "--json"];
    let ran = place.run(&[&words[..], &rules].concat()).status(3);
    assert!(std::fs::read(place.path().join("copy.fstrm")).unwrap() == CAPTURE);
    let lines = ran.json_errors();
    let summary = lines.iter().find(|line| line["type"] == "summary").unwrap();
    assert_eq!(summary["outputs"][0]["frames"], 20);
    let dead = &summary["outputs"][1];
    let left = dead["dropped"].as_u64().unwrap() + dead["undelivered"].as_u64().unwrap();
    assert_eq!((dead["frames"].as_u64(), left), (Some(0), 20), "{dead}");
}

#[test]
fn an_output_that_ends_while_it_is_waited_for_ends_the_relay() {
    let place = Place::new();
    let mut relay = place
        .command(&["fstrm", "relay", "-", "-", "--queue", "1000"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = relay.stdin.take().unwrap();
    let payload = vec![7; 60_000];
    let wire = stream(&vec![&payload[..]; 1_000]);
    // Nobody reads, so sooner or later this is stuck, and goes on only when the relay has ended.
    let writer = std::thread::spawn(move || stdin.write_all(&wire));
    let mut stdout = relay.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 100_000]).unwrap();
    // Until what lies between is full.
    std::thread::sleep(core::time::Duration::from_millis(300));
    drop(stdout);
    let start = std::time::Instant::now();
    while relay.try_wait().unwrap().is_none() {
        if start.elapsed().as_secs() > 30 {
            relay.kill().unwrap();
            panic!("it waits for an output that is gone");
        }
        std::thread::sleep(core::time::Duration::from_millis(10));
    }
    assert!(writer.join().unwrap().is_err(), "it did not read on");
}

#[test]
fn a_frames_another_type_goes_to_nobody() {
    let place = Place::new();
    place.write("a.fstrm", typed(b"a"));
    place.write("b.fstrm", typed(b"b"));
    let ran = place
        .run(&[
            "fstrm",
            "relay",
            "a.fstrm",
            "-i",
            "b.fstrm",
            "out.fstrm",
            "--strict",
        ])
        .status(5);
    assert!(
        ran.stderr.contains("b.fstrm: content type \"b\""),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("1 of another type"), "{}", ran.stderr);
    assert_eq!(payloads(&place, "out.fstrm").len(), 1);
}

#[test]
fn words_that_make_no_sense_are_refused_before_anything_is_opened() {
    let place = Place::new();
    place.write("in.fstrm", CAPTURE);
    for (words, told) in [
        (&["in.fstrm", "in.fstrm"][..], "go round for ever"),
        (&["in.fstrm", "tcp://x"], "write tcp://x:6000"),
        (
            &["in.fstrm", "out.fstrm", "--on-full", "other=block"],
            "is none of the outputs",
        ),
        (
            &["in.fstrm", "out.fstrm", "--on-full", "drop"],
            "known: block drop-new drop-old",
        ),
        (&["listen+tls://:0", "out.fstrm"], "--tls-cert"),
    ] {
        let ran = place.run(&[&["fstrm", "relay"][..], words].concat()).status(2);
        assert!(ran.stderr.contains(told), "{}", ran.stderr);
        assert!(!place.path().join("out.fstrm").exists());
    }
}

#[test]
fn a_file_that_is_cut_is_passed_on_as_far_as_it_goes() {
    let place = Place::new();
    place.write("cut.fstrm", &CAPTURE[..CAPTURE.len() - 20]);
    place.run(&["fstrm", "relay", "cut.fstrm", "out.fstrm"]).status(1);
    assert_eq!(payloads(&place, "out.fstrm").len(), 19);
    // That frames were lost is worse than that the file is cut, and both are told.
    let ran = place
        .run(&["fstrm", "relay", "cut.fstrm", "tcp://127.0.0.1:1"])
        .status(3);
    for told in ["ends within the frame", "19 frames could not be delivered"] {
        assert!(ran.stderr.contains(told), "{told:?} is not in {}", ran.stderr);
    }
}

/// How many of the capture a relay with that expression has to pass on.
fn wanted(place: &Place, expression: &str) -> usize {
    let ran = place
        .run(&["dnstap", "cat", "in.fstrm", "--where", expression])
        .status(0);
    ran.stdout.lines().count()
}

#[test]
fn a_chain_of_dnstap_confirms_from_its_far_end_what_is_wanted() {
    let place = Place::new();
    place.write("in.fstrm", CAPTURE);
    let wanted = wanted(&place, "kind==CR");
    assert!(0 < wanted && wanted < 20);
    let mut last = Relay::of("dnstap", &place, &["unix:b.sock", "out.fstrm"]);
    let words = ["--json", "--where", "kind==CR", "unix:a.sock", "unix:b.sock"];
    let mut middle = Relay::of("dnstap", &place, &words);
    place
        .run(&["dnstap", "relay", "in.fstrm", "unix:a.sock"])
        .status(0);
    assert_eq!(payloads(&place, "out.fstrm").len(), wanted, "before anybody ends");
    let (status, text) = middle.end();
    assert_eq!(status, Some(0), "{text}");
    let counts = format!(r#""passed":{wanted},"filtered":{},"undecodable":0"#, 20 - wanted);
    assert!(text.contains(&counts), "{text}");
    assert_eq!(last.end().0, Some(0));
    let all = frames(CAPTURE);
    assert!(
        payloads(&place, "out.fstrm")
            .iter()
            .all(|left| all.contains(left))
    );
}

#[test]
fn frames_that_nobody_wants_are_confirmed_though_no_output_is_there() {
    let place = Place::new();
    place.write("in.fstrm", CAPTURE);
    assert_eq!(wanted(&place, "kind==TQ"), 0);
    let words = ["--where", "kind==TQ", "unix:a.sock", "unix:nobody.sock"];
    let mut relay = Relay::of("dnstap", &place, &words);
    place
        .run(&["dnstap", "relay", "in.fstrm", "unix:a.sock"])
        .status(0);
    let (status, text) = relay.end();
    assert_eq!(status, Some(0), "{text}");
}

#[test]
fn what_is_no_dnstap_is_passed_on_unless_messages_are_chosen_or_changed() {
    let place = Place::new();
    let message = frames(CAPTURE).remove(0);
    let mixed = stream(&[&message, b"\xff\xff"]);
    place.write("mixed.fstrm", &mixed);
    let relay = |words: &[&str], status| {
        let ran = place.run(&[&["dnstap", "relay", "--json"][..], words].concat());
        ran.status(status).json_errors().pop().unwrap()
    };
    let told = relay(&["mixed.fstrm", "all.fstrm"], 0);
    assert_eq!((&told["passed"], &told["undecodable"]), (&2.into(), &1.into()));
    assert!(std::fs::read(place.path().join("all.fstrm")).unwrap() == mixed);
    // As dnstap anonymize; one flag of it is enough.
    place
        .run(&["dnstap", "anonymize", "--no-ports", "mixed.fstrm", "theirs.fstrm"])
        .status(0);
    let told = relay(&["--no-ports", "mixed.fstrm", "ours.fstrm"], 0);
    assert_eq!((&told["passed"], &told["undecodable"]), (&1.into(), &1.into()));
    assert!(told["changed"]["addresses"].as_u64().unwrap() > 0, "{told}");
    let theirs = payloads(&place, "theirs.fstrm");
    assert_eq!(payloads(&place, "ours.fstrm"), theirs);
    assert_ne!(theirs, [message]);
    let told = relay(&["--strict", "--anonymize", "mixed.fstrm", "none.fstrm"], 5);
    assert_eq!(told["v"], 1);
}

#[test]
fn a_crowd_of_bad_peers_does_not_fill_the_log() {
    let place = Place::new();
    let mut relay = Relay::start(&place, &["unix:in.sock", "out.fstrm"]);
    for _ in 0..300 {
        let mut peer = std::os::unix::net::UnixStream::connect(place.path().join("in.sock")).unwrap();
        // It may be gone before it has read all of it.
        let _ = peer.write_all(b"GET / HTTP/1.1\r\n\r\n");
        let _ = peer.read(&mut [0; 1]);
    }
    let (code, said) = relay.end();
    assert_eq!(code, Some(0), "{said}");
    let remarks = said.lines().filter(|line| line.contains("not a frame stream"));
    let remarks = u64::try_from(remarks.count()).unwrap();
    let withheld = said
        .lines()
        .filter_map(|line| line.split_once(" remark")?.0.parse::<u64>().ok());
    assert!((20..300).contains(&remarks), "{remarks}");
    assert_eq!(remarks + withheld.sum::<u64>(), 300, "{said}");
}
