//! Whole logs.

use thiserror::Error;

use super::{LineError, LogLine, Reading};

/// The longest line that is read: a CAN XL frame of 2048 bytes with every dot, and room for its head.
pub const MAX_LINE_LEN: usize = 8192;

/// One thing in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogItem<'a> {
    /// A frame or an error report.
    Line(LogLine<'a>),
    /// `candump -d` lost frames here.
    DropCount {
        /// The interface's name.
        interface: &'a str,
        /// Frames lost since the last such line.
        dropped: u64,
        /// Frames lost since the start.
        total: u64,
    },
    /// A line beginning with `#` or `;`.
    Comment(&'a str),
    /// Any other line that does not begin with `(`; canplayer skips it without a word.
    Skipped(&'a str),
    /// A line that should be a frame but is none.
    Bad(BadLine),
}

/// A line that should be a frame but is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("line {number}: {reason}")]
pub struct BadLine {
    /// Its number in the log, from 1.
    pub number: u64,
    /// What is wrong with it.
    pub reason: LineError,
}

impl<'a> LogItem<'a> {
    /// Reads line `number`; `None` for a blank line.
    #[must_use]
    pub fn parse(line: &'a str, number: u64, reading: Reading) -> Option<Self> {
        let line = line.trim_end();
        Some(match line.bytes().next()? {
            b'(' => match LogLine::parse(line, reading) {
                Ok(line) => Self::Line(line),
                Err(reason) => Self::Bad(BadLine { number, reason }),
            },
            b'#' | b';' => Self::Comment(line),
            _ => drop_count(line).unwrap_or(Self::Skipped(line)),
        })
    }
}

/// `DROPCOUNT: dropped 294 CAN frames on 'vcan0' socket (total drops 294)`; "frame" when it is one.
fn drop_count(line: &str) -> Option<LogItem<'_>> {
    let rest = line.strip_prefix("DROPCOUNT: dropped ")?;
    let (dropped, rest) = rest.split_once(" CAN frame")?;
    let (_, rest) = rest.split_once('\'')?;
    let (interface, rest) = rest.split_once("' socket (total drops ")?;
    Some(LogItem::DropCount {
        interface,
        dropped: dropped.parse().ok()?,
        total: rest.strip_suffix(')')?.parse().ok()?,
    })
}

/// The items of a log that is in memory.
///
/// ```
/// use can_link::candump::{Log, LogItem, Reading};
///
/// let text = "(1700000000.000001) can0 123#1122\n# a comment\n";
/// let frames = Log::new(text, Reading::Strict).filter(|item| matches!(item, LogItem::Line(_)));
/// assert_eq!(frames.count(), 1);
/// ```
#[derive(Clone, Debug)]
pub struct Log<'a> {
    lines: core::str::Lines<'a>,
    number: u64,
    reading: Reading,
}

impl<'a> Log<'a> {
    /// The items of `text`.
    #[must_use]
    pub fn new(text: &'a str, reading: Reading) -> Self {
        Self {
            lines: text.lines(),
            number: 0,
            reading,
        }
    }
}

impl<'a> Iterator for Log<'a> {
    type Item = LogItem<'a>;

    fn next(&mut self) -> Option<LogItem<'a>> {
        loop {
            let line = self.lines.next()?;
            self.number += 1;
            if let Some(item) = LogItem::parse(line, self.number, self.reading) {
                return Some(item);
            }
        }
    }
}

#[cfg(feature = "std")]
pub use from_file::LogReader;

#[cfg(feature = "std")]
mod from_file {
    use alloc::vec::Vec;
    use std::io::{self, BufRead, Read};

    use super::{BadLine, LineError, LogItem, MAX_LINE_LEN, Reading};

    /// Reads the items of a log from a file or pipe, one line in memory at a time.
    #[derive(Debug)]
    pub struct LogReader<R> {
        input: R,
        line: Vec<u8>,
        number: u64,
        reading: Reading,
    }

    impl<R: BufRead> LogReader<R> {
        /// A reader of `input`.
        #[must_use]
        pub const fn new(input: R, reading: Reading) -> Self {
            Self {
                input,
                line: Vec::new(),
                number: 0,
                reading,
            }
        }

