//! Connections as applications hold them.

use core::future::poll_fn;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;
use tinwire_time::Instant;
use tokio::task::coop::poll_proceed;

use super::shared::{Shared, State};
use crate::{ConnectionId, Message, Peers, SendError};

/// A connection to a port of another node.
///
/// Dropping it closes it and frees its port.
#[derive(Debug)]
pub struct Connection {
    sender: ConnectionSender,
}

impl Connection {
    /// The handle of a connection that has its seat.
    pub(super) fn new(shared: &Arc<Shared>, state: &State, id: ConnectionId) -> Self {
        let peers = state.node.peers(id).expect("a connection just opened is there");
        let shared = Arc::clone(shared);
        let sender = ConnectionSender { shared, id, peers };
        Self { sender }
    }

    /// The two ends.
    #[must_use]
    pub const fn peers(&self) -> Peers {
        self.sender.peers
    }

    /// A handle that only sends, for another task.
    ///
    /// It does not keep the connection open.
    #[must_use]
    pub fn sender(&self) -> ConnectionSender {
        self.sender.clone()
    }

    /// Sends `payload`; done when the packet waits for its link.
    ///
    /// Waits while the transmit queue is full, in the order of the calls.
    ///
    /// # Errors
    /// Nothing was sent: see [`SendError`].
    ///
    /// # Cancel safety
    /// A future dropped before it was done has sent nothing.
    pub async fn send(&self, payload: impl Into<Bytes>) -> Result<(), SendError> {
        self.sender.send(payload).await
    }

    /// The next packet.
    ///
    /// # Errors
    /// [`RecvError::Closed`]: the node has stopped, and everything that came before was received.
    ///
    /// # Cancel safety
    /// A dropped future has taken nothing.
    pub async fn recv(&mut self) -> Result<Message, RecvError> {
        let ConnectionSender { shared, id, .. } = &self.sender;
        poll_fn(|cx| {
            let coop = ready!(poll_proceed(cx));
            let message = shared.lock().poll_recv(*id, cx);
            if message.is_ready() {
                coop.made_progress();
            }
            message
        })
        .await
    }

    /// The next packet, if it comes within `limit`.
    ///
    /// # Errors
    /// [`RecvError::Timeout`] after `limit`; [`RecvError::Closed`]: the node has stopped.
    ///
    /// # Cancel safety
    /// A dropped future has taken nothing.
    pub async fn recv_timeout(&mut self, limit: Duration) -> Result<Message, RecvError> {
        tokio::time::timeout(limit, self.recv())
            .await
            .unwrap_or(Err(RecvError::Timeout { limit }))
    }

    /// As [`send`](Self::send); tells when the node took the packet.
    pub(super) async fn send_at(&self, payload: Bytes) -> Result<Instant, SendError> {
        self.sender.send_at(payload).await
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.sender.shared.lock().close(self.sender.id);
    }
}

/// The sending half of a [`Connection`].
#[derive(Clone, Debug)]
pub struct ConnectionSender {
    shared: Arc<Shared>,
    id: ConnectionId,
    peers: Peers,
}

impl ConnectionSender {
    /// The two ends.
    #[must_use]
    pub const fn peers(&self) -> Peers {
        self.peers
    }

    /// Sends `payload`; done when the packet waits for its link.
    ///
    /// Waits while the transmit queue is full, in the order of the calls.
    ///
    /// # Errors
    /// Nothing was sent: see [`SendError`].
    ///
    /// # Cancel safety
    /// A future dropped before it was done has sent nothing.
    pub async fn send(&self, payload: impl Into<Bytes>) -> Result<(), SendError> {
        self.send_at(payload.into()).await.map(drop)
    }

    async fn send_at(&self, payload: Bytes) -> Result<Instant, SendError> {
        let mut turn = Turn::new(&self.shared, self.id);
        poll_fn(|cx| turn.poll_send(&payload, cx)).await
    }
}

/// The place of one sender among those of a connection that wait for room.
struct Turn<'a> {
    shared: &'a Shared,
    id: ConnectionId,
    number: Option<u64>,
}

impl<'a> Turn<'a> {
    const fn new(shared: &'a Shared, id: ConnectionId) -> Self {
        let number = None;
        Self { shared, id, number }
    }

    fn poll_send(&mut self, payload: &Bytes, cx: &mut Context<'_>) -> Poll<Result<Instant, SendError>> {
        let coop = ready!(poll_proceed(cx));
        let sent = self
            .shared
            .lock()
            .poll_send(self.id, &mut self.number, payload, cx);
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

/// Why nothing was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecvError {
    /// The node has stopped.
    #[error("the node has stopped")]
    Closed,
    /// Nothing came in time.
    #[error("nothing was received within {limit:?}")]
    Timeout {
        /// How long it was waited.
        limit: Duration,
    },
}

impl From<RecvError> for std::io::Error {
    fn from(error: RecvError) -> Self {
        let kind = match error {
            RecvError::Closed => std::io::ErrorKind::BrokenPipe,
            RecvError::Timeout { .. } => std::io::ErrorKind::TimedOut,
        };
        Self::new(kind, error)
    }
}
