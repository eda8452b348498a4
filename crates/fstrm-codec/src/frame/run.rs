//! Runs: whole data frames side by side, as they stand on the wire.

use super::{DATA_HEADER_LEN, FrameConfig, FrameError, FrameErrorKind};
use crate::control::{Control, split_u32};

/// Whole data frames, side by side in one slice: at least one, none empty, none over the limit.
///
/// A run is checked once and can then be counted, walked, and written elsewhere as it is, headers and all.
///
/// ```
/// # use fstrm_codec::frame::{FrameConfig, Run};
/// # fn main() -> Result<(), fstrm_codec::frame::FrameError> {
/// let run = Run::decode(b"\0\0\0\x05hello\0\0\0\x02ok", FrameConfig::new())?;
/// assert_eq!((run.frames(), run.payload_bytes()), (2, 7));
/// assert!(run.iter().eq([&b"hello"[..], b"ok"]));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run<'a> {
    wire: &'a [u8],
    frames: u64,
}

impl<'a> Run<'a> {
    /// Checks that `wire` is data frames from its first byte to its last.
    ///
    /// Only the limit of `config` matters: a run has no control frames, and a frame over the limit is never
    /// skipped.
    ///
    /// # Errors
    /// When there is no frame, an empty one or one over the limit, a control frame, or when the last one is
    /// cut. The offset counts from the front of `wire`.
    pub fn decode(wire: &'a [u8], config: FrameConfig) -> Result<Self, FrameError> {
        let max = config.max_data.get();
        let run = Self::walk(wire, max);
        let walked = run.map_or(0, |run| run.wire.len());
        let rest = wire.get(walked..).unwrap_or(&[]);
        let kind = match (run, split_u32(rest)) {
            (Some(run), _) if rest.is_empty() => return Ok(run),
            (_, None) => FrameErrorKind::Cut {
                missing: super::parser::lacking(4, rest),
            },
            (_, Some((0, _))) => FrameErrorKind::NotData,
            (_, Some((len, _))) if len > max => FrameErrorKind::DataTooLong { len, max },
            (_, Some((len, body))) => FrameErrorKind::Cut {
                missing: super::parser::lacking(len, body),
            },
        };
        let offset = u64::try_from(walked).unwrap_or(u64::MAX);
        Err(FrameError { offset, kind })
    }

    /// The run at the front of `input`, as far as whole data frames go; `None` when there is not one.
    #[inline]
    pub(crate) fn walk(input: &'a [u8], max: u32) -> Option<Self> {
        let mut rest = input;
        let mut frames = 0;
        // A length of zero wraps to the greatest number: one comparison finds the escape and what is too
        // long.
        while let Some((len, body)) = split_u32(rest)
            && len.wrapping_sub(1) < max
            && let Some(behind) = usize::try_from(len).ok().and_then(|len| body.get(len..))
        {
            rest = behind;
            frames += 1;
        }
        let wire = input.get(..input.len() - rest.len())?;
        (frames > 0).then_some(Self { wire, frames })
    }

    /// What the caller has checked to be `frames` data frames.
    #[inline]
    #[cfg(feature = "alloc")]
    pub(crate) const fn checked(wire: &'a [u8], frames: u64) -> Self {
        Self { wire, frames }
    }

    /// The frames as they stand on the wire, lengths included.
    #[must_use]
    pub const fn as_wire(&self) -> &'a [u8] {
        self.wire
    }

    /// How many frames there are, at least 1.
    #[must_use]
    pub const fn frames(&self) -> u64 {
        self.frames
    }

    /// Bytes of all payloads together.
    #[must_use]
    pub fn payload_bytes(&self) -> u64 {
        let headers = self.frames.saturating_mul(DATA_HEADER_LEN as u64);
        u64::try_from(self.wire.len())
            .unwrap_or(u64::MAX)
            .saturating_sub(headers)
    }

    /// The payloads, in order.
    #[must_use]
    pub const fn iter(&self) -> Payloads<'a> {
        Payloads {
            rest: self.wire,
            frames: self.frames,
        }
    }

    /// Splits behind the last frame that ends within the first `limit` bytes.
    ///
    /// Either part is `None` when no frame is left for it.
    #[must_use]
    pub fn split_at(&self, limit: usize) -> (Option<Self>, Option<Self>) {
        if self.wire.len() <= limit {
            return (Some(*self), None);
        }
        let front = self.wire.get(..limit).unwrap_or(self.wire);
        let Some(front) = Self::walk(front, u32::MAX) else {
            return (None, Some(*self));
        };
        let back = self.wire.get(front.wire.len()..).map(|wire| Self {
            wire,
            frames: self.frames - front.frames,
        });
        (Some(front), back)
    }
}

impl<'a> IntoIterator for Run<'a> {
    type Item = &'a [u8];
    type IntoIter = Payloads<'a>;

    fn into_iter(self) -> Payloads<'a> {
        self.iter()
    }
}

impl<'a> IntoIterator for &Run<'a> {
    type Item = &'a [u8];
    type IntoIter = Payloads<'a>;

    fn into_iter(self) -> Payloads<'a> {
        self.iter()
    }
}

/// The payloads of a [`Run`], in order.
#[derive(Clone, Debug)]
pub struct Payloads<'a> {
    rest: &'a [u8],
    frames: u64,
}

impl<'a> Iterator for Payloads<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let (len, body) = split_u32(self.rest)?;
        let (payload, rest) = body.split_at_checked(usize::try_from(len).ok()?)?;
        self.rest = rest;
        self.frames -= 1;
        Some(payload)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let frames = usize::try_from(self.frames);
        (frames.unwrap_or(usize::MAX), frames.ok())
    }
}

impl core::iter::FusedIterator for Payloads<'_> {}

/// What [`Parser::parse_run`](crate::Parser::parse_run) takes off a stream at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// All data frames that lie side by side.
    Run(Run<'a>),
    /// A control frame.
    Control(Control<'a>),
    /// A data frame over the limit, passed over under [`Oversize::Skip`](super::Oversize::Skip).
    Skipped {
        /// Its length in bytes, as announced.
        len: u32,
    },
}
