//! `dnstap top`

use crate::dnstap::{CAPTURE, stream};
use crate::place::Place;

#[test]
fn a_whole_file_is_one_table() {
    let place = Place::new();
    place.write("unbound.fstrm", CAPTURE);
    let ran = place.run(&["dnstap", "top", "--once", "unbound.fstrm"]).status(0);
    for part in [
        "unbound.fstrm  ",
        "dropped 0  not understood 0  queries ",
        "\n\nRCODE\n  NOERROR ",
        "\n\nQTYPE\n  ",
        "\n\nKIND\n  CLIENT_QUERY ",
        "\n\nLATENCY p50 ",
        "\n\nNAME\n  ",
        "\n\nCLIENT\n  127.0.0.1 ",
        "\n\nSTREAM ",
    ] {
        assert!(ran.stdout.contains(part), "{part:?} is not in\n{}", ran.stdout);
    }
    assert_eq!(ran.stderr, "20 messages, 2607 bytes, 0 dropped\n");
    // Without a terminal and without --once, the last table is that of the whole file too.
    let again = place.run(&["dnstap", "top", "unbound.fstrm"]).status(0);
    assert_eq!(again.stdout, ran.stdout);
}

#[test]
fn a_whole_file_is_one_object() {
    let place = Place::new();
    place.write("unbound.fstrm", CAPTURE);
    let words = ["dnstap", "top", "--once", "--json", "--top", "1", "unbound.fstrm"];
    let ran = place.run(&words).status(0);
    let [line] = &ran.json()[..] else {
        panic!("{}", ran.stdout)
    };
    assert_eq!((&line["v"], &line["type"]), (&1.into(), &"top".into()));
    assert_eq!((&line["messages"], &line["dropped"]), (&20.into(), &0.into()));
    assert_eq!(line["names"].as_array().unwrap().len(), 1);
    assert!(line["names"][0]["error"].is_u64());
    assert_eq!(line["streams"][0]["frames"], 20);
    assert_eq!(line["streams"][0]["is_open"], false);
    assert!(line["latency_quantiles_ns"][0].is_u64());
}

#[test]
fn one_interval_of_the_simulation_depends_on_its_seed_alone() {
    let place = Place::new();
    let run = |seed| {
        let words = ["dnstap", "top", "sim:", "--once", "--json", "--seed", seed];
        place.run(&words).status(0)
    };
    let one = run("7");
    assert_eq!(one.stdout, run("7").stdout);
    assert_ne!(one.stdout, run("8").stdout);
    let line = one.json().remove(0);
    assert_eq!(line["seconds"], 1.0);
    // Client queries at 5,000 a second, and those that the resolver asks in turn.
    let queries = line["rates"]["queries"].as_f64().unwrap();
    assert!((5_000.0..8_000.0).contains(&queries), "{queries}");
    assert_eq!(line["queries"].as_f64(), Some(queries));
    assert_eq!(line["names"].as_array().unwrap().len(), 10);
}

#[test]
fn every_interval_is_an_object_until_the_deadline() {
    let place = Place::new();
    let words = [
        "dnstap",
        "top",
        "sim:",
        "--json",
        "--interval",
        "50ms",
        "--deadline",
        "2s",
    ];
    let lines = place.run(&words).status(0).json();
    assert!(lines.len() >= 2, "{} lines", lines.len());
    let messages: Vec<_> = lines
        .iter()
        .map(|line| line["messages"].as_u64().unwrap())
        .collect();
    assert!(messages.is_sorted(), "{messages:?}");
}

#[test]
fn a_filter_and_what_is_no_dnstap_are_counted_apart() {
    let place = Place::new();
    place.write("mixed.fstrm", stream(&[b"\xff\xff"]));
    place.write("unbound.fstrm", CAPTURE);
    let words = [
        "dnstap",
        "top",
        "--once",
        "--json",
        "--where",
        "kind==CQ",
        "unbound.fstrm",
        "mixed.fstrm",
    ];
    let ran = place.run(&words).status(0);
    let line = ran.json().remove(0);
    assert_eq!(line["unreadable"], 1);
    assert_eq!(line["responses"], 0);
    let shown = line["queries"].as_u64().unwrap();
    assert!(shown > 0);
    assert_eq!(line["passed_over"], 20 - shown);
}

#[test]
fn a_cut_file_is_shown_and_its_fault_is_the_exit_status() {
    let place = Place::new();
    place.write("cut.fstrm", &CAPTURE[..CAPTURE.len() - 20]);
    let ran = place.run(&["dnstap", "top", "--once", "cut.fstrm"]).status(1);
    assert!(ran.stdout.contains("queries "), "{}", ran.stdout);
    place.run(&["dnstap", "top", "--once", "none.fstrm"]).status(3);
    place
        .run(&["dnstap", "top", "--once", "sim:", "cut.fstrm"])
        .status(2);
}

