//! The bytes of a file or of standard input, read by a thread of their own: whoever waits for them can be
//! stopped, and has time to show what came before.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;

use crate::failure::{Code, Failure, Result};

/// Most bytes of one read.
const CHUNK_LEN: usize = 64 * 1024;
/// Reads that are ahead of the reader; the thread waits then.
const CHUNKS: usize = 4;

/// Prefixes of streams that are no files.
const STREAMS: [&str; 6] = ["unix:", "tcp://", "tls://", "listen+", "dial+", "sim:"];

pub(in crate::cmd) type Source = Box<dyn Read + Send>;

/// Opens a file, or standard input. A named pipe waits for its writer here.
pub(in crate::cmd) fn open(name: &str) -> Result<Source> {
    if STREAMS.iter().any(|prefix| name.starts_with(prefix)) {
        let message = format!("{name}: live streams are not in this version; files and - are");
        return Err(Failure::new(Code::NotInThisVersion, message)
            .hint("fstrm_capture -t protobuf:dnstap.Dnstap -u SOCKET -w FILE records one"));
    }
    if name == "-" {
        return Ok(Box::new(io::stdin()));
    }
    let file = file(name.strip_prefix("file:").unwrap_or(name));
    Ok(Box::new(file.map_err(|error| {
        Failure::caused(Code::File, error).context(name)
    })?))
}

/// A folder can be opened, and says only when it is read that it is one.
fn file(path: &str) -> io::Result<File> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok(file)
}

/// Does work that may wait for ever on a thread that nobody waits for.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Failure::caused(Code::File, error))?
}

/// Gives the bytes that have come; where a read would have to wait, it is [`io::ErrorKind::WouldBlock`].
pub(super) struct Feed {
    chunks: mpsc::Receiver<io::Result<Vec<u8>>>,
    /// What [`ready`](Self::ready) has met.
    next: Option<io::Result<Vec<u8>>>,
    rest: VecDeque<u8>,
}

impl Feed {
    /// Begins to read `source`.
    pub(super) fn new(source: Source) -> Self {
        let (sender, chunks) = mpsc::channel(CHUNKS);
        tokio::task::spawn_blocking(move || pump(source, &sender));
        Self {
            chunks,
            next: None,
            rest: VecDeque::new(),
        }
    }

    /// Completes when a read has something to give or to tell. May be dropped and called again.
    pub(super) async fn ready(&mut self) {
        if self.rest.is_empty() && self.next.is_none() {
            self.next = self.chunks.recv().await;
        }
    }
}

impl Read for Feed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.rest.is_empty() {
            let next = match self.next.take() {
                Some(next) => next,
                None => match self.chunks.try_recv() {
                    Ok(next) => next,
                    Err(TryRecvError::Empty) => return Err(io::ErrorKind::WouldBlock.into()),
                    Err(TryRecvError::Disconnected) => return Ok(0),
                },
            };
            self.rest = next?.into();
        }
        self.rest.read(buffer)
    }
}

/// Reads to the end, to the first error, or until nobody wants more.
fn pump(mut source: Source, sender: &mpsc::Sender<io::Result<Vec<u8>>>) {
    let mut buffer = vec![0; CHUNK_LEN];
    loop {
        let chunk = match source.read(&mut buffer) {
            Ok(0) => return,
            Ok(len) => Ok(buffer.iter().take(len).copied().collect()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let is_last = chunk.is_err();
        if sender.blocking_send(chunk).is_err() || is_last {
            return;
        }
    }
}
