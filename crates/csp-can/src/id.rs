//! The 29-bit identifiers of CFP 1 and CFP 2, which go with header versions 1 and 2 (5.1, 5.2).
//!
//! ```text
//! CFP 1  bit  28..24  23..19       18    17..10     9..0
//!             source  destination  more  remaining  packet counter
//!
//! CFP 2  bit  28..27    26..13       12..7   6..5             4..2              1      0
//!             priority  destination  sender  packet counter   fragment counter  begin  end
//! ```

use core::fmt;

use can_link::{ExtendedId, id};
use csp_core::{Address, Priority, Version};

/// Who put a frame on the bus, as far as its identifier tells.
///
/// CFP 1: the packet's source, five bits. CFP 2: the low six bits of the interface's address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sender(u8);

impl Sender {
    /// What frames of `address` carry.
    #[must_use]
    pub const fn of(version: Version, address: Address) -> Self {
        let [_, low] = address.to_bits().to_be_bytes();
        match version {
            Version::V1 => Self(low & 0x1F),
            Version::V2 => Self(low & 0x3F),
        }
    }

    /// The five or six bits.
    #[must_use]
    pub const fn to_bits(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sender({})", self.0)
    }
}

/// The fields of a CFP 1 identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cfp1Id {
    /// The packet's source.
    pub source: Address,
    /// The next hop: the route's via, or the packet's destination.
    pub destination: Address,
    /// Not the packet's first frame.
    pub more: bool,
    /// How many frames come after this one.
    pub remaining: u8,
    /// The sender's packet counter, modulo 1024.
    pub packet: u16,
}

impl Cfp1Id {
    /// The bits that all frames of a packet have in common (CFP1-2).
    pub(crate) const fn key(bits: u32) -> u32 {
        bits & !(0x1FF << 10)
    }

    /// The bits of the frame after that with `bits`.
    pub(crate) const fn next(bits: u32) -> u32 {
        let remaining = (bits >> 10).wrapping_sub(1) & 0xFF;
        Self::key(bits) | 1 << 18 | remaining << 10
    }

    /// The fields of `id`; every identifier has them.
    #[must_use]
    pub fn from_id(id: ExtendedId) -> Self {
        let bits = id.as_raw();
        let [_, _, high, low] = bits.to_be_bytes();
        let [_, _, _, remaining] = (bits >> 10).to_be_bytes();
        Self {
            source: address(bits >> 24 & 0x1F),
            destination: address(bits >> 19 & 0x1F),
            more: bits >> 18 & 1 != 0,
            remaining,
            packet: u16::from_be_bytes([high & 3, low]),
        }
    }

    /// The identifier; addresses and the counter are cut to their bits.
    #[must_use]
    pub fn to_id(self) -> ExtendedId {
        let bits = u32::from(self.source.to_bits() & 0x1F) << 24
            | u32::from(self.destination.to_bits() & 0x1F) << 19
            | u32::from(self.more) << 18
            | u32::from(self.remaining) << 10
            | u32::from(self.packet & 0x3FF);
        id::extended(bits)
    }
}

/// The fields of a CFP 2 identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cfp2Id {
    /// Priority of the packet; the lower number wins the bus.
    pub priority: Priority,
    /// Destination of the packet.
    pub destination: Address,
    /// The interface that sends the frame.
    ///
    /// Not the packet's source when a router forwards it.
    pub sender: Sender,
    /// The sender's packet counter, modulo 4.
    pub packet: u8,
    /// The frame counter: 0 in the first frame, then 1 to 7 and again from 0.
    pub fragment: u8,
    /// The packet's first frame.
    pub begin: bool,
    /// The packet's last frame.
    pub end: bool,
}

impl Cfp2Id {
    /// The bits that all frames of a packet have in common (CFP2-1).
    pub(crate) const fn key(bits: u32) -> u32 {
        bits >> 5
    }

    /// The bits of the frame after that with `bits`, which is not the last.
    pub(crate) const fn next(bits: u32) -> u32 {
        let fragment = (bits >> 2).wrapping_add(1) & 7;
        Self::key(bits) << 5 | fragment << 2
    }

    /// The fields of `id`; every identifier has them.
    #[must_use]
    pub fn from_id(id: ExtendedId) -> Self {
        let bits = id.as_raw();
        let [a, b, c, d] = bits.to_be_bytes();
        Self {
            priority: Priority::new(a >> 3 & 3).unwrap_or_default(),
            destination: address(u32::from_be_bytes([0, a, b, c]) >> 5),
            sender: Sender((c & 0x1F) << 1 | d >> 7),
            packet: d >> 5 & 3,
            fragment: d >> 2 & 7,
            begin: d & 2 != 0,
            end: d & 1 != 0,
        }
    }

    /// The identifier; counters are cut to their bits.
    #[must_use]
    pub fn to_id(self) -> ExtendedId {
        let bits = u32::from(self.priority.to_bits()) << 27
            | u32::from(self.destination.to_bits()) << 13
            | u32::from(self.sender.0) << 7
            | u32::from(self.packet & 3) << 5
            | u32::from(self.fragment & 7) << 2
            | u32::from(self.begin) << 1
            | u32::from(self.end);
        id::extended(bits)
    }
}

/// The low 14 bits as an address.
fn address(bits: u32) -> Address {
    let [_, _, high, low] = bits.to_be_bytes();
    Address::new(u16::from_be_bytes([high & 0x3F, low])).unwrap_or(Address::LOOPBACK)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_fields_lie_where_the_peers_put_them() {
        let id = Cfp2Id::from_id(ExtendedId::new(0x0181_a284).unwrap());
        let expected = Cfp2Id {
            priority: Priority::Critical,
            destination: Address::new(3085).unwrap(),
            sender: Sender::of(Version::V2, Address::new(5573).unwrap()),
            packet: 0,
            fragment: 1,
            begin: false,
            end: false,
        };
        assert_eq!(id, expected);
        let id = Cfp1Id::from_id(ExtendedId::new(0x0564_0401).unwrap());
        let expected = Cfp1Id {
            source: Address::new(5).unwrap(),
            destination: Address::new(12).unwrap(),
            more: true,
            remaining: 1,
            packet: 1,
        };
        assert_eq!(id, expected);
    }

    proptest! {
        #[test]
        fn every_identifier_is_its_fields(bits in 0..1u32 << 29) {
            let id = ExtendedId::new(bits).unwrap();
            prop_assert_eq!(Cfp1Id::from_id(id).to_id(), id);
            prop_assert_eq!(Cfp2Id::from_id(id).to_id(), id);
        }
    }
}
