//! golang-dnstap's `dnstap`, `dnstap-ldns` and BIND's `dnstap-read` on files that we wrote, and the first of
//! them as a collector and as a sender.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests may panic like tests"
)]

#[path = "cli/place.rs"]
mod place;
mod servers;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use place::{Place, finish};
use servers::collector::{Collector, FILE};
use servers::{PATIENCE, debian_version, wait_for};
use testkit::compat::{Direction, Outcome, Report};

/// A tool that prints what is in a file.
struct Tool {
    /// The program and a letter of it.
    name: &'static str,
    /// Whose it is, where the name does not tell.
    of: &'static str,
    package: &'static str,
    /// Its words before the file.
    words: &'static [&'static str],
    /// Ours that promise the same lines.
    ours: &'static [&'static str],
    /// What our line would be if we knew no more than the tool.
    as_the_tool: fn(&str) -> String,
    /// What the tool knows less.
    rule: &'static str,
}

const TOOLS: [Tool; 4] = [
    Tool {
        name: "dnstap -q",
        of: "golang-dnstap, ",
        package: "golang-github-dnstap-golang-dnstap-cli",
        words: &["-q", "-r"],
        ours: &["--style", "golang"],
        as_the_tool: str::to_owned,
        rule: "all lines are the same",
    },
    Tool {
        name: "dnstap -y",
        of: "golang-dnstap, ",
        package: "golang-github-dnstap-golang-dnstap-cli",
        words: &["-y", "-r"],
        ours: &["-y"],
        as_the_tool: str::to_owned,
        rule: "all lines are the same",
    },
    Tool {
        name: "dnstap-ldns -q",
        of: "",
        package: "dnstap-ldns",
        words: &["-q", "-r"],
        ours: &["--style", "ldns"],
        as_the_tool: |line| {
            if line.contains(" UQ ") || line.contains(" UR ") {
                return "[unhandled Dnstap.Message.Type]".into();
            }
            [" DOT ", " DOH ", " DOQ "]
                .iter()
                .fold(line.to_owned(), |line, name| line.replacen(name, " ? ", 1))
        },
        rule: "it does not know updates, nor transports after TCP",
    },
    Tool {
        name: "dnstap-read",
        of: "BIND, ",
        package: "bind9-dnsutils",
        words: &[],
        ours: &["--style", "bind"],
        as_the_tool: |line| {
            [" DOT ", " DOH ", " DOQ ", " ? "]
                .iter()
                .fold(line.to_owned(), |line, name| line.replacen(name, " UDP ", 1))
        },
        rule: "it takes every transport but TCP for UDP",
    },
];

impl Tool {
    fn report(&self) -> Report {
        Report {
            peer: format!("{}{}", self.of, self.name),
            version: debian_version(self.package),
            over: "file".into(),
        }
    }

    fn lines(&self, path: &Path) -> Vec<String> {
        let program = self.name.split(' ').next().unwrap();
        let mut command = Command::new(program);
        command.args(self.words).arg(path);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let ran = finish(command.spawn().unwrap()).status(0);
        ran.stdout.lines().map(str::to_owned).collect()
    }

    /// Compares line by line what it prints of a file with what we do; these lines, and of how many we know
    /// more.
    #[track_caller]
    fn compare(&self, place: &Place, file: &str) -> (Vec<String>, usize) {
        let words = [&["dnstap", "cat"], self.ours, &[file]].concat();
        let ours = place.run(&words).status(0).stdout;
        let theirs = self.lines(&place.path().join(file));
        assert_eq!(ours.lines().count(), theirs.len(), "{}: {file}", self.name);
        let mut better = 0;
        for (ours, theirs) in ours.lines().zip(&theirs) {
            if ours != theirs {
                assert_eq!(&(self.as_the_tool)(ours), theirs, "{}: {file}", self.name);
                better += 1;
            }
        }
        (theirs, better)
    }

