//! Messages of one endpoint on their way out.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use std::string::ToString;

use can_link::LinkError;

use super::shared::State;
use crate::address::Target;
use crate::endpoints::{EndpointId, EndpointMut, Key};
use crate::error::{SendError, TransferError};
use crate::event::{SendState, TransferId};
use crate::payload::{Outgoing, Payload as _};
use crate::stream::StreamError;
use crate::stream::held::Through;

/// Messages that wait behind the one that is being sent, per endpoint. A further one is refused as busy.
pub const MAX_QUEUED: usize = 64;

/// Who is told how a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    /// A [`Sending`](super::Sending), while there is one.
    Letter(Key),
    /// The sink of the endpoint.
    Sink,
}

/// What a [`Sending`](super::Sending) has to be told.
#[derive(Debug, Default)]
pub(super) struct Letter {
    pub(super) id: Option<TransferId>,
    pub(super) state: Option<SendState>,
    pub(super) outcome: Option<Result<(), StreamError>>,
    pub(super) waker: Option<core::task::Waker>,
}

/// A message that waits for the one before it.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) message: Outgoing,
    pub(super) target: Target,
    pub(super) sender: Sender,
}

/// The messages of one endpoint: the one that its channel sends, and those behind it.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// With its length.
    pub(super) current: Option<(TransferId, Sender, u32)>,
    pub(super) queue: VecDeque<Waiting>,
    /// The failure of a message that the sink took, until the sink reports it.
    pub(super) failure: Option<StreamError>,
    /// Messages that are through but for the link's flush.
    pub(super) unflushed: usize,
}

impl Outbox {
    /// Whether every message is through.
    pub(super) fn is_empty(&self) -> bool {
        self.current.is_none() && self.queue.is_empty() && self.unflushed == 0
    }

    /// Who is to be told of message `id`.
    pub(super) fn sender(&self, id: TransferId) -> Option<Sender> {
        let (current, sender, _) = self.current?;
        (current == id).then_some(sender)
    }
}

impl State {
    /// Hands a message to an endpoint: to its channel, or behind the messages before it.
    pub(super) fn post(&mut self, id: EndpointId, message: Outgoing, target: Target, sender: Sender) {
        let ended = self.end.is_some();
        let refused = match self.seat(id) {
            Some(seat) if seat.outbox.queue.len() >= MAX_QUEUED => Some(SendError::Busy.into()),
            Some(seat) if !ended && !seat.closing => {
                seat.outbox.queue.push_back(Waiting {
                    message,
                    target,
                    sender,
                });
                None
            }
            _ => Some(LinkError::Closed.into()),
        };
        match refused {
            Some(error) => self.refuse(id, sender, error),
            None => self.advance(id),
        }
    }

    /// Hands the next message to an endpoint's channel, if that has sent the one before.
    pub(super) fn advance(&mut self, id: EndpointId) {
        let now = self.now;
        // Of a link that has ended the messages that wait are refused as a whole.
        while self.end.is_none() {
            let Some(seat) = self.seat(id).filter(|seat| seat.outbox.current.is_none()) else {
                return;
            };
            let Some(waiting) = seat.outbox.queue.pop_front() else {
                return;
            };
            let len = u32::try_from(waiting.message.message_len()).unwrap_or(u32::MAX);
            let give = |mut channel: EndpointMut<'_>| channel.send_to(now, waiting.message, waiting.target);
            match self.endpoints.get_mut(id).map(give) {
                Some(Ok(transfer)) => return self.given(id, (transfer, waiting.sender, len)),
                Some(Err(error)) => self.refuse(id, waiting.sender, error.into()),
                None => return,
            }
        }
    }

    fn refuse(&mut self, id: EndpointId, sender: Sender, error: StreamError) {
        self.stats.sends_refused += 1;
        self.finish(id, sender, Err(error));
    }

    fn given(&mut self, id: EndpointId, current: (TransferId, Sender, u32)) {
        if let Some(seat) = self.seat(id) {
            seat.outbox.current = Some(current);
        }
        let (transfer, sender, _) = current;
        if let Sender::Letter(key) = sender
            && let Some(letter) = self.letters.get_mut(key)
        {
            letter.id = Some(transfer);
        }
        self.wake_task();
    }

    /// Tells the sender of an endpoint's message how that ended.
    pub(super) fn finish(&mut self, id: EndpointId, sender: Sender, outcome: Result<(), StreamError>) {
        match sender {
            Sender::Letter(key) => {
                if let Some(letter) = self.letters.get_mut(key) {
                    letter.outcome = Some(outcome);
                    self.wakes.extend(letter.waker.take());
                }
            }
            Sender::Sink => {
                if let Some(seat) = self.seat(id)
                    && let Err(failure) = outcome
                {
                    seat.outbox.failure = Some(failure);
                }
            }
        }
    }

