//! One end of one connection.

use alloc::collections::VecDeque;
use core::fmt;

use bytes::Bytes;
use thiserror::Error;
use tinwire_time::Instant;

use super::options::Terms;
use super::receive::ReceiveQueue;
use super::send::{Due, SendQueue};
use super::state::{Stage, User};
use super::transmit::Control;
use super::{
    Clamped, CloseReason, Event, Filler, Limits, Options, Segment, SegmentFlags, Sequence, State, Stats,
};
use crate::Flags;

/// Why a message is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendError {
    /// The connection is over, or is to take no more.
    #[error("the connection takes no more messages")]
    Closed,
    /// A window of messages is unacknowledged, or the connection is not open yet.
    ///
    /// Try again after [`Event::Writable`].
    #[error("the window is full")]
    Full,
    /// An empty message has no form: it would be an acknowledgement.
    #[error("an empty message cannot be sent by RDP")]
    Empty,
}

/// One end of one connection, without packets, ports or a clock.
///
/// The owner's loop:
///
/// 1. Tell it what happened: [`handle_segment`](Self::handle_segment) for what came,
///    [`handle_timeout`](Self::handle_timeout) when [`poll_timeout`](Self::poll_timeout) is due, and the
///    user's commands.
/// 2. [`poll_transmit`](Self::poll_transmit) until `None`. May give more after any `handle_*` or command.
/// 3. [`poll_event`](Self::poll_event) until `None`. May give more after any of the above.
/// 4. [`poll_timeout`](Self::poll_timeout): wait until then, or until something happens. May change after any
///    of the above, [`recv`](Self::recv) included.
///
/// `M` is what the owner wants to know of each message received; the machine only keeps it. Time must not go
/// back. Memory is bounded by the window: one window of messages unacknowledged, two that came early, and
/// what [`accept`](Self::accept) and [`connect`](Self::connect) are told to keep for reading.
pub struct Machine<M = ()> {
    pub(super) stage: Stage,
    pub(super) terms: Terms,
    clamped: Clamped,
    pub(super) send: SendQueue,
    pub(super) receive: ReceiveQueue<M>,
    /// `ack_ts`: when the last segment was sent.
    pub(super) sent_at: Instant,
    /// The latest time told.
    pub(super) now: Instant,
    pub(super) pending: VecDeque<Control>,
    pub(super) news: News,
    /// A message was refused for want of room.
    wants_room: bool,
    /// A message was read after the end, which has its acknowledgement looked at once more (9.5).
    pub(super) read_late: bool,
    /// A reset that acknowledged too little was answered with the question for another.
    pub(super) asked_again: bool,
    pub(super) stats: Stats,
}

/// What the user is to be told.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct News {
    pub(super) connected: bool,
    pub(super) acknowledged: bool,
    readable: bool,
    /// The user was told, and has not read everything since.
    announced: bool,
    writable: bool,
    pub(super) closed: Option<CloseReason>,
}

impl<M> Machine<M> {
    /// Asks for a connection.
    ///
    /// `initial`: two random numbers, one to begin with and one for a second attempt. `read_queue`: messages
    /// that wait to be read; at least two windows wait in any case.
    #[must_use]
    pub fn connect(now: Instant, options: Options, initial: [Sequence; 2], read_queue: usize) -> Self {
        let [first, spare] = initial;
        let clamped = Limits::WIDEST.clamp(options);
        let syn = Bytes::copy_from_slice(&clamped.options().encode());
        let stage = Stage::SynSent {
            since: now,
            spare: Some(spare),
            refused: false,
        };
        Self::new(now, stage, clamped, (first, syn), Sequence::default(), read_queue)
    }

