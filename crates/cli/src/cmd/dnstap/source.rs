//! Files, read and shown by a thread of their own: whoever waits for the pieces can be stopped, also where
//! the file is a pipe that nobody writes to.

use fstrm_codec::Config;
use tokio::sync::mpsc;

use super::counts::Counts;
use super::manners::Manners;
use super::printer::{Piece, Printer};
use crate::cmd::Session;
use crate::cmd::fstrm::{check_end, feed, reader, trouble};
use crate::failure::{Failure, Result};

/// Items that are ahead of whoever takes them.
pub(super) const AHEAD: usize = 4;
/// Bytes at which a piece is given away.
const PIECE_LEN: usize = 128 * 1024;

/// What comes from files and streams.
#[derive(Debug)]
pub(super) enum Item {
    /// What has become of some frames.
    Piece(Piece),
    /// A file or stream cannot be read, or not to its end; the others go on.
    Fault {
        failure: Failure,
        /// Whether its START was read.
        has_started: bool,
    },
}

/// Begins to read files, one behind the other.
pub(super) fn spawn(names: Vec<String>, config: Config, printer: Printer, items: mpsc::Sender<Item>) {
    tokio::task::spawn_blocking(move || {
        let mut way = Way { printer, items };
        for name in names {
            let mut has_started = false;
            let ended = read(&name, &config, &mut way, &mut has_started);
            let is_heard = way.give()
                && match ended {
                    Ok(()) => true,
                    Err(failure) => way.send(Item::Fault { failure, has_started }),
                };
            if !is_heard || way.printer.is_done() {
                return;
            }
        }
    });
}

/// Gives every piece to `take`, and every fault to `manners`, until they end or the command is told to.
pub(super) async fn each(
    session: &mut Session,
    mut items: mpsc::Receiver<Item>,
    counts: &mut Counts,
    manners: &mut Manners,
    mut take: impl FnMut(&mut Session, &mut Piece) -> Result,
) -> Result {
    loop {
        let item = tokio::select! {
            biased;
            _ = session.stop.wait() => return Ok(()),
            item = items.recv() => item,
        };
        match item {
            None => return Ok(()),
            Some(Item::Fault { failure, has_started }) => manners.fault(session, failure, has_started)?,
            Some(Item::Piece(mut piece)) => {
                take(session, &mut piece)?;
                *counts += piece.counts;
            }
        }
    }
}

/// From the reader to whoever writes.
struct Way {
    printer: Printer,
    items: mpsc::Sender<Item>,
}

impl Way {
    /// Gives away what was collected; whether anybody still wants it.
    fn give(&mut self) -> bool {
        let piece = self.printer.take();
        piece.is_empty() || self.send(Item::Piece(piece))
    }

    fn send(&self, item: Item) -> bool {
        self.items.blocking_send(item).is_ok()
    }
}

fn read(name: &str, config: &Config, way: &mut Way, has_started: &mut bool) -> Result {
    let mut reader = reader(feed::open(name)?, config.clone())?;
    let mut skipped = 0;
    loop {
        // The next read may wait: what has come is shown first.
        let now = reader.stats().skipped_frames;
        way.printer
            .drop_frames(now - core::mem::replace(&mut skipped, now));
        if !way.give() {
            return Ok(());
        }
        let run = match reader.next_run() {
            Ok(run) => run,
            Err(error) => {
                *has_started = reader.streams() > 0;
                return Err(trouble(name, error));
            }
        };
        let Some(run) = run else { break };
        let Way { printer, items } = way;
        if !printer.run(&run, PIECE_LEN, |piece| {
            items.blocking_send(Item::Piece(piece)).is_ok()
        }) {
            return Ok(());
        }
    }
    *has_started = reader.streams() > 0;
    reader.end_of_stream().map_or(Ok(()), |end| check_end(name, end))
}
