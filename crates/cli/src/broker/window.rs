//! What has been given to a broker and is not yet known to be stored; no I/O.
//!
//! ```text
//!   offer ─►│ waiting │ in flight │─► stored, in order ─► Confirmed
//!           └────◄── connection lost ───┘
//! ```
//!
//! Messages are kept until the broker has acknowledged them. When a connection is lost, whatever was in
//! flight is sent again on the next one, from the oldest on and before anything newer: at least once, in
//! order. Who offered a message learns that it and all before it are stored.

#[cfg(test)]
mod tests;

use core::time::Duration;
use std::collections::VecDeque;

use tinwire_time::Instant;

use super::package::Message;
use super::stats::{DropReason, Stats};

/// Wait after the first connection that was lost.
const FIRST_BACKOFF: Duration = Duration::from_millis(10);
/// Longest wait between two attempts to connect.
const LAST_BACKOFF: Duration = Duration::from_secs(5);

/// Messages that may be in flight.
pub(crate) const MAX_IN_FLIGHT: usize = 4096;

/// Limits of a [`Window`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    /// Bytes of messages held before no more is taken.
    pub(crate) max_bytes: usize,
    /// Messages in flight.
    pub(crate) max_in_flight: usize,
    /// How long the broker may leave messages without any answer.
    pub(crate) ack_timeout: Duration,
}

/// What the driver has to do or to tell.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event<T> {
    /// Make a connection; the wait is over.
    Connect,
    /// All that was offered with this mark, and before it, is stored or was dropped by reason.
    Confirmed(T),
    /// Frames that will not be stored.
    Dropped {
        /// Why.
        reason: DropReason,
        /// How many.
        frames: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Until then.
    Waiting(Instant),
    /// The driver was told to connect.
    Connecting,
    Connected,
}

#[derive(Debug)]
struct Held {
    message: Message,
    /// When it was given to this connection.
    sent: Option<Instant>,
    /// Acknowledged, while an older one is not.
    stored: bool,
}

/// Messages between the relay and the broker.
#[derive(Debug)]
pub(crate) struct Window<T> {
    config: Config,
    state: State,
    /// Oldest first, with consecutive numbers.
    held: VecDeque<Held>,
    bytes: usize,
    /// Of those held, how many from the front on are in flight or stored.
    reached: usize,
    in_flight: usize,
    /// The number of the last message before those held.
    done: u64,
    /// When the broker last said something about a message.
    answered: Instant,
    /// Who waits for which number.
    marks: VecDeque<(u64, T)>,
    events: VecDeque<Event<T>>,
    backoff: Duration,
    jitter: u64,
    stats: Stats,
}

impl<T> Window<T> {
    /// An empty window that wants a connection; `seed` spreads what many of them do at once.
    pub(crate) fn new(config: Config, seed: u64, now: Instant) -> Self {
        Self {
            config,
            state: State::Waiting(now),
            held: VecDeque::new(),
            bytes: 0,
            reached: 0,
            in_flight: 0,
            done: 0,
            answered: now,
            marks: VecDeque::new(),
            events: VecDeque::new(),
            backoff: FIRST_BACKOFF,
            jitter: seed | 1,
            stats: Stats::default(),
        }
    }

    /// Whether more may be offered. What is offered at once may exceed the limit by itself.
    pub(crate) const fn has_room(&self) -> bool {
        self.bytes < self.config.max_bytes
    }

    /// Whether all that was offered is stored or dropped.
    pub(crate) fn is_idle(&self) -> bool {
        self.held.is_empty() && self.marks.is_empty()
    }

    pub(crate) fn stats(&self) -> Stats {
        Stats {
            held_bytes: u64::try_from(self.bytes).unwrap_or(u64::MAX),
            held_frames: self.stats.offered - self.stats.stored - self.stats.dropped.total(),
            ..self.stats
        }
    }

    /// Takes messages with the numbers that follow, and frames that fit into none; `mark` comes back when
    /// nothing of it is outstanding.
    pub(crate) fn offer(&mut self, messages: Vec<Message>, too_large: u64, mark: T) {
        let mut last = self.marks.back().map_or(self.done, |(number, _)| *number);
        for message in messages {
            last = message.number;
            self.bytes = self.bytes.saturating_add(message.payload.len());
            self.stats.offered += message.frames;
            self.held.push_back(Held {
                message,
                sent: None,
                stored: false,
            });
        }
        self.stats.offered += too_large;
        self.drop_frames(DropReason::TooLarge, too_large);
        self.marks.push_back((last, mark));
        self.settle();
    }

