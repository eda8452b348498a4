//! What a machine sends.

use bytes::{BufMut, Bytes, BytesMut};

use super::send::{Content, Due};
use super::state::Stage;
use super::{Filler, Machine, SEGMENT_LEN, Segment, SegmentFlags, Sequence};
use crate::Flags;

/// Control segments that wait for the wire; with more, the newest takes the place of the last.
const MAX_PENDING: usize = 4;

/// A segment to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// The trailer.
    pub segment: Segment,
    /// What it follows: a message, the options of a SYN, or nothing.
    pub body: Bytes,
    /// Flags for the packet's header, as given to [`Machine::send`]; none for control segments.
    pub flags: Flags,
    /// How urgent it is.
    pub urgency: Urgency,
}

impl Transmit {
    /// The body and its trailer.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(self.body.len().saturating_add(SEGMENT_LEN));
        bytes.put_slice(&self.body);
        bytes.put_slice(&self.segment.encode());
        bytes.freeze()
    }
}

/// The priority of a segment's packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// That of the connection.
    Own,
    /// That of the connection, or high if that is more urgent.
    Control,
}

/// A segment without a number of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Control {
    flags: SegmentFlags,
    /// `None`: the next number.
    sequence: Option<Sequence>,
    acknowledgement: Sequence,
}

impl<M> Machine<M> {
    /// Queues an acknowledgement (CTL of 9.2).
    pub(super) fn acknowledge(&mut self, number: Sequence) {
        self.receive.acknowledged(number);
        self.stats.acknowledgements = self.stats.acknowledgements.wrapping_add(1);
        self.queue(Control {
            flags: SegmentFlags::ACK,
            sequence: None,
            acknowledgement: number,
        });
    }

    /// Queues a reset that tells what was received.
    pub(super) fn reset(&mut self) {
        let number = self.receive.current();
        self.receive.acknowledged(number);
        self.stats.resets = self.stats.resets.wrapping_add(1);
        self.queue(Control {
            flags: SegmentFlags::RST | SegmentFlags::ACK,
            sequence: None,
            acknowledgement: number,
        });
    }

    /// Queues a reset for a connection that the other end alone has.
    pub(super) fn reset_stranger(&mut self, sequence: Sequence) {
        self.stats.resets = self.stats.resets.wrapping_add(1);
        self.queue(Control {
            flags: SegmentFlags::RST,
            sequence: Some(sequence),
            acknowledgement: self.receive.current(),
        });
    }

    fn queue(&mut self, control: Control) {
        self.sent_at = self.now;
        if self.pending.len() >= MAX_PENDING {
            self.pending.pop_back();
        }
        self.pending.push_back(control);
    }

    /// The next segment to send. Control segments take their filler from `filler` (RDP-1).
    pub fn poll_transmit(&mut self, filler: &mut Filler) -> Option<Transmit> {
        // A client tells of the old connection before it asks for a new one (9.8).
        let is_asking = matches!(self.stage, Stage::SynSent { .. });
        if (!is_asking || self.pending.is_empty())
            && let Some((sequence, content, due)) = self.send.poll(self.now, filler)
        {
            return Some(self.numbered(sequence, content, due));
        }
        let control = self.pending.pop_front()?;
        let segment = Segment {
            flags: control.flags,
            filler: filler.advance(),
            sequence: control.sequence.unwrap_or_else(|| self.send.next()),
            acknowledgement: control.acknowledgement,
        };
        Some(Transmit {
            segment,
            body: Bytes::new(),
            flags: Flags::NONE,
            urgency: Urgency::Control,
        })
    }

    /// A segment that takes a number, for the first time or again.
    fn numbered(&self, sequence: Sequence, content: Content, due: Due) -> Transmit {
        let (kind, filler, body, flags) = match content {
            Content::Syn { body, filler } => {
                let answer = if body.is_empty() {
                    SegmentFlags::ACK
                } else {
                    SegmentFlags::NONE
                };
                let filler = filler.unwrap_or_default();
                (SegmentFlags::SYN | answer, filler, body, Flags::NONE)
            }
            Content::Data { body, flags } => (SegmentFlags::ACK, Filler::ZERO, body, flags),
            Content::Held => (SegmentFlags::ACK, Filler::ZERO, Bytes::new(), Flags::NONE),
        };
        let is_opening = kind.contains(SegmentFlags::SYN) && due == Due::First;
        Transmit {
            segment: Segment {
                flags: kind,
                filler,
                sequence,
                acknowledgement: self.receive.current(),
            },
            body,
            flags,
            urgency: if is_opening {
                Urgency::Control
            } else {
                Urgency::Own
            },
        }
    }
}
