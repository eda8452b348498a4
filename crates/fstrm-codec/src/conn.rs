//! A stream over one connection: the handshake, then payloads as `Stream` or `Sink` of `Bytes`.
//!
//! ```text
//! FstrmReader = Framed<S, FstrmCodec> + ReaderMachine + one timer    Stream<Item = Result<Bytes, ConnError>>
//! FstrmWriter = Framed<S, FstrmCodec> + WriterMachine + one timer    Sink<Bytes, Error = ConnError>
//! ```
//!
//! Both run over anything that reads and writes: Unix or TCP sockets, TLS, pipes joined with
//! `tokio::io::join`. Not here: connecting, listening, reconnecting.

mod clock;
mod reader;
mod writer;

use std::io;

use thiserror::Error;

pub(crate) use clock::Clock;
pub use reader::FstrmReader;
pub use writer::FstrmWriter;

use crate::codec::CodecError;
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
    /// The stream has been finished, or has failed before.
    #[error("the stream is closed")]
    Closed,
}

impl From<CodecError> for ConnError {
    fn from(error: CodecError) -> Self {
        match error {
            CodecError::Io(error) => Self::Io(error),
            CodecError::Frame(error) => Self::Frame(error),
            CodecError::Encode(error) => Self::Encode(error),
            // The reader turns a cut frame into its end of stream; a writer's peer has cut an answer.
            CodecError::Truncated { .. } => Self::Io(io::ErrorKind::UnexpectedEof.into()),
        }
    }
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
            ConnError::Handshake(HandshakeError::ReaderGone) | ConnError::Closed => io::ErrorKind::BrokenPipe,
            ConnError::Frame(_) | ConnError::Handshake(_) => io::ErrorKind::InvalidData,
            ConnError::Encode(_) | ConnError::Build(_) => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests;
