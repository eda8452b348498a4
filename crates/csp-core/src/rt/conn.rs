//! Connections as applications hold them.

use core::future::poll_fn;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;
use tinwire_time::Instant;
use tokio::task::coop::poll_proceed;

use super::sender::{ConnectionSender, DeliveryError};
use super::shared::{Shared, State};
use super::{CallError, stream};
use crate::rdp::CloseReason;
use crate::{ConnectError, ConnectionId, Flags, Message, Peers, SendError};

/// A connection to a port of another node, plain or by RDP.
///
/// A `Stream` of what arrives and a `Sink` of what is to be sent, for those who like them.
///
/// Dropping it closes it at once and frees its port: what the other node has not acknowledged may be lost.
/// [`close`](Self::close) waits. It does not keep the node running: only a [`Node`](super::Node) does.
#[derive(Debug)]
pub struct Connection {
    pub(super) sender: ConnectionSender,
    pub(super) ends: stream::Ends,
}

impl Connection {
    /// The handle of a connection that has its seat.
    pub(super) fn new(shared: &Arc<Shared>, state: &State, id: ConnectionId) -> Self {
        let peers = state.node.peers(id).expect("a connection just opened is there");
        Self {
            sender: ConnectionSender::new(Arc::clone(shared), id, peers),
            ends: stream::Ends::default(),
        }
    }

    /// The two ends.
    #[must_use]
    pub const fn peers(&self) -> Peers {
        self.sender.peers()
    }

    /// What is on each packet that it sends: RDP, CRC32, HMAC. That of an accepted connection is what its
    /// client chose; `None` when it is closed.
    #[must_use]
    pub fn flags(&self) -> Option<Flags> {
        self.sender.shared.lock().node.flags(self.sender.id)
    }

    /// A handle that only sends, for another task.
    ///
    /// It does not keep the connection open.
    #[must_use]
    pub fn sender(&self) -> ConnectionSender {
        self.sender.clone()
    }

