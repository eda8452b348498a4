//! Whole messages over any CAN link.
//!
//! [`IsoTpStream`] drives a [`Channel`](crate::Channel): it moves frames, keeps the clock, and makes no
//! protocol decision. It needs no task of its own; whoever polls it drives both directions, so poll the
//! receiving side to be answered while you send, and to answer.

mod error;
mod wakers;

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, Waker, ready};
use std::boxed::Box;

use bytes::Bytes;
use can_link::link::{CanLink, EventBuf, Origin as FrameOrigin, OwnEcho};
use can_link::{CanFrame, Event as LinkEvent, Filter, FilterSet, LinkError};
pub use error::{Progress, StreamError};
use futures_core::Stream;
use futures_sink::Sink;
use tinwire_time::{Instant, Origin};
use tokio::time::Sleep;
use wakers::{Side, Wakers};

use crate::address::{Address, Target};
use crate::channel::BytesChannel;
use crate::config::Config;
use crate::error::{SendError, TransferError};
use crate::event::{Event, Stats, TransferId};
use crate::pci::Pci;

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
///   the last one is on the bus as a whole. Each failure is reported once, by whichever of them comes first;
///   the message given next is not affected by it.
///
/// On links that give own frames back once they were on the wire, that is what counts as sent; on others it
/// is that the link took the frame. Reading and writing may happen in two tasks (`StreamExt::split`).
#[derive(Debug)]
pub struct IsoTpStream<L> {
    link: L,
    channel: BytesChannel,
    confirmation: Confirmation,
    origin: Origin,
    now: Instant,
    alarm: Option<Pin<Box<Sleep>>>,
    incoming: EventBuf,
    outgoing: Vec<CanFrame>,
    inbox: VecDeque<Result<(Target, Bytes), StreamError>>,
    /// The failure of the last sent message, until it is reported.
    failure: Option<StreamError>,
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
            channel: BytesChannel::new(address, config),
            confirmation,
            origin: Origin::new(clock()),
            now: Instant::ZERO,
            alarm: None,
            incoming: EventBuf::with_capacity(BATCH),
            outgoing: Vec::with_capacity(BATCH),
            inbox: VecDeque::new(),
            failure: None,
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

    /// Sends a message to one node and waits until it is on the bus as a whole.
    ///
    /// # Errors
    /// When it cannot be sent, or failed on the way; or when a message given before had failed unnoticed, and
    /// then this one was not sent.
    ///
    /// # Cancel safety
    /// When the future is dropped, the message is sent not at all or under way, and then goes on being sent.
    pub async fn send(&mut self, message: impl Into<Bytes>) -> Result<(), StreamError> {
        poll_fn(|cx| self.poll_can_send(cx)).await?;
        self.channel.send(self.now, message.into())?;
        poll_fn(|cx| self.poll_sent(cx)).await
    }

