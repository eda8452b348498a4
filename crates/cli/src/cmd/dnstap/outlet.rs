//! Where messages are written to: frames or text, a file or standard output.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _, Stdout, Write as _};

use dnstap_codec::CONTENT_TYPE;
use fstrm_codec::endpoint::{DialConfig, Dialer, Endpoint};
use fstrm_codec::file::WriteError;
use fstrm_codec::frame::{FrameConfig, Run};
use fstrm_codec::sender::{self, SendError, Sender};
use fstrm_codec::{ContentType, FileWriter, OwnedRun};

use super::printer::Piece;
use crate::cmd::Session;
use crate::failure::{Code, Failure, Result};

/// Everything that messages are written to.
#[derive(Debug, Default)]
pub(super) struct Outlets {
    /// Where text goes.
    pub(super) text: Option<To>,
    /// Where frames go.
    pub(super) file: Option<Frames>,
    /// Streams that frames are sent to.
    pub(super) senders: Vec<Sender>,
}

/// Where text goes.
#[derive(Debug)]
pub(super) enum To {
    /// Standard output.
    Output,
    File(Text),
}

impl Outlets {
    pub(super) async fn write(&mut self, session: &mut Session, piece: Piece) -> Result {
        match &mut self.text {
            None => {}
            Some(To::Output) => session.output.raw(&piece.text)?,
            Some(To::File(file)) => file.write(&piece.text)?,
        }
        if let Some(file) = &mut self.file {
            file.write_wire(&piece.frames)?;
        }
        if self.senders.is_empty() || piece.frames.is_empty() {
            return Ok(());
        }
        let run = OwnedRun::decode(piece.frames.into(), unlimited())
            .map_err(|error| Failure::caused(Code::Malformed, error))?;
        for sender in &self.senders {
            // With the policy block, the receipt of frames that are waited for elsewhere.
            sender.send_run(run.clone()).await.map_err(unsent)?;
        }
        Ok(())
    }

    /// Writes what was collected; what was sent has been taken by its transport then.
    pub(super) async fn flush(&mut self, session: &mut Session) -> Result {
        session.output.flush()?;
        if let Some(file) = &mut self.file {
            file.flush()?;
        }
        for sender in &self.senders {
            sender.flush().await.map_err(unsent)?;
        }
        Ok(())
    }

    /// Ends files, and opens what their names stand for now: the same ones, to be gone on with, or new ones
    /// where somebody has moved them away.
    pub(super) fn reopen(&mut self) -> Result {
        if let Some(To::File(file)) = &mut self.text {
            *file = Text::open(&file.name, Existing::Append)?;
        }
        if let Some(file) = self.file.take() {
            self.file = Some(file.reopen()?);
        }
        Ok(())
    }

    /// Ends the streams; how many frames could not be sent.
    pub(super) async fn finish(self) -> Result<u64> {
        if let Some(file) = self.file {
            file.finish()?;
        }
        let mut left = 0;
        for sender in self.senders {
            left += sender.close().await.left();
        }
        Ok(left)
    }
}

/// A stream of dnstap to a collector.
pub(super) fn sender(endpoint: &Endpoint, dial: DialConfig) -> Result<Sender> {
    let dialer = Dialer::new(endpoint, dial).map_err(|error| Failure::caused(Code::BadAddress, error))?;
    let mut config = sender::Config::new();
    if let Some(content_type) = ContentType::from_static(CONTENT_TYPE) {
        config = config.content_type(content_type);
    }
    Sender::spawn(dialer, config).map_err(|error| Failure::caused(Code::Usage, error))
}

fn unsent(error: SendError) -> Failure {
    Failure::caused(Code::NotSent, error)
}

/// Frames that were read are within the limit of whoever read them.
fn unlimited() -> FrameConfig {
    FrameConfig::new().max_data(core::num::NonZeroU32::MAX)
}

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
    to: Kept,
}

#[derive(Debug)]
enum Kept {
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
                .map(Kept::Stdout)
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
            .map(Kept::File)
        };
        Ok(Self {
            name: path.to_owned(),
            to: to?,
        })
    }

    /// Writes one frame.
    pub(super) fn write(&mut self, payload: &[u8]) -> Result {
        let written = match &mut self.to {
            Kept::File(writer) => writer.write_frame(payload),
            Kept::Stdout(writer) => writer.write_frame(payload),
        };
        written.map_err(|error| self.trouble(error))
    }

    /// Writes frames as they stand on the wire.
    pub(super) fn write_wire(&mut self, wire: &[u8]) -> Result {
        if wire.is_empty() {
            return Ok(());
        }
        let run = Run::decode(wire, unlimited()).map_err(|error| Failure::caused(Code::Malformed, error))?;
        let written = match &mut self.to {
            Kept::File(writer) => writer.write_run(&run),
            Kept::Stdout(writer) => writer.write_run(&run),
        };
        written.map_err(|error| self.trouble(error))
    }

    /// Writes what was collected.
    pub(super) fn flush(&mut self) -> Result {
        let written = match &mut self.to {
            Kept::File(writer) => writer.flush(),
            Kept::Stdout(writer) => writer.flush(),
        };
        written.map_err(|error| self.trouble(error.into()))
    }

    /// Writes STOP.
    pub(super) fn finish(self) -> Result {
        match self.to {
            Kept::File(writer) => writer
                .finish()
                .map(drop)
                .map_err(|error| Failure::caused(Code::File, error).context(&self.name)),
            Kept::Stdout(writer) => writer.finish().map(drop).map_err(stdout),
        }
    }

    /// Writes STOP, and goes on in the file that the name stands for now. Standard output stays as it is.
    fn reopen(self) -> Result<Self> {
        if let Kept::Stdout(_) = self.to {
            return Ok(self);
        }
        let name = self.name.clone();
        self.finish()?;
        Self::open(&name, Existing::Append)
    }

    fn trouble(&self, error: WriteError) -> Failure {
        match self.to {
            Kept::File(_) => Failure::caused(Code::File, error).context(&self.name),
            Kept::Stdout(_) => stdout(error),
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