    /// Answers the SYN numbered `opening`, whose options are `clamped` (RDP-3).
    ///
    /// `initial`: a random number. `read_queue`: as with [`connect`](Self::connect).
    #[must_use]
    pub fn accept(
        now: Instant,
        clamped: Clamped,
        opening: Sequence,
        initial: Sequence,
        read_queue: usize,
    ) -> Self {
        let stage = Stage::SynReceived { since: now };
        Self::new(now, stage, clamped, (initial, Bytes::new()), opening, read_queue)
    }

    fn new(
        now: Instant,
        stage: Stage,
        clamped: Clamped,
        (initial, syn): (Sequence, Bytes),
        opening: Sequence,
        read_queue: usize,
    ) -> Self {
        let terms = clamped.options().terms();
        let capacity = read_queue.max(usize::from(terms.window).saturating_mul(2));
        let stats = Stats {
            clamped: u64::from(!clamped.is_unchanged()),
            ..Stats::default()
        };
        Self {
            stage,
            terms,
            clamped,
            send: SendQueue::new(now, initial, syn),
            receive: ReceiveQueue::new(opening, capacity),
            sent_at: now,
            now,
            pending: VecDeque::new(),
            news: News::default(),
            wants_room: false,
            read_late: false,
            asked_again: false,
            stats,
        }
    }

    /// Tries once more with another number (9.8).
    pub(super) fn reconnect(&mut self, now: Instant, initial: Sequence) {
        let syn = Bytes::copy_from_slice(&self.clamped.options().encode());
        self.send = SendQueue::new(now, initial, syn);
        self.sent_at = now;
    }

    /// What the connection is doing.
    #[must_use]
    pub const fn state(&self) -> State {
        match self.stage {
            Stage::SynSent { .. } => State::SynSent,
            Stage::SynReceived { .. } => State::SynReceived,
            Stage::Open { finish: None, .. } => State::Open,
            Stage::Open { .. } => State::Finishing,
            Stage::CloseWait { .. } => State::CloseWait,
            Stage::Closed => State::Closed,
        }
    }

    /// The options the connection goes by, and those it was asked for.
    #[must_use]
    pub const fn options(&self) -> Clamped {
        self.clamped
    }

    /// Counters of this connection.
    #[must_use]
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Sets the counters back to zero; what is in doubt then counts where it ends.
    pub(crate) fn reset_stats(&mut self) {
        self.stats = Stats::default();
    }

    /// How many messages were ever taken to be sent, and how many of them are acknowledged.
    #[must_use]
    pub const fn progress(&self) -> (u64, u64) {
        (self.send.sent(), self.send.acknowledged())
    }

