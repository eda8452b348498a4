//! The sending half of a connection.

use core::future::poll_fn;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;
use tinwire_time::Instant;
use tokio::task::coop::poll_proceed;

use super::conn::CloseError;
use super::shared::Shared;
use crate::rdp::CloseReason;
use crate::{ConnectionId, Peers, SendError};

/// The sending half of a [`Connection`](super::Connection).
///
/// Any number of them may send at once: they take turns in the order of their calls.
#[derive(Clone, Debug)]
pub struct ConnectionSender {
    pub(super) shared: Arc<Shared>,
    pub(super) id: ConnectionId,
    peers: Peers,
}

impl ConnectionSender {
    pub(super) const fn new(shared: Arc<Shared>, id: ConnectionId, peers: Peers) -> Self {
        Self { shared, id, peers }
    }

    /// The two ends.
    #[must_use]
    pub const fn peers(&self) -> Peers {
        self.peers
    }

    /// Why the connection is over, once it is.
    #[must_use]
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.shared.lock().close_reason(self.id)
    }

    /// The longest payload that can be sent now.
    ///
    /// As [`Connection::max_payload`](super::Connection::max_payload).
    ///
    /// # Errors
    /// The connection is closed, or nothing leads to its remote.
    pub fn max_payload(&self) -> Result<usize, SendError> {
        self.shared.lock().node.max_payload(self.id)
    }

    /// Sends `payload`; done when the packet waits for its link.
    ///
    /// As [`Connection::send`](super::Connection::send).
    ///
    /// # Errors
    /// Nothing was sent: see [`SendError`].
    ///
    /// # Cancel safety
    /// A future dropped before it was done has sent nothing.
    pub async fn send(&self, payload: impl Into<Bytes>) -> Result<(), SendError> {
        self.send_numbered(payload.into()).await.map(drop)
    }

    /// As [`send`](Self::send), if there is room within `limit`.
    ///
    /// # Errors
    /// Nothing was sent: see [`SendError`]; [`SendError::Full`] after `limit`.
    ///
    /// # Cancel safety
    /// A future dropped before it was done has sent nothing.
    pub async fn send_timeout(&self, payload: impl Into<Bytes>, limit: Duration) -> Result<(), SendError> {
        let sent = tokio::time::timeout(limit, self.send(payload)).await;
        sent.unwrap_or(Err(SendError::Full))
    }

    /// As [`send`](Self::send), without waiting.
    ///
    /// # Errors
    /// Nothing was sent: see [`SendError`]; [`SendError::Full`] when there is no room, or others wait for it.
    pub fn try_send(&self, payload: impl Into<Bytes>) -> Result<(), SendError> {
        let payload = payload.into();
        let mut state = self.shared.lock();
        let sent = state.try_send(self.id, None, |node, now| node.send(now, self.id, payload));
        sent.map(drop)
    }

    /// Sends `payload` by RDP; done when the other node has acknowledged it.
    ///
    /// As [`Connection::send_acknowledged`](super::Connection::send_acknowledged).
    ///
    /// # Errors
    /// It could not be sent, or the connection ended before: see [`DeliveryError`].
    ///
    /// # Cancel safety
    /// A dropped future may or may not have sent the packet.
    pub async fn send_acknowledged(&self, payload: impl Into<Bytes>) -> Result<(), DeliveryError> {
        match self.shared.lock().is_by_rdp(self.id) {
            None => return Err(DeliveryError::Closed),
            Some(false) => return Err(DeliveryError::Plain),
            Some(true) => {}
        }
        let (number, _) = self.send_numbered(payload.into()).await?;
        self.acknowledged(number.saturating_add(1)).await
    }

    /// Waits until the other node has acknowledged everything sent so far.
    ///
    /// As [`Connection::flush`](super::Connection::flush).
    ///
    /// # Errors
    /// The connection ended before, or `limit` passed: see [`DeliveryError`].
    ///
    /// # Cancel safety
    /// A dropped future has changed nothing.
    pub async fn flush(&self, limit: Duration) -> Result<(), DeliveryError> {
        let late = Err(DeliveryError::Timeout { limit });
        tokio::time::timeout(limit, self.flushed()).await.unwrap_or(late)
    }

    /// As [`flush`](Self::flush), without a limit.
    pub(super) async fn flushed(&self) -> Result<(), DeliveryError> {
        let sent = self.shared.lock().sent(self.id);
        self.acknowledged(sent).await
    }

    /// Waits until the first `count` messages are acknowledged.
    async fn acknowledged(&self, count: u64) -> Result<(), DeliveryError> {
        let watch = Watch::new(&self.shared, self.id);
        poll_fn(|cx| {
            let mut state = self.shared.lock();
            state.poll_acknowledged(self.id, count, watch.number, cx)
        })
        .await
    }

    /// The message's number, and when the node took it.
    pub(super) async fn send_numbered(&self, payload: Bytes) -> Result<(u64, Instant), SendError> {
        let mut turn = Turn::new(&self.shared, self.id);
        poll_fn(|cx| turn.poll_send(&payload, cx)).await
    }

    pub(super) fn finish(&self, limit: Duration) {
        self.shared.lock().finish(self.id, limit);
    }

    /// Whether a connection that takes no more to send is through.
    pub(super) fn poll_finished(&self, cx: &Context<'_>) -> Poll<Result<(), CloseError>> {
        self.shared.lock().poll_finished(self.id, cx)
    }
}

