//! Listeners and connectionless sockets as applications hold them.

use core::future::poll_fn;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;
use tokio::task::coop::poll_proceed;

use super::shared::{Locked, Shared};
use super::{Connection, RecvError};
use crate::{Address, ConnectConfig, Flags, ListenerId, Message, Port, SendError, SocketId};

/// A port where connections arrive.
///
/// Dropping it frees the port; connections accepted live on.
#[derive(Debug)]
pub struct Listener {
    shared: Arc<Shared>,
    id: ListenerId,
}

impl Listener {
    pub(super) const fn new(shared: Arc<Shared>, id: ListenerId) -> Self {
        Self { shared, id }
    }

    /// The next connection that somebody opened; its first packet waits in it.
    ///
    /// # Errors
    /// [`RecvError::Closed`]: the node has stopped.
    ///
    /// # Cancel safety
    /// A dropped future has taken nothing.
    pub async fn accept(&mut self) -> Result<Connection, RecvError> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<Result<Connection, RecvError>> {
        let coop = ready!(poll_proceed(cx));
        let mut state = self.shared.lock();
        let accepted = ready!(state.poll_accept(self.id, cx));
        coop.made_progress();
        Poll::Ready(accepted.map(|id| Connection::new(&self.shared, &state, id)))
    }

    /// The next connection, if one comes within `limit`.
    ///
    /// # Errors
    /// [`RecvError::Timeout`] after `limit`; [`RecvError::Closed`]: the node has stopped.
    ///
    /// # Cancel safety
    /// A dropped future has taken nothing.
    pub async fn accept_timeout(&mut self, limit: Duration) -> Result<Connection, RecvError> {
        tokio::time::timeout(limit, self.accept())
            .await
            .unwrap_or(Err(RecvError::Timeout { limit }))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        let now = state.tick();
        state.node.close_listener(now, self.id);
        state.listeners.remove(&self.id);
        state.collect();
        state.wake_task();
    }
}

/// A port for single packets. Dropping it frees the port.
#[derive(Debug)]
pub struct Socket {
    shared: Arc<Shared>,
    id: SocketId,
}

impl Socket {
    pub(super) const fn new(shared: Arc<Shared>, id: SocketId) -> Self {
        Self { shared, id }
    }

    /// The next packet.
    ///
    /// # Errors
    /// [`RecvError::Closed`]: the node has stopped.
    ///
    /// # Cancel safety
    /// A dropped future has taken nothing.
    pub async fn recv_from(&mut self) -> Result<Message, RecvError> {
        poll_fn(|cx| self.poll_recv_from(cx)).await
    }

    fn poll_recv_from(&self, cx: &mut Context<'_>) -> Poll<Result<Message, RecvError>> {
        let coop = ready!(poll_proceed(cx));
        let message = self.shared.lock().poll_recv_from(self.id, cx);
        if message.is_ready() {
            coop.made_progress();
        }
        message
    }

    /// The next packet, if it comes within `limit`.
    ///
    /// # Errors
    /// [`RecvError::Timeout`] after `limit`; [`RecvError::Closed`]: the node has stopped.
    ///
    /// # Cancel safety
    /// A dropped future has taken nothing.
    pub async fn recv_from_timeout(&mut self, limit: Duration) -> Result<Message, RecvError> {
        tokio::time::timeout(limit, self.recv_from())
            .await
            .unwrap_or(Err(RecvError::Timeout { limit }))
    }

    /// Sends one packet.
    ///
    /// Does not wait for room: a full transmit queue is [`SendError::Full`].
    ///
    /// # Errors
    /// Nothing was sent: see [`SendError`].
    pub fn send_to(
        &self,
        destination: Address,
        port: Port,
        config: ConnectConfig,
        payload: impl Into<Bytes>,
    ) -> Result<(), SendError> {
        let mut state = self.running()?;
        let now = state.tick();
        let to = (destination, port);
        let sent = state.node.send_to(now, self.id, to, config, payload.into());
        state.collect();
        state.wake_task();
        sent
    }

    /// Answers `request` with its priority (CONN-7).
    ///
    /// `flags`: those of the reply; `None`: those of the request. Does not wait for room.
    ///
    /// # Errors
    /// Nothing was sent: see [`SendError`].
    pub fn reply(
        &self,
        request: &Message,
        flags: Option<Flags>,
        payload: impl Into<Bytes>,
    ) -> Result<(), SendError> {
        let mut state = self.running()?;
        let now = state.tick();
        let sent = state.node.reply(now, request, flags, payload.into());
        state.collect();
        state.wake_task();
        sent
    }

    /// The state, while the node runs.
    fn running(&self) -> Result<Locked<'_>, SendError> {
        let state = self.shared.lock();
        if state.stopped {
            return Err(SendError::Closed);
        }
        Ok(state)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.node.close_socket(self.id);
        state.sockets.remove(&self.id);
    }
}
