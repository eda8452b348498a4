//! What connections have behind the lock, and what is done with it.

use core::task::{Context, Poll, Waker};
use core::time::Duration;

use tinwire_time::Instant;

use super::shared::State;
use super::waiters::{Calls, Line, Reader, Waiters, Wakes, note};
use super::{CallError, CloseError, DeliveryError, RecvError};
use crate::rdp::{self, CloseReason};
use crate::{ConnectError, ConnectionId, Message, Node, SendError};

/// What is kept for the handles of one connection.
#[derive(Debug, Default)]
pub(super) struct Seat {
    /// Who waits for a packet, or for the connection to open.
    pub(super) reader: Reader,
    pub(super) writers: Line,
    /// Those who wait for acknowledgements.
    pub(super) watchers: Waiters,
    /// Who waits for the connection to close.
    pub(super) closer: Option<Waker>,
    pub(super) ended: Option<Ended>,
}

impl Seat {
    pub(super) fn wake_all(&mut self, wakes: &mut Wakes, calls: &mut Calls) {
        self.reader.call(wakes, calls);
        wakes.extend(self.closer.take());
        self.writers.wake_all(wakes);
        self.watchers.wake(wakes);
    }
}

/// How a connection ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub(super) reason: CloseReason,
    pub(super) unacknowledged: u64,
}

impl State {
    pub(super) fn ended(&mut self, id: ConnectionId, ended: Ended) {
        if let Some(seat) = self.connections.get_mut(&id) {
            seat.ended = Some(ended);
            seat.wake_all(&mut self.wakes, &mut self.calls);
        } else {
            // It waits to be accepted, until that takes too long.
            let node = &self.node;
            self.stillborn.retain(|id, _| node.peers(*id).is_some());
            self.stillborn.insert(id, ended);
        }
    }

    /// Whether an RDP connection that was asked for is open.
    pub(super) fn poll_opened(
        &mut self,
        id: ConnectionId,
        cx: &Context<'_>,
    ) -> Poll<Result<(), CallError<ConnectError>>> {
        match self.connections.get_mut(&id) {
            Some(seat) if !self.stopped => {
                if let Some(Ended { reason, .. }) = seat.ended {
                    let error = ConnectError::NotOpened { reason };
                    return Poll::Ready(Err(CallError::Refused(error)));
                }
                if self.node.state(id) == Some(rdp::State::SynSent) {
                    seat.reader.wait(cx, &mut self.calls);
                    return Poll::Pending;
                }
                seat.reader.answer(&mut self.calls);
                Poll::Ready(Ok(()))
            }
            _ => Poll::Ready(Err(CallError::Stopped)),
        }
    }

    /// Joins the line of a connection's writers, whether there is room or not.
    pub(super) fn join(&mut self, id: ConnectionId, turn: &mut Option<u64>, cx: &Context<'_>) {
        if turn.is_none() {
            let number = *turn.insert(self.ticket());
            if let Some(seat) = self.connections.get_mut(&id) {
                seat.writers.wait(number, cx);
            }
        }
    }

    /// Sends on a connection; the writers of one take turns in the order in which they came.
    ///
    /// `turn` is the place in the line, which [`leave`](Self::leave) gives up. Gives the message's number,
    /// and when it was taken.
    pub(super) fn poll_send(
        &mut self,
        id: ConnectionId,
        turn: &mut Option<u64>,
        send: impl FnOnce(&mut Node, Instant) -> Result<u64, SendError>,
        cx: &Context<'_>,
    ) -> Poll<Result<(u64, Instant), SendError>> {
        let sent = self.try_send(id, *turn, send);
        if sent != Err(SendError::Full) {
            return Poll::Ready(sent);
        }
        let number = match *turn {
            Some(number) => number,
            None => *turn.insert(self.ticket()),
        };
        if let Some(seat) = self.connections.get_mut(&id) {
            seat.writers.wait(number, cx);
        }
        Poll::Pending
    }

    /// As [`poll_send`](Self::poll_send), without waiting: full is also where others wait.
    pub(super) fn try_send(
        &mut self,
        id: ConnectionId,
        turn: Option<u64>,
        send: impl FnOnce(&mut Node, Instant) -> Result<u64, SendError>,
    ) -> Result<(u64, Instant), SendError> {
        let seat = self.connections.get(&id).filter(|_| !self.stopped);
        let seat = seat.ok_or(SendError::Closed)?;
        // Whoever asks before its turn would overtake others.
        if !seat.writers.is_turn(turn) {
            return Err(SendError::Full);
        }
        let now = self.tick();
        let sent = send(&mut self.node, now);
        self.collect();
        if sent != Err(SendError::Full) {
            self.wake_task();
        }
        Ok((sent?, now))
    }

