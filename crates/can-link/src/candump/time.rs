//! Time stamps of log lines.

use core::fmt;
use core::time::Duration;

use super::LineError;

/// Fraction digits of a time stamp.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// Six digits.
    #[default]
    Micro,
    /// Nine digits (`candump -N`).
    Nano,
}

/// A time stamp of a log: seconds since 1970 and nanoseconds.
///
/// The fraction counts away from zero, as in the text: `-1.5` is minus one second and a half. Its `Display`
/// is candump's text with six digits; `{:#}` prints nine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LogTime {
    seconds: i64,
    nanos: u32,
}

impl LogTime {
    /// A time stamp, or `None` when `nanos` is a second or more.
    #[must_use]
    pub const fn new(seconds: i64, nanos: u32) -> Option<Self> {
        if nanos < 1_000_000_000 {
            Some(Self { seconds, nanos })
        } else {
            None
        }
    }

    /// Whole seconds since 1970.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds of the fraction, below 10⁹.
    #[must_use]
    pub const fn nanos(self) -> u32 {
        self.nanos
    }

    /// The time that passed since `earlier`; zero when it is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        let nanos = self.total_nanos().saturating_sub(earlier.total_nanos()).max(0);
        let seconds = u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX);
        let rest = u32::try_from(nanos % 1_000_000_000).unwrap_or_default();
        Duration::new(seconds, rest)
    }

    fn total_nanos(self) -> i128 {
        let nanos = i128::from(self.nanos);
        let signed = if self.seconds < 0 { -nanos } else { nanos };
        i128::from(self.seconds) * 1_000_000_000 + signed
    }

    /// Reads `seconds.fraction` with six or nine fraction digits.
    pub(super) fn parse(text: &str) -> Result<(Self, Precision), LineError> {
        let (seconds, fraction) = text.split_once('.').ok_or(LineError::Time)?;
        let precision = match fraction.len() {
            6 => Precision::Micro,
            9 => Precision::Nano,
            got => return Err(LineError::Fraction { got }),
        };
        // `parse` alone would take a sign here.
        if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(LineError::Time);
        }
        let scale = if precision == Precision::Micro { 1000 } else { 1 };
        let nanos = fraction.parse::<u32>().map_err(|_| LineError::Time)?;
        let seconds = seconds.trim_start().parse().map_err(|_| LineError::Time)?;
        let nanos = nanos * scale;
        Ok((Self { seconds, nanos }, precision))
    }
}

impl fmt::Display for LogTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seconds, nanos } = self;
        if f.alternate() {
            write!(f, "{seconds:010}.{nanos:09}")
        } else {
            write!(f, "{seconds:010}.{:06}", nanos / 1000)
        }
    }
}

/// Times before 1970 count as 1970.
#[cfg(feature = "std")]
impl From<std::time::SystemTime> for LogTime {
    fn from(time: std::time::SystemTime) -> Self {
        let since = time
            .duration_since(std::time::SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            nanos: since.subsec_nanos(),
        }
    }
}

/// A time stamp before 1970 or beyond the clock becomes 1970.
#[cfg(feature = "std")]
impl From<LogTime> for std::time::SystemTime {
    fn from(time: LogTime) -> Self {
        let seconds = u64::try_from(time.seconds).unwrap_or_default();
        Self::UNIX_EPOCH
            .checked_add(Duration::new(seconds, time.nanos))
            .unwrap_or(Self::UNIX_EPOCH)
    }
}

/// Prints a passed time as `candump -t d` and `-t z` do: `003.000250`. `{:#}` prints nine digits.
#[derive(Clone, Copy, Debug)]
pub struct Elapsed(pub Duration);

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.0.as_secs(), self.0.subsec_nanos());
        if f.alternate() {
            write!(f, "{seconds:03}.{nanos:09}")
        } else {
            write!(f, "{seconds:03}.{:06}", nanos / 1000)
        }
    }
}

#[cfg(test)]
#[cfg(feature = "std")]
mod tests {
    use std::string::ToString;
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn a_time_stamp_is_padded_to_ten_digits_and_six() {
        let time = LogTime::new(1, 1_500).unwrap();
        assert_eq!(time.to_string(), "0000000001.000001");
        assert_eq!(std::format!("{time:#}"), "0000000001.000001500");
        assert_eq!(LogTime::new(0, 1_000_000_000), None);
    }

    #[test]
    fn six_and_nine_fraction_digits_are_read_and_nothing_else() {
        let micro = LogTime::new(12, 345_678_000).unwrap();
        assert_eq!(LogTime::parse("12.345678"), Ok((micro, Precision::Micro)));
        assert_eq!(LogTime::parse("12.345678000"), Ok((micro, Precision::Nano)));
        assert_eq!(LogTime::parse("12.34567"), Err(LineError::Fraction { got: 5 }));
        assert_eq!(LogTime::parse("12.+34567"), Err(LineError::Time));
        assert_eq!(LogTime::parse("12"), Err(LineError::Time));
        assert_eq!(LogTime::parse("x.000000"), Err(LineError::Time));
    }

    #[test]
    fn passed_time_counts_across_zero_and_never_backwards() {
        let (before, after) = (
            LogTime::new(-1, 500_000_000).unwrap(),
            LogTime::new(1, 0).unwrap(),
        );
        assert_eq!(after.since(before), Duration::from_millis(2500));
        assert_eq!(before.since(after), Duration::ZERO);
        assert_eq!(
            Elapsed(Duration::from_micros(2_500_001)).to_string(),
            "002.500001"
        );
    }

    #[test]
    fn the_system_clock_converts_both_ways() {
        let time = LogTime::new(1_700_000_000, 123_456_789).unwrap();
        assert_eq!(LogTime::from(SystemTime::from(time)), time);
    }
}