        /// The next item, or `None` at the end.
        ///
        /// A line longer than [`MAX_LINE_LEN`] is one bad item; reading goes on behind it.
        ///
        /// # Errors
        /// Those of the input.
        pub fn read_item(&mut self) -> io::Result<Option<LogItem<'_>>> {
            loop {
                match self.read_line()? {
                    Line::End => return Ok(None),
                    Line::Blank => {}
                    Line::Bad(reason) => {
                        let number = self.number;
                        return Ok(Some(LogItem::Bad(BadLine { number, reason })));
                    }
                    Line::Text => break,
                }
            }
            let text = core::str::from_utf8(&self.line).unwrap_or_default();
            Ok(LogItem::parse(text, self.number, self.reading))
        }

        /// The number of the line that was read last, from 1.
        #[must_use]
        pub const fn line_number(&self) -> u64 {
            self.number
        }

        fn read_line(&mut self) -> io::Result<Line> {
            self.line.clear();
            let limit = u64::try_from(MAX_LINE_LEN).unwrap_or(u64::MAX);
            let mut input = Read::take(&mut self.input, limit);
            if input.read_until(b'\n', &mut self.line)? == 0 {
                return Ok(Line::End);
            }
            self.number += 1;
            if self.line.len() == MAX_LINE_LEN && !self.line.ends_with(b"\n") {
                self.input.skip_until(b'\n')?;
                return Ok(Line::Bad(LineError::TooLong { max: MAX_LINE_LEN }));
            }
            Ok(match core::str::from_utf8(&self.line) {
                Err(_) => Line::Bad(LineError::NotText),
                Ok(text) if text.trim_end().is_empty() => Line::Blank,
                Ok(_) => Line::Text,
            })
        }
    }

    /// What `read_line` left in the buffer.
    enum Line {
        End,
        Blank,
        Bad(LineError),
        Text,
    }
}

#[cfg(test)]
#[cfg(feature = "std")]
mod tests {
    use std::string::String;
    use std::vec::Vec;

    use super::super::{FrameTextError, LogTime, Message};
    use super::*;

    const TEXT: &str = "# made by hand\n\n(1.000000) can0 123#11\r\n 123#22\n(1.000001) can0 123#1\n\
        DROPCOUNT: dropped 1 CAN frame on 'can0' socket (total drops 295)\n; end";

    fn expected() -> Vec<LogItem<'static>> {
        let message = "123#11".parse::<Message>().unwrap();
        let reason = LineError::Frame(FrameTextError::Short { at: 5 });
        std::vec![
            LogItem::Comment("# made by hand"),
            LogItem::Line(LogLine::new(LogTime::new(1, 0).unwrap(), "can0", message)),
            LogItem::Skipped(" 123#22"),
            LogItem::Bad(BadLine { number: 5, reason }),
            LogItem::DropCount {
                interface: "can0",
                dropped: 1,
                total: 295
            },
            LogItem::Comment("; end"),
        ]
    }

    #[test]
    fn a_bad_line_is_reported_with_its_number_and_reading_goes_on() {
        let items: Vec<_> = Log::new(TEXT, Reading::Strict).collect();
        assert_eq!(items, expected());
    }

    #[test]
    fn a_reader_gives_the_items_of_the_text() {
        let mut reader = LogReader::new(TEXT.as_bytes(), Reading::Strict);
        for item in expected() {
            assert_eq!(reader.read_item().unwrap(), Some(item));
        }
        assert_eq!(reader.read_item().unwrap(), None);
    }

    #[test]
    fn an_endless_line_and_binary_rubbish_cost_one_item_each() {
        let mut input = "(1.000000) can0 123#".as_bytes().to_vec();
        input.resize(3 * MAX_LINE_LEN, b'1');
        input.extend(b"\n\xFF\xFE\n(1.000000) can0 123#");
        let mut reader = LogReader::new(input.as_slice(), Reading::Strict);
        let max = MAX_LINE_LEN;
        for (number, reason) in [(1, LineError::TooLong { max }), (2, LineError::NotText)] {
            let item = LogItem::Bad(BadLine { number, reason });
            assert_eq!(reader.read_item().unwrap(), Some(item));
        }
        assert!(matches!(reader.read_item().unwrap(), Some(LogItem::Line(_))));
    }

    #[test]
    fn the_longest_frame_fits_a_line() {
        let data = std::vec!["FF"; 2048].join(".");
        let line = std::format!("(1700000000.123456789) averyverylongif 45123#83:00:12345678#{data} T\n");
        let mut text = String::from("\n");
        text.push_str(&line);
        assert!(text.len() < MAX_LINE_LEN);
        let mut reader = LogReader::new(text.as_bytes(), Reading::Strict);
        assert!(matches!(reader.read_item().unwrap(), Some(LogItem::Line(_))));
    }
}
