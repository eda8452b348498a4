//! Where frames are written to.

use std::fs::File;
use std::io::{self, IsTerminal as _, Stdout};

use dnstap_codec::CONTENT_TYPE;
use fstrm_codec::file::WriteError;
use fstrm_codec::{ContentType, FileWriter};

use crate::failure::{Code, Failure, Result};

/// Whether a file that exists is gone on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Existing {
    /// It is left alone, and nothing is written.
    Refuse,
    /// The frames go behind what is there.
    Append,
}

/// An open stream of dnstap.
#[derive(Debug)]
pub(super) struct Outlet {
    name: String,
    to: To,
}

#[derive(Debug)]
enum To {
    File(FileWriter<File>),
    Stdout(FileWriter<Stdout>),
}

impl Outlet {
    pub(super) fn open(name: &str, existing: Existing) -> Result<Self> {
        let content_type = ContentType::from_static(CONTENT_TYPE);
        let content_type = content_type.as_ref();
        let path = name.strip_prefix("file:").unwrap_or(name);
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
                    FileWriter::create_new(path, content_type).map_err(|error| refused(path, error))
                }
                Existing::Append => FileWriter::append(path, content_type)
                    .map(|(writer, _)| writer)
                    .map_err(|error| Failure::caused(Code::File, error).context(path)),
            }
            .map(To::File)
        };
        Ok(Self {
            name: path.to_owned(),
            to: to?,
        })
    }

    pub(super) fn write(&mut self, payload: &[u8]) -> Result {
        match &mut self.to {
            To::File(writer) => writer
                .write_frame(payload)
                .map_err(|error| Failure::caused(Code::File, error).context(&self.name)),
            To::Stdout(writer) => writer.write_frame(payload).map_err(stdout),
        }
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
}

fn refused(path: &str, error: WriteError) -> Failure {
    let is_there = matches!(&error, WriteError::Io(error) if error.kind() == io::ErrorKind::AlreadyExists);
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
