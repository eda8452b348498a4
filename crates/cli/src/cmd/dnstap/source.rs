//! Files, read and shown by a thread of their own: whoever waits for the pieces can be stopped, also where
//! the file is a pipe that nobody writes to.

use fstrm_codec::Config;
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
    let mut reader = reader(feed::open(name)?, config)?;
    let mut skipped = 0;
    loop {
        // The next read may wait: what has come is shown first.
        let now = reader.stats().skipped_frames;
        way.printer
            .drop_frames(now - core::mem::replace(&mut skipped, now));
        if !way.give() {
            return Ok(());
        }
        let Some(run) = reader.next_run().map_err(|error| trouble(name, error))? else {
            break;
        };
        for payload in run.iter() {
            way.printer.frame(payload);
            let is_wanted = way.printer.len() < PIECE_LEN || way.give();
            if way.printer.is_done() || !is_wanted {
                return Ok(());
            }
        }
    }
    reader.end_of_stream().map_or(Ok(()), |end| check_end(name, end))
}
