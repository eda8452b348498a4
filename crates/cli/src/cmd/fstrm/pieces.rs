//! Files, read and put into words by a thread of their own: whoever waits for the pieces can be stopped, also
//! where the file is a pipe that nobody writes to.

use fstrm_codec::file::Sequences;
use fstrm_codec::handshake::Event;
use fstrm_codec::{Config, ContentType, End, FileReader, Run};
use tokio::sync::mpsc;

use super::feed::{self, Source};
use super::{check_end, trouble};
use crate::failure::{Code, Failure, Result};

/// Pieces that are ahead of whoever writes them.
const AHEAD: usize = 4;
/// Bytes at which a piece is given away.
const PIECE_LEN: usize = 128 * 1024;

/// Puts what a file holds into words, a piece at a time.
pub(super) trait Print: Send + 'static {
    /// What becomes of some frames.
    type Piece: Send + 'static;

    /// A stream begins.
    fn start(&mut self, content_type: Option<&ContentType>);

    /// The next data frame of the stream, and where in the file it begins; whether more are wanted.
    fn frame(&mut self, offset: u64, payload: &[u8]) -> bool;

    /// Data frames over the limit and control frames of unknown types were passed over.
    fn pass_over(&mut self, frames: u64, controls: u64);

    /// The file has ended, and so many bytes behind STOP are no stream.
    fn end(&mut self, end: End, trailing_bytes: u64);

    /// Bytes that wait to be taken.
    fn len(&self) -> usize;

    /// What was collected since the last time, up to this place in the file.
    fn take(&mut self, offset: u64) -> Self::Piece;
}

/// Begins to read the file `name`. The last thing to come is how it failed, if it has.
pub(super) fn spawn<P: Print>(
    name: String,
    config: Config,
    sequences: Sequences,
    print: P,
) -> mpsc::Receiver<Result<P::Piece>> {
    let (sender, pieces) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        let mut way = Way { print, sender };
        if let Err(failure) = read(&name, config, sequences, &mut way) {
            // Nobody listens any more when the command has all it wants.
            let _ = way.sender.blocking_send(Err(failure));
        }
    });
    pieces
}

/// From the reader to whoever writes.
struct Way<P: Print> {
    print: P,
    sender: mpsc::Sender<Result<P::Piece>>,
}

impl<P: Print> Way<P> {
    /// Gives away what was collected; whether anybody still wants it.
    fn give(&mut self, offset: u64) -> bool {
        let piece = self.print.take(offset);
        self.sender.blocking_send(Ok(piece)).is_ok()
    }
}

fn read<P: Print>(name: &str, config: Config, sequences: Sequences, way: &mut Way<P>) -> Result {
    let source = feed::open(name)?;
    let reader = FileReader::new(source, config).map_err(|error| Failure::caused(Code::Usage, error))?;
    let mut reader = reader.sequences(sequences);
    let ended = frames(name, &mut reader, sequences, way);
    let is_wanted = way.give(reader.offset());
    match ended {
        Ok(Some(end)) if is_wanted => check_end(name, end),
        ended => ended.map(drop),
    }
}

/// Reads to the end, or until no more is wanted.
fn frames<P: Print>(
    name: &str,
    reader: &mut FileReader<Source>,
    sequences: Sequences,
    way: &mut Way<P>,
) -> Result<Option<End>> {
    let start = reader.read_start().map(drop);
    let mut told = (0, 0);
    let mut tell = |reader: &mut FileReader<Source>, print: &mut P| {
        while let Some(event) = reader.poll_event() {
            if let Event::Started { content_type } = event {
                print.start(content_type.as_ref());
            }
        }
        let stats = reader.stats();
        let now = (stats.skipped_frames, stats.ignored_controls);
        let before = core::mem::replace(&mut told, now);
        print.pass_over(now.0 - before.0, now.1 - before.1);
    };
    tell(reader, &mut way.print);
    start.map_err(|error| trouble(name, error))?;
    loop {
        // The next read may wait: what has come is shown first.
        if !way.give(reader.offset()) {
            return Ok(None);
        }
        let more = reader.next_run().map(|run| run.is_some());
        tell(reader, &mut way.print);
        if !more.map_err(|error| trouble(name, error))? {
            break;
        }
        let Some(run) = reader.run() else { break };
        if !show(&run, reader.offset(), way) {
            return Ok(None);
        }
    }
    let Some(end) = reader.end_of_stream() else {
        return Ok(None);
    };
    let mut trailing = 0;
    // Who reads one stream is done at STOP, and waits for nothing behind it.
    if end == End::Stop && sequences == Sequences::Concatenated {
        if !way.give(reader.offset()) {
            return Ok(None);
        }
        let counted = reader.trailing_bytes();
        trailing = counted.map_err(|error| trouble(name, error.into()))?;
    }
    way.print.end(end, trailing);
    Ok(Some(end))
}

/// Puts the frames of a run into words; whether more are wanted.
fn show<P: Print>(run: &Run<'_>, mut offset: u64, way: &mut Way<P>) -> bool {
    for payload in run {
        let is_wanted = way.print.frame(offset, payload);
        offset += u64::try_from(payload.len()).unwrap_or(u64::MAX).saturating_add(4);
        if !is_wanted || (way.print.len() >= PIECE_LEN && !way.give(offset)) {
            return false;
        }
    }
    true
}
