//! The half of a machine that sends: what waits, what is under way, and the peer's window.
//!
//! ```text
//!        acknowledged | under way      | may be sent     | closed
//!                     lwe              next              edge
//! ```

use alloc::collections::VecDeque;
use core::fmt;
use core::time::Duration;

use bytes::Bytes;
use tinwire_time::{Instant, Timer};

use super::config::Config;
use super::rtt::Rtt;
use super::state::{DownReason, pop};
use super::{SendError, Sequence};

/// Acknowledgements of the same number that say that a packet is missing.
const REPEATED: u8 = 3;
/// Packets that are sent again at once when the timer runs out.
const AT_ONCE: usize = 2;
/// How many more packets are sent again after an acknowledgement that gets further.
const MAX_GROWTH: usize = 2;

/// A packet that is not acknowledged.
struct UnderWay {
    payload: Bytes,
    begins: bool,
    first_sent: Instant,
    last_sent: Instant,
    is_repeated: bool,
}

/// The packets that were under way when one was found missing are sent again from the first on: one at first,
/// then one more at a time for each acknowledgement that gets further. One that was sent again longer ago
/// than the timer lasts is sent once more.
#[derive(Clone, Copy, Debug)]
struct Recovery {
    since: Instant,
    until: Sequence,
    allowed: usize,
}

/// A packet to be sent.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) seqno: Sequence,
    /// Nothing before it is unacknowledged.
    pub(super) begins: bool,
    pub(super) is_repeated: bool,
    pub(super) payload: Bytes,
}

pub(super) struct Sender {
    config: Config,
    /// Without a number yet.
    waiting: VecDeque<Bytes>,
    under_way: VecDeque<UnderWay>,
    /// Of both.
    bytes: usize,
    next: Sequence,
    edge: Sequence,
    /// When the run was last active; `None` before the first.
    active: Option<Instant>,
    rtt: Rtt,
    recovery: Option<Recovery>,
    /// Acknowledgements of the same number.
    repeated: u8,
    resend: Timer,
    rendezvous: Timer,
    is_rendezvous_due: bool,
    /// A rendez-vous is to be sent to measure the round trip, for packets get lost and there is no sample.
    is_measure_due: bool,
    /// When the last rendez-vous was sent that was not answered.
    asked: Option<Instant>,
    /// Since when nothing is heard while the window is closed.
    silent_since: Option<Instant>,
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("first", &self.first())
            .field("next", &self.next)
            .field("edge", &self.edge)
            .field("unsent", &self.unsent())
            .field("rtt", &self.rtt)
            .field("recovery", &self.recovery)
            .field("resend", &self.resend)
            .field("rendezvous", &self.rendezvous)
            .finish_non_exhaustive()
    }
}

impl Sender {
    pub(super) fn new(config: Config, first: Sequence) -> Self {
        Self {
            config,
            waiting: VecDeque::new(),
            under_way: VecDeque::new(),
            bytes: 0,
            next: first,
            edge: first,
            active: None,
            rtt: Rtt::new(config.wire.initial_rto()),
            recovery: None,
            repeated: 0,
            resend: Timer::stopped(),
            rendezvous: Timer::stopped(),
            is_rendezvous_due: false,
            is_measure_due: false,
            asked: None,
            silent_since: None,
        }
    }

    pub(super) fn push(&mut self, packet: Bytes) -> Result<(), SendError> {
        let max = self.config.bytes;
        match packet.len() {
            0 => Err(SendError::Empty),
            len if len > max => Err(SendError::TooLong { len, max }),
            len if len > max - self.bytes || !self.has_room() => Err(SendError::Full),
            len => {
                self.bytes += len;
                self.waiting.push_back(packet);
                Ok(())
            }
        }
    }

    fn has_room(&self) -> bool {
        self.unsent() + self.unacknowledged() < usize::from(self.config.packets)
    }

