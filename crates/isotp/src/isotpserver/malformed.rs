//! What text may be instead of a message.

use thiserror::Error;

/// Why text of the other side is no message. The messages before and behind it are not affected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Bytes outside of brackets, other than the ends of lines. More than 4096 in a row are told in parts.
    #[error("{len} bytes outside of < and >")]
    Stray {
        /// How many.
        len: usize,
    },
    /// A message has at least one byte.
    #[error("nothing between < and >")]
    Empty,
    /// A byte has two digits.
    #[error("{digits} characters between < and >; every byte has two digits")]
    Odd {
        /// How many there are.
        digits: usize,
    },
    /// Something that is no hex digit.
    #[error("character {at} is 0x{byte:02X}, which is no hex digit")]
    NotHex {
        /// Its place behind the opening bracket, from 0.
        at: usize,
        /// The byte.
        byte: u8,
    },
    /// Nothing that the original could read as a number; in the tolerant form only.
    #[error("no hex digit at character {at}")]
    NoDigit {
        /// The place behind the opening bracket, from 0, of a byte's two digits.
        at: usize,
    },
    /// More text than the longest message has.
    #[error("a message of more than {max} bytes")]
    TooLong {
        /// The longest that is taken, in bytes.
        max: usize,
    },
    /// Another message began, or the connection ended, before the closing bracket came.
    #[error("no closing bracket after {len} characters")]
    Unfinished {
        /// The characters behind the opening bracket.
        len: usize,
    },
}
