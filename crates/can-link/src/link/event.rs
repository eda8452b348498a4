//! What a link delivers: frames, and beside them everything else that happened.

use alloc::collections::VecDeque;
use core::time::Duration;
use std::time::{Instant, SystemTime};

use crate::candump::BadLine;
use crate::error_frame::{BusState, ErrorFrame};
use crate::frame::CanFrame;
use crate::record::DecodeError;

/// A queue of events that [`CanRx::poll_recv`](super::CanRx::poll_recv) appends to.
pub type EventBuf = VecDeque<Event>;

/// One thing that happened on a link.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A frame arrived.
    Frame(Received),
    /// The controller reported bus errors.
    BusError(BusError),
    /// The controller's state changed.
    State(BusState),
    /// Frames for this receiver were lost at this place in the order (or events, when even their places were
    /// full).
    Dropped {
        /// How many.
        count: u64,
        /// Where.
        reason: DropReason,
    },
    /// The link went away or came back.
    Link(LinkChange),
    /// Something arrived that is not what the link should carry; it was skipped or mended as told.
    BadInput(BadInput),
}

/// A received frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The frame.
    pub frame: CanFrame,
    /// When it arrived.
    pub time: Timestamp,
    /// Who sent it.
    pub origin: Origin,
    /// Which interface of the link it came from.
    pub channel: ChannelId,
}

/// A report of bus errors with its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusError {
    /// The report.
    pub report: ErrorFrame,
    /// When it arrived.
    pub time: Timestamp,
    /// Which interface of the link it came from.
    pub channel: ChannelId,
}

/// When something arrived, by three clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp {
    /// Wall clock, as close to the interrupt as the link can tell.
    pub host: SystemTime,
    /// The controller's own clock, since an origin of its choice.
    pub hardware: Option<Duration>,
    /// Monotonic clock, taken when the link handed the event over (virtual links: exactly when it happened).
    pub monotonic: Instant,
}

/// Who sent a received frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Another node on the bus.
    Bus,
    /// Another program on this host (on virtual interfaces every other sender is one).
    LocalHost,
    /// This link itself: the echo of a frame it sent.
    Own,
}

/// Which interface of a link: the kernel's interface index, or 0 where a link is one interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ChannelId(pub u32);

/// Where frames were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// This receiver's own queue was full.
    ReceiveQueueFull,
    /// The kernel's queue of this socket was full.
    SocketQueueFull,
    /// A peer between the bus and this link said that it lost frames.
    Upstream,
}

/// A change of the link itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkChange {
    /// The interface came up.
    Up,
    /// The interface went down; it may come up again.
    Down,
    /// The interface or peer is gone.
    Gone,
    /// A link that was gone works again; what was sent meanwhile is lost.
    Reconnected,
}

/// Input that is not what the link should carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadInput {
    /// A datagram that is no frame; it was skipped.
    Datagram(DecodeError),
    /// The next frame had a standard identifier above 0x7FF; it was cut to 11 bits.
    MaskedId,
    /// A line of a log that is no frame; it was skipped.
    LogLine(BadLine),
    /// A record written to a `RecordStream` that is no frame; it was not sent.
    Record(DecodeError),
    /// A record written to a `RecordStream` that the link cannot carry; it was not sent.
    Unsupported {
        /// The kind of frame.
        what: &'static str,
    },
}

impl core::fmt::Display for DropReason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::ReceiveQueueFull => "receive queue full",
            Self::SocketQueueFull => "socket queue full",
            Self::Upstream => "lost upstream",
        })
    }
}

impl core::fmt::Display for LinkChange {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Gone => "gone",
            Self::Reconnected => "reconnected",
        })
    }
}

impl core::fmt::Display for BadInput {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Datagram(error) => write!(f, "{error}"),
            Self::LogLine(line) => write!(f, "{line}"),
            Self::Record(error) => write!(f, "a written record is no frame: {error}"),
            Self::Unsupported { what } => write!(f, "the link does not carry {what}"),
            Self::MaskedId => f.write_str("a standard identifier above 0x7FF was cut to 11 bits"),
        }
    }
}
