//! Mending a file that ends too early.

use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};

use thiserror::Error;

use super::reader::{FileReader, ReadError, Sequences};
use super::verify::{Truncate, Verification};
use crate::control::ControlFrame;
use crate::frame::{End, FrameConfig};
use crate::handshake::Config;

/// Piece in which bytes are copied, in bytes.
const COPY_LEN: usize = 256 * 1024;

/// What a repair may take away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cut {
    /// A partial frame at the end of the file. The default: a killed writer leaves that, and nothing else.
    #[default]
    Partial,
    /// Everything from the first fault on: what is malformed, and what follows STOP and is no stream. A power
    /// failure can leave zeros behind the last frame.
    Fault,
}

/// Why a file was not mended. It was left as it is.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RepairError {
    /// The file cannot be read, cut or written.
    #[error("repair failed")]
    Io(#[from] io::Error),
    /// The file is malformed, and nothing but a partial frame may be cut.
    #[error(transparent)]
    Malformed(ReadError),
    /// There is not one whole START: nothing is left to be mended.
    #[error("no whole START: nothing to repair")]
    NoStart,
}

impl From<RepairError> for io::Error {
    fn from(error: RepairError) -> Self {
        match error {
            RepairError::Io(error) => error,
            other => Self::new(io::ErrorKind::InvalidData, other),
        }
    }
}

/// What was done to a file.
#[derive(Debug)]
#[non_exhaustive]
pub struct Repaired {
    /// Data frames that are in the file.
    pub frames: u64,
    /// Their payload bytes.
    pub payload_bytes: u64,
    /// Length of the sound part, in bytes; STOP comes behind it where it is missing.
    pub sound: u64,
    /// Bytes that were cut off.
    pub cut_bytes: u64,
    /// Whether STOP was written.
    pub is_stopped: bool,
    /// How the file ended before, or what was wrong with it.
    pub end: Result<End, ReadError>,
}

impl Repaired {
    /// Whether the file was sound already.
    #[must_use]
    pub const fn is_unchanged(&self) -> bool {
        self.cut_bytes == 0 && !self.is_stopped
    }
}

/// Mends `file` in its place: cuts off a partial frame, and writes STOP where it is missing.
///
/// What is cut off is handed to `tail` first. A file that is sound is not written to. The file is cut before
/// STOP is written, so that a process that dies in between leaves a file that ends at a frame's border, and
/// that can be mended again. Memory does not grow with the file.
///
/// # Errors
/// When the file has no whole START, is malformed and `cut` is [`Cut::Partial`], or cannot be read, cut or
/// written.
pub fn repair<F: Read + Write + Seek + Truncate>(
    mut file: F,
    limits: FrameConfig,
    cut: Cut,
    mut tail: impl Write,
) -> Result<Repaired, RepairError> {
    let found = survey(&mut file, limits, cut)?;
    let len = file.seek(SeekFrom::End(0))?;
    let cut_bytes = cut_bytes(&found, cut, len);
    if cut_bytes > 0 {
        file.seek(SeekFrom::Start(found.sound))?;
        io::copy(&mut file, &mut tail)?;
        tail.flush()?;
        file.truncate(found.sound)?;
        file.seek(SeekFrom::Start(found.sound))?;
    }
    if found.is_open {
        file.write_all(ControlFrame::stop().as_bytes())?;
        file.flush()?;
    }
    Ok(Repaired {
        frames: found.frames,
        payload_bytes: found.payload_bytes,
        sound: found.sound,
        cut_bytes,
        is_stopped: found.is_open,
        end: found.end,
    })
}

/// Writes a mended copy of `file` to `out`; the file is left as it is.
///
/// # Errors
/// As [`repair`]; what `out` holds then is no whole stream.
pub fn repair_to<F: Read + Seek, W: Write>(
    mut file: F,
    limits: FrameConfig,
    cut: Cut,
    out: W,
    mut tail: impl Write,
) -> Result<Repaired, RepairError> {
    let found = survey(&mut file, limits, cut)?;
    let len = file.seek(SeekFrom::End(0))?;
    let cut_bytes = cut_bytes(&found, cut, len);
    let kept = len.saturating_sub(cut_bytes);
    file.seek(SeekFrom::Start(0))?;
    let mut out = BufWriter::with_capacity(COPY_LEN, out);
    let copied = io::copy(&mut (&mut file).take(kept), &mut out)?;
    if copied < kept {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    if found.is_open {
        out.write_all(ControlFrame::stop().as_bytes())?;
    }
    out.flush()?;
    if cut_bytes > 0 {
        io::copy(&mut file, &mut tail)?;
        tail.flush()?;
    }
    Ok(Repaired {
        frames: found.frames,
        payload_bytes: found.payload_bytes,
        sound: found.sound,
        cut_bytes,
        is_stopped: found.is_open,
        end: found.end,
    })
}

fn survey<F: Read + Seek>(file: &mut F, limits: FrameConfig, cut: Cut) -> Result<Verification, RepairError> {
    file.seek(SeekFrom::Start(0))?;
    // Any content type will do: without one, nothing is built that could be too long.
    let reader = FileReader::new(&mut *file, Config::new().max_data(limits.max_data));
    let mut reader = reader
        .map_err(|error| RepairError::Malformed(error.into()))?
        .sequences(Sequences::Concatenated);
    let found = Verification::read(&mut reader);
    match found.end {
        Err(ReadError::Io(error)) => Err(RepairError::Io(error)),
        Err(error) if cut == Cut::Partial => Err(RepairError::Malformed(error)),
        _ if found.streams == 0 => Err(RepairError::NoStart),
        _ => Ok(found),
    }
}

/// How many bytes behind the sound ones are cut off.
const fn cut_bytes(found: &Verification, cut: Cut, len: u64) -> u64 {
    match (&found.end, cut) {
        // What follows STOP harms no reader.
        (Ok(End::Stop), Cut::Partial) => 0,
        _ => len.saturating_sub(found.sound),
    }
}

#[cfg(test)]
mod tests;
