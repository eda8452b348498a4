//! What passes between two ends, seen from the wire: a model of RDP that knows nothing of the machine.
//!
//! It holds the machine to what any correct end does: numbers in order and never another message under an old
//! one, no more than a window unacknowledged, nothing acknowledged that has not arrived, nothing repeated
//! sooner than the packet timeout.

use std::collections::BTreeMap;

use bytes::Bytes;
use csp_core::rdp::{Segment, SegmentFlags, Sequence};
use csp_core::{Flags, Packet, crc, hmac};
use tinwire_time::Instant;

use crate::plan::Terms;

/// The two directions of one client's connection; 0 is from the client.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) terms: Terms,
    /// Whether packets wait between a node and its link, so that those on the wire are late.
    is_paced: bool,
    ways: [Way; 2],
}

#[derive(Debug, Default)]
struct Way {
    initial: Option<Sequence>,
    /// Those of earlier attempts, which the other end may still acknowledge (9.8).
    former: Vec<Sequence>,
    /// Whether the initial number is known at the other end; what that acknowledges before means nothing.
    is_known: bool,
    /// By their index; what a node drops before its link is missing.
    sent: BTreeMap<usize, Numbered>,
    /// How many arrived without a gap.
    arrived: usize,
    /// How many its sender can know to be acknowledged.
    acknowledged: usize,
}

#[derive(Debug)]
struct Numbered {
    body: Bytes,
    sent_at: Instant,
    arrived: bool,
}

/// The trailer and body of an RDP packet, if it is whole.
pub(crate) fn segment(packet: &Packet) -> Option<(Segment, Bytes)> {
    if !packet.header.flags.contains(Flags::RDP) {
        return None;
    }
    let mut rest = &packet.payload[..];
    let is_summed = packet.header.flags.contains(Flags::CRC32);
    if is_summed {
        let (protected, sum) = rest.split_last_chunk::<4>()?;
        if crc::checksum(protected).to_be_bytes() != *sum {
            return None;
        }
        rest = protected;
    }
    if packet.header.flags.contains(Flags::HMAC) {
        // One of them is enough to know that it is whole.
        rest = if is_summed {
            rest.split_last_chunk::<4>()?.0
        } else {
            hmac::Key::default().verify(rest).ok()?
        };
    }
    let (segment, body) = Segment::decode(rest).ok()?;
    Some((segment, packet.payload.slice(..body.len())))
}

impl Watch {
    pub(crate) fn new(terms: Terms, is_paced: bool) -> Self {
        Self {
            terms,
            is_paced,
            ways: [Way::default(), Way::default()],
        }
    }

    /// The number that the end of `side` uses next, as far as is known.
    pub(crate) fn next(&self, side: usize) -> Option<Sequence> {
        let way = &self.ways[side];
        let count = u16::try_from(way.len()).unwrap();
        Some(way.initial?.next().plus(count))
    }

    /// Whether the client has sent a SYN.
    pub(crate) const fn has_begun(&self) -> bool {
        self.ways[0].initial.is_some()
    }

    /// Whether the client has sent a SYN of this number.
    pub(crate) fn asked_with(&self, sequence: Sequence) -> bool {
        let [way, _] = &self.ways;
        way.initial == Some(sequence) || way.former.contains(&sequence)
    }

    /// Whether a segment from `side` is of this connection, and not of another one from the same port.
    pub(crate) fn is_of(&self, side: usize, segment: &Segment) -> bool {
        if segment.flags.contains(SegmentFlags::SYN) {
            return if side == 0 {
                self.asked_with(segment.sequence)
            } else {
                self.asked_with(segment.acknowledgement)
            };
        }
        let fits = |way: &Way, number: Sequence| {
            let far = 2 * usize::from(self.terms.window) + way.len() + 1;
            way.initial
                .is_some_and(|initial| usize::from(number.since(initial)) <= far)
        };
        fits(&self.ways[side], segment.sequence)
            && (!segment.flags.contains(SegmentFlags::ACK)
                || fits(&self.ways[1 - side], segment.acknowledgement))
    }

    /// The end of `side` put a segment on its link.
    pub(crate) fn sent(&mut self, now: Instant, side: usize, (segment, body): &(Segment, Bytes)) {
        let Segment { flags, sequence, .. } = *segment;
        if flags.contains(SegmentFlags::SYN) && self.ways[side].initial != Some(sequence) {
            let Way { former, initial, .. } = core::mem::take(&mut self.ways[side]);
            self.ways[side] = Way {
                initial: Some(sequence),
                former: former.into_iter().chain(initial).collect(),
                ..Way::default()
            };
        }
        if flags.contains(SegmentFlags::ACK) {
            let other = &self.ways[1 - side];
            if let Some(count) = other.count(segment.acknowledgement).filter(|_| other.is_known) {
                assert!(
                    count <= other.arrived,
                    "{count} acknowledged of {} that arrived",
                    other.arrived
                );
            }
        }
        if is_data(flags) && !body.is_empty() {
            self.numbered(now, side, sequence, body);
        }
    }

    fn numbered(&mut self, now: Instant, side: usize, sequence: Sequence, body: &Bytes) {
        let window = usize::from(self.terms.window);
        let way = &mut self.ways[side];
        let initial = way.initial.expect("a message before a SYN");
        let index = usize::from(sequence.since(initial.next()));
        if let Some(known) = way.sent.get_mut(&index) {
            assert_eq!(known.body, body, "another message under number {index}");
            let earliest = known.sent_at + self.terms.packet_timeout;
            assert!(self.is_paced || now > earliest, "number {index} again too soon");
            known.sent_at = now;
            return;
        }
        assert!(
            index < way.acknowledged + window,
            "number {index} sent, {} acknowledged, window {window}",
            way.acknowledged
        );
        let body = body.clone();
        way.sent.insert(
            index,
            Numbered {
                body,
                sent_at: now,
                arrived: false,
            },
        );
    }

    /// A segment reached the other end of `side`.
    pub(crate) fn arrived(&mut self, side: usize, (segment, body): &(Segment, Bytes)) {
        if segment.flags.contains(SegmentFlags::ACK) {
            let other = &mut self.ways[1 - side];
            if let Some(count) = other.count(segment.acknowledgement)
                && count <= other.len()
            {
                other.acknowledged = other.acknowledged.max(count);
            }
        }
        let way = &mut self.ways[side];
        let Some(initial) = way.initial else { return };
        way.is_known |= segment.flags.contains(SegmentFlags::SYN) && segment.sequence == initial;
        let index = usize::from(segment.sequence.since(initial.next()));
        if is_data(segment.flags)
            && let Some(known) = way.sent.get_mut(&index)
            && known.body == *body
        {
            known.arrived = true;
        }
        while way.sent.get(&way.arrived).is_some_and(|known| known.arrived) {
            way.arrived += 1;
        }
    }
}

impl Way {
    /// One more than the highest index sent.
    fn len(&self) -> usize {
        self.sent.last_key_value().map_or(0, |(index, _)| index + 1)
    }

    /// How many messages a number acknowledges; `None` where it is not of this connection.
    fn count(&self, acknowledgement: Sequence) -> Option<usize> {
        if self.former.contains(&acknowledgement) {
            return None;
        }
        let count = acknowledgement.since(self.initial?);
        (count < 0x8000).then_some(usize::from(count))
    }
}

/// Neither of the opening nor of the end.
fn is_data(flags: SegmentFlags) -> bool {
    flags.contains(SegmentFlags::ACK)
        && !flags.contains(SegmentFlags::SYN)
        && !flags.contains(SegmentFlags::RST)
        && !flags.contains(SegmentFlags::EAK)
}
