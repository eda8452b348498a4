//! Requests that are on their way, and which reply belongs to which of them.
//!
//! The payload of request `seq` counts up from the low byte of `seq`: the first is the one of libcsp, and
//! each of 256 in a row is different. So replies find their requests in whatever order they come, a second
//! reply to a request is known as such, and nodes that drop equal packets drop none.

use core::time::Duration;
use std::collections::BTreeMap;

use bytes::Bytes;
use csp_core::Address;
use tokio::time::Instant;

/// How many requests are remembered after their end, for duplicates and late replies.
const MAX_PAST: usize = 128;

/// Requests on their way.
#[derive(Debug)]
pub(super) struct Flight {
    size: usize,
    timeout: Duration,
    max: usize,
    /// Whether every node is asked, so that one reply does not settle a request.
    audience: Audience,
    next: u64,
    outstanding: BTreeMap<u64, Sent>,
    past: BTreeMap<u64, Sent>,
}

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    One,
    All,
}

#[derive(Clone, Debug)]
struct Sent {
    at: Instant,
    answered_by: Vec<Address>,
}

/// What a reply is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// The answer to a request.
    Answer { seq: u64, rtt: Duration, first: bool },
    /// Another one from the same node.
    Duplicate { seq: u64 },
    /// It came after the request was given up.
    Late { seq: u64, rtt: Duration },
    /// Not what was sent.
    Garbled,
}

impl Flight {
    /// With requests of `size` bytes, at most `max` at once. Empty requests are all alike, so there is one.
    pub(super) fn new(size: usize, timeout: Duration, max: u8, audience: Audience) -> Self {
        Self {
            size,
            timeout,
            max: if size == 0 { 1 } else { usize::from(max) },
            audience,
            next: 0,
            outstanding: BTreeMap::new(),
            past: BTreeMap::new(),
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.outstanding.len() < self.max
    }

    pub(super) fn is_empty(&self) -> bool {
        self.outstanding.is_empty()
    }

    /// How many were sent.
    pub(super) const fn sent(&self) -> u64 {
        self.next
    }

    /// The payload of the next request.
    pub(super) fn payload(&self) -> Bytes {
        self.pattern(self.next)
    }

    /// The next request is sent.
    pub(super) fn send(&mut self, now: Instant) {
        let sent = Sent {
            at: now,
            answered_by: Vec::new(),
        };
        self.outstanding.insert(self.next, sent);
        self.next += 1;
    }

    /// A reply came.
    pub(super) fn receive(&mut self, now: Instant, from: Address, payload: &[u8]) -> Reply {
        let Some(seq) = self.request_of(payload) else {
            return Reply::Garbled;
        };
        if let Some(sent) = self.outstanding.get_mut(&seq) {
            if sent.answered_by.contains(&from) {
                return Reply::Duplicate { seq };
            }
            let rtt = now.saturating_duration_since(sent.at);
            let first = sent.answered_by.is_empty();
            sent.answered_by.push(from);
            if self.audience == Audience::One {
                self.settle(seq);
            }
            return Reply::Answer { seq, rtt, first };
        }
        match self.past.get_mut(&seq) {
            Some(sent) if sent.answered_by.contains(&from) => Reply::Duplicate { seq },
            Some(sent) => {
                sent.answered_by.push(from);
                let rtt = now.saturating_duration_since(sent.at);
                Reply::Late { seq, rtt }
            }
            None => Reply::Garbled,
        }
    }

    /// When the next request is given up.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let sent = self.outstanding.values().next()?;
        sent.at.checked_add(self.timeout)
    }

    /// A request that was given up now, and whether nobody had answered it.
    pub(super) fn expired(&mut self, now: Instant) -> Option<(u64, bool)> {
        let (&seq, sent) = self.outstanding.first_key_value()?;
        let is_late = now.saturating_duration_since(sent.at) >= self.timeout;
        let is_lost = sent.answered_by.is_empty();
        is_late.then(|| {
            self.settle(seq);
            (seq, is_lost)
        })
    }

