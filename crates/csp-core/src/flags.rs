//! The flag bits of a header, and the four priorities.

use core::fmt;
use core::ops::{BitOr, BitOrAssign};

/// The flags of a packet: which trailers it carries.
///
/// Unknown bits are carried unchanged and don't stop delivery (NET-4). v1 headers have room for all eight
/// bits, v2 headers for the low six; a header with others cannot be encoded (HDR-4).
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Flags(u8);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// A 4-byte CRC-32C ends the payload.
    pub const CRC32: Self = Self(0x01);
    /// A 5-byte RDP trailer is present.
    pub const RDP: Self = Self(0x02);
    /// The payload is encrypted (libcsp 1.x); reserved and ignored by libcsp 2.x.
    ///
    /// See [`XteaFlag`].
    pub const XTEA: Self = Self(0x04);
    /// A 4-byte authentication tag is present.
    pub const HMAC: Self = Self(0x08);
    /// An 8-byte SFP trailer is present: the payload is a fragment of a blob.
    pub const FRAG: Self = Self(0x10);

    /// Flags of the given bits; every value is possible.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// The bits, as in the header.
    #[must_use]
    pub const fn to_bits(self) -> u8 {
        self.0
    }

    /// Whether all of `other`'s flags are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These flags with `other`'s set too.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These flags with `other`'s cleared.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.with(other)
    }
}

impl BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Self) {
        *self = self.with(other);
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [(Flags, &str); 5] = [
            (Flags::CRC32, "CRC32"),
            (Flags::RDP, "RDP"),
            (Flags::XTEA, "XTEA"),
            (Flags::HMAC, "HMAC"),
            (Flags::FRAG, "FRAG"),
        ];
        f.write_str("Flags(")?;
        let mut rest = *self;
        let mut separator = "";
        for (flag, name) in NAMES {
            if self.contains(flag) {
                write!(f, "{separator}{name}")?;
                separator = "|";
                rest = rest.without(flag);
            }
        }
        if rest != Self::NONE {
            write!(f, "{separator}{:#04x}", rest.0)?;
        }
        f.write_str(")")
    }
}

/// What the XTEA flag of a version 1 header means.
///
/// In version 2 it is a reserved bit, carried and ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum XteaFlag {
    /// The payload is encrypted, as libcsp 1.x has it (SEC-6).
    ///
    /// Without the feature `legacy-xtea`, or without a key, such packets are dropped.
    #[default]
    Encrypted,
    /// Nothing: a reserved bit, as libcsp 2.x has it (NET-4).
    Reserved,
}

/// Urgency of a packet. Only CAN arbitration acts on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// 0, the most urgent.
    Critical,
    /// 1.
    High,
    /// 2, the default.
    #[default]
    Norm,
    /// 3.
    Low,
}

impl Priority {
    /// The priority `bits`; `None` above 3.
    #[must_use]
    pub const fn new(bits: u8) -> Option<Self> {
        if bits <= 3 {
            Some(Self::from_low_bits(bits))
        } else {
            None
        }
    }

    /// The priority in the low two bits, the rest ignored.
    pub(crate) const fn from_low_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::Critical,
            1 => Self::High,
            2 => Self::Norm,
            _ => Self::Low,
        }
    }

    /// The number in the header, 0 to 3.
    #[must_use]
    pub const fn to_bits(self) -> u8 {
        match self {
            Self::Critical => 0,
            Self::High => 1,
            Self::Norm => 2,
            Self::Low => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::format;

    use super::*;

    #[test]
    fn debug_names_the_known_flags_and_shows_the_rest_as_bits() {
        assert_eq!(format!("{:?}", Flags::NONE), "Flags()");
        assert_eq!(format!("{:?}", Flags::CRC32 | Flags::HMAC), "Flags(CRC32|HMAC)");
        assert_eq!(format!("{:?}", Flags::from_bits(0x61)), "Flags(CRC32|0x60)");
    }

    #[test]
    fn critical_sorts_before_low() {
        assert!(Priority::Critical < Priority::Low);
        for bits in 0..4 {
            assert_eq!(Priority::new(bits).unwrap().to_bits(), bits);
        }
        assert_eq!(Priority::new(4), None);
    }
}
