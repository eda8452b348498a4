//! Whole messages over any CAN link.
//!
//! [`IsoTpStream`] drives a [`Channel`](crate::Channel): it moves frames, keeps the clock, and makes no
//! protocol decision. It needs no task of its own; whoever polls it drives both directions, so poll the
//! receiving side to be answered while you send, and to answer.

mod driver;
mod error;
pub(crate) mod held;
mod sending;
pub(crate) mod wakers;

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use can_link::link::{CanLink, EventBuf, OwnEcho};
use can_link::{CanFrame, Event as LinkEvent, Filter, FilterSet, LinkError};
use driver::clock;
pub use error::{Progress, StreamError};
use futures_core::Stream;
use futures_sink::Sink;
use held::{Held, Through};
pub(crate) use sending::Fate;
pub use sending::Sending;
use sending::Tracked;
use tinwire_time::{Instant, Origin};
use wakers::{Half, Wakers};

use crate::address::{Address, Target};
use crate::alarm::Alarm;
use crate::channel::SourceChannel;
use crate::config::Config;
use crate::error::SendError;
use crate::event::{Event, Stats, TransferId};
use crate::payload::{Outgoing, Payload};
use crate::stmin::{BlockSize, StMin};

/// Link events taken at once, and frames handed to the link at once.
const BATCH: usize = 32;
/// Batches moved before other tasks get their turn.
const MAX_ROUNDS: usize = 16;
/// Received messages and failures kept for the reader. Then long messages are made to wait (FC.WAIT, see
/// [`Config::wft_max`]), and short ones and failures are only counted.
pub const MAX_WAITING: usize = 16;
/// Events kept for [`IsoTpStream::next_event`], and as many for [`IsoTpStream::next_link_event`]. A full
/// queue loses its oldest event and counts that in [`Stats::events_lost`].
pub const MAX_EVENTS: usize = 64;

/// When a frame counts as sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Confirmation {
    /// When the link has taken it.
    Taken,
    /// When the link gives it back, which it does once it was on the wire.
    Echo,
}

/// A stream and sink of whole messages between two nodes.
///
/// - As a [`Stream`] it yields received messages. A message that fails is an `Err` item and the stream goes
///   on; only [`StreamError::Link`] ends it.
/// - As a [`Sink`] it sends one message at a time: `poll_ready` waits for the one before, `poll_flush` until
///   the last one is on the bus as a whole. The failure of a message that the sink took is reported once, by
///   whichever of them comes first; the message given next is not affected by it.
/// - [`send`](Self::send) and [`start`](Self::start) tell the end of their own message and of no other.
///
/// On links that give own frames back once they were on the wire, that is what counts as sent; on others it
/// is that the link took the frame, and at the end of a message let go of it. There N_As covers the taking,
/// and once more for each frame that the link may still have (128 at most) the letting go. A message that
/// the link keeps for longer fails with N_TIMEOUT_A, although each of its frames was taken.
///
/// Reading and writing may happen in two tasks (`StreamExt::split`).
#[derive(Debug)]
pub struct IsoTpStream<L> {
    link: L,
    channel: SourceChannel,
    confirmation: Confirmation,
    origin: Origin,
    now: Instant,
    alarm: Alarm,
    incoming: EventBuf,
    outgoing: Vec<CanFrame>,
    inbox: VecDeque<Result<(Target, Bytes), StreamError>>,
    /// The last message that the sink took.
    fed: Option<TransferId>,
    /// How long the message is that the channel was given last.
    given: u32,
    held: Held,
    /// The last message that was sent, until the link's flush is through, or too late.
    through: Option<Through>,
    /// Its failure, until the sink reports it.
    failure: Option<StreamError>,
    /// What a living [`Sending`] has to be told.
    tracked: Option<Tracked>,
    /// What the link said to the frame it just refused, for the failure that this causes.
    refusal: Option<can_link::SendError>,
    events: VecDeque<Event>,
    link_events: VecDeque<LinkEvent>,
    frames_lost: u64,
    ended: bool,
    wakers: Arc<Wakers>,
    waker: Waker,
}

