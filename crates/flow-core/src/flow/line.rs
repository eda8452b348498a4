//! Lines of text, however packets cut them.

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::error::{ReadLineError, WriteLineError};

/// The longest line in bytes, its end not counted, unless told otherwise: 64 KiB.
pub const DEFAULT_MAX_LINE: usize = 64 << 10;

pub(super) const LINE_END: u8 = b'\n';

/// A line that is being read.
#[derive(Debug)]
pub(super) struct Line {
    begun: Vec<u8>,
    max: usize,
    /// The line was too long, and that was told: the rest of it goes.
    skips: bool,
}

impl Line {
    pub(super) const fn new(max: usize) -> Self {
        Self {
            begun: Vec::new(),
            max,
            skips: false,
        }
    }

    pub(super) const fn set_max(&mut self, max: usize) {
        self.max = max;
    }

    /// Takes a piece, which ends with the line or before it. Returns the line once it is whole.
    pub(super) fn push(&mut self, piece: &[u8]) -> Option<Result<String, ReadLineError>> {
        let (text, ends) = match piece.split_last() {
            Some((&LINE_END, text)) => (text, true),
            _ => (piece, false),
        };
        if self.skips {
            self.skips = !ends;
            return None;
        }
        let max = self.max;
        if text.len() > max - self.begun.len().min(max) {
            self.begun = Vec::new();
            self.skips = !ends;
            return Some(Err(ReadLineError::TooLong { max }));
        }
        self.begun.extend_from_slice(text);
        ends.then(|| self.take())
    }

    /// The flow has ended: what was begun is the last line.
    pub(super) fn finish(&mut self) -> Option<Result<String, ReadLineError>> {
        (!self.begun.is_empty()).then(|| self.take())
    }

    fn take(&mut self) -> Result<String, ReadLineError> {
        String::from_utf8(core::mem::take(&mut self.begun)).map_err(|error| ReadLineError::NotUtf8 {
            valid_up_to: error.utf8_error().valid_up_to(),
        })
    }
}

/// A line that is being written.
#[derive(Debug)]
pub(crate) struct LineOut {
    /// Its first packet, until that has left.
    pub(super) first: Option<Bytes>,
    pub(super) rest: Bytes,
}

/// `text` with the end of a line, which it may have already.
pub(super) fn ended(text: &str, max: usize) -> Result<Bytes, WriteLineError> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let len = text.len();
    if len > max {
        return Err(WriteLineError::TooLong { len, max });
    }
    if let Some(at) = text.bytes().position(|byte| byte == LINE_END) {
        return Err(WriteLineError::LineEnd { at });
    }
    let mut line = Vec::with_capacity(len + 1);
    line.extend_from_slice(text.as_bytes());
    line.push(LINE_END);
    Ok(line.into())
}
