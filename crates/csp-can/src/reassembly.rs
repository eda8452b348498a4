//! CAN frames as packets: bounded in number, bytes and age.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::{BufMut, BytesMut};
use can_link::{CanFrame, ExtendedId, Id};
use csp_core::{Header, Packet, Version};
use tinwire_time::Instant;

use crate::{
    Cfp1Id, Cfp2Id, DiscardReason, IgnoreReason, Reassembled, ReassemblyConfig, ReassemblyStats, Received,
    Sender,
};

/// A packet in the making.
#[derive(Debug)]
struct Pending {
    key: u32,
    sender: Sender,
    header: Header,
    payload: BytesMut,
    progress: Progress,
    last: Instant,
}

/// What goes on with a packet in the making.
#[derive(Clone, Copy, Debug)]
enum Progress {
    /// The length announced, and how many frames are to come.
    Cfp1 { length: usize, remaining: u8 },
    /// The next frame counter.
    Cfp2 { next: u8 },
}

/// Puts packets together from frames of any number of senders, interleaved.
///
/// [`handle_frame`](Self::handle_frame) for each frame, then [`poll_received`](Self::poll_received) until
/// `None`; [`handle_timeout`](Self::handle_timeout) when [`poll_timeout`](Self::poll_timeout) is due. Memory
/// is bounded by the configured bytes plus one queue entry per frame and discarded packet of a call; nothing
/// is allocated for bytes that have not come. Without calls to `handle_timeout` old packets are discarded
/// when another begins, as the peers do it: until then a late frame may still complete one. CFP 2 cannot tell
/// when exactly eight frames, or a multiple, are lost (CFP2-7): use CRC32.
#[derive(Debug)]
pub struct Reassembler {
    version: Version,
    config: ReassemblyConfig,
    pending: Vec<Pending>,
    bytes: usize,
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
            bytes: 0,
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