    /// Sends a message to all nodes, which must fit a single frame, and waits until it is on the bus.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn send_functional(&mut self, message: impl Into<Bytes>) -> Result<(), StreamError> {
        poll_fn(|cx| self.poll_can_send(cx)).await?;
        self.channel.send_functional(self.now, message.into())?;
        poll_fn(|cx| self.poll_sent(cx)).await
    }

    /// Ends the message that is being sent, if any, as failed.
    pub fn abort_send(&mut self) {
        self.channel.abort_send();
        self.collect();
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

    /// Moves what can be moved for the side that polls, and tells the other one what it waits for.
    fn drive(&mut self, side: Side, cx: &Context<'_>) {
        self.wakers.register(side, cx);
        let (readable, writable) = (self.is_readable(), self.is_writable());
        self.advance();
        // A timer that is due is served before its alarm rings, and the alarm is then set to a later one: it
        // would not wake the other side.
        match side {
            Side::Reader if !writable && self.is_writable() => self.wakers.wake_side(Side::Writer),
            Side::Writer if !readable && self.is_readable() => self.wakers.wake_side(Side::Reader),
            _ => {}
        }
    }

    /// Whether a reader has something to take.
    fn is_readable(&self) -> bool {
        self.ended || !self.inbox.is_empty()
    }

    /// Whether a writer has something to learn, or may send.
    fn is_writable(&self) -> bool {
        self.ended || self.failure.is_some() || self.channel.can_send()
    }

    /// Moves what can be moved: frames in, timers, frames out, events.
    fn advance(&mut self) {
        let waker = self.waker.clone();
        let mut cx = Context::from_waker(&waker);
        for _ in 0..MAX_ROUNDS {
            self.now = self.origin.at(clock()).max(self.now);
            // Frames come before timers: one that waited in a queue is not late.
            let received = self.receive(&mut cx);
            self.channel.handle_timeout(self.now);
            self.collect();
            let sent = self.transmit(&mut cx);
            self.collect();
            if !received && !sent && !self.alarm_rings(&mut cx) {
                return;
            }
        }
        cx.waker().wake_by_ref();
    }

    /// Takes a batch of events from the link; false when there is none.
    fn receive(&mut self, cx: &mut Context<'_>) -> bool {
        if self.ended {
            return false;
        }
        match self.link.poll_recv(cx, &mut self.incoming, BATCH) {
            Poll::Pending => return false,
            Poll::Ready(Ok(0)) => self.end(None),
            Poll::Ready(Ok(_)) => {}
            Poll::Ready(Err(error)) => self.end(Some(error)),
        }
        while let Some(event) = self.incoming.pop_front() {
            let LinkEvent::Frame(received) = event else {
                self.note_link(event);
                continue;
            };
            match (received.origin, self.confirmation) {
                (FrameOrigin::Own, Confirmation::Echo) => {
                    self.channel.handle_transmitted(self.now, &received.frame);
                }
                (FrameOrigin::Own, Confirmation::Taken) => {}
                _ => self.channel.handle_frame(self.now, &received.frame),
            }
            self.collect();
        }
        true
    }

    fn end(&mut self, error: Option<LinkError>) {
        self.ended = true;
        self.channel.handle_link_lost();
        self.outgoing.clear();
        self.collect();
        self.inbox.extend(error.map(|error| Err(error.into())));
    }

    /// Hands a batch of frames to the link; false when there is none, or the link takes none.
    fn transmit(&mut self, cx: &mut Context<'_>) -> bool {
        while self.outgoing.len() < BATCH
            && let Some(frame) = self.channel.poll_transmit(self.now)
        {
            self.outgoing.push(frame);
        }
        if self.outgoing.is_empty() || self.ended {
            return false;
        }
        match self.link.poll_send(cx, &self.outgoing) {
            Poll::Pending => return false,
            Poll::Ready(Ok(taken)) => {
                for frame in self.outgoing.drain(..taken.min(self.outgoing.len())) {
                    if self.confirmation == Confirmation::Taken {
                        self.channel.handle_transmitted(self.now, &frame);
                    }
                }
            }
            Poll::Ready(Err(error)) => {
                let frame = self.outgoing.remove(0);
                // A refused flow control ends what is received, any other frame what is sent. The cause is of
                // that failure only: left behind, it would be told of a later one in the other direction.
                self.collect();
                self.refusal = Some(error);
                self.channel.handle_not_transmitted(self.now, &frame);
                self.collect();
                self.refusal = None;
            }
        }
        true
    }

    /// Moves events and messages from the channel to where the user finds them.
    fn collect(&mut self) {
        loop {
            while let Some(event) = self.channel.poll_event() {
                self.note(event);
            }
            if self.inbox.len() >= MAX_WAITING {
                return;
            }
            let Some(message) = self.channel.take_received(self.now) else {
                return;
            };
            self.inbox.push_back(Ok(message));
        }
    }

    fn note(&mut self, event: Event) {
        let failed = match event {
            Event::SendFailed { id, error, sent, len } => {
                // What was not handed over yet must not follow.
                let tx = *self.channel.address().tx();
                self.outgoing.retain(|frame| is_flow_control(frame, &tx));
                let cause = self.refusal.take().filter(|_| error == TransferError::Link);
                self.failure = Some(StreamError::SendFailed {
                    id,
                    error,
                    sent: Some(sent),
                    len,
                    cause,
                });
                None
            }
            Event::ReceiveFailed { error, received, len } => {
                let progress = Some(Progress { done: received, len });
                let cause = self.refusal.take().filter(|_| error == TransferError::Link);
                Some(StreamError::ReceiveFailed {
                    error,
                    progress,
                    cause,
                })
            }
            Event::Refused { len, max } => Some(StreamError::Refused { len, max }),
            _ => None,
        };
        if let Some(failed) = failed
            && self.inbox.len() < MAX_WAITING
        {
            self.inbox.push_back(Err(failed));
        }
        // Of the progress of one message only the latest is news.
        if let (Event::Progress { id, .. }, Some(Event::Progress { id: before, .. })) =
            (event, self.events.back())
            && id == *before
        {
            self.events.pop_back();
        }
        if keep(&mut self.events, event).is_some() {
            self.channel.count_lost_event();
        }
    }

    fn note_link(&mut self, event: LinkEvent) {
        if let LinkEvent::Dropped { count, .. } = event {
            self.frames_lost = self.frames_lost.saturating_add(count);
        }
        if keep(&mut self.link_events, event).is_some() {
            self.channel.count_lost_event();
        }
    }

    /// Sets the alarm to the next timeout; true when that has come already.
    fn alarm_rings(&mut self, cx: &mut Context<'_>) -> bool {
        let due = self
            .channel
            .poll_timeout()
            .and_then(|due| self.origin.deadline(due));
        let Some(due) = due.map(tokio::time::Instant::from_std) else {
            return false;
        };
        let alarm = self
            .alarm
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        if alarm.deadline() != due {
            alarm.as_mut().reset(due);
        }
        alarm.as_mut().poll(cx).is_ready()
    }

    fn poll_message(&mut self, cx: &Context<'_>) -> Poll<Option<Result<(Target, Bytes), StreamError>>> {
        self.drive(Side::Reader, cx);
        let was_full = self.inbox.len() >= MAX_WAITING;
        match self.inbox.pop_front() {
            Some(item) => {
                if was_full {
                    // A sender may be waiting for this room.
                    self.drive(Side::Reader, cx);
                }
                Poll::Ready(Some(item))
            }
            None if self.ended => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    fn poll_can_send(&mut self, cx: &Context<'_>) -> Poll<Result<(), StreamError>> {
        self.drive(Side::Writer, cx);
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
        let waker = self.waker.clone();
        self.link
            .poll_flush(&mut Context::from_waker(&waker))
            .map_err(link_error)
    }
}

/// Queues an event and returns the oldest one when there was no room for both.
fn keep<E>(queue: &mut VecDeque<E>, event: E) -> Option<E> {
    let oldest = if queue.len() < MAX_EVENTS {
        None
    } else {
        queue.pop_front()
    };
    queue.push_back(event);
    oldest
}

/// The one place that reads the clock.
#[expect(clippy::disallowed_methods, reason = "a driver tells the core the time")]
fn clock() -> std::time::Instant {
    tokio::time::Instant::now().into_std()
}

fn link_error(error: can_link::SendError) -> StreamError {
    match error {
        can_link::SendError::Closed => LinkError::Closed.into(),
        other => LinkError::io("flushing the link", other.into()).into(),
    }
}

fn is_flow_control(frame: &CanFrame, tx: &crate::address::TxAddress) -> bool {
    let decoded = tx.matches(frame).map(|(_, data)| Pci::decode(data, tx.prefix()));
    matches!(decoded, Some(Ok((Pci::FlowControl(_), _))))
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
        let now = self.now;
        match self.channel.send(now, message) {
            Ok(_) => Ok(()),
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
            ready!(self.poll_can_send(cx))?;
        }
        self.link.poll_close(cx).map_err(link_error)
    }
}

#[cfg(test)]
mod tests;
