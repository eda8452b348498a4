//! A stream over one connection: the handshake, then runs of frames, or payloads one by one.
//!
//! ```text
//! FstrmReader = buffer, Parser, ReaderMachine, one timer   next_run; Stream<Item = Result<Bytes, ConnError>>
//! FstrmWriter = WriterMachine, pieces to write, one timer   send_run; Sink<Bytes, Error = ConnError>
//! ```
//!
//! Both run over anything that reads and writes: Unix or TCP sockets, TLS, pipes joined with
//! `tokio::io::join`. Not here: connecting, listening, reconnecting.

mod clock;
mod inlet;
mod outlet;
mod reader;
mod writer;

use core::time::Duration;
use std::io;

use thiserror::Error;

pub(crate) use clock::Clock;
pub use reader::FstrmReader;
pub use writer::FstrmWriter;

use crate::control::BuildError;
use crate::frame::{EncodeError, FrameError};
use crate::handshake::{Absence, HandshakeError};

/// Why a connection failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnError {
    /// The transport failed.
    #[error("transport failed")]
    Io(#[from] io::Error),
    /// The peer's bytes are not frames.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The peer's frames are not this protocol, or an answer is missing.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// The payload cannot be sent; the connection is unharmed.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The configured content types do not fit into a control frame.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The writer has sent nothing for the reader's idle timeout.
    #[error("no data for {after:?}")]
    Idle {
        /// The timeout.
        after: Duration,
    },
    /// The reader has taken no bytes for the writer's write timeout.
    #[error("the peer has taken no bytes for {after:?}")]
    Stalled {
        /// The timeout.
        after: Duration,
    },
    /// The stream has been finished, or has failed before.
    #[error("the stream is closed")]
    Closed,
}

impl From<ConnError> for io::Error {
    fn from(error: ConnError) -> Self {
        let kind = match &error {
            ConnError::Io(_) => match error {
                ConnError::Io(error) => return error,
                other => return Self::other(other),
            },
            ConnError::Handshake(
                HandshakeError::NoAnswer { absence, .. } | HandshakeError::NoFinish { absence },
            ) => match absence {
                Absence::Timeout => io::ErrorKind::TimedOut,
                Absence::Closed => io::ErrorKind::UnexpectedEof,
            },
            ConnError::Idle { .. } | ConnError::Stalled { .. } => io::ErrorKind::TimedOut,
            ConnError::Handshake(HandshakeError::ReaderGone) | ConnError::Closed => io::ErrorKind::BrokenPipe,
            ConnError::Frame(_) | ConnError::Handshake(_) => io::ErrorKind::InvalidData,
            ConnError::Encode(_) | ConnError::Build(_) => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests;