    /// There is a connection on which nothing has been sent.
    pub(crate) fn handle_connected(&mut self) {
        self.state = State::Connected;
        self.stats.connects += 1;
        self.rewind();
    }

    /// The connection is gone, or none could be made: what was in flight may or may not be stored.
    pub(crate) fn handle_lost(&mut self, now: Instant) {
        if self.state == State::Connected {
            self.stats.losses += 1;
        }
        self.rewind();
        // Half the wait is fixed, the other half by chance.
        self.jitter ^= self.jitter << 13;
        self.jitter ^= self.jitter >> 7;
        self.jitter ^= self.jitter << 17;
        let half = self.backoff / 2;
        let chance = u64::try_from(half.as_micros()).unwrap_or(u64::MAX).max(1);
        let wait = half + Duration::from_micros(self.jitter % chance);
        self.backoff = (self.backoff * 2).min(LAST_BACKOFF);
        self.state = State::Waiting(now + wait);
    }

    /// Everything that is not stored is to be sent on the next connection.
    fn rewind(&mut self) {
        self.reached = 0;
        self.in_flight = 0;
        for held in &mut self.held {
            if held.sent.take().is_some() && !held.stored {
                self.stats.resent += held.message.frames;
            }
        }
    }

    /// The next message to give to the connection.
    pub(crate) fn poll_transmit(&mut self, now: Instant) -> Option<&Message> {
        if self.state != State::Connected || self.in_flight >= self.config.max_in_flight {
            return None;
        }
        while self.held.get(self.reached)?.stored {
            self.reached += 1;
        }
        let held = self.held.get_mut(self.reached)?;
        self.reached += 1;
        self.in_flight += 1;
        held.sent = Some(now);
        Some(&held.message)
    }

    /// The broker has stored this message. `duplicate` when it says that it had it before.
    pub(crate) fn handle_ack(&mut self, now: Instant, number: u64, duplicate: bool) {
        if let Some(frames) = self.finish(now, number) {
            self.stats.stored += frames;
            self.stats.stored_messages += 1;
            self.stats.duplicates += if duplicate { frames } else { 0 };
            self.backoff = FIRST_BACKOFF;
            self.settle();
        }
    }

    /// The broker will never store this message.
    pub(crate) fn handle_refused(&mut self, now: Instant, number: u64, reason: DropReason) {
        if let Some(frames) = self.finish(now, number) {
            self.drop_frames(reason, frames);
            self.settle();
        }
    }

    /// Marks a message as done with, and says how many frames it holds; `None` when it is not in flight.
    fn finish(&mut self, now: Instant, number: u64) -> Option<u64> {
        let index = usize::try_from(number.checked_sub(self.done)?.checked_sub(1)?).ok()?;
        let held = self.held.get_mut(index)?;
        if held.stored || held.sent.is_none() {
            return None;
        }
        held.stored = true;
        self.in_flight = self.in_flight.saturating_sub(1);
        self.answered = now;
        Some(held.message.frames)
    }

    fn drop_frames(&mut self, reason: DropReason, frames: u64) {
        if frames > 0 {
            self.stats.dropped.count(reason, frames);
            self.events.push_back(Event::Dropped { reason, frames });
        }
    }

    /// Forgets what is stored from the oldest on, and tells who waited for it.
    fn settle(&mut self) {
        while self.held.front().is_some_and(|held| held.stored)
            && let Some(held) = self.held.pop_front()
        {
            self.bytes = self.bytes.saturating_sub(held.message.payload.len());
            self.reached = self.reached.saturating_sub(1);
            self.done = held.message.number;
        }
        let done = self.done;
        while self.marks.front().is_some_and(|(number, _)| *number <= done)
            && let Some((_, mark)) = self.marks.pop_front()
        {
            self.events.push_back(Event::Confirmed(mark));
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Waiting(until) => Some(until),
            State::Connecting => None,
            // The oldest message held is in flight if any is. A slow broker that goes on answering is no dead
            // one.
            State::Connected => Some(self.held.front()?.sent?.max(self.answered) + self.config.ack_timeout),
        }
    }

    /// Does what is due. True when the connection is to be given up, for an answer is overdue.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> bool {
        if self.poll_timeout().is_none_or(|at| at > now) {
            return false;
        }
        match self.state {
            State::Waiting(_) => {
                self.state = State::Connecting;
                self.events.push_back(Event::Connect);
                false
            }
            State::Connecting => false,
            State::Connected => {
                self.stats.overdue += 1;
                self.answered = now;
                true
            }
        }
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event<T>> {
        self.events.pop_front()
    }
}
