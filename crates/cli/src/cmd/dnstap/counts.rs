//! What came, and what became of it: the closing line.

use core::ops::AddAssign;

use serde::Serialize;

use crate::units;

/// Counters of a command that shows messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Frames that came.
    pub(super) frames: u64,
    /// Their payloads' bytes.
    pub(super) bytes: u64,
    /// Messages that were wanted.
    pub(super) shown: u64,
    /// Payloads that are no dnstap.
    pub(super) bad: u64,
    /// Frames that never reached the command, as those that are too long.
    pub(super) dropped: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.frames += other.frames;
        self.bytes += other.bytes;
        self.shown += other.shown;
        self.bad += other.bad;
        self.dropped += other.dropped;
    }
}

/// The closing line in JSON.
#[derive(Serialize)]
pub(super) struct Summary {
    r#type: &'static str,
    frames: u64,
    bytes: u64,
    shown: u64,
    bad: u64,
    dropped: u64,
}

impl Counts {
    pub(super) const fn summary(&self) -> Summary {
        Summary {
            r#type: "summary",
            frames: self.frames,
            bytes: self.bytes,
            shown: self.shown,
            bad: self.bad,
            dropped: self.dropped,
        }
    }
}

impl Summary {
    pub(super) fn text(&self) -> String {
        let bad = match self.bad {
            0 => String::new(),
            bad => format!(", {bad} not understood"),
        };
        let shown = if self.shown + self.bad == self.frames {
            String::new()
        } else {
            format!(", {} shown", self.shown)
        };
        let (frames, bytes) = (
            units::counted(self.frames, "message"),
            units::counted(self.bytes, "byte"),
        );
        format!("{frames}, {bytes}{shown}{bad}, {} dropped", self.dropped)
    }
}
