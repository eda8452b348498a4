//! A message to send, which need not be in memory.

use std::fs::File;
use std::io::{BufReader, Error, Read, Seek as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use isotp::payload::{FromIter, FromReader};
use isotp::{IsoTp, IsoTpSending, StreamError, TransferError};

use super::payload;
use crate::cmd::Session;
use crate::failure::{Code, Failure, Result};
use crate::links::AnyLink;

/// How much of a file is read at once.
const BUFFER: usize = 64 * 1024;

/// A message to send.
#[derive(Debug)]
pub(super) enum Message {
    Memory(Bytes),
    /// A file that is read while it is sent.
    File(Reading),
    /// So many bytes of the pattern of isotpsend: 01 to FF, again and again.
    Pattern(u32),
}

/// A file, and what the system said when it was read.
#[derive(Debug)]
pub(super) struct Reading {
    file: File,
    len: u64,
    name: String,
    fault: Fault,
}

type Fault = Arc<Mutex<Option<Error>>>;

impl Reading {
    pub(super) fn new(file: File, len: u64, path: &Path) -> Self {
        let name = path.display().to_string();
        let fault = Fault::default();
        Self {
            file,
            len,
            name,
            fault,
        }
    }

    /// The file from its beginning. Only one such reader is used at a time.
    fn reader(&self) -> Result<impl Read + Send + use<>> {
        let rewound = self.file.try_clone().and_then(|mut file| {
            file.rewind()?;
            Ok(file)
        });
        let file = rewound.map_err(|error| payload::unreadable(error, &self.name))?;
        Ok(Noting {
            reader: BufReader::with_capacity(BUFFER, file),
            fault: Arc::clone(&self.fault),
        })
    }
}

impl Message {
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Self::File(reading) => reading.len,
            Self::Pattern(len) => (*len).into(),
        }
    }

    /// All of it, for those who take nothing else.
    pub(super) async fn whole(self, session: &Session) -> Result<Bytes> {
        Ok(match self {
            Self::Memory(bytes) => bytes,
            Self::File(Reading { file, name, .. }) => payload::read_all(session, file, &name).await?.into(),
            Self::Pattern(len) => pattern().take(size(len.into())).collect(),
        })
    }

    /// Starts to send it.
    pub(super) fn start<'a>(&self, isotp: &'a mut IsoTp<AnyLink>) -> Result<IsoTpSending<'a, AnyLink>> {
        Ok(match self {
            Self::Memory(bytes) => isotp.start(bytes.clone()),
            Self::File(reading) => {
                let source = FromReader::new(size(reading.len), reading.reader()?);
                isotp.start_from(source)
            }
            Self::Pattern(len) => isotp.start_from(FromIter::new(size((*len).into()), pattern())),
        })
    }

    /// What is wrong with the message itself, if it failed for that.
    pub(super) fn trouble(&self, error: &StreamError) -> Option<Failure> {
        let (Self::File(reading), StreamError::SendFailed { error, .. }) = (self, error) else {
            return None;
        };
        let Reading { len, name, fault, .. } = reading;
        match error {
            TransferError::SourceFailed => {
                let said = fault.lock().unwrap_or_else(PoisonError::into_inner).take();
                let said = said.unwrap_or_else(|| Error::other("it cannot be read"));
                Some(payload::unreadable(said, name))
            }
            TransferError::SourceEnded => {
                let message = format!("{name}: no longer has the {len} bytes that were announced");
                Some(Failure::new(Code::File, message))
            }
            _ => None,
        }
    }
}

fn pattern() -> impl Iterator<Item = u8> + Send {
    (1..=u8::MAX).cycle()
}

/// What cannot be the size of anything is refused as too long.
fn size(len: u64) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}

/// A reader that keeps what the system said: the machine tells only that a source failed.
struct Noting<R> {
    reader: R,
    fault: Fault,
}

impl<R: Read> Read for Noting<R> {
    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        self.reader.read(room).map_err(|error| {
            let kind = error.kind();
            *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            kind.into()
        })
    }
}

#[cfg(test)]
mod tests {
    use isotp::Payload as _;

    use super::*;

    #[test]
    fn the_pattern_is_isotpsends() {
        let bytes: Vec<_> = pattern().take(257).collect();
        assert_eq!(
            (&bytes[..3], &bytes[253..]),
            (&[1, 2, 3][..], &[254, 255, 1, 2][..])
        );
    }

    #[test]
    fn a_file_is_read_from_its_beginning_each_time_and_told_by_name_when_it_has_shrunk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fw.bin");
        std::fs::write(&path, [1, 2, 3, 4]).unwrap();
        let message = Message::File(Reading::new(File::open(&path).unwrap(), 4, &path));
        let Message::File(reading) = &message else {
            unreachable!()
        };
        for _ in 0..2 {
            let mut source = FromReader::new(4, reading.reader().unwrap());
            let mut part = [0; 4];
            assert_eq!(source.supply(0, &mut part), Ok(4));
            assert_eq!(part, [1, 2, 3, 4]);
        }
        std::fs::write(&path, [1]).unwrap();
        let mut source = FromReader::new(4, reading.reader().unwrap());
        assert_eq!(source.supply(0, &mut [0; 4]), Ok(1));
        let ended = StreamError::SendFailed {
            id: isotp::TransferId::default(),
            error: TransferError::SourceEnded,
            sent: Some(0),
            len: 4,
            cause: None,
        };
        let text = message.trouble(&ended).unwrap().text();
        assert!(
            text.ends_with("fw.bin: no longer has the 4 bytes that were announced"),
            "{text}"
        );
    }

    #[test]
    fn what_the_system_said_of_a_file_is_kept() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _room: &mut [u8]) -> std::io::Result<usize> {
                Err(Error::other("bad sector"))
            }
        }
        let fault = Fault::default();
        let mut noting = Noting {
            reader: Broken,
            fault: Arc::clone(&fault),
        };
        assert!(noting.read(&mut [0]).is_err());
        assert_eq!(fault.lock().unwrap().take().unwrap().to_string(), "bad sector");
    }
}
