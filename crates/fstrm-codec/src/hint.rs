//! Guesses at what else a stream is, from the four bytes where a length should have been.
//!
//! A collector's most common complaint, "frame too large", is seldom about frames: the sender speaks TLS to a
//! plain port, or the file is compressed. The guess goes into the error's text and nowhere else.

use core::fmt;

/// What the bytes in place of a length look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hint {
    /// A TLS record: the sender speaks TLS to a plain port, or the other way round.
    Tls,
    /// A gzip header.
    Gzip,
    /// A zstd frame.
    Zstd,
    /// A pcap or pcapng header.
    Pcap,
    /// Printable text.
    Text,
    /// A plausible length, were it little endian.
    LittleEndian,
}

impl Hint {
    /// What `bytes`, read where a length was due, look like.
    #[must_use]
    pub fn of(bytes: [u8; 4]) -> Option<Self> {
        match bytes {
            [0x14..=0x17, 0x03, 0..=4, _] => Some(Self::Tls),
            [0x1f, 0x8b, 0x08, _] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd] => Some(Self::Zstd),
            [0xd4 | 0x4d, 0xc3 | 0x3c, 0xb2, 0xa1]
            | [0xa1, 0xb2, 0xc3 | 0x3c, 0xd4 | 0x4d]
            | [0x0a, 0x0d, 0x0d, 0x0a] => Some(Self::Pcap),
            [low, high, 0, 0] if low | high != 0 => Some(Self::LittleEndian),
            _ if bytes
                .iter()
                .all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t')) =>
            {
                Some(Self::Text)
            }
            _ => None,
        }
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls => "looks like TLS",
            Self::Gzip => "looks like gzip",
            Self::Zstd => "looks like zstd",
            Self::Pcap => "looks like a packet capture",
            Self::Text => "looks like text",
            Self::LittleEndian => "looks like a little-endian length",
        })
    }
}

/// Writes the hint for `bytes`, if there is one, behind an error's text.
pub(crate) struct Suffix(pub(crate) [u8; 4]);

impl fmt::Display for Suffix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Hint::of(self.0) {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// Writes four bytes in hex, blanks between.
pub(crate) struct Hex(pub(crate) [u8; 4]);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = self.0;
        write!(f, "{a:02x} {b:02x} {c:02x} {d:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_send_by_mistake_is_recognised() {
        assert_eq!(Hint::of([0x16, 0x03, 0x01, 0x02]), Some(Hint::Tls));
        assert_eq!(Hint::of([0x1f, 0x8b, 0x08, 0x00]), Some(Hint::Gzip));
        assert_eq!(Hint::of([0x28, 0xb5, 0x2f, 0xfd]), Some(Hint::Zstd));
        assert_eq!(Hint::of([0xd4, 0xc3, 0xb2, 0xa1]), Some(Hint::Pcap));
        assert_eq!(Hint::of(*b"GET "), Some(Hint::Text));
        assert_eq!(Hint::of([5, 0, 0, 0]), Some(Hint::LittleEndian));
        assert_eq!(Hint::of([0, 5, 0, 0]), Some(Hint::LittleEndian));
        assert_eq!(Hint::of([0, 0, 0, 5]), None);
        assert_eq!(Hint::of([0xff; 4]), None);
    }
}
