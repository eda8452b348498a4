//! What comes of frames: packets, and reasons why not.

use can_link::record::DecodeError;
use csp_core::{DropReason, Packet};
use thiserror::Error;

use crate::Sender;

/// A complete packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reassembled {
    /// The packet.
    pub packet: Packet,
    /// Its destination was the global broadcast.
    ///
    /// It is now the own address, if one was configured.
    pub broadcast: bool,
}

/// What came of frames.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Received {
    /// A packet.
    Packet(Reassembled),
    /// A frame or a packet that could not be used. Others go on.
    Discarded {
        /// Who sent it.
        source: Sender,
        /// Why.
        reason: DiscardReason,
    },
    /// Something that is none of CFP. On a bus with other protocols this is their traffic.
    Ignored(IgnoreReason),
}

/// Why a frame is none of CFP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IgnoreReason {
    /// A standard identifier (CAN-1).
    #[error("a standard identifier, CFP has extended ones")]
    StandardId,
    /// A remote frame (CAN-1).
    #[error("a remote frame, CFP has data frames")]
    Remote,
    /// A record that is no frame, from a source of records that is not a record stream.
    #[error("no frame: {0}")]
    Malformed(#[from] DecodeError),
}

/// Why a frame or a packet in the making is discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum DiscardReason {
    /// A first frame without room for what it must begin with (CFP1-3, CFP2-2).
    #[error("a first frame of {got} bytes, which needs {need}")]
    ShortBegin {
        /// Bytes it needs.
        need: usize,
        /// Bytes in the frame.
        got: usize,
    },
    /// A later frame of a packet whose first was lost or discarded (CFP2-3).
    #[error("a frame without a first one")]
    NoBegin,
    /// A frame is missing, doubled or out of order; the packet is discarded.
    ///
    /// The counter of CFP 1 goes down (CFP1-4), that of CFP 2 up, modulo 8 (CFP2-3).
    #[error("frame counter {got} in place of {expected}")]
    WrongCounter {
        /// The counter that would go on.
        expected: u8,
        /// The counter of the frame.
        got: u8,
    },
    /// More than 8 bytes, which classic CAN cannot carry (CAN-10).
    #[error("a frame of {got} bytes, classic CAN has at most 8")]
    LongFrame {
        /// Bytes in the frame.
        got: usize,
    },
    /// More bytes than a CFP 1 packet announced (CFP1-5).
    #[error("more than the {length} bytes announced")]
    BeyondLength {
        /// The length announced.
        length: usize,
    },
    /// The packet grew too long (CFP2-4), or announced that it will be (CFP1-3).
    #[error("the packet is longer than {max} bytes")]
    TooLong {
        /// The configured maximum.
        max: usize,
    },
    /// A new first frame took its place before it was complete (CFP2-1).
    #[error("a new packet began under the same identifier")]
    Replaced,
    /// Its next frame did not come in time (CAN-6).
    #[error("the next frame did not come in time")]
    Stale,
    /// The link went down before it was complete.
    #[error("the link went down before the packet was complete")]
    LinkDown,
    /// There is no room for another packet in the making, or for its bytes (CAN-7).
    #[error("too many packets in the making")]
    Full,
}

impl DiscardReason {
    /// The reason as a node counts it.
    #[must_use]
    pub const fn drop_reason(self) -> DropReason {
        match self {
            Self::ShortBegin { .. }
            | Self::BeyondLength { .. }
            | Self::NoBegin
            | Self::WrongCounter { .. }
            | Self::LongFrame { .. } => DropReason::LinkFrame,
            Self::TooLong { .. } => DropReason::LinkTooLong,
            Self::Replaced | Self::Stale | Self::LinkDown => DropReason::LinkStale,
            Self::Full => DropReason::LinkFull,
        }
    }
}
