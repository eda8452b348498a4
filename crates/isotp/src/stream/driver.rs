//! What moves a stream: frames, time and events between the link and the channel.

use alloc::collections::VecDeque;
use core::mem;
use core::pin::pin;
use core::task::{Context, Poll};

use can_link::link::{CanLink, Origin as FrameOrigin};
use can_link::{CanFrame, Event as LinkEvent, LinkError};

use super::error::{Progress, StreamError};
use super::held::Through;
use super::wakers::Half;
use super::{BATCH, Confirmation, IsoTpStream, MAX_EVENTS, MAX_ROUNDS, MAX_WAITING};
use crate::address::TxAddress;
use crate::error::TransferError;
use crate::event::Event;
use crate::pci::Pci;

impl<L: CanLink> IsoTpStream<L> {
    /// Moves what can be moved for the half that polls, and tells the other one what it waits for.
    pub(super) fn drive(&mut self, half: Half, cx: &Context<'_>) {
        self.wakers.register(half, cx);
        let (readable, writable, late) = (self.is_readable(), self.is_writable(), self.is_late());
        self.advance();
        // A timer that is due is served before its alarm rings, and the alarm is then set to a later one: it
        // would not wake the other side.
        match half {
            Half::Reader if !writable && self.is_writable() => self.wakers.wake_half(Half::Writer),
            Half::Reader if !late && self.is_late() => self.wakers.wake_half(Half::Writer),
            Half::Writer if !readable && self.is_readable() => self.wakers.wake_half(Half::Reader),
            _ => {}
        }
    }

    /// Whether a reader has something to take.
    fn is_readable(&self) -> bool {
        self.ended || !self.inbox.is_empty()
    }

    /// Whether a writer has something to learn, or may send.
    fn is_writable(&self) -> bool {
        self.ended || self.failure.is_some() || self.channel.can_send()
    }

    /// Whether the link should have let go of the last message by now.
    pub(super) fn is_late(&self) -> bool {
        self.through.is_some_and(|through| through.due <= self.now)
    }

    /// Moves what can be moved: frames in, timers, frames out, events.
    fn advance(&mut self) {
        let waker = self.waker.clone();
        let mut cx = Context::from_waker(&waker);
        self.tick();
        for _ in 0..MAX_ROUNDS {
            // Frames come before timers: one that waited in a queue is not late.
            let received = self.receive(&mut cx);
            self.channel.handle_timeout(self.now);
            self.collect();
            let sent = self.transmit(&mut cx);
            self.collect();
            match sent {
                // More will follow; but first the other tasks, and what the system has to tell, so that a
                // receiver in this program takes the frames while they are warm.
                BATCH => break,
                0 if !received && !self.alarm_rings(&mut cx) => return,
                _ => {}
            }
        }
        let _woken_later = pin!(tokio::task::yield_now()).poll(&mut cx);
    }

    /// Looks at the clock.
    ///
    /// Where it matters, behind what the link did: a frame that counts as sent before it was would let the
    /// next one follow too soon. Among full batches it does not, for frames that keep a gap go alone; and in
    /// an emulated machine the clock is a device, as slow as ten frames.
    fn tick(&mut self) {
        self.now = self.origin.at(clock()).max(self.now);
    }

    /// Takes a batch of events from the link; false when there is none.
    fn receive(&mut self, cx: &mut Context<'_>) -> bool {
        if self.ended {
            return false;
        }
        match self.link.poll_recv(cx, &mut self.incoming, BATCH) {
            Poll::Pending => return false,
            Poll::Ready(Ok(0)) => self.end(None),
            Poll::Ready(Ok(count)) => {
                if count < BATCH || self.confirmation == Confirmation::Echo {
                    self.tick();
                }
            }
            Poll::Ready(Err(error)) => self.end(Some(error)),
        }
        let mut incoming = mem::take(&mut self.incoming);
        for event in &incoming {
            let LinkEvent::Frame(received) = event else {
                self.note_link(event.clone());
                continue;
            };
            match (received.origin, self.confirmation) {
                (FrameOrigin::Own, Confirmation::Echo) => {
                    self.channel.handle_transmitted(self.now, &received.frame);
                }
                (FrameOrigin::Own, Confirmation::Taken) => {}
                _ => self.channel.handle_frame(self.now, &received.frame),
            }
            if self.channel.has_news() {
                self.collect();
            }
        }
        incoming.clear();
        self.incoming = incoming;
        true
    }

    fn end(&mut self, error: Option<LinkError>) {
        self.ended = true;
        self.channel.handle_link_lost();
        self.outgoing.clear();
        self.collect();
        self.inbox.extend(error.map(|error| Err(error.into())));
    }

