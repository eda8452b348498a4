//! Hexadecimal digits of a frame's text.

use alloc::vec::Vec;
use core::fmt;

use super::FrameTextError;

/// A cursor over the digits of a frame's text that knows its place.
pub(super) struct Digits<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Digits<'a> {
    /// A cursor over `text`, whose first byte is at `at` of the frame's text.
    pub(super) const fn new(text: &'a str, at: usize) -> Self {
        Self {
            rest: text.as_bytes(),
            at,
        }
    }

    /// The place of the next byte in the frame's text.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes the next byte when it is `wanted`.
    pub(super) fn take(&mut self, wanted: u8) -> bool {
        let found = self.rest.first() == Some(&wanted);
        if found {
            self.advance();
        }
        found
    }

    /// The next digit.
    pub(super) fn nibble(&mut self) -> Result<u8, FrameTextError> {
        let at = self.at;
        let byte = self.rest.first().ok_or(FrameTextError::Short { at })?;
        let digit = char::from(*byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
            .ok_or(FrameTextError::NotHex { at })?;
        self.advance();
        Ok(digit)
    }

    /// The next `digits` digits as a number; at most 8.
    pub(super) fn number(&mut self, digits: usize) -> Result<u32, FrameTextError> {
        (0..digits).try_fold(0, |number, _| Ok(number << 4 | u32::from(self.nibble()?)))
    }

    /// The next two digits.
    pub(super) fn byte(&mut self) -> Result<u8, FrameTextError> {
        Ok(self.nibble()? << 4 | self.nibble()?)
    }

    /// Pairs of digits with an optional dot before each, up to the end or to `_`. At most `max` are kept; how
    /// many there were is returned beside them.
    pub(super) fn data(&mut self, max: usize) -> Result<(Vec<u8>, usize), FrameTextError> {
        let mut data = Vec::new();
        let mut count = 0;
        loop {
            self.take(b'.');
            if self.rest.is_empty() || self.rest.first() == Some(&b'_') {
                return Ok((data, count));
            }
            let byte = self.byte()?;
            if count < max {
                data.push(byte);
            }
            count += 1;
        }
    }

    fn advance(&mut self) {
        self.rest = self.rest.get(1..).unwrap_or_default();
        self.at += 1;
    }
}

/// Prints bytes as pairs of upper-case digits.
pub(super) struct Hex<'a>(pub(super) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}
