//! What a receiver asks of the padding it is sent.

use can_link::frame::fd_padded_len;
use thiserror::Error;

use crate::pci::as_u8;

/// How long a received frame must be for what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FrameLength {
    /// Any length that holds it.
    #[default]
    Any,
    /// At least 8 bytes: the sender pads.
    Padded,
    /// As short as possible: the sender does not pad.
    Shortest,
}

/// Checks of the unused end of received single frames, flow controls and last consecutive frames.
///
/// A frame that fails is ignored, as [`IgnoreReason::Padding`](crate::IgnoreReason::Padding); the standard
/// asks a receiver never to look there, so this is for tests of a sender. Linux has these checks as
/// `CHK_PAD_LEN` and `CHK_PAD_DATA`, can-utils as `-P l`, `-P c` and `-P a`.
///
/// # Examples
/// ```
/// use isotp::{Config, FrameLength, PaddingCheck};
///
/// let config = Config::default()
///     .padding_check(PaddingCheck::default().length(FrameLength::Padded).fill(Some(0xCC)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PaddingCheck {
    length: FrameLength,
    fill: Option<u8>,
}

impl PaddingCheck {
    /// How long a frame must be. Default: any length.
    #[must_use]
    pub const fn length(self, length: FrameLength) -> Self {
        Self { length, ..self }
    }

    /// What each unused byte must be. Default: anything.
    #[must_use]
    pub const fn fill(self, fill: Option<u8>) -> Self {
        Self { fill, ..self }
    }

    /// Whether nothing is checked.
    #[must_use]
    pub const fn is_off(&self) -> bool {
        matches!(self.length, FrameLength::Any) && self.fill.is_none()
    }

    /// Both wishes.
    #[cfg(all(feature = "linux", target_os = "linux"))]
    pub(crate) const fn parts(&self) -> (FrameLength, Option<u8>) {
        (self.length, self.fill)
    }

    /// Checks a frame's data, of which the first `used` bytes have a meaning.
    pub(crate) fn check(&self, data: &[u8], used: usize) -> Result<(), PaddingFault> {
        let expected = match self.length {
            FrameLength::Any => data.len(),
            FrameLength::Padded => data.len().max(8),
            FrameLength::Shortest => fd_padded_len(used).unwrap_or(used),
        };
        if data.len() != expected {
            return Err(PaddingFault::Length {
                expected: as_u8(expected),
                got: as_u8(data.len()),
            });
        }
        let Some(expected) = self.fill else {
            return Ok(());
        };
        match data.iter().skip(used).find(|&&byte| byte != expected) {
            Some(&got) => Err(PaddingFault::Content { expected, got }),
            None => Ok(()),
        }
    }
}

/// What is wrong with the padding of a received frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum PaddingFault {
    /// The frame is shorter or longer than it must be.
    #[error("a frame of {got} bytes; {expected} expected")]
    Length {
        /// Data bytes that it must have.
        expected: u8,
        /// Data bytes that it has.
        got: u8,
    },
    /// An unused byte is not the filler.
    #[error("filled with {got:#04x}; {expected:#04x} expected")]
    Content {
        /// The filler.
        expected: u8,
        /// The first other byte.
        got: u8,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_checked_unless_asked_for() {
        assert!(PaddingCheck::default().is_off());
        assert_eq!(PaddingCheck::default().check(&[2, 1, 1, 0], 3), Ok(()));
    }

    #[test]
    fn a_padded_frame_has_8_bytes_or_more() {
        let padded = PaddingCheck::default().length(FrameLength::Padded);
        let fault = PaddingFault::Length { expected: 8, got: 3 };
        assert_eq!(padded.check(&[2, 1, 1], 3), Err(fault));
        assert_eq!(padded.check(&[2, 1, 1, 0, 0, 0, 0, 0], 3), Ok(()));
        assert_eq!(padded.check(&[0; 12], 11), Ok(()));
    }

    #[test]
    fn the_shortest_frame_has_the_next_length_that_can_fd_has() {
        let shortest = PaddingCheck::default().length(FrameLength::Shortest);
        let fault = PaddingFault::Length { expected: 3, got: 8 };
        assert_eq!(shortest.check(&[2, 1, 1], 3), Ok(()));
        assert_eq!(shortest.check(&[2, 1, 1, 0, 0, 0, 0, 0], 3), Err(fault));
        assert_eq!(shortest.check(&[0; 12], 11), Ok(()));
        let fault = PaddingFault::Length {
            expected: 12,
            got: 16,
        };
        assert_eq!(shortest.check(&[0; 16], 11), Err(fault));
    }

    #[test]
    fn each_unused_byte_must_be_the_filler() {
        let filled = PaddingCheck::default().fill(Some(0xCC));
        assert_eq!(filled.check(&[2, 1, 1, 0xCC, 0xCC], 3), Ok(()));
        let fault = PaddingFault::Content {
            expected: 0xCC,
            got: 0x55,
        };
        assert_eq!(filled.check(&[2, 1, 1, 0xCC, 0x55], 3), Err(fault));
    }
}
