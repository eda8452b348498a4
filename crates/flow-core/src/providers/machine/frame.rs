//! What the two ends of a flow send each other.
//!
//! ```text
//! kind(1) length(3, little endian) payload(length)
//!  1 data     a packet, of 1 byte and more
//!  2 alive    nothing; a keepalive
//!  3 read     packets(4) bytes(4): total read so far, modulo 2^32; so much more may be under way
//!  4 mark     0: the flow is up, 1: it is down
//!  5 end      nothing; no more packets from me
//!  6 reads    0: I read, 1: I do not (write-only), 2: never again (let go)
//!  7 tell     nothing; say `read` now, somebody waits for it
//! ```

use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::io;
use thiserror::Error;
use tokio_util::codec::{Decoder, Encoder};

use crate::flow::FlowState;
pub use crate::pipe::{Count, Reads};

/// Bytes before a payload.
pub const HEADER_LEN: usize = 4;
/// The longest payload whose length can be told: 2^24 - 1 bytes.
pub const MAX_PAYLOAD: usize = (1 << 24) - 1;
/// Packets below this length are copied out of what was read, so that a small one that is kept does not keep
/// what came with it.
const COPY_BELOW: usize = 512;

const DATA: u8 = 1;
const ALIVE: u8 = 2;
const READ: u8 = 3;
const MARK: u8 = 4;
const END: u8 = 5;
const READS: u8 = 6;
const TELL: u8 = 7;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A packet.
    Data(Bytes),
    /// A keepalive.
    Alive,
    /// How much was read so far.
    Read(Count),
    /// Whether the flow carries packets.
    Mark(FlowState),
    /// No more packets come.
    End,
    /// Whether the sender reads.
    Reads(Reads),
    /// Wants to know how much was read.
    Tell,
}

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// There is no such kind.
    #[error("frame of the unknown kind {got}")]
    Kind {
        /// The kind.
        got: u8,
    },
    /// A packet is longer than was agreed.
    #[error("packet of {got} bytes, at most {max} were agreed")]
    TooLong {
        /// Its length in bytes.
        got: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// A packet is empty.
    #[error("packet without a byte")]
    Empty,
    /// A payload has another length than its kind has.
    #[error("frame of kind {kind} with {got} bytes, it has {need}")]
    Length {
        /// The kind.
        kind: u8,
        /// The length that it has, in bytes.
        need: usize,
        /// The length that was told, in bytes.
        got: usize,
    },
    /// A payload has a value that means nothing.
    #[error("frame of kind {kind} with the value {got}")]
    Value {
        /// The kind.
        kind: u8,
        /// The value.
        got: u8,
    },
}

