//! Files, read by a thread of their own and given on as runs.

use fstrm_codec::file::{ReadError, Sequences};
use fstrm_codec::handshake::Event;
use fstrm_codec::{Config, ContentType, FileReader, OwnedRun};
use tokio::sync::mpsc;

use super::super::{check_end, feed, trouble};
use crate::failure::{Code, Failure};

/// Runs that are ahead of whoever sends them, each of a read's length.
const AHEAD: usize = 4;

/// What comes out of the files.
#[derive(Debug)]
pub(super) enum Item {
    /// The files begin, for the first time or once more.
    Round,
    /// A stream begins.
    Start(Option<ContentType>),
    /// Frames of it.
    Run(OwnedRun),
    /// A file is not as it should be. Told in the first round only.
    Fault(Failure),
}

/// What to read.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) names: Vec<String>,
    pub(super) config: Config,
    pub(super) sequences: Sequences,
    /// 0: without end.
    pub(super) rounds: u64,
}

/// Nobody wants more.
struct Unwanted;

impl Files {
    /// Begins to read.
    pub(super) fn spawn(self) -> mpsc::Receiver<Item> {
        let (sender, items) = mpsc::channel(AHEAD);
        tokio::task::spawn_blocking(move || {
            // Who wants no more has gone, and needs no answer.
            let _ = self.read(&sender);
        });
        items
    }

    fn read(&self, items: &mpsc::Sender<Item>) -> Result<(), Unwanted> {
        let mut round = 0;
        loop {
            give(items, Item::Round)?;
            let mut frames = 0;
            for name in &self.names {
                let read = self.read_file(name, items, &mut frames);
                match read? {
                    Err(fault) if round == 0 => give(items, Item::Fault(fault))?,
                    _ => {}
                }
            }
            round += 1;
            // Standard input has nothing the second time, and a round of nothing would follow another.
            if round == self.rounds || frames == 0 {
                return Ok(());
            }
        }
    }

    fn read_file(
        &self,
        name: &str,
        items: &mpsc::Sender<Item>,
        frames: &mut u64,
    ) -> Result<Result<(), Failure>, Unwanted> {
        let source = match feed::open(name) {
            Ok(source) => source,
            Err(failure) => return Ok(Err(failure)),
        };
        let mut reader = match FileReader::new(source, self.config.clone()) {
            Ok(reader) => reader.sequences(self.sequences),
            Err(error) => return Ok(Err(Failure::caused(Code::Usage, error))),
        };
        let mut result: Result<bool, ReadError> = reader.read_start().map(|_| true);
        loop {
            while let Some(event) = reader.poll_event() {
                if let Event::Started { content_type } = event {
                    give(items, Item::Start(content_type))?;
                }
            }
            match result {
                Err(error) => return Ok(Err(trouble(name, error))),
                Ok(false) => break,
                Ok(true) => {}
            }
            if let Some(run) = reader.run() {
                *frames += run.frames();
                give(items, Item::Run(run.into()))?;
            }
            result = reader.next_run().map(|run| run.is_some());
        }
        Ok(reader.end_of_stream().map_or(Ok(()), |end| check_end(name, end)))
    }
}

fn give(items: &mpsc::Sender<Item>, item: Item) -> Result<(), Unwanted> {
    items.blocking_send(item).map_err(|_| Unwanted)
}
