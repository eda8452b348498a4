//! Frames, and the parser that cuts a byte stream into them without copying.
//!
//! ```text
//! data frame:     LEN(4, != 0)  payload[LEN]
//! control frame:  00 00 00 00   CLEN(4)   TYPE(4)   fields[CLEN-4]
//! ```
//!
//! A zero length is the escape that begins a control frame, so an empty data frame cannot be expressed. Not
//! here: what a control frame holds ([`control`](crate::control)), which frame may come when
//! (`handshake`).

#[cfg(feature = "alloc")]
mod owned;
mod parser;
mod run;

use core::num::NonZeroU32;

use thiserror::Error;

#[cfg(feature = "alloc")]
pub use owned::OwnedRun;
pub use parser::{Parsed, ParsedRun, Parser};
pub use run::{Payloads, Piece, Run};

use crate::control::{Control, DecodeError, Strictness};
use crate::hint::{Hex, Hint, Suffix};

/// Longest data frame that a reader takes by default: 1 MiB, as the C library.
pub const DEFAULT_MAX_DATA_LEN: NonZeroU32 = NonZeroU32::new(1 << 20).expect("not zero");
/// Bytes in front of a data payload: its length.
pub const DATA_HEADER_LEN: usize = 4;

/// One frame, borrowed from the bytes it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A data frame's payload, never empty.
    Data(&'a [u8]),
    /// A control frame.
    Control(Control<'a>),
    /// A data frame over the limit, passed over under [`Oversize::Skip`].
    Skipped {
        /// Its length in bytes, as announced.
        len: u32,
    },
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// With STOP.
    Stop,
    /// Between two frames, without STOP; dnsdist and PowerDNS Recursor end so.
    Eof,
    /// Inside a frame; the writer died.
    Truncated {
        /// Where in the stream the cut frame begins, in bytes.
        offset: u64,
        /// Bytes missing, as far as known: a frame cut inside its length lacks at least these.
        missing: u64,
    },
}

/// What to do with a data frame over the limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Oversize {
    /// It is an error and the stream ends. The default: an absurd length means the stream is out of step.
    #[default]
    Refuse,
    /// It is passed over and counted, as golang-framestream and `fstrm_capture` do.
    Skip,
}

/// What a stream may begin with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Beginning {
    /// A control frame; anything else is [`FrameErrorKind::NotFrameStream`]. The default.
    #[default]
    Control,
    /// A data frame too.
    Any,
}

/// Limits and policies of a [`Parser`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameConfig {
    pub(crate) max_data: NonZeroU32,
    pub(crate) oversize: Oversize,
    pub(crate) strictness: Strictness,
    pub(crate) beginning: Beginning,
}

impl FrameConfig {
    /// The defaults: 1 MiB, refuse, strict, control frame first.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            max_data: DEFAULT_MAX_DATA_LEN,
            oversize: Oversize::Refuse,
            strictness: Strictness::Strict,
            beginning: Beginning::Control,
        }
    }

    /// Longest data payload, in bytes. 1 to 2^32-1; default 1 MiB, as the C library and golang-framestream.
    ///
    /// A dnstap frame can exceed 64 KiB, so a limit below about 66 KiB loses legal messages.
    #[must_use]
    pub const fn max_data(mut self, max: NonZeroU32) -> Self {
        self.max_data = max;
        self
    }

    /// The longest data payload as it is set, in bytes.
    #[must_use]
    pub const fn max_data_len(&self) -> NonZeroU32 {
        self.max_data
    }

    /// What to do with a data frame over the limit. Default [`Oversize::Refuse`], as the C library means to.
    #[must_use]
    pub const fn oversize(mut self, oversize: Oversize) -> Self {
        self.oversize = oversize;
        self
    }

    /// How control frames are judged. Default [`Strictness::Strict`], as the C library.
    #[must_use]
    pub const fn strictness(mut self, strictness: Strictness) -> Self {
        self.strictness = strictness;
        self
    }

    /// What the stream may begin with. Default [`Beginning::Control`], as every reader but the Python codec.
    #[must_use]
    pub const fn beginning(mut self, beginning: Beginning) -> Self {
        self.beginning = beginning;
        self
    }
}

impl Default for FrameConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// What is wrong with a stream, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("at byte {offset}: {kind}")]
pub struct FrameError {
    /// Where in the stream the bad frame begins, in bytes.
    pub offset: u64,
    /// What is wrong with it.
    #[source]
    pub kind: FrameErrorKind,
}

impl FrameError {
    /// What the stream looks like instead.
    #[must_use]
    pub fn hint(&self) -> Option<Hint> {
        match self.kind {
            FrameErrorKind::NotFrameStream { first } => Hint::of(first),
            FrameErrorKind::DataTooLong { len, .. } => Hint::of(len.to_be_bytes()),
            FrameErrorKind::Control(_) | FrameErrorKind::NotData | FrameErrorKind::Cut { .. } => None,
        }
    }
}

/// What is wrong with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrameErrorKind {
    /// The stream does not begin with a control frame.
    #[error("not a frame stream: starts with {}, expected four zero bytes{}", Hex(*first), Suffix(*first))]
    NotFrameStream {
        /// The first four bytes.
        first: [u8; 4],
    },
    /// A data frame is over the limit.
    #[error("data frame of {len} bytes, expected at most {max}{}", Suffix(len.to_be_bytes()))]
    DataTooLong {
        /// Its length as announced.
        len: u32,
        /// The limit.
        max: u32,
    },
    /// A control frame is malformed.
    #[error(transparent)]
    Control(#[from] DecodeError),
    /// A control frame stands where only data frames may: in a [`Run`].
    #[error("a control frame among data frames")]
    NotData,
    /// What should be whole frames ends inside one, or holds none: a [`Run`].
    #[error("ends inside a data frame, {missing} bytes missing")]
    Cut {
        /// Bytes missing, as far as known.
        missing: u64,
    },
}

/// Why a payload cannot be framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// An empty payload: on the wire it would be the escape and garble every frame behind it.
    #[error("an empty data frame cannot be expressed")]
    EmptyFrame,
    /// A payload over the limit.
    #[error("data frame of {len} bytes, at most {max} are allowed")]
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The limit.
        max: u32,
    },
    /// A run without frames.
    #[error("a run of no data frames")]
    EmptyRun,
}

/// The four bytes that go in front of `payload`.
///
/// # Errors
/// When the payload is empty or longer than `max` bytes.
#[inline]
pub fn data_header(payload: &[u8], max: NonZeroU32) -> Result<[u8; DATA_HEADER_LEN], EncodeError> {
    if payload.is_empty() {
        return Err(EncodeError::EmptyFrame);
    }
    let len = payload.len();
    u32::try_from(len)
        .ok()
        .filter(|len| *len <= max.get())
        .map(u32::to_be_bytes)
        .ok_or_else(|| EncodeError::TooLong { len, max: max.get() })
}

#[cfg(test)]
mod tests;
