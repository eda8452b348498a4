//! What the network keeps for one endpoint beside its channel.

use alloc::collections::VecDeque;
use bytes::Bytes;
use can_link::Event as LinkEvent;
use tinwire_time::Instant;

use super::outbox::Outbox;
use super::shared::State;
use super::waiters::Waiters;
use crate::address::Target;
use crate::endpoints::{EndpointId, GroupEvent, GroupId};
use crate::error::TransferError;
use crate::event::{Event, SendState};
use crate::responders::Responder;
use crate::stream::{MAX_EVENTS, MAX_WAITING, Progress, StreamError};

/// Answers kept for the reader of a group. Then responders are made to wait (FC.WAIT), and their short
/// answers are lost and counted.
pub const MAX_ANSWERS: usize = 64;

/// What an endpoint has for its reader.
pub(super) type Item = Result<(Target, Bytes), StreamError>;
/// An answer to a group: who sent it, and the message or how it failed.
pub type Answer = (Responder, Result<Bytes, StreamError>);

/// What the network keeps for one endpoint.
#[derive(Debug, Default)]
pub(super) struct Seat {
    pub(super) inbox: VecDeque<Item>,
    pub(super) outbox: Outbox,
    pub(super) events: VecDeque<Event>,
    pub(super) readers: Waiters,
    pub(super) writers: Waiters,
    /// Nothing is sent any more.
    pub(super) closing: bool,
}

impl Seat {
    /// Keeps an event for the user; false when an older one was lost for it.
    pub(super) fn keep(&mut self, event: Event) -> bool {
        // Of the progress of one message only the latest is news.
        if let (Event::Progress { id, .. }, Some(Event::Progress { id: before, .. })) =
            (event, self.events.back())
            && id == *before
        {
            self.events.pop_back();
        }
        let full = self.events.len() >= MAX_EVENTS;
        if full {
            self.events.pop_front();
        }
        self.events.push_back(event);
        !full
    }
}

/// What the network keeps for one group.
#[derive(Debug)]
pub(super) struct GroupSeat {
    pub(super) inbox: VecDeque<Answer>,
    /// When the last request was sent, or a responder was last heard.
    pub(super) latest: Instant,
    pub(super) readers: Waiters,
    pub(super) events: VecDeque<GroupEvent>,
    pub(super) events_lost: u64,
    /// Answers that came too late for the request before and were given up for the next one.
    pub(super) discarded: u64,
}

impl State {
    /// Ends the message that an endpoint receives, if any, as failed.
    pub(super) fn abort_receive(&mut self, id: EndpointId) {
        self.tick();
        if let Some(mut channel) = self.endpoints.get_mut(id) {
            channel.abort_receive();
        }
        self.collect();
        self.wake_task();
    }

    /// The next item for an endpoint's reader; `None` when there is none yet, `Some(None)` at the end.
    pub(super) fn take(&mut self, id: EndpointId) -> Option<Option<Item>> {
        self.tick();
        let ended = self.end.is_some();
        let item = match self.seat(id) {
            Some(seat) => seat.inbox.pop_front(),
            None => return Some(None),
        };
        if item.is_some() {
            // A sender may be waiting for this room.
            self.fill(id);
            return Some(item);
        }
        ended.then_some(None)
    }

    /// Moves received messages to where their reader finds them, while there is room.
    fn fill(&mut self, id: EndpointId) {
        while self.seat(id).is_some_and(|seat| seat.inbox.len() < MAX_WAITING)
            && let Some(message) = self.take_received(id)
            && let Some(Some(seat)) = self.seats.get_mut(id.place())
        {
            seat.inbox.push_back(Ok(message));
            seat.readers.wake(&mut self.wakes);
        }
    }

    /// Moves answers to where the reader of a group finds them, while there is room.
    pub(super) fn fill_group(&mut self, group: GroupId, member: EndpointId) {
        let Some((_, responder)) = self.endpoints.member(member) else {
            return;
        };
        while self
            .group(group)
            .is_some_and(|seat| seat.inbox.len() < MAX_ANSWERS)
            && let Some((_, message)) = self.take_received(member)
            && let Some(Some(seat)) = self.groups.get_mut(group.place())
        {
            seat.inbox.push_back((responder, Ok(message)));
            seat.readers.wake(&mut self.wakes);
        }
    }

