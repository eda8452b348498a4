//! Whether the peer is still there: keepalives out, silence noticed.
//!
//! Each side sends an empty packet when it has sent nothing for a quarter of the flow's timeout, and holds
//! the peer for gone when nothing has *arrived* for the whole timeout. When the application reads is of no
//! account: the C peer counts what was read, and so ends a live flow whose reader waited long or was slow
//! (spec ch. 6).

use tinwire_time::{Instant, Timer};

use crate::qos::PeerTimeout;

/// A quarter of the timeout passes between keepalives (as at the peer).
const KEEPALIVES_PER_TIMEOUT: u32 = 4;

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Due {
    /// Send an empty packet, then say [`handle_sent`](Liveness::handle_sent).
    Keepalive,
    /// The peer is gone. Told once; nothing follows.
    PeerGone,
}

/// The machine of one flow; does nothing when the timeout is off.
///
/// ```text
/// on every packet sent:     handle_sent(now)
/// on every packet arrived:  handle_received(now)
/// at poll_timeout():        handle_timeout(now)
/// then until None:          poll_due()
/// ```
///
/// What `poll_timeout` and `poll_due` answer may change after each of the first three.
#[derive(Debug)]
pub struct Liveness {
    timeout: PeerTimeout,
    keepalive: Timer,
    expiry: Timer,
    keepalive_due: bool,
    peer: Peer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    Here,
    GoneUntold,
    Gone,
}

impl Liveness {
    /// A machine for a flow that was allocated at `now`.
    #[must_use]
    pub fn new(now: Instant, timeout: PeerTimeout) -> Self {
        let mut liveness = Self {
            timeout,
            keepalive: Timer::stopped(),
            expiry: Timer::stopped(),
            keepalive_due: false,
            peer: Peer::Here,
        };
        liveness.handle_sent(now);
        liveness.handle_received(now);
        liveness
    }

    /// A packet was sent, empty or not.
    pub fn handle_sent(&mut self, now: Instant) {
        self.keepalive_due = false;
        if let (Some(timeout), Peer::Here) = (self.timeout.duration(), self.peer) {
            self.keepalive.start(now + timeout / KEEPALIVES_PER_TIMEOUT);
        }
    }

    /// A packet arrived, empty or not; or this side listens again after [`pause`](Self::pause).
    pub fn handle_received(&mut self, now: Instant) {
        if let (Some(timeout), Peer::Here) = (self.timeout.duration(), self.peer) {
            self.expiry.start(now + timeout);
        }
    }

    /// This side stops listening, as when its queue is full: silence says nothing of the peer until
    /// [`handle_received`](Self::handle_received).
    pub const fn pause(&mut self) {
        self.expiry.stop();
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        [&self.keepalive, &self.expiry]
            .into_iter()
            .filter_map(Timer::deadline)
            .min()
    }

    /// Looks what is due at `now`; early or repeated calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.keepalive.fire(now) {
            self.keepalive_due = true;
        }
        if self.expiry.fire(now) {
            self.keepalive.stop();
            self.keepalive_due = false;
            self.peer = Peer::GoneUntold;
        }
    }

    /// What is due; call until `None`. A keepalive is told once, even if it cannot be sent yet.
    pub fn poll_due(&mut self) -> Option<Due> {
        match self.peer {
            Peer::GoneUntold => {
                self.peer = Peer::Gone;
                Some(Due::PeerGone)
            }
            Peer::Here if core::mem::take(&mut self.keepalive_due) => Some(Due::Keepalive),
            Peer::Here | Peer::Gone => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn liveness(millis: u32) -> Liveness {
        Liveness::new(at(0), PeerTimeout::from_millis(millis))
    }

    /// What is due at `millis`.
    fn due(liveness: &mut Liveness, millis: u64) -> Option<Due> {
        liveness.handle_timeout(at(millis));
        liveness.poll_due()
    }

    #[test]
    fn a_keepalive_is_due_a_quarter_of_the_timeout_after_the_last_packet() {
        let mut liveness = liveness(1_200);
        assert_eq!(liveness.poll_timeout(), Some(at(300)));
        liveness.handle_sent(at(200));
        assert_eq!(due(&mut liveness, 499), None);
        assert_eq!(due(&mut liveness, 500), Some(Due::Keepalive));
        assert_eq!(due(&mut liveness, 800), None, "told once until it is sent");
        liveness.handle_sent(at(800));
        assert_eq!(due(&mut liveness, 1_100), Some(Due::Keepalive));
    }

    #[test]
    fn silence_for_the_whole_timeout_means_the_peer_is_gone_and_is_told_once() {
        let mut liveness = liveness(1_200);
        liveness.handle_received(at(1_000));
        assert_eq!(due(&mut liveness, 2_199), Some(Due::Keepalive));
        assert_eq!(due(&mut liveness, 2_200), Some(Due::PeerGone));
        liveness.handle_received(at(2_300));
        liveness.handle_sent(at(2_300));
        assert_eq!((due(&mut liveness, 9_999), liveness.poll_timeout()), (None, None));
    }

    #[test]
    fn what_arrives_counts_whether_or_not_anybody_reads() {
        let mut liveness = liveness(1_000);
        for millis in (0..600_000).step_by(250) {
            liveness.handle_received(at(millis));
            liveness.handle_timeout(at(millis + 249));
            liveness.handle_sent(at(millis + 249));
            assert_eq!(liveness.poll_due(), None);
        }
    }

    #[test]
    fn who_does_not_listen_cannot_hold_the_peer_for_gone() {
        let mut liveness = liveness(1_000);
        liveness.pause();
        assert_eq!(
            due(&mut liveness, 5_000),
            Some(Due::Keepalive),
            "yet keepalives go out"
        );
        liveness.handle_received(at(6_000));
        liveness.handle_sent(at(6_000));
        assert_eq!(due(&mut liveness, 6_999), Some(Due::Keepalive));
        assert_eq!(due(&mut liveness, 7_000), Some(Due::PeerGone));
    }

    #[test]
    fn a_timeout_that_is_off_asks_for_nothing() {
        let mut liveness = liveness(0);
        assert_eq!(
            (liveness.poll_timeout(), due(&mut liveness, 1 << 40)),
            (None, None)
        );
    }
}
