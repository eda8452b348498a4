//! The check of a whole file: how far it is sound, and what follows.

use std::io::{self, Read};

use super::reader::{FileReader, ReadError};
use crate::ContentType;
use crate::control::{CONTROL_HEADER_LEN, MIN_CONTROL_LEN};
use crate::frame::End;
use crate::handshake::Event;

/// Length of STOP, in bytes.
pub(super) const STOP_LEN: u64 = (CONTROL_HEADER_LEN + MIN_CONTROL_LEN) as u64;

/// What the check of a file found.
///
/// ```
/// # fn main() -> Result<(), fstrm_codec::control::BuildError> {
/// use fstrm_codec::file::{FileReader, Verification};
/// use fstrm_codec::{Config, End};
///
/// let file: &[u8] = b"\0\0\0\0\0\0\0\x04\0\0\0\x02\0\0\0\x05hello\0\0\0\x05wor";
/// let found = Verification::read(&mut FileReader::new(file, Config::new())?);
/// assert_eq!((found.frames, found.sound), (1, 21));
/// assert!(matches!(found.end, Ok(End::Truncated { offset: 21, missing: 2 })));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Verification {
    /// Streams whose START is whole.
    pub streams: u64,
    /// Content type of the last of them.
    pub content_type: Option<ContentType>,
    /// Whether streams of different content types stand in the file.
    pub is_mixed: bool,
    /// Data frames.
    pub frames: u64,
    /// Their payload bytes.
    pub payload_bytes: u64,
    /// Control frames passed over.
    pub ignored_controls: u64,
    /// Data frames over the limit, passed over.
    pub skipped_frames: u64,
    /// Bytes from the start of the file to the end of the last whole frame that belongs to a stream.
    pub sound: u64,
    /// Bytes behind STOP.
    pub trailing_bytes: u64,
    /// Whether the file ends within a stream: STOP is missing.
    pub is_open: bool,
    /// How the file ends, or why it cannot be read to its end.
    pub end: Result<End, ReadError>,
}

impl Verification {
    /// Reads `reader` to its end. Never fails: what goes wrong is in [`end`](Self::end).
    ///
    /// Memory does not grow with the file.
    pub fn read<R: Read>(reader: &mut FileReader<R>) -> Self {
        let mut found = Self {
            streams: 0,
            content_type: None,
            is_mixed: false,
            frames: 0,
            payload_bytes: 0,
            ignored_controls: 0,
            skipped_frames: 0,
            sound: 0,
            trailing_bytes: 0,
            is_open: false,
            end: Ok(End::Eof),
        };
        let end = found.walk(reader);
        let stats = reader.stats();
        found.frames = stats.data_frames;
        found.payload_bytes = stats.data_bytes;
        found.ignored_controls = stats.ignored_controls;
        found.skipped_frames = stats.skipped_frames;
        found.sound = match (&end, reader.end_of_stream()) {
            (Err(error), _) => error.offset().unwrap_or_else(|| reader.offset()),
            (Ok(()), Some(End::Stop)) => reader.offset() + STOP_LEN,
            (Ok(()), Some(End::Truncated { offset, .. })) => offset,
            (Ok(()), Some(End::Eof) | None) => reader.offset(),
        };
        found.end = end.and_then(|()| {
            let end = reader.end_of_stream().unwrap_or(End::Eof);
            if end == End::Stop {
                found.trailing_bytes = reader.trailing_bytes()?;
            }
            Ok(end)
        });
        found
    }

    /// Whether nothing is wrong: every stream ends with STOP, and nothing follows.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        matches!(self.end, Ok(End::Stop)) && self.trailing_bytes == 0
    }

    fn walk<R: Read>(&mut self, reader: &mut FileReader<R>) -> Result<(), ReadError> {
        loop {
            let payload = reader.next_frame().map(|payload| payload.is_some());
            while let Some(event) = reader.poll_event() {
                self.handle(event);
            }
            if !payload? {
                return Ok(());
            }
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Started { content_type } => {
                self.is_mixed |= self.streams > 0 && self.content_type != content_type;
                self.streams += 1;
                self.content_type = content_type;
                self.is_open = true;
            }
            Event::Ended(End::Stop) => self.is_open = false,
            _ => {}
        }
    }
}

/// What a file must be able to do to be mended in its place.
pub trait Truncate {
    /// Makes the file `len` bytes long.
    ///
    /// # Errors
    /// When the file cannot be cut.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
}

impl Truncate for std::fs::File {
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }
}

impl Truncate for io::Cursor<std::vec::Vec<u8>> {
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.get_mut().truncate(len);
        Ok(())
    }
}

impl<T: Truncate + ?Sized> Truncate for &mut T {
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        (**self).truncate(len)
    }
}