    /// Why it is over, once it is. What came before may still wait to be received.
    #[must_use]
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.sender.close_reason()
    }

    /// The longest payload that can be sent now: the MTU of the interface, less the connection's trailers.
    ///
    /// Routes may change, and with them the answer.
    ///
    /// # Errors
    /// The connection is closed, or nothing leads to its remote.
    pub fn max_payload(&self) -> Result<usize, SendError> {
        self.sender.max_payload()
    }

    /// Sends `payload`; done when the packet waits for its link.
    ///
    /// Waits while the transmit queue is full, or as much is unacknowledged as RDP's window allows, in the
    /// order of the calls.
    ///
    /// # Errors
    /// Nothing was sent: see [`SendError`].
    ///
    /// # Cancel safety
    /// A future dropped before it was done has sent nothing.
    pub async fn send(&self, payload: impl Into<Bytes>) -> Result<(), SendError> {
        self.sender.send(payload).await
    }

    /// As [`send`](Self::send), if there is room within `limit`.
    ///
    /// # Errors
    /// Nothing was sent: see [`SendError`]; [`SendError::Full`] after `limit`.
    ///
    /// # Cancel safety
    /// A future dropped before it was done has sent nothing.
    pub async fn send_timeout(&self, payload: impl Into<Bytes>, limit: Duration) -> Result<(), SendError> {
        self.sender.send_timeout(payload, limit).await
    }

    /// As [`send`](Self::send), without waiting.
    ///
    /// # Errors
    /// Nothing was sent: see [`SendError`]; [`SendError::Full`] when there is no room, or others wait for it.
    pub fn try_send(&self, payload: impl Into<Bytes>) -> Result<(), SendError> {
        self.sender.try_send(payload)
    }

    /// Sends `payload` by RDP; done when the other node has acknowledged it.
    ///
    /// It then has everything up to that, in order. Its application may not have read it yet.
    ///
    /// # Errors
    /// It could not be sent, or the connection ended before: see [`DeliveryError`].
    ///
    /// # Cancel safety
    /// A dropped future may or may not have sent the packet.
    pub async fn send_acknowledged(&self, payload: impl Into<Bytes>) -> Result<(), DeliveryError> {
        self.sender.send_acknowledged(payload).await
    }

    /// Waits until the other node has acknowledged everything sent so far.
    ///
    /// Nobody acknowledges what is sent without RDP: there it does not wait.
    ///
    /// # Errors
    /// The connection ended before, or `limit` passed: see [`DeliveryError`].
    ///
    /// # Cancel safety
    /// A dropped future has changed nothing.
    pub async fn flush(&self, limit: Duration) -> Result<(), DeliveryError> {
        self.sender.flush(limit).await
    }

    /// As [`flush`](Self::flush), without a limit and without a timer.
    pub(crate) async fn flushed(&self) -> Result<(), DeliveryError> {
        self.sender.flushed().await
    }

    /// The next packet.
    ///
    /// # Errors
    /// Everything that came before was received, and
    /// - [`RecvError::Ended`]: the connection is over,
    /// - [`RecvError::Closed`]: the node has stopped.
    ///
    /// # Cancel safety
    /// A dropped future has taken nothing.
    pub async fn recv(&mut self) -> Result<Message, RecvError> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// The next packet, if it comes within `limit`.
    ///
    /// # Errors
    /// [`RecvError::Timeout`] after `limit`; others as [`recv`](Self::recv).
    ///
    /// # Cancel safety
    /// A dropped future has taken nothing.
    pub async fn recv_timeout(&mut self, limit: Duration) -> Result<Message, RecvError> {
        tokio::time::timeout(limit, self.recv())
            .await
            .unwrap_or(Err(RecvError::Timeout { limit }))
    }

    /// Takes no more to send, and closes once everything sent is acknowledged, after `limit` at the latest
    /// (BET-3).
    ///
    /// What arrives meanwhile is lost. Nobody acknowledges what is sent without RDP: there it does not wait.
    ///
    /// # Errors
    /// Not everything was acknowledged: see [`CloseError`].
    ///
    /// # Cancel safety
    /// A dropped future closes at once.
    pub async fn close(self, limit: Duration) -> Result<(), CloseError> {
        self.sender.finish(limit);
        poll_fn(|cx| self.sender.poll_finished(cx)).await
    }

    /// Whether the other end has opened it, where it was asked.
    pub(super) fn poll_opened(&self, cx: &Context<'_>) -> Poll<Result<(), CallError<ConnectError>>> {
        self.sender.shared.lock().poll_opened(self.sender.id, cx)
    }

    pub(super) fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Result<Message, RecvError>> {
        let coop = ready!(poll_proceed(cx));
        let message = self.sender.shared.lock().poll_recv(self.sender.id, cx);
        if message.is_ready() {
            coop.made_progress();
        }
        message
    }

    /// As [`send`](Self::send); tells when the node took the packet.
    pub(super) async fn send_at(&self, payload: Bytes) -> Result<Instant, SendError> {
        let (_, at) = self.sender.send_numbered(payload).await?;
        Ok(at)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.sender.shared.lock().close(self.sender.id);
    }
}

/// Why a connection did not close as it should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CloseError {
    /// It was over, or the limit passed, before everything was acknowledged.
    #[error("{unacknowledged} sent and not acknowledged: {reason}")]
    Unacknowledged {
        /// Why it is over.
        reason: CloseReason,
        /// Messages sent and not acknowledged; they may have arrived all the same.
        unacknowledged: u64,
    },
    /// The node has stopped.
    #[error("the node has stopped")]
    Stopped,
}

impl From<CloseError> for std::io::Error {
    fn from(error: CloseError) -> Self {
        let kind = match error {
            CloseError::Unacknowledged { reason, .. } => reason.kind(),
            CloseError::Stopped => std::io::ErrorKind::BrokenPipe,
        };
        Self::new(kind, error)
    }
}

/// Why nothing was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecvError {
    /// The node has stopped.
    #[error("the node has stopped")]
    Closed,
    /// The connection is over.
    #[error("the connection is over: {reason}")]
    Ended {
        /// Why.
        reason: CloseReason,
    },
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
            RecvError::Ended { reason } => reason.kind(),
            RecvError::Timeout { .. } => std::io::ErrorKind::TimedOut,
        };
        Self::new(kind, error)
    }
}

impl CloseReason {
    /// The kind that the standard library has for it.
    pub(super) const fn kind(self) -> std::io::ErrorKind {
        use std::io::ErrorKind;
        match self {
            Self::Finished | Self::ClosedByPeer => ErrorKind::ConnectionAborted,
            Self::Refused => ErrorKind::ConnectionRefused,
            Self::Unfinished | Self::NoAnswer | Self::PeerSilent => ErrorKind::TimedOut,
            Self::Reset => ErrorKind::ConnectionReset,
        }
    }
}
