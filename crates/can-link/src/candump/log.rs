//! One line of a log.

use core::fmt;

use thiserror::Error;

use super::{FrameTextError, LogTime, Message, Precision, Reading, parse_frame};

/// Which way a frame went (`candump -x`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the bus.
    Receive,
    /// Made on this host; on virtual interfaces every frame is.
    Transmit,
}

/// One line of a log: when, where, what, and perhaps which way.
///
/// Its `Display` is candump's line without the line break; [`LogText`] also aligns interface names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine<'a> {
    /// When it arrived.
    pub time: LogTime,
    /// How many fraction digits are written.
    pub precision: Precision,
    /// The interface's name, without blanks.
    pub interface: &'a str,
    /// The frame or report.
    pub message: Message,
    /// Which way it went, where the line tells.
    pub direction: Option<Direction>,
}

/// Why a line is not a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LineError {
    /// Not `(time) interface frame`.
    #[error("not of the form (seconds.fraction) interface frame")]
    Form,
    /// The time is not a number of seconds with a fraction.
    #[error("the time is not seconds.fraction")]
    Time,
    /// A fraction of neither six nor nine digits.
    #[error("the time has {got} fraction digits; 6 or 9 exist")]
    Fraction {
        /// How many there are.
        got: usize,
    },
    /// The line is longer than any frame.
    #[error("a line of more than {max} bytes")]
    TooLong {
        /// The longest line.
        max: usize,
    },
    /// Not UTF-8.
    #[error("not UTF-8 text")]
    NotText,
    /// The frame.
    #[error("frame: {0}")]
    Frame(#[from] FrameTextError),
}

impl<'a> LogLine<'a> {
    /// A line with microseconds and without a direction.
    #[must_use]
    pub fn new(time: LogTime, interface: &'a str, message: impl Into<Message>) -> Self {
        Self {
            time,
            precision: Precision::Micro,
            interface,
            message: message.into(),
            direction: None,
        }
    }

    /// Reads one line that begins with `(`.
    ///
    /// Fields are separated by any blanks. A fourth field that is neither `R` nor `T` is ignored, as
    /// canplayer does.
    ///
    /// # Errors
    /// [`LineError`] tells what is wrong.
    pub fn parse(line: &'a str, reading: Reading) -> Result<Self, LineError> {
        let (time, rest) = line
            .strip_prefix('(')
            .and_then(|line| line.split_once(')'))
            .ok_or(LineError::Form)?;
        let mut fields = rest.split_ascii_whitespace();
        let (Some(interface), Some(frame)) = (fields.next(), fields.next()) else {
            return Err(LineError::Form);
        };
        let (time, precision) = LogTime::parse(time)?;
        let direction = match fields.next() {
            Some("R") => Some(Direction::Receive),
            Some("T") => Some(Direction::Transmit),
            _ => None,
        };
        Ok(Self {
            time,
            precision,
            interface,
            message: parse_frame(frame, reading)?,
            direction,
        })
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, width: usize) -> fmt::Result {
        match self.precision {
            Precision::Micro => write!(f, "({}) ", self.time)?,
            Precision::Nano => write!(f, "({:#}) ", self.time)?,
        }
        write!(f, "{:>width$} {}", self.interface, self.message)?;
        f.write_str(match self.direction {
            None => "",
            Some(Direction::Receive) => " R",
            Some(Direction::Transmit) => " T",
        })
    }
}

impl fmt::Display for LogLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)
    }
}

/// Writes the lines of one log, interface names padded to the longest one seen so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogText {
    width: usize,
}

impl LogText {
    /// A log without lines.
    #[must_use]
    pub const fn new() -> Self {
        Self { width: 0 }
    }

    /// The text of the next line, without the line break.
    pub fn line<'a>(&mut self, line: &'a LogLine<'a>) -> impl fmt::Display + use<'a> {
        self.width = self.width.max(line.interface.len());
        Padded {
            line,
            width: self.width,
        }
    }
}

struct Padded<'a> {
    line: &'a LogLine<'a>,
    width: usize,
}

impl fmt::Display for Padded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.line.write(f, self.width)
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    fn strict(line: &str) -> Result<LogLine<'_>, LineError> {
        LogLine::parse(line, Reading::Strict)
    }

    #[test]
    fn a_line_is_written_as_it_was_read() {
        for line in [
            "(1795152571.088280) vcan0 000#",
            "(1795152572.689101000) vcan0 123##4112233 T",
            "(0000000001.000001) can0 123#R5 R",
        ] {
            assert_eq!(strict(line).unwrap().to_string(), line);
        }
    }

    #[test]
    fn blanks_and_unknown_fourth_fields_are_read_over() {
        let line = strict("( 0000000001.000001)  vcan0 \t 123#11   X").unwrap();
        assert_eq!(line.to_string(), "(0000000001.000001) vcan0 123#11");
        assert_eq!(strict("(1.000001)vcan0 123#11").unwrap().interface, "vcan0");
    }

    #[test]
    fn each_fault_of_a_line_is_named() {
        assert_eq!(strict("(1700000000.123456) vcan0"), Err(LineError::Form));
        assert_eq!(strict("(1700000000.123456 vcan0 123#"), Err(LineError::Form));
        assert_eq!(strict("(1700000000) vcan0 123#11"), Err(LineError::Time));
        let fraction = LineError::Fraction { got: 7 };
        assert_eq!(strict("(1700000000.1234567) vcan0 123#11"), Err(fraction));
        let frame = LineError::Frame(FrameTextError::NoSeparator);
        assert_eq!(strict("(1700000000.123456) vcan0 123"), Err(frame));
    }

    #[test]
    fn names_are_padded_to_the_longest_seen_so_far() {
        let mut text = LogText::new();
        let lines = ["can0", "vcan10", "can0"].map(|name| {
            let line = LogLine::new(LogTime::default(), name, "1FF#".parse::<Message>().unwrap());
            text.line(&line).to_string()
        });
        assert_eq!(lines[0], "(0000000000.000000) can0 1FF#");
        assert_eq!(lines[1], "(0000000000.000000) vcan10 1FF#");
        assert_eq!(lines[2], "(0000000000.000000)   can0 1FF#");
    }
}