    fn settle(&mut self, seq: u64) {
        if let Some(sent) = self.outstanding.remove(&seq) {
            self.past.insert(seq, sent);
        }
        while self.past.len() > MAX_PAST {
            self.past.pop_first();
        }
    }

    /// The latest request that had this payload.
    fn request_of(&self, payload: &[u8]) -> Option<u64> {
        if payload.len() != self.size {
            return None;
        }
        let latest = self.next.checked_sub(1)?;
        let Some(first) = payload.first() else {
            return Some(latest);
        };
        let back = latest.wrapping_sub(u64::from(*first)) & 0xFF;
        let seq = latest.checked_sub(back)?;
        (self.pattern(seq) == payload).then_some(seq)
    }

    fn pattern(&self, seq: u64) -> Bytes {
        let [.., first] = seq.to_be_bytes();
        let endless = (0..=u8::MAX).cycle();
        endless.skip(usize::from(first)).take(self.size).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(10);

    fn node(address: u16) -> Address {
        Address::new(address).unwrap()
    }

    fn flight(size: usize, audience: Audience) -> Flight {
        Flight::new(size, LIMIT, 16, audience)
    }

    #[test]
    fn the_first_payload_is_that_of_libcsp() {
        let mut flight = flight(3, Audience::One);
        assert_eq!(flight.payload()[..], [0, 1, 2]);
        for _ in 0..255 {
            flight.send(Instant::now());
        }
        assert_eq!(flight.payload()[..], [255, 0, 1]);
    }

    #[test]
    fn replies_find_their_requests_in_any_order_and_doubles_are_known() {
        let mut flight = flight(1, Audience::One);
        let start = Instant::now();
        let later = |millis| start + Duration::from_millis(millis);
        flight.send(start);
        flight.send(later(1));
        let rtt = Duration::from_millis(2);
        let answer = |seq, rtt| Reply::Answer {
            seq,
            rtt,
            first: true,
        };
        assert_eq!(flight.receive(later(3), node(2), &[1]), answer(1, rtt));
        assert_eq!(
            flight.receive(later(3), node(2), &[1]),
            Reply::Duplicate { seq: 1 }
        );
        assert_eq!(flight.receive(later(4), node(2), &[0]), answer(0, 2 * rtt));
        assert!(flight.is_empty());
        assert_eq!(flight.receive(later(4), node(2), &[2]), Reply::Garbled);
        assert_eq!(flight.receive(later(4), node(2), &[0, 0]), Reply::Garbled);
    }

    #[test]
    fn what_comes_after_the_limit_is_late() {
        let mut flight = flight(4, Audience::One);
        let start = Instant::now();
        let payload = flight.payload();
        flight.send(start);
        assert_eq!(flight.deadline(), Some(start + LIMIT));
        assert_eq!(flight.expired(start), None);
        assert_eq!(flight.expired(start + LIMIT), Some((0, true)));
        let rtt = 2 * LIMIT;
        let reply = flight.receive(start + rtt, node(2), &payload);
        assert_eq!(reply, Reply::Late { seq: 0, rtt });
        let reply = flight.receive(start + rtt, node(2), &payload);
        assert_eq!(reply, Reply::Duplicate { seq: 0 });
    }

    #[test]
    fn a_broadcast_has_an_answer_of_every_node_until_its_limit() {
        let mut flight = flight(1, Audience::All);
        let start = Instant::now();
        flight.send(start);
        for (from, first) in [(2, true), (3, false)] {
            let rtt = Duration::ZERO;
            let answer = Reply::Answer { seq: 0, rtt, first };
            assert_eq!(flight.receive(start, node(from), &[0]), answer);
        }
        assert_eq!(flight.receive(start, node(3), &[0]), Reply::Duplicate { seq: 0 });
        assert_eq!(flight.expired(start + LIMIT), Some((0, false)));
    }

    #[test]
    fn empty_requests_are_alike_so_there_is_one_at_once() {
        let mut flight = flight(0, Audience::One);
        flight.send(Instant::now());
        assert!(!flight.has_room());
        let reply = flight.receive(Instant::now(), node(2), &[]);
        assert!(matches!(reply, Reply::Answer { seq: 0, .. }), "{reply:?}");
    }
}
