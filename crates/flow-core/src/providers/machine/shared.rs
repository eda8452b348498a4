//! One end of a connection, between the application's tasks and the driver.

use alloc::sync::Arc;
use core::task::{Context, Poll, Waker};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tinwire_time::{Instant, Origin};

use super::frame::{Frame, Reads};
use super::hello::{Answer, Window};
use super::link::Machine;
use super::output::Output;
use super::socket::Socket;
use crate::error::WriteError;
use crate::flow::{Flow, FlowState, Outlet};
use crate::liveness::Liveness;
use crate::name::Name;
use crate::pipe::{Credit, End, Mark, SharedPipe, Urgency};
use crate::qos::{PeerTimeout, QosSpec};
use crate::queue::QueueConfig;

/// So many bytes are written at once by the application's task; fewer are left to the driver.
const BATCH: usize = 64 * 1024;

#[expect(
    clippy::disallowed_methods,
    reason = "the driver's one place that reads the clock"
)]
pub(super) fn clock() -> std::time::Instant {
    tokio::time::Instant::now().into_std()
}

/// Where bytes go.
#[derive(Debug)]
pub(super) enum Way {
    /// Nowhere yet: they wait.
    Awaited,
    Open(Socket),
    Closed,
}

/// Whether the application's task may write to the socket itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// It may, once.
    Free,
    /// It has since the driver ran last: what it writes now is gathered.
    Used,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) machine: Machine,
    pub(super) output: Output,
    pub(super) way: Way,
    turn: Turn,
    /// Writing failed; the driver will find out why.
    pub(super) broken: bool,
    /// The writing half was dropped.
    pub(super) released: bool,
    pub(super) liveness: Liveness,
    writer_waker: Option<Waker>,
    driver_waker: Option<Waker>,
}

/// One end of a connection. Its state is locked before the pipe, never after it.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) inbound: Arc<SharedPipe>,
    state: Mutex<State>,
    origin: Origin,
}

impl Link {
    /// An end whose packets are read from `inbound`, which holds `queue`, and whose peer takes `window`.
    pub(super) fn new(
        inbound: &Arc<SharedPipe>,
        queue: Window,
        window: Window,
        timeout: PeerTimeout,
    ) -> Arc<Self> {
        let credit = Credit::new(to_usize(queue.packets), to_usize(queue.bytes));
        inbound.note_as_writer(None, |pipe| pipe.set_credit(credit));
        Arc::new(Self {
            inbound: Arc::clone(inbound),
            state: Mutex::new(State {
                machine: Machine::new(window),
                output: Output::default(),
                way: Way::Awaited,
                turn: Turn::Used,
                broken: false,
                released: false,
                liveness: Liveness::new(Instant::ZERO, timeout),
                writer_waker: None,
                driver_waker: None,
            }),
            origin: Origin::new(clock()),
        })
    }

    pub(super) fn now(&self) -> Instant {
        self.origin.at(clock())
    }

    pub(super) const fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // no operation of the state panics half-way, so a poisoned one is whole
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an answer before everything else.
    pub(super) fn put_answer(&self, answer: &Answer) {
        self.lock().output.put(|out| answer.encode(out));
    }

    /// The longest packet the peer takes.
    pub(super) fn max_packet(&self) -> usize {
        self.lock().machine.max_packet()
    }

    /// Writes `packet` if there is room.
    fn try_write(&self, packet: &Bytes) -> Result<(), WriteError> {
        self.write(&mut self.lock(), packet)
    }

    fn write(&self, state: &mut State, packet: &Bytes) -> Result<(), WriteError> {
        let refusal = state.machine.refusal();
        if state.broken && refusal.is_none() {
            return Err(WriteError::WouldBlock); // the driver will know
        }
        state.machine.send(packet.len())?;
        state.liveness.handle_sent(self.now());
        let news = self
            .inbound
            .note_as_writer(None, |pipe| pipe.take_news(Urgency::Now));
        state.put_news(news.read, news.reads);
        let direct = state.output.is_empty() && state.turn == Turn::Free;
        state.output.put_packet(packet);
        if direct || state.output.len() >= BATCH {
            state.turn = Turn::Used;
            state.flush();
        }
        if !state.output.is_empty() || state.broken {
            state.wake_driver();
        }
        Ok(())
    }

    /// Writes `packet`, or waits for room.
    fn poll_write(&self, cx: &Context<'_>, packet: &Bytes) -> Poll<Result<(), WriteError>> {
        let mut state = self.lock();
        match self.write(&mut state, packet) {
            Err(WriteError::WouldBlock) => {
                if state.machine.ask_for_room() {
                    state.put_control(&Frame::Tell);
                }
                state.wait_as_writer(cx);
                Poll::Pending
            }
            written => Poll::Ready(written),
        }
    }