    /// Compares several copies, and each with the file that it is one of; prints what came of it.
    #[track_caller]
    fn compare_copies(&self, place: &Place, what: &str, files: &[(String, String)]) {
        let (mut lines, mut better) = (0, 0);
        for (original, copy) in files {
            let (all, of_them) = self.compare(place, copy);
            place.run(&["fstrm", "verify", copy]).status(0);
            let of_original = self.lines(&place.path().join(original));
            assert!(all == of_original, "{}: {copy} is another", self.name);
            lines += all.len();
            better += of_them;
        }
        self.print(what, lines, files.len(), better);
    }

    fn print(&self, what: &str, lines: usize, files: usize, better: usize) {
        let remark = format!("{lines} lines of {files} files, {better} better: {}", self.rule);
        self.report()
            .row(Direction::ToPeer, what, Outcome::Works, &remark);
    }
}

const CAPTURES: [&str; 7] = [
    "dnsdist",
    "knot",
    "named",
    "named_file",
    "unbound",
    "unbound_tls",
    "unbound_uni",
];

/// A place with the captures of servers, as `NAME.fstrm`.
fn with_captures() -> (Place, Vec<String>) {
    let place = Place::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dnstap-codec/tests/vectors/fstrm/dnstap");
    let names: Vec<_> = CAPTURES.iter().map(|name| format!("{name}.fstrm")).collect();
    for name in &names {
        place.write(name, fs::read(folder.join(name)).unwrap());
    }
    (place, names)
}

fn with_made_up_traffic(count: &str) -> Place {
    let place = Place::new();
    place
        .run(&["dnstap", "gen", "-n", count, "--seed", "5", "made.fstrm"])
        .status(0);
    place
}

#[test]
#[ignore = "needs dnstap, dnstap-ldns and dnstap-read: cargo xtask setup"]
fn the_tools_print_of_captures_that_we_copied_what_we_print() {
    let (place, names) = with_captures();
    let mut copies = Vec::new();
    for name in names {
        let copy = format!("copy-{name}");
        place.run(&["dnstap", "cat", "-w", &copy, &name]).status(0);
        copies.push((name, copy));
    }
    for tool in TOOLS {
        tool.compare_copies(&place, "captures of servers, copied by us", &copies);
    }
}

#[test]
#[ignore = "needs dnstap, dnstap-ldns and dnstap-read: cargo xtask setup"]
fn the_tools_print_of_captures_that_went_through_json_what_we_print() {
    let (place, names) = with_captures();
    let mut copies = Vec::new();
    for name in names {
        let copy = format!("again-{name}");
        place.run(&["dnstap", "convert", &name, "x.jsonl"]).status(0);
        place.run(&["dnstap", "convert", "x.jsonl", &copy]).status(0);
        fs::remove_file(place.path().join("x.jsonl")).unwrap();
        copies.push((name, copy));
    }
    for tool in TOOLS {
        tool.compare_copies(&place, "captures of servers, to JSON and back", &copies);
    }
}

#[test]
#[ignore = "needs dnstap, dnstap-ldns and dnstap-read: cargo xtask setup"]
fn the_tools_print_of_made_up_traffic_what_we_print() {
    let place = with_made_up_traffic("5000");
    for tool in TOOLS {
        let (lines, better) = tool.compare(&place, "made.fstrm");
        tool.print("traffic that we made up", lines.len(), 1, better);
    }
}

