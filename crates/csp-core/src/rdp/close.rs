//! What time does (9.5, 9.6), and how a connection ends (9.7).

use core::time::Duration;

use tinwire_time::Instant;

use super::state::{Left, Stage, User};
use super::{Acks, CloseReason, Machine, State};

/// The first moment that is later than `time`: the peers compare strictly.
fn after(time: Instant) -> Instant {
    time + Duration::from_micros(1)
}

/// How often a SYN is answered at most, where nothing follows it.
///
/// The peers know no limit but the connection timeout, which in their steps of 10 ms is as many by default.
const MAX_ANSWERS: u32 = 1000;

impl<M> Machine<M> {
    /// When [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let stage = match self.stage {
            Stage::Closed => return None,
            Stage::SynSent { since, .. } => self.silent_from(since),
            Stage::SynReceived { since } => self.unanswered_from(since),
            Stage::Open { heard, finish } => {
                let silent = self.silent_from(heard);
                finish.map_or(silent, |finish| finish.min(silent))
            }
            Stage::CloseWait {
                since,
                left: Left::Peer | Left::Time,
                ..
            } => self.silent_from(since),
            Stage::CloseWait { .. } => Instant::MAX,
        };
        let resend = self
            .may_resend()
            .then(|| self.send.oldest(self.terms.packet_timeout))
            .flatten()
            .map(after);
        [Some(stage), resend, self.acknowledgement_due()]
            .into_iter()
            .flatten()
            .filter(|deadline| *deadline < Instant::MAX)
            .min()
    }

    /// Does what is due (9.6). Early or repeated calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.tell(now);
        let now = self.now;
        match self.stage {
            Stage::SynSent { since, refused, .. } if now >= self.silent_from(since) => {
                let reason = if refused {
                    CloseReason::Refused
                } else {
                    CloseReason::NoAnswer
                };
                // RDP-12: nothing is sent, and nothing is kept.
                self.end(reason, Left::Nobody);
                self.stage = Stage::Closed;
                self.send.clear();
                return;
            }
            Stage::SynReceived { since } if now >= self.unanswered_from(since) => {
                self.end(CloseReason::NoAnswer, Left::Nobody);
                self.reset();
                return;
            }
            Stage::CloseWait { since, .. } if now >= self.silent_from(since) => {
                if let Stage::CloseWait { left, .. } = &mut self.stage {
                    *left = Left::Nobody;
                }
                self.leave();
            }
            _ => {}
        }
        if self.may_resend() {
            let resent = self.send.expire(now, self.terms.packet_timeout);
            self.resent(resent);
        }
        match self.stage {
            Stage::Open { heard, .. } if now >= self.silent_from(heard) => {
                self.end(CloseReason::PeerSilent, Left::Nobody);
                self.reset();
            }
            Stage::Open {
                finish: Some(limit), ..
            } if now >= limit => {
                self.end(CloseReason::Unfinished, Left::Peer);
                self.reset();
            }
            Stage::Open { .. } if self.acknowledgement_due().is_some_and(|due| now >= due) => {
                if self.is_stalled() {
                    // Nothing new is acknowledged, so nothing more comes; but the other end hears us.
                    self.acknowledge(self.receive.told());
                } else {
                    self.check_acknowledgement();
                }
            }
            Stage::CloseWait { .. } if self.read_late => {
                self.read_late = false;
                self.check_acknowledgement();
            }
            _ => {}
        }
    }

    /// From when on the other end has been silent for too long.
    fn silent_from(&self, since: Instant) -> Instant {
        after(since + self.terms.connection_timeout)
    }

    /// From when on a client that asked has not gone on for too long.
    fn unanswered_from(&self, since: Instant) -> Instant {
        let answers = self.terms.packet_timeout.saturating_mul(MAX_ANSWERS);
        after(since + answers.min(self.terms.connection_timeout))
    }

    /// Whether what is not acknowledged is sent again: after the end too, but not for ever.
    fn may_resend(&self) -> bool {
        match self.stage {
            Stage::Closed => false,
            Stage::CloseWait { since, .. } => self.now < self.silent_from(since),
            _ => true,
        }
    }

    /// Counts what is sent again, and notes when; it tells what was received.
    pub(super) fn resent(&mut self, segments: u64) {
        if segments > 0 {
            self.stats.retransmissions = self.stats.retransmissions.wrapping_add(segments);
            self.sent_at = self.now;
            self.receive.piggybacked();
        }
    }

    /// Whether the user reads too slowly for more than a window to come (9.5).
    fn is_stalled(&self) -> bool {
        self.receive.free() < usize::from(self.terms.window)
    }

    /// ACK-CHECK of 9.5.
    pub(super) fn check_acknowledgement(&mut self) {
        let is_due = match self.terms.acks {
            Acks::Immediate => true,
            Acks::Delayed => {
                self.now >= after(self.sent_at + self.terms.ack_timeout)
                    || self.receive.owes_more_than(self.terms.ack_delay_count)
            }
        };
        match (is_due, self.is_stalled()) {
            (true, true) => self.receive.hold_back(),
            (true, false) => self.acknowledge(self.receive.current()),
            (false, _) => {}
        }
    }

    /// When an acknowledgement is due that no segment brings about.
    fn acknowledgement_due(&self) -> Option<Instant> {
        if matches!(self.stage, Stage::CloseWait { .. }) {
            return self.read_late.then_some(self.now);
        }
        if !matches!(self.stage, Stage::Open { .. }) {
            return None;
        }
        match (self.terms.acks, self.is_stalled()) {
            // What was held back while nobody read.
            (Acks::Immediate, false) => self.receive.owes().then_some(self.now),
            (Acks::Immediate, true) => None,
            (Acks::Delayed, false) if self.receive.owes_more_than(self.terms.ack_delay_count) => {
                Some(self.now)
            }
            (Acks::Delayed, false) => Some(after(self.sent_at + self.terms.ack_timeout)),
            // The peers say nothing, and lose the connection after its timeout.
            (Acks::Delayed, true) => {
                let pause = self.terms.ack_timeout.max(self.terms.connection_timeout / 4);
                Some(after(self.sent_at + pause))
            }
        }
    }

    /// Ends the connection now; what is unacknowledged may be lost (RDP-8).
    ///
    /// The user is not told of anything any more. The machine is to be driven until
    /// [`is_over`](Self::is_over), so that the other end learns of it.
    pub fn close(&mut self, now: Instant) {
        self.tell(now);
        self.fall_silent();
        match &mut self.stage {
            Stage::Closed => {}
            Stage::CloseWait { user, .. } => *user = User::Gone,
            Stage::SynSent { .. } => self.give_up(),
            _ => {
                self.stage = Stage::CloseWait {
                    since: self.now,
                    left: Left::Peer,
                    user: User::Gone,
                };
                self.reset();
            }
        }
        self.receive.clear();
        self.leave();
    }

    /// Ends the connection once everything sent is acknowledged, or at `now + limit` at the latest (BET-3).
    ///
    /// Nothing more can be sent; what comes until then can be read. [`Event::Closed`](super::Event::Closed)
    /// tells how it went.
    pub fn finish(&mut self, now: Instant, limit: Duration) {
        self.tell(now);
        match &mut self.stage {
            Stage::Open { finish, .. } => {
                let until = self.now + limit;
                *finish = Some(finish.map_or(until, |earlier| earlier.min(until)));
                self.finish_if_acknowledged();
            }
            Stage::SynSent { .. } => {
                self.end(CloseReason::Finished, Left::Nobody);
                self.give_up();
            }
            Stage::SynReceived { .. } => {
                self.end(CloseReason::Finished, Left::Peer);
                self.reset();
            }
            Stage::CloseWait { .. } | Stage::Closed => {}
        }
    }

    /// Asks no more for a connection that never opened, and keeps nothing of it (RDP-12).
    ///
    /// The other end may just have answered, so it is told once.
    fn give_up(&mut self) {
        self.stage = Stage::Closed;
        self.send.clear();
        self.reset();
    }

    pub(super) fn finish_if_acknowledged(&mut self) {
        if self.state() == State::Finishing && self.send.is_acknowledged() {
            self.end(CloseReason::Finished, Left::Peer);
            self.reset();
        }
    }

    /// Whether nothing is left to do; the machine can be dropped once its last segments are sent.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Closed)
    }
}
