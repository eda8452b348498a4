//! Filters: what looks at packets on their way through a node, and may change or drop them.
//!
//! A function is asked at once. What has to wait is asked outside of the node: the packet is handed out by
//! [`Node::poll_filter`](crate::Node::poll_filter) and goes on when
//! [`Node::handle_verdict`](crate::Node::handle_verdict) says so.

mod chain;

use core::time::Duration;

use tinwire_time::Instant;

pub(crate) use self::chain::{Filters, Outcome, Passage, Released, Screened};
use crate::{Address, InterfaceId, Packet, Version};

/// The place where a filter stands.
///
/// | | Packets | Place | Payload |
/// |---|---|---|---|
/// | [`Incoming`](Self::Incoming) | all received | before it is decided whose they are | trailers on |
/// | [`Outgoing`](Self::Outgoing) | own, once per interface | before the trailers, as libcsp's hook | plain |
/// | [`Routed`](Self::Routed) | forwarded, once per interface | before the transmit queue | trailers on |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Packets that a link received, and those of this node to itself.
    ///
    /// Duplicates are gone by then, and taps have their copy. A destination changed here is routed anew.
    Incoming,
    /// Packets of this node, once for each interface they leave on.
    ///
    /// HMAC and CRC32 come after, and cover what the filter made of the packet; flags changed here decide
    /// which. (Filters that users add to csp-py see the payload with its CRC32.) The RDP and SFP trailers are
    /// there already.
    Outgoing,
    /// Packets of others, once for each interface they leave on.
    ///
    /// csp-py has such a list and never asks it.
    Routed,
}

/// Where the packet that a filter is asked about comes from and goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FilterContext {
    /// When the filter got the packet.
    pub now: Instant,
    /// The place of the filter.
    pub stage: Stage,
    /// The interface that received the packet, or that it is about to leave on.
    pub interface: InterfaceId,
    /// The header version of that interface.
    pub version: Version,
    /// The interface that received a routed packet.
    pub from: Option<InterfaceId>,
    /// The next hop of a packet about to leave (ROUTE-10).
    pub via: Option<Address>,
}

/// What a filter decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The packet, changed or not, goes on.
    Pass(Packet),
    /// It goes no further, and counts as [`Filtered`](crate::DropReason::Filtered).
    Drop,
}

/// `None` drops, as in csp-py.
impl From<Option<Packet>> for Verdict {
    fn from(packet: Option<Packet>) -> Self {
        packet.map_or(Self::Drop, Self::Pass)
    }
}

/// Names a filter of one node; of no use after it is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FilterId {
    pub(crate) stage: Stage,
    pub(crate) number: u64,
}

/// How a filter outside of the node is asked.
#[derive(Clone, Copy, Debug)]
pub struct OutsideConfig {
    queue: usize,
    pub(crate) timeout: Duration,
}

impl OutsideConfig {
    /// Packets outside at once, those that wait for an earlier one included.
    ///
    /// When there are as many, own packets are refused as [`SendError::Full`](crate::SendError::Full) and
    /// others dropped as [`FilterQueueFull`](crate::DropReason::FilterQueueFull). Default 16; at least 1.
    #[must_use]
    pub const fn queue(mut self, packets: usize) -> Self {
        self.queue = if packets == 0 { 1 } else { packets };
        self
    }

    /// How long the verdict on a packet may take.
    ///
    /// Then the packet is dropped as [`FilterTimeout`](crate::DropReason::FilterTimeout). Default 1 s.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

impl Default for OutsideConfig {
    fn default() -> Self {
        Self {
            queue: 16,
            timeout: Duration::from_secs(1),
        }
    }
}

/// Names a packet that waits for a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket {
    filter: FilterId,
    number: u64,
}

/// A packet that a filter outside of the node is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Asked {
    /// What [`Node::handle_verdict`](crate::Node::handle_verdict) wants back.
    pub ticket: Ticket,
    /// The filter.
    pub filter: FilterId,
    /// The place of the filter, the interface, and more.
    pub context: FilterContext,
    /// The packet.
    pub packet: Packet,
}