    /// Hands a batch of frames to the link, and tells how many of them it answered.
    fn transmit(&mut self, cx: &mut Context<'_>) -> usize {
        while self.outgoing.len() < BATCH
            && let Some(frame) = self.channel.poll_transmit(self.now)
        {
            self.outgoing.push(frame);
        }
        if self.outgoing.is_empty() || self.ended {
            return 0;
        }
        match self.link.poll_send(cx, &self.outgoing) {
            Poll::Pending => 0,
            Poll::Ready(Ok(taken)) => {
                if taken < BATCH {
                    self.tick();
                }
                self.held.add(u64::try_from(taken).unwrap_or(u64::MAX));
                for frame in self.outgoing.drain(..taken.min(self.outgoing.len())) {
                    if self.confirmation == Confirmation::Taken {
                        self.channel.handle_transmitted(self.now, &frame);
                    }
                }
                taken
            }
            Poll::Ready(Err(error)) => {
                let frame = self.outgoing.remove(0);
                // A refused flow control ends what is received, any other frame what is sent. The cause is of
                // that failure only: left behind, it would be told of a later one in the other direction.
                self.collect();
                self.refusal = Some(error);
                self.channel.handle_not_transmitted(self.now, &frame);
                self.collect();
                self.refusal = None;
                1
            }
        }
    }

    /// Moves events and messages from the channel to where the user finds them.
    pub(super) fn collect(&mut self) {
        loop {
            while let Some(event) = self.channel.poll_event() {
                self.note(event);
            }
            if self.inbox.len() >= MAX_WAITING {
                return;
            }
            let Some(message) = self.channel.take_received(self.now) else {
                return;
            };
            self.inbox.push_back(Ok(message));
        }
    }

    fn note(&mut self, event: Event) {
        let failed = match event {
            Event::Sent { id } => {
                let due = self.held.due(self.now, self.channel.config().n_as);
                let len = self.given;
                self.through = Some(Through { id, len, due });
                None
            }
            Event::SendFailed { id, error, sent, len } => {
                // What was not handed over yet must not follow.
                let tx = *self.channel.address().tx();
                self.outgoing.retain(|frame| is_flow_control(frame, &tx));
                let cause = self.refusal.take().filter(|_| error == TransferError::Link);
                let failure = StreamError::SendFailed {
                    id,
                    error,
                    sent: Some(sent),
                    len,
                    cause,
                };
                let failure = match &mut self.tracked {
                    Some(tracked) => tracked.fail(id, failure),
                    None => Some(failure),
                };
                // Of a message whose handle was dropped this event is all.
                if self.fed == Some(id) {
                    self.failure = failure;
                }
                None
            }
            Event::ReceiveFailed { error, received, len } => {
                let progress = Some(Progress { done: received, len });
                let cause = self.refusal.take().filter(|_| error == TransferError::Link);
                Some(StreamError::ReceiveFailed {
                    error,
                    progress,
                    cause,
                })
            }
            Event::Refused { len, max } => Some(StreamError::Refused { len, max }),
            _ => None,
        };
        if let Some(tracked) = &mut self.tracked {
            tracked.note(&event);
        }
        if let Some(failed) = failed
            && self.inbox.len() < MAX_WAITING
        {
            self.inbox.push_back(Err(failed));
        }
        // Of the progress of one message only the latest is news.
        if let (Event::Progress { id, .. }, Some(Event::Progress { id: before, .. })) =
            (event, self.events.back())
            && id == *before
        {
            self.events.pop_back();
        }
        if keep(&mut self.events, event).is_some() {
            self.channel.count_lost_event();
        }
    }

    fn note_link(&mut self, event: LinkEvent) {
        if let LinkEvent::Dropped { count, .. } = event {
            self.frames_lost = self.frames_lost.saturating_add(count);
        }
        if keep(&mut self.link_events, event).is_some() {
            self.channel.count_lost_event();
        }
    }

    /// Sets the alarm to the next timeout; true when that has come already.
    fn alarm_rings(&mut self, cx: &mut Context<'_>) -> bool {
        // A flush that is late waits for whoever asks, and rings no more.
        let flush = self.through.filter(|_| !self.is_late());
        let flush = flush.map(|through| through.due);
        let Some(due) = self.channel.poll_timeout().into_iter().chain(flush).min() else {
            return false;
        };
        let [Some(now), Some(due)] = [self.now, due].map(|moment| self.origin.deadline(moment)) else {
            return false;
        };
        let [now, due] = [now, due].map(tokio::time::Instant::from_std);
        self.alarm.poll(cx, now, due).is_ready()
    }
}

/// Queues an event and returns the oldest one when there was no room for both.
fn keep<E>(queue: &mut VecDeque<E>, event: E) -> Option<E> {
    let oldest = if queue.len() < MAX_EVENTS {
        None
    } else {
        queue.pop_front()
    };
    queue.push_back(event);
    oldest
}

/// The one place that reads the clock.
#[expect(clippy::disallowed_methods, reason = "a driver tells the core the time")]
pub(super) fn clock() -> std::time::Instant {
    tokio::time::Instant::now().into_std()
}

fn is_flow_control(frame: &CanFrame, tx: &TxAddress) -> bool {
    let decoded = tx.matches(frame).map(|(_, data)| Pci::decode(data, tx.prefix()));
    matches!(decoded, Some(Ok((Pci::FlowControl(_), _))))
}
