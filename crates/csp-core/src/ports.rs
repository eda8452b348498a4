//! Port numbers.

use core::fmt;
use core::str::FromStr;

use thiserror::Error;

/// A port, 0 to 63. 0 to 6 are services; those above a node's highest bind port are ephemeral.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port(u8);

impl Port {
    /// Management: identity, routes, statistics, memory, clock.
    pub const CMP: Self = Self(0);
    /// Echo.
    pub const PING: Self = Self(1);
    /// Process list.
    pub const PS: Self = Self(2);
    /// Free memory.
    pub const MEMFREE: Self = Self(3);
    /// Reboot and shutdown.
    pub const REBOOT: Self = Self(4);
    /// Free packet buffers.
    pub const BUF_FREE: Self = Self(5);
    /// Uptime.
    pub const UPTIME: Self = Self(6);
    /// The largest port.
    pub const MAX: Self = Self(63);

    /// Port `bits`; `None` above 63.
    #[must_use]
    pub const fn new(bits: u8) -> Option<Self> {
        if bits <= Self::MAX.0 {
            Some(Self(bits))
        } else {
            None
        }
    }

    /// The port in the low six bits, the rest ignored.
    pub(crate) const fn from_low_bits(bits: u8) -> Self {
        Self(bits & Self::MAX.0)
    }

    /// The number of the port.
    #[must_use]
    pub const fn to_bits(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Port({})", self.0)
    }
}

impl FromStr for Port {
    type Err = ParsePortError;

    fn from_str(text: &str) -> Result<Self, ParsePortError> {
        text.parse().ok().and_then(Self::new).ok_or(ParsePortError)
    }
}

/// A text was not a decimal number from 0 to 63.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a port is a decimal number from 0 to 63")]
pub struct ParsePortError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_has_six_bits() {
        assert_eq!(Port::new(63), Some(Port::MAX));
        assert_eq!(Port::new(64), None);
        assert_eq!("10".parse(), Ok(Port::new(10).unwrap()));
        assert_eq!("any".parse::<Port>(), Err(ParsePortError));
    }
}
