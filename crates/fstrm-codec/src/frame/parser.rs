//! The parser: bytes in, frames out.

use super::{
    Beginning, DATA_HEADER_LEN, End, Frame, FrameConfig, FrameError, FrameErrorKind, Oversize, Piece, Run,
};
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

/// The outcome of one [`Parser::parse_run`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParsedRun<'a> {
    /// Bytes of the input that are done with; the next input begins behind them.
    pub consumed: usize,
    /// Where in the stream the piece begins, in bytes.
    pub offset: u64,
    /// The piece; `None` when more bytes are needed.
    pub piece: Option<Piece<'a>>,
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
        let (skipped, rest) = self.pass_over(input)?;
        let offset = self.offset;
        let frame = match self.next_frame(rest) {
            Ok(frame) => frame,
            Err(kind) => return Err(self.fail(kind)),
        };
        let len = frame.map_or(0, |(_, len)| len);
        self.advance(len);
        Ok(Parsed {
            consumed: skipped + len,
            offset,
            frame: frame.map(|(frame, _)| frame),
        })
    }

    /// Takes all whole data frames off the front of `input` at once, or else one frame of another kind.
    ///
    /// The same stream as [`parse`](Self::parse) gives; the two may alternate. Its cost is one look at each
    /// length.
    ///
    /// ```
    /// # use fstrm_codec::{Parser, frame::Piece};
    /// # fn main() -> Result<(), fstrm_codec::frame::FrameError> {
    /// let input: &[u8] = b"\0\0\0\0\0\0\0\x04\0\0\0\x02\0\0\0\x05hello\0\0\0\x02ok\0\0\0\x09par";
    /// let mut parser = Parser::default();
    /// let start = parser.parse_run(input)?;
    /// assert!(matches!(start.piece, Some(Piece::Control(_))));
    /// let data = parser.parse_run(&input[start.consumed..])?;
    /// assert!(matches!(data.piece, Some(Piece::Run(run)) if run.frames() == 2));
    /// let more = parser.parse_run(&input[start.consumed + data.consumed..])?;
    /// assert_eq!((more.piece, parser.missing()), (None, 6));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the stream is malformed: what precedes the bad frame is given first. The error latches.
    pub fn parse_run<'a>(&mut self, input: &'a [u8]) -> Result<ParsedRun<'a>, FrameError> {
        let (skipped, rest) = self.pass_over(input)?;
        let offset = self.offset;
        if self.skip == 0
            && !self.wants_control()
            && let Some(run) = Run::walk(rest, self.config.max_data.get())
        {
            self.advance(run.as_wire().len());
            return Ok(ParsedRun {
                consumed: skipped + run.as_wire().len(),
                offset,
                piece: Some(Piece::Run(run)),
            });
        }
        let parsed = self.parse(rest)?;
        Ok(ParsedRun {
            consumed: skipped + parsed.consumed,
            offset,
            piece: match parsed.frame {
                Some(Frame::Control(control)) => Some(Piece::Control(control)),
                Some(Frame::Skipped { len }) => Some(Piece::Skipped { len }),
                // The walk would have found a whole data frame.
                Some(Frame::Data(_)) | None => None,
            },
        })
    }

    /// Moves on over `len` bytes of whole data frames, or of one frame, that were looked at.
    pub(crate) fn advance(&mut self, len: usize) {
        self.offset += u64::try_from(len).unwrap_or(u64::MAX);
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

    /// Moves on over the rest of a frame that is skipped; how many bytes of `input` that takes, and what is
    /// left.
    #[inline]
    fn pass_over<'a>(&mut self, input: &'a [u8]) -> Result<(usize, &'a [u8]), FrameError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let len = usize::try_from(self.skip).unwrap_or(usize::MAX).min(input.len());
        self.advance(len);
        self.skip -= u64::try_from(len).unwrap_or(u64::MAX);
        self.missing = self.skip;
        Ok((len, input.get(len..).unwrap_or(&[])))
    }

    /// Whether the frame at hand must be a control frame: the stream begins with it.
    const fn wants_control(&self) -> bool {
        self.offset == self.beginning && matches!(self.config.beginning, Beginning::Control)
    }

    #[cold]
    const fn fail(&mut self, kind: FrameErrorKind) -> FrameError {
        let error = FrameError {
            offset: self.offset,
            kind,
        };
        self.failed = Some(error);
        error
    }

    /// The frame at the front of `rest` and its length with header, or `None` with `missing` set.
    #[inline]
    fn next_frame<'a>(&mut self, rest: &'a [u8]) -> Result<Option<(Frame<'a>, usize)>, FrameErrorKind> {
        if self.skip > 0 {
            return Ok(None);
        }
        let Some((len, body)) = split_u32(rest) else {
            self.missing = if rest.is_empty() { 0 } else { lacking(4, rest) };
            return Ok(None);
        };
        if len == 0 {
            return self.next_control(body);
        }
        if self.wants_control() {
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
pub(super) fn lacking(need: u32, have: &[u8]) -> u64 {
    u64::from(need).saturating_sub(u64::try_from(have.len()).unwrap_or(u64::MAX))
}
