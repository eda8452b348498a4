//! From messages to figures.

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use dnstap_codec::filter::Filter;
use dnstap_codec::stats::{Config, DEFAULT_TOP, Stats};
use dnstap_codec::{Dnstap, Timestamp};
use fstrm_codec::collector::{self, DEFAULT_QUEUE, SessionId};
use fstrm_codec::{End, OwnedRun};

use super::figures::{Figures, Queue, Rates, Stream};
use crate::cmd::dnstap::counts::Counts;
use crate::cmd::streams::Source;

/// Counters for each name that is shown.
const SPARE: usize = 16;
/// Streams that are still shown when they have ended.
const ENDED: usize = 64;

/// Whose clock decides how long an interval was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    /// The messages', for files: figures are of all of them.
    Messages,
    /// Ours, for what comes live: senders need not agree on theirs.
    Ours,
}

/// Counts messages.
#[derive(Debug)]
pub(super) struct Meter {
    stats: Stats,
    filter: Option<Filter>,
    clock: Clock,
    top: usize,
    from: String,
    pub(super) counts: Counts,
    streams: BTreeMap<Key, Tally>,
    /// The earliest and the latest message, since 1970.
    span: Option<(Duration, Duration)>,
    before: Before,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    File(Arc<str>),
    Peer(SessionId),
}

impl From<&Source> for Key {
    fn from(source: &Source) -> Self {
        match source {
            Source::File(name) => Self::File(Arc::clone(name)),
            Source::Peer { session, .. } => Self::Peer(*session),
        }
    }
}

/// What a stream brought.
#[derive(Debug)]
struct Tally {
    name: String,
    is_open: bool,
    frames: u64,
    bytes: u64,
    dropped: u64,
    /// Frames and bytes of the last figures.
    before: (u64, u64),
}

/// What the last figures told.
#[derive(Debug, Default)]
struct Before {
    at: Duration,
    queries: u64,
    responses: u64,
    frames: u64,
    bytes: u64,
}

impl Meter {
    pub(super) fn new(from: String, clock: Clock, filter: Option<Filter>, top: u16) -> Self {
        let top = usize::from(top);
        let counters = top.saturating_mul(SPARE).max(DEFAULT_TOP);
        Self {
            stats: Stats::new(Config::new().top(counters)),
            filter,
            clock,
            top,
            from,
            counts: Counts::default(),
            streams: BTreeMap::new(),
            span: None,
            before: Before::default(),
        }
    }

    /// Counts the frames of a source, seen now.
    pub(super) fn handle_run(&mut self, source: &Source, run: &OwnedRun, now: Timestamp) {
        let tally = self.tally(source);
        tally.frames += run.frames();
        tally.bytes += run.payload_bytes();
        let at = (self.clock == Clock::Ours).then_some(now);
        for payload in run.as_run().iter() {
            self.handle_frame(at, payload);
        }
    }

    /// Counts a frame. Without `at`, its own time is when it was.
    pub(super) fn handle_frame(&mut self, at: Option<Timestamp>, payload: &[u8]) {
        self.counts.frames += 1;
        self.counts.bytes += u64::try_from(payload.len()).unwrap_or(u64::MAX);
        let Ok(dnstap) = Dnstap::decode(payload) else {
            self.counts.bad += 1;
            self.stats.handle_unreadable();
            return;
        };
        if self
            .filter
            .as_ref()
            .is_some_and(|filter| !filter.matches(&dnstap))
        {
            return;
        }
        self.counts.shown += 1;
        if let Some(time) = own_time(&dnstap) {
            let (first, last) = self.span.unwrap_or((time, time));
            self.span = Some((first.min(time), last.max(time)));
        }
        self.stats.handle_message(at, &dnstap);
    }