    fn take_received(&mut self, id: EndpointId) -> Option<(Target, Bytes)> {
        self.endpoints.get(id)?.received()?;
        let now = self.now;
        let message = self.endpoints.get_mut(id)?.take_received(now);
        // Whoever was made to wait is to be told to go on.
        self.wake_task();
        message
    }

    /// Moves events and messages from the machine to where the users find them.
    pub(super) fn collect(&mut self) {
        while let Some((id, event)) = self.endpoints.poll_group_event() {
            // A new member has an identifier of its own to send with.
            self.filters_changed = true;
            let Some(seat) = self.group(id) else { continue };
            if seat.events.len() >= MAX_EVENTS {
                seat.events.pop_front();
                seat.events_lost += 1;
            }
            seat.events.push_back(event);
        }
        while let Some((id, event)) = self.endpoints.poll_event() {
            match self.endpoints.member(id) {
                Some((group, _)) => self.note_member(group, id, &event),
                None => self.note(id, event),
            }
        }
    }

    fn note(&mut self, id: EndpointId, event: Event) {
        match event {
            Event::FirstFrameSent { id: transfer } => self.progress(id, transfer, SendState::Started),
            Event::Progress {
                id: transfer,
                sent,
                len,
            } => self.progress(id, transfer, SendState::Progress { sent, len }),
            Event::Sent { id: transfer } => self.sent(id, transfer),
            Event::SendFailed {
                id: transfer,
                error,
                sent,
                len,
            } => {
                // What was not handed over yet must not follow.
                self.withdrawn.push(id);
                let cause = self.refusal.take().filter(|_| error == TransferError::Link);
                let failure = StreamError::SendFailed {
                    id: transfer,
                    error,
                    sent: Some(sent),
                    len,
                    cause,
                };
                self.failed(id, transfer, failure);
            }
            Event::Received { .. } => self.fill(id),
            _ => {}
        }
        let failure = received_failure(&event, &mut self.refusal);
        let Some(Some(seat)) = self.seats.get_mut(id.place()) else {
            return;
        };
        if let Some(failure) = failure
            && seat.inbox.len() < MAX_WAITING
        {
            seat.inbox.push_back(Err(failure));
            seat.readers.wake(&mut self.wakes);
        }
        if !seat.keep(event)
            && let Some(mut channel) = self.endpoints.get_mut(id)
        {
            channel.count_lost_event();
        }
        self.advance(id);
    }

    /// Something was heard in a group, or a request was sent.
    pub(super) fn heard(&mut self, group: GroupId) {
        let now = self.now;
        if let Some(Some(seat)) = self.groups.get_mut(group.place()) {
            seat.latest = now;
            seat.readers.wake(&mut self.wakes);
        }
    }

    fn note_member(&mut self, group: GroupId, member: EndpointId, event: &Event) {
        self.heard(group);
        if let Event::Received { .. } = event {
            self.fill_group(group, member);
        }
        let failure = received_failure(event, &mut self.refusal);
        let responder = self.endpoints.member(member);
        if let Some(failure) = failure
            && let Some((_, responder)) = responder
            && let Some(seat) = self.group(group)
            && seat.inbox.len() < MAX_ANSWERS
        {
            seat.inbox.push_back((responder, Err(failure)));
        }
    }

    pub(super) fn note_link(&mut self, event: LinkEvent) {
        if let LinkEvent::Dropped { count, .. } = event {
            self.stats.frames_lost = self.stats.frames_lost.saturating_add(count);
        }
        if self.link_events.len() >= MAX_EVENTS {
            self.link_events.pop_front();
            self.stats.events_lost += 1;
        }
        self.link_events.push_back(event);
    }
}

/// What a reader is told of an event; `cause` is what the link said to the frame it refused.
pub(super) fn received_failure(
    event: &Event,
    cause: &mut Option<can_link::SendError>,
) -> Option<StreamError> {
    match *event {
        Event::ReceiveFailed { error, received, len } => Some(StreamError::ReceiveFailed {
            error,
            progress: Some(Progress { done: received, len }),
            cause: cause.take().filter(|_| error == TransferError::Link),
        }),
        Event::Refused { len, max } => Some(StreamError::Refused { len, max }),
        _ => None,
    }
}