/// The place of one sender among those of a connection.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    shared: &'a Shared,
    id: ConnectionId,
    number: Option<u64>,
}

impl<'a> Turn<'a> {
    pub(super) const fn new(shared: &'a Shared, id: ConnectionId) -> Self {
        let number = None;
        Self { shared, id, number }
    }

    /// Sends one message, and gives the place up.
    fn poll_send(
        &mut self,
        payload: &Bytes,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(u64, Instant), SendError>> {
        let coop = ready!(poll_proceed(cx));
        let id = self.id;
        let mut state = self.shared.lock();
        let sent = state.poll_send(
            id,
            &mut self.number,
            |node, now| node.send(now, id, payload.clone()),
            cx,
        );
        if sent.is_ready() {
            state.leave(id, &mut self.number);
            coop.made_progress();
        }
        sent
    }

    /// Sends one of several messages that nobody else's may come between.
    pub(super) fn poll_send_part(
        &mut self,
        send: impl FnOnce(&mut crate::Node, Instant) -> Result<u64, SendError>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(u64, Instant), SendError>> {
        let coop = ready!(poll_proceed(cx));
        let mut state = self.shared.lock();
        state.join(self.id, &mut self.number, cx);
        let sent = state.poll_send(self.id, &mut self.number, send, cx);
        if sent.is_ready() {
            coop.made_progress();
        }
        sent
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.number.is_some() {
            self.shared.lock().leave(self.id, &mut self.number);
        }
    }
}

/// One who waits for acknowledgements.
struct Watch<'a> {
    shared: &'a Shared,
    id: ConnectionId,
    number: u64,
}

impl<'a> Watch<'a> {
    fn new(shared: &'a Shared, id: ConnectionId) -> Self {
        let number = shared.lock().ticket();
        Self { shared, id, number }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.shared.lock().unwatch(self.id, self.number);
    }
}

/// Why it is not known that a message arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// It was not sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The connection does not use RDP: nobody would acknowledge it. It was not sent.
    #[error("a connection without RDP has no acknowledgements")]
    Plain,
    /// The connection was over before it was acknowledged. It may have arrived all the same.
    #[error("not acknowledged: {reason}")]
    Ended {
        /// Why the connection is over.
        reason: CloseReason,
    },
    /// It was not acknowledged in time. It may still arrive.
    #[error("not acknowledged within {limit:?}")]
    Timeout {
        /// How long it was waited.
        limit: Duration,
    },
    /// The handle of the connection was dropped, or the node has stopped.
    #[error("the connection is closed")]
    Closed,
}

impl From<DeliveryError> for std::io::Error {
    fn from(error: DeliveryError) -> Self {
        use std::io::ErrorKind;
        let kind = match error {
            DeliveryError::Send(error) => return error.into(),
            DeliveryError::Plain => ErrorKind::Unsupported,
            DeliveryError::Ended { reason } => reason.kind(),
            DeliveryError::Timeout { .. } => ErrorKind::TimedOut,
            DeliveryError::Closed => ErrorKind::NotConnected,
        };
        Self::new(kind, error)
    }
}
