//! Listeners and connectionless sockets as applications hold them.

use core::time::Duration;

use bytes::Bytes;

use super::command::{Command, Weak, call_weak};
use super::inbox::Inbox;
use super::{Connection, RecvError};
use crate::{Address, ConnectConfig, Flags, Message, Port, SendError, SocketId};

/// A port where connections arrive.
///
/// Dropping it frees the port; connections accepted live on.
#[derive(Debug)]
pub struct Listener {
    inbox: Inbox<Connection>,
}

impl Listener {
    pub(super) const fn new(inbox: Inbox<Connection>) -> Self {
        Self { inbox }
    }

    /// The next connection that somebody opened; its first packet waits in it.
    ///
    /// # Errors
    /// [`RecvError::Closed`]: the node has stopped.
    ///
    /// # Cancel safety
    /// A dropped future has taken nothing.
    pub async fn accept(&mut self) -> Result<Connection, RecvError> {
        self.inbox.recv().await.ok_or(RecvError::Closed)
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

/// A port for single packets. Dropping it frees the port.
#[derive(Debug)]
pub struct Socket {
    id: SocketId,
    commands: Weak,
    inbox: Inbox<Message>,
}

impl Socket {
    pub(super) const fn new(id: SocketId, commands: Weak, inbox: Inbox<Message>) -> Self {
        Self { id, commands, inbox }
    }

    /// The next packet.
    ///
    /// # Errors
    /// [`RecvError::Closed`]: the node has stopped.
    ///
    /// # Cancel safety
    /// A dropped future has taken nothing.
    pub async fn recv_from(&mut self) -> Result<Message, RecvError> {
        self.inbox.recv().await.ok_or(RecvError::Closed)
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
    ///
    /// # Cancel safety
    /// A dropped future may or may not have sent the packet.
    pub async fn send_to(
        &self,
        destination: Address,
        port: Port,
        config: ConnectConfig,
        payload: impl Into<Bytes>,
    ) -> Result<(), SendError> {
        let (socket, destination, payload) = (self.id, (destination, port), payload.into());
        let command = |reply| Command::SendTo {
            socket,
            destination,
            config,
            payload,
            reply,
        };
        call_weak(&self.commands, command)
            .await
            .unwrap_or(Err(SendError::Closed))
    }

    /// Answers `request` with its priority (CONN-7).
    ///
    /// `flags`: those of the reply; `None`: those of the request.
    ///
    /// # Errors
    /// Nothing was sent: see [`SendError`].
    ///
    /// # Cancel safety
    /// A dropped future may or may not have sent the packet.
    pub async fn reply(
        &self,
        request: &Message,
        flags: Option<Flags>,
        payload: impl Into<Bytes>,
    ) -> Result<(), SendError> {
        let (request, payload) = (request.clone(), payload.into());
        let command = |reply| Command::Answer {
            request,
            flags,
            payload,
            reply,
        };
        call_weak(&self.commands, command)
            .await
            .unwrap_or(Err(SendError::Closed))
    }
}
