//! The parser: bytes in, frames out.

use super::{Beginning, DATA_HEADER_LEN, End, Frame, FrameConfig, FrameError, FrameErrorKind, Oversize};
use crate::control::{CONTROL_HEADER_LEN, Control, control_len, split_u32};

/// The outcome of one [`Parser::parse`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parsed<'a> {
    /// Bytes of the input that are done with; the next input begins behind them.
    pub consumed: usize,
    /// Where in the stream the frame begins, in bytes.
    pub offset: u64,
    /// The frame; `None` when more bytes are needed.
    pub frame: Option<Frame<'a>>,
}

/// Cuts a byte stream into frames, wherever the reads cut it.
///
/// ```
/// # use fstrm_codec::{Frame, Parser};
/// # fn main() -> Result<(), fstrm_codec::frame::FrameError> {
/// let mut input: &[u8] = b"\0\0\0\0\0\0\0\x04\0\0\0\x02\0\0\0\x05hello\0\0";
/// let mut parser = Parser::default();
/// let mut payloads = 0;
/// loop {
///     let parsed = parser.parse(input)?;
///     input = &input[parsed.consumed..];
///     match parsed.frame {
///         Some(Frame::Data(payload)) => payloads += payload.len(),
///         Some(_) => {}
///         None => break, // read more behind `input`, then parse again
///     }
/// }
/// assert_eq!((payloads, input.len(), parser.missing()), (5, 2, 2));
/// # Ok(())
/// # }
/// ```
///
/// It holds no bytes and allocates nothing. Lengths are counted in 64 bits; a length on the wire is a claim,
/// to be believed when the bytes are there. The first error latches: every later call gives it again.
#[derive(Clone, Debug, Default)]
pub struct Parser {
    config: FrameConfig,
    offset: u64,
    beginning: u64,
    skip_start: u64,
    skip: u64,
    missing: u64,
    failed: Option<FrameError>,
}

impl Parser {
    /// A parser at the beginning of a stream.
    #[must_use]
    pub const fn new(config: FrameConfig) -> Self {
        Self {
            config,
            offset: 0,
            beginning: 0,
            skip_start: 0,
            skip: 0,
            missing: 0,
            failed: None,
        }
    }

    /// Takes the next frame off `input`, which continues where the last call's `consumed` ended.
    ///
    /// # Errors
    /// When the stream is malformed. The error latches.
    pub fn parse<'a>(&mut self, input: &'a [u8]) -> Result<Parsed<'a>, FrameError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let skipped = u64::try_from(input.len()).unwrap_or(u64::MAX).min(self.skip);
        self.skip -= skipped;
        self.offset += skipped;
        self.missing = self.skip;
        // `skipped` is at most the length of `input`.
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        let rest = input.get(skipped..).unwrap_or(&[]);
        let offset = self.offset;
        let found = if self.skip > 0 {
            Ok(None)
        } else {
            self.next_frame(rest)
        };
        match found {
            Ok(Some((frame, len))) => {
                self.offset += u64::try_from(len).unwrap_or(u64::MAX);
                Ok(Parsed {
                    consumed: skipped + len,
                    offset,
                    frame: Some(frame),
                })
            }
            Ok(None) => Ok(Parsed {
                consumed: skipped,
                offset,
                frame: None,
            }),
            Err(kind) => {
                let error = FrameError { offset, kind };
                self.failed = Some(error);
                Err(error)
            }
        }
    }

    /// Stream offset of the first byte that no frame has consumed.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes that the frame at hand still lacks, as far as known; 0 between two frames.
    #[must_use]
    pub const fn missing(&self) -> u64 {
        self.missing
    }

    /// How the stream ends if no more bytes come after what the last [`parse`](Self::parse) was given.
    #[must_use]
    pub const fn end(&self) -> End {
        match self.missing {
            0 => End::Eof,
            missing if self.skip > 0 => End::Truncated {
                offset: self.skip_start,
                missing,
            },
            missing => End::Truncated {
                offset: self.offset,
                missing,
            },
        }
    }

    /// Declares that a new stream begins at the current offset: files can be written back to back.
    pub const fn restart(&mut self) {
        self.beginning = self.offset;
    }

    /// The frame at the front of `rest` and its length with header, or `None` with `missing` set.
    #[inline]
    fn next_frame<'a>(&mut self, rest: &'a [u8]) -> Result<Option<(Frame<'a>, usize)>, FrameErrorKind> {
        let Some((len, body)) = split_u32(rest) else {
            self.missing = if rest.is_empty() { 0 } else { lacking(4, rest) };
            return Ok(None);
        };
        if len == 0 {
            return self.next_control(body);
        }
        if self.offset == self.beginning && self.config.beginning == Beginning::Control {
            return Err(FrameErrorKind::NotFrameStream {
                first: len.to_be_bytes(),
            });
        }
        let max = self.config.max_data.get();
        if len > max {
            return self.oversize(len, max);
        }
        let payload = usize::try_from(len).ok().and_then(|len| body.get(..len));
        if payload.is_none() {
            self.missing = lacking(len, body);
        }
        Ok(payload.map(|payload| (Frame::Data(payload), DATA_HEADER_LEN + payload.len())))
    }

    fn next_control<'a>(&mut self, body: &'a [u8]) -> Result<Option<(Frame<'a>, usize)>, FrameErrorKind> {
        let Some((clen, payload)) = split_u32(body) else {
            self.missing = lacking(4, body);
            return Ok(None);
        };
        let Some(payload) = payload.get(..control_len(clen)?) else {
            self.missing = lacking(clen, payload);
            return Ok(None);
        };
        let control = Control::decode(payload, self.config.strictness)?;
        Ok(Some((
            Frame::Control(control),
            CONTROL_HEADER_LEN + payload.len(),
        )))
    }

    fn oversize<'a>(&mut self, len: u32, max: u32) -> Result<Option<(Frame<'a>, usize)>, FrameErrorKind> {
        match self.config.oversize {
            Oversize::Refuse => Err(FrameErrorKind::DataTooLong { len, max }),
            Oversize::Skip => {
                self.skip_start = self.offset;
                self.skip = u64::from(len);
                self.missing = self.skip;
                Ok(Some((Frame::Skipped { len }, DATA_HEADER_LEN)))
            }
        }
    }
}

/// Bytes that `have` is short of `need`.
fn lacking(need: u32, have: &[u8]) -> u64 {
    u64::from(need).saturating_sub(u64::try_from(have.len()).unwrap_or(u64::MAX))
}
