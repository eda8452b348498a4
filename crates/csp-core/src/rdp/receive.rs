//! What was received: in order and to be read, or too early.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::Bytes;

use super::Sequence;

/// A message with what its user wants to know of it.
pub(super) struct Received<M> {
    sequence: Sequence,
    body: Bytes,
    about: M,
}

/// The receiving half: numbers, what came too early, and what waits to be read.
pub(super) struct ReceiveQueue<M> {
    initial: Sequence,
    current: Sequence,
    /// `lsa`: the last number acknowledged by a control segment.
    acknowledged: Sequence,
    /// The last number acknowledged by any segment.
    told: Sequence,
    /// An acknowledgement was due while nobody read.
    held_back: bool,
    early: Vec<Received<M>>,
    ready: VecDeque<(Bytes, M)>,
    capacity: usize,
}

/// What became of a segment's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// It is the next one and can be read, with what it let follow.
    InOrder,
    /// It is kept until those before it come.
    Early,
    /// It is here already.
    Duplicate,
    /// There is no room to read it into.
    Full,
}

impl<M> ReceiveQueue<M> {
    /// `capacity`: messages that wait to be read.
    pub(super) const fn new(initial: Sequence, capacity: usize) -> Self {
        Self {
            initial,
            current: initial,
            acknowledged: initial,
            told: initial,
            held_back: false,
            early: Vec::new(),
            ready: VecDeque::new(),
            capacity,
        }
    }

    /// Takes the other end's first number, at the client, when the server has told it.
    pub(super) fn open(&mut self, initial: Sequence) {
        self.initial = initial;
        self.current = initial;
        self.acknowledged = initial.previous();
        self.told = initial.previous();
    }

    /// `irs`.
    pub(super) const fn initial(&self) -> Sequence {
        self.initial
    }

    /// `cur`.
    pub(super) const fn current(&self) -> Sequence {
        self.current
    }

    /// The last number that the other end was told of.
    pub(super) const fn told(&self) -> Sequence {
        self.told
    }

    /// Notes that `number` was acknowledged by a control segment.
    pub(super) const fn acknowledged(&mut self, number: Sequence) {
        self.held_back &= number.is_before(self.current);
        self.acknowledged = number;
        self.told = number;
    }

    /// Notes that data or a repetition told of everything so far.
    pub(super) const fn piggybacked(&mut self) {
        self.told = self.current;
    }

    /// Notes that an acknowledgement is due when there is room again.
    pub(super) const fn hold_back(&mut self) {
        self.held_back = true;
    }

    /// Whether an acknowledgement was due while nobody read, and was not sent since.
    pub(super) const fn owes(&self) -> bool {
        self.held_back
    }

    /// Whether more than `count` segments wait for one.
    pub(super) const fn owes_more_than(&self, count: u16) -> bool {
        self.current.is_after(self.acknowledged.plus(count))
    }

    /// How many messages more can wait to be read.
    pub(super) fn free(&self) -> usize {
        self.capacity.saturating_sub(self.ready.len())
    }

    /// Whether `number` is in the window of those to come (9.4, step 2).
    pub(super) fn is_awaited(&self, number: Sequence, window: u16) -> bool {
        let last = self.current.plus(window.saturating_mul(2));
        number.is_between(self.current.next(), last)
    }

    pub(super) fn store(&mut self, sequence: Sequence, body: Bytes, about: M) -> Stored {
        if sequence == self.current.next() {
            if self.free() == 0 {
                return Stored::Full;
            }
            self.early.retain(|early| early.sequence != sequence);
            self.ready.push_back((body, about));
            self.current = sequence;
            return Stored::InOrder;
        }
        if self.early.iter().any(|early| early.sequence == sequence) {
            return Stored::Duplicate;
        }
        self.early.push(Received {
            sequence,
            body,
            about,
        });
        Stored::Early
    }

    /// Moves what came early and is next to what can be read; returns how many.
    ///
    /// A little room is left to segments that come in order (9.4, step 6).
    pub(super) fn advance(&mut self) -> u64 {
        let reserve = 2.min(self.capacity / 8);
        let mut moved: u64 = 0;
        while self.free() > reserve {
            let next = self.current.next();
            let Some(place) = self.early.iter().position(|early| early.sequence == next) else {
                break;
            };
            let early = self.early.swap_remove(place);
            self.ready.push_back((early.body, early.about));
            self.current = next;
            moved = moved.saturating_add(1);
        }
        moved
    }

    pub(super) fn pop(&mut self) -> Option<(Bytes, M)> {
        self.ready.pop_front()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.ready.len() + self.early.len()
    }

    /// Forgets what nobody will read, or what will never be in order.
    pub(super) fn clear(&mut self) {
        self.early.clear();
        self.ready.clear();
    }

    pub(super) fn clear_early(&mut self) {
        self.early.clear();
    }
}
