//! Connections of threads.

use core::time::Duration;

use bytes::Bytes;

use super::wait::{block_for, block_on};
use crate::rdp::CloseReason;
use crate::rt::{self, BlobError, CloseError, ConnectionSender, DeliveryError, RecvError};
use crate::sfp::Assembler;
use crate::{Message, Peers, SendError};

/// A connection to a port of another node, plain or by RDP.
///
/// Dropping it closes it at once and frees its port; [`close`](Self::close) waits. It does not keep the node
/// running.
#[derive(Debug)]
pub struct Connection {
    connection: rt::Connection,
}

impl Connection {
    pub(super) const fn new(connection: rt::Connection) -> Self {
        Self { connection }
    }

    /// The two ends.
    #[must_use]
    pub const fn peers(&self) -> Peers {
        self.connection.peers()
    }

    /// A handle that only sends, for another thread by [`Node::wait`](super::Node::wait).
    #[must_use]
    pub fn sender(&self) -> ConnectionSender {
        self.connection.sender()
    }

    /// Why it is over, once it is. What came before may still wait to be received.
    #[must_use]
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.connection.close_reason()
    }

    /// Sends `payload`; done when the packet waits for its link.
    ///
    /// Waits while there is no room.
    ///
    /// # Errors
    /// Nothing was sent: see [`SendError`].
    pub fn send(&self, payload: impl Into<Bytes>) -> Result<(), SendError> {
        block_on(self.connection.send(payload))
    }

    /// As [`send`](Self::send), if there is room within `limit`.
    ///
    /// # Errors
    /// Nothing was sent: see [`SendError`]; [`SendError::Full`] after `limit`.
    pub fn send_timeout(&self, payload: impl Into<Bytes>, limit: Duration) -> Result<(), SendError> {
        block_for(limit, self.connection.send(payload)).unwrap_or(Err(SendError::Full))
    }

    /// As [`send`](Self::send), without waiting.
    ///
    /// # Errors
    /// Nothing was sent: see [`SendError`]; [`SendError::Full`] when there is no room.
    pub fn try_send(&self, payload: impl Into<Bytes>) -> Result<(), SendError> {
        self.connection.try_send(payload)
    }

    /// Sends `payload` by RDP; done when the other node has acknowledged it.
    ///
    /// # Errors
    /// It could not be sent, or the connection ended before: see [`DeliveryError`].
    pub fn send_acknowledged(&self, payload: impl Into<Bytes>) -> Result<(), DeliveryError> {
        block_on(self.connection.send_acknowledged(payload))
    }

    /// Waits until the other node has acknowledged everything sent so far.
    ///
    /// # Errors
    /// The connection ended before, or `limit` passed: see [`DeliveryError`].
    pub fn flush(&self, limit: Duration) -> Result<(), DeliveryError> {
        let flushed = block_for(limit, self.connection.flushed());
        flushed.unwrap_or(Err(DeliveryError::Timeout { limit }))
    }

    /// The next packet.
    ///
    /// # Errors
    /// Everything that came before was received, and the connection is over or the node has stopped.
    pub fn recv(&mut self) -> Result<Message, RecvError> {
        block_on(self.connection.recv())
    }

    /// The next packet, if it comes within `limit`.
    ///
    /// # Errors
    /// [`RecvError::Timeout`] after `limit`; others as [`recv`](Self::recv).
    pub fn recv_timeout(&mut self, limit: Duration) -> Result<Message, RecvError> {
        block_for(limit, self.connection.recv()).unwrap_or(Err(RecvError::Timeout { limit }))
    }

    /// Sends `blob` in as many packets as it needs, by SFP.
    ///
    /// # Errors
    /// It was sent in part or not at all: see [`BlobError`].
    pub fn send_blob(&self, blob: impl AsRef<[u8]>) -> Result<(), BlobError> {
        block_on(self.connection.send_blob(blob))
    }

    /// Receives a blob of at most `limit` bytes, of which some arrive every `quiet`.
    ///
    /// # Errors
    /// It did not arrive whole: see [`BlobError`].
    pub fn recv_blob(&mut self, limit: u32, quiet: Duration) -> Result<Bytes, BlobError> {
        let mut assembler = Assembler::new(limit, quiet);
        loop {
            let received = self.recv_timeout(quiet);
            if let Some(blob) = rt::assemble(&mut assembler, received)? {
                return Ok(blob);
            }
        }
    }

    /// Takes no more to send, and closes once everything sent is acknowledged, after `limit` at the latest.
    ///
    /// # Errors
    /// Not everything was acknowledged: see [`CloseError`].
    pub fn close(self, limit: Duration) -> Result<(), CloseError> {
        block_on(self.connection.close(limit))
    }
}
