//! What a machine tells: its state, events, counters.

use alloc::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

use super::{HEADER_LEN, Header};

/// Where a machine is.
///
/// ```text
///   Open ──close──► Closing ──all acknowledged──► Quiet ──time──► Closed
///    │  └───────────no linger─────────────────────────────────────▲
///    └────┬────────────┘
///         └── given up ──► Down
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// Packets may be sent and read.
    Open,
    /// The user has closed; what was sent is not acknowledged yet.
    Closing,
    /// All is acknowledged; the peer's repetitions are answered for a little longer.
    Quiet,
    /// Nothing is left to do.
    Closed,
    /// It was given up.
    Down(DownReason),
}

/// Why a machine gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum DownReason {
    /// A packet was not acknowledged for r. It may have arrived: perhaps all acknowledgements were lost, the
    /// last ones together with all repetitions while the peer still answered.
    #[error("a packet was not acknowledged in time")]
    Expired,
    /// The window was closed and nothing was heard of the peer (ECONNRESET).
    #[error("the window is closed and the peer does not answer")]
    Reset,
}

/// What happened. The first two are told with how often since they were told last, so they cannot overflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Packets were dropped.
    Discarded {
        /// Why.
        reason: Discard,
        /// How many.
        count: u64,
    },
    /// Packets of an [ordered](super::Delivery::Ordered) flow are missing.
    Skipped {
        /// How many.
        count: u64,
    },
    /// The machine gave up; what was not acknowledged may or may not have arrived. What has arrived can still
    /// be read.
    Down {
        /// Why.
        reason: DownReason,
        /// Packets that were sent and not acknowledged.
        unacknowledged: usize,
        /// Packets that were never sent.
        unsent: usize,
    },
    /// The machine is done.
    Closed {
        /// Packets that were sent and not acknowledged, where it does not linger.
        unacknowledged: usize,
        /// Packets that were never sent, where it does not linger.
        unsent: usize,
    },
}

/// Why a packet, or its payload, was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(usize)]
pub enum Discard {
    /// It has no header, or unknown flags.
    Malformed,
    /// No run is open and it does not begin one.
    NoRun,
    /// It was received before. Acknowledged again.
    Duplicate,
    /// A later one was received before, on an ordered flow.
    Late,
    /// It is beyond the window. On an [ordered](super::Delivery::Ordered) flow the next one that goes on
    /// there is taken.
    BeyondWindow,
    /// The bytes that may wait do already.
    NoRoom,
    /// It carries nothing.
    Empty,
    /// The user has closed.
    Closed,
    /// It was held for one before it, which a new run of the peer says will never come.
    Orphaned,
}

impl Discard {
    /// All reasons.
    pub const ALL: [Self; 9] = [
        Self::Malformed,
        Self::NoRun,
        Self::Duplicate,
        Self::Late,
        Self::BeyondWindow,
        Self::NoRoom,
        Self::Empty,
        Self::Closed,
        Self::Orphaned,
    ];
}

/// How many packets were dropped, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Discards([u64; Discard::ALL.len()]);

impl Discards {
    /// How many for `reason`.
    #[must_use]
    pub fn count(&self, reason: Discard) -> u64 {
        self.0.get(reason as usize).copied().unwrap_or(0)
    }

    /// How many in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    pub(super) fn add(&mut self, reason: Discard, count: u64) {
        if let Some(counter) = self.0.get_mut(reason as usize) {
            *counter += count;
        }
    }
}

/// Counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Packets of the user sent for the first time.
    pub sent: u64,
    /// Packets sent again.
    pub resent: u64,
    /// Packets that carry an acknowledgement or a window alone.
    pub controls_sent: u64,
    /// Rendez-vous sent.
    pub rendezvous_sent: u64,
    /// Packets of the peer's user that were taken.
    pub received: u64,
    /// Packets handed to the user.
    pub delivered: u64,
    /// Packets that were missing, on an ordered flow.
    pub skipped: u64,
    /// Acknowledgements of nothing that is unacknowledged, and those before an own run.
    pub acknowledgements_ignored: u64,
    /// Windows that are no news, and those before an own run.
    pub windows_ignored: u64,
    /// Keepalives received.
    pub keepalives: u64,
    /// Packets dropped.
    pub discarded: Discards,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Its payload was taken.
    Taken,
    /// It carried no data.
    Control,
    /// It is empty.
    Keepalive,
    /// It, or its payload, was dropped.
    Discarded(Discard),
}

/// Why a packet was not taken to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendError {
    /// It is empty; on the wire that is a keepalive.
    #[error("a packet has at least one byte")]
    Empty,
    /// It is longer than all that may be under way.
    #[error("packet of {len} bytes, at most {max} may be under way")]
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// There is no room now; there will be when the peer acknowledges.
    #[error("as many packets are under way as may be")]
    Full,
    /// The user has closed.
    #[error("the flow is closed")]
    Closed,
    /// The machine gave up.
    #[error(transparent)]
    Down(#[from] DownReason),
}

/// A packet to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// What stands in front.
    pub header: Header,
    /// What the user gave; empty in control packets.
    pub payload: Bytes,
}

impl Transmit {
    /// The bytes on the wire, before any protection.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut packet = BytesMut::with_capacity(HEADER_LEN + self.payload.len());
        packet.put_slice(&self.header.encode());
        packet.put_slice(&self.payload);
        packet.freeze()
    }
}

/// Takes `packet` out of what may wait.
pub(super) fn pop(queue: &mut VecDeque<Bytes>, bytes: &mut usize) -> Option<Bytes> {
    let packet = queue.pop_front()?;
    *bytes -= packet.len();
    Some(packet)
}
