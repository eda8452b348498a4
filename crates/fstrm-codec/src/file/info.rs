//! What a file holds, in figures.

use std::io::Read;
use std::vec::Vec;

use super::reader::{FileReader, ReadError};
use crate::ContentType;
use crate::frame::End;
use crate::handshake::Event;

/// A summary of a file: as far as it is sound, and how it ends.
#[derive(Debug)]
#[non_exhaustive]
pub struct Info {
    /// Content type of each stream in the file, in order.
    pub content_types: Vec<Option<ContentType>>,
    /// Data frames.
    pub frames: u64,
    /// Their payload bytes.
    pub payload_bytes: u64,
    /// Shortest payload, in bytes; `None` without frames.
    pub shortest: Option<usize>,
    /// Longest payload, in bytes; `None` without frames.
    pub longest: Option<usize>,
    /// Where the first data frame begins, in bytes from the start of the file.
    pub first_offset: Option<u64>,
    /// Where the last data frame begins.
    pub last_offset: Option<u64>,
    /// Control frames passed over.
    pub ignored_controls: u64,
    /// Data frames over the limit, passed over.
    pub skipped_frames: u64,
    /// Bytes behind STOP.
    pub trailing_bytes: u64,
    /// How the file ends, or why it cannot be read to its end.
    pub end: Result<End, ReadError>,
}

impl Info {
    /// Reads `reader` to its end and sums up. Never fails: a file that goes wrong half-way is summed up to
    /// there.
    pub fn read<R: Read>(reader: &mut FileReader<R>) -> Self {
        let mut info = Self {
            content_types: Vec::new(),
            frames: 0,
            payload_bytes: 0,
            shortest: None,
            longest: None,
            first_offset: None,
            last_offset: None,
            ignored_controls: 0,
            skipped_frames: 0,
            trailing_bytes: 0,
            end: Ok(End::Eof),
        };
        let end = loop {
            let payload = reader.next_frame().map(|payload| payload.map(<[u8]>::len));
            while let Some(event) = reader.poll_event() {
                if let Event::Started { content_type } = event {
                    info.content_types.push(content_type);
                }
            }
            match payload {
                Ok(Some(len)) => info.count(len, reader.offset()),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        let stats = reader.stats();
        info.ignored_controls = stats.ignored_controls;
        info.skipped_frames = stats.skipped_frames;
        info.end = end.and_then(|()| {
            let end = reader.end_of_stream().unwrap_or(End::Eof);
            if end == End::Stop {
                info.trailing_bytes = reader.trailing_bytes()?;
            }
            Ok(end)
        });
        info
    }

    fn count(&mut self, len: usize, offset: u64) {
        self.frames += 1;
        self.payload_bytes += u64::try_from(len).unwrap_or(u64::MAX);
        self.shortest = Some(self.shortest.map_or(len, |shortest| shortest.min(len)));
        self.longest = self.longest.max(Some(len));
        self.first_offset.get_or_insert(offset);
        self.last_offset = Some(offset);
    }
}
