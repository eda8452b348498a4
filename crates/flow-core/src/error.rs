//! Why an operation on a flow failed: one enum per operation, and the numbers the C peer has for them.

mod errno;
#[cfg(feature = "std")]
mod layer;
mod line;

use alloc::boxed::Box;

use thiserror::Error;

pub use errno::Errno;
#[cfg(feature = "std")]
pub use layer::LayerError;
pub use line::{ReadLineError, WriteLineError};

use crate::name::Name;
use crate::qos::QosError;
use crate::queue::{PushError, TooSmall};

/// Why a flow was not allocated.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AllocError {
    /// Nobody is bound to the name, or who was has let go of it.
    #[error("nobody is bound to the name \"{name}\"")]
    UnknownName {
        /// The name.
        name: Name,
    },
    /// The provider cannot give the quality asked.
    #[error(transparent)]
    Qos(#[from] QosError),
    /// As many requests as may wait for this name do already.
    #[error("{max} requests wait for the name \"{name}\" already")]
    Busy {
        /// The name.
        name: Name,
        /// How many may wait.
        max: usize,
    },
    /// Somebody is bound to the name, and nobody can be reached: the link is closed, or the process is dead.
    #[error("nobody can be reached at the name \"{name}\": {reason}")]
    Unreachable {
        /// The name.
        name: Name,
        /// What failed.
        reason: Box<str>,
    },
    /// The name is an address, and no provider understands it.
    #[error("not an address: {reason}")]
    Address {
        /// What is wrong with it, and what would be right.
        reason: Box<str>,
    },
    /// The name is not open to this user, or the peer is not the user that it should be.
    #[error("the name \"{name}\" is not open to this user")]
    Denied {
        /// The name.
        name: Name,
    },
    /// One of the sides has as many flows as it may.
    #[error("{max} flows are there already")]
    Full {
        /// How many there may be.
        max: usize,
    },
    /// Nobody accepted in time.
    #[error("nobody accepted in time")]
    TimedOut,
}

/// Why no flow was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// No name is bound, so no request can come.
    #[error("no name is bound; bind one before accepting")]
    NoName,
    /// There are as many flows as there may be; the request waits on.
    #[error("{max} flows are there already")]
    Full {
        /// How many there may be.
        max: usize,
    },
    /// The layer cannot listen any more.
    #[error("the layer does not listen: {reason}")]
    Layer {
        /// What failed.
        reason: Box<str>,
    },
    /// No request came in time.
    #[error("no request came in time")]
    TimedOut,
}

/// Why a broadcast layer was not joined.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The provider has no broadcast layers.
    #[error("this provider has no broadcast layers")]
    Unsupported,
    /// The layer has as many members as it may.
    #[error("the layer has {max} members already")]
    Full {
        /// How many members it may have.
        max: usize,
    },
    /// The layer's members cannot be reached.
    #[error("the layer cannot be reached: {reason}")]
    Unreachable {
        /// What failed.
        reason: Box<str>,
    },
    /// The name is an address, and no provider understands it.
    #[error("not an address: {reason}")]
    Address {
        /// What is wrong with it, and what would be right.
        reason: Box<str>,
    },
    /// The layer is not open to this user.
    #[error("the layer is not open to this user")]
    Denied,
    /// The layer did not answer in time.
    #[error("the layer did not answer in time")]
    TimedOut,
}

/// Why a name was not bound.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BindError {
    /// The layer has as many names as it may.
    #[error("the layer has {max} names already")]
    Full {
        /// How many names it may have.
        max: usize,
    },
    /// The name is an address, and no provider understands it, or it cannot be bound.
    #[error("not an address to bind: {reason}")]
    Address {
        /// What is wrong with it, and what would be right.
        reason: Box<str>,
    },
    /// The name belongs to another user.
    #[error("the name \"{name}\" belongs to another user")]
    Denied {
        /// The name.
        name: Name,
    },
    /// The layer cannot hold the name.
    #[error("the layer cannot hold the name: {reason}")]
    Layer {
        /// What failed.
        reason: Box<str>,
    },
}

/// Why nothing was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The peer let go of the flow, and everything it wrote has been read. The end of a flow in good order; a
    /// `Stream` ends.
    #[error("the peer deallocated the flow")]
    Deallocated,
    /// The peer has been silent for the flow's timeout, and everything that arrived has been read.
    #[error("the peer is gone: it was silent for the flow's timeout")]
    PeerGone,
    /// The transport gave up: what was under way could not be delivered in time.
    #[error("the flow was reset: its transport gave up")]
    Reset,
    /// This side marked the flow down.
    #[error("the flow is marked down")]
    Down,
    /// This side made the flow write-only.
    #[error("the flow is write-only")]
    WriteOnly,
    /// The packet does not fit the buffer, and partial reads are refused.
    #[error(transparent)]
    TooSmall(#[from] TooSmall),
    /// Nothing is there now (non-blocking reads and `try_` variants only).
    #[error("nothing to read")]
    WouldBlock,
    /// Nothing came within the timeout.
    #[error("nothing to read came in time")]
    TimedOut,
}

/// Why a packet was not written. Nothing of it has left, and the flow is as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// A packet has at least one byte.
    #[error("an empty packet would not arrive")]
    Empty,
    /// The packet is longer than the flow can carry.
    #[error("packet of {len} bytes, the flow carries at most {max}")]
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// This side closed its sink.
    #[error("the sink is closed")]
    Closed,
    /// The peer let go of the flow.
    #[error("the peer deallocated the flow")]
    Deallocated,
    /// The peer has been silent for the flow's timeout.
    #[error("the peer is gone: it was silent for the flow's timeout")]
    PeerGone,
    /// The transport gave up: what was under way could not be delivered in time.
    #[error("the flow was reset: its transport gave up")]
    Reset,
    /// One of the sides marked the flow down, or the layer did.
    #[error("the flow is down")]
    Down,
    /// This side made the flow read-only.
    #[error("the flow is read-only")]
    ReadOnly,
    /// The peer made the flow write-only, so nobody would read.
    #[error("the peer does not read")]
    PeerNotReading,
    /// There is no room now (non-blocking writes and `try_` variants only).
    #[error("no room for the packet")]
    WouldBlock,
    /// There was no room within the timeout.
    #[error("no room for the packet in time")]
    TimedOut,
}

impl From<PushError> for WriteError {
    fn from(error: PushError) -> Self {
        match error {
            PushError::Empty => Self::Empty,
            PushError::TooLong { len, max } => Self::TooLong { len, max },
            PushError::Full => Self::WouldBlock,
        }
    }
}

/// Why a flow as `Stream` or `Sink` failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FlowError {
    /// Reading did.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Writing did.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// What was left when a flow ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DeallocError {
    /// The peer has not read everything in time. What it has not read stays readable to it.
    #[error("the peer has left {packets} packets unread so far")]
    Unread {
        /// How many packets, at least.
        packets: usize,
    },
    /// The peer let go first, and did not read everything.
    #[error("the peer deallocated the flow without reading everything")]
    Discarded,
}

/// Why a flow was not added to a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SetError {
    /// A flow is in one set at most, and this one is in one.
    #[error("the flow is in a set already")]
    AlreadyMember,
    /// The event queue of the set was dropped.
    #[error("the event queue of the set is gone")]
    NoQueue,
}
