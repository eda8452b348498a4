//! CAN frames as packets: bounded in number, bytes and age.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use can_link::CanFrame;
use csp_core::{Header, Packet, Version};
use tinwire_time::Instant;

use crate::piece::{First, Later, Piece, Progress};
use crate::shares::{Share, Shares};
use crate::{DiscardReason, IgnoreReason, Reassembled, ReassemblyConfig, ReassemblyStats, Received, Sender};

/// Buffers kept for packets to come.
const MAX_SPARE: usize = 8;

/// A packet in the making.
#[derive(Debug)]
struct Pending {
    key: u32,
    sender: Sender,
    header: Header,
    payload: Vec<u8>,
    progress: Progress,
    last: Instant,
}

/// Puts packets together from frames of any number of senders, interleaved.
///
/// [`handle_frame`](Self::handle_frame) for each frame, then [`poll_received`](Self::poll_received) until
/// `None`; [`handle_timeout`](Self::handle_timeout) when [`poll_timeout`](Self::poll_timeout) is due. Nothing
/// is allocated for bytes that have not come: memory is at most twice the configured bytes, eight spare
/// buffers, and one queue entry per frame and discarded packet of a call. Without calls to `handle_timeout`
/// old packets are discarded when another begins, as the peers do it: until then a late frame may still
/// complete one. CFP 2 cannot tell when exactly eight frames, or a multiple, are lost (CFP2-7): use CRC32.
///
/// # Who gives way
/// A sender has a share of its own, in packets and in bytes (BET-6). A packet beyond the packets it may have
/// takes the place of that sender's oldest; a frame beyond the bytes discards its packet. When there is no
/// room for all senders together, the one that has most gives up its oldest packet, but only to one that has
/// less even then. So a sender that floods the bus loses packets of its own, and costs no other that has
/// less.
#[derive(Debug)]
pub struct Reassembler {
    version: Version,
    config: ReassemblyConfig,
    pending: Vec<Pending>,
    shares: Shares,
    spare: Vec<Vec<u8>>,
    /// Not later than the first expiry.
    expiry: Option<Instant>,
    received: VecDeque<Received>,
    stats: ReassemblyStats,
}