#[test]
#[ignore = "needs dnstap, dnstap-ldns and dnstap-read: cargo xtask setup"]
fn the_tools_read_a_torn_file_that_we_mended() {
    let (place, _) = with_captures();
    let whole = fs::read(place.path().join("unbound.fstrm")).unwrap();
    let lines = TOOLS.map(|tool| tool.lines(&place.path().join("unbound.fstrm")));
    let messages = lines[0].len();
    // STOP has 12 bytes.
    for (missing, lost) in [(1, 0), (12, 0), (13, 1), (40, 1), (200, 2)] {
        place.write("torn.fstrm", &whole[..whole.len() - missing]);
        place.run(&["fstrm", "repair", "torn.fstrm"]).status(0);
        place.run(&["fstrm", "verify", "torn.fstrm"]).status(0);
        for (tool, lines) in TOOLS.iter().zip(&lines) {
            let (mended, _) = tool.compare(&place, "torn.fstrm");
            assert!(lines.starts_with(&mended), "{}: {missing}", tool.name);
        }
        let mended = TOOLS[0].lines(&place.path().join("torn.fstrm"));
        assert_eq!(mended.len(), messages - lost, "{missing}");
    }
    for tool in TOOLS {
        let remark = "cut at five places and mended: what we print of it";
        tool.report().row(
            Direction::ToPeer,
            "a torn file, mended by us",
            Outcome::Works,
            remark,
        );
    }
}

/// golang-dnstap's command while it runs; killed when it is dropped.
struct Golang(Child);

impl Golang {
    fn start(place: &Place, words: &[&str]) -> Self {
        let mut command = Command::new("dnstap");
        command
            .args(words)
            .current_dir(place.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }

    fn report(over: &str) -> Report {
        Report {
            peer: "golang-dnstap, dnstap".into(),
            version: debian_version("golang-github-dnstap-golang-dnstap-cli"),
            over: over.into(),
        }
    }
}

impl Drop for Golang {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "needs dnstap: cargo xtask setup"]
fn golang_dnstap_collects_all_that_our_sender_sends() {
    let place = with_made_up_traffic("3000");
    let expected = place.run(&["dnstap", "cat", "-q", "made.fstrm"]).status(0).stdout;
    let expected: Vec<_> = expected.lines().collect();
    let mut golang = Golang::start(&place, &["-q", "-u", "socket"]);
    let stdout = BufReader::new(golang.0.stdout.take().unwrap());
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for line in stdout.lines() {
            // Nobody may listen any more.
            let _ = tell.send(line.unwrap());
        }
    });
    wait_for("its socket", || {
        place.path().join("socket").exists().then_some(())
    });
    let words = [
        "fstrm",
        "replay",
        "--delivery",
        "confirmed",
        "made.fstrm",
        "unix:socket",
    ];
    place.run(&words).status(0);
    for expected in expected {
        assert_eq!(told.recv_timeout(PATIENCE).unwrap(), expected);
    }
    Golang::report("Unix socket").row(
        Direction::ToPeer,
        "collector: -u",
        Outcome::Works,
        "3,000 messages from fstrm replay, confirmed by FINISH",
    );
}

#[test]
#[ignore = "needs dnstap: cargo xtask setup"]
fn our_collector_gets_all_that_golang_dnstap_sends() {
    for (letter, over) in [("-U", "Unix socket"), ("-T", "TCP")] {
        let place = with_made_up_traffic("3000");
        let endpoint = if letter == "-U" {
            "unix:tap"
        } else {
            "tcp://127.0.0.1:0"
        };
        let collector = Collector::start(&place, &[endpoint]);
        let target = match letter {
            "-U" => String::from("tap"),
            _ => format!("127.0.0.1:{}", collector.port()),
        };
        let mut golang = Golang::start(&place, &["-r", "made.fstrm", letter, &target]);
        // It ends as soon as it has read the file, and sends until then.
        let ended = wait_for("its end", || golang.0.try_wait().unwrap());
        assert!(ended.success(), "{ended}");
        let event = collector.hears("ended");
        let summary = collector.stop();
        assert_eq!(summary["ended"]["stop"], 1, "{event}");
        let [sent, got] = ["made.fstrm", FILE].map(|name| fs::read(place.path().join(name)).unwrap());
        assert_eq!(sent, got);
        place.run(&["fstrm", "verify", FILE]).status(0);
        Golang::report(over).row(
            Direction::FromPeer,
            &format!("sender: {letter}"),
            Outcome::Works,
            "3,000 messages, the same file again; ends with STOP",
        );
    }
}
