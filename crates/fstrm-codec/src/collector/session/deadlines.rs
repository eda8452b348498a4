//! When a session has waited long enough.

use core::time::Duration;

use tokio::time::Instant;

use super::super::{Config, Handshake};

/// How long a large read buffer may lie idle.
const SETTLE: Duration = Duration::from_secs(1);

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Handshake,
    Idle,
    Frame,
    /// The read buffer may be too large by now.
    Settle,
}

/// The deadlines of one session.
#[derive(Debug)]
pub(super) struct Deadlines {
    handshake_timeout: Duration,
    frame_timeout: Duration,
    idle_timeout: Option<Duration>,
    /// By when START has to come; where it may come first, by when the first byte has to, until that has.
    handshake: Option<Instant>,
    /// Whether a byte has come, where the time for the handshake begins with it.
    is_begun: bool,
    is_started: bool,
    /// The last byte, or the beginning.
    heard: Instant,
    /// Since when the frame at hand is incomplete.
    frame: Option<Instant>,
    settle: Option<Instant>,
}

impl Deadlines {
    pub(super) fn new(config: &Config, now: Instant) -> Self {
        let is_begun = config.handshake == Handshake::Bidirectional;
        let timeout = Some(config.handshake_timeout).filter(|_| is_begun);
        Self {
            handshake_timeout: config.handshake_timeout,
            frame_timeout: config.frame_timeout,
            idle_timeout: config.idle_timeout,
            handshake: timeout
                .or(config.first_byte_timeout)
                .and_then(|timeout| now.checked_add(timeout)),
            is_begun,
            is_started: false,
            heard: now,
            frame: None,
            settle: None,
        }
    }

    /// START has come.
    pub(super) const fn started(&mut self) {
        self.is_started = true;
        self.handshake = None;
    }

    /// By when an answer has to be out.
    pub(super) fn answer_by(&self, now: Instant) -> Instant {
        self.handshake
            .or_else(|| now.checked_add(self.handshake_timeout))
            // A wait for ever is one of a day at a time.
            .unwrap_or(now + Duration::from_secs(86_400))
    }

    /// A read begins; the frame at hand is incomplete or not begun.
    pub(super) fn reading(&mut self, is_incomplete: bool, now: Instant) {
        self.frame = is_incomplete.then(|| self.frame.unwrap_or(now));
    }

    /// Bytes have come.
    pub(super) fn progressed(&mut self, now: Instant, is_large: bool) {
        self.heard = now;
        if !core::mem::replace(&mut self.is_begun, true) {
            self.handshake = now.checked_add(self.handshake_timeout);
        }
        if is_large && self.settle.is_none() {
            self.settle = Some(now + SETTLE);
        }
    }

    /// The read buffer was looked at.
    pub(super) fn settled(&mut self, now: Instant, is_large: bool) {
        self.settle = is_large.then(|| now + SETTLE);
    }

    /// Frames were handed out: what is incomplete now has just begun.
    pub(super) const fn restart(&mut self, now: Instant) {
        self.heard = now;
        self.frame = None;
    }

    /// The collector did not read for so long.
    pub(super) fn waited(&mut self, time: Duration) {
        if let Some(frame) = &mut self.frame {
            *frame += time;
        }
    }

    /// What is due first, and when.
    pub(super) fn next(&self) -> Option<(Instant, Due)> {
        let frame = self.frame.filter(|_| self.is_started);
        let idle_since = frame.is_none().then_some(self.heard);
        [
            self.handshake.map(|at| (at, Due::Handshake)),
            frame
                .and_then(|since| since.checked_add(self.frame_timeout))
                .map(|at| (at, Due::Frame)),
            idle_since
                .zip(self.idle_timeout)
                .and_then(|(since, idle)| since.checked_add(idle))
                .map(|at| (at, Due::Idle)),
            self.settle.map(|at| (at, Due::Settle)),
        ]
        .into_iter()
        .flatten()
        .min_by_key(|(at, _)| *at)
    }
}
