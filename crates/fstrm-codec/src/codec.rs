//! `FstrmCodec`: Frame Streams for `tokio_util::codec::Framed`.
//!
//! Plain `Framed` is right here, because Frame Streams run over byte streams. The codec cuts and frames; it
//! does not know which frame may come when. [`FstrmReader`](crate::FstrmReader) and
//! [`FstrmWriter`](crate::FstrmWriter) do.

mod push;

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use thiserror::Error;
use tokio_util::codec::{Decoder, Encoder};

pub use push::PushCodec;

use crate::control::{Control, ControlFrame, Strictness};
use crate::frame::{EncodeError, End, Frame, FrameConfig, FrameError, OwnedRun, Parser, Piece, data_header};

/// Most room that is made for a frame before its bytes come: a length on the wire is only a claim.
const MAX_RESERVE: usize = 64 * 1024;

/// One frame that owns its bytes; they are shared with the read buffer, not copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnedFrame {
    /// A data frame's payload, never empty.
    Data(Bytes),
    /// A control frame.
    Control(OwnedControl),
    /// A data frame over the limit, passed over.
    Skipped {
        /// Its length in bytes, as announced.
        len: u32,
    },
}

impl OwnedFrame {
    /// The same frame, borrowed.
    #[must_use]
    pub fn as_frame(&self) -> Frame<'_> {
        match self {
            Self::Data(payload) => Frame::Data(payload),
            Self::Control(control) => Frame::Control(control.as_control()),
            Self::Skipped { len } => Frame::Skipped { len: *len },
        }
    }
}

/// A control frame that owns its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedControl(Bytes);

impl OwnedControl {
    /// The same control frame, borrowed.
    #[must_use]
    pub fn as_control(&self) -> Control<'_> {
        Control::decode(&self.0, Strictness::Lenient).expect("the codec has decoded these very bytes")
    }
}

/// What [`FstrmCodec::decode_run`] takes off a stream at once; the bytes are shared with the read buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnedPiece {
    /// All data frames that lie side by side.
    Run(OwnedRun),
    /// A control frame.
    Control(OwnedControl),
    /// A data frame over the limit, passed over.
    Skipped {
        /// Its length in bytes, as announced.
        len: u32,
    },
}

/// Why a framed stream failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The transport failed.
    #[error("transport failed")]
    Io(#[from] io::Error),
    /// The bytes are not frames.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The payload cannot be framed.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The input ends inside a frame.
    #[error("input ends inside the frame at byte {offset}, {missing} bytes missing")]
    Truncated {
        /// Where in the stream the cut frame begins, in bytes.
        offset: u64,
        /// Bytes missing, as far as known.
        missing: u64,
    },
}

impl From<CodecError> for io::Error {
    fn from(error: CodecError) -> Self {
        let kind = match error {
            CodecError::Io(error) => return error,
            CodecError::Frame(_) => io::ErrorKind::InvalidData,
            CodecError::Encode(_) => io::ErrorKind::InvalidInput,
            CodecError::Truncated { .. } => io::ErrorKind::UnexpectedEof,
        };
        Self::new(kind, error)
    }
}

/// Decodes [`OwnedFrame`]s; encodes payloads (`Bytes`) as data frames, and [`ControlFrame`]s.
///
/// ```
/// # fn main() -> Result<(), fstrm_codec::codec::CodecError> {
/// use bytes::{Bytes, BytesMut};
/// use fstrm_codec::FstrmCodec;
/// use fstrm_codec::codec::OwnedFrame;
/// use tokio_util::codec::{Decoder, Encoder};
///
/// let mut codec = FstrmCodec::default();
/// let mut wire = BytesMut::new();
/// codec.encode(fstrm_codec::ControlFrame::stop(), &mut wire)?;
/// codec.encode(Bytes::from_static(b"hello"), &mut wire)?;
/// assert!(matches!(codec.decode(&mut wire)?, Some(OwnedFrame::Control(_))));
/// assert_eq!(codec.decode(&mut wire)?, Some(OwnedFrame::Data(Bytes::from_static(b"hello"))));
/// assert_eq!(codec.decode(&mut wire)?, None);
/// # Ok(())
/// # }
/// ```
///
/// A decoding error latches: a stream out of step cannot be trusted again.
#[derive(Clone, Debug, Default)]
pub struct FstrmCodec {
    config: FrameConfig,
    parser: Parser,
}

