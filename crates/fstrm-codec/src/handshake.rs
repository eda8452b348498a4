//! Who may send what when: the reader's and the writer's state machines.
//!
//! ```text
//! unidirectional (files, pipes)       bidirectional (sockets)
//! writer              reader          writer                reader
//! START  ---------------->            READY  ----------------->
//! data   ---------------->                   <----------------- ACCEPT
//! STOP   ---------------->            START  ----------------->
//!                                     data   ----------------->
//!                                     STOP   ----------------->
//!                                            <----------------- FINISH
//! ```
//!
//! The machines are sans-IO: frames and the time go in, frames to send, events and a deadline come out. The
//! role is the type, [`ReaderMachine`] or [`WriterMachine`]; which side opened the connection does not matter
//! to either. Not here: bytes ([`frame`](crate::frame)), sockets ([`conn`](crate::conn)), files
//! ([`file`](crate::file)).

mod config;
mod outbox;
mod reader;
mod writer;

use alloc::vec::Vec;

use thiserror::Error;

pub use config::{
    Config, DEFAULT_TIMEOUT, DEFAULT_WRITE_TIMEOUT, DataBeforeStart, Finish, Mode, ReadyBeforeStart,
};
pub use reader::ReaderMachine;
pub use writer::{NotStreaming, WriterMachine};

use crate::ContentType;
use crate::content_type::List;
use crate::control::ControlType;
use crate::frame::{End, Frame};

/// What became of a frame that was handed to a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a payload to deliver is lost otherwise"]
pub enum Verdict {
    /// It was a data frame of the stream: its payload belongs to the application.
    Deliver,
    /// It was the machine's own business, or it was refused; see the events.
    Absorbed,
}

/// What a machine has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The handshake is done and data may flow.
    Started {
        /// The content type of START.
        content_type: Option<ContentType>,
    },
    /// A control frame that means nothing here was passed over.
    Ignored {
        /// Its type.
        control: ControlType,
    },
    /// A data frame over the limit was passed over.
    Skipped {
        /// Its length as announced, in bytes.
        len: u32,
    },
    /// The stream has ended; nothing follows.
    Ended(End),
    /// The stream has failed; drop the connection. Nothing follows.
    Failed(HandshakeError),
}

/// A frame as an error names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Got {
    /// A control frame.
    Control(ControlType),
    /// A data frame.
    Data,
}

impl core::fmt::Display for Got {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Control(control) => control.fmt(f),
            Self::Data => f.write_str("a data frame"),
        }
    }
}

impl From<&Frame<'_>> for Got {
    fn from(frame: &Frame<'_>) -> Self {
        match frame {
            Frame::Control(control) => Self::Control(control.control_type()),
            Frame::Data(_) | Frame::Skipped { .. } => Self::Data,
        }
    }
}

/// Why an answer did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// The peer stayed silent for the whole timeout.
    Timeout,
    /// The peer closed the connection.
    Closed,
}

impl core::fmt::Display for Absence {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Timeout => "timed out",
            Self::Closed => "connection closed",
        })
    }
}

/// Why a stream failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// A frame that may not come here.
    #[error("expected {expected}, got {got}")]
    Unexpected {
        /// What would have been right, in words.
        expected: &'static str,
        /// What came.
        got: Got,
    },
    /// The two sides have no content type in common.
    #[error(
        "no common content type: this side takes {}, the peer offers {}",
        List(ours),
        List(theirs)
    )]
    NoCommonType {
        /// Content types of this side.
        ours: Vec<ContentType>,
        /// Content types of the peer, as far as they are legal.
        theirs: Vec<ContentType>,
    },
    /// START names a content type that this reader does not take.
    #[error("stream of content type \"{got}\", expected {}", List(ours))]
    WrongType {
        /// Content types of this side.
        ours: Vec<ContentType>,
        /// What START names.
        got: ContentType,
    },
    /// The handshake did not finish.
    #[error("no {missing}: {absence}")]
    NoAnswer {
        /// What did not come.
        missing: ControlType,
        /// Why.
        absence: Absence,
    },
    /// STOP was sent, but FINISH did not come: the reader may lack the last frames.
    #[error("no FINISH after STOP: {absence}")]
    NoFinish {
        /// Why.
        absence: Absence,
    },
    /// The reader went away while data was flowing.
    #[error("the reader closed the connection")]
    ReaderGone,
}

/// Counters of one stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Data frames delivered (reader) or counted in by the caller (writer).
    pub data_frames: u64,
    /// Their payload bytes.
    pub data_bytes: u64,
    /// Data frames over the limit, passed over.
    pub skipped_frames: u64,
    /// Their payload bytes, as announced.
    pub skipped_bytes: u64,
    /// Control frames passed over: of unknown type, or out of place under a lenient policy.
    pub ignored_controls: u64,
    /// Control frames taken although malformed, under a lenient policy.
    pub irregular_controls: u64,
    /// Frames that came after the end of the stream.
    pub surplus_frames: u64,
    /// Events that newer ones pushed out of a full queue, unpolled.
    pub events_lost: u64,
}

#[cfg(test)]
mod tests;