    /// Ends a message as failed, wherever it is.
    pub(super) fn abort(&mut self, id: EndpointId, key: Key) {
        self.tick();
        let letter = Sender::Letter(key);
        let Some(seat) = self.seat(id) else { return };
        if seat.outbox.current.is_some_and(|(_, sender, _)| sender == letter) {
            self.abort_send(id);
        } else if let Some(seat) = self.seat(id)
            && let Some(at) = seat
                .outbox
                .queue
                .iter()
                .position(|waiting| waiting.sender == letter)
            && let Some(waiting) = seat.outbox.queue.remove(at)
        {
            self.finish(id, letter, Err(aborted_early(&waiting.message)));
        }
    }

    /// Ends the message that an endpoint sends, if any, as failed, and tells whether there was one.
    pub(super) fn abort_send(&mut self, id: EndpointId) -> bool {
        self.tick();
        let channel = self.endpoints.get_mut(id);
        let was_sending = channel.is_some_and(|mut channel| channel.abort_send());
        self.collect();
        self.wake_task();
        was_sending
    }

    pub(super) fn progress(&mut self, id: EndpointId, transfer: TransferId, state: SendState) {
        let sender = self.seat(id).and_then(|seat| seat.outbox.sender(transfer));
        if let Some(Sender::Letter(key)) = sender
            && let Some(letter) = self.letters.get_mut(key)
        {
            letter.state = Some(state);
            self.wakes.extend(letter.waker.take());
        }
    }

    pub(super) fn sent(&mut self, id: EndpointId, transfer: TransferId) {
        let Some(Some(seat)) = self.seats.get_mut(id.place()) else {
            return;
        };
        let current = seat.outbox.current.take();
        seat.writers.wake(&mut self.wakes);
        if let Some((current, sender, len)) = current
            && current == transfer
        {
            let channel = self.endpoints.get(id).filter(|_| !self.held.is_empty());
            match channel.map(|channel| self.held.due(self.now, channel.config().n_as)) {
                Some(due) => {
                    seat.outbox.unflushed += 1;
                    let through = Through {
                        id: transfer,
                        len,
                        due,
                    };
                    self.through.push((id, sender, through));
                }
                None => self.finish(id, sender, Ok(())),
            }
        }
        if let Some(group) = self.endpoints.sends_for(id) {
            self.heard(group);
        }
    }

    pub(super) fn failed(&mut self, id: EndpointId, transfer: TransferId, failure: StreamError) {
        let Some(Some(seat)) = self.seats.get_mut(id.place()) else {
            return;
        };
        let sender = seat.outbox.sender(transfer);
        seat.outbox.current = None;
        seat.writers.wake(&mut self.wakes);
        if let Some(sender) = sender {
            self.finish(id, sender, Err(failure));
        }
    }

    /// The link has let go of all frames it took, or failed to.
    pub(super) fn flushed(&mut self, error: Option<&can_link::SendError>) {
        self.tick();
        self.held.clear();
        for (id, sender, _) in core::mem::take(&mut self.through) {
            let outcome = error.map_or(Ok(()), |error| Err(flush_error(error)));
            self.let_go(id, sender, outcome);
        }
    }

    /// Ends the messages as failed that the link should have let go of by now.
    pub(super) fn fail_late(&mut self) {
        let now = self.now;
        let late: Vec<_> = self
            .through
            .extract_if(.., |(_, _, through)| through.due <= now)
            .collect();
        for (id, sender, through) in late {
            self.let_go(id, sender, Err(through.late()));
        }
    }

    fn let_go(&mut self, id: EndpointId, sender: Sender, outcome: Result<(), StreamError>) {
        self.finish(id, sender, outcome);
        if self.endpoints.get(id).is_some()
            && let Some(Some(seat)) = self.seats.get_mut(id.place())
        {
            seat.outbox.unflushed -= 1;
            seat.writers.wake(&mut self.wakes);
        }
        // Until now nobody could have answered.
        if let Some(group) = self.endpoints.sends_for(id) {
            self.heard(group);
        }
    }
}

fn flush_error(error: &can_link::SendError) -> StreamError {
    let source = std::io::Error::other(error.to_string());
    match error {
        can_link::SendError::Closed => LinkError::Closed.into(),
        _ => LinkError::io("flushing the link", source).into(),
    }
}

pub(super) fn aborted(id: TransferId, sent: u32, len: u32) -> StreamError {
    StreamError::SendFailed {
        id,
        error: TransferError::Aborted,
        sent: Some(sent),
        len,
        cause: None,
    }
}

/// The failure of a message that no channel ever had.
pub(super) fn aborted_early(message: &Outgoing) -> StreamError {
    let len = u32::try_from(message.message_len()).unwrap_or(u32::MAX);
    aborted(TransferId::default(), 0, len)
}
