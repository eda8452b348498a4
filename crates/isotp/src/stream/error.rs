//! What a stream of messages reports.

use std::string::String;
use std::{format, io};

use can_link::LinkError;
use thiserror::Error;

use crate::error::{NResult, SendError, Side, TransferError};
use crate::event::TransferId;
use crate::isotpserver::Malformed;

/// How far a message got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that arrived, or that were handed to the link.
    pub done: u32,
    /// The message's length.
    pub len: u32,
}

fn after_sending(sent: Option<u32>, len: u32) -> String {
    after(sent.map(|done| Progress { done, len }))
}

fn after(progress: Option<Progress>) -> String {
    progress.map_or_else(String::new, |Progress { done, len }| {
        format!(" after {done} of {len} bytes")
    })
}

/// What went wrong with one message, or with the link as a whole.
///
/// Only [`Link`](Self::Link) ends a stream, and [`HungUp`](Self::HungUp) one that does not reconnect; after
/// any other error it goes on with the next message.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StreamError {
    /// A message was refused before any of its frames left.
    #[error("not sent: {0}")]
    NotSent(#[from] SendError),
    /// A message was not sent as a whole.
    #[error("sending failed{}: {error}", after_sending(*.sent, *.len))]
    SendFailed {
        /// Which message, where the stream numbers them.
        id: TransferId,
        /// Why not.
        error: TransferError,
        /// How many of its bytes were handed to the link, where that is known.
        sent: Option<u32>,
        /// Its length.
        len: u32,
        /// What the link said, where it refused a frame.
        #[source]
        cause: Option<can_link::SendError>,
    },
    /// A message that had begun to arrive will not be complete.
    #[error("receiving failed{}: {error}", after(*.progress))]
    ReceiveFailed {
        /// Why not.
        error: TransferError,
        /// How far it got, where that is known.
        progress: Option<Progress>,
        /// What the link said, where it refused the flow control.
        #[source]
        cause: Option<can_link::SendError>,
    },
    /// A message was refused because it is too long, or because its predecessors were not taken in time.
    #[error("a message of {len} bytes was refused; at most {max} are accepted")]
    Refused {
        /// Its announced length.
        len: u32,
        /// The longest that would have been accepted.
        max: u32,
    },
    /// An isotpserver hung up, or the connection to it failed. The original hangs up when a transfer failed,
    /// without saying which, and when it ends.
    #[error("{server}: the server hung up: a transfer failed, or the server is gone")]
    HungUp {
        /// The server.
        server: String,
        /// What the system said, where the connection did not just end.
        #[source]
        cause: Option<io::Error>,
    },
    /// An isotpserver sent text that is no message.
    #[error("text that is no message: {0}")]
    Malformed(#[from] Malformed),
    /// The link failed or was closed.
    #[error(transparent)]
    Link(#[from] LinkError),
}

impl StreamError {
    /// The standard's name of the outcome, where it has one.
    #[must_use]
    pub const fn n_result(&self) -> Option<NResult> {
        match self {
            Self::SendFailed { error, .. } | Self::ReceiveFailed { error, .. } => Some(error.n_result()),
            Self::Refused { .. } => Some(NResult::BufferOvflw),
            Self::NotSent(_) | Self::HungUp { .. } | Self::Malformed(_) | Self::Link(_) => None,
        }
    }

    /// Which part this node had in the message, unless the link as a whole failed.
    #[must_use]
    pub const fn side(&self) -> Option<Side> {
        match self {
            Self::NotSent(_) | Self::SendFailed { .. } => Some(Side::Sender),
            Self::ReceiveFailed { .. } | Self::Refused { .. } | Self::Malformed(_) => Some(Side::Receiver),
            Self::HungUp { .. } | Self::Link(_) => None,
        }
    }

    /// How far the message got, where that is known.
    #[must_use]
    pub const fn progress(&self) -> Option<Progress> {
        match *self {
            Self::SendFailed {
                sent: Some(done),
                len,
                ..
            } => Some(Progress { done, len }),
            Self::ReceiveFailed { progress, .. } => progress,
            Self::Refused { len, .. } => Some(Progress { done: 0, len }),
            Self::SendFailed { .. }
            | Self::NotSent(_)
            | Self::HungUp { .. }
            | Self::Malformed(_)
            | Self::Link(_) => None,
        }
    }
}

impl From<StreamError> for io::Error {
    fn from(error: StreamError) -> Self {
        let kind = match &error {
            StreamError::NotSent(_) => io::ErrorKind::InvalidInput,
            StreamError::SendFailed { error, .. } | StreamError::ReceiveFailed { error, .. } => {
                match error.n_result() {
                    NResult::TimeoutA | NResult::TimeoutBs | NResult::TimeoutCr | NResult::WftOvrn => {
                        io::ErrorKind::TimedOut
                    }
                    NResult::BufferOvflw => io::ErrorKind::StorageFull,
                    NResult::WrongSn | NResult::InvalidFs | NResult::UnexpPdu => io::ErrorKind::InvalidData,
                    NResult::Error if *error == TransferError::Aborted => io::ErrorKind::Interrupted,
                    NResult::Error if *error == TransferError::SourceEnded => io::ErrorKind::UnexpectedEof,
                    NResult::Error if *error == TransferError::SourceFailed => io::ErrorKind::Other,
                    NResult::Error => io::ErrorKind::NotConnected,
                }
            }
            StreamError::Refused { .. } => io::ErrorKind::StorageFull,
            StreamError::HungUp { .. } => io::ErrorKind::ConnectionAborted,
            StreamError::Malformed(_) => io::ErrorKind::InvalidData,
            StreamError::Link(_) => io::ErrorKind::NotConnected,
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;
    use crate::error::Timeout;

    #[test]
    fn a_failure_tells_its_name_and_how_far_it_got() {
        let error = StreamError::SendFailed {
            id: TransferId::default(),
            error: TransferError::Timeout(Timeout::NBs),
            sent: Some(6),
            len: 20,
            cause: None,
        };
        assert_eq!(
            error.to_string(),
            "sending failed after 6 of 20 bytes: N_TIMEOUT_Bs: no flow control in time"
        );
        assert_eq!(error.n_result(), Some(NResult::TimeoutBs));
        assert_eq!(error.side(), Some(Side::Sender));
        assert_eq!(error.progress(), Some(Progress { done: 6, len: 20 }));
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::TimedOut);
    }
}
