//! What a store has to tell.

use core::time::Duration;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::file::Resumed;
use crate::rotate::Reason;

/// What somebody else did to the file that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Loss {
    /// It has no name any more.
    #[error("the file was removed")]
    Removed,
    /// It is not as long as it was made.
    #[error("the file is {got} bytes long, expected {expected}: somebody else cut or wrote it")]
    Altered {
        /// What was written to it, in bytes.
        expected: u64,
        /// How long it is.
        got: u64,
    },
}

/// Why writing failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The system said so.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file is not what it was.
    #[error(transparent)]
    Lost(#[from] Loss),
}

impl StoreError {
    /// The kind of the system's error; `Other` for a file that somebody else changed.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Io(error) => error.kind(),
            Self::Lost(_) => io::ErrorKind::Other,
        }
    }
}

/// What happened to a file.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A file is written from now on.
    Opened {
        /// Its name now.
        path: PathBuf,
        /// What was in it; `None` for a new one.
        resumed: Option<Resumed>,
    },
    /// A file is whole.
    Closed {
        /// Its name.
        path: PathBuf,
        /// Why it ended.
        reason: Reason,
        /// Data frames in it.
        frames: u64,
        /// Its length, in bytes.
        len: u64,
    },
    /// A file without a frame was taken away, because its time was over.
    Discarded {
        /// Its name.
        path: PathBuf,
    },
    /// A file is left as it is, without STOP: it is not ours any more, or cannot be written.
    Abandoned {
        /// Its name.
        path: PathBuf,
        /// Data frames written to it.
        frames: u64,
    },
    /// Writing failed; what was taken is kept, and tried again. Told when it begins and when the cause
    /// changes.
    Failed {
        /// The file; `None` when there is none yet.
        path: Option<PathBuf>,
        /// Why.
        error: StoreError,
    },
    /// Writing goes on.
    Recovered {
        /// How long it failed.
        after: Duration,
    },
    /// The disk did not confirm what was written: it may or may not be there.
    SyncFailed {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A whole file keeps the name that it had while it was written.
    NotRenamed {
        /// Its name.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// Counters of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Data frames written.
    pub frames: u64,
    /// Bytes of data frames written, lengths included.
    pub bytes: u64,
    /// Data frames taken and not written yet.
    pub waiting_frames: u64,
    /// Files created.
    pub created: u64,
    /// Files gone on with.
    pub resumed: u64,
    /// Files ended with STOP.
    pub closed: u64,
    /// Files left without STOP.
    pub abandoned: u64,
    /// Files without a frame taken away.
    pub discarded: u64,
    /// Bytes of partial frames cut off files that were gone on with.
    pub cut_bytes: u64,
    /// Writes to files.
    pub writes: u64,
    /// Times that files were brought to the disk.
    pub syncs: u64,
    /// Tries that failed.
    pub failures: u64,
    /// Bytes that the disk did not confirm.
    pub doubtful_bytes: u64,
    /// Bytes written again, because the file they were in was lost.
    pub rewritten_bytes: u64,
    /// Events that newer ones pushed out, unpolled.
    pub events_lost: u64,
}
