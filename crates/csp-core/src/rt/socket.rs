//! Listeners and connectionless sockets as applications hold them.

use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;
use futures_core::Stream;
use tinwire_time::Instant;
use tokio::task::coop::poll_proceed;

use super::shared::Shared;
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

/// The connections that others open, until the node has stopped.
impl Stream for Listener {
    type Item = Connection;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Connection>> {
        self.poll_accept(cx).map(Result::ok)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        let now = state.tick();
        state.node.close_listener(now, self.id);
        if let Some(mut reader) = state.listeners.remove(&self.id) {
            reader.answer(&mut state.calls);
        }
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

    /// Sends one packet, with the flags and the priority of `config`.
    ///
    /// Waits while the transmit queue is full. Those who wait get room in no particular order.
    ///
    /// # Errors
    /// Nothing was sent: see [`SendError`].
    ///
    /// # Cancel safety
    /// A future dropped before it was done has sent nothing.
    pub async fn send_to(
        &self,
        destination: Address,
        port: Port,
        config: ConnectConfig,
        payload: impl Into<Bytes>,
    ) -> Result<(), SendError> {
        let payload = payload.into();
        self.wait_for_room(|node, now| {
            node.send_to(now, self.id, (destination, port), config.clone(), payload.clone())
        })
        .await
    }

    /// As [`send_to`](Self::send_to), without waiting.
    ///
    /// # Errors
    /// Nothing was sent: see [`SendError`]; [`SendError::Full`] when there is no room.
    pub fn try_send_to(
        &self,
        destination: Address,
        port: Port,
        config: ConnectConfig,
        payload: impl Into<Bytes>,
    ) -> Result<(), SendError> {
        let to = (destination, port);
        let payload = payload.into();
        self.shared
            .lock()
            .try_datagram(|node, now| node.send_to(now, self.id, to, config, payload))
    }

    /// Answers `request` with its priority (CONN-7).
    ///
    /// `flags`: those of the reply; `None`: those of the request, as `CSP_O_SAME`. Waits as
    /// [`send_to`](Self::send_to).
    ///
    /// # Errors
    /// Nothing was sent: see [`SendError`].
    ///
    /// # Cancel safety
    /// A future dropped before it was done has sent nothing.
    pub async fn reply(
        &self,
        request: &Message,
        flags: Option<Flags>,
        payload: impl Into<Bytes>,
    ) -> Result<(), SendError> {
        let payload = payload.into();
        self.wait_for_room(|node, now| node.reply(now, request, flags, payload.clone()))
            .await
    }

    /// As [`reply`](Self::reply), without waiting.
    ///
    /// # Errors
    /// Nothing was sent: see [`SendError`]; [`SendError::Full`] when there is no room.
    pub fn try_reply(
        &self,
        request: &Message,
        flags: Option<Flags>,
        payload: impl Into<Bytes>,
    ) -> Result<(), SendError> {
        let payload = payload.into();
        self.shared
            .lock()
            .try_datagram(|node, now| node.reply(now, request, flags, payload))
    }

    async fn wait_for_room(
        &self,
        mut send: impl FnMut(&mut crate::Node, Instant) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        let mut waiting = Waiting {
            shared: &self.shared,
            number: None,
        };
        poll_fn(|cx| {
            let coop = ready!(poll_proceed(cx));
            let mut state = self.shared.lock();
            let sent = state.poll_datagram(&mut waiting.number, &mut send, cx);
            if sent.is_ready() {
                coop.made_progress();
            }
            sent
        })
        .await
    }
}

/// One who waits for room in whichever transmit queue.
struct Waiting<'a> {
    shared: &'a Shared,
    number: Option<u64>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.shared.lock().room.leave(number);
        }
    }
}

/// The packets that arrive, until the node has stopped.
impl Stream for Socket {
    type Item = Message;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.poll_recv_from(cx).map(Result::ok)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.node.close_socket(self.id);
        if let Some(mut reader) = state.sockets.remove(&self.id) {
            reader.answer(&mut state.calls);
        }
    }
}
