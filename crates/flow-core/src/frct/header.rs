//! The twelve bytes in front of every packet (spec ch. 10).

use core::fmt;
use core::ops::BitOr;

use thiserror::Error;

use super::Sequence;

/// Length of a header.
pub const HEADER_LEN: usize = 12;

/// What a packet is for.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Flags(u8);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// The packet has a number and belongs to the application.
    pub const DATA: Self = Self(0x01);
    /// DRF: nothing before this packet is unacknowledged; it may begin a run.
    pub const RUN: Self = Self(0x02);
    /// ACK: the acknowledgement number is valid.
    pub const ACK: Self = Self(0x04);
    /// FC: the window is valid.
    pub const WINDOW: Self = Self(0x08);
    /// RDVS: the sender's window is closed; tell it where it ends.
    pub const RENDEZVOUS: Self = Self(0x10);
    /// Both of what a receiver tells.
    pub const ACK_AND_WINDOW: Self = Self(0x0C);
    /// All that have a meaning. The others are kept for fragments, which 0.23 does not send.
    pub const KNOWN: Self = Self(0x1F);

    /// The flags, if all of them are [known](Self::KNOWN).
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        if bits & !Self::KNOWN.0 == 0 {
            Some(Self(bits))
        } else {
            None
        }
    }

    /// The bits, as in a header.
    #[must_use]
    pub const fn to_bits(self) -> u8 {
        self.0
    }

    /// Whether all of `other`'s flags are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These flags, and `other`'s if `is_set`.
    #[must_use]
    pub const fn with_if(self, other: Self, is_set: bool) -> Self {
        if is_set { Self(self.0 | other.0) } else { self }
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [(Flags, &str); 5] = [
            (Flags::DATA, "DATA"),
            (Flags::RUN, "DRF"),
            (Flags::ACK, "ACK"),
            (Flags::WINDOW, "FC"),
            (Flags::RENDEZVOUS, "RDVS"),
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

/// A header, as it is on the wire. Fields without their flag are 0.
///
/// ```text
/// byte   0      1  2  3   4  5  6  7   8  9 10 11
///      flags    window    seqno        ackno           big endian
///      bit 0 DATA, 1 DRF, 2 ACK, 3 FC, 4 RDVS, 5 and 6 fragments, never set
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Header {
    /// What the packet is for.
    pub flags: Flags,
    /// Low 24 bits of the first number that the sender of this packet will not take.
    pub window: u32,
    /// The packet's number.
    pub seqno: Sequence,
    /// The number that the sender of this packet expects next.
    pub ackno: Sequence,
}

impl Header {
    /// The bytes on the wire. Of the window, the low 24 bits count.
    #[must_use]
    pub const fn encode(&self) -> [u8; HEADER_LEN] {
        let [_, w2, w1, w0] = self.window.to_be_bytes();
        let [s3, s2, s1, s0] = self.seqno.to_bits().to_be_bytes();
        let [a3, a2, a1, a0] = self.ackno.to_bits().to_be_bytes();
        [self.flags.to_bits(), w2, w1, w0, s3, s2, s1, s0, a3, a2, a1, a0]
    }

    /// The header at the start of `packet`, and what is behind it.
    ///
    /// # Errors
    ///
    /// [`DecodeError`]; a fragment must not be taken for a whole packet, so flags without a meaning are
    /// refused.
    pub fn decode(packet: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let (header, payload) = packet
            .split_first_chunk::<HEADER_LEN>()
            .ok_or(DecodeError::Short {
                field: "FRCT header",
                need: HEADER_LEN,
                got: packet.len(),
            })?;
        let &[flags, w2, w1, w0, s3, s2, s1, s0, a3, a2, a1, a0] = header;
        let header = Self {
            flags: Flags::from_bits(flags).ok_or(DecodeError::UnknownFlags { got: flags })?,
            window: u32::from_be_bytes([0, w2, w1, w0]),
            seqno: Sequence::new(u32::from_be_bytes([s3, s2, s1, s0])),
            ackno: Sequence::new(u32::from_be_bytes([a3, a2, a1, a0])),
        };
        Ok((header, payload))
    }
}

/// Received bytes are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end too early.
    #[error("{field} needs {need} bytes, got {got}")]
    Short {
        /// What was being read.
        field: &'static str,
        /// How many bytes it needs.
        need: usize,
        /// How many there were.
        got: usize,
    },
    /// A flag has no meaning in this version of the wire.
    #[error("flags {got:#04x}, only {:#04x} are known", Flags::KNOWN.to_bits())]
    UnknownFlags {
        /// The flags.
        got: u8,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_acknowledgement_with_a_window_is_these_bytes() {
        let header = Header {
            flags: Flags::ACK | Flags::WINDOW,
            window: 0x12E3_D15F & 0x00FF_FFFF,
            seqno: Sequence::new(0),
            ackno: Sequence::new(0xFEE3_D05F),
        };
        let bytes = [0x0C, 0xE3, 0xD1, 0x5F, 0, 0, 0, 0, 0xFE, 0xE3, 0xD0, 0x5F];
        assert_eq!(header.encode(), bytes);
        assert_eq!(Header::decode(&bytes), Ok((header, &[][..])));
    }

    #[test]
    fn a_fragment_is_not_taken_for_a_packet() {
        let mut bytes = Header::default().encode();
        bytes[0] = 0x21;
        assert_eq!(
            Header::decode(&bytes),
            Err(DecodeError::UnknownFlags { got: 0x21 })
        );
    }

    proptest! {
        #[test]
        fn bytes_are_refused_or_encoded_again_as_they_were(bytes: Vec<u8>) {
            match Header::decode(&bytes) {
                Ok((header, payload)) => prop_assert_eq!([&header.encode(), payload].concat(), bytes),
                Err(DecodeError::Short { got, .. }) => prop_assert_eq!(got, bytes.len()),
                Err(DecodeError::UnknownFlags { got }) => prop_assert!(got > 0x1F),
            }
        }

        #[test]
        fn a_header_is_decoded_as_it_was(
            flags in 0u8..0x20,
            window in 0u32..0x0100_0000,
            seqno: u32,
            ackno: u32,
        ) {
            let header = Header {
                flags: Flags::from_bits(flags).unwrap(),
                window,
                seqno: Sequence::new(seqno),
                ackno: Sequence::new(ackno),
            };
            let bytes = header.encode();
            prop_assert_eq!(Header::decode(&bytes), Ok((header, &[][..])));
        }
    }

    use std::vec::Vec;
}
