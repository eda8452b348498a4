//! What a channel reports, and what it counts.

use crate::address::Target;
use crate::error::{IgnoreReason, TransferError};

/// Names one outgoing message of a channel; later ones have greater numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferId(pub(crate) u64);

/// How far the sending of one message is; the same words in every backend.
///
/// A message that fails ends with an error instead of [`Done`](Self::Done). Whoever looks seldom sees the
/// latest state, not all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SendState {
    /// It waits for its turn, or its first frame for the link.
    Queued,
    /// The first frame of a long message was confirmed: it is on the bus.
    Started,
    /// A part of a long message was confirmed.
    Progress {
        /// How many of its bytes.
        sent: u32,
        /// Its length.
        len: u32,
    },
    /// Every frame was confirmed.
    Done,
}

/// Something that happened on a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The first frame of a long message is on the bus.
    FirstFrameSent {
        /// Which message.
        id: TransferId,
    },
    /// A part of a long message is on the bus.
    ///
    /// It comes with each flow control that answers a block, and within a block with every 64th consecutive
    /// frame and with the first one 100 ms or more after the last such event. One call causes one at most.
    Progress {
        /// Which message.
        id: TransferId,
        /// How many of its bytes were confirmed.
        sent: u32,
        /// Its length.
        len: u32,
    },
    /// The message is on the bus as a whole: every frame was confirmed.
    Sent {
        /// Which message.
        id: TransferId,
    },
    /// The message was not sent.
    SendFailed {
        /// Which message.
        id: TransferId,
        /// Why not.
        error: TransferError,
        /// How many of its bytes were handed to the link.
        sent: u32,
        /// Its length.
        len: u32,
    },
    /// A long message has begun to arrive.
    ReceiveStarted {
        /// Its announced length.
        len: u32,
    },
    /// A whole message is there: take it before the next one comes.
    Received {
        /// Its length.
        len: u32,
        /// To whom it was sent.
        target: Target,
    },
    /// A message that had begun to arrive will not be complete.
    ReceiveFailed {
        /// Why not.
        error: TransferError,
        /// How many of its bytes had arrived.
        received: u32,
        /// Its announced length.
        len: u32,
    },
    /// A message was refused, for it is too long, or its predecessor was not taken in time.
    ///
    /// A long message is answered with OVFLW (a listener stays silent); a single frame is dropped.
    Refused {
        /// Its announced length.
        len: u32,
        /// The longest that would have been accepted.
        max: u32,
    },
    /// A frame for this channel had no effect.
    Ignored(IgnoreReason),
}

/// Counters of a channel since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Messages sent as a whole.
    pub messages_sent: u64,
    /// Messages that were not sent.
    pub sends_failed: u64,
    /// Messages received as a whole.
    pub messages_received: u64,
    /// Messages that began to arrive and were not completed.
    pub receives_failed: u64,
    /// Messages refused: too long, or the previous one was not taken in time.
    pub messages_refused: u64,
    /// Frames handed to the link.
    pub frames_sent: u64,
    /// Frames with this channel's address.
    pub frames_received: u64,
    /// Frames with another address.
    pub frames_foreign: u64,
    /// WAITs sent.
    pub waits_sent: u64,
    /// WAITs received.
    pub waits_received: u64,
    /// Ignored: no valid PDU.
    pub ignored_malformed: u64,
    /// Ignored: not a data frame.
    pub ignored_not_data: u64,
    /// Ignored: consecutive frames without a first frame.
    pub ignored_unexpected_consecutive: u64,
    /// Ignored: consecutive frames of a wrong length.
    pub ignored_consecutive_length: u64,
    /// Ignored: flow controls that nobody waited for.
    pub ignored_unexpected_flow_control: u64,
    /// Ignored: functional frames that are not single frames.
    pub ignored_functional: u64,
    /// Ignored: frames of one direction while the other was in use, with half duplex.
    pub ignored_half_duplex: u64,
    /// Ignored: consecutive frames that came too soon.
    pub ignored_too_soon: u64,
    /// Ignored: frames whose padding was not as asked for.
    pub ignored_padding: u64,
    /// Ignored: single frames that came before the previous message was taken.
    pub ignored_no_room: u64,
    /// Events that newer ones pushed out of a full queue, unpolled.
    pub events_lost: u64,
}

