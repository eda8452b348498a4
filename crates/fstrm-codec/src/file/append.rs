//! Going on in a file that exists.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::string::{String, ToString as _};
use std::vec::Vec;

use thiserror::Error;

use super::reader::{FileReader, ReadError, Sequences};
use super::verify::{STOP_LEN, Truncate, Verification};
use super::writer::{FileWriter, WriteError};
use crate::ContentType;
use crate::control::{BuildError, ControlFrame};
use crate::frame::{End, FrameConfig};
use crate::handshake::Config;

/// Why a file cannot be gone on with. It was left as it is.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The file cannot be opened, cut or written.
    #[error("append failed")]
    Io(#[from] io::Error),
    /// The file is no sound stream.
    #[error("cannot append to what is no sound stream")]
    Read(#[source] ReadError),
    /// The file is a stream of another content type.
    #[error("cannot append {} to a stream of {}", shown(ours.as_ref()), shown(theirs.as_ref()))]
    OtherType {
        /// What should be appended.
        ours: Option<ContentType>,
        /// What the file holds.
        theirs: Option<ContentType>,
    },
    /// The file ends within a START that is not the one that would be written.
    #[error("cannot append to a file that ends within its START")]
    OtherStart,
    /// Bytes that are no stream follow STOP.
    #[error("cannot append: {len} bytes of something else follow STOP at byte {offset}")]
    Trailing {
        /// Where STOP ends, in bytes.
        offset: u64,
        /// How many bytes follow.
        len: u64,
    },
    /// The content type does not fit into START.
    #[error(transparent)]
    Build(#[from] BuildError),
}

impl From<AppendError> for io::Error {
    fn from(error: AppendError) -> Self {
        let kind = match error {
            AppendError::Io(error) | AppendError::Read(ReadError::Io(error)) => return error,
            AppendError::Build(_) => io::ErrorKind::InvalidInput,
            _ => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}

impl From<WriteError> for AppendError {
    fn from(error: WriteError) -> Self {
        Self::Io(error.into())
    }
}

/// What was found in a file that is gone on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resumed {
    /// Data frames in the file.
    pub frames: u64,
    /// Their payload bytes.
    pub payload_bytes: u64,
    /// Length of the file now, in bytes: where the next frame goes.
    pub len: u64,
    /// Bytes of a partial frame that were cut off.
    pub cut_bytes: u64,
    /// How the file ended.
    pub end: End,
}

/// Prepares `file` to be gone on with: START and data frames stand in it, STOP and a partial frame do not.
///
/// The file is read from its beginning. A partial frame at its end, which a killed writer leaves, is cut off,
/// and so is STOP; an empty file gets START. Nothing else is ever cut: a file that is no stream, of another
/// type, or holds something behind STOP is refused and left as it is. Memory does not grow with the file. The
/// file's position is its end afterwards.
///
/// ```
/// # fn main() -> Result<(), fstrm_codec::file::AppendError> {
/// use std::io::{Cursor, Write as _};
/// use fstrm_codec::file::append;
/// use fstrm_codec::frame::FrameConfig;
///
/// let torn = b"\0\0\0\0\0\0\0\x04\0\0\0\x02\0\0\0\x05hello\0\0\0\x05wor";
/// let mut file = Cursor::new(torn.to_vec());
/// let found = append(&mut file, None, FrameConfig::new())?;
/// assert_eq!((found.frames, found.cut_bytes), (1, 7));
/// file.write_all(b"\0\0\0\x05world")?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the file is refused, see above, or cannot be read, cut or written.
pub fn append<F: Read + Write + Seek + Truncate>(
    mut file: F,
    content_type: Option<&ContentType>,
    limits: FrameConfig,
) -> Result<Resumed, AppendError> {
    let start = ControlFrame::start(content_type.map(ContentType::as_bytes))?;
    file.seek(SeekFrom::Start(0))?;
    let mut reader = FileReader::new(&mut file, Config::new().max_data(limits.max_data))?
        .sequences(Sequences::Concatenated);
    let found = Verification::read(&mut reader);
    let end = found.end.map_err(|error| match error {
        ReadError::Io(error) => AppendError::Io(error),
        error => AppendError::Read(error),
    })?;
    let len = file.seek(SeekFrom::End(0))?;
    let is_other = found.streams > 0 && (found.is_mixed || found.content_type.as_ref() != content_type);
    if is_other {
        return Err(AppendError::OtherType {
            ours: content_type.cloned(),
            theirs: found.content_type,
        });
    }
    if found.trailing_bytes > 0 {
        return Err(AppendError::Trailing {
            offset: found.sound,
            len: found.trailing_bytes,
        });
    }
    let border = match end {
        End::Stop => found.sound.saturating_sub(STOP_LEN),
        End::Eof => found.sound,
        End::Truncated { offset, .. } if found.is_open => offset,
        // Within a START: the only one that may be cut is a piece of ours.
        End::Truncated { offset: 0, .. } => {
            check_start(&mut file, &start)?;
            file.truncate(0)?;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(start.as_bytes())?;
            let start_len = u64::try_from(start.as_bytes().len()).unwrap_or(u64::MAX);
            return Ok(Resumed {
                frames: 0,
                payload_bytes: 0,
                len: start_len,
                cut_bytes: len,
                end,
            });
        }
        End::Truncated { offset, .. } => {
            return Err(AppendError::Trailing {
                offset,
                len: len.saturating_sub(offset),
            });
        }
    };
    if border < len {
        file.truncate(border)?;
        file.seek(SeekFrom::Start(border))?;
    }
    Ok(Resumed {
        frames: found.frames,
        payload_bytes: found.payload_bytes,
        len: border,
        cut_bytes: if end == End::Stop {
            0
        } else {
            len.saturating_sub(border)
        },
        end,
    })
}

/// What there is of a START must be the front of the one that would be written.
fn check_start<F: Read + Seek>(file: &mut F, start: &ControlFrame) -> Result<(), AppendError> {
    let mut piece = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    let limit = u64::try_from(start.as_bytes().len()).unwrap_or(u64::MAX);
    file.take(limit).read_to_end(&mut piece)?;
    if start.as_bytes().starts_with(&piece) {
        Ok(())
    } else {
        Err(AppendError::OtherStart)
    }
}

impl FileWriter<File> {
    /// Goes on in the file at `path`, or creates it.
    ///
    /// See [`append`] for what is cut, and what is refused.
    ///
    /// # Errors
    /// When the file cannot be opened or is refused.
    pub fn append(
        path: impl AsRef<Path>,
        content_type: Option<&ContentType>,
    ) -> Result<(Self, Resumed), AppendError> {
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)?;
        let found = append(&mut file, content_type, FrameConfig::new())?;
        Ok((Self::resume(file), found))
    }
}

fn shown(content_type: Option<&ContentType>) -> String {
    content_type.map_or_else(
        || "no content type".to_string(),
        |name| std::format!("\"{name}\""),
    )
}
