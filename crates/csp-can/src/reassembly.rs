//! CAN frames as packets: bounded in number, bytes and age.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::{BufMut, BytesMut};
use can_link::{CanFrame, Id};
use csp_core::{Address, Header, Packet, Version};
use tinwire_time::Instant;

use crate::{CfpId, DiscardReason, Reassembled, ReassemblyConfig, Received, Sender};

/// Counters of a [`Reassembler`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReassemblyStats {
    /// CFP frames taken.
    pub frames: u64,
    /// Frames that are none of CFP: standard identifiers, remote frames (CAN-1).
    pub ignored: u64,
    /// Packets completed.
    pub packets: u64,
    /// Frames and packets discarded, each told as [`Received::Discarded`].
    pub discarded: u64,
}

/// A packet in the making.
#[derive(Debug)]
struct Pending {
    key: u32,
    sender: Sender,
    header: Header,
    payload: BytesMut,
    /// The frame counter that goes on.
    next: u8,
    last: Instant,
}

/// Puts packets together from frames of any number of senders, interleaved.
///
/// [`handle_frame`](Self::handle_frame) for each frame, then [`poll_received`](Self::poll_received) until
/// `None`; [`handle_timeout`](Self::handle_timeout) when [`poll_timeout`](Self::poll_timeout) is due. Memory
/// is bounded by the configured bytes plus one queue entry per discarded packet of a call; nothing is
/// allocated for bytes that have not come. Without calls to `handle_timeout` old packets are discarded when
/// another begins, as the peers do it: until then a late frame may still complete one. CFP 2 cannot tell when
/// exactly eight frames, or a multiple, are lost (CFP2-7): use CRC32.
#[derive(Debug)]
pub struct Reassembler {
    config: ReassemblyConfig,
    pending: Vec<Pending>,
    bytes: usize,
    /// Not later than the first expiry.
    expiry: Option<Instant>,
    received: VecDeque<Received>,
    stats: ReassemblyStats,
}

impl Reassembler {
    /// With nothing in the making.
    #[must_use]
    pub const fn new(config: ReassemblyConfig) -> Self {
        Self {
            config,
            pending: Vec::new(),
            bytes: 0,
            expiry: None,
            received: VecDeque::new(),
            stats: ReassemblyStats {
                frames: 0,
                ignored: 0,
                packets: 0,
                discarded: 0,
            },
        }
    }

    /// Counters.
    #[must_use]
    pub const fn stats(&self) -> &ReassemblyStats {
        &self.stats
    }

    /// Packets in the making.
    #[must_use]
    pub const fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Takes a frame from the bus.
    pub fn handle_frame(&mut self, now: Instant, frame: &CanFrame) {
        let Id::Extended(id) = frame.id() else {
            return self.ignore();
        };
        if frame.is_remote() {
            return self.ignore();
        }
        self.stats.frames = self.stats.frames.wrapping_add(1);
        let key = CfpId::key(id.as_raw());
        let id = CfpId::from_id(id);
        let data = frame.payload();
        if data.len() > 8 {
            self.discard(id.sender, DiscardReason::LongFrame { got: data.len() });
        } else if id.begin {
            self.begin(now, key, id, data);
        } else {
            self.go_on(now, key, id, data);
        }
    }

    /// What came of the frames so far.
    pub fn poll_received(&mut self) -> Option<Received> {
        self.received.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    ///
    /// It may then find nothing to do.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.expiry
    }