impl Stats {
    /// All received frames that had no effect.
    #[must_use]
    pub const fn ignored(&self) -> u64 {
        self.ignored_malformed
            + self.ignored_not_data
            + self.ignored_unexpected_consecutive
            + self.ignored_consecutive_length
            + self.ignored_unexpected_flow_control
            + self.ignored_functional
            + self.ignored_half_duplex
            + self.ignored_too_soon
            + self.ignored_padding
            + self.ignored_no_room
    }

    fn count(&mut self, event: &Event) {
        let counter = match event {
            Event::Sent { .. } => &mut self.messages_sent,
            Event::SendFailed { .. } => &mut self.sends_failed,
            Event::Received { .. } => &mut self.messages_received,
            Event::ReceiveFailed { .. } => &mut self.receives_failed,
            Event::Refused { .. } => &mut self.messages_refused,
            Event::Ignored(reason) => match reason {
                IgnoreReason::Malformed(_) => &mut self.ignored_malformed,
                IgnoreReason::NotData => &mut self.ignored_not_data,
                IgnoreReason::UnexpectedConsecutiveFrame => &mut self.ignored_unexpected_consecutive,
                IgnoreReason::ConsecutiveFrameLength { .. } => &mut self.ignored_consecutive_length,
                IgnoreReason::UnexpectedFlowControl => &mut self.ignored_unexpected_flow_control,
                IgnoreReason::FunctionalSegmented => &mut self.ignored_functional,
                IgnoreReason::HalfDuplex => &mut self.ignored_half_duplex,
                IgnoreReason::TooSoon => &mut self.ignored_too_soon,
                IgnoreReason::Padding(_) => &mut self.ignored_padding,
                IgnoreReason::NoRoom => &mut self.ignored_no_room,
            },
            Event::FirstFrameSent { .. } | Event::Progress { .. } | Event::ReceiveStarted { .. } => return,
        };
        *counter += 1;
    }
}

/// Events kept until they are polled.
pub(crate) const EVENT_CAPACITY: usize = 6;

/// The outgoing events of both machines, and the counters that go with them.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) stats: Stats,
    events: [Option<Event>; EVENT_CAPACITY],
    first: usize,
    len: usize,
}

impl Report {
    /// Counts `event` and queues it; a full queue loses its oldest event and counts that.
    pub(crate) fn event(&mut self, event: Event) {
        self.stats.count(&event);
        if self.len == EVENT_CAPACITY {
            self.pop();
            self.stats.events_lost += 1;
        }
        if let Some(free) = self.events.get_mut((self.first + self.len) % EVENT_CAPACITY) {
            *free = Some(event);
            self.len += 1;
        }
    }

    pub(crate) fn ignored(&mut self, reason: IgnoreReason) {
        self.event(Event::Ignored(reason));
    }

    #[cfg(feature = "tokio")]
    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn pop(&mut self) -> Option<Event> {
        let event = self.events.get_mut(self.first)?.take()?;
        self.first = (self.first + 1) % EVENT_CAPACITY;
        self.len -= 1;
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_out_in_order_and_a_full_queue_loses_the_oldest() {
        let mut report = Report::default();
        for round in 0..3u32 {
            for len in 0..8 {
                report.event(Event::ReceiveStarted {
                    len: round * 100 + len,
                });
            }
            for len in 2..8 {
                assert_eq!(
                    report.pop(),
                    Some(Event::ReceiveStarted {
                        len: round * 100 + len
                    })
                );
            }
            assert_eq!(report.pop(), None);
            report.event(Event::Ignored(IgnoreReason::NoRoom));
            assert_eq!(report.pop(), Some(Event::Ignored(IgnoreReason::NoRoom)));
        }
        assert_eq!(report.stats.events_lost, 6);
        assert_eq!(report.stats.ignored(), 3);
    }
}
