//! What a sender tells.

use core::time::Duration;

use thiserror::Error;

use crate::conn::ConnError;
use crate::control::BuildError;
use crate::frame::EncodeError;
use crate::{ContentType, queue};

/// What happened to a sender.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// The collector has accepted; frames flow.
    Connected {
        /// The content type of START.
        content_type: Option<ContentType>,
    },
    /// No connection came about, or the collector did not accept.
    NotConnected {
        /// Why.
        error: ConnError,
        /// When the next attempt is made, from now.
        retry: Duration,
    },
    /// A connection that carried a stream is gone. What was not done will be sent again.
    Lost {
        /// Why.
        error: ConnError,
        /// Frames that will be sent again although the transport had taken some of their bytes.
        resent: u64,
        /// When the next attempt is made, from now.
        retry: Duration,
    },
    /// Frames were dropped.
    Dropped {
        /// Why.
        cause: Cause,
        /// How many, since the last event of this kind was taken.
        frames: u64,
    },
}

/// Why frames were dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The queue was full and its policy is [`Policy::DropNewest`](queue::Policy::DropNewest).
    Newest,
    /// The queue was full and its policy is [`Policy::DropOldest`](queue::Policy::DropOldest).
    Oldest,
    /// The collector closed the connection whenever they came, see
    /// [`handle_refused`](queue::Queue::handle_refused).
    Refused,
    /// The sender was closed, and could not send them in time.
    Shutdown,
}

/// Counters of a sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Where the frames are: `offered == sent + dropped + queued + kept`.
    pub frames: queue::Stats,
    /// Connections on which the collector accepted.
    pub connected: u64,
    /// Attempts that came to no stream.
    pub not_connected: u64,
    /// Connections lost while they carried a stream.
    pub lost: u64,
    /// Streams ended in order, by FINISH if it was to come.
    pub finished: u64,
    /// Events that newer ones pushed out, untaken.
    pub events_lost: u64,
}

/// How a sender ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "frames may have been left unsent"]
pub struct Report {
    /// The counters at the end; nothing is queued or kept any more.
    pub stats: Stats,
    /// Whether the last stream was ended in order; for a bidirectional one, whether FINISH came.
    pub finished: bool,
}

impl Report {
    /// Frames that were left when the deadline came, and were dropped.
    #[must_use]
    pub const fn left(&self) -> u64 {
        self.stats.frames.dropped.shutdown
    }

    /// Whether every frame offered has been sent.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.stats.frames.sent == self.stats.frames.offered
    }
}

/// Why there can be no such sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The content types do not fit into READY.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A unidirectional stream has no FINISH.
    #[error("a unidirectional stream confirms nothing, use bidirectional mode or delivery by writing")]
    Unconfirmable,
}

/// Why a frame was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendError {
    /// The payload cannot be framed.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The sender was closed, or its runtime has ended.
    #[error("the sender is closed")]
    Closed,
}

/// Why a frame was not taken at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TrySendError {
    /// There is no room, and the policy is to wait.
    #[error("the queue is full")]
    Full,
    /// The payload cannot be framed.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The sender was closed, or its runtime has ended.
    #[error("the sender is closed")]
    Closed,
}

impl From<SendError> for std::io::Error {
    fn from(error: SendError) -> Self {
        let kind = match error {
            SendError::Encode(_) => std::io::ErrorKind::InvalidInput,
            SendError::Closed => std::io::ErrorKind::BrokenPipe,
        };
        Self::new(kind, error)
    }
}

impl From<TrySendError> for std::io::Error {
    fn from(error: TrySendError) -> Self {
        let kind = match error {
            TrySendError::Full => std::io::ErrorKind::WouldBlock,
            TrySendError::Encode(_) => std::io::ErrorKind::InvalidInput,
            TrySendError::Closed => std::io::ErrorKind::BrokenPipe,
        };
        Self::new(kind, error)
    }
}