    /// Takes a frame from the bus.
    ///
    /// Each that completes nothing and belongs to nothing is told, with its reason, and counted.
    pub fn handle_frame(&mut self, now: Instant, frame: &CanFrame) {
        let Id::Extended(id) = frame.id() else {
            return self.ignore(IgnoreReason::StandardId);
        };
        if frame.is_remote() {
            return self.ignore(IgnoreReason::Remote);
        }
        self.stats.frames = self.stats.frames.wrapping_add(1);
        let data = frame.payload();
        match self.version {
            Version::V1 => self.handle_cfp1(now, id, data),
            Version::V2 => self.handle_cfp2(now, id, data),
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

    fn handle_cfp1(&mut self, now: Instant, id: ExtendedId, data: &[u8]) {
        let (key, id) = (Cfp1Id::key(id.as_raw()), Cfp1Id::from_id(id));
        let sender = Sender::of(Version::V1, id.source);
        if data.len() > 8 {
            return self.discard(sender, DiscardReason::LongFrame { got: data.len() });
        }
        if id.more {
            return self.go_on(now, key, sender, data, |progress| match *progress {
                Progress::Cfp1 { remaining, length } if id.remaining.checked_add(1) == Some(remaining) => {
                    *progress = Progress::Cfp1 {
                        remaining: id.remaining,
                        length,
                    };
                    Ok(Last::ByLength(length))
                }
                Progress::Cfp1 {
                    remaining: expected, ..
                }
                | Progress::Cfp2 { next: expected } => {
                    let expected = expected.saturating_sub(1);
                    Err(DiscardReason::WrongCounter {
                        expected,
                        got: id.remaining,
                    })
                }
            });
        }
        let short = DiscardReason::ShortBegin {
            need: 6,
            got: data.len(),
        };
        let Some((&[a, b, c, d, high, low], data)) = data.split_first_chunk::<6>() else {
            return self.discard(sender, short);
        };
        let Ok((header, _)) = Header::decode(Version::V1, &[a, b, c, d]) else {
            return self.discard(sender, short);
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let progress = Progress::Cfp1 {
            length,
            remaining: id.remaining,
        };
        let payload = BytesMut::from(data);
        self.begin(
            Pending {
                key,
                sender,
                header,
                payload,
                progress,
                last: now,
            },
            Last::ByLength(length),
        );
    }

    fn handle_cfp2(&mut self, now: Instant, id: ExtendedId, data: &[u8]) {
        let (key, id) = (Cfp2Id::key(id.as_raw()), Cfp2Id::from_id(id));
        let last = if id.end { Last::Yes } else { Last::No };
        if data.len() > 8 {
            return self.discard(id.sender, DiscardReason::LongFrame { got: data.len() });
        }
        if !id.begin {
            return self.go_on(now, key, id.sender, data, |progress| match *progress {
                Progress::Cfp2 { next } if next == id.fragment => {
                    *progress = Progress::Cfp2 { next: (next + 1) & 7 };
                    Ok(last)
                }
                Progress::Cfp2 { next: expected }
                | Progress::Cfp1 {
                    remaining: expected, ..
                } => Err(DiscardReason::WrongCounter {
                    expected,
                    got: id.fragment,
                }),
            });
        }
        let Some((header, data)) = data.split_first_chunk::<4>() else {
            return self.discard(
                id.sender,
                DiscardReason::ShortBegin {
                    need: 4,
                    got: data.len(),
                },
            );
        };
        let header = header_of_cfp2(id, *header);
        let (payload, progress) = (BytesMut::from(data), Progress::Cfp2 { next: 1 });
        self.begin(
            Pending {
                key,
                sender: id.sender,
                header,
                payload,
                progress,
                last: now,
            },
            last,
        );
    }

    /// Takes a packet's first frame, in place of whatever is pending under its key.
    fn begin(&mut self, pending: Pending, last: Last) {
        self.handle_timeout(pending.last);
        if let Some(at) = self.find(pending.key) {
            self.drop_pending(at, DiscardReason::Replaced);
        }
        let sender = pending.sender;
        match last.check(pending.payload.len(), self.config.max_payload) {
            Err(reason) => return self.discard(sender, reason),
            Ok(End::Reached) => return self.complete(pending),
            Ok(End::Ahead) => {}
        }
        let of_sender = self
            .pending
            .iter()
            .enumerate()
            .filter(|(_, pending)| pending.sender == sender);
        if of_sender.clone().count() >= self.config.max_per_sender
            && let Some((oldest, _)) = of_sender.min_by_key(|(_, pending)| pending.last)
        {
            self.drop_pending(oldest, DiscardReason::Full);
        }
        let bytes = self.bytes + pending.payload.len();
        if self.pending.len() >= self.config.max_pending || bytes > self.config.max_bytes {
            return self.discard(sender, DiscardReason::Full);
        }
        self.bytes = bytes;
        let expiry = expiry(&pending, self.config.max_age);
        self.expiry = Some(self.expiry.map_or(expiry, |first| first.min(expiry)));
        self.pending.push(pending);
    }

    /// Takes a packet's later frame, if `step` finds that it is the one to come.
    fn go_on(
        &mut self,
        now: Instant,
        key: u32,
        sender: Sender,
        data: &[u8],
        step: impl FnOnce(&mut Progress) -> Result<Last, DiscardReason>,
    ) {
        let Some(at) = self.find(key) else {
            return self.discard(sender, DiscardReason::NoBegin);
        };
        let bytes = self.bytes + data.len();
        let Some(pending) = self.pending.get_mut(at) else {
            return;
        };
        let end = step(&mut pending.progress)
            .and_then(|last| last.check(pending.payload.len() + data.len(), self.config.max_payload));
        match end {
            Err(reason) => self.drop_pending(at, reason),
            Ok(_) if bytes > self.config.max_bytes => self.drop_pending(at, DiscardReason::Full),
            Ok(end) => {
                pending.payload.put_slice(data);
                pending.last = now;
                self.bytes = bytes;
                if end == End::Reached {
                    let complete = self.take(at);
                    self.complete(complete);
                }
            }
        }
    }

    fn complete(&mut self, pending: Pending) {
        let Pending {
            mut header, payload, ..
        } = pending;
        let broadcast = header.destination == self.version.broadcast();
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
        self.stats.count_discarded(reason);
        self.received.push_back(Received::Discarded { source, reason });
    }

    /// Takes note of what is none of CFP.
    pub(crate) fn ignore(&mut self, reason: IgnoreReason) {
        self.stats.count_ignored(reason);
        self.received.push_back(Received::Ignored(reason));
    }
}

/// How a frame says whether it is its packet's last.
#[derive(Clone, Copy, Debug)]
enum Last {
    Yes,
    No,
    /// When this many bytes are there, whatever the counter says (CFP1-5).
    ByLength(usize),
}

/// Whether a packet is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Reached,
    Ahead,
}

impl Last {
    /// Whether a payload of `len` bytes is complete, or why it never will be.
    const fn check(self, len: usize, max: usize) -> Result<End, DiscardReason> {
        match self {
            Self::ByLength(length) if length > max => Err(DiscardReason::TooLong { max }),
            Self::ByLength(length) if len > length => Err(DiscardReason::BeyondLength { length }),
            Self::ByLength(length) if len == length => Ok(End::Reached),
            Self::Yes | Self::No if len > max => Err(DiscardReason::TooLong { max }),
            Self::Yes => Ok(End::Reached),
            Self::ByLength(_) | Self::No => Ok(End::Ahead),
        }
    }
}

/// When a packet will have been idle for *more* than `age` (CAN-6).
fn expiry(pending: &Pending, age: Duration) -> Instant {
    pending.last + age + Duration::from_micros(1)
}

/// The header whose upper 16 bits are in the identifier.
fn header_of_cfp2(id: Cfp2Id, low: [u8; 4]) -> Header {
    let high = u16::from(id.priority.to_bits()) << 14 | id.destination.to_bits();
    let [a, b] = high.to_be_bytes();
    let [c, d, e, f] = low;
    let header = Header::decode(Version::V2, &[a, b, c, d, e, f]).map(|(header, _)| header);
    header.expect("six bytes are a header")
}

#[cfg(test)]
mod tests;
