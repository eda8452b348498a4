//! The writer.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use thiserror::Error;

use super::pieces::Pieces;
use crate::ContentType;
use crate::control::{BuildError, ControlFrame};
use crate::frame::{DEFAULT_MAX_DATA_LEN, EncodeError, Run, data_header};

/// A run of so many bytes is written from where it lies: the copy would cost more than the call.
const LARGE_RUN: usize = 64 * 1024;

/// Why a frame was not written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The file cannot be written; what it holds may end inside a frame.
    #[error("write failed")]
    Io(#[from] io::Error),
    /// The payload cannot be framed; the file is unharmed.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The content type does not fit into START.
    #[error(transparent)]
    Build(#[from] BuildError),
}

impl From<WriteError> for io::Error {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Io(error) => error,
            other => Self::new(io::ErrorKind::InvalidInput, other),
        }
    }
}

/// Writes a stream to a file, or to anything else that is `Write`.
///
/// ```
/// # fn main() -> Result<(), fstrm_codec::file::WriteError> {
/// use fstrm_codec::FileWriter;
///
/// let mut writer = FileWriter::new(Vec::new(), None)?;
/// writer.write_frame(b"hello")?;
/// let file = writer.finish()?;
/// assert!(file.ends_with(b"\0\0\0\x05hello\0\0\0\0\0\0\0\x04\0\0\0\x03"));
/// # Ok(())
/// # }
/// ```
///
/// START is written at once, STOP by [`finish`](Self::finish) alone: a file whose writer was dropped ends
/// without STOP, and says so. Written in pieces of 256 KiB.
#[derive(Debug)]
pub struct FileWriter<W: Write> {
    pieces: Pieces<W>,
}

impl FileWriter<File> {
    /// Creates the file at `path`.
    ///
    /// # Errors
    /// When there is something at `path` already (it is left alone), or the file cannot be created.
    pub fn create_new(
        path: impl AsRef<Path>,
        content_type: Option<&ContentType>,
    ) -> Result<Self, WriteError> {
        Self::new(File::create_new(path)?, content_type)
    }
}

impl<W: Write> FileWriter<W> {
    /// Begins a stream of `content_type` on `inner`, which needs no buffer of its own.
    ///
    /// # Errors
    /// When START cannot be written.
    pub fn new(inner: W, content_type: Option<&ContentType>) -> Result<Self, WriteError> {
        let start = ControlFrame::start(content_type.map(ContentType::as_bytes))?;
        let mut pieces = Pieces::new(inner);
        pieces.put_all(start.as_bytes())?;
        Ok(Self { pieces })
    }

    /// Goes on behind what `inner` holds already: START, and data frames.
    pub(super) fn resume(inner: W) -> Self {
        Self {
            pieces: Pieces::new(inner),
        }
    }

    /// Appends one data frame; 1 byte to 1 MiB, which is what every reader takes.
    ///
    /// # Errors
    /// When the payload is empty or too long (nothing is written then), or writing fails.
    #[inline]
    pub fn write_frame(&mut self, payload: &[u8]) -> Result<(), WriteError> {
        let header = data_header(payload, DEFAULT_MAX_DATA_LEN)?;
        Ok(self.pieces.put(header, payload)?)
    }

    /// Appends a run of data frames as it is; a large one is not copied on the way.
    ///
    /// # Errors
    /// When writing fails.
    pub fn write_run(&mut self, run: &Run<'_>) -> Result<(), WriteError> {
        let wire = run.as_wire();
        if wire.len() < LARGE_RUN {
            Ok(self.pieces.put_all(wire)?)
        } else {
            Ok(self.pieces.pass(wire)?)
        }
    }

    /// Hands what waits in the buffer to the file.
    ///
    /// # Errors
    /// When writing fails.
    pub fn flush(&mut self) -> io::Result<()> {
        self.pieces.flush()
    }

    /// Writes STOP and gives the file back, everything handed to it.
    ///
    /// # Errors
    /// When writing fails.
    pub fn finish(mut self) -> Result<W, WriteError> {
        self.pieces.put_all(ControlFrame::stop().as_bytes())?;
        Ok(self.pieces.into_inner()?)
    }
}
