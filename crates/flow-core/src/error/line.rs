//! Why a line was not read or written.

use thiserror::Error;

use super::{Errno, ReadError, WriteError};

/// Why no line was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReadLineError {
    /// Nothing was read. What has come of the line is kept for the next call.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The line is longer than it may be. It is thrown away, and the next call begins with the next line.
    #[error("a line of more than {max} bytes")]
    TooLong {
        /// The limit in bytes.
        max: usize,
    },
    /// The line is not UTF-8. It is thrown away.
    #[error("a line that is not UTF-8 from byte {valid_up_to} on")]
    NotUtf8 {
        /// How many of its bytes are.
        valid_up_to: usize,
    },
}

/// Why a line was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WriteLineError {
    /// Writing failed.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The line is longer than it may be.
    #[error("a line of {len} bytes, at most {max} are allowed")]
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// The text is more than one line.
    #[error("the end of a line at byte {at}, before the end of the text")]
    LineEnd {
        /// Where, counted from 0.
        at: usize,
    },
}

impl ReadLineError {
    /// The number that the C peer has for it; it has no lines itself.
    #[must_use]
    pub const fn errno(&self) -> Errno {
        match self {
            Self::Read(error) => error.errno(),
            Self::TooLong { .. } => Errno::MsgSize,
            Self::NotUtf8 { .. } => Errno::Inval,
        }
    }
}

impl WriteLineError {
    /// The number that the C peer has for it; it has no lines itself.
    #[must_use]
    pub const fn errno(&self) -> Errno {
        match self {
            Self::Write(error) => error.errno(),
            Self::TooLong { .. } => Errno::MsgSize,
            Self::LineEnd { .. } => Errno::Inval,
        }
    }
}
