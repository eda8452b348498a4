//! Files, read and shown by a thread of their own: whoever waits for the pieces can be stopped, also where
//! the file is a pipe that nobody writes to.

use std::io::{self, Read};

use fstrm_codec::Config;
use fstrm_codec::file::ReadError;
use tokio::sync::mpsc;

use super::printer::{Piece, Printer};
use crate::cmd::fstrm::{check_end, feed, reader, trouble};
use crate::failure::Result;

/// Pieces that are ahead of whoever writes them.
const AHEAD: usize = 4;
/// Bytes of text at which a piece is given away.
const PIECE_LEN: usize = 128 * 1024;

/// Begins to read the file `name`. The last thing to come is how it ended.
pub(super) fn spawn(name: String, config: Config, printer: Printer) -> mpsc::Receiver<Result<Piece>> {
    let (sender, pieces) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        let mut way = Way { printer, sender };
        let ended = read(&name, config, &mut way);
        way.give();
        if let Err(failure) = ended {
            // Nobody listens any more when the command has all it wants.
            let _ = way.sender.blocking_send(Err(failure));
        }
    });
    pieces
}

/// From the reader to whoever writes.
struct Way {
    printer: Printer,
    sender: mpsc::Sender<Result<Piece>>,
}

impl Way {
    /// Gives away what was collected; whether anybody still wants it.
    fn give(&mut self) -> bool {
        let piece = self.printer.take();
        piece.is_empty() || self.sender.blocking_send(Ok(piece)).is_ok()
    }
}

fn read(name: &str, config: Config, way: &mut Way) -> Result {
    let mut reader = reader(Pausing::new(feed::open(name)?), config)?;
    let mut skipped = 0;
    loop {
        let frame = reader.next_frame();
        let has_frame = matches!(frame, Ok(Some(_)));
        match frame {
            Ok(Some(payload)) => way.printer.frame(payload),
            Ok(None) => {}
            // The next read may wait: what has come is shown first.
            Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                if !way.give() {
                    return Ok(());
                }
                continue;
            }
            Err(error) => return Err(trouble(name, error)),
        }
        let now = reader.stats().skipped_frames;
        way.printer
            .drop_frames(now - core::mem::replace(&mut skipped, now));
        if way.printer.is_done() {
            return Ok(());
        }
        if !has_frame {
            break;
        }
        if way.printer.len() >= PIECE_LEN && !way.give() {
            return Ok(());
        }
    }
    reader.end_of_stream().map_or(Ok(()), |end| check_end(name, end))
}

/// Says that it would have to wait before each read, once: so that its reader has time for other things.
struct Pausing<R> {
    inner: R,
    has_paused: bool,
}

impl<R> Pausing<R> {
    const fn new(inner: R) -> Self {
        Self {
            inner,
            has_paused: false,
        }
    }
}

impl<R: Read> Read for Pausing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !core::mem::replace(&mut self.has_paused, true) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.has_paused = false;
        self.inner.read(buffer)
    }
}
