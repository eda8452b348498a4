//! The flags of the C peer, bit for bit.

use core::fmt;
use core::ops::{BitOr, BitOrAssign};

/// What a side may do with a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Access {
    /// Read only.
    ReadOnly,
    /// Write only; the peer's writes fail, since nobody would read them.
    WriteOnly,
    /// Both.
    #[default]
    ReadWrite,
}

/// Whether a side says that the flow carries packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FlowState {
    /// It does.
    #[default]
    Up,
    /// It does not: this side's reads and both sides' writes fail, and the peer sees an event.
    Down,
}

/// How one side uses a flow, in one word with the bits of the C peer.
///
/// Two of the bits are a number, the access mode: [`READ_ONLY`](Self::READ_ONLY) is 0, so that
/// `READ_ONLY | WRITE_ONLY` is write-only. All words that can be made stand for something, and
/// `WRITE_ONLY | READ_WRITE` is read-write.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FlowFlags(u32);

impl FlowFlags {
    /// Access mode: read only.
    pub const READ_ONLY: Self = Self(0o0);
    /// Access mode: write only.
    pub const WRITE_ONLY: Self = Self(0o1);
    /// Access mode: both.
    pub const READ_WRITE: Self = Self(0o2);
    /// The flow is down.
    pub const DOWN: Self = Self(0o4);
    /// A read with nothing there fails instead of waiting.
    pub const NON_BLOCKING_READ: Self = Self(0o1000);
    /// A write without room fails instead of waiting.
    pub const NON_BLOCKING_WRITE: Self = Self(0o2000);
    /// Both.
    pub const NON_BLOCKING: Self = Self(0o3000);
    /// A packet that does not fit the buffer is lost, and an error.
    pub const NO_PARTIAL_READ: Self = Self(0o1_0000);
    /// Packets are written whole or not at all, which they are in any case: kept, and without effect, as at
    /// the C peer.
    pub const NO_PARTIAL_WRITE: Self = Self(0o2_0000);

    const ACCESS: u32 = 0o3;
    const KNOWN: u32 = 0o3_3007;

    /// The flags with these bits; `None` when one of them has no meaning.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Option<Self> {
        if bits & !Self::KNOWN == 0 && bits & Self::ACCESS != Self::ACCESS {
            Some(Self(bits))
        } else {
            None
        }
    }

    /// The bits, as the C peer has them.
    #[must_use]
    pub const fn to_bits(self) -> u32 {
        self.0
    }

    /// The access mode.
    #[must_use]
    pub const fn access(self) -> Access {
        match self.0 & Self::ACCESS {
            0o0 => Access::ReadOnly,
            0o1 => Access::WriteOnly,
            _ => Access::ReadWrite,
        }
    }

    /// These flags with another access mode.
    #[must_use]
    pub const fn with_access(self, access: Access) -> Self {
        let mode = match access {
            Access::ReadOnly => 0o0,
            Access::WriteOnly => 0o1,
            Access::ReadWrite => 0o2,
        };
        Self(self.0 & !Self::ACCESS | mode)
    }

    /// Whether all flags of `other` are set. Of the access mode, ask [`access`](Self::access).
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        let flags = other.0 & !Self::ACCESS;
        self.0 & flags == flags
    }

    /// These flags and those of `other`. Of two access modes the higher number counts.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        let bits = self.0 | other.0;
        Self(if bits & Self::ACCESS == Self::ACCESS {
            bits & !0o1
        } else {
            bits
        })
    }

    /// These flags without those of `other`. The access mode stays.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !(other.0 & !Self::ACCESS))
    }

    pub(super) const fn with_if(self, set: bool, other: Self) -> Self {
        if set { self.with(other) } else { self }
    }
}

/// 020002, as every flow of the C peer begins: read and write, no partial writes.
impl Default for FlowFlags {
    fn default() -> Self {
        Self::READ_WRITE.with(Self::NO_PARTIAL_WRITE)
    }
}

impl BitOr for FlowFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.with(other)
    }
}

impl BitOrAssign for FlowFlags {
    fn bitor_assign(&mut self, other: Self) {
        *self = self.with(other);
    }
}

impl fmt::Debug for FlowFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FlowFlags({:#o})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_bits_are_those_of_the_peer() {
        let bits = [
            (FlowFlags::READ_ONLY, 0o0),
            (FlowFlags::WRITE_ONLY, 0o1),
            (FlowFlags::READ_WRITE, 0o2),
            (FlowFlags::DOWN, 0o4),
            (FlowFlags::NON_BLOCKING_READ, 0o1000),
            (FlowFlags::NON_BLOCKING_WRITE, 0o2000),
            (FlowFlags::NON_BLOCKING, 0o3000),
            (FlowFlags::NO_PARTIAL_READ, 0o10000),
            (FlowFlags::NO_PARTIAL_WRITE, 0o20000),
            (FlowFlags::default(), 0o20002),
        ];
        for (flags, bits) in bits {
            assert_eq!(flags.to_bits(), bits);
            assert_eq!(FlowFlags::from_bits(bits), Some(flags));
        }
        assert_eq!(std::format!("{:?}", FlowFlags::default()), "FlowFlags(0o20002)");
    }

    #[test]
    fn what_has_no_meaning_is_no_word() {
        for bits in [0o3, 0o10, 0o200000, u32::MAX] {
            assert_eq!(FlowFlags::from_bits(bits), None, "{bits:o}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_put_together_has_a_meaning(a in 0..0o40000u32, b in 0..0o40000u32) {
            if let (Some(a), Some(b)) = (FlowFlags::from_bits(a), FlowFlags::from_bits(b)) {
                for made in [a | b, a.without(b), a.with_access(b.access())] {
                    prop_assert_eq!(FlowFlags::from_bits(made.to_bits()), Some(made));
                }
                prop_assert!((a | b).contains(a) && (a | b).contains(b));
                prop_assert_eq!(a.without(b).access(), a.access());
                prop_assert_eq!(a.with_access(b.access()).access(), b.access());
            }
        }
    }
}
