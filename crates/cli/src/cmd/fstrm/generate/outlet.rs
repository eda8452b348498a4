//! Where numbered frames go: a file, standard output, or a collector.

use std::fs::File;
use std::io::{self, IsTerminal as _, Stdout};
use std::path::PathBuf;

use bytes::Bytes;
use fstrm_codec::endpoint::{DialConfig, Dialer, Endpoint, ParseEndpointError, Place};
use fstrm_codec::file::WriteError;
use fstrm_codec::frame::FrameConfig;
use fstrm_codec::sender::{self, Sender};
use fstrm_codec::{ContentType, FileWriter, OwnedRun, queue};

use crate::args::fstrm::{Delivery, OnFull, Sending};
use crate::cmd::streams::client;
use crate::failure::{Code, Failure, Result};

/// An open target.
pub(in crate::cmd) enum Outlet {
    File {
        writer: FileWriter<File>,
        name: String,
        frames: u64,
    },
    Stdout {
        writer: FileWriter<Stdout>,
        frames: u64,
    },
    Socket {
        sender: Sender,
        linger: core::time::Duration,
    },
}

/// What became of the frames.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::cmd) struct Sent {
    pub(in crate::cmd) offered: u64,
    pub(in crate::cmd) sent: u64,
    pub(in crate::cmd) dropped: u64,
    pub(in crate::cmd) left: u64,
}

impl Outlet {
    pub(in crate::cmd) fn open(
        target: &str,
        content_type: Option<ContentType>,
        args: &Sending,
    ) -> Result<Self> {
        let endpoint = endpoint(target)?;
        match &endpoint.place {
            Place::Standard => Self::stdout(content_type.as_ref()),
            Place::File(path) => Self::file(&path.display().to_string(), args, content_type.as_ref()),
            _ => Self::socket(&endpoint, args, content_type),
        }
    }

    /// Whether somebody receives at the time.
    pub(in crate::cmd) const fn is_live(&self) -> bool {
        matches!(self, Self::Socket { .. })
    }

    fn stdout(content_type: Option<&ContentType>) -> Result<Self> {
        if io::stdout().is_terminal() {
            return Err(Failure::new(Code::Usage, "frames are nothing for a terminal")
                .hint("name a file, or pipe them into tinwire fstrm cat -"));
        }
        let writer = FileWriter::new(io::stdout(), content_type).map_err(stdout)?;
        Ok(Self::Stdout { writer, frames: 0 })
    }

    fn file(name: &str, args: &Sending, content_type: Option<&ContentType>) -> Result<Self> {
        let writer = if args.append {
            FileWriter::append(name, content_type)
                .map(|(writer, _)| writer)
                .map_err(|error| Failure::caused(Code::File, error).context(name))
        } else {
            FileWriter::create_new(name, content_type).map_err(|error| {
                let is_there =
                    matches!(&error, WriteError::Io(error) if error.kind() == io::ErrorKind::AlreadyExists);
                let failure = Failure::caused(Code::File, error).context(name);
                if is_there {
                    failure.hint("-a goes on behind what is in it")
                } else {
                    failure
                }
            })
        };
        Ok(Self::File {
            writer: writer?,
            name: name.to_owned(),
            frames: 0,
        })
    }

    fn socket(endpoint: &Endpoint, args: &Sending, content_type: Option<ContentType>) -> Result<Self> {
        let mut dial = DialConfig::new();
        if matches!(endpoint.place, Place::Tls(_)) {
            dial = client(&args.tls, dial)?;
        }
        let dialer = Dialer::new(endpoint, dial).map_err(|error| Failure::caused(Code::BadAddress, error))?;
        let config = sender::Config::new()
            .policy(match args.on_full {
                OnFull::Block => queue::Policy::Block,
                OnFull::DropNew => queue::Policy::DropNewest,
                OnFull::DropOld => queue::Policy::DropOldest,
            })
            .delivery(match args.delivery {
                Delivery::Written => queue::Delivery::Written,
                Delivery::Confirmed => queue::Delivery::Confirmed,
            });
        let config = match content_type {
            Some(content_type) => config.content_type(content_type),
            None => config,
        };
        let sender = Sender::spawn(dialer, config).map_err(|error| Failure::caused(Code::Usage, error))?;
        Ok(Self::Socket {
            sender,
            linger: args.linger,
        })
    }

    /// Takes frames as they stand on the wire.
    pub(in crate::cmd) async fn write(&mut self, wire: Vec<u8>) -> Result {
        // They were made to be frames.
        let run = OwnedRun::decode(Bytes::from(wire), FrameConfig::new())
            .map_err(|error| Failure::caused(Code::Usage, error))?;
        match self {
            Self::File { writer, name, frames } => {
                *frames += run.frames();
                let written = writer.write_run(&run.as_run());
                tokio::task::yield_now().await;
                written.map_err(|error| Failure::caused(Code::File, error).context(&*name))
            }
            Self::Stdout { writer, frames } => {
                *frames += run.frames();
                let written = writer.write_run(&run.as_run());
                tokio::task::yield_now().await;
                written.map_err(stdout)
            }
            Self::Socket { sender, .. } => {
                let sent = sender.send_run(run).await;
                sent.map(drop)
                    .map_err(|error| Failure::caused(Code::NotSent, error))
            }
        }
    }

    /// Waits until a collector has everything, however long that takes.
    pub(in crate::cmd) async fn drain(&mut self) -> Result {
        match self {
            Self::Socket { sender, linger } => loop {
                let before = sender.stats().frames.sent;
                match tokio::time::timeout(*linger, sender.flush()).await {
                    Ok(flushed) => {
                        return flushed.map_err(|error| Failure::caused(Code::NotSent, error));
                    }
                    // As long as it takes some, it gets all the time it needs.
                    Err(_) if sender.stats().frames.sent > before => {}
                    Err(_) => return Ok(()),
                }
            },
            Self::File { .. } | Self::Stdout { .. } => Ok(()),
        }
    }

    /// Writes STOP.
    pub(in crate::cmd) async fn finish(self) -> Result<Sent> {
        let all = |frames| Sent {
            offered: frames,
            sent: frames,
            ..Sent::default()
        };
        match self {
            Self::File { writer, name, frames } => match writer.finish() {
                Ok(_) => Ok(all(frames)),
                Err(error) => Err(Failure::caused(Code::File, error).context(name)),
            },
            Self::Stdout { writer, frames } => writer.finish().map(|_| all(frames)).map_err(stdout),
            Self::Socket { sender, linger } => {
                let report = sender.close_within(linger).await;
                let frames = report.stats.frames;
                Ok(Sent {
                    offered: frames.offered,
                    sent: frames.sent,
                    dropped: frames.dropped.frames() - report.left(),
                    left: report.left(),
                })
            }
        }
    }
}

/// A word that names no kind of place is a file.
fn endpoint(target: &str) -> Result<Endpoint> {
    let is_bare = target != "-" && !target.contains(':') && !target.contains('+');
    if is_bare {
        return Ok(Endpoint::new(Place::File(PathBuf::from(target))));
    }
    let parsed: core::result::Result<_, ParseEndpointError> = target.parse();
    parsed.map_err(|error| Failure::caused(Code::BadAddress, error))
}

fn stdout(error: WriteError) -> Failure {
    Failure::stdout(error.into())
}
