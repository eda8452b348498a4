//! What a collector counts, and what it tells.

use std::io;
use std::sync::Arc;

use thiserror::Error;

use super::{Peer, SessionId};
use crate::ContentType;
use crate::frame::{End, FrameError};
use crate::handshake::HandshakeError;

/// Counters of a collector. `frames` is what was handed out; what was not is in `dropped`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Connections that became sessions.
    pub sessions: u64,
    /// Sessions that are open.
    pub open: u64,
    /// Connections closed at once, over the limit under [`Overflow::Refuse`](super::Overflow::Refuse).
    pub refused: u64,
    /// Failures of listeners; each went on.
    pub accept_errors: u64,
    /// Data frames handed out.
    pub frames: u64,
    /// Their payload bytes.
    pub bytes: u64,
    /// Batches handed out.
    pub batches: u64,
    /// Data frames that were confirmed.
    pub confirmed_frames: u64,
    /// Control frames that meant nothing where they came.
    pub ignored_controls: u64,
    /// Control frames taken although malformed, under a lenient policy.
    pub irregular_controls: u64,
    /// Bytes behind STOP.
    pub trailing_bytes: u64,
    /// Sessions that ended as streams end.
    pub ended: Ended,
    /// Sessions that were ended by us, by reason.
    pub failed: Failed,
    /// Data frames that came and were not handed out, or were and are lost, by reason.
    pub dropped: Dropped,
    /// Events that newer ones pushed out unread.
    pub events_lost: u64,
    /// Bytes of batches that are out: waiting to be taken, or taken and not confirmed.
    pub queued_bytes: u64,
    /// Bytes that sessions hold beyond 8 KiB each.
    pub buffered_bytes: u64,
}

/// Sessions by the end of their stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ended {
    /// With STOP.
    pub stop: u64,
    /// Between two frames, without STOP.
    pub eof: u64,
    /// Inside a frame.
    pub truncated: u64,
}

/// Sessions that did not come to the end of their stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failed {
    /// Their bytes were not frames.
    pub malformed: u64,
    /// Their frames were not this protocol, or of no content type that is taken.
    pub protocol: u64,
    /// They left before START.
    pub unstarted: u64,
    /// Their handshake took too long.
    pub handshake_timeout: u64,
    /// They were silent for too long.
    pub idle_timeout: u64,
    /// A frame took too long.
    pub frame_timeout: u64,
    /// Their incomplete frame was the oldest when memory was needed.
    pub memory: u64,
    /// Their transport failed.
    pub io: u64,
    /// A batch of theirs was dropped unconfirmed.
    pub unconfirmed: u64,
    /// The collector closed first.
    pub closed: u64,
}

impl Failed {
    /// All of them, by name.
    #[must_use]
    pub const fn by_reason(&self) -> [(&'static str, u64); 10] {
        [
            ("malformed", self.malformed),
            ("protocol", self.protocol),
            ("unstarted", self.unstarted),
            ("handshake_timeout", self.handshake_timeout),
            ("idle_timeout", self.idle_timeout),
            ("frame_timeout", self.frame_timeout),
            ("memory", self.memory),
            ("io", self.io),
            ("unconfirmed", self.unconfirmed),
            ("closed", self.closed),
        ]
    }

    /// All of them together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_reason().iter().map(|(_, count)| count).sum()
    }
}

/// Data frames that are not where they should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// Cut: the connection ended within them.
    pub torn: u64,
    /// Over the frame limit, and passed over.
    pub oversize: u64,
    /// Handed out, and dropped unconfirmed.
    pub unconfirmed: u64,
    /// Read, but nobody took frames any more.
    pub closed: u64,
}

impl Dropped {
    /// All of them, by name.
    #[must_use]
    pub const fn by_reason(&self) -> [(&'static str, u64); 4] {
        [
            ("torn", self.torn),
            ("oversize", self.oversize),
            ("unconfirmed", self.unconfirmed),
            ("closed", self.closed),
        ]
    }

    /// All of them together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_reason().iter().map(|(_, count)| count).sum()
    }
}

/// Counters of one session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionStats {
    /// Data frames handed out.
    pub frames: u64,
    /// Their payload bytes.
    pub bytes: u64,
    /// Data frames over the limit, passed over.
    pub oversize: u64,
    /// Bytes behind STOP.
    pub trailing_bytes: u64,
}

/// Why a session ended before its stream did.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The peer's bytes are not frames.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The peer's frames are not this protocol.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// The handshake was not done in time.
    #[error("no START in time")]
    HandshakeTimeout,
    /// The peer was silent for longer than the idle timeout.
    #[error("silent for longer than the idle timeout")]
    IdleTimeout,
    /// A frame was not complete in time.
    #[error("a frame was not complete in time")]
    FrameTimeout,
    /// The session's incomplete frame was the oldest when memory was needed, or needs more than there is.
    #[error("its incomplete frame held memory that others needed")]
    Memory,
    /// The transport failed.
    #[error("transport failed")]
    Io(#[source] Arc<io::Error>),
    /// A batch was dropped unconfirmed, so the stream must not be confirmed.
    #[error("frames could not be kept")]
    Unconfirmed,
    /// The collector was closed, or nobody takes frames any more.
    #[error("the collector was closed")]
    Closed,
}

/// What a collector has to tell.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A connection has become a session.
    Connected {
        /// The session.
        session: SessionId,
        /// Who it is.
        peer: Peer,
    },
    /// A session's handshake is done.
    Started {
        /// The session.
        session: SessionId,
        /// The content type of START.
        content_type: Option<ContentType>,
    },
    /// A data frame over the limit was passed over.
    Oversize {
        /// The session.
        session: SessionId,
        /// Its length, as announced.
        len: u32,
    },
    /// A session is over.
    Ended {
        /// The session.
        session: SessionId,
        /// Who it was.
        peer: Peer,
        /// How its stream ended, or why it did not come to that.
        outcome: Result<End, SessionError>,
        /// What it brought.
        stats: SessionStats,
    },
    /// A connection was closed at once, over the limit.
    Refused {
        /// Who it was.
        peer: Peer,
    },
    /// A listener failed, and goes on.
    AcceptFailed {
        /// Why: no descriptor left, a socket removed by somebody (and made anew).
        error: Arc<io::Error>,
    },
}
