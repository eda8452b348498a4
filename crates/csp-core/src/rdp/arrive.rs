//! What a segment does (9.3, 9.4, 9.7).

use bytes::Bytes;
use tinwire_time::Instant;

use super::receive::Stored;
use super::state::{Left, Stage, User};
use super::{Acks, CloseReason, Machine, Segment, SegmentFlags};

/// What became of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// It was used.
    Taken,
    /// It says what was known before: no loss.
    Duplicate,
    /// It was not used.
    Dropped(Discard),
}

/// Why a segment was not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Discard {
    /// Its number is neither in the window nor one that was received before.
    OutOfWindow,
    /// It acknowledges what was not sent, or not lately.
    BadAcknowledgement,
    /// It has no meaning in the connection's state.
    Unexpected,
    /// Too many messages wait to be read. It will come again.
    ReadQueueFull,
}

impl<M> Machine<M> {
    /// Takes a segment with its `body`; `about` stays with the message if it is one.
    ///
    /// What is due by time is done first.
    pub fn handle_segment(&mut self, now: Instant, segment: Segment, body: Bytes, about: M) -> Verdict {
        self.handle_timeout(now);
        let verdict = if segment.flags.contains(SegmentFlags::RST) {
            self.handle_reset(segment)
        } else {
            match self.stage {
                Stage::SynSent { .. } => self.handle_answer(segment),
                Stage::SynReceived { .. } | Stage::Open { .. } => self.handle_in_turn(segment, body, about),
                Stage::CloseWait { .. } => self.handle_late(segment, &body),
                Stage::Closed => Verdict::Dropped(Discard::Unexpected),
            }
        };
        self.finish_if_acknowledged();
        if matches!(verdict, Verdict::Dropped(_)) {
            self.stats.dropped = self.stats.dropped.wrapping_add(1);
        }
        verdict
    }

    /// The client waits for a SYN|ACK (9.3).
    fn handle_answer(&mut self, segment: Segment) -> Verdict {
        if !segment.flags.contains(SegmentFlags::ACK) {
            return Verdict::Dropped(Discard::Unexpected);
        }
        if !segment.flags.contains(SegmentFlags::SYN) {
            return self.handle_half_open(segment);
        }
        // The peers don't compare it, and would open with a server that answers somebody else.
        if segment.acknowledgement != self.send.initial() {
            return Verdict::Dropped(Discard::BadAcknowledgement);
        }
        self.receive.open(segment.sequence);
        self.stage = Stage::Open {
            heard: self.now,
            finish: None,
        };
        self.news.connected = true;
        self.acknowledged(segment.acknowledgement);
        self.acknowledge(segment.sequence);
        Verdict::Taken
    }

    /// The server has a connection open from an earlier life of this client (9.8).
    ///
    /// It is told, with a number that it takes: the peers send their own next one, which never fits.
    fn handle_half_open(&mut self, segment: Segment) -> Verdict {
        self.reset_stranger(segment.acknowledgement.next());
        if let Stage::SynSent { since, spare, .. } = &mut self.stage
            && let Some(initial) = spare.take()
        {
            *since = self.now;
            self.reconnect(self.now, initial);
        }
        Verdict::Dropped(Discard::Unexpected)
    }

    /// A segment on a connection that is open, or is about to be (9.4).
    fn handle_in_turn(&mut self, segment: Segment, body: Bytes, about: M) -> Verdict {
        let Segment {
            flags,
            sequence,
            acknowledgement,
            ..
        } = segment;
        if flags.contains(SegmentFlags::SYN) || !flags.contains(SegmentFlags::ACK) {
            if sequence == self.receive.initial() {
                self.acknowledge_again();
                return Verdict::Duplicate;
            }
            self.end(CloseReason::Reset, Left::Peer);
            self.reset();
            return Verdict::Dropped(Discard::Unexpected);
        }
        if !self.receive.is_awaited(sequence, self.terms.window) {
            return self.handle_unawaited(segment, &body);
        }
        if !self.send.may_acknowledge(acknowledgement, self.terms.window) {
            return Verdict::Dropped(Discard::BadAcknowledgement);
        }
        if !self.open(acknowledgement) {
            return Verdict::Dropped(Discard::BadAcknowledgement);
        }
        self.acknowledged(acknowledgement);
        if flags.contains(SegmentFlags::EAK) {
            self.handle_extended(&body);
            return Verdict::Taken;
        }
        if body.is_empty() {
            return Verdict::Taken;
        }
        self.store(segment, body, about)
    }

    /// Opens the server's end with the first valid acknowledgement, which must be that of its SYN (9.3).
    fn open(&mut self, acknowledgement: super::Sequence) -> bool {
        match &mut self.stage {
            Stage::Open { heard, .. } => *heard = self.now,
            Stage::SynReceived { .. } if acknowledgement == self.send.initial() => {
                self.stage = Stage::Open {
                    heard: self.now,
                    finish: None,
                };
                self.news.connected = true;
            }
            _ => {
                self.end(CloseReason::Reset, Left::Peer);
                self.reset();
                return false;
            }
        }
        true
    }

    fn store(&mut self, segment: Segment, body: Bytes, about: M) -> Verdict {
        match self.receive.store(segment.sequence, body, about) {
            Stored::InOrder => {
                self.received(1);
                self.check_acknowledgement();
                if self.receive_early() && self.terms.acks == Acks::Delayed {
                    self.check_acknowledgement();
                }
                Verdict::Taken
            }
            Stored::Early => {
                self.stats.out_of_order = self.stats.out_of_order.wrapping_add(1);
                Verdict::Taken
            }
            Stored::Duplicate => {
                self.stats.duplicates = self.stats.duplicates.wrapping_add(1);
                self.check_acknowledgement();
                Verdict::Duplicate
            }
            Stored::Full => Verdict::Dropped(Discard::ReadQueueFull),
        }
    }

