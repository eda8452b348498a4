//! The copy that `fstrm dump` makes of a stream.

use core::num::NonZeroU32;
use std::fs::{self, File};
use std::io;

use fstrm_codec::{ContentType, ControlFrame, FileWriter, FrameConfig, Run};

use super::words::{Copied, Piece};
use crate::args::fstrm::Dump;
use crate::cmd::Session;
use crate::failure::{Code, Failure, Result};

/// Where the frames go.
#[derive(Debug)]
pub(super) enum Copy {
    Nowhere,
    /// To a file, which is made when the stream begins.
    Announced {
        name: String,
        is_forced: bool,
    },
    File {
        name: String,
        writer: FileWriter<File>,
    },
    /// To standard output, between the words: the tool does that, too.
    Stdout {
        is_open: bool,
    },
}

impl Copy {
    /// Looks whether the copy can be made.
    pub(super) fn to(args: &Dump) -> Result<Self> {
        let Some(name) = &args.output else {
            return Ok(Self::Nowhere);
        };
        if name == "-" {
            return Ok(Self::Stdout { is_open: false });
        }
        let name = name.strip_prefix("file:").unwrap_or(name).to_owned();
        let input = args.input.strip_prefix("file:").unwrap_or(&args.input);
        if fs::canonicalize(input).is_ok_and(|input| fs::canonicalize(&name).is_ok_and(|name| name == input))
        {
            return Err(Failure::new(
                Code::Usage,
                format_args!("{name} is the input: a copy would destroy it"),
            ));
        }
        let is_forced = args.force;
        Ok(Self::Announced { name, is_forced })
    }

    pub(super) const fn is_wanted(&self) -> bool {
        !matches!(self, Self::Nowhere)
    }

    /// Adds what came.
    pub(super) fn take(&mut self, session: &mut Session, piece: &Piece) -> Result {
        piece.copied.iter().try_for_each(|part| match part {
            Copied::Start(content_type) => self.start(session, content_type.as_ref()),
            Copied::Frames(wire) => self.frames(session, wire),
        })
    }

    fn frames(&mut self, session: &mut Session, wire: &[u8]) -> Result {
        match self {
            Self::File { name, writer } => {
                let config = FrameConfig::new().max_data(NonZeroU32::MAX);
                let run = Run::decode(wire, config).map_err(|error| Failure::caused(Code::File, error))?;
                writer
                    .write_run(&run)
                    .map_err(|error| Failure::caused(Code::File, error).context(name))
            }
            Self::Stdout { .. } => session.output.raw(wire),
            Self::Nowhere | Self::Announced { .. } => Ok(()),
        }
    }

    /// Ends the copy with STOP, if it began.
    pub(super) fn finish(self, session: &mut Session) -> Result {
        match self {
            Self::File { name, writer } => writer
                .finish()
                .map(drop)
                .map_err(|error| Failure::caused(Code::File, error).context(name)),
            Self::Stdout { is_open: true } => session.output.raw(ControlFrame::stop().as_bytes()),
            Self::Nowhere | Self::Announced { .. } | Self::Stdout { is_open: false } => Ok(()),
        }
    }

    /// Begins a stream, behind STOP of the one before.
    fn start(&mut self, session: &mut Session, content_type: Option<&ContentType>) -> Result {
        match core::mem::replace(self, Self::Nowhere) {
            Self::Announced { name, is_forced } => {
                let made = if is_forced {
                    File::create(&name)
                } else {
                    File::create_new(&name)
                };
                let file = made.map_err(|error| refused(&name, error))?;
                *self = Self::begin(name, file, content_type)?;
            }
            Self::File { name, writer } => {
                let file = writer
                    .finish()
                    .map_err(|error| Failure::caused(Code::File, error).context(&name))?;
                *self = Self::begin(name, file, content_type)?;
            }
            Self::Stdout { is_open } => {
                *self = Self::Stdout { is_open: true };
                if is_open {
                    session.output.raw(ControlFrame::stop().as_bytes())?;
                }
                let start = ControlFrame::start(content_type.map(ContentType::as_bytes));
                let start = start.map_err(|error| Failure::caused(Code::File, error))?;
                session.output.raw(start.as_bytes())?;
            }
            Self::Nowhere => {}
        }
        Ok(())
    }

    fn begin(name: String, file: File, content_type: Option<&ContentType>) -> Result<Self> {
        let writer = FileWriter::new(file, content_type)
            .map_err(|error| Failure::caused(Code::File, error).context(&name))?;
        Ok(Self::File { name, writer })
    }
}

fn refused(name: &str, error: io::Error) -> Failure {
    let is_there = error.kind() == io::ErrorKind::AlreadyExists;
    let failure = Failure::caused(Code::File, error).context(name);
    if is_there {
        failure.hint("--force replaces it")
    } else {
        failure
    }
}
