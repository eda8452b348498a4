//! What becomes of a message, as JSON carries it.

use core::time::Duration;
use std::time::SystemTime;

use isotp::{SendState, StreamError};
use serde::Serialize;

use crate::output::timestamp;

/// A state on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    state: &'static str,
    sent: u64,
    len: u64,
}

#[derive(Serialize)]
pub(super) struct StateLine<'a> {
    r#type: &'static str,
    state: &'static str,
    ts: String,
    link: &'a str,
    sent: u64,
    len: u64,
}

impl State {
    /// The state of a message of `len` bytes; none of its own for the end.
    pub(super) fn of(state: SendState, len: u64) -> Option<Self> {
        let (state, sent) = match state {
            SendState::Queued => ("queued", 0),
            SendState::Started => ("started", 0),
            SendState::Progress { sent, .. } => ("progress", sent.into()),
            _ => return None,
        };
        Some(Self { state, sent, len })
    }

    pub(super) fn at(self, link: &str) -> StateLine<'_> {
        let Self { state, sent, len } = self;
        StateLine {
            r#type: "sending",
            state,
            ts: timestamp(SystemTime::now()),
            link,
            sent,
            len,
        }
    }
}

/// The end of a message that went through.
#[derive(Serialize)]
pub(super) struct Sent<'a> {
    r#type: &'static str,
    state: &'static str,
    ts: String,
    link: &'a str,
    len: u64,
    duration_us: u64,
}

pub(super) fn sent(link: &str, len: u64, took: Duration) -> Sent<'_> {
    Sent {
        r#type: "sent",
        state: "done",
        ts: timestamp(SystemTime::now()),
        link,
        len,
        duration_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
    }
}

/// The end of a message that did not.
#[derive(Serialize)]
pub(super) struct Failed<'a> {
    r#type: &'static str,
    state: &'static str,
    ts: String,
    link: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    n_result: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    side: Option<String>,
    /// Bytes that were handed to the link, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    sent: Option<u32>,
    len: u64,
    message: String,
}

pub(super) fn failed<'a>(link: &'a str, len: u64, error: &StreamError) -> Failed<'a> {
    Failed {
        r#type: "failed",
        state: "failed",
        ts: timestamp(SystemTime::now()),
        link,
        n_result: error.n_result().map(isotp::NResult::name),
        side: error.side().map(|side| side.to_string()),
        sent: error.progress().map(|progress| progress.done),
        len,
        message: error.to_string(),
    }
}

/// What stands behind the bar.
pub(super) fn progress(sent: u32, len: u64, elapsed: Duration) -> String {
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    let rate = u64::from(sent).saturating_mul(1000).checked_div(millis);
    format!("{sent} of {len} bytes, {} B/s", rate.unwrap_or_default())
}
