//! The figures of Frame Streams, under the same names in every command.

use fstrm_codec::collector::Stats;
use fstrm_codec::store::RecorderStats;

use super::Page;
use crate::cmd::streams::Level;

const FRAMES: (&str, &str) = (
    "tinwire_fstrm_frames_total",
    "Data frames: in from senders, out to files",
);
const BYTES: (&str, &str) = (
    "tinwire_fstrm_bytes_total",
    "Payload bytes in, bytes of frames out",
);
const ERRORS: (&str, &str) = ("tinwire_fstrm_errors_total", "What went wrong, by reason");
const DROPS: (&str, &str) = (
    "tinwire_fstrm_drops_total",
    "Data frames that are not where they should be",
);

/// What a collector counts, and what the recorder behind it does.
pub(crate) fn collected(page: &mut Page, stats: &Stats, recorded: Option<&RecorderStats>) {
    let store = recorded.map(|recorded| &recorded.store);
    page.counter(FRAMES.0, FRAMES.1, &[("dir", "in")], stats.frames);
    if let Some(store) = store {
        page.counter(FRAMES.0, FRAMES.1, &[("dir", "out")], store.frames);
    }
    page.counter(BYTES.0, BYTES.1, &[("dir", "in")], stats.bytes);
    if let Some(store) = store {
        page.counter(BYTES.0, BYTES.1, &[("dir", "out")], store.bytes);
    }
    errors(page, stats);
    let failures = store.map_or(0, |store| store.failures);
    page.counter(ERRORS.0, ERRORS.1, &[("reason", "file")], failures);
    drops(page, stats);
    sessions(page, stats);
    if let Some(recorded) = recorded {
        self::recorded(page, recorded);
    }
}

/// What a relay carries.
#[derive(Debug)]
pub(crate) struct Relayed<'a> {
    /// Frames of all inputs, files among them.
    pub(crate) frames: u64,
    /// Their payload bytes.
    pub(crate) bytes: u64,
    /// Frames of another content type, given to nobody.
    pub(crate) wrong_type: u64,
    /// Frames that a sieve kept back, by reason.
    pub(crate) sifted: &'a [(&'static str, u64)],
    /// What came over sockets, if there are any.
    pub(crate) sockets: Option<&'a Stats>,
    /// Outputs by name.
    pub(crate) outputs: &'a [(String, Level)],
}

/// What a relay has taken, and what became of it.
pub(crate) fn relayed(page: &mut Page, relayed: &Relayed<'_>) {
    page.counter(FRAMES.0, FRAMES.1, &[("dir", "in")], relayed.frames);
    for (name, level) in relayed.outputs {
        let taken = level.stats.offered.saturating_sub(level.stats.dropped);
        let taken = taken.saturating_sub(level.frames);
        page.counter(FRAMES.0, FRAMES.1, &[("dir", "out"), ("output", name)], taken);
    }
    page.counter(BYTES.0, BYTES.1, &[("dir", "in")], relayed.bytes);
    if let Some(stats) = relayed.sockets {
        errors(page, stats);
        drops(page, stats);
    }
    page.counter(DROPS.0, DROPS.1, &[("reason", "wrong_type")], relayed.wrong_type);
    for &(reason, count) in relayed.sifted {
        page.counter(DROPS.0, DROPS.1, &[("reason", reason)], count);
    }
    for (name, level) in relayed.outputs {
        let labels = [("reason", "full"), ("output", name.as_str())];
        page.counter(DROPS.0, DROPS.1, &labels, level.stats.dropped);
    }
    if let Some(stats) = relayed.sockets {
        sessions(page, stats);
    }
    for (name, level) in relayed.outputs {
        let help = "Data frames that wait for an output";
        page.gauge(
            "tinwire_fstrm_queue_depth",
            help,
            &[("output", name)],
            level.frames,
        );
    }
    for (name, level) in relayed.outputs {
        let help = "Bytes that wait for an output";
        page.gauge(
            "tinwire_fstrm_output_bytes",
            help,
            &[("output", name)],
            level.bytes,
        );
    }
}

/// Connections that went wrong.
fn errors(page: &mut Page, stats: &Stats) {
    let others = [("refused", stats.refused), ("accept", stats.accept_errors)];
    for (reason, count) in stats.failed.by_reason().into_iter().chain(others) {
        page.counter(ERRORS.0, ERRORS.1, &[("reason", reason)], count);
    }
}

/// Frames that did not come whole, or were not wanted.
fn drops(page: &mut Page, stats: &Stats) {
    for (reason, count) in stats.dropped.by_reason() {
        page.counter(DROPS.0, DROPS.1, &[("reason", reason)], count);
    }
}

/// Connections and streams, and what they hold.
fn sessions(page: &mut Page, stats: &Stats) {
    let ended = &stats.ended;
    for (end, count) in [
        ("stop", ended.stop),
        ("eof", ended.eof),
        ("truncated", ended.truncated),
    ] {
        let help = "Streams by how they ended";
        page.counter("tinwire_fstrm_ended_total", help, &[("end", end)], count);
    }
    page.counter(
        "tinwire_fstrm_sessions_total",
        "Connections so far",
        &[],
        stats.sessions,
    );
    page.gauge("tinwire_fstrm_sessions", "Connections", &[], stats.open);
    let help = "Bytes read and not confirmed";
    page.gauge("tinwire_fstrm_queue_bytes", help, &[], stats.queued_bytes);
    let help = "Bytes of memory beyond 8 KiB for each connection";
    page.gauge("tinwire_fstrm_buffered_bytes", help, &[], stats.buffered_bytes);
}

/// What a recorder does to files.
fn recorded(page: &mut Page, recorded: &RecorderStats) {
    let store = &recorded.store;
    let help = "Data frames that wait to be written";
    page.gauge("tinwire_fstrm_queue_depth", help, &[], store.waiting_frames);
    let help = "Files, by what became of them";
    for (what, count) in [
        ("created", store.created),
        ("resumed", store.resumed),
        ("closed", store.closed),
        ("abandoned", store.abandoned),
        ("discarded", store.discarded),
    ] {
        page.counter("tinwire_fstrm_files_total", help, &[("what", what)], count);
    }
    let help = "1 while files cannot be written and senders wait";
    page.gauge("tinwire_fstrm_blocked", help, &[], u8::from(recorded.is_blocked));
}
