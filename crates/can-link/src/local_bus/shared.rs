//! What the halves of a port and its driver share.

use alloc::collections::VecDeque;
use core::task::{Context, Poll, Waker};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error_frame::BusState;
use crate::filter::FilterSet;
use crate::frame::CanFrame;
use crate::link::{Bottleneck, DropReason, Event, EventBuf, LinkChange, LinkError, SendError};

/// Events that wait for the receiving half; beyond that the driver reads no further and the queue at the host
/// fills.
const INBOX: usize = 256;
/// Frames that wait to be sent; beyond that sending waits.
const OUTBOX: usize = 256;

/// Counts of one member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Frames that came and passed the filters.
    pub received: u64,
    /// Frames that were written to the host.
    pub sent: u64,
    /// Frames lost because this member was slow; each loss was also an event.
    pub lost: u64,
    /// Frames that waited to be sent when the link ended, or closing took too long.
    pub unsent: u64,
    /// How often another host took over.
    pub takeovers: u64,
    /// Whether this member hosts the bus.
    pub hosting: bool,
}

/// Why the link is of no further use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// By its owner.
    Left,
    /// Not by its owner: no host could be found or made, or it does not speak our protocol.
    Gone,
}

/// Which halves still exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Half {
    Open,
    Closed,
}

/// How far closing the sending half is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Close {
    /// Nobody has asked for it.
    No,
    /// Until all frames were written, and passed on by the host.
    Begun,
    /// They were, or their time is over.
    Done,
}

#[derive(Debug)]
pub(super) struct State {
    inbox: EventBuf,
    outbox: VecDeque<CanFrame>,
    /// Frames taken from the outbox that are not wholly written.
    in_flight: usize,
    filters: FilterSet,
    rx: Half,
    tx: Half,
    close: Close,
    ended: Option<Ended>,
    /// Why it ended; told once.
    failure: Option<LinkError>,
    rx_waker: Option<Waker>,
    tx_waker: Option<Waker>,
    driver_waker: Option<Waker>,
    pub(super) stats: Stats,
}

/// The state behind its lock, which is never held across a suspension.
#[derive(Debug)]
pub(super) struct Shared(Mutex<State>);

impl Shared {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State {
            inbox: EventBuf::new(),
            outbox: VecDeque::new(),
            in_flight: 0,
            filters: FilterSet::default(),
            rx: Half::Open,
            tx: Half::Open,
            close: Close::No,
            ended: None,
            failure: None,
            rx_waker: None,
            tx_waker: None,
            driver_waker: None,
            stats: Stats::default(),
        }))
    }

    /// The state is consistent between calls, so a panic elsewhere does not spoil it.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

/// The receiving half's side.
impl State {
    pub(super) fn poll_recv(
        &mut self,
        cx: &Context<'_>,
        out: &mut EventBuf,
        max: usize,
        link: &str,
    ) -> Poll<Result<usize, LinkError>> {
        let moved = self.inbox.len().min(max);
        if moved > 0 {
            out.extend(self.inbox.drain(..moved));
            wake(&mut self.driver_waker);
            return Poll::Ready(Ok(moved));
        }
        match self.ended {
            None => {
                self.rx_waker = Some(cx.waker().clone());
                Poll::Pending
            }
            Some(Ended::Left) => Poll::Ready(Ok(0)),
            Some(Ended::Gone) => {
                let gone = || LinkError::Gone { link: link.into() };
                Poll::Ready(Err(self.failure.take().unwrap_or_else(gone)))
            }
        }
    }

    pub(super) fn set_filters(&mut self, filters: &FilterSet) {
        self.filters = filters.clone();
    }

    pub(super) fn close_rx(&mut self) {
        self.rx = Half::Closed;
        self.inbox.clear();
        wake(&mut self.driver_waker);
    }
}