impl From<FrameError> for io::Error {
    fn from(error: FrameError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// The header of a frame with a payload of `len` bytes, of which there are at most [`MAX_PAYLOAD`].
const fn header(kind: u8, len: u32) -> [u8; HEADER_LEN] {
    let [low, middle, high, _] = len.to_le_bytes();
    [kind, low, middle, high]
}

/// The header of a packet.
pub(super) const fn data_header(len: u32) -> [u8; HEADER_LEN] {
    header(DATA, len)
}

impl Frame {
    /// Takes the next frame off `bytes`; `None` when it is not there whole.
    ///
    /// # Errors
    ///
    /// [`FrameError`] for what is no frame, as soon as its header shows it; `max` is the longest packet.
    pub fn decode(bytes: &mut BytesMut, max: usize) -> Result<Option<Self>, FrameError> {
        let Some((&[kind, low, middle, high], payload)) = bytes.split_first_chunk() else {
            return Ok(None);
        };
        let len = u32::from_le_bytes([low, middle, high, 0]);
        let got = usize::try_from(len).unwrap_or(usize::MAX);
        check(kind, got, max)?;
        let Some(payload) = payload.get(..got) else {
            return Ok(None);
        };
        let frame = match kind {
            DATA if got < COPY_BELOW => Self::Data(Bytes::copy_from_slice(payload)),
            DATA => {
                bytes.advance(HEADER_LEN);
                return Ok(Some(Self::Data(bytes.split_to(got).freeze())));
            }
            _ => Self::decode_control(kind, payload)?,
        };
        bytes.advance(HEADER_LEN + got);
        Ok(Some(frame))
    }

    fn decode_control(kind: u8, mut payload: &[u8]) -> Result<Self, FrameError> {
        let value = |got| FrameError::Value { kind, got };
        Ok(match kind {
            ALIVE => Self::Alive,
            READ => Self::Read(Count {
                packets: payload.get_u32_le(),
                bytes: payload.get_u32_le(),
            }),
            MARK => Self::Mark(match payload.get_u8() {
                0 => FlowState::Up,
                1 => FlowState::Down,
                got => return Err(value(got)),
            }),
            END => Self::End,
            READS => Self::Reads(match payload.get_u8() {
                0 => Reads::Yes,
                1 => Reads::No,
                2 => Reads::Never,
                got => return Err(value(got)),
            }),
            TELL => Self::Tell,
            got => return Err(FrameError::Kind { got }),
        })
    }

    /// Appends the frame to `out`. A packet of more than [`MAX_PAYLOAD`] bytes cannot be told of, and nothing
    /// is appended.
    pub fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Data(packet) => {
                if let Some(len) = u32::try_from(packet.len())
                    .ok()
                    .filter(|_| packet.len() <= MAX_PAYLOAD)
                {
                    out.reserve(HEADER_LEN + packet.len());
                    out.put_slice(&data_header(len));
                    out.put_slice(packet);
                }
            }
            Self::Alive => out.put_slice(&header(ALIVE, 0)),
            Self::Read(count) => {
                out.put_slice(&header(READ, 8));
                out.put_u32_le(count.packets);
                out.put_u32_le(count.bytes);
            }
            Self::Mark(mark) => {
                out.put_slice(&header(MARK, 1));
                out.put_u8(match mark {
                    FlowState::Up => 0,
                    FlowState::Down => 1,
                });
            }
            Self::End => out.put_slice(&header(END, 0)),
            Self::Reads(reads) => {
                out.put_slice(&header(READS, 1));
                out.put_u8(match reads {
                    Reads::Yes => 0,
                    Reads::No => 1,
                    Reads::Never => 2,
                });
            }
            Self::Tell => out.put_slice(&header(TELL, 0)),
        }
    }
}

/// Looks at a header.
const fn check(kind: u8, got: usize, max: usize) -> Result<(), FrameError> {
    let need = match kind {
        DATA if got == 0 => return Err(FrameError::Empty),
        DATA if got > max => return Err(FrameError::TooLong { got, max }),
        DATA => return Ok(()),
        ALIVE | END | TELL => 0,
        READ => 8,
        MARK | READS => 1,
        got => return Err(FrameError::Kind { got }),
    };
    if got == need {
        Ok(())
    } else {
        Err(FrameError::Length { kind, need, got })
    }
}

/// Frames for `tokio_util`'s `Framed`, with a limit of packets; a socket between two processes is a stream of
/// bytes, so that this is right.
#[derive(Clone, Copy, Debug)]
pub struct FrameCodec {
    max_packet: usize,
}

impl FrameCodec {
    /// A codec for packets of at most `max_packet` bytes.
    #[must_use]
    pub const fn new(max_packet: usize) -> Self {
        Self { max_packet }
    }
}

impl Decoder for FrameCodec {
    type Item = Frame;
    type Error = io::Error;

    fn decode(&mut self, bytes: &mut BytesMut) -> io::Result<Option<Frame>> {
        Ok(Frame::decode(bytes, self.max_packet)?)
    }
}

impl Encoder<Frame> for FrameCodec {
    type Error = io::Error;

    fn encode(&mut self, frame: Frame, out: &mut BytesMut) -> io::Result<()> {
        if let Frame::Data(packet) = &frame {
            check(DATA, packet.len(), self.max_packet.min(MAX_PAYLOAD))?;
        }
        frame.encode(out);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