impl<L: CanLink> IsoTpStream<L> {
    /// Sends and receives messages on `link`, whose filters are set to what `address` needs.
    ///
    /// # Errors
    /// When the link refuses the filters.
    pub fn new(mut link: L, address: Address, config: Config) -> Result<Self, LinkError> {
        let confirmation = match link.capabilities().own_echo {
            OwnEcho::OnWire => Confirmation::Echo,
            _ => Confirmation::Taken,
        };
        let rx = address.rx();
        let targets = [Target::Physical, Target::Functional];
        let accepted = targets.into_iter().filter_map(|target| rx.id(target));
        let accepted = accepted.map(|id| Filter::masked(id, rx.id_mask()));
        let echoes = targets
            .into_iter()
            .map(|target| Filter::id(address.tx().id(target)));
        let echoes = echoes.filter(|_| confirmation == Confirmation::Echo);
        link.set_filters(&FilterSet::any(accepted.chain(echoes)))?;
        let wakers = Arc::new(Wakers::default());
        Ok(Self {
            link,
            channel: SourceChannel::new(address, config),
            confirmation,
            origin: Origin::new(clock()),
            now: Instant::ZERO,
            alarm: Alarm::default(),
            incoming: EventBuf::with_capacity(BATCH),
            outgoing: Vec::with_capacity(BATCH),
            inbox: VecDeque::new(),
            fed: None,
            given: 0,
            held: Held::default(),
            through: None,
            failure: None,
            tracked: None,
            refusal: None,
            events: VecDeque::new(),
            link_events: VecDeque::new(),
            frames_lost: 0,
            ended: false,
            waker: Waker::from(Arc::clone(&wakers)),
            wakers,
        })
    }

