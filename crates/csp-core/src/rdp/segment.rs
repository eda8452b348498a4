//! The five bytes that make a packet a segment (9.1).

use core::fmt;
use core::ops::BitOr;

use super::Sequence;
use crate::DecodeError;

/// Length of an RDP trailer.
pub const SEGMENT_LEN: usize = 5;

/// What a segment is for: the low nibble of its first byte.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct SegmentFlags(u8);

impl SegmentFlags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// Ends a connection.
    pub const RST: Self = Self(1);
    /// Extended acknowledgement: the body lists what was received out of order. 1.6 alone sends it.
    pub const EAK: Self = Self(2);
    /// The acknowledgement number is valid.
    pub const ACK: Self = Self(4);
    /// Opens a connection.
    pub const SYN: Self = Self(8);

    /// The flags in the low four bits, the rest ignored.
    #[must_use]
    pub const fn from_low_bits(bits: u8) -> Self {
        Self(bits & 0x0F)
    }

    /// The bits, as in the trailer.
    #[must_use]
    pub const fn to_bits(self) -> u8 {
        self.0
    }

    /// Whether all of `other`'s flags are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for SegmentFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for SegmentFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [(SegmentFlags, &str); 4] = [
            (SegmentFlags::SYN, "SYN"),
            (SegmentFlags::RST, "RST"),
            (SegmentFlags::EAK, "EAK"),
            (SegmentFlags::ACK, "ACK"),
        ];
        let mut separator = "";
        for (_, name) in NAMES.iter().filter(|(flag, _)| self.contains(*flag)) {
            write!(f, "{separator}{name}")?;
            separator = "|";
        }
        if separator.is_empty() {
            f.write_str("none")?;
        }
        Ok(())
    }
}

/// The high nibble of a segment's first byte, which means nothing (RDP-1).
///
/// A node counts it on from control segment to control segment, so that repeated ones differ and no
/// deduplication on the way takes them for copies. Data segments have zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filler(u8);

impl Filler {
    /// Zero, as in data segments.
    pub const ZERO: Self = Self(0);

    /// The filler in the low four bits, the rest ignored.
    #[must_use]
    pub const fn from_low_bits(bits: u8) -> Self {
        Self(bits & 0x0F)
    }

    /// The number, 0 to 15.
    #[must_use]
    pub const fn to_bits(self) -> u8 {
        self.0
    }

    /// The one after it; zero follows fifteen.
    #[must_use]
    pub const fn next(self) -> Self {
        Self::from_low_bits(self.0.wrapping_add(1))
    }

    /// Counts on, and gives what it was.
    pub const fn advance(&mut self) -> Self {
        let next = self.next();
        core::mem::replace(self, next)
    }
}

/// An RDP trailer.
///
/// ```text
/// byte     0                 1 2        3 4
///      filler[7:4] SYN ACK EAK RST | sequence | acknowledgement      big endian
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Segment {
    /// What it is for.
    pub flags: SegmentFlags,
    /// Bits without meaning.
    pub filler: Filler,
    /// Its number, or the next one if it takes none.
    pub sequence: Sequence,
    /// The last number received in order, if the flags have ACK.
    pub acknowledgement: Sequence,
}

impl Segment {
    /// The bytes on the wire.
    #[must_use]
    pub const fn encode(&self) -> [u8; SEGMENT_LEN] {
        let [s1, s0] = self.sequence.to_bits().to_be_bytes();
        let [a1, a0] = self.acknowledgement.to_bits().to_be_bytes();
        [self.filler.to_bits() << 4 | self.flags.to_bits(), s1, s0, a1, a0]
    }

    /// The trailer at the end of `payload`, and what is before it.
    ///
    /// # Errors
    /// [`DecodeError::Short`]: fewer than five bytes (RDP-2).
    pub fn decode(payload: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let (body, trailer) = payload
            .split_last_chunk::<SEGMENT_LEN>()
            .ok_or(DecodeError::Short {
                field: "RDP trailer",
                need: SEGMENT_LEN,
                got: payload.len(),
            })?;
        let &[first, s1, s0, a1, a0] = trailer;
        let segment = Self {
            flags: SegmentFlags::from_low_bits(first),
            filler: Filler::from_low_bits(first >> 4),
            sequence: Sequence::new(u16::from_be_bytes([s1, s0])),
            acknowledgement: Sequence::new(u16::from_be_bytes([a1, a0])),
        };
        Ok((segment, body))
    }

    /// Whether it asks for a connection: a SYN without ACK.
    #[must_use]
    pub const fn is_opening(&self) -> bool {
        self.flags.contains(SegmentFlags::SYN) && !self.flags.contains(SegmentFlags::ACK)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::format;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_captured_answer_to_a_syn_is_read_and_written() {
        let trailer = [0x0C, 0xDF, 0xE1, 0xDF, 0xE1];
        let (segment, body) = Segment::decode(&trailer).unwrap();
        assert!(body.is_empty());
        assert_eq!(format!("{:?}", segment.flags), "SYN|ACK");
        assert_eq!(
            (segment.sequence, segment.acknowledgement),
            (Sequence::new(0xDFE1), Sequence::new(0xDFE1))
        );
        assert_eq!(segment.encode(), trailer);
    }

    #[test]
    fn four_bytes_are_no_segment() {
        let short = DecodeError::Short {
            field: "RDP trailer",
            need: 5,
            got: 4,
        };
        assert_eq!(Segment::decode(&[4, 0, 0, 0]), Err(short));
    }

    #[test]
    fn the_filler_counts_modulo_sixteen() {
        let mut filler = Filler::from_low_bits(0x1E);
        assert_eq!([filler.advance().to_bits(), filler.advance().to_bits()], [14, 15]);
        assert_eq!(filler, Filler::ZERO);
    }

    proptest! {
        #[test]
        fn any_five_bytes_are_a_segment_and_come_back(payload in prop::collection::vec(any::<u8>(), 5..40)) {
            let (segment, body) = Segment::decode(&payload).unwrap();
            prop_assert_eq!([body, &segment.encode()].concat(), payload);
        }
    }
}
