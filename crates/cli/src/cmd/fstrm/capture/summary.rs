//! The closing line.

use std::collections::BTreeMap;

use fstrm_codec::collector::Stats;
use fstrm_codec::store::RecorderStats;
use serde::Serialize;

use crate::units::counted;

/// What a capture came to.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    r#type: &'static str,
    /// In files.
    frames: u64,
    bytes: u64,
    files: u64,
    sessions: u64,
    refused: u64,
    ended: BTreeMap<&'static str, u64>,
    failed: BTreeMap<&'static str, u64>,
    dropped: u64,
    drops: BTreeMap<&'static str, u64>,
    /// Behind the last frame that was asked for.
    #[serde(skip_serializing_if = "is_zero")]
    surplus: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Figures {
    pub(super) fn new(stats: &Stats, recorded: &RecorderStats, surplus: u64) -> Self {
        let present = |counts: &[(&'static str, u64)]| {
            let present = counts.iter().filter(|(_, count)| *count > 0);
            present.copied().collect::<BTreeMap<_, _>>()
        };
        let (ended, store) = (&stats.ended, &recorded.store);
        Self {
            r#type: "summary",
            frames: store.frames,
            bytes: store.bytes,
            files: store.created + store.resumed,
            sessions: stats.sessions,
            refused: stats.refused,
            ended: present(&[
                ("stop", ended.stop),
                ("eof", ended.eof),
                ("truncated", ended.truncated),
            ]),
            failed: present(&stats.failed.by_reason()),
            dropped: stats.dropped.total(),
            drops: present(&stats.dropped.by_reason()),
            surplus,
        }
    }

    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "{}, {}, {}, {}",
            counted(self.frames, "frame"),
            counted(self.bytes, "byte"),
            counted(self.files, "file"),
            counted(self.sessions, "session")
        );
        let list = |counts: &BTreeMap<&'static str, u64>| {
            let each: Vec<_> = counts
                .iter()
                .map(|(reason, count)| format!("{reason} {count}"))
                .collect();
            each.join(", ")
        };
        if !self.failed.is_empty() {
            text.push_str(&format!(" (failed: {})", list(&self.failed)));
        }
        if self.refused > 0 {
            text.push_str(&format!(", {} refused", self.refused));
        }
        text.push_str(&format!(", {} dropped", self.dropped));
        if !self.drops.is_empty() {
            text.push_str(&format!(" ({})", list(&self.drops)));
        }
        text
    }
}
