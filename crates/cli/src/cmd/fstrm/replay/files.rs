//! Files, read by a thread of their own, which offers what it reads to the sender itself: a run that passed
//! through the hands of a task in between would wake two threads more.

use fstrm_codec::file::{ReadError, Sequences};
use fstrm_codec::handshake::Event;
use fstrm_codec::{Config, ContentType, FileReader, OwnedRun, Sender};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::super::{check_end, feed, trouble};
use super::pace::Pace;
use crate::failure::{Code, Failure};

/// What to read.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) names: Vec<String>,
    pub(super) config: Config,
    pub(super) sequences: Sequences,
    /// 0: without end.
    pub(super) rounds: u64,
    pub(super) pace: Pace,
}

/// A thread that reads; it ends with the files, or with the sender.
pub(super) struct Reading {
    /// The type of the first stream, as soon as there is one.
    pub(super) first_type: oneshot::Receiver<Option<ContentType>>,
    /// Where the frames go.
    pub(super) sender: oneshot::Sender<Sender>,
    /// Files that are not as they should be, each told in the first round; closed at the thread's end.
    pub(super) faults: mpsc::UnboundedReceiver<Failure>,
}

/// Nobody wants more.
struct Unwanted;

/// The thread's side.
struct Reader {
    runtime: Handle,
    first: Option<(oneshot::Sender<Option<ContentType>>, oneshot::Receiver<Sender>)>,
    /// From the first stream on.
    sender: Option<Sender>,
    faults: mpsc::UnboundedSender<Failure>,
    pace: Pace,
    /// Frames of the round.
    frames: u64,
}

impl Files {
    /// Begins to read.
    pub(super) fn spawn(mut self) -> Reading {
        let (tell_first, first_type) = oneshot::channel();
        let (sender, handed) = oneshot::channel();
        let (tell_fault, faults) = mpsc::unbounded_channel();
        let mut reader = Reader {
            runtime: Handle::current(),
            first: Some((tell_first, handed)),
            sender: None,
            faults: tell_fault,
            pace: core::mem::replace(&mut self.pace, Pace::Full),
            frames: 0,
        };
        tokio::task::spawn_blocking(move || {
            // Who wants no more has gone, and needs no answer.
            let _ = reader.read(&self);
        });
        Reading {
            first_type,
            sender,
            faults,
        }
    }
}

impl Reader {
    fn read(&mut self, files: &Files) -> Result<(), Unwanted> {
        let mut round = 0;
        loop {
            self.pace.begin_round();
            self.frames = 0;
            for name in &files.names {
                match self.read_file(files, name)? {
                    Err(fault) if round == 0 => self.faults.send(fault).map_err(|_| Unwanted)?,
                    _ => {}
                }
            }
            round += 1;
            // Standard input has nothing the second time, and a round of nothing would follow another.
            if round == files.rounds || self.frames == 0 {
                return Ok(());
            }
        }
    }

    fn read_file(&mut self, files: &Files, name: &str) -> Result<Result<(), Failure>, Unwanted> {
        let source = match feed::open(name) {
            Ok(source) => source,
            Err(failure) => return Ok(Err(failure)),
        };
        let mut reader = match FileReader::new(source, files.config.clone()) {
            Ok(reader) => reader.sequences(files.sequences),
            Err(error) => return Ok(Err(Failure::caused(Code::Usage, error))),
        };
        let mut result: Result<bool, ReadError> = reader.read_start().map(|_| true);
        loop {
            while let Some(event) = reader.poll_event() {
                if let Event::Started { content_type } = event {
                    self.start(content_type)?;
                }
            }
            match result {
                Err(error) => return Ok(Err(trouble(name, error))),
                Ok(false) => break,
                Ok(true) => {}
            }
            if let Some(run) = reader.take_run() {
                self.send(run)?;
            }
            result = reader.next_run().map(|run| run.is_some());
        }
        Ok(reader.end_of_stream().map_or(Ok(()), |end| check_end(name, end)))
    }

    /// A stream begins. Whoever connects may have to know of which type the first one is.
    fn start(&mut self, content_type: Option<ContentType>) -> Result<(), Unwanted> {
        if let Some((first, sender)) = self.first.take() {
            // Where the type was given, nobody asks.
            let _ = first.send(content_type);
            self.sender = Some(sender.blocking_recv().map_err(|_| Unwanted)?);
        }
        Ok(())
    }

    fn send(&mut self, run: OwnedRun) -> Result<(), Unwanted> {
        let Some(sender) = &self.sender else {
            return Err(Unwanted);
        };
        self.frames += run.frames();
        let sent = self.runtime.block_on(self.pace.send(sender, run));
        sent.map_err(|_closed| Unwanted)
    }
}
