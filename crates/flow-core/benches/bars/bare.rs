//! Two processes on a UNIX socket, and nothing else.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;
use std::time::Instant;

const SOCKET: &str = "bare.sock";

/// Sends back what comes, in a thread of its own.
pub(crate) fn serve(place: &Path) {
    let listener = UnixListener::bind(place.join(SOCKET)).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut packet = [0; 64];
            while stream.read_exact(&mut packet).is_ok() {
                stream.write_all(&packet).unwrap();
            }
        }
    });
}

/// This side of the exchange.
pub(crate) struct Exchange(UnixStream);

impl Exchange {
    pub(crate) fn new(place: &Path) -> Self {
        Self(UnixStream::connect(place.join(SOCKET)).unwrap())
    }

    /// The middle one of some round trips, in seconds.
    pub(crate) fn median(&mut self, count: usize) -> f64 {
        let mut packet = [7; 64];
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let begin = Instant::now();
            self.0.write_all(&packet).unwrap();
            self.0.read_exact(&mut packet).unwrap();
            times.push(begin.elapsed());
        }
        times.sort_unstable();
        times.get(count / 2).unwrap().as_secs_f64()
    }
}
