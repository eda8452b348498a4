//! The copy that `fstrm dump` makes of a stream.

use core::num::NonZeroU32;
use std::fs::{self, File};
use std::io;

use fstrm_codec::{ContentType, ControlFrame, FileWriter, FrameConfig, Run};

use super::words::Piece;
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
        if let Some(content_type) = &piece.started {
            self.start(session, content_type.as_ref())?;
        }
        if piece.wire.is_empty() {
            return Ok(());
        }
        match self {
            Self::File { name, writer } => {
                let config = FrameConfig::new().max_data(NonZeroU32::MAX);
                let run =
                    Run::decode(&piece.wire, config).map_err(|error| Failure::caused(Code::File, error))?;
                writer
                    .write_run(&run)
                    .map_err(|error| Failure::caused(Code::File, error).context(name))
            }
            Self::Stdout { .. } => session.output.raw(&piece.wire),
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

    fn start(&mut self, session: &mut Session, content_type: Option<&ContentType>) -> Result {
        match self {
            Self::Announced { name, is_forced } => {
                let made = if *is_forced {
                    File::create(&*name)
                } else {
                    File::create_new(&*name)
                };
                let file = made.map_err(|error| refused(name, error))?;
                let writer = FileWriter::new(file, content_type)
                    .map_err(|error| Failure::caused(Code::File, error).context(&*name))?;
                let name = core::mem::take(name);
                *self = Self::File { name, writer };
            }
            Self::Stdout { is_open } => {
                *is_open = true;
                let start = ControlFrame::start(content_type.map(ContentType::as_bytes));
                let start = start.map_err(|error| Failure::caused(Code::File, error))?;
                session.output.raw(start.as_bytes())?;
            }
            Self::Nowhere | Self::File { .. } => {}
        }
        Ok(())
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