    /// The next message; `None` when the link has ended.
    ///
    /// # Errors
    /// When a message failed, or the link did.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn recv(&mut self) -> Option<Result<Bytes, StreamError>> {
        let item = self.recv_with_target().await?;
        Some(item.map(|(_, message)| message))
    }

    /// The next message, and whether it was for this node or for all; `None` when the link has ended.
    ///
    /// # Errors
    /// When a message failed, or the link did.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn recv_with_target(&mut self) -> Option<Result<(Target, Bytes), StreamError>> {
        poll_fn(|cx| self.poll_message(cx)).await
    }

    /// Starts a message to one node and shows how it gets on.
    ///
    /// It is not affected by how earlier messages ended.
    pub fn start(&mut self, message: impl Into<Bytes>) -> Sending<'_, L> {
        let message: Bytes = message.into();
        Sending::new(self, message.into(), Target::Physical)
    }

    /// Starts a message to one node whose bytes `source` produces meanwhile, and shows how it gets on.
    ///
    /// The source is called by whoever polls this stream.
    pub fn start_from(&mut self, source: impl Payload + Send + 'static) -> Sending<'_, L> {
        Sending::new(self, Outgoing::from_source(source), Target::Physical)
    }

    /// Starts a message to all nodes, which must fit a single frame, and shows how it gets on.
    pub fn start_functional(&mut self, message: impl Into<Bytes>) -> Sending<'_, L> {
        let message: Bytes = message.into();
        Sending::new(self, message.into(), Target::Functional)
    }

    /// Sends a message to one node and waits until it is on the bus as a whole.
    ///
    /// # Errors
    /// When it cannot be sent, or failed on the way.
    ///
    /// # Cancel safety
    /// When the future is dropped, the message is sent not at all or under way, and then goes on being sent.
    pub async fn send(&mut self, message: impl Into<Bytes>) -> Result<(), StreamError> {
        self.start(message).done().await
    }

    /// Sends a message to one node whose bytes `source` produces meanwhile, and waits until it is on the bus
    /// as a whole.
    ///
    /// # Errors
    /// When it cannot be sent, or failed on the way, or the source did:
    /// [`TransferError::SourceEnded`](crate::TransferError::SourceEnded) or
    /// [`SourceFailed`](crate::TransferError::SourceFailed).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn send_from(&mut self, source: impl Payload + Send + 'static) -> Result<(), StreamError> {
        self.start_from(source).done().await
    }

    /// Sends a message to all nodes, which must fit a single frame, and waits until it is on the bus.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn send_functional(&mut self, message: impl Into<Bytes>) -> Result<(), StreamError> {
        self.start_functional(message).done().await
    }

    /// Ends the message that is being sent, if any, as failed, and tells whether there was one.
    pub fn abort_send(&mut self) -> bool {
        let was_sending = self.channel.abort_send();
        self.collect();
        // Another task may be waiting for this message to end.
        self.wakers.wake_half(Half::Writer);
        was_sending
    }

    /// Ends the message that is being received, if any, as failed, which is an item of this stream.
    pub fn abort_receive(&mut self) {
        self.channel.abort_receive();
        self.collect();
        self.wakers.wake_half(Half::Reader);
    }

    /// The message being sent, how many of its bytes were handed to the link, and its length.
    #[must_use]
    pub fn sending(&self) -> Option<(TransferId, u32, u32)> {
        self.channel.sending()
    }

    /// How many bytes of the message being received are there, and its length.
    #[must_use]
    pub fn receiving(&self) -> Option<(u32, u32)> {
        self.channel.receiving()
    }

    /// Changes the block size and the separation time in the flow controls that are sent from now on; see
    /// [`Channel::set_flow_control`](crate::Channel::set_flow_control).
    pub const fn set_flow_control(&mut self, block_size: BlockSize, st_min: StMin) {
        self.channel.set_flow_control(block_size, st_min);
    }

    /// Counters since the stream was made.
    #[must_use]
    pub const fn stats(&self) -> &Stats {
        self.channel.stats()
    }

    /// The oldest event that was not looked at. At most [`MAX_EVENTS`] are kept.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The oldest event of the link that was not looked at and is not a frame: bus errors, losses, link
    /// changes. At most [`MAX_EVENTS`] are kept.
    pub fn next_link_event(&mut self) -> Option<LinkEvent> {
        self.link_events.pop_front()
    }

    /// How many frames the link reported as lost before this stream saw them, of any address.
    #[must_use]
    pub const fn frames_lost(&self) -> u64 {
        self.frames_lost
    }

    /// The link.
    #[must_use]
    pub const fn link(&self) -> &L {
        &self.link
    }

    /// Gives the link back; transfers under way are forgotten, and its filters stay.
    #[must_use]
    pub fn into_link(self) -> L {
        self.link
    }

    fn poll_message(&mut self, cx: &Context<'_>) -> Poll<Option<Result<(Target, Bytes), StreamError>>> {
        self.drive(Half::Reader, cx);
        let was_full = self.inbox.len() >= MAX_WAITING;
        match self.inbox.pop_front() {
            Some(item) => {
                if was_full {
                    // A sender may be waiting for this room.
                    self.drive(Half::Reader, cx);
                }
                Poll::Ready(Some(item))
            }
            None if self.ended => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    fn poll_can_send(&mut self, cx: &Context<'_>) -> Poll<Result<(), StreamError>> {
        self.drive(Half::Writer, cx);
        if let Some(failure) = self.failure.take() {
            return Poll::Ready(Err(failure));
        }
        if self.ended {
            return Poll::Ready(Err(LinkError::Closed.into()));
        }
        if self.channel.can_send() {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }

    fn poll_sent(&mut self, cx: &Context<'_>) -> Poll<Result<(), StreamError>> {
        ready!(self.poll_can_send(cx))?;
        self.poll_link_flushed()
    }

    /// Waits, with both halves, until the link has let go of the last message, or should have.
    fn poll_link_flushed(&mut self) -> Poll<Result<(), StreamError>> {
        let Some(through) = self.through else {
            return Poll::Ready(Ok(()));
        };
        let waker = self.waker.clone();
        let flushed = match self.link.poll_flush(&mut Context::from_waker(&waker)) {
            Poll::Ready(flushed) => {
                self.held.clear();
                flushed.map_err(link_error)
            }
            Poll::Pending if self.is_late() => Err(through.late()),
            Poll::Pending => return Poll::Pending,
        };
        self.through = None;
        Poll::Ready(flushed)
    }

    /// The channel was given a message.
    fn note_given(&mut self, len: usize) {
        self.given = u32::try_from(len).unwrap_or(u32::MAX);
    }
}

fn link_error(error: can_link::SendError) -> StreamError {
    match error {
        can_link::SendError::Closed => LinkError::Closed.into(),
        other => LinkError::io("flushing the link", other.into()).into(),
    }
}

impl<L: CanLink> Stream for IsoTpStream<L> {
    type Item = Result<Bytes, StreamError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = ready!(self.poll_message(cx));
        Poll::Ready(item.map(|item| item.map(|(_, message)| message)))
    }
}

impl<L: CanLink> Sink<Bytes> for IsoTpStream<L> {
    type Error = StreamError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        self.poll_can_send(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Bytes) -> Result<(), StreamError> {
        let (now, len) = (self.now, message.len());
        match self.channel.send(now, message.into()) {
            Ok(id) => {
                self.note_given(len);
                self.fed = Some(id);
                Ok(())
            }
            Err(error @ SendError::Busy) => {
                debug_assert!(false, "start_send without poll_ready");
                Err(error.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        self.poll_sent(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        if !self.ended {
            ready!(self.poll_sent(cx))?;
        }
        self.link.poll_close(cx).map_err(link_error)
    }
}

#[cfg(test)]
mod tests;
