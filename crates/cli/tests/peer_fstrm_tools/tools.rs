//! The tools of the C library, and ours under their names.

use core::time::Duration;
use std::fs;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command};
use std::thread;
use std::time::Instant;

use testkit::compat::Report;

use crate::place::{Place, Ran, finish, signal_to};

/// What the frames are called.
pub(crate) const TYPE: &str = "numbers";

/// Generous, because the machine may be busy; nothing waits so long when all is well.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whose tool.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Side {
    Theirs,
    Ours,
}

fn command(place: &Place, side: Side, tool: &str, words: &[&str]) -> Command {
    match side {
        Side::Theirs => place.foreign(tool, words),
        Side::Ours => place.tool(tool, words),
    }
}

/// Runs a tool to its end.
pub(crate) fn run(place: &Place, side: Side, tool: &str, words: &[&str]) -> Ran {
    finish(command(place, side, tool, words).spawn().unwrap())
}

/// The report on a tool. None tells its version; its package's is the next best.
pub(crate) fn report(tool: &str, over: &str) -> Report {
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat=${Version}", "fstrm-bin"]);
    let told = query.output().ok().filter(|output| output.status.success());
    let version = told.map_or_else(
        || "of unknown version".to_owned(),
        |output| format!("Debian {}", String::from_utf8_lossy(&output.stdout)),
    );
    Report {
        peer: tool.to_owned(),
        version,
        over: over.to_owned(),
    }
}

/// A process; killed when it is dropped.
pub(crate) struct Guard(Option<Child>);

impl Guard {
    pub(crate) fn new(child: Child) -> Self {
        Self(Some(child))
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.0.as_mut().unwrap().try_wait().unwrap().is_none()
    }

    /// Whoever takes it sees to its end.
    pub(crate) fn take(mut self) -> Child {
        self.0.take().unwrap()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // It may be gone already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A running `fstrm_capture`.
pub(crate) struct Capture<'a> {
    place: &'a Place,
    process: Guard,
}

impl<'a> Capture<'a> {
    pub(crate) fn start(place: &'a Place, side: Side, words: &[&str]) -> Self {
        let process = Guard::new(command(place, side, "fstrm_capture", words).spawn().unwrap());
        Self { place, process }
    }

    pub(crate) fn wait_for_socket(&self, name: &str) {
        let path = self.place.path().join(name);
        until("somebody listens", || UnixStream::connect(&path).is_ok());
    }

    pub(crate) fn wait_for_port(&self, port: &str) {
        let port = port.parse().unwrap();
        until("somebody listens", || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
    }

    /// Ends it as its user would, so that it writes STOP.
    pub(crate) fn interrupt(self) -> Ran {
        signal_to(self.process.0.as_ref().unwrap(), "INT");
        finish(self.process.take())
    }

    /// `kill -9`.
    pub(crate) fn kill(self) {
        drop(self.process);
    }
}

/// Length of a file that may not be there yet.
pub(crate) fn len(place: &Place, name: &str) -> u64 {
    fs::metadata(place.path().join(name)).map_or(0, |metadata| metadata.len())
}

/// Waits until something is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < PATIENCE, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}
