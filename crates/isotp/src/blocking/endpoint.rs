//! One endpoint of a network.

use alloc::sync::Arc;
use core::time::Duration;

use bytes::Bytes;
use can_link::LinkError;

use super::Sending;
use super::runner::Runner;
use super::wait::{block_for, block_on};
use crate::address::{Address, Target};
use crate::config::Config;
use crate::event::{Event, Stats, TransferId};
use crate::network;
use crate::payload::Payload;
use crate::stmin::{BlockSize, StMin};
use crate::stream::StreamError;

/// Whole messages between two nodes, on a link that is shared with others; any number of threads may use it.
///
/// See [`crate::Endpoint`] for what happens to messages that nobody reads. Dropping an endpoint ends its
/// transfers.
#[derive(Debug)]
pub struct Endpoint {
    // In this order: the endpoint ends before the thread is waited for.
    endpoint: network::Endpoint,
    runner: Arc<Runner>,
}

impl Endpoint {
    pub(super) const fn new(endpoint: network::Endpoint, runner: Arc<Runner>) -> Self {
        Self { endpoint, runner }
    }

    /// Its address.
    #[must_use]
    pub const fn address(&self) -> &Address {
        self.endpoint.address()
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> Config {
        self.endpoint.config()
    }

    /// Sends a message to one node and waits until it is on the bus as a whole.
    ///
    /// # Errors
    /// When it cannot be sent, or failed on the way.
    pub fn send(&self, message: impl Into<Bytes>) -> Result<(), StreamError> {
        block_on(self.endpoint.send(message))
    }

    /// Sends a message to one node whose bytes `source` produces meanwhile, and waits until it is on the bus
    /// as a whole.
    ///
    /// # Errors
    /// As [`send`](Self::send), and when the source ended early or failed:
    /// [`TransferError::SourceEnded`](crate::TransferError::SourceEnded) or
    /// [`SourceFailed`](crate::TransferError::SourceFailed).
    pub fn send_from(&self, source: impl Payload + Send + 'static) -> Result<(), StreamError> {
        block_on(self.endpoint.send_from(source))
    }

    /// Sends a message to all nodes, which must fit a single frame, and waits until it is on the bus.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_functional(&self, message: impl Into<Bytes>) -> Result<(), StreamError> {
        block_on(self.endpoint.send_functional(message))
    }

    /// Starts a message to one node, and shows how it gets on.
    pub fn start(&self, message: impl Into<Bytes>) -> Sending {
        Sending::new(self.endpoint.start(message), Arc::clone(&self.runner))
    }

    /// Starts a message to all nodes, which must fit a single frame.
    pub fn start_functional(&self, message: impl Into<Bytes>) -> Sending {
        Sending::new(self.endpoint.start_functional(message), Arc::clone(&self.runner))
    }

    /// Starts a message to one node whose bytes `source` produces meanwhile, and shows how it gets on.
    ///
    /// The source is called by the network's thread; see
    /// [`start_from`](crate::Endpoint::start_from) there.
    pub fn start_from(&self, source: impl Payload + Send + 'static) -> Sending {
        Sending::new(self.endpoint.start_from(source), Arc::clone(&self.runner))
    }

    /// Waits for the next message; `None` when none is there within `timeout`. Without a timeout it waits for
    /// ever.
    ///
    /// # Errors
    /// When a message failed, or the link did; a message that failed is told once.
    pub fn recv(&self, timeout: impl Into<Option<Duration>>) -> Result<Option<Bytes>, StreamError> {
        let message = self.recv_with_target(timeout)?;
        Ok(message.map(|(_, message)| message))
    }

    /// As [`recv`](Self::recv), and whether the message was for this node or for all.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn recv_with_target(
        &self,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Option<(Target, Bytes)>, StreamError> {
        match block_for(self.endpoint.recv_with_target(), timeout.into()) {
            None => Ok(None),
            Some(Some(item)) => item.map(Some),
            Some(None) => Err(LinkError::Closed.into()),
        }
    }

    /// The next message, if one is there.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn try_recv(&self) -> Result<Option<Bytes>, StreamError> {
        self.recv(Duration::ZERO)
    }

    /// How many messages and failures wait to be read.
    #[must_use]
    pub fn available(&self) -> usize {
        self.endpoint.available()
    }

    /// Ends the message that is being sent, if any, as failed, and tells whether there was one; those behind
    /// it go on.
    #[expect(clippy::must_use_candidate, reason = "it is called for what it does")]
    pub fn abort_send(&self) -> bool {
        self.endpoint.abort_send()
    }

    /// Ends the message that is being received, if any, as failed, which [`recv`](Self::recv) tells.
    pub fn abort_receive(&self) {
        self.endpoint.abort_receive();
    }

    /// The message being sent, how many of its bytes were handed to the link, and its length.
    #[must_use]
    pub fn sending(&self) -> Option<(TransferId, u32, u32)> {
        self.endpoint.sending()
    }

    /// How many messages wait behind the one that is being sent.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.endpoint.queued()
    }

    /// How many bytes of the message being received are there, and its length.
    #[must_use]
    pub fn receiving(&self) -> Option<(u32, u32)> {
        self.endpoint.receiving()
    }

    /// Waits until all messages are through, and then sends no more. What arrives can still be read.
    ///
    /// # Errors
    /// When the link has ended.
    pub fn close(&self) -> Result<(), StreamError> {
        block_on(self.endpoint.close())
    }

    /// Whether nothing is sent any more: the endpoint was closed, or the link has ended.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.endpoint.is_closing()
    }

    /// Counters since the endpoint was made.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.endpoint.stats()
    }

    /// The oldest event that was not looked at.
    #[must_use]
    pub fn next_event(&self) -> Option<Event> {
        self.endpoint.next_event()
    }

    /// Changes the block size and the separation time in the flow controls that are sent from now on.
    pub fn set_flow_control(&self, block_size: BlockSize, st_min: StMin) {
        self.endpoint.set_flow_control(block_size, st_min);
    }
}