    /// A number outside the window: one that came before, or one from nowhere.
    fn handle_unawaited(&mut self, segment: Segment, body: &[u8]) -> Verdict {
        if matches!(self.stage, Stage::SynReceived { .. }) {
            self.send.repeat_syn(self.now);
            self.sent_at = self.now;
            return Verdict::Dropped(Discard::OutOfWindow);
        }
        let current = self.receive.current();
        let oldest = current.minus(self.terms.window.saturating_mul(2));
        if !segment.sequence.is_between(oldest, current) {
            return Verdict::Dropped(Discard::OutOfWindow);
        }
        // The peers look no further. But two ends that repeat their last message to each other before a lone
        // acknowledgement is due tell in nothing else that it has arrived.
        let is_repeated_first = self.terms.packet_timeout <= self.terms.ack_timeout;
        let number = segment.acknowledgement;
        if is_repeated_first && self.send.may_acknowledge(number, self.terms.window) {
            self.acknowledged(number);
        }
        if !body.is_empty() {
            self.stats.duplicates = self.stats.duplicates.wrapping_add(1);
            self.acknowledge_again();
        }
        Verdict::Duplicate
    }

    /// Repeats a lost acknowledgement, where no later one would.
    ///
    /// The peers leave a sender alone that repeats its last segment to a receiver without delayed
    /// acknowledgements, until its connection ends. A copy that the link made is no such repetition: it comes
    /// sooner.
    fn acknowledge_again(&mut self) {
        let is_repeated = self.now >= self.sent_at + self.terms.packet_timeout / 2;
        if is_repeated && self.terms.acks == Acks::Immediate && matches!(self.stage, Stage::Open { .. }) {
            self.check_acknowledgement();
        }
    }

    /// 1.6 lists what it holds out of order (9.9).
    fn handle_extended(&mut self, body: &[u8]) {
        let (held, _) = body.as_chunks::<2>();
        // More than can be in the window tells nothing.
        let held = held.get(..held.len().min(usize::from(self.terms.window).saturating_mul(2)));
        let timeout = self.terms.packet_timeout;
        let resent = held.map_or(0, |held| self.send.acknowledge_early(self.now, held, timeout));
        self.resent(resent);
    }

    /// RST, alone or with ACK (RDP-9).
    ///
    /// An application of libcsp that closes as soon as it has read the last message is faster than its
    /// router, which has yet to count that message as received. Who only waits for that acknowledgement asks
    /// once more: the answer is another reset, with all that was received (RDP-10).
    fn handle_reset(&mut self, segment: Segment) -> Verdict {
        let is_acknowledging = segment.flags.contains(SegmentFlags::ACK);
        let number = segment.acknowledgement;
        let is_valid = is_acknowledging && self.send.may_acknowledge(number, self.terms.window);
        match &mut self.stage {
            Stage::SynSent { refused, .. } => {
                *refused = true;
                Verdict::Dropped(Discard::Unexpected)
            }
            Stage::SynReceived { .. } | Stage::Open { .. } => {
                // First: where data before it was lost, nothing else may come any more that tells.
                if is_valid {
                    self.acknowledged(number);
                }
                if segment.sequence != self.receive.current().next() {
                    return Verdict::Dropped(Discard::OutOfWindow);
                }
                let is_finishing = matches!(self.stage, Stage::Open { finish: Some(_), .. });
                let reason = match (is_finishing, self.send.is_acknowledged()) {
                    (true, true) => CloseReason::Finished,
                    (true, false) if is_valid && !core::mem::replace(&mut self.asked_again, true) => {
                        self.acknowledge(self.receive.current());
                        return Verdict::Taken;
                    }
                    _ => CloseReason::ClosedByPeer,
                };
                self.end(reason, Left::Nobody);
                self.reset();
                Verdict::Taken
            }
            Stage::CloseWait { left, .. } => {
                *left = match *left {
                    Left::Peer | Left::Time if !is_acknowledging => Left::Time,
                    _ => Left::Nobody,
                };
                if is_valid {
                    self.acknowledged(number);
                }
                self.leave();
                Verdict::Taken
            }
            Stage::Closed => Verdict::Dropped(Discard::Unexpected),
        }
    }

    /// The other end does not know yet that the connection is over (RDP-10).
    fn handle_late(&mut self, segment: Segment, body: &[u8]) -> Verdict {
        let is_lone_acknowledgement = segment.flags.contains(SegmentFlags::ACK)
            && !segment.flags.contains(SegmentFlags::SYN)
            && self
                .send
                .may_acknowledge(segment.acknowledgement, self.terms.window);
        if !is_lone_acknowledgement {
            return Verdict::Dropped(Discard::Unexpected);
        }
        self.acknowledged(segment.acknowledgement);
        self.reset();
        if body.is_empty() {
            Verdict::Taken
        } else {
            Verdict::Dropped(Discard::Unexpected)
        }
    }

    /// Ends a connection: nothing more is sent or taken, and its user is told why.
    pub(super) fn end(&mut self, reason: CloseReason, left: Left) {
        let user = self.user();
        self.stage = Stage::CloseWait {
            since: self.now,
            left,
            user,
        };
        self.receive.clear_early();
        if user == User::Holds {
            self.news.closed = Some(reason);
        }
        self.leave();
    }

    /// Forgets a connection that nobody is left for.
    pub(super) fn leave(&mut self) {
        if let Stage::CloseWait {
            left: Left::Nobody,
            user: User::Gone,
            ..
        } = self.stage
        {
            self.stage = Stage::Closed;
            self.send.clear();
            self.receive.clear();
        }
    }
}