    /// Discards what has waited too long. Early or repeated calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.expiry.is_none_or(|expiry| expiry > now) {
            return;
        }
        let age = self.config.max_age;
        while let Some(at) = self
            .pending
            .iter()
            .position(|pending| expiry(pending, age) <= now)
        {
            self.drop_pending(at, DiscardReason::Stale);
        }
        self.expiry = self.pending.iter().map(|pending| expiry(pending, age)).min();
    }

    fn begin(&mut self, now: Instant, key: u32, id: CfpId, data: &[u8]) {
        let Some((header, data)) = data.split_first_chunk::<4>() else {
            return self.discard(id.sender, DiscardReason::ShortBegin { got: data.len() });
        };
        self.handle_timeout(now);
        if let Some(at) = self.find(key) {
            self.drop_pending(at, DiscardReason::Replaced);
        }
        let header = header_of(id, *header);
        if data.len() > self.config.max_payload {
            return self.discard(
                id.sender,
                DiscardReason::TooLong {
                    max: self.config.max_payload,
                },
            );
        }
        let pending = Pending {
            key,
            sender: id.sender,
            header,
            payload: BytesMut::from(data),
            next: 1,
            last: now,
        };
        if id.end {
            return self.complete(pending);
        }
        let of_sender = self
            .pending
            .iter()
            .filter(|pending| pending.sender == id.sender)
            .count();
        if of_sender >= self.config.max_per_sender {
            let oldest = self
                .pending
                .iter()
                .enumerate()
                .filter(|(_, pending)| pending.sender == id.sender);
            if let Some((at, _)) = oldest.min_by_key(|(_, pending)| pending.last) {
                self.drop_pending(at, DiscardReason::Full);
            }
        }
        if self.pending.len() >= self.config.max_pending || self.bytes + data.len() > self.config.max_bytes {
            return self.discard(id.sender, DiscardReason::Full);
        }
        self.bytes += data.len();
        let expiry = expiry(&pending, self.config.max_age);
        self.expiry = Some(self.expiry.map_or(expiry, |first| first.min(expiry)));
        self.pending.push(pending);
    }

    fn go_on(&mut self, now: Instant, key: u32, id: CfpId, data: &[u8]) {
        let Some(at) = self.find(key) else {
            return self.discard(id.sender, DiscardReason::NoBegin);
        };
        let max = self.config.max_payload;
        let full = self.bytes + data.len() > self.config.max_bytes;
        let Some(pending) = self.pending.get_mut(at) else {
            return;
        };
        if id.fragment != pending.next {
            let reason = DiscardReason::WrongCounter {
                expected: pending.next,
                got: id.fragment,
            };
            return self.drop_pending(at, reason);
        }
        if pending.payload.len() + data.len() > max {
            return self.drop_pending(at, DiscardReason::TooLong { max });
        }
        if full {
            return self.drop_pending(at, DiscardReason::Full);
        }
        pending.payload.put_slice(data);
        pending.next = (pending.next + 1) & 7;
        pending.last = now;
        self.bytes += data.len();
        if id.end {
            let complete = self.take(at);
            self.complete(complete);
        }
    }

    fn complete(&mut self, pending: Pending) {
        let Pending {
            mut header, payload, ..
        } = pending;
        let broadcast = header.destination == Address::BROADCAST;
        if broadcast && let Some(address) = self.config.address {
            header.destination = address;
        }
        self.stats.packets = self.stats.packets.wrapping_add(1);
        let packet = Packet::new(header, payload.freeze());
        self.received
            .push_back(Received::Packet(Reassembled { packet, broadcast }));
    }

    fn find(&self, key: u32) -> Option<usize> {
        self.pending.iter().position(|pending| pending.key == key)
    }

    /// Takes the packet at index `at`, which must be in range.
    fn take(&mut self, at: usize) -> Pending {
        let pending = self.pending.swap_remove(at);
        self.bytes -= pending.payload.len();
        pending
    }

    fn drop_pending(&mut self, at: usize, reason: DiscardReason) {
        let pending = self.take(at);
        self.discard(pending.sender, reason);
    }

    fn discard(&mut self, source: Sender, reason: DiscardReason) {
        self.stats.discarded = self.stats.discarded.wrapping_add(1);
        self.received.push_back(Received::Discarded { source, reason });
    }

    const fn ignore(&mut self) {
        self.stats.ignored = self.stats.ignored.wrapping_add(1);
    }
}

/// When a packet will have been idle for *more* than `age` (CAN-6).
fn expiry(pending: &Pending, age: Duration) -> Instant {
    pending.last + age + Duration::from_micros(1)
}

/// The header whose upper 16 bits are in the identifier.
fn header_of(id: CfpId, low: [u8; 4]) -> Header {
    let high = u16::from(id.priority.to_bits()) << 14 | id.destination.to_bits();
    let [a, b] = high.to_be_bytes();
    let [c, d, e, f] = low;
    let header = Header::decode(Version::V2, &[a, b, c, d, e, f]).map(|(header, _)| header);
    header.expect("six bytes are a header")
}

#[cfg(test)]
mod tests;
