//! Tests whose actors are processes: each starts its own executable again, as somebody in the play.

#![allow(dead_code, reason = "no play has every kind of scene")]

use core::time::Duration;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const ROLE: &str = "TINWIRE_TEST_ROLE";
/// What an actor says begins so; the rest is the test harness.
const SAYS: &str = "> ";
/// Longer than any machine takes.
const LIMIT: Duration = Duration::from_secs(60);

/// A part in the play, with its arguments.
pub(crate) type Role = fn(&[String]);

/// To be called first by every test: an actor plays its part here, and does not return.
pub(crate) fn cast(roles: &[(&str, Role)]) {
    let Ok(line) = env::var(ROLE) else { return };
    let mut words = line.split('\u{1f}').map(str::to_owned);
    let name = words.next().unwrap();
    let (_, role) = roles.iter().find(|(role, _)| *role == name).unwrap();
    role(&words.collect::<Vec<_>>());
    std::process::exit(0);
}

/// What an actor says to the test.
#[expect(clippy::print_stdout, reason = "it is what the test hears")]
pub(crate) fn say(line: impl core::fmt::Display) {
    println!("\n{SAYS}{line}"); // the harness does not end its lines
}

/// What the test says to an actor; `None` when it is gone.
pub(crate) fn hear() -> Option<String> {
    let mut line = String::new();
    (std::io::stdin().read_line(&mut line).unwrap() > 0).then(|| line.trim_end().to_owned())
}

/// A process of the play; killed when dropped.
#[derive(Debug)]
pub(crate) struct Actor {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
    reader: Option<JoinHandle<()>>,
}

impl Actor {
    /// Starts one.
    pub(crate) fn new(role: &str, words: &[&str]) -> Self {
        let line = [&[role], words].concat().join("\u{1f}");
        let mut child = Command::new(env::current_exe().unwrap())
            .args([
                "--exact",
                thread::current().name().unwrap(),
                "--nocapture",
                "--include-ignored",
            ])
            .env(ROLE, line)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        let reader = Some(thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if let Some(line) = line.strip_prefix(SAYS) {
                    let _ = sender.send(line.to_owned());
                }
            }
        }));
        Self {
            child,
            stdin,
            lines,
            reader,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next thing that it says.
    #[track_caller]
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(LIMIT).expect("an actor that speaks")
    }

    /// All that it says until it is over.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(LIMIT) {
            lines.push(line);
        }
        lines
    }

    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid().cast_signed()), signal).unwrap();
    }

    /// `kill -9`, and waits until it is dead.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it is over in good order.
    #[track_caller]
    pub(crate) fn end(mut self) {
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // it holds a file until it sees the end
        let _ = self.reader.take().map(JoinHandle::join);
    }
}
