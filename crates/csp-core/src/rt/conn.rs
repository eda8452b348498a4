//! Connections as applications hold them.

use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;
use tinwire_time::Instant;
use tokio::sync::Semaphore;

use super::command::{CONNECTION_SENDS, Command, Weak, call_weak};
use super::inbox::Inbox;
use crate::{ConnectionId, Message, Peers, SendError};

/// A connection to a port of another node.
///
/// Dropping it closes it and frees its port.
#[derive(Debug)]
pub struct Connection {
    sender: ConnectionSender,
    inbox: Inbox<Message>,
}

impl Connection {
    pub(super) fn new(id: ConnectionId, peers: Peers, commands: Weak, inbox: Inbox<Message>) -> Self {
        let sender = ConnectionSender {
            id,
            peers,
            commands,
            turns: Arc::new(Semaphore::new(CONNECTION_SENDS)),
        };
        Self { sender, inbox }
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
    /// A dropped future may or may not have sent the packet.
    pub async fn send(&self, payload: impl Into<Bytes>) -> Result<(), SendError> {
        self.sender.send(payload).await
    }

    /// The next packet.
    ///
    /// # Errors
    /// [`RecvError::Closed`]: the node has stopped.
    ///
    /// # Cancel safety
    /// A dropped future has taken nothing.
    pub async fn recv(&mut self) -> Result<Message, RecvError> {
        self.inbox.recv().await.ok_or(RecvError::Closed)
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

/// The sending half of a [`Connection`].
#[derive(Clone, Debug)]
pub struct ConnectionSender {
    id: ConnectionId,
    peers: Peers,
    commands: Weak,
    turns: Arc<Semaphore>,
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
    /// A dropped future may or may not have sent the packet.
    pub async fn send(&self, payload: impl Into<Bytes>) -> Result<(), SendError> {
        self.send_at(payload.into()).await.map(drop)
    }

    async fn send_at(&self, payload: Bytes) -> Result<Instant, SendError> {
        let connection = self.id;
        // Given back by the driver, even for a send that was given up. Nobody closes the semaphore.
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|_| SendError::Closed)?;
        let command = |reply| Command::Send {
            connection,
            payload,
            turn,
            reply,
        };
        call_weak(&self.commands, command)
            .await
            .unwrap_or(Err(SendError::Closed))
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
