//! Two channels, two wires between them, and one virtual clock.

use std::collections::VecDeque;

use bytes::Bytes;
use can_link::{CanFrame, StandardId};
use isotp::{Address, BytesChannel, Config, Event};
use testkit::{Faults, Wire};
use tinwire_time::Instant;

/// One endpoint with the messages it shall send and what came of them.
pub(crate) struct Side {
    pub(crate) channel: BytesChannel,
    pub(crate) outbox: VecDeque<Bytes>,
    pub(crate) received: Vec<Bytes>,
    pub(crate) events: Vec<Event>,
    /// Every frame it put on the wire, with the time.
    pub(crate) sent: Vec<(Instant, CanFrame)>,
    /// How many received messages to take; the rest stays with the channel.
    pub(crate) appetite: usize,
}

impl Side {
    pub(crate) fn new(address: Address, config: Config) -> Self {
        Self {
            channel: BytesChannel::new(address, config),
            outbox: VecDeque::new(),
            received: Vec::new(),
            events: Vec::new(),
            sent: Vec::new(),
            appetite: usize::MAX,
        }
    }

    /// Sends what is due onto `wire`, which confirms at once.
    fn step(&mut self, now: Instant, wire: &mut Wire<CanFrame>) {
        loop {
            while let Some(event) = self.channel.poll_event() {
                self.events.push(event);
            }
            if self.appetite > 0
                && let Some((_, message)) = self.channel.take_received(now)
            {
                self.appetite -= 1;
                self.received.push(message);
            }
            if self.channel.can_send()
                && let Some(payload) = self.outbox.pop_front()
            {
                self.channel.send(now, payload).unwrap();
            }
            let Some(frame) = self.channel.poll_transmit(now) else {
                break;
            };
            self.channel.handle_transmitted(now, &frame);
            self.sent.push((now, frame.clone()));
            wire.push(now, frame);
        }
        while let Some(event) = self.channel.poll_event() {
            self.events.push(event);
        }
    }
}

pub(crate) struct Pair {
    pub(crate) a: Side,
    pub(crate) b: Side,
    pub(crate) a_to_b: Wire<CanFrame>,
    pub(crate) b_to_a: Wire<CanFrame>,
    pub(crate) now: Instant,
}

impl Pair {
    pub(crate) fn new(a: Side, b: Side, seed: u64, faults: Faults) -> Self {
        Self {
            a,
            b,
            a_to_b: Wire::new(seed, faults),
            b_to_a: Wire::new(seed ^ 0x5555, faults),
            now: Instant::ZERO,
        }
    }

    /// Both sides with 11-bit normal addressing and a perfect wire.
    #[allow(dead_code, reason = "each test file uses its part of this module")]
    pub(crate) fn perfect(a: Config, b: Config) -> Self {
        let (a_id, b_id) = (StandardId::new(0x7E0).unwrap(), StandardId::new(0x7E8).unwrap());
        let address = Address::normal(a_id, b_id).unwrap();
        Self::new(
            Side::new(address, a),
            Side::new(address.reversed(), b),
            1,
            Faults::default(),
        )
    }

    /// Runs until nothing is due before `end`, then lets the clock stand at `end`.
    pub(crate) fn run_until(&mut self, end: Instant) {
        loop {
            self.a.step(self.now, &mut self.a_to_b);
            self.b.step(self.now, &mut self.b_to_a);
            if let Some(frame) = self.a_to_b.pop(self.now) {
                self.b.channel.handle_frame(self.now, &frame);
                continue;
            }
            if let Some(frame) = self.b_to_a.pop(self.now) {
                self.a.channel.handle_frame(self.now, &frame);
                continue;
            }
            let dues = [
                self.a_to_b.next_due(),
                self.b_to_a.next_due(),
                self.a.channel.poll_timeout(),
                self.b.channel.poll_timeout(),
            ];
            match dues.into_iter().flatten().min() {
                Some(due) if due <= end => self.now = due.max(self.now),
                _ => break,
            }
            self.a.channel.handle_timeout(self.now);
            self.b.channel.handle_timeout(self.now);
        }
        self.now = self.now.max(end);
    }

    /// Runs until nothing is due any more.
    #[allow(dead_code, reason = "each test file uses its part of this module")]
    pub(crate) fn run(&mut self) {
        loop {
            let before = self.now;
            self.run_until(self.now + core::time::Duration::from_secs(10));
            let busy = [self.a.channel.poll_timeout(), self.b.channel.poll_timeout()];
            if busy.iter().all(Option::is_none) {
                break;
            }
            assert!(before < Instant::from_millis(100_000_000), "never quiet");
        }
    }
}
