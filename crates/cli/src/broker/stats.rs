//! What became of the frames for a broker, in figures.

use serde::Serialize;

use crate::cmd::streams::Delivered;
use crate::units::counted;

/// Why a frame is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DropReason {
    /// No message can hold it: `max_payload` of NATS, `message.max.bytes` of Kafka, or `max` of the address.
    TooLarge,
}

impl DropReason {
    /// As it stands in JSON and in metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::TooLarge => "too-large",
        }
    }
}

/// Frames dropped, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Dropped {
    pub(crate) too_large: u64,
}

impl Dropped {
    pub(crate) const fn count(&mut self, reason: DropReason, frames: u64) {
        match reason {
            DropReason::TooLarge => self.too_large += frames,
        }
    }

    pub(crate) const fn total(self) -> u64 {
        self.too_large
    }

    /// As [`DropReason::name`] has it.
    pub(crate) const fn by_reason(self) -> [(&'static str, u64); 1] {
        [(DropReason::TooLarge.name(), self.too_large)]
    }
}

/// Figures of a window. `offered == stored + dropped.total() + held_frames`, always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Stats {
    /// Frames taken.
    pub(crate) offered: u64,
    /// Frames that the broker has acknowledged.
    pub(crate) stored: u64,
    /// Messages that the broker has acknowledged.
    pub(crate) stored_messages: u64,
    /// Of those stored, frames that the broker had stored before a connection was lost.
    pub(crate) duplicates: u64,
    /// Frames that were in flight when a connection was lost.
    pub(crate) resent: u64,
    pub(crate) dropped: Dropped,
    /// Connections made.
    pub(crate) connects: u64,
    /// Connections lost.
    pub(crate) losses: u64,
    /// Acknowledgements that did not come in time.
    pub(crate) overdue: u64,
    /// What is kept until it is acknowledged.
    pub(crate) held_frames: u64,
    pub(crate) held_bytes: u64,
}

impl Stats {
    /// Frames of which it is known what became of them.
    pub(crate) const fn settled(self) -> u64 {
        self.stored + self.dropped.total()
    }

    /// In words, without what is not worth a word.
    pub(crate) fn text(self) -> String {
        let mut text = counted(self.stored_messages, "message");
        for (count, what) in [
            (self.resent, "frames sent again"),
            (self.duplicates, "that were there already"),
            (self.losses, "connections lost"),
            (self.overdue, "answers overdue"),
        ] {
            if count > 0 {
                text = format!("{text}, {count} {what}");
            }
        }
        text
    }
}

impl From<Stats> for Delivered {
    fn from(stats: Stats) -> Self {
        Self {
            frames: stats.stored,
            dropped: stats.dropped.total(),
            is_unanswered: false,
        }
    }
}
