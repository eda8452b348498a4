//! Messages in the forms that were asked for, collected into pieces.

use dnstap_codec::filter::Filter;
use dnstap_codec::text::{self, Style};
use dnstap_codec::{DecodeError, Dnstap};
use fstrm_codec::frame::Run;

use super::counts::Counts;

/// Bytes that are written together.
const PIECE_LEN: usize = 128 * 1024;

/// What is made of the messages that are wanted.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    /// Text in this style.
    pub(super) text: Option<Style>,
    /// Frames, as they came.
    pub(super) frames: bool,
    /// Those for which this holds.
    pub(super) filter: Option<Filter>,
    /// How many; any number without it.
    pub(super) count: Option<u64>,
}

/// What has become of some frames.
#[derive(Debug, Default)]
pub(super) struct Piece {
    pub(super) text: Vec<u8>,
    /// Data frames as on the wire.
    pub(super) frames: Vec<u8>,
    pub(super) counts: Counts,
}

impl Piece {
    /// Whether nothing came since the last one.
    pub(super) fn is_empty(&self) -> bool {
        self.counts == Counts::default()
    }

    fn len(&self) -> usize {
        self.text.len() + self.frames.len()
    }
}

/// Turns frames into what is wanted.
#[derive(Debug)]
pub(super) struct Printer {
    wanted: Wanted,
    text: Option<text::Printer>,
    piece: Piece,
}

impl Printer {
    pub(super) fn new(wanted: Wanted) -> Self {
        Self {
            text: wanted.text.map(text::Printer::new),
            wanted,
            piece: Piece::default(),
        }
    }

    /// Whether nobody looks into the frames: then they are passed on, whatever they hold.
    pub(super) fn passes_all(&self) -> bool {
        let Wanted {
            text, filter, count, ..
        } = &self.wanted;
        text.is_none() && filter.is_none() && count.is_none()
    }

    /// Adds frames that nobody looks into.
    pub(super) fn pass(&mut self, run: &Run<'_>) {
        let counts = &mut self.piece.counts;
        counts.frames += run.frames();
        counts.shown += run.frames();
        counts.bytes += run.payload_bytes();
        self.piece.frames.extend_from_slice(run.as_wire());
    }

    /// Adds frames, and gives a piece away whenever one is long enough; false when no more is wanted.
    pub(super) fn run(&mut self, run: &Run<'_>, len: usize, mut give: impl FnMut(Piece) -> bool) -> bool {
        if self.passes_all() {
            self.pass(run);
            return true;
        }
        for payload in run.iter() {
            if self.is_done() {
                return false;
            }
            self.frame(payload);
            if self.piece.len() >= len && !give(self.take()) {
                return false;
            }
        }
        !self.is_done()
    }

    /// Frames that came no further than the reader.
    pub(super) const fn drop_frames(&mut self, count: u64) {
        self.piece.counts.dropped += count;
    }

    /// Whether as many messages were shown as were wanted.
    pub(super) fn is_done(&self) -> bool {
        self.wanted.count == Some(0)
    }

    /// Whether so much was collected that it is time to write it.
    pub(super) fn is_full(&self) -> bool {
        self.piece.len() >= PIECE_LEN
    }

    /// What was collected.
    pub(super) fn take(&mut self) -> Piece {
        core::mem::take(&mut self.piece)
    }

    /// Adds one frame. One that is no dnstap is shown in no form.
    pub(super) fn frame(&mut self, payload: &[u8]) {
        self.piece.counts.frames += 1;
        self.piece.counts.bytes += u64::try_from(payload.len()).unwrap_or(u64::MAX);
        if self.message(payload).is_err() {
            self.piece.counts.bad += 1;
        }
    }

    fn message(&mut self, payload: &[u8]) -> Result<(), DecodeError> {
        let dnstap = Dnstap::decode(payload)?;
        let holds = |filter: &Filter| filter.matches(&dnstap);
        if self.is_done() || !self.wanted.filter.as_ref().is_none_or(holds) {
            return Ok(());
        }
        self.wanted.count = self.wanted.count.map(|count| count.saturating_sub(1));
        self.piece.counts.shown += 1;
        if let Some(text) = &mut self.text {
            text.print(&dnstap, &mut self.piece.text);
        }
        if self.wanted.frames {
            let len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
            self.piece.frames.extend_from_slice(&len.to_be_bytes());
            self.piece.frames.extend_from_slice(payload);
        }
        Ok(())
    }
}
