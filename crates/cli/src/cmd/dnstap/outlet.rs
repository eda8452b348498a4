//! Where messages are written to: frames or text, a file or standard output.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _, Stdout, Write as _};

use dnstap_codec::CONTENT_TYPE;
use fstrm_codec::file::WriteError;
use fstrm_codec::frame::{FrameConfig, Run};
use fstrm_codec::{ContentType, FileWriter};

use crate::failure::{Code, Failure, Result};

/// What becomes of a file that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Existing {
    /// It is left alone, and nothing is written.
    Refuse,
    /// What is written goes behind what is there.
    Append,
    /// It is written anew.
    Replace,
}

/// An open stream of dnstap.
#[derive(Debug)]
pub(super) struct Frames {
    name: String,
    to: To,
}

#[derive(Debug)]
enum To {
    File(FileWriter<File>),
    Stdout(FileWriter<Stdout>),
}

impl Frames {
    pub(super) fn open(name: &str, existing: Existing) -> Result<Self> {
        let content_type = ContentType::from_static(CONTENT_TYPE);
        let content_type = content_type.as_ref();
        let path = path(name);
        let to = if path == "-" {
            if io::stdout().is_terminal() {
                return Err(Failure::new(Code::Usage, "frames are nothing for a terminal")
                    .hint("name a file, or pipe them: tinwire dnstap gen - | tinwire dnstap cat -"));
            }
            FileWriter::new(io::stdout(), content_type)
                .map(To::Stdout)
                .map_err(stdout)
        } else {
            match existing {
                Existing::Refuse => {
                    FileWriter::create_new(path, content_type).map_err(|error| refused(path, error.into()))
                }
                Existing::Append => FileWriter::append(path, content_type)
                    .map(|(writer, _)| writer)
                    .map_err(|error| Failure::caused(Code::File, error).context(path)),
                Existing::Replace => File::create(path)
                    .map_err(WriteError::from)
                    .and_then(|file| FileWriter::new(file, content_type))
                    .map_err(|error| refused(path, error.into())),
            }
            .map(To::File)
        };
        Ok(Self {
            name: path.to_owned(),
            to: to?,
        })
    }

    /// Writes one frame.
    pub(super) fn write(&mut self, payload: &[u8]) -> Result {
        let written = match &mut self.to {
            To::File(writer) => writer.write_frame(payload),
            To::Stdout(writer) => writer.write_frame(payload),
        };
        written.map_err(|error| self.trouble(error))
    }

    /// Writes frames as they stand on the wire.
    pub(super) fn write_wire(&mut self, wire: &[u8]) -> Result {
        if wire.is_empty() {
            return Ok(());
        }
        let config = FrameConfig::new().max_data(core::num::NonZeroU32::MAX);
        let run = Run::decode(wire, config).map_err(|error| Failure::caused(Code::Malformed, error))?;
        let written = match &mut self.to {
            To::File(writer) => writer.write_run(&run),
            To::Stdout(writer) => writer.write_run(&run),
        };
        written.map_err(|error| self.trouble(error))
    }

    /// Writes what was collected.
    pub(super) fn flush(&mut self) -> Result {
        let written = match &mut self.to {
            To::File(writer) => writer.flush(),
            To::Stdout(writer) => writer.flush(),
        };
        written.map_err(|error| self.trouble(error.into()))
    }

    /// Writes STOP.
    pub(super) fn finish(self) -> Result {
        match self.to {
            To::File(writer) => writer
                .finish()
                .map(drop)
                .map_err(|error| Failure::caused(Code::File, error).context(&self.name)),
            To::Stdout(writer) => writer.finish().map(drop).map_err(stdout),
        }
    }

    fn trouble(&self, error: WriteError) -> Failure {
        match self.to {
            To::File(_) => Failure::caused(Code::File, error).context(&self.name),
            To::Stdout(_) => stdout(error),
        }
    }
}

/// An open file of text.
#[derive(Debug)]
pub(super) struct Text {
    name: String,
    file: File,
}

impl Text {
    pub(super) fn open(name: &str, existing: Existing) -> Result<Self> {
        let path = path(name);
        let mut options = OpenOptions::new();
        let file = match existing {
            Existing::Refuse => options.write(true).create_new(true),
            Existing::Append => options.append(true).create(true),
            Existing::Replace => options.write(true).create(true).truncate(true),
        };
        Ok(Self {
            name: path.to_owned(),
            file: file.open(path).map_err(|error| refused(path, error))?,
        })
    }

    pub(super) fn write(&mut self, text: &[u8]) -> Result {
        self.file
            .write_all(text)
            .map_err(|error| Failure::caused(Code::File, error).context(&self.name))
    }
}

fn path(name: &str) -> &str {
    name.strip_prefix("file:").unwrap_or(name)
}

fn refused(path: &str, error: io::Error) -> Failure {
    let is_there = error.kind() == io::ErrorKind::AlreadyExists;
    let failure = Failure::caused(Code::File, error).context(path);
    if is_there {
        failure.hint("-a goes on behind what is in it")
    } else {
        failure
    }
}

fn stdout(error: WriteError) -> Failure {
    Failure::stdout(error.into())
}
