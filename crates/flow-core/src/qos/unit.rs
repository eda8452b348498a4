//! What the fields of a quality of service are made of.

use core::fmt;
use core::time::Duration;

/// An upper bound of a time in milliseconds, or none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bound(u32);

impl Bound {
    /// No bound: anything will do. Its bits are 2³²-1.
    pub const NONE: Self = Self(u32::MAX);

    /// At most `millis` milliseconds; 2³²-1 is [`NONE`](Self::NONE).
    #[must_use]
    pub const fn from_millis(millis: u32) -> Self {
        Self(millis)
    }

    /// The bound in milliseconds as it is transferred, 2³²-1 for none.
    #[must_use]
    pub const fn to_bits(self) -> u32 {
        self.0
    }

    /// The bound, if there is one.
    #[must_use]
    pub const fn duration(self) -> Option<Duration> {
        match self {
            Self::NONE => None,
            Self(millis) => Some(Duration::from_millis(millis as u64)),
        }
    }
}

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NONE => f.write_str("none"),
            Self(millis) => write!(f, "{millis}ms"),
        }
    }
}

/// Whether a fault may happen: 0 forbids it, any other number lets it be.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tolerance(u32);

impl Tolerance {
    /// The fault may not happen.
    pub const NONE: Self = Self(0);
    /// The fault may happen.
    pub const ANY: Self = Self(1);

    /// The tolerance with these bits. All but 0 mean the same, and are kept as they are.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The number as it is transferred.
    #[must_use]
    pub const fn to_bits(self) -> u32 {
        self.0
    }

    /// Whether the fault may not happen.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Debug for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_none() { "none" } else { "any" })
    }
}

/// Whether packets arrive in the order in which they were written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// They may overtake each other.
    #[default]
    Any,
    /// They arrive as they were written.
    Kept,
}

/// Within what time a peer that is gone is noticed; zero is never.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PeerTimeout(u32);

impl PeerTimeout {
    /// Nobody looks whether the peer is there.
    pub const OFF: Self = Self(0);
    /// Two minutes, as every preset of the peer has.
    pub const DEFAULT: Self = Self(120_000);

    /// Within `millis` milliseconds; 0 is [`OFF`](Self::OFF).
    #[must_use]
    pub const fn from_millis(millis: u32) -> Self {
        Self(millis)
    }

    /// The time in milliseconds as it is transferred, 0 for never.
    #[must_use]
    pub const fn to_bits(self) -> u32 {
        self.0
    }

    /// The time, unless it is off.
    #[must_use]
    pub const fn duration(self) -> Option<Duration> {
        match self {
            Self::OFF => None,
            Self(millis) => Some(Duration::from_millis(millis as u64)),
        }
    }
}

impl fmt::Debug for PeerTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::OFF => f.write_str("off"),
            Self(millis) => write!(f, "{millis}ms"),
        }
    }
}
