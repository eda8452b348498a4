//! What goes to standard output: text for people, or one JSON object per line for programs.
//!
//! Lines are collected and written together at [`Output::flush`], so that a burst of frames costs one write.

mod progress;

use core::fmt;
use std::io::{self, Write};
use std::time::SystemTime;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

pub(crate) use self::progress::Progress;
use crate::failure::{Failure, Result};

/// The version of every JSON line. A field is never removed within a version.
const JSON_VERSION: u8 = 1;
/// Collected bytes at which they are written without waiting for a flush.
const WRITE_AT: usize = 16 * 1024;

/// Who reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

/// Whether notices are wanted on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notices {
    Show,
    Hide,
}

/// Standard output and standard error of one command.
#[derive(Debug)]
pub(crate) struct Output {
    format: Format,
    notices: Notices,
    buffer: Vec<u8>,
    collected: Collected,
}

/// What waits to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Collected {
    /// Lines, whose colours are taken out for who wants none.
    Lines,
    /// Bytes of somebody else, which may look like colours and are none.
    Bytes,
}

/// Adds the version in front of the fields of a line.
#[derive(Serialize)]
struct Versioned<'a, T> {
    v: u8,
    #[serde(flatten)]
    fields: &'a T,
}

impl Output {
    pub(crate) const fn new(format: Format, notices: Notices) -> Self {
        Self {
            format,
            notices,
            buffer: Vec::new(),
            collected: Collected::Lines,
        }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Whether notices are not wanted.
    pub(crate) fn is_quiet(&self) -> bool {
        self.notices == Notices::Hide
    }

    /// A line of text.
    pub(crate) fn text(&mut self, line: impl fmt::Display) -> Result {
        self.collect(Collected::Lines)?;
        // Writing into a vector cannot fail; a Display that fails leaves half a line, which is still a line.
        let _ = writeln!(self.buffer, "{line}");
        self.write_when_full()
    }

    /// A line of JSON.
    pub(crate) fn json(&mut self, fields: &impl Serialize) -> Result {
        self.collect(Collected::Lines)?;
        let line = Versioned {
            v: JSON_VERSION,
            fields,
        };
        serde_json::to_writer(&mut self.buffer, &line).map_err(|error| Failure::stdout(error.into()))?;
        self.buffer.push(b'\n');
        self.write_when_full()
    }

    /// Bytes as they are.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> Result {
        self.collect(Collected::Bytes)?;
        self.buffer.extend_from_slice(bytes);
        self.write_when_full()
    }

    /// What comes next is of this kind: what was collected of the other is written first.
    fn collect(&mut self, kind: Collected) -> Result {
        if self.collected != kind {
            self.flush()?;
            self.collected = kind;
        }
        Ok(())
    }

    /// A line in the form that is asked for.
    pub(crate) fn either<T: Serialize>(&mut self, fields: &T, text: impl FnOnce(&T) -> String) -> Result {
        match self.format {
            Format::Text => self.text(text(fields)),
            Format::Json => self.json(fields),
        }
    }

    /// Writes what was collected.
    pub(crate) fn flush(&mut self) -> Result {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let mut stdout: Box<dyn Write> = match self.collected {
            Collected::Lines => Box::new(anstream::stdout()),
            Collected::Bytes => Box::new(io::stdout()),
        };
        let written = stdout.write_all(&self.buffer).and_then(|()| stdout.flush());
        self.buffer.clear();
        written.map_err(Failure::stdout)
    }

    fn write_when_full(&mut self) -> Result {
        if self.buffer.len() < WRITE_AT {
            return Ok(());
        }
        self.flush()
    }

    /// A remark on standard error, in the form of the rest, unless `-q` was given.
    pub(crate) fn notice(&self, message: impl fmt::Display) {
        #[derive(Serialize)]
        struct Notice {
            r#type: &'static str,
            message: String,
        }
        if self.notices == Notices::Show {
            let notice = Notice {
                r#type: "notice",
                message: message.to_string(),
            };
            self.summary(&notice, |notice| notice.message.clone());
        }
    }

    /// A remark with fields on standard error, in the form of the rest, unless `-q` was given.
    pub(crate) fn remark<T: Serialize>(&self, fields: &T, text: impl FnOnce(&T) -> String) {
        if self.notices == Notices::Show {
            self.summary(fields, text);
        }
    }

    /// A bar on a terminal, unless `-q` was given or programs read.
    pub(crate) fn progress(&self, total: u64) -> Progress {
        Progress::new(self.notices == Notices::Show && !self.is_json(), total)
    }

    /// A failure after which the command goes on, told as the one that ends it.
    pub(crate) fn failure(&self, failure: &Failure) {
        complain(match self.format {
            Format::Text => failure.text(),
            Format::Json => failure.json(),
        });
    }

    /// The closing line of a command that streams: on standard error, always, in either form.
    pub(crate) fn summary<T: Serialize>(&self, fields: &T, text: impl FnOnce(&T) -> String) {
        match self.format {
            Format::Text => complain(text(fields)),
            Format::Json => {
                let line = Versioned {
                    v: JSON_VERSION,
                    fields,
                };
                complain(serde_json::to_string(&line).unwrap_or_default());
            }
        }
    }
}

/// A line on standard error. Nobody is left to be told when that fails.
pub(crate) fn complain(line: impl fmt::Display) {
    let _ = writeln!(anstream::stderr(), "{line}");
}

/// The time as JSON carries it: RFC 3339, UTC, nanoseconds.
pub(crate) fn timestamp(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).map_or_else(|_| String::new(), |time| format!("{time:.9}"))
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    #[derive(Serialize)]
    struct Fields {
        id: &'static str,
    }

    #[test]
    fn a_json_line_begins_with_its_version() {
        let mut output = Output::new(Format::Json, Notices::Show);
        output
            .either(&Fields { id: "7E0" }, |_| unreachable!("text was not asked for"))
            .unwrap();
        assert_eq!(output.buffer, b"{\"v\":1,\"id\":\"7E0\"}\n");
    }

    #[test]
    fn times_have_nine_decimals_and_are_utc() {
        let time = SystemTime::UNIX_EPOCH + Duration::new(1_795_152_592, 662_511_000);
        assert_eq!(timestamp(time), "2026-11-20T05:29:52.662511000Z");
        assert_eq!(
            timestamp(SystemTime::UNIX_EPOCH),
            "1970-01-01T00:00:00.000000000Z"
        );
    }
}
