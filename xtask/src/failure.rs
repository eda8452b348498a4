//! The one error of this program: what to print and which status to exit with.

use core::fmt;
use std::io;
use std::path::Path;

pub(crate) type Result<T = ()> = core::result::Result<T, Failure>;

/// Ends a verb; `main` prints the message, unless that was done, and exits with the status.
#[derive(Debug)]
pub(crate) struct Failure {
    status: u8,
    message: String,
}

impl Failure {
    /// Something the verb checks is red.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            status: 1,
            message: message.into(),
        }
    }

    /// The command line makes no sense, or there is nothing to run.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(message).with_status(2)
    }

    /// A file could not be read or written.
    pub(crate) fn at(path: &Path, error: &io::Error) -> Self {
        Self::new(format!("{}: {error}", path.display()))
    }

    pub(crate) fn with_status(self, status: u8) -> Self {
        Self { status, ..self }
    }

    /// Prints the message now, where something else has to be the last line.
    pub(crate) fn tell(self) -> Self {
        if !self.message.is_empty() {
            eprintln!("xtask: {}", self.message);
        }
        Self {
            message: String::new(),
            ..self
        }
    }

    pub(crate) fn status(&self) -> u8 {
        self.status
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
