//! One endpoint of a network, as its user holds it.

use core::fmt;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use bytes::Bytes;
use can_link::LinkError;
use futures_core::Stream;
use futures_sink::Sink;
use tokio::task::coop::poll_proceed;

use super::outbox::Sender;
use super::shared::User;
use super::waiters::{OWN, On, Ticket};
use super::{Network, Sending};
use crate::address::{Address, Target};
use crate::config::Config;
use crate::endpoints::EndpointId;
use crate::event::{Event, Stats, TransferId};
use crate::payload::{Outgoing, Payload};
use crate::stmin::{BlockSize, StMin};
use crate::stream::StreamError;

/// A stream and sink of whole messages between two nodes, on a link that it shares with others.
///
/// - As a [`Stream`] it yields received messages. A message that fails is an `Err` item and the stream goes
///   on; only [`StreamError::Link`] ends it, and it comes to every endpoint when the link is lost.
/// - As a [`Sink`] it sends one message at a time: `poll_ready` waits for the ones before, `poll_flush` until
///   the last one is on the bus as a whole. The failure of a message that the sink took is reported once, by
///   whichever of them comes first; the message given next is not affected by it.
/// - [`send`](Self::send) and [`start`](Self::start) tell the end of their own message and of no other. They
///   and [`recv`](Self::recv) take `&self`, so that sending and receiving go together without a split, in one
///   task or several.
///
/// Messages that arrive while 16 wait to be read are not lost: their senders are made to wait (FC.WAIT, see
/// [`Config::wft_max`]), and then refused (OVFLW). Single frames have no flow control; those are counted in
/// [`Stats::ignored_no_room`]. No other endpoint is delayed by it.
///
/// Dropping an endpoint ends its transfers. To have messages sent before, wait for them, or use
/// [`close`](Self::close).
pub struct Endpoint {
    id: EndpointId,
    address: Address,
    pub(super) user: User,
}

impl Endpoint {
    pub(super) const fn new(id: EndpointId, address: Address, user: User) -> Self {
        Self { id, address, user }
    }

    /// Its address.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// Its name in the network.
    #[must_use]
    pub const fn id(&self) -> EndpointId {
        self.id
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> Config {
        let state = self.user.lock();
        state
            .endpoints
            .get(self.id)
            .map_or_else(Config::default, |channel| *channel.config())
    }

    /// The network that it belongs to.
    #[must_use]
    pub fn network(&self) -> Network {
        Network::of(self.user.clone())
    }

    /// The next message; `None` when the link has ended and that was told.
    ///
    /// # Errors
    /// When a message failed, or the link did.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn recv(&self) -> Option<Result<Bytes, StreamError>> {
        let item = self.recv_with_target().await?;
        Some(item.map(|(_, message)| message))
    }

