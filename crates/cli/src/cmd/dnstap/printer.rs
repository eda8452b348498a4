//! Messages in the form that was asked for, collected into pieces.

use std::io::Write as _;

use dnstap_codec::DecodeError;
use serde::Serialize;

use super::counts::Counts;
use crate::cmd::fstrm::dnstap;

/// What a message becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A line.
    Quiet,
    /// A line of JSON.
    Json,
}

/// Shown messages, and how many frames they came from.
#[derive(Debug, Default)]
pub(super) struct Piece {
    pub(super) text: Vec<u8>,
    pub(super) counts: Counts,
}

impl Piece {
    /// Whether nothing came since the last one.
    pub(super) fn is_empty(&self) -> bool {
        self.counts == Counts::default()
    }
}

/// Turns frames into text.
#[derive(Debug)]
pub(super) struct Printer {
    form: Form,
    /// Frames that are still wanted; any number without it.
    left: Option<u64>,
    piece: Piece,
}

#[derive(Serialize)]
struct Line<T> {
    v: u8,
    #[serde(flatten)]
    fields: T,
}

impl Printer {
    pub(super) fn new(form: Form, left: Option<u64>) -> Self {
        Self {
            form,
            left,
            piece: Piece::default(),
        }
    }

    /// Adds a frame's payload; one that is no dnstap is counted, and shown in no form.
    pub(super) fn frame(&mut self, payload: &[u8]) {
        self.left = self.left.map(|left| left.saturating_sub(1));
        self.piece.counts.frames += 1;
        self.piece.counts.bytes += u64::try_from(payload.len()).unwrap_or(u64::MAX);
        if self.message(payload).is_err() {
            self.piece.counts.bad += 1;
        }
    }

    /// Frames that came no further than the reader.
    pub(super) const fn drop_frames(&mut self, count: u64) {
        self.piece.counts.dropped += count;
    }

    /// Whether as many frames came as were wanted.
    pub(super) fn is_done(&self) -> bool {
        self.left == Some(0)
    }

    /// Bytes that wait to be taken.
    pub(super) const fn len(&self) -> usize {
        self.piece.text.len()
    }

    /// What was collected.
    pub(super) fn take(&mut self) -> Piece {
        core::mem::take(&mut self.piece)
    }

    fn message(&mut self, payload: &[u8]) -> Result<(), DecodeError> {
        let text = &mut self.piece.text;
        // Writing into a vector cannot fail.
        match self.form {
            Form::Quiet => {
                let _ = writeln!(text, "{}", dnstap::line(payload)?);
            }
            Form::Json => {
                let fields = dnstap::fields(payload)?;
                let _ = serde_json::to_writer(&mut *text, &Line { v: 1, fields });
                text.push(b'\n');
            }
        }
        Ok(())
    }
}