/// The sending half's side.
impl State {
    pub(super) fn poll_send(
        &mut self,
        cx: &Context<'_>,
        frames: &[CanFrame],
    ) -> Poll<Result<usize, SendError>> {
        self.usable()?;
        let taken = frames.len().min(OUTBOX.saturating_sub(self.outbox.len()));
        if taken == 0 && !frames.is_empty() {
            self.tx_waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        self.outbox.extend(frames.iter().take(taken).cloned());
        wake(&mut self.driver_waker);
        Poll::Ready(Ok(taken))
    }

    pub(super) fn poll_flush(&mut self, cx: &Context<'_>) -> Poll<Result<(), SendError>> {
        if self.outbox.is_empty() && self.in_flight == 0 {
            return Poll::Ready(Ok(()));
        }
        if let Err(error) = self.not_ended() {
            return Poll::Ready(Err(error));
        }
        self.tx_waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Waits until the host has passed the frames on, so that its process may end, which may be our own. A
    /// port without a receiving half leaves, and this waits for that, a host's handover included.
    pub(super) fn poll_close(&mut self, cx: &Context<'_>) -> Poll<Result<(), SendError>> {
        if self.close == Close::No {
            self.close = Close::Begun;
            self.close_tx();
        }
        let is_left = self.stats.unsent > 0 || self.in_flight > 0;
        match self.ended {
            Some(_) if is_left => Poll::Ready(Err(SendError::Gone)),
            Some(_) => Poll::Ready(Ok(())),
            None if self.close != Close::Done || self.is_leaving() => {
                self.tx_waker = Some(cx.waker().clone());
                Poll::Pending
            }
            None if is_left => Poll::Ready(Err(SendError::Timeout {
                waiting_for: Bottleneck::Queue,
                state: BusState::Active,
            })),
            None => Poll::Ready(Ok(())),
        }
    }

    pub(super) fn close_tx(&mut self) {
        self.tx = Half::Closed;
        wake(&mut self.driver_waker);
    }

    fn usable(&self) -> Result<(), SendError> {
        if self.tx == Half::Closed {
            return Err(SendError::Closed);
        }
        self.not_ended()
    }

    const fn not_ended(&self) -> Result<(), SendError> {
        match self.ended {
            None => Ok(()),
            Some(Ended::Left) => Err(SendError::Closed),
            Some(Ended::Gone) => Err(SendError::Gone),
        }
    }
}

/// The driver's side.
impl State {
    pub(super) fn register_driver(&mut self, waker: &Waker) {
        self.driver_waker = Some(waker.clone());
    }

    /// Whether the driver may read on.
    pub(super) fn wants_input(&self) -> bool {
        self.rx == Half::Closed || self.inbox.len() < INBOX
    }

    /// Whether the port has not much time: it leaves, or its sending half is being closed.
    pub(super) fn is_closing(&self) -> bool {
        self.is_leaving() || self.close == Close::Begun
    }

    /// Whether to ask the host to tell when it has passed everything on.
    pub(super) fn is_done_sending(&self) -> bool {
        self.close == Close::Begun && self.rx == Half::Open && self.outbox.is_empty()
    }

    /// The host has passed everything on.
    pub(super) fn passed(&mut self) {
        if self.close == Close::Begun {
            self.close = Close::Done;
            wake(&mut self.tx_waker);
        }
    }

    /// The time for closing is over; what was not written is not sent any more.
    pub(super) fn give_up(&mut self) {
        self.stats.unsent += u64::try_from(self.outbox.len()).unwrap_or(u64::MAX);
        self.outbox.clear();
        self.passed();
    }

    /// Whether both halves are gone.
    pub(super) fn is_leaving(&self) -> bool {
        self.rx == Half::Closed && self.tx == Half::Closed
    }

    pub(super) fn is_flushed(&self) -> bool {
        self.outbox.is_empty() && self.in_flight == 0
    }

    pub(super) fn push_frame(&mut self, received: crate::link::Received) {
        if self.rx == Half::Open && self.filters.accepts(&received.frame) {
            self.stats.received += 1;
            self.push(Event::Frame(received));
        }
    }

    pub(super) fn push_lost(&mut self, count: u64) {
        self.stats.lost = self.stats.lost.saturating_add(count);
        let reason = DropReason::ReceiveQueueFull;
        self.push(Event::Dropped { count, reason });
    }

    pub(super) fn push_takeover(&mut self) {
        self.stats.takeovers += 1;
        self.push(Event::Link(LinkChange::Reconnected));
    }

    fn push(&mut self, event: Event) {
        if self.rx == Half::Open {
            self.inbox.push_back(event);
            wake(&mut self.rx_waker);
        }
    }

    /// The next frame to write.
    pub(super) fn take_outgoing(&mut self) -> Option<CanFrame> {
        let frame = self.outbox.pop_front()?;
        self.in_flight += 1;
        wake(&mut self.tx_waker);
        Some(frame)
    }

    /// Frames that were wholly written.
    pub(super) fn written(&mut self, frames: usize) {
        self.in_flight = self.in_flight.saturating_sub(frames);
        self.stats.sent = self
            .stats
            .sent
            .saturating_add(u64::try_from(frames).unwrap_or(u64::MAX));
        if self.is_flushed() {
            wake(&mut self.tx_waker);
        }
    }

    /// Frames that were taken but not wholly written wait for the next host, before all others.
    pub(super) fn take_back(&mut self, frames: impl DoubleEndedIterator<Item = CanFrame>) {
        frames.rev().for_each(|frame| self.outbox.push_front(frame));
        self.in_flight = 0;
    }

    /// The link failed; `failure` is told to the receiving half behind what it has not taken yet.
    pub(super) fn fail(&mut self, failure: LinkError) {
        self.failure = Some(failure);
        self.end(Ended::Gone);
    }

    pub(super) fn end(&mut self, reason: Ended) {
        if self.ended.is_none() {
            if reason == Ended::Gone {
                self.push(Event::Link(LinkChange::Gone));
            }
            self.ended = Some(reason);
            self.stats.hosting = false;
            self.stats.unsent += u64::try_from(self.outbox.len() + self.in_flight).unwrap_or(u64::MAX);
        }
        wake(&mut self.rx_waker);
        wake(&mut self.tx_waker);
    }
}
