//! What was seen, in numbers.

use std::collections::BTreeMap;

use csp_can::DiscardReason;
use serde::Serialize;

use crate::units;

/// The closing line.
#[derive(Serialize)]
pub(super) struct Summary {
    r#type: &'static str,
    pub(super) packets: u64,
    /// Frames and packets that could not be used.
    pub(super) discarded: u64,
    discarded_by: BTreeMap<&'static str, u64>,
    /// CFP frames, those in `discarded` too.
    pub(super) frames: u64,
    /// Frames of other protocols.
    pub(super) other: u64,
    /// Frames that the link lost before we saw them.
    pub(super) dropped: u64,
}

impl Default for Summary {
    fn default() -> Self {
        Self {
            r#type: "summary",
            packets: 0,
            discarded: 0,
            discarded_by: BTreeMap::new(),
            frames: 0,
            other: 0,
            dropped: 0,
        }
    }
}

impl Summary {
    pub(super) fn discard(&mut self, reason: DiscardReason) {
        self.discarded += 1;
        *self.discarded_by.entry(kind_of(reason)).or_default() += 1;
    }

    pub(super) fn text(&self) -> String {
        let reasons: Vec<_> = self
            .discarded_by
            .iter()
            .map(|(reason, count)| format!("{count} {reason}"))
            .collect();
        let reasons = match reasons.as_slice() {
            [] => String::new(),
            reasons => format!(" ({})", reasons.join(", ")),
        };
        format!(
            "{}, {} discarded{reasons}, {} of other protocols, {} dropped",
            units::counted(self.packets, "packet"),
            self.discarded,
            units::counted(self.other, "frame"),
            self.dropped
        )
    }
}

/// What like reasons count as.
const fn kind_of(reason: DiscardReason) -> &'static str {
    match reason {
        DiscardReason::ShortBegin { .. } => "short first frame",
        DiscardReason::NoBegin => "no first frame",
        DiscardReason::WrongCounter { .. } => "frame missing or out of order",
        DiscardReason::LongFrame { .. } => "long frame",
        DiscardReason::BeyondLength { .. } => "more than announced",
        DiscardReason::TooLong { .. } => "too long",
        DiscardReason::Replaced => "replaced by a new one",
        DiscardReason::Stale => "unfinished",
        DiscardReason::Full => "no room",
        _ => "other",
    }
}
