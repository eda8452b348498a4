//! Listeners, sockets, taps and notices of threads.

use core::time::Duration;

use bytes::Bytes;

use super::Connection;
use super::wait::{block_for, block_on};
use crate::rt::{self, Notice, RecvError};
use crate::{Address, Captured, ConnectConfig, Flags, Message, Port, SendError};

/// A port where connections arrive. Dropping it frees the port; connections accepted live on.
#[derive(Debug)]
pub struct Listener {
    listener: rt::Listener,
}

impl Listener {
    pub(super) const fn new(listener: rt::Listener) -> Self {
        Self { listener }
    }

    /// The next connection that somebody opened.
    ///
    /// # Errors
    /// [`RecvError::Closed`]: the node has stopped.
    pub fn accept(&mut self) -> Result<Connection, RecvError> {
        let connection = block_on(self.listener.accept())?;
        Ok(Connection::new(connection))
    }

    /// The next connection, if one comes within `limit`.
    ///
    /// # Errors
    /// [`RecvError::Timeout`] after `limit`; [`RecvError::Closed`]: the node has stopped.
    pub fn accept_timeout(&mut self, limit: Duration) -> Result<Connection, RecvError> {
        let connection =
            block_for(limit, self.listener.accept()).unwrap_or(Err(RecvError::Timeout { limit }))?;
        Ok(Connection::new(connection))
    }
}

/// A port for single packets. Dropping it frees the port.
#[derive(Debug)]
pub struct Socket {
    socket: rt::Socket,
}

impl Socket {
    pub(super) const fn new(socket: rt::Socket) -> Self {
        Self { socket }
    }

    /// The next packet.
    ///
    /// # Errors
    /// [`RecvError::Closed`]: the node has stopped.
    pub fn recv_from(&mut self) -> Result<Message, RecvError> {
        block_on(self.socket.recv_from())
    }

    /// The next packet, if it comes within `limit`.
    ///
    /// # Errors
    /// [`RecvError::Timeout`] after `limit`; [`RecvError::Closed`]: the node has stopped.
    pub fn recv_from_timeout(&mut self, limit: Duration) -> Result<Message, RecvError> {
        block_for(limit, self.socket.recv_from()).unwrap_or(Err(RecvError::Timeout { limit }))
    }

    /// Sends one packet, with the flags and the priority of `config`. Waits while there is no room.
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
        block_on(self.socket.send_to(destination, port, config, payload))
    }

    /// Answers `request` with its priority, and its flags unless there are others. Waits while there is no
    /// room.
    ///
    /// # Errors
    /// Nothing was sent: see [`SendError`].
    pub fn reply(
        &self,
        request: &Message,
        flags: Option<Flags>,
        payload: impl Into<Bytes>,
    ) -> Result<(), SendError> {
        block_on(self.socket.reply(request, flags, payload))
    }
}

/// What happens in a node.
#[derive(Debug)]
pub struct Notices {
    notices: rt::Notices,
}

impl Notices {
    pub(super) const fn new(notices: rt::Notices) -> Self {
        Self { notices }
    }

    /// The next notice; `None` when the node has stopped.
    pub fn recv(&mut self) -> Option<Notice> {
        block_on(self.notices.recv())
    }

    /// The next notice, if it comes within `limit`.
    ///
    /// # Errors
    /// [`RecvError::Timeout`] after `limit`; [`RecvError::Closed`]: the node has stopped.
    pub fn recv_timeout(&mut self, limit: Duration) -> Result<Notice, RecvError> {
        let next = block_for(limit, self.notices.recv());
        next.ok_or(RecvError::Timeout { limit })?.ok_or(RecvError::Closed)
    }

    /// How many notices were missed.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.notices.lost()
    }
}

/// Copies of all packets that a node receives and sends. Dropping it ends the copying.
#[derive(Debug)]
pub struct Tap {
    tap: rt::Tap,
}

impl Tap {
    pub(super) const fn new(tap: rt::Tap) -> Self {
        Self { tap }
    }

    /// The next copy.
    ///
    /// # Errors
    /// [`RecvError::Closed`]: the node has stopped.
    pub fn recv(&mut self) -> Result<Captured, RecvError> {
        block_on(self.tap.recv())
    }

    /// The next copy, if it comes within `limit`.
    ///
    /// # Errors
    /// [`RecvError::Timeout`] after `limit`; [`RecvError::Closed`]: the node has stopped.
    pub fn recv_timeout(&mut self, limit: Duration) -> Result<Captured, RecvError> {
        block_for(limit, self.tap.recv()).unwrap_or(Err(RecvError::Timeout { limit }))
    }

    /// How many copies found no place in the tap; [`Captured::missed`] tells where.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.tap.missed()
    }
}