    /// A stream is over; `None` when it was broken off.
    pub(super) fn handle_end(&mut self, source: &Source, end: Option<End>) {
        let tally = self.tally(source);
        tally.is_open = false;
        tally.dropped += u64::from(matches!(end, Some(End::Truncated { .. })));
        let ended = self.streams.iter().filter(|(_, tally)| !tally.is_open);
        if ended.clone().count() > ENDED
            && let Some(oldest) = ended.map(|(key, _)| key.clone()).next()
        {
            self.streams.remove(&oldest);
        }
    }

    /// A frame of a peer was over the limit.
    pub(super) fn handle_oversize(&mut self, session: SessionId) {
        if let Some(tally) = self.streams.get_mut(&Key::Peer(session)) {
            tally.dropped += 1;
        }
    }

    fn tally(&mut self, source: &Source) -> &mut Tally {
        self.streams.entry(source.into()).or_insert_with(|| Tally {
            name: source.to_string(),
            is_open: true,
            frames: 0,
            bytes: 0,
            dropped: 0,
            before: (0, 0),
        })
    }

    /// The figures of this moment, `elapsed` since the beginning. `now` ends the windows of rates.
    pub(super) fn figures(
        &mut self,
        elapsed: Duration,
        now: Option<Timestamp>,
        sockets: Option<&collector::Stats>,
    ) -> Figures {
        let snapshot = self.stats.snapshot(now, self.top);
        let whole = self.span.map(|(first, last)| last.saturating_sub(first));
        let (elapsed, interval) = match self.clock {
            Clock::Messages => {
                let whole = whole.unwrap_or_default();
                (whole, whole)
            }
            Clock::Ours => (elapsed, elapsed.saturating_sub(self.before.at)),
        };
        let per_second = |count: u64, before: u64| ratio(count.saturating_sub(before), interval);
        let before = &self.before;
        let figures = Figures {
            r#type: "top",
            from: self.from.clone(),
            seconds: elapsed.as_secs_f64(),
            rates: Rates {
                queries: per_second(snapshot.queries, before.queries),
                responses: per_second(snapshot.responses, before.responses),
                frames: per_second(self.counts.frames, before.frames),
                bytes: per_second(self.counts.bytes, before.bytes),
            },
            passed_over: self.counts.frames - self.counts.shown - self.counts.bad,
            dropped: sockets.map_or(0, |stats| stats.dropped.total()),
            queue: sockets.map(|stats| Queue {
                bytes: stats.queued_bytes,
                limit: u64::try_from(DEFAULT_QUEUE).unwrap_or(u64::MAX),
            }),
            streams: self
                .streams
                .values()
                .map(|tally| Stream {
                    name: tally.name.clone(),
                    is_open: tally.is_open,
                    frames: tally.frames,
                    bytes: tally.bytes,
                    frames_per_second: per_second(tally.frames, tally.before.0),
                    bytes_per_second: per_second(tally.bytes, tally.before.1),
                    dropped: tally.dropped,
                })
                .collect(),
            snapshot,
        };
        if self.clock == Clock::Ours {
            self.before = Before {
                at: elapsed,
                queries: figures.snapshot.queries,
                responses: figures.snapshot.responses,
                frames: self.counts.frames,
                bytes: self.counts.bytes,
            };
            for tally in self.streams.values_mut() {
                tally.before = (tally.frames, tally.bytes);
            }
        }
        figures
    }
}

/// When the message was seen, since 1970.
fn own_time(dnstap: &Dnstap<'_>) -> Option<Duration> {
    let message = dnstap.message.as_ref()?;
    let time = if message.message_type.is_query() {
        message.query_time()
    } else {
        message.response_time()
    };
    let (seconds, nanos) = time?.normal();
    Some(Duration::new(seconds, nanos))
}

/// How many in a second; none where no time has passed.
fn ratio(count: u64, time: Duration) -> f64 {
    if time.is_zero() {
        return 0.0;
    }
    Duration::from_secs(count).as_secs_f64() / time.as_secs_f64()
}

#[cfg(test)]
mod tests;