impl Reassembler {
    /// With nothing in the making: CFP 1 with version 1 headers, CFP 2 with version 2.
    #[must_use]
    pub const fn new(version: Version, config: ReassemblyConfig) -> Self {
        Self {
            version,
            config,
            pending: Vec::new(),
            shares: Shares::new(),
            spare: Vec::new(),
            expiry: None,
            received: VecDeque::new(),
            stats: ReassemblyStats::NONE,
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

    /// Bytes of the packets in the making.
    #[must_use]
    pub const fn pending_bytes(&self) -> usize {
        self.shares.all.bytes
    }

    /// Takes a frame from the bus.
    ///
    /// Each that completes nothing and belongs to nothing is told, with its reason, and counted.
    pub fn handle_frame(&mut self, now: Instant, frame: &CanFrame) {
        let piece = Piece::read(self.version, frame);
        if let Piece::Foreign(reason) = piece {
            return self.ignore(reason);
        }
        self.stats.frames = self.stats.frames.wrapping_add(1);
        match piece {
            Piece::First(first) => self.begin(now, first),
            Piece::Later(later) => self.go_on(now, &later),
            Piece::Unusable { source, reason } => self.discard(source, reason),
            Piece::Short { key, source, reason } => {
                self.drop_replaced(key);
                self.discard(source, reason);
            }
            Piece::Foreign(_) => {}
        }
    }

    /// What came of the frames so far: the events of this machine, and its output too.
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

    /// Discards all that is in the making: frames may be missing from here on.
    pub fn handle_link_down(&mut self) {
        while let Some(last) = self.pending.len().checked_sub(1) {
            self.drop_pending(last, DiscardReason::LinkDown);
        }
        self.expiry = None;
    }

    /// Takes a packet's first frame, in place of whatever is pending under its key.
    fn begin(&mut self, now: Instant, first: First<'_>) {
        self.handle_timeout(now);
        let (sender, bytes) = (first.source, first.data.len());
        self.drop_replaced(first.key);
        match first.end.is_reached(bytes, self.config.max_payload) {
            Err(reason) => return self.discard(sender, reason),
            Ok(true) => return self.complete(first.header, first.data),
            Ok(false) => {}
        }
        if self.shares.of(sender).packets >= self.config.max_per_sender {
            self.drop_oldest_of(sender);
        }
        let own = self.shares.of(sender);
        let is_due =
            own.packets < self.config.max_per_sender && own.bytes + bytes <= self.config.max_bytes_per_sender;
        if !is_due || !self.make_room(sender, 1, bytes) {
            return self.discard(sender, DiscardReason::Full);
        }
        let mut payload = self.spare.pop().unwrap_or_default();
        payload.extend_from_slice(first.data);
        let pending = Pending {
            key: first.key,
            sender,
            header: first.header,
            payload,
            progress: first.progress,
            last: now,
        };
        let expiry = expiry(&pending, self.config.max_age);
        self.expiry = Some(self.expiry.map_or(expiry, |first| first.min(expiry)));
        self.shares.add(sender, 1, bytes);
        self.pending.push(pending);
    }

    /// Takes a packet's later frame, if it is the one to come.
    fn go_on(&mut self, now: Instant, later: &Later<'_>) {
        let Some(at) = self.find(later.key) else {
            return self.discard(later.source, DiscardReason::NoBegin);
        };
        let Some(pending) = self.pending.get_mut(at) else {
            return;
        };
        let (sender, bytes) = (pending.sender, later.data.len());
        let len = pending.payload.len() + bytes;
        let step = pending.progress.step(later);
        let reached = match step.and_then(|end| end.is_reached(len, self.config.max_payload)) {
            Ok(reached) => reached,
            Err(reason) => return self.drop_pending(at, reason),
        };
        pending.last = now;
        let key = pending.key;
        let fits = self.shares.of(sender).bytes + bytes <= self.config.max_bytes_per_sender
            && self.make_room(sender, 0, bytes);
        // Making room moves packets.
        let Some(at) = self.find(key) else { return };
        if !fits {
            return self.drop_pending(at, DiscardReason::Full);
        }
        if let Some(pending) = self.pending.get_mut(at) {
            pending.payload.extend_from_slice(later.data);
            self.shares.add(sender, 0, bytes);
        }
        if reached {
            let Pending { header, payload, .. } = self.take(at);
            self.complete(header, &payload);
            self.reuse(payload);
        }
    }

    /// Finds room for so much more of `sender`, at the cost of who has most.
    ///
    /// False if nobody would have more than it even then.
    fn make_room(&mut self, sender: Sender, packets: usize, bytes: usize) -> bool {
        let Share {
            packets: own_packets,
            bytes: own_bytes,
        } = self.shares.of(sender);
        loop {
            let all = self.shares.all;
            let heaviest = if all.packets + packets > self.config.max_pending {
                self.heaviest(own_packets + packets, |share| share.packets)
            } else if all.bytes + bytes > self.config.max_bytes {
                self.heaviest(own_bytes + bytes, |share| share.bytes)
            } else {
                return true;
            };
            let Some(heaviest) = heaviest else { return false };
            self.drop_oldest_of(heaviest);
        }
    }

    /// Who has most of something, if that is more than `least`.
    fn heaviest(&self, least: usize, of: impl Fn(Share) -> usize) -> Option<Sender> {
        let senders = self.pending.iter().map(|pending| pending.sender);
        senders
            .filter(|sender| of(self.shares.of(*sender)) > least)
            .max_by_key(|sender| of(self.shares.of(*sender)))
    }

    /// Another packet began under `key`, and what follows is its.
    fn drop_replaced(&mut self, key: u32) {
        if let Some(at) = self.find(key) {
            self.drop_pending(at, DiscardReason::Replaced);
        }
    }

    fn drop_oldest_of(&mut self, sender: Sender) {
        let of_sender = self
            .pending
            .iter()
            .enumerate()
            .filter(|(_, pending)| pending.sender == sender);
        if let Some((oldest, _)) = of_sender.min_by_key(|(_, pending)| pending.last) {
            self.drop_pending(oldest, DiscardReason::Full);
        }
    }

    fn complete(&mut self, mut header: Header, payload: &[u8]) {
        let broadcast = header.destination == self.version.broadcast();
        if broadcast && let Some(address) = self.config.address {
            header.destination = address;
        }
        self.stats.packets = self.stats.packets.wrapping_add(1);
        let packet = Packet::new(header, Bytes::copy_from_slice(payload));
        self.received
            .push_back(Received::Packet(Reassembled { packet, broadcast }));
    }

    fn find(&self, key: u32) -> Option<usize> {
        self.pending.iter().position(|pending| pending.key == key)
    }

    /// Takes the packet at index `at`, which must be in range.
    fn take(&mut self, at: usize) -> Pending {
        let pending = self.pending.swap_remove(at);
        self.shares.remove(pending.sender, pending.payload.len());
        pending
    }

    fn drop_pending(&mut self, at: usize, reason: DiscardReason) {
        let pending = self.take(at);
        self.discard(pending.sender, reason);
        self.reuse(pending.payload);
    }

    /// Keeps the buffer for another packet.
    fn reuse(&mut self, mut payload: Vec<u8>) {
        if self.spare.len() < MAX_SPARE {
            payload.clear();
            self.spare.push(payload);
        }
    }

    fn discard(&mut self, source: Sender, reason: DiscardReason) {
        self.stats.count_discarded(reason);
        self.received.push_back(Received::Discarded { source, reason });
    }

    /// Takes note of what is none of CFP.
    pub(crate) fn ignore(&mut self, reason: IgnoreReason) {
        self.stats.count_ignored(reason);
        self.received.push_back(Received::Ignored(reason));
    }
}

/// When a packet will have been idle for *more* than `age` (CAN-6).
fn expiry(pending: &Pending, age: Duration) -> Instant {
    pending.last + age + Duration::from_micros(1)
}

#[cfg(test)]
mod tests;
