//! A codec that holds its bytes itself, for programs without `Framed`.

use bytes::{BufMut, Bytes, BytesMut};
use tokio_util::codec::Decoder;

use super::{CodecError, FstrmCodec, OwnedFrame};
use crate::frame::{EncodeError, FrameConfig, data_header};

/// Bytes that a length takes.
const LENGTH_LEN: u64 = 4;

/// Bytes pushed in, frames taken out: the form of the Python package `fstrm`.
///
/// ```
/// # fn main() -> Result<(), fstrm_codec::codec::CodecError> {
/// use fstrm_codec::FrameConfig;
/// use fstrm_codec::codec::{OwnedFrame, PushCodec};
/// use fstrm_codec::frame::Beginning;
///
/// let mut codec = PushCodec::new(FrameConfig::new().beginning(Beginning::Any));
/// codec.append(b"\0\0\0\x05hel");
/// assert!(!codec.process()?);
/// assert_eq!(codec.pending_bytes(), 2);
/// assert!(codec.append_and_process(b"lo\0\0\0\x02ok")?);
/// while let Some(frame) = codec.decode()? {
///     assert!(matches!(frame, OwnedFrame::Data(_)));
/// }
/// # Ok(())
/// # }
/// ```
///
/// What is different from the Python codec: a frame is given only when it is complete, the bytes missing are
/// never a negative number, [`reset`](Self::reset) forgets the bytes too, lengths have a limit, an error
/// latches, and the cost is that of the bytes, however many wait.
#[derive(Clone, Debug, Default)]
pub struct PushCodec {
    codec: FstrmCodec,
    config: FrameConfig,
    buffer: BytesMut,
    /// A complete frame that [`process`](Self::process) has met.
    ready: Option<OwnedFrame>,
}

impl PushCodec {
    /// A codec at the beginning of a stream.
    #[must_use]
    pub fn new(config: FrameConfig) -> Self {
        Self {
            codec: FstrmCodec::new(config),
            config,
            ..Self::default()
        }
    }

    /// Adds what came.
    pub fn append(&mut self, data: &[u8]) {
        self.buffer.put_slice(data);
    }

    /// Whether a frame is complete, for [`decode`](Self::decode) to take.
    ///
    /// # Errors
    /// When the bytes are not frames. The error latches.
    pub fn process(&mut self) -> Result<bool, CodecError> {
        if self.ready.is_none() {
            self.ready = self.codec.decode(&mut self.buffer)?;
        }
        Ok(self.ready.is_some())
    }

    /// Adds what came, and tells whether a frame is complete.
    ///
    /// # Errors
    /// As [`process`](Self::process).
    pub fn append_and_process(&mut self, data: &[u8]) -> Result<bool, CodecError> {
        self.append(data);
        self.process()
    }

    /// Takes the next frame; `None` while it is not complete.
    ///
    /// # Errors
    /// As [`process`](Self::process).
    pub fn decode(&mut self) -> Result<Option<OwnedFrame>, CodecError> {
        self.process()?;
        Ok(self.ready.take())
    }

    /// How many bytes to read next: what the frame at hand lacks, 4 for the length of the next one, 0 when
    /// one is complete or nothing more can come.
    #[must_use]
    pub fn pending_bytes(&self) -> u64 {
        if self.ready.is_some() {
            return 0;
        }
        let mut parser = self.codec.parser().clone();
        match parser.parse(&self.buffer) {
            Ok(parsed) if parsed.frame.is_none() => match parser.missing() {
                0 => LENGTH_LEN,
                missing => missing,
            },
            _ => 0,
        }
    }

    /// Bytes that wait for the rest of their frame, or to be looked at.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Begins a new stream: forgets every byte and every length.
    pub fn reset(&mut self) {
        *self = Self::new(self.config);
    }

    /// One data frame, for the wire. [`ControlFrame`](crate::ControlFrame) builds the others.
    ///
    /// # Errors
    /// When the payload is empty, or longer than the limit.
    pub fn encode_data(&self, payload: &[u8]) -> Result<Bytes, EncodeError> {
        let header = data_header(payload, self.config.max_data)?;
        let mut wire = BytesMut::with_capacity(header.len() + payload.len());
        wire.put_slice(&header);
        wire.put_slice(payload);
        Ok(wire.freeze())
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::frame::Beginning;

    fn codec() -> PushCodec {
        PushCodec::new(FrameConfig::new().beginning(Beginning::Any))
    }

    #[test]
    fn what_is_missing_is_told_wherever_the_bytes_end() {
        let wire = b"\0\0\0\0\0\0\0\x04\0\0\0\x03\0\0\0\x02hi";
        let missing: Vec<_> = (0..=wire.len())
            .map(|len| {
                let mut codec = codec();
                codec.append(wire.get(..len).unwrap());
                let before = codec.pending_bytes();
                while codec.decode().unwrap().is_some() {}
                (before, codec.pending_bytes())
            })
            .collect();
        let (before, after): (Vec<_>, Vec<_>) = missing.into_iter().unzip();
        assert_eq!(before, [4, 3, 2, 1, 4, 3, 2, 1, 4, 3, 2, 1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(after, [4, 3, 2, 1, 4, 3, 2, 1, 4, 3, 2, 1, 4, 3, 2, 1, 2, 1, 4]);
    }

    #[test]
    fn a_reset_begins_anew_also_within_a_frame_and_after_an_error() {
        let mut codec = PushCodec::default();
        assert!(codec.append_and_process(b"text").is_err());
        assert_eq!((codec.process().is_err(), codec.pending_bytes()), (true, 0));
        codec.reset();
        assert_eq!((codec.buffered(), codec.pending_bytes()), (0, 4));
        assert!(
            codec
                .append_and_process(b"\0\0\0\0\0\0\0\x04\0\0\0\x03\0\0\0\x05he")
                .unwrap()
        );
        codec.reset();
        assert!(codec.append_and_process(b"\0\0\0\0\0\0\0\x04\0\0\0\x03").unwrap());
    }

    #[test]
    fn a_frame_over_the_limit_holds_no_bytes() {
        let config = FrameConfig::new()
            .beginning(Beginning::Any)
            .max_data(core::num::NonZeroU32::new(8).unwrap())
            .oversize(crate::frame::Oversize::Skip);
        let mut codec = PushCodec::new(config);
        assert!(codec.append_and_process(b"\0\x10\0\0").unwrap());
        assert_eq!(
            codec.decode().unwrap(),
            Some(OwnedFrame::Skipped { len: 1 << 20 })
        );
        for _ in 0..1 << 10 {
            assert!(!codec.append_and_process(&[7; 1 << 10]).unwrap());
            assert_eq!(codec.buffered(), 0);
        }
        assert_eq!(codec.pending_bytes(), 4);
        assert_eq!(
            codec.encode_data(&[7; 9]),
            Err(EncodeError::TooLong { len: 9, max: 8 })
        );
        codec.append(&codec.encode_data(b"hi").unwrap());
        assert_eq!(
            codec.decode().unwrap(),
            Some(OwnedFrame::Data(Bytes::from_static(b"hi")))
        );
    }
}
