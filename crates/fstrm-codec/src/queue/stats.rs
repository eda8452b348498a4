//! Where every frame is.

use super::wide;

/// Counters of a queue. At every moment, in frames and in bytes:
///
/// `offered == sent + dropped + queued + kept`
///
/// Bytes are those on the wire, the four of each header included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Frames offered; those that were given back are not counted.
    pub offered: u64,
    /// Their bytes.
    pub offered_bytes: u64,
    /// Frames that are done: written, or confirmed.
    pub sent: u64,
    /// Their bytes, each frame once.
    pub sent_bytes: u64,
    /// Frames dropped, by cause.
    pub dropped: Dropped,
    /// Frames that wait.
    pub queued: u64,
    /// Their bytes.
    pub queued_bytes: u64,
    /// Frames handed to the transport and not done.
    pub kept: u64,
    /// Their bytes.
    pub kept_bytes: u64,
    /// Frames that had been written in part or whole when a connection was lost, and went back to the queue.
    pub resent: u64,
}

/// Frames that will not be sent, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// Offered to a full queue under [`Policy::DropNewest`](super::Policy::DropNewest).
    pub newest: u64,
    /// Pushed out of a full queue under [`Policy::DropOldest`](super::Policy::DropOldest).
    pub oldest: u64,
    /// Over 64 KiB and refused by the collector again and again, see
    /// [`handle_refused`](super::Queue::handle_refused).
    pub refused: u64,
    /// Left when the sender was closed and its deadline was over.
    pub shutdown: u64,
    /// Bytes of all of them.
    pub bytes: u64,
}

impl Dropped {
    /// Frames, for whatever cause.
    #[must_use]
    pub const fn frames(&self) -> u64 {
        self.newest + self.oldest + self.refused + self.shutdown
    }
}

impl Stats {
    pub(super) const fn offer(&mut self, frames: u64, len: usize) {
        self.offered += frames;
        self.offered_bytes += wide(len);
    }

    pub(super) const fn queue(&mut self, frames: u64, len: usize) {
        self.queued += frames;
        self.queued_bytes += wide(len);
    }

    pub(super) const fn unqueue(&mut self, frames: u64, len: usize) {
        self.queued -= frames;
        self.queued_bytes -= wide(len);
    }

    pub(super) const fn keep(&mut self, frames: u64, len: usize) {
        self.kept += frames;
        self.kept_bytes += wide(len);
    }

    pub(super) const fn unkeep(&mut self, frames: u64, len: usize) {
        self.kept -= frames;
        self.kept_bytes -= wide(len);
    }

    /// Frames that were kept are done.
    pub(super) const fn done(&mut self, frames: u64, len: usize) {
        self.unkeep(frames, len);
        self.sent += frames;
        self.sent_bytes += wide(len);
    }
}
