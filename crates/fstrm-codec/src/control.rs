//! Control frames: their types and fields, decoding and building.
//!
//! ```text
//! 00 00 00 00   CLEN(4)   TYPE(4)   { FIELD_TYPE(4)  FIELD_LEN(4)  value[FIELD_LEN] }*
//! escape        4..=512   1..=5       1 = CONTENT_TYPE, the only one
//! ```
//!
//! All integers are big endian; CLEN counts TYPE and the fields. Not here: cutting a byte stream into frames
//! ([`frame`](crate::frame)), which frame may come when (`handshake`).

mod build;

use core::fmt;

use thiserror::Error;

pub use build::{BuildError, ControlFrame, ControlLimit};

/// Shortest control payload: the type alone.
pub const MIN_CONTROL_LEN: usize = 4;
/// Longest control payload that is accepted, in bytes (the C library's limit).
pub const MAX_CONTROL_LEN: usize = 512;
/// Longest control payload that is built by default: `fstrm_capture` 0.6.1 hangs up on 504 and more.
pub const MAX_NARROW_CONTROL_LEN: usize = 503;
/// Longest content type, in bytes.
pub const MAX_CONTENT_TYPE_LEN: usize = 256;
/// Bytes in front of a control payload: the escape and the length.
pub const CONTROL_HEADER_LEN: usize = 8;

/// The only field type there is.
const FIELD_CONTENT_TYPE: u32 = 1;

/// What a control frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ControlType {
    /// 1, reader: answers READY with the content types it takes.
    Accept,
    /// 2, writer: data follows; names the content type in use.
    Start,
    /// 3, writer: no more data.
    Stop,
    /// 4, writer: wants to send; names the content types on offer.
    Ready,
    /// 5, reader: answers STOP.
    Finish,
    /// A number without meaning today; such a frame is skipped while data flows.
    Unknown(u32),
}

impl ControlType {
    /// The type with the number `bits`; 1 to 5 never become [`Unknown`](Self::Unknown).
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        match bits {
            1 => Self::Accept,
            2 => Self::Start,
            3 => Self::Stop,
            4 => Self::Ready,
            5 => Self::Finish,
            other => Self::Unknown(other),
        }
    }

    /// The number on the wire.
    #[must_use]
    pub const fn to_bits(self) -> u32 {
        match self {
            Self::Accept => 1,
            Self::Start => 2,
            Self::Stop => 3,
            Self::Ready => 4,
            Self::Finish => 5,
            Self::Unknown(bits) => bits,
        }
    }

    /// How many content types a frame of this type may carry; `None` without a limit.
    #[must_use]
    pub const fn max_content_types(self) -> Option<usize> {
        match self {
            Self::Start => Some(1),
            Self::Stop | Self::Finish => Some(0),
            Self::Accept | Self::Ready | Self::Unknown(_) => None,
        }
    }
}

impl fmt::Display for ControlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept => f.write_str("ACCEPT"),
            Self::Start => f.write_str("START"),
            Self::Stop => f.write_str("STOP"),
            Self::Ready => f.write_str("READY"),
            Self::Finish => f.write_str("FINISH"),
            Self::Unknown(bits) => write!(f, "control frame of unknown type {bits}"),
        }
    }
}

/// How much of what other implementations let pass is let pass here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strictness {
    /// What the C library refuses is an error. The default.
    #[default]
    Strict,
    /// Two types in START, a type of over 256 bytes, types in STOP or FINISH and control frames out of place
    /// are taken and counted (golang-framestream and the Python codec take them too).
    Lenient,
}

/// Why bytes are not a control frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// CLEN is out of range.
    #[error("control frame of {got} bytes, expected 4 to 512")]
    Length {
        /// CLEN as read.
        got: u32,
    },
    /// The bytes do not begin with the escape.
    #[error("control frame starts with {got:#010x}, expected the escape 0x00000000")]
    Escape {
        /// The first four bytes.
        got: u32,
    },
    /// The buffer is not exactly one frame.
    #[error("control frame announces {need} bytes, got {got}")]
    Mismatch {
        /// CLEN as read.
        need: usize,
        /// Bytes behind CLEN.
        got: usize,
    },
    /// A part of the frame is cut off.
    #[error("control frame ends inside its {field}, expected {need} bytes, got {got}")]
    Short {
        /// Which part.
        field: &'static str,
        /// Bytes that the part needs.
        need: usize,
        /// Bytes that are left.
        got: usize,
    },
    /// A field that is not a content type.
    #[error("control field of type {got}, expected 1 (content type)")]
    Field {
        /// FIELD_TYPE as read.
        got: u32,
    },
    /// A content type longer than [`MAX_CONTENT_TYPE_LEN`].
    #[error("content type of {got} bytes, expected at most 256")]
    ContentTypeTooLong {
        /// FIELD_LEN as read.
        got: usize,
    },
    /// More content types than this control type may carry.
    #[error("{control} with {got} content types, expected at most {max}")]
    TooManyContentTypes {
        /// The control type.
        control: ControlType,
        /// How many it may carry.
        max: usize,
        /// How many it carries.
        got: usize,
    },
}

/// One decoded control frame, borrowed from the bytes it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control<'a> {
    control_type: ControlType,
    payload: &'a [u8],
    irregularity: Option<DecodeError>,
}