    fn poll_drained(&self, cx: &Context<'_>) -> Poll<Result<(), ()>> {
        let mut state = self.lock();
        if let Some(drained) = state.machine.drained() {
            return Poll::Ready(drained);
        }
        if state.machine.ask() {
            state.put_control(&Frame::Tell);
        }
        state.wait_as_writer(cx);
        Poll::Pending
    }

    /// The connection is over, one way and the other.
    pub(super) fn over(&self, inbound: End, outbound: End) {
        let waker = {
            let mut state = self.lock();
            state.machine.over(outbound);
            state.output.clear();
            state.way = Way::Closed;
            state.writer_waker.take()
        };
        self.inbound.as_writer(|pipe| pipe.end(inbound));
        waker.into_iter().for_each(Waker::wake);
    }
}

impl State {
    /// A turn of the driver.
    pub(super) fn turn(&mut self, cx: &Context<'_>) {
        self.turn = Turn::Free;
        match &mut self.driver_waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }

    fn wake_driver(&mut self) {
        if let Some(waker) = self.driver_waker.take() {
            waker.wake(); // a task's waker, which does not come back here
        }
    }

    fn wait_as_writer(&mut self, cx: &Context<'_>) {
        match &mut self.writer_waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }

    /// Who waits for room, or for an end.
    pub(super) const fn take_writer(&mut self) -> Option<Waker> {
        self.writer_waker.take()
    }

    /// Appends what is to be told of reading.
    pub(super) fn put_news(&mut self, read: Option<super::frame::Count>, reads: Option<Reads>) {
        if let Some(count) = read {
            self.output.put_frame(&Frame::Read(count));
        }
        if let Some(reads) = reads {
            self.output.put_frame(&Frame::Reads(reads));
        }
    }

    fn put_control(&mut self, frame: &Frame) {
        if !matches!(self.way, Way::Closed) {
            self.output.put_frame(frame);
            self.wake_driver();
        }
    }

    /// Writes what the socket takes.
    pub(super) fn flush(&mut self) {
        if let Way::Open(socket) = &mut self.way
            && self.output.write_to(socket).is_err()
        {
            self.broken = true;
            self.output.clear();
        }
    }
}

/// A flow of `queue`, and its end of a connection to a peer that takes `window`.
pub(super) fn flow(name: &Name, qos: QosSpec, queue: QueueConfig, window: Window) -> (Flow, Arc<Link>) {
    Flow::new(name, qos, queue, |inbound| {
        let link = Link::new(inbound, Window::of(&queue), window, qos.timeout());
        (Outlet::Link(LinkWriter(Arc::clone(&link))), link)
    })
}

fn to_usize(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// The writing half of a connection. Dropping it lets go of it.
#[derive(Debug)]
pub(crate) struct LinkWriter(Arc<Link>);

impl LinkWriter {
    pub(crate) fn max_packet(&self) -> usize {
        self.0.max_packet()
    }

    pub(crate) fn try_write(&self, packet: &Bytes) -> Result<(), WriteError> {
        self.0.try_write(packet)
    }

    pub(crate) fn poll_write(&self, cx: &Context<'_>, packet: &Bytes) -> Poll<Result<(), WriteError>> {
        self.0.poll_write(cx, packet)
    }

    pub(crate) fn end(&self) {
        let mut state = self.0.lock();
        if state.machine.end() {
            state.put_control(&Frame::End);
        }
    }

    pub(crate) fn mark(&self, mark: Mark) {
        self.0.lock().put_control(&Frame::Mark(match mark {
            Mark::Up => FlowState::Up,
            Mark::Down => FlowState::Down,
        }));
    }

    pub(crate) fn unread(&self) -> usize {
        self.0.lock().machine.unread()
    }

    pub(crate) fn poll_drained(&self, cx: &Context<'_>) -> Poll<Result<(), ()>> {
        self.0.poll_drained(cx)
    }
}

/// What was written, what was read and the end leave at once, as far as the socket takes them: the process
/// may be about to exit, and the driver with it.
impl Drop for LinkWriter {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.released = true;
        let inbound = &self.0.inbound;
        let news = inbound.note_as_writer(None, |pipe| pipe.take_news(Urgency::Now));
        state.put_news(news.read, news.reads);
        state.flush();
        state.wake_driver();
    }
}