impl FstrmCodec {
    /// A codec at the beginning of a stream.
    #[must_use]
    pub const fn new(config: FrameConfig) -> Self {
        Self {
            config,
            parser: Parser::new(config),
        }
    }

    /// The parser beneath: stream offset, missing bytes.
    #[must_use]
    pub const fn parser(&self) -> &Parser {
        &self.parser
    }

    /// Takes all whole data frames off the front of `src` at once, or else one frame of another kind; `None`
    /// when more bytes are needed, room for which is made.
    ///
    /// The same stream as [`decode`](Decoder::decode) gives; the two may alternate.
    ///
    /// # Errors
    /// When the stream is malformed. The error latches.
    pub fn decode_run(&mut self, src: &mut BytesMut) -> Result<Option<OwnedPiece>, CodecError> {
        let parsed = self.parser.parse_run(src)?;
        let consumed = parsed.consumed;
        // What the piece is, without the borrow; it ends what was consumed.
        enum Cut {
            Run(usize, u64),
            Control(usize),
            Skipped(u32),
        }
        let cut = match parsed.piece {
            Some(Piece::Run(run)) => Cut::Run(run.as_wire().len(), run.frames()),
            Some(Piece::Control(control)) => Cut::Control(control.payload().len()),
            Some(Piece::Skipped { len }) => Cut::Skipped(len),
            None => {
                src.advance(consumed);
                self.make_room(src);
                return Ok(None);
            }
        };
        Ok(Some(match cut {
            Cut::Run(len, frames) => {
                src.advance(consumed - len);
                OwnedPiece::Run(OwnedRun::checked(src.split_to(len).freeze(), frames))
            }
            Cut::Control(len) => {
                src.advance(consumed - len);
                OwnedPiece::Control(OwnedControl(src.split_to(len).freeze()))
            }
            Cut::Skipped(len) => {
                src.advance(consumed);
                OwnedPiece::Skipped { len }
            }
        }))
    }

    /// Makes room for what the frame at hand lacks, as far as its length is to be believed.
    fn make_room(&self, src: &mut BytesMut) {
        let missing = usize::try_from(self.parser.missing()).unwrap_or(usize::MAX);
        src.reserve(missing.min(MAX_RESERVE));
    }
}

impl Decoder for FstrmCodec {
    type Item = OwnedFrame;
    type Error = CodecError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<OwnedFrame>, CodecError> {
        let parsed = self.parser.parse(src)?;
        // What the frame is, without the borrow: payload lengths suffice, a payload ends what was consumed.
        enum Cut {
            Data(usize),
            Control(usize),
        }
        let (consumed, cut) = match parsed.frame {
            Some(Frame::Data(payload)) => (parsed.consumed, Cut::Data(payload.len())),
            Some(Frame::Control(control)) => (parsed.consumed, Cut::Control(control.payload().len())),
            Some(Frame::Skipped { len }) => {
                src.advance(parsed.consumed);
                return Ok(Some(OwnedFrame::Skipped { len }));
            }
            None => {
                src.advance(parsed.consumed);
                self.make_room(src);
                return Ok(None);
            }
        };
        let (Cut::Data(len) | Cut::Control(len)) = cut;
        src.advance(consumed - len);
        let payload = src.split_to(len).freeze();
        Ok(Some(match cut {
            Cut::Data(_) => OwnedFrame::Data(payload),
            Cut::Control(_) => OwnedFrame::Control(OwnedControl(payload)),
        }))
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<OwnedFrame>, CodecError> {
        match self.decode(src)? {
            None => match self.parser.end() {
                End::Truncated { offset, missing } => {
                    // Told once; the end of the stream follows.
                    src.clear();
                    self.parser = Parser::new(self.config);
                    Err(CodecError::Truncated { offset, missing })
                }
                End::Eof | End::Stop => Ok(None),
            },
            frame => Ok(frame),
        }
    }
}

impl Encoder<Bytes> for FstrmCodec {
    type Error = CodecError;

    fn encode(&mut self, payload: Bytes, dst: &mut BytesMut) -> Result<(), CodecError> {
        let header = data_header(&payload, self.config.max_data)?;
        dst.reserve(header.len() + payload.len());
        dst.put_slice(&header);
        dst.put_slice(&payload);
        Ok(())
    }
}

impl Encoder<ControlFrame> for FstrmCodec {
    type Error = CodecError;

    fn encode(&mut self, frame: ControlFrame, dst: &mut BytesMut) -> Result<(), CodecError> {
        dst.extend_from_slice(frame.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests;
