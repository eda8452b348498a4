//! Somebody else's server, in the foreground, as long as the test that started it.

use std::fs::{self, File};
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use super::dns::Client;
use super::wait_for;
use crate::place::signal_to;

/// How often a server is started that finds its port taken.
const ATTEMPTS: usize = 5;

/// A running server; killed when it is dropped, and what it said shown when the test has failed.
pub(crate) struct Daemon {
    child: Child,
    log: PathBuf,
    port: u16,
}

impl Daemon {
    /// Starts a server and waits until it answers a question for `ready`. Servers do not take port 0, so
    /// `command` is asked for one that has a free port, and asked again when somebody was faster.
    pub(crate) fn start(log: &Path, ready: &str, command: impl Fn(u16) -> Command) -> Self {
        for _ in 0..ATTEMPTS {
            let port = free_port();
            if let Some(daemon) = Self::attempt(log, ready, port, command(port)) {
                return daemon;
            }
        }
        panic!("it ends: {}", fs::read_to_string(log).unwrap_or_default());
    }

    fn attempt(log: &Path, ready: &str, port: u16, mut command: Command) -> Option<Self> {
        let out = File::create(log).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .unwrap();
        let log = log.to_owned();
        let mut daemon = Self { child, log, port };
        let client = Client::new(port);
        let answers = wait_for("a server that answers", || {
            if daemon.child.try_wait().unwrap().is_some() {
                return Some(false);
            }
            client.is_answered(ready).then_some(true)
        });
        answers.then_some(daemon)
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// How often it has said so until now.
    pub(crate) fn has_said(&self, words: &str) -> usize {
        fs::read_to_string(&self.log).unwrap().matches(words).count()
    }

    /// Ends it as its owner would, and waits until it is gone.
    pub(crate) fn stop(mut self) {
        signal_to(&self.child, "TERM");
        let status = self.wait();
        assert!(status.success(), "{status}");
    }

    /// Kills it, and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn wait(&mut self) -> ExitStatus {
        wait_for("the end of a server", || self.child.try_wait().unwrap())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let said = fs::read_to_string(&self.log).unwrap_or_default();
            println!("{}:\n{said}", self.log.display());
        }
    }
}

/// A port that is free for both transports of DNS.
fn free_port() -> u16 {
    wait_for("a free port", || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        TcpListener::bind(("127.0.0.1", port)).is_ok().then_some(port)
    })
}
