//! The packet header, versions 1 and 2, big endian (HDR-1 to HDR-4).
//!
//! | | priority | source | destination | destination port | source port | flags |
//! |---|---|---|---|---|---|---|
//! | v1 | 31..30 | 29..25 | 24..20 | 19..14 | 13..8 | 7..0 |
//! | v2 | 47..46 | 31..18 | 45..32 | 17..12 | 11..6 | 5..0 |

use core::fmt;
use core::ops::Deref;

use thiserror::Error;

use crate::{Address, Flags, Port, Priority};

/// Which header an interface speaks.
///
/// Nothing on a link tells: all nodes of a network must agree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// 4 bytes, 5-bit addresses.
    V1,
    /// 6 bytes, 14-bit addresses; the default of libcsp 2.x and csp-py.
    #[default]
    V2,
}

impl Version {
    /// Length of the header in bytes: 4 or 6.
    #[must_use]
    pub const fn header_len(self) -> usize {
        match self {
            Self::V1 => 4,
            Self::V2 => 6,
        }
    }

    /// Number of bits of an address: 5 or 14.
    #[must_use]
    pub const fn address_bits(self) -> u8 {
        match self {
            Self::V1 => 5,
            Self::V2 => 14,
        }
    }

    /// The global broadcast, which is also the largest address: 31 or 16383.
    #[must_use]
    pub const fn broadcast(self) -> Address {
        match self {
            Self::V1 => Address::from_low_bits(31),
            Self::V2 => Address::BROADCAST,
        }
    }

    /// The flag bits that the header has room for: eight or six.
    #[must_use]
    pub const fn flags(self) -> Flags {
        match self {
            Self::V1 => Flags::from_bits(0xFF),
            Self::V2 => Flags::from_bits(0x3F),
        }
    }
}

/// Length in bytes of the longest header.
pub const MAX_HEADER_LEN: usize = 6;

/// Who sends what to whom: the fields of a packet's header.
///
/// ```
/// use csp_core::{Address, Header, Port, Version};
///
/// let header = Header::new(
///     (Address::new(4).unwrap(), Port::new(33).unwrap()),
///     (Address::new(9).unwrap(), Port::new(10).unwrap()),
/// );
/// assert_eq!(&*header.encode(Version::V1).unwrap(), [0x88, 0x92, 0xa1, 0x00]);
/// assert_eq!(&*header.encode(Version::V2).unwrap(), [0x80, 0x09, 0x00, 0x10, 0xa8, 0x40]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// Urgency on links that arbitrate.
    pub priority: Priority,
    /// The node that made the packet.
    ///
    /// [`Address::LOOPBACK`] is filled in with the interface's address when sent.
    pub source: Address,
    /// The node, or broadcast, that the packet is for.
    pub destination: Address,
    /// The port it is for.
    pub destination_port: Port,
    /// The port a reply goes to.
    pub source_port: Port,
    /// Which trailers the payload carries.
    pub flags: Flags,
}

impl Header {
    /// A header from one address and port to another, with priority norm and no flags.
    #[must_use]
    pub const fn new(source: (Address, Port), destination: (Address, Port)) -> Self {
        Self {
            priority: Priority::Norm,
            source: source.0,
            destination: destination.0,
            destination_port: destination.1,
            source_port: source.1,
            flags: Flags::NONE,
        }
    }

    /// The header of an answer.
    ///
    /// Addresses and ports exchanged, priority and flags kept (CONN-2, CONN-7).
    #[must_use]
    pub const fn reply(self) -> Self {
        Self {
            source: self.destination,
            destination: self.source,
            source_port: self.destination_port,
            destination_port: self.source_port,
            ..self
        }
    }

    /// The bytes of the header.
    ///
    /// # Errors
    /// An address or a flag has no room in a header of `version` (HDR-4; peers would corrupt the neighbouring
    /// field).
    pub fn encode(&self, version: Version) -> Result<HeaderBytes, EncodeError> {
        for (field, address) in [("source", self.source), ("destination", self.destination)] {
            if address > version.broadcast() {
                return Err(EncodeError::Address {
                    field,
                    address,
                    max: version.broadcast(),
                });
            }
        }
        let unfit = self.flags.without(version.flags());
        if unfit != Flags::NONE {
            return Err(EncodeError::Flags { unfit });
        }
        let priority = u64::from(self.priority.to_bits());
        let source = u64::from(self.source.to_bits());
        let destination = u64::from(self.destination.to_bits());
        let destination_port = u64::from(self.destination_port.to_bits());
        let source_port = u64::from(self.source_port.to_bits());
        let flags = u64::from(self.flags.to_bits());
        // The word is put at the top of eight bytes, so that the header is what they begin with.
        let word = match version {
            Version::V1 => {
                let word = priority << 30
                    | source << 25
                    | destination << 20
                    | destination_port << 14
                    | source_port << 8
                    | flags;
                word << 32
            }
            Version::V2 => {
                let word = priority << 46
                    | destination << 32
                    | source << 18
                    | destination_port << 12
                    | source_port << 6
                    | flags;
                word << 16
            }
        };
        let [a, b, c, d, e, f, ..] = word.to_be_bytes();
        Ok(HeaderBytes {
            bytes: [a, b, c, d, e, f],
            len: version.header_len(),
        })
    }

