//! What happens to flows, as a set of them tells it.

use core::fmt;

/// A flow within this process. Never used again for another flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(pub(crate) u64);

impl FlowId {
    /// The number, counted from 1.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0
    }
}

impl fmt::Display for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "flow {}", self.0)
    }
}

/// What happened to which flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowEvent {
    /// The flow.
    pub flow: FlowId,
    /// What happened.
    pub kind: EventKind,
}

/// What happened to a flow.
///
/// For one flow events come in the order of these variants, which is not always that of their causes: what
/// can still be read comes before the news that nothing follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// The flow was accepted (ALLOC), by a queue that was told to; the C peer has a number for it and never
    /// says it.
    Alloc,
    /// There is a packet to read (PKT). Told once for each packet, unless it was read before that. Keepalives
    /// are not told.
    Packet,
    /// Packets for this flow were lost: its queue was full, which happens to members of a broadcast layer
    /// only, or what carries the flow lost them and knows.
    Dropped {
        /// How many, since the last such event.
        count: u64,
    },
    /// The flow does not carry packets for now (DOWN): the peer or the layer says so.
    Down,
    /// The flow carries packets again (UP).
    Up,
    /// The peer or the layer let go (DEALLOC). What is queued can still be read; nothing follows.
    Dealloc,
    /// The peer has been silent for the flow's timeout, or the transport gave up (PEER). What is queued can
    /// still be read; nothing follows.
    Peer,
}

impl EventKind {
    /// The number that the C peer has for it; it has none for packets that were dropped.
    #[must_use]
    pub const fn number(self) -> Option<u32> {
        Some(match self {
            Self::Packet => 1,
            Self::Down => 2,
            Self::Up => 4,
            Self::Alloc => 8,
            Self::Dealloc => 16,
            Self::Peer => 32,
            Self::Dropped { .. } => return None,
        })
    }
}
