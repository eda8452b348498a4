//! Minimum separation time and block size: how fast a receiver lets the sender go.
//!
//! ```text
//! STmin byte   minimum gap between two consecutive frames
//! 00..=7F      0..=127 ms
//! F1..=F9      100..=900 µs
//! the rest     reserved; a sender uses 127 ms (ISO-TP spec ch. 3)
//! ```

use core::fmt;
use core::time::Duration;

use crate::error::ParameterError;

/// Minimum separation time (STmin), one of the values that are not reserved.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct StMin(u8);

impl StMin {
    /// No minimum gap.
    pub const ZERO: Self = Self(0);
    /// The longest gap, 127 ms; what a reserved byte means to a sender.
    pub const MAX: Self = Self(0x7F);

    /// The separation time that the byte `bits` stands for, or `None` for a reserved byte.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0x00..=0x7F | 0xF1..=0xF9 => Some(Self(bits)),
            _ => None,
        }
    }

    /// The separation time a sender must keep after receiving `bits`: 127 ms for a reserved byte.
    #[must_use]
    pub const fn from_received(bits: u8) -> Self {
        match Self::from_bits(bits) {
            Some(st_min) => st_min,
            None => Self::MAX,
        }
    }

    /// `millis` milliseconds, or `None` above 127.
    #[must_use]
    pub const fn from_millis(millis: u8) -> Option<Self> {
        if millis <= 0x7F { Some(Self(millis)) } else { None }
    }

    /// The shortest separation time of at least `gap`; 127 ms when `gap` is longer than that.
    #[must_use]
    pub fn at_least(gap: Duration) -> Self {
        let micros = gap.as_nanos().div_ceil(1_000);
        let bits = match micros {
            0 => 0,
            1..=900 => 0xF0 + micros.div_ceil(100),
            _ => micros.div_ceil(1_000).min(0x7F),
        };
        Self(u8::try_from(bits).unwrap_or(0x7F))
    }

    /// The byte on the wire.
    #[must_use]
    pub const fn to_bits(self) -> u8 {
        self.0
    }

    /// The gap as a duration, 0..=127 ms.
    #[must_use]
    pub fn gap(self) -> Duration {
        match self.0 {
            millis @ 0..=0x7F => Duration::from_millis(millis.into()),
            hundreds => Duration::from_micros(u64::from(hundreds & 0x0F) * 100),
        }
    }
}

impl TryFrom<u8> for StMin {
    type Error = ParameterError;

    /// As [`from_bits`](Self::from_bits), with the reason.
    fn try_from(bits: u8) -> Result<Self, ParameterError> {
        Self::from_bits(bits).ok_or(ParameterError::ReservedStMin { got: bits })
    }
}

impl TryFrom<Duration> for StMin {
    type Error = ParameterError;

    /// As [`at_least`](Self::at_least), and refuses a gap of more than 127 ms.
    fn try_from(gap: Duration) -> Result<Self, ParameterError> {
        if gap <= Self::MAX.gap() {
            return Ok(Self::at_least(gap));
        }
        Err(ParameterError::OutOfRange {
            name: "STmin",
            unit: "us",
            got: u64::try_from(gap.as_nanos().div_ceil(1_000)).unwrap_or(u64::MAX),
            min: 0,
            max: 127_000,
        })
    }
}

impl fmt::Debug for StMin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.gap())
    }
}

/// Block size (BS): after how many consecutive frames the sender waits for another flow control.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct BlockSize(u8);

impl BlockSize {
    /// No further flow control for this message; 0 on the wire.
    pub const UNLIMITED: Self = Self(0);

    /// The byte on the wire: 0 is unlimited, 1..=255 are consecutive frames.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// The byte on the wire.
    #[must_use]
    pub const fn to_bits(self) -> u8 {
        self.0
    }

    /// Consecutive frames in a block, or `None` when unlimited.
    #[must_use]
    pub const fn frames(self) -> Option<u8> {
        match self.0 {
            0 => None,
            frames => Some(frames),
        }
    }
}

impl From<u8> for BlockSize {
    fn from(bits: u8) -> Self {
        Self(bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_means_what_the_table_says() {
        for bits in 0..=u8::MAX {
            let expected = match bits {
                0..=0x7F => Some(Duration::from_millis(bits.into())),
                0xF1..=0xF9 => Some(Duration::from_micros(u64::from(bits - 0xF0) * 100)),
                _ => None,
            };
            assert_eq!(StMin::from_bits(bits).map(StMin::gap), expected, "{bits:#04x}");
        }
    }

    #[test]
    fn a_reserved_byte_is_taken_for_127_milliseconds() {
        for bits in [0x80, 0xF0, 0xFA, 0xFF] {
            assert_eq!(StMin::from_bits(bits), None);
            assert_eq!(StMin::from_received(bits).gap(), Duration::from_millis(127));
        }
    }

    #[test]
    fn a_duration_becomes_the_next_longer_separation_time() {
        let cases = [
            (0, 0x00),
            (1, 0xF1),
            (100_000, 0xF1),
            (100_001, 0xF2),
            (900_000, 0xF9),
            (900_001, 0x01),
            (1_000_001, 0x02),
            (127_000_000, 0x7F),
            (u64::MAX, 0x7F),
        ];
        for (nanos, bits) in cases {
            assert_eq!(
                StMin::at_least(Duration::from_nanos(nanos)).to_bits(),
                bits,
                "{nanos} ns"
            );
        }
    }

    #[test]
    fn what_is_out_of_range_is_refused_with_range_and_unit() {
        let text = |error: ParameterError| std::string::ToString::to_string(&error);
        assert_eq!(
            text(StMin::try_from(0x80).unwrap_err()),
            "STmin 0x80 is reserved; 0x00 to 0x7f (ms) and 0xf1 to 0xf9 (100 us) are possible"
        );
        assert_eq!(
            text(StMin::try_from(Duration::from_nanos(127_000_001)).unwrap_err()),
            "STmin of 127001 us; 0 to 127000 us are possible"
        );
        assert_eq!(StMin::try_from(Duration::from_millis(127)), Ok(StMin::MAX));
        assert_eq!(StMin::try_from(0xF1), Ok(StMin(0xF1)));
    }

    #[test]
    fn a_block_size_of_zero_is_unlimited() {
        assert_eq!(BlockSize::from_bits(0), BlockSize::UNLIMITED);
        assert_eq!(BlockSize::UNLIMITED.frames(), None);
        assert_eq!(BlockSize::from_bits(255).frames(), Some(255));
    }
}
