//! What a dump saw, for its closing line.

use std::collections::BTreeMap;

use can_link::link::Event;
use serde::Serialize;

use super::sources::Tagged;

#[derive(Debug, Default)]
pub(super) struct Counts {
    frames: u64,
    errors: u64,
    bad: u64,
    /// Lost frames by reason.
    dropped: BTreeMap<String, u64>,
}

/// The closing line.
#[derive(Serialize)]
pub(super) struct Summary<'a> {
    r#type: &'static str,
    frames: u64,
    errors: u64,
    bad: u64,
    dropped: u64,
    #[serde(rename = "dropped_by")]
    reasons: &'a BTreeMap<String, u64>,
}

impl Counts {
    pub(super) fn take(&mut self, event: &Tagged) {
        match &event.event {
            Event::Frame(_) => self.frames += 1,
            Event::BusError(_) => self.errors += 1,
            Event::Dropped { count, reason } => *self.dropped.entry(reason.to_string()).or_default() += count,
            Event::BadInput(_) => self.bad += 1,
            _ => {}
        }
    }

    /// What `-n` counts: as for candump, error reports are frames too.
    pub(super) const fn shown(&self) -> u64 {
        self.frames + self.errors
    }

    /// Whether something came, and none of it was a frame.
    pub(super) const fn is_rubbish(&self) -> bool {
        self.bad > 0 && self.shown() == 0
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.values().sum()
    }

    pub(super) fn summary(&self) -> Summary<'_> {
        Summary {
            r#type: "summary",
            frames: self.frames,
            errors: self.errors,
            bad: self.bad,
            dropped: self.dropped(),
            reasons: &self.dropped,
        }
    }
}

/// `12 frames, 0 dropped`; more only where there is more to tell.
pub(super) fn text(summary: &Summary<'_>) -> String {
    let plural = |count: u64| if count == 1 { "" } else { "s" };
    let mut text = format!("{} frame{}", summary.frames, plural(summary.frames));
    if summary.errors > 0 {
        text.push_str(&format!(
            ", {} error report{}",
            summary.errors,
            plural(summary.errors)
        ));
    }
    if summary.bad > 0 {
        text.push_str(&format!(", {} bad", summary.bad));
    }
    text.push_str(&format!(", {} dropped", summary.dropped));
    let reasons: Vec<_> = summary
        .reasons
        .iter()
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect();
    if !reasons.is_empty() {
        text.push_str(&format!(" ({})", reasons.join(", ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use can_link::link::DropReason;

    use super::*;

    fn dropped(count: u64, reason: DropReason) -> Tagged {
        Tagged {
            link: "can0".into(),
            event: Event::Dropped { count, reason },
        }
    }

    #[test]
    fn an_uneventful_dump_says_that_nothing_was_dropped() {
        assert_eq!(text(&Counts::default().summary()), "0 frames, 0 dropped");
    }

    #[test]
    fn losses_are_told_by_reason() {
        let mut counts = Counts::default();
        counts.take(&dropped(3, DropReason::SocketQueueFull));
        counts.take(&dropped(4, DropReason::SocketQueueFull));
        counts.take(&dropped(1, DropReason::Upstream));
        assert_eq!(
            text(&counts.summary()),
            "0 frames, 8 dropped (1 lost upstream, 7 socket queue full)"
        );
    }
}
