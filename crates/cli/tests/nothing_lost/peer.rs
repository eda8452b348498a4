//! The command as somebody who receives: started, killed, stopped, started again.

use core::time::Duration;
use std::fs::{self, OpenOptions};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::thread;
use std::time::Instant;

use crate::place::{Place, finish, signal_to};

/// Far longer than anything here takes.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// A process; killed when it is dropped.
pub(crate) struct Guard(Option<Child>);

impl Guard {
    pub(crate) fn new(child: Child) -> Self {
        Self(Some(child))
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        self.0.as_mut().unwrap()
    }

    /// Whoever takes it sees to its end.
    pub(crate) fn take(mut self) -> Child {
        self.0.take().unwrap()
    }

    fn kill(&mut self) {
        if let Some(child) = &mut self.0 {
            // It may be gone already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Something that listens on a socket of the place.
pub(crate) struct Peer<'a> {
    place: &'a Place,
    socket: &'static str,
    words: Vec<&'a str>,
    process: Guard,
}

impl<'a> Peer<'a> {
    pub(crate) fn new(place: &'a Place, socket: &'static str, words: &[&'a str]) -> Self {
        let mut peer = Self {
            place,
            socket,
            words: words.to_vec(),
            process: Guard(None),
        };
        peer.start();
        peer
    }

    /// Starts it, and waits until it listens, so that its senders' patience is not what is tried.
    pub(crate) fn start(&mut self) {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log())
            .unwrap();
        // A file that would grow beyond its limit is an error to be dealt with, not the end.
        let mut command = self.place.script("trap '' XFSZ; exec \"$0\" \"$@\"", &self.words);
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.process = Guard::new(command.spawn().unwrap());
        let socket = self.socket();
        until("somebody listens", || UnixStream::connect(&socket).is_ok());
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    pub(crate) fn signal(&self, name: &str) {
        signal_to(self.process.0.as_ref().unwrap(), name);
    }

    pub(crate) fn remove_socket(&self) {
        fs::remove_file(self.socket()).unwrap();
    }

    /// How long its files may grow from now on.
    pub(crate) fn limit_files(&self, limit: &str) {
        let id = self.process.0.as_ref().unwrap().id().to_string();
        let mut prlimit = Command::new("prlimit");
        prlimit.args(["--pid", &id, &format!("--fsize={limit}:")]);
        assert!(prlimit.status().unwrap().success(), "{prlimit:?}");
    }

    /// Ends it as its user would. Gives what all processes have told.
    #[track_caller]
    pub(crate) fn end(self) -> String {
        self.signal("TERM");
        let log = self.log();
        let ran = finish(self.process.take());
        let told = fs::read_to_string(log).unwrap();
        assert_eq!(ran.status, Some(0), "{told}");
        told
    }

    fn socket(&self) -> PathBuf {
        self.place.path().join(self.socket)
    }

    fn log(&self) -> PathBuf {
        self.socket().with_extension("log")
    }
}

/// Waits until something is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < LIMIT, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}