    /// How many messages it keeps: to be sent again, and to be read or put in order.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.send.len(), self.receive.len())
    }

    /// Whether a message could be sent now.
    ///
    /// # Errors
    /// It could not: see [`SendError`]. After [`SendError::Full`], [`Event::Writable`] tells when to try
    /// again.
    pub fn check_send(&mut self, body: &[u8]) -> Result<(), SendError> {
        match self.stage {
            _ if body.is_empty() => Err(SendError::Empty),
            Stage::Open { finish: None, .. } if self.send.has_room(self.terms.window) => Ok(()),
            Stage::Open { finish: None, .. } | Stage::SynSent { .. } | Stage::SynReceived { .. } => {
                self.wants_room = true;
                Err(SendError::Full)
            }
            Stage::Open { .. } | Stage::CloseWait { .. } | Stage::Closed => Err(SendError::Closed),
        }
    }

    /// Takes a message to be sent; returns its number on this connection, from 0.
    ///
    /// `flags` go into the header of its packet, each time it is sent.
    ///
    /// # Errors
    /// It was not taken: see [`SendError`]. After [`SendError::Full`], [`Event::Writable`] tells when to try
    /// again.
    pub fn send(&mut self, now: Instant, body: Bytes, flags: Flags) -> Result<u64, SendError> {
        self.check_send(&body)?;
        Ok(self.record(now, body, flags, Due::First))
    }

    /// The segment that the next message goes out with.
    pub(crate) const fn next_segment(&self) -> Segment {
        Segment {
            flags: SegmentFlags::ACK,
            filler: Filler::ZERO,
            sequence: self.send.next(),
            acknowledgement: self.receive.current(),
        }
    }

    /// Takes note that a message went out with [`next_segment`](Self::next_segment).
    pub(crate) fn sent(&mut self, now: Instant, body: Bytes, flags: Flags) -> u64 {
        self.record(now, body, flags, Due::No)
    }

    fn record(&mut self, now: Instant, body: Bytes, flags: Flags, due: Due) -> u64 {
        self.tell(now);
        self.sent_at = now;
        self.receive.piggybacked();
        self.stats.sent = self.stats.sent.wrapping_add(1);
        self.send.push(now, body, flags, due)
    }

    /// The next message received, in order; `None`: nothing there.
    pub fn recv(&mut self) -> Option<(Bytes, M)> {
        let Some(message) = self.receive.pop() else {
            self.news.announced = false;
            return None;
        };
        self.receive_early();
        self.read_late = matches!(self.stage, Stage::CloseWait { .. });
        Some(message)
    }

    /// Counts what became readable, and tells of it.
    pub(super) const fn received(&mut self, messages: u64) {
        self.stats.received = self.stats.received.wrapping_add(messages);
        if !core::mem::replace(&mut self.news.announced, true) {
            self.news.readable = true;
        }
    }

    /// Takes what came early and is next; true if there was something.
    pub(super) fn receive_early(&mut self) -> bool {
        let moved = self.receive.advance();
        if moved > 0 {
            self.received(moved);
        }
        moved > 0
    }

    /// Notes what was acknowledged, and who may go on because of it.
    pub(super) fn acknowledged(&mut self, number: Sequence) {
        let before = self.send.acknowledged();
        if self.send.acknowledge(number) {
            let more = self.send.acknowledged().saturating_sub(before);
            self.stats.acknowledged = self.stats.acknowledged.wrapping_add(more);
            self.news.acknowledged = !matches!(self.stage, Stage::CloseWait { user: User::Gone, .. });
        }
        self.tell_room();
    }

    pub(super) fn tell_room(&mut self) {
        let is_open = matches!(self.stage, Stage::Open { finish: None, .. });
        if is_open && self.wants_room && self.send.has_room(self.terms.window) {
            self.wants_room = false;
            self.news.writable = true;
        }
    }

    /// Takes note of the time, which does not go back.
    pub(super) fn tell(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// The next event; none once the user has closed.
    pub fn poll_event(&mut self) -> Option<Event> {
        let news = &mut self.news;
        let taken = |flag: &mut bool| core::mem::replace(flag, false);
        if taken(&mut news.connected) {
            return Some(Event::Connected);
        }
        if taken(&mut news.readable) {
            return Some(Event::Readable);
        }
        if taken(&mut news.acknowledged) {
            return Some(Event::Acknowledged);
        }
        if taken(&mut news.writable) {
            return Some(Event::Writable);
        }
        news.closed.take().map(Event::Closed)
    }

    /// Nobody wants to be told any more.
    pub(super) fn fall_silent(&mut self) {
        self.news = News::default();
        self.wants_room = false;
    }

    /// Whether a connection that is over still has a user.
    pub(super) const fn user(&self) -> User {
        match self.stage {
            Stage::CloseWait { user, .. } => user,
            Stage::SynReceived { .. } => User::Gone,
            Stage::SynSent { .. } | Stage::Open { .. } | Stage::Closed => User::Holds,
        }
    }
}

/// Prints numbers and deadlines, and no message.
impl<M> fmt::Debug for Machine<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine")
            .field("stage", &self.stage)
            .field("next", &self.send.next())
            .field("received", &self.receive.current())
            .field("progress", &self.progress())
            .field("pending", &self.pending)
            .field("now", &self.now)
            .field("timeout", &self.poll_timeout())
            .finish_non_exhaustive()
    }
}
