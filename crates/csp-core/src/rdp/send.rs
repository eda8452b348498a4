//! What was sent and is not acknowledged.

use alloc::collections::VecDeque;
use core::time::Duration;

use bytes::Bytes;
use tinwire_time::Instant;

use super::{Filler, Sequence};
use crate::Flags;

/// A segment that took a number, kept until it is acknowledged.
pub(super) struct Kept {
    pub(super) sequence: Sequence,
    pub(super) content: Content,
    sent_at: Instant,
    due: Due,
    /// After a fast resend, no other one before this (9.9).
    quiet_until: Instant,
}

#[derive(Clone)]
pub(super) enum Content {
    /// A SYN with its options, or a SYN|ACK without any.
    ///
    /// The filler is that of the first time, which a repetition has too.
    Syn {
        body: Bytes,
        filler: Option<Filler>,
    },
    Data {
        body: Bytes,
        flags: Flags,
    },
    /// The other end has told that it holds this one, out of order (EAK).
    Held,
}

/// Whether a segment waits to be put on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    No,
    First,
    Again,
}

/// The sending half: numbers, and the segments between the oldest unacknowledged and the next.
pub(super) struct SendQueue {
    initial: Sequence,
    next: Sequence,
    unacknowledged: Sequence,
    kept: VecDeque<Kept>,
    /// Messages ever sent and ever acknowledged.
    sent: u64,
    acknowledged: u64,
}

impl SendQueue {
    pub(super) fn new(now: Instant, initial: Sequence, syn: Bytes) -> Self {
        let mut queue = Self {
            initial,
            next: initial.next(),
            unacknowledged: initial,
            kept: VecDeque::new(),
            sent: 0,
            acknowledged: 0,
        };
        queue.keep(
            now,
            initial,
            Content::Syn {
                body: syn,
                filler: None,
            },
            Due::First,
        );
        queue
    }

    /// `iss`.
    pub(super) const fn initial(&self) -> Sequence {
        self.initial
    }

    /// `nxt`.
    pub(super) const fn next(&self) -> Sequence {
        self.next
    }

    pub(super) const fn is_acknowledged(&self) -> bool {
        self.acknowledged == self.sent
    }

    pub(super) const fn sent(&self) -> u64 {
        self.sent
    }

    pub(super) const fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Whether another message may go out: at most a window is unacknowledged.
    pub(super) const fn has_room(&self, window: u16) -> bool {
        self.next.since(self.unacknowledged) < window
    }

    /// Gives a message the next number; returns the message's own.
    pub(super) fn push(&mut self, now: Instant, body: Bytes, flags: Flags, due: Due) -> u64 {
        self.keep(now, self.next, Content::Data { body, flags }, due);
        self.next = self.next.next();
        let number = self.sent;
        self.sent = self.sent.saturating_add(1);
        number
    }

    fn keep(&mut self, now: Instant, sequence: Sequence, content: Content, due: Due) {
        self.kept.push_back(Kept {
            sequence,
            content,
            sent_at: now,
            due,
            quiet_until: now,
        });
    }

    /// Whether a segment may acknowledge `number` at all (9.4, step 3).
    pub(super) fn may_acknowledge(&self, number: Sequence, window: u16) -> bool {
        let oldest = self.unacknowledged.previous().minus(window.saturating_mul(2));
        number.is_between(oldest, self.next.previous())
    }

    /// Frees what `number` acknowledges; true if messages are among it.
    ///
    /// An older number changes nothing: `una` does not go back (RDP-4).
    pub(super) fn acknowledge(&mut self, number: Sequence) -> bool {
        let unacknowledged = number.next();
        if !unacknowledged.is_after(self.unacknowledged) {
            return false;
        }
        self.unacknowledged = unacknowledged;
        let before = self.acknowledged;
        while let Some(kept) = self.kept.front()
            && kept.sequence.is_before(unacknowledged)
        {
            if !matches!(kept.content, Content::Syn { .. }) {
                self.acknowledged = self.acknowledged.saturating_add(1);
            }
            self.kept.pop_front();
        }
        self.acknowledged > before
    }

    /// Frees what the other end holds out of order and marks what lies before it to be sent at once.
    ///
    /// Not again within half the packet timeout (9.9).
    pub(super) fn acknowledge_early(&mut self, now: Instant, held: &[[u8; 2]], timeout: Duration) -> u64 {
        let mut last = None;
        for kept in &mut self.kept {
            let bytes = kept.sequence.to_bits().to_be_bytes();
            if matches!(kept.content, Content::Data { .. } | Content::Held) && held.contains(&bytes) {
                kept.content = Content::Held;
                kept.due = Due::No;
                last = Some(kept.sequence);
            }
        }
        let Some(last) = last else { return 0 };
        let mut resent: u64 = 0;
        for kept in &mut self.kept {
            let missing = !matches!(kept.content, Content::Held) && kept.sequence.is_before(last);
            if missing && kept.due == Due::No && now >= kept.quiet_until {
                kept.quiet_until = now + timeout / 2;
                kept.sent_at = now;
                kept.due = Due::Again;
                resent = resent.saturating_add(1);
            }
        }
        resent
    }

    /// Marks what has waited longer than `timeout` to be sent again; returns how many.
    pub(super) fn expire(&mut self, now: Instant, timeout: Duration) -> u64 {
        let mut resent: u64 = 0;
        for kept in &mut self.kept {
            let late = now > kept.sent_at + timeout;
            if late && kept.due == Due::No && !matches!(kept.content, Content::Held) {
                kept.sent_at = now;
                kept.due = Due::Again;
                resent = resent.saturating_add(1);
            }
        }
        resent
    }

    /// When the next segment has waited as long as `timeout`.
    pub(super) fn oldest(&self, timeout: Duration) -> Option<Instant> {
        self.kept
            .iter()
            .filter(|kept| kept.due == Due::No && !matches!(kept.content, Content::Held))
            .map(|kept| kept.sent_at + timeout)
            .min()
    }

    /// Answers a SYN once more, now, as if for the first time.
    pub(super) fn repeat_syn(&mut self, now: Instant) {
        let syn = self
            .kept
            .iter_mut()
            .find(|kept| matches!(kept.content, Content::Syn { .. }));
        if let Some(kept) = syn {
            if let Content::Syn { filler, .. } = &mut kept.content {
                *filler = None;
            }
            kept.sent_at = now;
            kept.due = Due::First;
        }
    }

    /// The next segment to put on the wire, and whether it was there before.
    pub(super) fn poll(&mut self, now: Instant, filler: &mut Filler) -> Option<(Sequence, Content, Due)> {
        let kept = self.kept.iter_mut().find(|kept| kept.due != Due::No)?;
        if let Content::Syn { filler: own, .. } = &mut kept.content {
            own.get_or_insert_with(|| filler.advance());
        }
        // It may have waited for whoever polls.
        kept.sent_at = now;
        let due = core::mem::replace(&mut kept.due, Due::No);
        Some((kept.sequence, kept.content.clone(), due))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    /// Forgets the messages that will never be acknowledged.
    pub(super) fn clear(&mut self) {
        self.kept.clear();
    }
}
