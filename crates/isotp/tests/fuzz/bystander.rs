//! Two nodes in the middle of a transfer who hear everything and must not be disturbed by it.

use core::time::Duration;

use bytes::Bytes;
use can_link::{CanFrame, StandardId};
use isotp::{Address, BlockSize, BytesChannel, Config, Event};
use tinwire_time::Instant;

/// A transfer between two channels of addresses of their own, one frame at a time.
pub(crate) struct Bystander {
    ends: [BytesChannel; 2],
    payload: Bytes,
    sent: bool,
}

impl Bystander {
    /// Addresses beside those of [`address`](crate::choice::address); in extended addressing
    /// with the same identifiers and other address bytes.
    pub(crate) fn new(subject: &Address) -> Self {
        let id = |raw| StandardId::new(raw).unwrap();
        let address = match subject.tx().address_byte() {
            Some(_) => Address::extended(id(0x7E0), id(0x7E8), 0x77, 0x66).unwrap(),
            None => Address::normal(id(0x6F0), id(0x6F1)).unwrap(),
        };
        // However long the fuzzer lets time pass.
        let patient = Config::default()
            .block_size(BlockSize::from_bits(3))
            .n_as(Duration::MAX)
            .n_ar(Duration::MAX)
            .n_bs(Duration::MAX)
            .n_cr(Duration::MAX);
        let payload: Bytes = (0..900u32)
            .map(|i| i.to_be_bytes()[3] ^ i.to_be_bytes()[2])
            .collect();
        let mut sender = BytesChannel::new(address, patient);
        sender.send(Instant::ZERO, payload.clone()).unwrap();
        Self {
            ends: [sender, BytesChannel::new(address.reversed(), patient)],
            payload,
            sent: false,
        }
    }

    /// Whether a frame is one of theirs, which nobody else may send.
    pub(crate) fn owns(&self, frame: &CanFrame) -> bool {
        self.ends
            .iter()
            .any(|end| end.address().rx().matches(frame).is_some())
    }

    pub(crate) fn hear(&mut self, now: Instant, frame: &CanFrame) {
        self.ends.iter_mut().for_each(|end| end.handle_frame(now, frame));
    }

    /// Sends their next frame.
    pub(crate) fn step(&mut self, now: Instant) -> Option<CanFrame> {
        // The answers first.
        for from in [1, 0] {
            self.ends[from].handle_timeout(now);
            if let Some(frame) = self.ends[from].poll_transmit(now) {
                self.ends[from].handle_transmitted(now, &frame);
                self.ends[1 - from].handle_frame(now, &frame);
                while let Some(event) = self.ends[from].poll_event() {
                    self.sent |= matches!(event, Event::Sent { .. });
                }
                return Some(frame);
            }
        }
        None
    }

    /// Lets them finish: the message must be there, and nothing else may have happened to them.
    pub(crate) fn finish(mut self, now: Instant) {
        while self.step(now).is_some() {}
        let [a, b] = &mut self.ends;
        assert!(self.sent, "a bystander's transfer was disturbed: {a:?}");
        let received = b.take_received(now).map(|(_, message)| message);
        assert_eq!(
            received,
            Some(self.payload),
            "a bystander's message was disturbed"
        );
        for end in [a, b] {
            assert_eq!(
                end.stats().ignored() + end.stats().receives_failed + end.stats().sends_failed,
                0
            );
        }
    }
}