impl<'a> Control<'a> {
    /// Decodes TYPE and fields: the CLEN bytes behind escape and length.
    ///
    /// The fields of an unknown control type are not looked at: nobody knows what they mean.
    ///
    /// # Errors
    /// What is wrong with the frame, under the rules of `strictness`.
    pub fn decode(payload: &'a [u8], strictness: Strictness) -> Result<Self, DecodeError> {
        let length = || DecodeError::Length {
            got: u32::try_from(payload.len()).unwrap_or(u32::MAX),
        };
        let (bits, mut fields) = split_u32(payload).ok_or_else(length)?;
        if payload.len() > MAX_CONTROL_LEN {
            return Err(length());
        }
        let control_type = ControlType::from_bits(bits);
        let mut irregularity = None;
        if !matches!(control_type, ControlType::Unknown(_)) {
            let mut got = 0;
            while !fields.is_empty() {
                let (value, rest) = split_field(fields)?;
                fields = rest;
                got += 1;
                if value.len() > MAX_CONTENT_TYPE_LEN {
                    irregularity =
                        irregularity.or(Some(DecodeError::ContentTypeTooLong { got: value.len() }));
                }
            }
            if let Some(max) = control_type.max_content_types().filter(|max| got > *max) {
                irregularity = irregularity.or(Some(DecodeError::TooManyContentTypes {
                    control: control_type,
                    max,
                    got,
                }));
            }
        }
        match (irregularity, strictness) {
            (Some(error), Strictness::Strict) => Err(error),
            _ => Ok(Self {
                control_type,
                payload,
                irregularity,
            }),
        }
    }

    /// Decodes exactly one control frame, escape and length included.
    ///
    /// # Errors
    /// As [`decode`](Self::decode), and when `frame` is longer or shorter than the frame in it.
    pub fn decode_frame(frame: &'a [u8], strictness: Strictness) -> Result<Self, DecodeError> {
        let short = |field, got| DecodeError::Short { field, need: 4, got };
        let (escape, rest) = split_u32(frame).ok_or_else(|| short("escape", frame.len()))?;
        if escape != 0 {
            return Err(DecodeError::Escape { got: escape });
        }
        let (clen, payload) = split_u32(rest).ok_or_else(|| short("length", rest.len()))?;
        let need = control_len(clen)?;
        if need != payload.len() {
            return Err(DecodeError::Mismatch {
                need,
                got: payload.len(),
            });
        }
        Self::decode(payload, strictness)
    }

    /// What the frame says.
    #[must_use]
    pub const fn control_type(&self) -> ControlType {
        self.control_type
    }

    /// The content types named, in wire order.
    #[must_use]
    pub fn content_types(&self) -> ContentTypes<'a> {
        ContentTypes {
            fields: split_u32(self.payload).map_or(&[], |(_, fields)| fields),
        }
    }

    /// The first content type named.
    #[must_use]
    pub fn content_type(&self) -> Option<&'a [u8]> {
        self.content_types().next()
    }

    /// TYPE and fields as they came.
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// What a strict decoder would have refused; only a lenient one gives such a frame.
    #[must_use]
    pub const fn irregularity(&self) -> Option<DecodeError> {
        self.irregularity
    }

    /// Whether `wanted` (`None` = no content type) is among the types of this frame.
    ///
    /// STOP and FINISH match nothing. A frame that names no type matches everything. START counts as naming
    /// one type. The bytes are compared as they are; there are no wildcards.
    #[must_use]
    pub fn matches(&self, wanted: Option<&[u8]>) -> bool {
        let count = match self.control_type {
            ControlType::Stop | ControlType::Finish => return false,
            ControlType::Start => 1,
            _ => usize::MAX,
        };
        self.content_type().is_none()
            || self
                .content_types()
                .take(count)
                .any(|content_type| Some(content_type) == wanted)
    }
}

/// The content types of a control frame, in wire order.
#[derive(Clone, Debug)]
pub struct ContentTypes<'a> {
    fields: &'a [u8],
}

impl<'a> Iterator for ContentTypes<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        // Fields were checked by decode; those of an unknown control end at the first that is not a content
        // type.
        let (value, rest) = split_field(self.fields).ok()?;
        self.fields = rest;
        Some(value)
    }
}

impl core::iter::FusedIterator for ContentTypes<'_> {}

/// CLEN as a length, if it is in range.
pub(crate) fn control_len(clen: u32) -> Result<usize, DecodeError> {
    usize::try_from(clen)
        .ok()
        .filter(|len| (MIN_CONTROL_LEN..=MAX_CONTROL_LEN).contains(len))
        .ok_or(DecodeError::Length { got: clen })
}

/// Splits the first 32-bit number off.
pub(crate) fn split_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*number), rest))
}

/// Splits the first field off and gives its value.
fn split_field(fields: &[u8]) -> Result<(&[u8], &[u8]), DecodeError> {
    let short = |field, need, got| DecodeError::Short { field, need, got };
    let (kind, rest) = split_u32(fields).ok_or_else(|| short("field type", 4, fields.len()))?;
    if kind != FIELD_CONTENT_TYPE {
        return Err(DecodeError::Field { got: kind });
    }
    let (len, rest) = split_u32(rest).ok_or_else(|| short("field length", 4, rest.len()))?;
    let need = usize::try_from(len).unwrap_or(usize::MAX);
    rest.split_at_checked(need)
        .ok_or_else(|| short("content type", need, rest.len()))
}

#[cfg(test)]
mod tests;
