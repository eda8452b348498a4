//! Transmit confirmation by the echo of one's own frame.

use alloc::collections::VecDeque;
use core::future::poll_fn;
use core::task::{Poll, ready};

use super::{
    CanRx, CanTxExt, DropReason, Event, EventBuf, Link, LinkChange, Origin, OwnEcho, Received, SendError,
};
use crate::error_frame::BusState;
use crate::frame::CanFrame;

/// Events kept while a confirmation is awaited; further ones are dropped and counted.
const MAX_KEPT: usize = 1024;
/// Frames remembered until their echo comes; beyond this the oldest is forgotten.
const MAX_OUTSTANDING: usize = 1024;

/// Events that arrived while a confirmation was awaited, at most [`MAX_KEPT`].
#[derive(Debug, Default)]
pub(super) struct Kept {
    events: EventBuf,
    dropped: u64,
}

impl Kept {
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.dropped == 0
    }

    fn push(&mut self, event: Event) {
        if self.events.len() < MAX_KEPT {
            self.events.push_back(event);
        } else {
            self.dropped += 1;
        }
    }

    /// Hands out the events, then how many were dropped; returns how many that makes, 0 when nothing was
    /// kept.
    pub(super) fn drain_into(&mut self, out: &mut EventBuf, max: usize) -> usize {
        let mut moved = 0;
        while moved < max {
            if let Some(event) = self.events.pop_front() {
                out.push_back(event);
            } else if self.dropped > 0 {
                let count = core::mem::take(&mut self.dropped);
                let reason = DropReason::ReceiveQueueFull;
                out.push_back(Event::Dropped { count, reason });
            } else {
                break;
            }
            moved += 1;
        }
        moved
    }
}

/// Frames that were sent and whose echo is still to come, in order, each with a number.
#[derive(Debug, Default)]
pub(super) struct Outstanding {
    frames: VecDeque<(u64, CanFrame)>,
    next: u64,
}

impl Outstanding {
    pub(super) fn extend(&mut self, frames: impl Iterator<Item = CanFrame>) {
        for frame in frames {
            if self.frames.len() >= MAX_OUTSTANDING {
                self.frames.pop_front();
            }
            self.frames.push_back((self.next, frame));
            self.next += 1;
        }
    }

    /// The number of the frame that was sent last.
    fn last(&self) -> Option<u64> {
        self.frames.back().map(|(number, _)| *number)
    }

    /// Takes account of an event; the number of the frame whose echo it is, if it is one.
    ///
    /// Echoes come in order for equal frames. Where echoes may have been lost, nothing is awaited any more.
    pub(super) fn settle(&mut self, event: &Event) -> Option<u64> {
        match event {
            Event::Frame(received) if received.origin == Origin::Own => {
                let at = self
                    .frames
                    .iter()
                    .position(|(_, frame)| *frame == received.frame)?;
                self.frames.remove(at).map(|(number, _)| number)
            }
            Event::Dropped { .. } | Event::Link(_) | Event::State(BusState::BusOff) => {
                self.frames.clear();
                None
            }
            _ => None,
        }
    }
}

impl Link {
    /// Sends one frame and waits for its own echo, which proves the transmission where the link's
    /// [`OwnEcho`] is [`OnWire`](OwnEcho::OnWire).
    ///
    /// Echoes of equal frames that were sent before come first. Events that arrive meanwhile are kept for the
    /// next receive, at most 1024; more are dropped and counted as [`DropReason::ReceiveQueueFull`].
    ///
    /// # Errors
    /// [`SendError::Unsupported`] when the link does not echo own frames or its filters refuse this one;
    /// [`SendError::Unconfirmed`] when the echo may have been lost; [`SendError::Down`], [`SendError::Gone`]
    /// and [`SendError::BusOff`] when that happened while waiting; otherwise as a plain send.
    ///
    /// # Cancel safety
    /// When the future is dropped the frame may or may not be sent, and its echo arrives as an ordinary
    /// event.
    pub async fn send_confirmed(&mut self, frame: impl Into<CanFrame>) -> Result<Received, SendError> {
        let frame = frame.into();
        if self.rx.capabilities().own_echo == OwnEcho::None {
            let what = "own echoes; open it with own=1";
            return Err(SendError::Unsupported { what });
        }
        if !self.filters.accepts(&frame) {
            let what = "confirmation of frames that its filters refuse";
            return Err(SendError::Unsupported { what });
        }
        self.send(frame).await?;
        let awaited = self.outstanding.last();
        let mut out = EventBuf::with_capacity(1);
        poll_fn(|cx| {
            loop {
                match ready!(self.rx.poll_recv(cx, &mut out, 1)) {
                    Err(error) => return Poll::Ready(Err(SendError::Io(error.into()))),
                    Ok(0) => return Poll::Ready(Err(SendError::Closed)),
                    Ok(_) => {}
                }
                let Some(event) = out.pop_front() else { continue };
                let settled = self.outstanding.settle(&event);
                let failed = match &event {
                    Event::Link(LinkChange::Down) => Some(SendError::Down),
                    Event::Link(LinkChange::Gone) => Some(SendError::Gone),
                    Event::State(BusState::BusOff) => Some(SendError::BusOff),
                    Event::Link(LinkChange::Reconnected) | Event::Dropped { .. } => {
                        Some(SendError::Unconfirmed)
                    }
                    _ => None,
                };
                match event {
                    Event::Frame(received) if settled.is_some() && settled == awaited => {
                        return Poll::Ready(Ok(received));
                    }
                    event => self.kept.push(event),
                }
                if let Some(error) = failed {
                    return Poll::Ready(Err(error));
                }
            }
        })
        .await
    }
}