    /// The next message, and whether it was for this node or for all; `None` when the link has ended and that
    /// was told.
    ///
    /// # Errors
    /// When a message failed, or the link did.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn recv_with_target(&self) -> Option<Result<(Target, Bytes), StreamError>> {
        let ticket = Ticket::new(&self.user, On::Reader(self.id));
        poll_fn(|cx| self.poll_message(ticket.number(), cx)).await
    }

    /// The next message, if one is there.
    ///
    /// # Errors
    /// When a message failed, or the link did.
    #[must_use]
    pub fn try_recv(&self) -> Option<Result<Bytes, StreamError>> {
        let item = self.user.lock().take(self.id)??;
        Some(item.map(|(_, message)| message))
    }

    /// How many messages and failures wait to be read.
    #[must_use]
    pub fn available(&self) -> usize {
        self.user.lock().seat(self.id).map_or(0, |seat| seat.inbox.len())
    }

    /// Starts a message to one node and shows how it gets on.
    ///
    /// Messages are sent in the order they were started. At most [`MAX_QUEUED`](super::MAX_QUEUED) wait; a
    /// further one is refused as busy, which what this returns tells, and
    /// [`NetworkStats::sends_refused`](super::NetworkStats::sends_refused) counts.
    pub fn start(&self, message: impl Into<Bytes>) -> Sending {
        let message: Bytes = message.into();
        Sending::new(self.user.shared(), self.id, message.into(), Target::Physical)
    }

    /// Starts a message to one node whose bytes `source` produces meanwhile, and shows how it gets on.
    ///
    /// The network's task calls the source while it has the network locked: a source that used one of the
    /// network's handles would wait for ever.
    pub fn start_from(&self, source: impl Payload + Send + 'static) -> Sending {
        let message = Outgoing::from_source(source);
        Sending::new(self.user.shared(), self.id, message, Target::Physical)
    }

    /// Starts a message to all nodes, which must fit a single frame, and shows how it gets on.
    pub fn start_functional(&self, message: impl Into<Bytes>) -> Sending {
        let message: Bytes = message.into();
        Sending::new(self.user.shared(), self.id, message.into(), Target::Functional)
    }

    /// Sends a message to one node and waits until it is on the bus as a whole.
    ///
    /// # Errors
    /// When it cannot be sent, or failed on the way.
    ///
    /// # Cancel safety
    /// When the future is dropped before it was polled, the message is not sent; later, it goes on.
    pub async fn send(&self, message: impl Into<Bytes>) -> Result<(), StreamError> {
        self.start(message).done().await
    }

    /// Sends a message to one node whose bytes `source` produces meanwhile, and waits until it is on the bus
    /// as a whole.
    ///
    /// # Errors
    /// As [`send`](Self::send), and when the source ended early or failed:
    /// [`TransferError::SourceEnded`](crate::TransferError::SourceEnded) or
    /// [`SourceFailed`](crate::TransferError::SourceFailed).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn send_from(&self, source: impl Payload + Send + 'static) -> Result<(), StreamError> {
        self.start_from(source).done().await
    }

    /// Sends a message to all nodes, which must fit a single frame, and waits until it is on the bus.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn send_functional(&self, message: impl Into<Bytes>) -> Result<(), StreamError> {
        self.start_functional(message).done().await
    }

    /// Waits until all messages are through, and then sends no more. What arrives can still be read.
    ///
    /// # Errors
    /// When the link has ended, or a message that the sink took has failed.
    ///
    /// # Cancel safety
    /// When the future is dropped, the endpoint is as before.
    pub async fn close(&self) -> Result<(), StreamError> {
        let ticket = Ticket::new(&self.user, On::Writer(self.id));
        poll_fn(|cx| self.poll_closed(ticket.number(), cx)).await
    }

    /// Whether nothing is sent any more: the endpoint was closed, or the link has ended.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        let mut state = self.user.lock();
        state.end.is_some() || state.seat(self.id).is_none_or(|seat| seat.closing)
    }

    /// Ends the message that is being sent, if any, as failed, and tells whether there was one; those behind
    /// it go on.
    #[expect(clippy::must_use_candidate, reason = "it is called for what it does")]
    pub fn abort_send(&self) -> bool {
        self.user.lock().abort_send(self.id)
    }

    /// Ends the message that is being received, if any, as failed, which is an item of this stream.
    pub fn abort_receive(&self) {
        self.user.lock().abort_receive(self.id);
    }

    /// The message being sent, how many of its bytes were handed to the link, and its length.
    #[must_use]
    pub fn sending(&self) -> Option<(TransferId, u32, u32)> {
        self.user.lock().endpoints.get(self.id)?.sending()
    }

    /// How many messages wait behind the one that is being sent.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.user
            .lock()
            .seat(self.id)
            .map_or(0, |seat| seat.outbox.queue.len())
    }

    /// How many bytes of the message being received are there, and its length.
    #[must_use]
    pub fn receiving(&self) -> Option<(u32, u32)> {
        self.user.lock().endpoints.get(self.id)?.receiving()
    }

    /// Counters since the endpoint was made.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let state = self.user.lock();
        state
            .endpoints
            .get(self.id)
            .map_or_else(Stats::default, |channel| *channel.stats())
    }

    /// The oldest event that was not looked at. At most [`MAX_EVENTS`](crate::stream::MAX_EVENTS) are kept.
    #[must_use]
    pub fn next_event(&self) -> Option<Event> {
        self.user.lock().seat(self.id)?.events.pop_front()
    }

    /// Changes the block size and the separation time in the flow controls that are sent from now on.
    ///
    /// See [`Channel::set_flow_control`](crate::Channel::set_flow_control).
    pub fn set_flow_control(&self, block_size: BlockSize, st_min: StMin) {
        if let Some(mut channel) = self.user.lock().endpoints.get_mut(self.id) {
            channel.set_flow_control(block_size, st_min);
        }
    }

    fn poll_message(
        &self,
        number: u64,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<(Target, Bytes), StreamError>>> {
        // Where messages come as fast as they are read, other tasks get their turns between them.
        let turn = ready!(poll_proceed(cx));
        let mut state = self.user.lock();
        match state.take(self.id) {
            Some(item) => {
                turn.made_progress();
                Poll::Ready(item)
            }
            None => {
                state.wait(On::Reader(self.id), number, cx);
                Poll::Pending
            }
        }
    }

    /// Waits until all messages are through, and tells a failure that the sink has not told yet.
    fn poll_through(&self, number: u64, cx: &Context<'_>) -> Poll<Result<(), StreamError>> {
        let mut state = self.user.lock();
        let ended = state.end.is_some();
        let Some(seat) = state.seat(self.id) else {
            return Poll::Ready(Err(LinkError::Closed.into()));
        };
        if let Some(failure) = seat.outbox.failure.take() {
            return Poll::Ready(Err(failure));
        }
        if ended {
            return Poll::Ready(Err(LinkError::Closed.into()));
        }
        if seat.outbox.is_empty() {
            return Poll::Ready(Ok(()));
        }
        state.wait(On::Writer(self.id), number, cx);
        Poll::Pending
    }

    fn poll_closed(&self, number: u64, cx: &Context<'_>) -> Poll<Result<(), StreamError>> {
        ready!(self.poll_through(number, cx))?;
        if let Some(seat) = self.user.lock().seat(self.id) {
            seat.closing = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl Stream for Endpoint {
    type Item = Result<Bytes, StreamError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = ready!(self.poll_message(OWN, cx));
        Poll::Ready(item.map(|item| item.map(|(_, message)| message)))
    }
}

impl Sink<Bytes> for Endpoint {
    type Error = StreamError;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        ready!(self.poll_through(OWN, cx))?;
        if self.is_closing() {
            return Poll::Ready(Err(LinkError::Closed.into()));
        }
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, message: Bytes) -> Result<(), StreamError> {
        let mut state = self.user.lock();
        state.tick();
        state.post(self.id, message.into(), Target::Physical, Sender::Sink);
        // One that cannot be sent was refused at once.
        let failure = state.seat(self.id).and_then(|seat| seat.outbox.failure.take());
        failure.map_or(Ok(()), Err)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        self.poll_through(OWN, cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        self.poll_closed(OWN, cx)
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.user.lock().leave(self.id);
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("id", &self.id)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