    /// Splits `frame` into its header and the payload after it.
    ///
    /// # Errors
    /// [`DecodeError::Short`]: fewer bytes than a header has (HDR-3).
    pub fn decode(version: Version, frame: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let short = DecodeError::Short {
            field: "header",
            need: version.header_len(),
            got: frame.len(),
        };
        match version {
            Version::V1 => {
                let (bytes, payload) = frame.split_first_chunk::<4>().ok_or(short)?;
                let &[_, _, _, flags] = bytes;
                let word = u32::from_be_bytes(*bytes);
                let header = Self {
                    priority: Priority::from_low_bits(low_byte(word >> 30)),
                    source: Address::from_low_bits(low_half(word >> 25) & 0x1F),
                    destination: Address::from_low_bits(low_half(word >> 20) & 0x1F),
                    destination_port: Port::from_low_bits(low_byte(word >> 14)),
                    source_port: Port::from_low_bits(low_byte(word >> 8)),
                    flags: Flags::from_bits(flags),
                };
                Ok((header, payload))
            }
            Version::V2 => {
                let (bytes, payload) = frame.split_first_chunk::<6>().ok_or(short)?;
                let &[a, b, c, d, e, f] = bytes;
                let high = u16::from_be_bytes([a, b]);
                let low = u32::from_be_bytes([c, d, e, f]);
                let header = Self {
                    priority: Priority::from_low_bits(a >> 6),
                    source: Address::from_low_bits(low_half(low >> 18)),
                    destination: Address::from_low_bits(high),
                    destination_port: Port::from_low_bits(low_byte(low >> 12)),
                    source_port: Port::from_low_bits(low_byte(low >> 6)),
                    flags: Flags::from_bits(f & 0x3F),
                };
                Ok((header, payload))
            }
        }
    }
}

const fn low_byte(word: u32) -> u8 {
    let [_, _, _, low] = word.to_be_bytes();
    low
}

const fn low_half(word: u32) -> u16 {
    let [_, _, high, low] = word.to_be_bytes();
    u16::from_be_bytes([high, low])
}

/// An encoded header: 4 or 6 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HeaderBytes {
    bytes: [u8; MAX_HEADER_LEN],
    len: usize,
}

impl Deref for HeaderBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&self.bytes)
    }
}

impl fmt::Debug for HeaderBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x?}", &**self)
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
}

/// A header has no form in the version asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// An address is too large.
    #[error("{field} address {address} does not fit the header version, whose largest is {max}")]
    Address {
        /// "source", "destination" or "next hop".
        field: &'static str,
        /// The address.
        address: Address,
        /// The largest address of the version.
        max: Address,
    },
    /// A flag has no bit.
    #[error("{unfit:?} do not fit a version 2 header, which has six flag bits")]
    Flags {
        /// The flags without room.
        unfit: Flags,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(version: Version) -> impl Strategy<Value = Header> {
        let address = 0..=version.broadcast().to_bits();
        (
            0..4u8,
            address.clone(),
            address,
            0..64u8,
            0..64u8,
            0..=version.flags().to_bits(),
        )
            .prop_map(
                |(priority, source, destination, destination_port, source_port, flags)| Header {
                    priority: Priority::new(priority).unwrap(),
                    source: Address::new(source).unwrap(),
                    destination: Address::new(destination).unwrap(),
                    destination_port: Port::new(destination_port).unwrap(),
                    source_port: Port::new(source_port).unwrap(),
                    flags: Flags::from_bits(flags),
                },
            )
    }

    proptest! {
        #[test]
        fn decoding_what_was_encoded_gives_the_header_back(
            (version, header) in prop_oneof![Just(Version::V1), Just(Version::V2)]
                .prop_flat_map(|version| (Just(version), header(version))),
        ) {
            let bytes = header.encode(version).unwrap();
            prop_assert_eq!(bytes.len(), version.header_len());
            prop_assert_eq!(Header::decode(version, &bytes), Ok((header, &[][..])));
        }

        #[test]
        fn any_bytes_decode_to_a_header_that_encodes_to_them(
            frame in proptest::collection::vec(any::<u8>(), 0..10),
        ) {
            for version in [Version::V1, Version::V2] {
                match Header::decode(version, &frame) {
                    Ok((header, payload)) => {
                        let bytes = header.encode(version).unwrap();
                        prop_assert_eq!(&*bytes, &frame[..version.header_len()]);
                        prop_assert_eq!(payload, &frame[version.header_len()..]);
                    }
                    Err(DecodeError::Short { got, need, .. }) => {
                        prop_assert!(frame.len() < need && got == frame.len());
                    }
                }
            }
        }
    }

    #[test]
    fn a_flag_without_room_in_v2_is_refused_and_does_not_reach_the_source_port() {
        let mut header = Header::new(
            (Address::new(1).unwrap(), Port::new(33).unwrap()),
            (Address::new(2).unwrap(), Port::new(10).unwrap()),
        );
        header.flags = Flags::from_bits(0x41);
        assert_eq!(
            header.encode(Version::V2),
            Err(EncodeError::Flags {
                unfit: Flags::from_bits(0x40)
            })
        );
        assert!(header.encode(Version::V1).is_ok());
    }

    #[test]
    fn an_address_without_room_in_v1_is_refused() {
        let wide = Address::new(32).unwrap();
        let header = Header::new(
            (wide, Port::new(0).unwrap()),
            (Address::LOOPBACK, Port::new(0).unwrap()),
        );
        let max = Version::V1.broadcast();
        assert_eq!(
            header.encode(Version::V1),
            Err(EncodeError::Address {
                field: "source",
                address: wide,
                max
            })
        );
    }
}