    pub(super) fn close_reason(&self, id: ConnectionId) -> Option<CloseReason> {
        Some(self.connections.get(&id)?.ended?.reason)
    }

    /// Whether a connection uses RDP; `None` when it is closed.
    pub(super) fn is_by_rdp(&self, id: ConnectionId) -> Option<bool> {
        let seat = self.connections.get(&id).filter(|_| !self.stopped);
        seat.map(|_| self.node.state(id).is_some())
    }

    /// How many messages were sent on an RDP connection.
    pub(super) fn sent(&self, id: ConnectionId) -> u64 {
        self.node.sent(id).unwrap_or(0)
    }

    /// Whether the first `count` messages of an RDP connection are acknowledged.
    pub(super) fn poll_acknowledged(
        &mut self,
        id: ConnectionId,
        count: u64,
        number: u64,
        cx: &Context<'_>,
    ) -> Poll<Result<(), DeliveryError>> {
        if count == 0
            || self
                .node
                .acknowledged(id)
                .is_some_and(|acknowledged| acknowledged >= count)
        {
            return Poll::Ready(Ok(()));
        }
        match self.connections.get_mut(&id) {
            Some(Seat {
                ended: Some(ended), ..
            }) => Poll::Ready(Err(DeliveryError::Ended { reason: ended.reason })),
            Some(seat) if !self.stopped => {
                seat.watchers.wait(number, cx);
                Poll::Pending
            }
            _ => Poll::Ready(Err(DeliveryError::Closed)),
        }
    }

    pub(super) fn unwatch(&mut self, id: ConnectionId, number: u64) {
        if let Some(seat) = self.connections.get_mut(&id) {
            seat.watchers.leave(number);
        }
    }

    /// Takes no more to send on a connection.
    pub(super) fn finish(&mut self, id: ConnectionId, limit: Duration) {
        let now = self.tick();
        self.node.finish(now, id, limit);
        if let Some(seat) = self.connections.get_mut(&id) {
            // Nobody has a turn any more: they are told.
            seat.writers.wake_all(&mut self.wakes);
        }
        self.collect();
        self.wake_task();
    }

    /// Whether a connection that takes no more to send is through.
    pub(super) fn poll_finished(
        &mut self,
        id: ConnectionId,
        cx: &Context<'_>,
    ) -> Poll<Result<(), CloseError>> {
        match self.connections.get_mut(&id) {
            Some(Seat {
                ended: Some(ended), ..
            }) => {
                let Ended {
                    reason,
                    unacknowledged,
                } = *ended;
                if reason == CloseReason::Finished || unacknowledged == 0 {
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Err(CloseError::Unacknowledged {
                    reason,
                    unacknowledged,
                }))
            }
            Some(seat) if !self.stopped => {
                note(&mut seat.closer, cx);
                Poll::Pending
            }
            _ => Poll::Ready(Err(CloseError::Stopped)),
        }
    }

    /// Gives a place in the line up; the next writer has its turn.
    pub(super) fn leave(&mut self, id: ConnectionId, turn: &mut Option<u64>) {
        if let Some(number) = turn.take()
            && let Some(seat) = self.connections.get_mut(&id)
        {
            seat.writers.leave(number, &mut self.wakes);
        }
    }

    /// The next packet of a connection.
    pub(super) fn poll_recv(
        &mut self,
        id: ConnectionId,
        cx: &Context<'_>,
    ) -> Poll<Result<Message, RecvError>> {
        if let Some(message) = self.node.recv(id) {
            if self.node.state(id).is_some() {
                // Room to read more may be worth an acknowledgement.
                self.wake_task();
            }
            return Poll::Ready(Ok(message));
        }
        match self.connections.get_mut(&id) {
            Some(seat) if !self.stopped => match seat.ended {
                Some(Ended { reason, .. }) => Poll::Ready(Err(RecvError::Ended { reason })),
                None => {
                    seat.reader.wait(cx, &mut self.calls);
                    Poll::Pending
                }
            },
            _ => Poll::Ready(Err(RecvError::Closed)),
        }
    }

    /// Closes a connection whose handle is gone.
    pub(super) fn close(&mut self, id: ConnectionId) {
        let now = self.tick();
        self.node.close(now, id);
        if let Some(mut seat) = self.connections.remove(&id) {
            seat.wake_all(&mut self.wakes, &mut self.calls);
            seat.reader.answer(&mut self.calls);
        }
        self.collect();
        self.wake_task();
    }

    /// Tells the other ends of RDP connections that this one is gone. What arrived can still be received.
    pub(super) fn part(&mut self) {
        let now = self.tick();
        for id in self.connections.keys() {
            if self.node.state(*id).is_some() {
                self.node.finish(now, *id, Duration::ZERO);
            }
        }
        self.node.handle_timeout(now);
        self.collect();
    }
}