    pub(super) fn unsent(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn unacknowledged(&self) -> usize {
        self.under_way.len()
    }

    pub(super) fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.under_way.is_empty()
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The number of the first packet that is not acknowledged.
    fn first(&self) -> Sequence {
        let count = u32::try_from(self.under_way.len()).unwrap_or(u32::MAX);
        self.next.minus(count)
    }

    /// Whether the peer still knows our numbers, by delta-t.
    fn is_run_open(&self, now: Instant) -> bool {
        let inactivity = self.config.sender_inactivity();
        !self.under_way.is_empty()
            || self
                .active
                .is_some_and(|active| now.saturating_since(active) <= inactivity)
    }

    fn is_window_closed(&self, now: Instant) -> bool {
        !self.waiting.is_empty() && self.next == self.edge && self.is_run_open(now)
    }

    /// The next packet to be sent, if there is one.
    pub(super) fn poll(&mut self, now: Instant) -> Option<Outgoing> {
        self.poll_again(now).or_else(|| self.poll_new(now))
    }

    fn poll_again(&mut self, now: Instant) -> Option<Outgoing> {
        let recovery = self.recovery?;
        let first = self.first();
        let count = usize::try_from(recovery.until.since(first)).unwrap_or(usize::MAX);
        let patience = self.rtt.base();
        let mut candidates = (0..).zip(self.under_way.iter_mut().take(count.min(recovery.allowed)));
        let (place, packet) = candidates.find(|(_, packet)| {
            packet.last_sent < recovery.since || now.saturating_since(packet.last_sent) >= patience
        })?;
        packet.last_sent = now;
        packet.is_repeated = true;
        self.active = Some(now);
        Some(Outgoing {
            seqno: first.plus(place),
            begins: packet.begins,
            is_repeated: true,
            payload: packet.payload.clone(),
        })
    }

    fn poll_new(&mut self, now: Instant) -> Option<Outgoing> {
        if self.waiting.is_empty() {
            return None;
        }
        if !self.is_run_open(now) {
            // The numbers go on where they were, so that a peer that has not forgotten them understands too.
            self.edge = self.next.plus(u32::from(self.config.wire.initial_window()));
            self.rtt = Rtt::new(self.config.wire.initial_rto());
        }
        if self.next == self.edge {
            return None;
        }
        let (seqno, begins) = (self.next, self.under_way.is_empty());
        let payload;
        if self.config.is_reliable() {
            payload = self.waiting.pop_front()?;
            self.under_way.push_back(UnderWay {
                payload: payload.clone(),
                begins,
                first_sent: now,
                last_sent: now,
                is_repeated: false,
            });
            if !self.resend.is_running() {
                self.resend.start(now + self.rtt.timeout());
            }
        } else {
            payload = pop(&mut self.waiting, &mut self.bytes)?;
        }
        self.next = seqno.next();
        self.active = Some(now);
        Some(Outgoing {
            seqno,
            begins,
            is_repeated: false,
            payload,
        })
    }

    /// Takes a window; returns whether it is wider than before. It never gets narrower: a window that seems
    /// to is an old one. One beyond what any receiver has room for is no window of this run.
    pub(super) fn handle_window(&mut self, now: Instant, low_bits: u32) -> bool {
        let edge = self.edge.nearest(low_bits);
        let is_wider = self.is_run_open(now)
            && edge.is_after(self.edge)
            && edge.since(self.next) <= u32::from(self.config.wire.max_window());
        if is_wider {
            self.edge = edge;
        }
        is_wider
    }

    /// Takes an acknowledgement, alone in its packet or not; returns whether it said anything.
    pub(super) fn handle_acknowledgement(&mut self, now: Instant, ackno: Sequence, alone: Alone) -> bool {
        let count = usize::try_from(ackno.since(self.first())).unwrap_or(usize::MAX);
        if count > self.under_way.len() || self.under_way.is_empty() {
            return false;
        }
        if count == 0 {
            if alone == Alone::Yes && self.recovery.is_none() {
                self.repeated = self.repeated.saturating_add(1);
                if self.repeated == REPEATED {
                    self.recover(now, 1);
                }
            }
            return true;
        }
        self.repeated = 0;
        let is_recovering = self.recovery.is_some();
        self.measure(now, count, is_recovering);
        self.measure_otherwise(now);
        if let Some(recovery) = &mut self.recovery {
            recovery.allowed += count.min(MAX_GROWTH);
            if !ackno.is_before(recovery.until) {
                self.recovery = None;
            }
        }
        if self.under_way.is_empty() {
            self.resend.stop();
        } else {
            self.resend.start(now + self.rtt.timeout());
        }
        true
    }

    /// Lets go of the first `count` packets under way, and learns the round trip from them.
    fn measure(&mut self, now: Instant, count: usize, is_recovering: bool) {
        let since = |sent| now.saturating_since(sent);
        let is_lone = self.under_way.len() == 1;
        let mut acknowledged = self.under_way.drain(..count);
        let Some(first) = acknowledged.next() else { return };
        self.bytes -= first.payload.len();
        let (mut sent, mut is_repeated) = (first.first_sent, first.is_repeated);
        for packet in acknowledged {
            self.bytes -= packet.payload.len();
            (sent, is_repeated) = (packet.first_sent, packet.is_repeated);
        }
        // Karn: a packet that was sent twice says nothing, nor does one that waited for such a one.
        if !is_recovering && !is_repeated {
            self.rtt.sample(since(sent));
        } else if first.is_repeated {
            self.rtt.repeated(since(first.last_sent), is_lone);
        }
    }

    /// Begins to send again what is under way, `allowed` packets at first, or half of what is allowed
    /// already.
    const fn recover(&mut self, now: Instant, allowed: usize) {
        self.repeated = 0;
        self.recovery = Some(Recovery {
            since: now,
            until: self.next,
            allowed: match self.recovery {
                Some(recovery) if recovery.allowed / 2 > allowed => recovery.allowed / 2,
                _ => allowed,
            },
        });
    }

    /// Something was heard of the peer.
    pub(super) const fn handle_heard(&mut self, now: Instant) {
        if self.silent_since.is_some() {
            self.silent_since = Some(now);
        }
    }

    /// Notes whether the window is closed now.
    pub(super) fn watch_window(&mut self, now: Instant) {
        if !self.is_window_closed(now) {
            self.rendezvous.stop();
            self.is_rendezvous_due = false;
            self.silent_since = None;
        } else if !self.rendezvous.is_running() {
            self.rendezvous
                .start(now + self.config.wire.rendezvous_interval());
            self.silent_since = Some(now);
        }
    }

    /// Whether to ask where the window ends, once.
    pub(super) fn take_rendezvous(&mut self, now: Instant) -> bool {
        let is_due = self.is_rendezvous_due || self.is_measure_due;
        (self.is_rendezvous_due, self.is_measure_due) = (false, false);
        if is_due {
            self.active = Some(now);
            self.asked = Some(now);
        }
        is_due
    }

    /// A rendez-vous was answered.
    pub(super) fn handle_answer(&mut self, now: Instant) {
        if let Some(asked) = self.asked.take().filter(|_| !self.rtt.is_certain()) {
            self.rtt.sample(now.saturating_since(asked));
        }
    }

    /// Has the round trip measured if what was acknowledged did not tell it.
    fn measure_otherwise(&mut self, now: Instant) {
        let is_old = |asked| now.saturating_since(asked) >= self.rtt.base();
        if !self.rtt.is_certain() && self.asked.is_none_or(is_old) {
            self.is_measure_due = true;
        }
    }

    /// How long silence is borne while the window is closed.
    const fn patience(&self) -> Duration {
        if self.config.is_reliable() {
            self.config.reset_after
        } else {
            self.config.wire.rendezvous_time()
        }
    }

    fn silent_until(&self) -> Option<Instant> {
        Some(self.silent_since? + self.patience())
    }

    fn expires(&self) -> Option<Instant> {
        Some(self.under_way.front()?.first_sent + self.config.r)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let timers = [self.resend.deadline(), self.rendezvous.deadline()];
        let others = [self.expires(), self.silent_until()];
        timers.into_iter().chain(others).flatten().min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Result<(), DownReason> {
        if self.expires().is_some_and(|expires| expires <= now) {
            return Err(DownReason::Expired);
        }
        if self.silent_until().is_some_and(|until| until <= now) {
            if self.config.is_reliable() {
                return Err(DownReason::Reset);
            }
            // Nothing of this run may have arrived: it goes on as at its beginning.
            self.edge = self.next.plus(u32::from(self.config.wire.initial_window()));
        }
        if self.resend.fire(now) && !self.under_way.is_empty() {
            self.rtt.double();
            self.recover(now, AT_ONCE);
            self.measure_otherwise(now);
            self.resend.start(now + self.rtt.timeout());
        }
        if self.rendezvous.fire(now) {
            self.is_rendezvous_due = true;
            self.rendezvous
                .start(now + self.config.wire.rendezvous_interval());
        }
        Ok(())
    }

    /// The retransmission timer as it is now.
    pub(super) fn timeout(&self) -> Duration {
        self.rtt.timeout()
    }

    /// Forgets everything; returns how many packets were under way, and how many waited.
    pub(super) fn abandon(&mut self) -> (usize, usize) {
        let counts = (self.unacknowledged(), self.unsent());
        *self = Self::new(self.config, self.next);
        counts
    }
}

/// Whether an acknowledgement is all that its packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alone {
    Yes,
    No,
}
