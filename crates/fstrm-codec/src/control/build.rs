//! Building control frames.

use core::fmt;

use thiserror::Error;

use super::{
    CONTROL_HEADER_LEN, ControlType, FIELD_CONTENT_TYPE, MAX_CONTENT_TYPE_LEN, MAX_CONTROL_LEN,
    MAX_NARROW_CONTROL_LEN,
};

/// How long a control frame may be built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ControlLimit {
    /// At most [`MAX_NARROW_CONTROL_LEN`] bytes: every collector takes it. The default.
    #[default]
    Narrow,
    /// At most [`MAX_CONTROL_LEN`] bytes: more than `fstrm_capture` and the C writer manage.
    Wide,
}

impl ControlLimit {
    /// Longest control payload, in bytes.
    #[must_use]
    pub const fn max_len(self) -> usize {
        match self {
            Self::Narrow => MAX_NARROW_CONTROL_LEN,
            Self::Wide => MAX_CONTROL_LEN,
        }
    }
}

/// Why a control frame cannot be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Only the five known types are built.
    #[error("cannot build a {control}")]
    UnknownType {
        /// What was asked for.
        control: ControlType,
    },
    /// A content type longer than [`MAX_CONTENT_TYPE_LEN`].
    #[error("content type of {len} bytes, at most 256 are allowed")]
    ContentTypeTooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// More content types than this control type may carry.
    #[error("{control} with more than {max} content types")]
    TooManyContentTypes {
        /// The control type.
        control: ControlType,
        /// How many it may carry.
        max: usize,
    },
    /// The content types do not fit into one control frame.
    #[error("{control} of over {max} bytes, name fewer or shorter content types")]
    TooLong {
        /// The control type.
        control: ControlType,
        /// Longest payload under the chosen limit.
        max: usize,
    },
}

/// One control frame, ready to be sent: escape, length, type and fields.
#[derive(Clone)]
pub struct ControlFrame {
    bytes: [u8; CONTROL_HEADER_LEN + MAX_CONTROL_LEN],
    len: usize,
    control_type: ControlType,
}

impl ControlFrame {
    /// Builds a control frame that names `content_types` in the order given.
    ///
    /// # Errors
    /// When the type is unknown, when it may not carry so many content types, or when they are too long.
    /// Nothing is dropped silently: the C library drops the types of STOP and FINISH and all but the first of
    /// START.
    pub fn build<'t>(
        control: ControlType,
        content_types: impl IntoIterator<Item = &'t [u8]>,
        limit: ControlLimit,
    ) -> Result<Self, BuildError> {
        if matches!(control, ControlType::Unknown(_)) {
            return Err(BuildError::UnknownType { control });
        }
        let mut frame = Self::bare(control);
        for (index, content_type) in content_types.into_iter().enumerate() {
            if let Some(max) = control.max_content_types().filter(|max| index >= *max) {
                return Err(BuildError::TooManyContentTypes { control, max });
            }
            frame.push(content_type, limit)?;
        }
        Ok(frame)
    }

    /// The STOP frame.
    #[must_use]
    pub fn stop() -> Self {
        Self::bare(ControlType::Stop)
    }

    /// The FINISH frame.
    #[must_use]
    pub fn finish() -> Self {
        Self::bare(ControlType::Finish)
    }

    /// The START frame for `content_type`.
    ///
    /// # Errors
    /// When the content type is over 256 bytes.
    pub fn start(content_type: Option<&[u8]>) -> Result<Self, BuildError> {
        Self::build(ControlType::Start, content_type, ControlLimit::Narrow)
    }

    /// What the frame says.
    #[must_use]
    pub const fn control_type(&self) -> ControlType {
        self.control_type
    }

    /// The frame as it goes on the wire.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    fn bare(control_type: ControlType) -> Self {
        let mut frame = Self {
            bytes: [0; CONTROL_HEADER_LEN + MAX_CONTROL_LEN],
            len: CONTROL_HEADER_LEN,
            control_type,
        };
        frame.append(&control_type.to_bits().to_be_bytes());
        frame
    }

    fn push(&mut self, content_type: &[u8], limit: ControlLimit) -> Result<(), BuildError> {
        let len = content_type.len();
        let field_len = u32::try_from(len).ok().filter(|_| len <= MAX_CONTENT_TYPE_LEN);
        let Some(field_len) = field_len else {
            return Err(BuildError::ContentTypeTooLong { len });
        };
        if self.len - CONTROL_HEADER_LEN + 8 + len > limit.max_len() {
            return Err(BuildError::TooLong {
                control: self.control_type,
                max: limit.max_len(),
            });
        }
        self.append(&FIELD_CONTENT_TYPE.to_be_bytes());
        self.append(&field_len.to_be_bytes());
        self.append(content_type);
        Ok(())
    }

    /// Appends `part`, which the callers have checked to fit, and brings CLEN up to date.
    fn append(&mut self, part: &[u8]) {
        let room = self.bytes.get_mut(self.len..).unwrap_or_default();
        for (to, from) in room.iter_mut().zip(part) {
            *to = *from;
        }
        self.len += part.len();
        let clen = u32::try_from(self.len - CONTROL_HEADER_LEN).unwrap_or(u32::MAX);
        for (to, from) in self.bytes.iter_mut().skip(4).zip(clen.to_be_bytes()) {
            *to = from;
        }
    }
}

impl AsRef<[u8]> for ControlFrame {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl PartialEq for ControlFrame {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for ControlFrame {}

impl fmt::Debug for ControlFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ControlFrame({}, \"{}\")",
            self.control_type,
            self.as_bytes().escape_ascii()
        )
    }
}
