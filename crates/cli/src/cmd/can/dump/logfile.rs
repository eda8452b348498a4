//! `-l` and `-f`: log lines into a file.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use super::super::super::Session;
use super::printer::LogLines;
use super::sources::Tagged;
use crate::args::can::Dump;
use crate::failure::{Code, Failure, Result};

#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: BufWriter<File>,
    lines: LogLines,
}

impl LogFile {
    /// The file that the flags ask for, if they do. An existing one is overwritten, as candump does.
    pub(super) fn create(session: &Session, args: &Dump) -> Result<Option<Self>> {
        let path = match &args.file {
            Some(path) if path.as_os_str() == "-" => return Ok(None),
            Some(path) => path.clone(),
            None if args.log => jiff::Zoned::now()
                .strftime("candump-%Y-%m-%d_%H%M%S.log")
                .to_string()
                .into(),
            None => return Ok(None),
        };
        let file = File::create(&path).map_err(|error| trouble(&path, error))?;
        session
            .output
            .notice(format_args!("logging into {}", path.display()));
        Ok(Some(Self {
            file: BufWriter::new(file),
            lines: LogLines::new(args),
            path,
        }))
    }

    pub(super) fn write(&mut self, event: &Tagged) -> Result {
        let Some(line) = self.lines.line(event) else {
            return Ok(());
        };
        writeln!(self.file, "{line}").map_err(|error| trouble(&self.path, error))
    }

    pub(super) fn flush(&mut self) -> Result {
        self.file.flush().map_err(|error| trouble(&self.path, error))
    }
}

fn trouble(path: &Path, error: std::io::Error) -> Failure {
    Failure::caused(Code::File, error).context(format_args!("writing {}", path.display()))
}