#[cfg(unix)]
#[test]
fn a_live_stream_is_counted_and_told_that_it_was() {
    let place = Place::new();
    place.write("unbound.fstrm", CAPTURE);
    let words = [
        "dnstap",
        "top",
        "--json",
        "--interval",
        "50ms",
        "unix:top.sock",
        "--deadline",
        "50s",
    ];
    let top = place.start(&words);
    // FINISH comes when the frames were counted.
    place
        .run(&["fstrm", "replay", "unbound.fstrm", "unix:top.sock"])
        .status(0);
    top.signal("TERM");
    let ran = top.end();
    let summary = ran.json_errors().pop().unwrap();
    assert_eq!((&summary["frames"], &summary["dropped"]), (&20.into(), &0.into()));
}

#[cfg(all(target_os = "linux", feature = "tui"))]
mod terminal {
    use core::time::Duration;
    use std::fs::File;
    use std::io::{Read as _, Write as _};
    use std::process::{Child, Stdio};
    use std::time::Instant;

    use nix::pty::{Winsize, openpty};
    use nix::sys::termios::{LocalFlags, Termios, tcgetattr};

    use crate::place::{Place, signal_to};

    /// The command on a terminal of its own.
    struct Terminal {
        child: Child,
        user: File,
        /// Kept open, so that its settings can be looked at when the command has ended.
        line: File,
        before: Termios,
        seen: String,
    }

    impl Terminal {
        fn start(place: &Place, from: &str) -> Self {
            let size = Winsize {
                ws_row: 24,
                ws_col: 80,
                ws_xpixel: 0,
                ws_ypixel: 0,
            };
            let pty = openpty(Some(&size), None).unwrap();
            let line = File::from(pty.slave);
            let before = tcgetattr(&line).unwrap();
            let end = || Stdio::from(line.try_clone().unwrap());
            let mut command = place.command(&["dnstap", "top", from, "--deadline", "50s"]);
            let child = command
                .stdin(end())
                .stdout(end())
                .stderr(end())
                .env("TERM", "xterm")
                .spawn();
            Self {
                child: child.unwrap(),
                user: pty.master.into(),
                line,
                before,
                seen: String::new(),
            }
        }

        /// Reads until the screen has shown this.
        fn wait_for(&mut self, what: &str) {
            let limit = Instant::now() + Duration::from_secs(60);
            let mut piece = [0; 4096];
            while !self.seen.contains(what) {
                assert!(Instant::now() < limit, "no {what:?} in {:?}", self.seen);
                let len = self.user.read(&mut piece).unwrap();
                self.seen.push_str(&String::from_utf8_lossy(&piece[..len]));
            }
        }

        /// The exit status, once the terminal is as it was.
        fn end(mut self) -> Option<i32> {
            self.wait_for("\x1b[?1049l");
            self.wait_for("dropped\r\n");
            self.ended()
        }

        /// The exit status of what nobody reads any more, once the terminal is as it was.
        fn ended(mut self) -> Option<i32> {
            let status = self.child.wait().unwrap();
            let after = tcgetattr(&self.line).unwrap();
            assert_eq!(after.local_flags, self.before.local_flags);
            assert_eq!(after.input_flags, self.before.input_flags);
            assert_eq!(after.output_flags, self.before.output_flags);
            status.code()
        }
    }

    #[test]
    fn q_ends_the_screen_and_the_terminal_is_as_it_was() {
        let place = Place::new();
        let mut terminal = Terminal::start(&place, "sim:");
        terminal.wait_for("\x1b[?1049h");
        terminal.wait_for("LATENCY");
        terminal.wait_for("q quit");
        let raw = tcgetattr(&terminal.line).unwrap();
        assert!(!raw.local_flags.contains(LocalFlags::ECHO | LocalFlags::ICANON));
        terminal.user.write_all(b" ").unwrap();
        terminal.wait_for("FROZEN");
        terminal.user.write_all(b"q").unwrap();
        assert_eq!(terminal.end(), Some(0));
    }

    #[test]
    fn a_signal_ends_the_screen_and_the_terminal_is_as_it_was() {
        let place = Place::new();
        let mut terminal = Terminal::start(&place, "sim:");
        terminal.wait_for("q quit");
        signal_to(&terminal.child, "TERM");
        terminal.end();
    }

    #[test]
    fn a_second_signal_ends_it_at_once_and_the_terminal_is_as_it_was() {
        let place = Place::new();
        let mut terminal = Terminal::start(&place, "sim:");
        terminal.wait_for("q quit");
        // Both are there when it goes on: there is no time for the end that the first one asks for.
        for name in ["STOP", "TERM", "INT", "CONT"] {
            signal_to(&terminal.child, name);
        }
        terminal.ended();
    }

    #[test]
    fn a_file_that_cannot_be_opened_leaves_no_empty_screen() {
        let place = Place::new();
        let begun = Instant::now();
        let terminal = Terminal::start(&place, "missing.fstrm");
        assert_eq!(terminal.end(), Some(3));
        // Nobody presses a key: an empty screen would stay until the deadline.
        assert!(begun.elapsed() < Duration::from_secs(45));
    }
}
