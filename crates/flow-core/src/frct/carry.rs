//! A flow over a transport that loses, doubles and reorders.

use alloc::sync::Arc;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use futures_sink::Sink;
use thiserror::Error;
use tinwire_time::Instant;

use super::{Config, Delivery, Event, HEADER_LEN, Machine, SendError, Sequence, State, Stats};
use crate::alarm::Alarm;
use crate::error::WriteError;
use crate::flow::{Flow, Outlet};
use crate::liveness::{Due, Liveness};
use crate::name::Name;
use crate::pipe::{End, Pipe, SharedPipe};
use crate::protect::{IV_LEN, ProtectStats, Protection};
use crate::qos::QosSpec;
use crate::queue::QueueConfig;

/// Turns of a carrier before it lets other tasks run.
const TURNS: usize = 64;

/// How a flow is carried by FRCT.
#[derive(Clone, Copy, Debug)]
pub struct FrctConfig {
    qos: QosSpec,
    machine: Config,
    queue: QueueConfig,
    max_message: usize,
}

impl FrctConfig {
    /// For a flow that has `qos`: reliable if it loses nothing. Its timeout decides on keepalives.
    #[must_use]
    pub fn new(qos: QosSpec) -> Self {
        Self::with_machine(qos, Config::default())
    }

    /// As [`new`](Self::new), with the settings of the machine, but for whether it is reliable.
    #[must_use]
    pub fn with_machine(qos: QosSpec, machine: Config) -> Self {
        let delivery = if qos.loss().is_none() {
            Delivery::Reliable
        } else {
            Delivery::Ordered
        };
        Self {
            qos,
            machine: machine.delivery(delivery),
            queue: QueueConfig::default(),
            max_message: usize::MAX,
        }
    }

    /// Limits of the two queues between application and machine. What waits in the queue to be read counts
    /// against the window too. Default: 256 packets and 1 MiB each.
    #[must_use]
    pub const fn queue(self, queue: QueueConfig) -> Self {
        Self { queue, ..self }
    }

    /// The longest message that the transport takes, in bytes; a packet is shorter by header and protection.
    /// Default: no limit but that of the queue and the machine.
    #[must_use]
    pub const fn max_message(self, max_message: usize) -> Self {
        Self { max_message, ..self }
    }
}

/// Makes an ordered or reliable flow of `transport`. Nothing moves unless the [`FrctCarrier`] is polled:
/// spawn it.
///
/// An empty message is a keepalive and passes by, as with [`carry`](crate::carrier::carry). When the
/// application has let go of both halves the carrier goes on until everything is acknowledged, and then a
/// little to answer repetitions; `dealloc` waits for the first of that, within its own limit.
pub fn carry<T>(
    transport: T,
    name: &Name,
    config: FrctConfig,
    protection: Protection,
) -> (Flow, FrctCarrier<T>) {
    let FrctConfig {
        qos, machine, queue, ..
    } = config;
    let (mut flow, (incoming, outgoing)) = Flow::new(name, qos, queue, |incoming| {
        let outgoing = SharedPipe::new(incoming.reader(), queue);
        let pipes = (Arc::clone(incoming), Arc::clone(&outgoing));
        (Outlet::Pipe(outgoing), pipes)
    });
    let room = config
        .max_message
        .saturating_sub(HEADER_LEN + protection.overhead());
    flow.limit_packets(room.min(machine.max_bytes()).min(queue.max_packet()));
    // No secret: a first number only keeps runs apart, and is as good as any where there is no randomness.
    let first = Sequence::new(getrandom::u32().unwrap_or_default());
    let carrier = FrctCarrier {
        transport,
        protection,
        machine: Machine::new(machine, first),
        incoming,
        outgoing,
        out: Out::Open,
        waiting: None,
        arrived: None,
        given: 0,
        is_unflushed: false,
        is_keepalive_due: false,
        ending: None,
        liveness: Liveness::new(Instant::ZERO, qos.timeout()),
        alarm: Alarm::new(),
        stats: FrctStats::default(),
    };
    (flow, carrier)
}

/// Counters of a carrier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FrctStats {
    /// Those of the machine.
    pub machine: Stats,
    /// Those of the protection.
    pub protection: ProtectStats,
    /// Keepalives sent.
    pub keepalives_sent: u64,
    /// Packets that arrived when the application did not read any more: dropped.
    pub unwanted: u64,
    /// Packets that arrived and are longer than the flow's queue can hold: dropped.
    pub too_long: u64,
}

/// Who ended a flow that was carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrctEnd {
    /// The application, which has let go of both halves; everything it wrote was acknowledged, if the flow is
    /// reliable.
    Application,
    /// The peer, which closed the transport.
    Peer,
    /// The peer's silence for the flow's timeout.
    Silence,
    /// The machine, which gave up.
    Down(super::DownReason),
}

/// Why a flow could not be carried on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrctError<E> {
    /// The transport failed.
    #[error("the transport failed: {0}")]
    Transport(E),
    /// There is no randomness, without which nothing can be sealed.
    #[error("no random bytes to seal a packet with")]
    NoRandomness,
}

/// How the packets of the application are doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Out {
    /// More may come.
    Open,
    /// None will.
    Ended,
}

/// Whether a step moved something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Moved,
    Waits,
}

/// Carries a flow over a transport by FRCT; a future that is ready when the flow has ended. See [`carry`].
///
/// Dropping it ends the flow: the application reads what has arrived, then the end.
#[derive(Debug)]
#[must_use = "nothing moves unless it is polled"]
pub struct FrctCarrier<T> {
    transport: T,
    protection: Protection,
    machine: Machine,
    incoming: Arc<SharedPipe>,
    outgoing: Arc<SharedPipe>,
    out: Out,
    /// A packet of the application for which the machine has no room.
    waiting: Option<Bytes>,
    /// A packet for the application for which its queue has no room.
    arrived: Option<Bytes>,
    /// Packets that the application was given and has not read, as far as the machine was told.
    given: usize,
    is_unflushed: bool,
    is_keepalive_due: bool,
    /// Nothing more will arrive; what has is still to be given.
    ending: Option<FrctEnd>,
    liveness: Liveness,
    alarm: Alarm,
    stats: FrctStats,
}

impl<T, E> FrctCarrier<T>
where
    T: Stream<Item = Result<Bytes, E>> + Sink<Bytes, Error = E> + Unpin,
{
    /// From the application to the machine.
    fn step_write(&mut self, cx: &Context<'_>) -> Step {
        let packet = match self.waiting.take() {
            Some(packet) => packet,
            None if self.out == Out::Ended => return Step::Waits,
            None => match self
                .outgoing
                .poll_as_reader(cx, |pipe| pipe.pop_to_carry().transpose())
            {
                Poll::Ready(Ok(packet)) => packet,
                Poll::Ready(Err(_end)) => {
                    self.out = Out::Ended;
                    return Step::Moved;
                }
                Poll::Pending => return Step::Waits,
            },
        };
        match self.machine.send(self.alarm.now(), packet.clone()) {
            Ok(()) => Step::Moved,
            Err(SendError::Full) => {
                self.waiting = Some(packet);
                Step::Waits
            }
            // The flow ends, and says so.
            Err(_) => Step::Waits,
        }
    }

    /// From the machine to the transport.
    fn step_send(&mut self, cx: &mut Context<'_>) -> Result<Step, FrctError<E>> {
        let mut transport = Pin::new(&mut self.transport);
        if transport
            .as_mut()
            .poll_ready(cx)
            .map_err(FrctError::Transport)?
            .is_pending()
        {
            return Ok(Step::Waits);
        }
        let now = self.alarm.now();
        let message = match self.machine.poll_transmit(now) {
            Some(transmit) => {
                let mut iv = [0; IV_LEN];
                if self.protection.needs_iv() {
                    getrandom::fill(&mut iv).map_err(|_| FrctError::NoRandomness)?;
                }
                let header = transmit.header.encode();
                self.protection.protect(&[&header, &transmit.payload], || iv)
            }
            None if self.is_keepalive_due => {
                self.stats.keepalives_sent += 1;
                Bytes::new()
            }
            None => {
                let flushed =
                    !self.is_unflushed || transport.poll_flush(cx).map_err(FrctError::Transport)?.is_ready();
                self.is_unflushed = !flushed;
                return Ok(Step::Waits);
            }
        };
        transport.start_send(message).map_err(FrctError::Transport)?;
        (self.is_keepalive_due, self.is_unflushed) = (false, true);
        self.liveness.handle_sent(now);
        Ok(Step::Moved)
    }

    /// As [`step_send`](Self::step_send), but of a transport that is over nothing is expected any more.
    fn step_send_or_end(&mut self, cx: &mut Context<'_>) -> Result<Step, FrctError<E>> {
        if self.ending.is_some_and(|end| end != FrctEnd::Application) {
            return Ok(Step::Waits);
        }
        match self.step_send(cx) {
            Err(FrctError::Transport(_)) if matches!(self.machine.state(), State::Quiet | State::Closed) => {
                self.ending = Some(FrctEnd::Application);
                Ok(Step::Moved)
            }
            step => step,
        }
    }

    /// From the transport to the machine.
    fn step_receive(&mut self, cx: &mut Context<'_>) -> Result<Step, FrctError<E>> {
        if self.ending.is_some() {
            return Ok(Step::Waits);
        }
        let message = match Pin::new(&mut self.transport).poll_next(cx) {
            Poll::Pending => return Ok(Step::Waits),
            Poll::Ready(None) => {
                self.ending = Some(match self.machine.state() {
                    State::Quiet | State::Closed => FrctEnd::Application,
                    _ => FrctEnd::Peer,
                });
                return Ok(Step::Moved);
            }
            Poll::Ready(Some(message)) => message.map_err(FrctError::Transport)?,
        };
        // What is refused is counted, and proves nothing of the peer.
        if let Ok(packet) = self.protection.unprotect(message) {
            let now = self.alarm.now();
            self.liveness.handle_received(now);
            let _counted = self.machine.handle_packet(now, packet);
        }
        Ok(Step::Moved)
    }

    /// From the machine to the application, and back how much of it was read.
    fn step_read(&mut self, cx: &Context<'_>) -> Step {
        let step = self.tell_read(cx);
        let Some(packet) = self.arrived.take().or_else(|| self.machine.take()) else {
            return step;
        };
        let write = |pipe: &mut Pipe| match pipe.write(packet.clone()) {
            Err(WriteError::WouldBlock) => None,
            written => Some(written),
        };
        match self.incoming.poll_as_writer(cx, write) {
            Poll::Pending => {
                self.arrived = Some(packet);
                return step;
            }
            Poll::Ready(Ok(())) => self.given += 1,
            Poll::Ready(Err(error)) => {
                match error {
                    WriteError::TooLong { .. } => self.stats.too_long += 1,
                    _ => self.stats.unwanted += 1,
                }
                self.machine.read(self.alarm.now(), 1);
            }
        }
        Step::Moved
    }

    fn tell_read(&mut self, cx: &Context<'_>) -> Step {
        let given = self.given;
        let unread = self
            .incoming
            .poll_as_writer(cx, |pipe| (pipe.len() < given).then(|| pipe.len()));
        let Poll::Ready(unread) = unread else {
            return Step::Waits;
        };
        self.machine.read(self.alarm.now(), given - unread);
        self.given = unread;
        Step::Moved
    }

    /// Events, the end, keepalives and silence; waits for the next deadline.
    fn step_time(&mut self, cx: &mut Context<'_>) -> Step {
        let now = self.alarm.now();
        self.machine.handle_timeout(now);
        self.take_events();
        if self.machine.unacknowledged() + self.machine.unsent() == 0 && self.waiting.is_none() {
            self.tell_arrived();
        }
        let is_written = self.out == Out::Ended && self.waiting.is_none();
        if self.machine.state() == State::Open && is_written && self.is_unread(cx) {
            self.machine.close(now);
            return Step::Moved;
        }
        self.liveness.handle_timeout(now);
        match self.liveness.poll_due() {
            Some(Due::Keepalive) => {
                self.is_keepalive_due = true;
                return Step::Moved;
            }
            Some(Due::PeerGone) => {
                self.ending.get_or_insert(FrctEnd::Silence);
                return Step::Moved;
            }
            None => {}
        }
        let timers = [self.machine.poll_timeout(), self.liveness.poll_timeout()];
        match self.alarm.poll_at(cx, timers.into_iter().flatten().min()) {
            Poll::Ready(()) => Step::Moved,
            Poll::Pending => Step::Waits,
        }
    }

    fn take_events(&mut self) {
        while self.protection.poll_event().is_some() {} // in the counters
        while let Some(event) = self.machine.poll_event() {
            match event {
                Event::Skipped { count } => self.incoming.as_writer(|pipe| pipe.lose(count)),
                Event::Down {
                    reason,
                    unacknowledged,
                    unsent,
                } => {
                    let lost = u64::try_from(unacknowledged + unsent).unwrap_or(u64::MAX);
                    self.outgoing.as_reader(|pipe| pipe.lose_beyond(lost));
                    self.ending = Some(FrctEnd::Down(reason));
                }
                Event::Closed {
                    unacknowledged,
                    unsent,
                } => {
                    let lost = u64::try_from(unacknowledged + unsent).unwrap_or(u64::MAX);
                    self.outgoing.as_reader(|pipe| match lost {
                        0 => pipe.arrived(),
                        lost => pipe.lose_beyond(lost),
                    });
                    self.ending.get_or_insert(FrctEnd::Application);
                }
                Event::Discarded { .. } => {} // in the counters
            }
        }
    }

    /// Everything that was written has arrived, as far as one can know.
    fn tell_arrived(&self) {
        if self.outgoing.look(Pipe::is_carrying) && !self.machine.is_over() {
            self.outgoing.as_reader(Pipe::arrived);
        }
    }

    /// Whether the application has let go of its reading half; asks to be woken when it does.
    fn is_unread(&self, cx: &Context<'_>) -> bool {
        let gone = |pipe: &mut Pipe| (pipe.refusal() == Some(WriteError::Deallocated)).then_some(());
        self.incoming.poll_as_writer(cx, gone).is_ready()
    }

    /// The end, once everything that arrived was given to the application and the last packet has left.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<FrctEnd, FrctError<E>>> {
        let Some(end) = self.ending else {
            return Poll::Pending;
        };
        if self.arrived.is_some() || self.machine.readable() > 0 {
            return Poll::Pending;
        }
        if end == FrctEnd::Application {
            let _all_was_acknowledged = ready!(Pin::new(&mut self.transport).poll_close(cx));
        }
        Poll::Ready(Ok(end))
    }

    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<Result<FrctEnd, FrctError<E>>> {
        for _ in 0..TURNS {
            let steps = [
                self.step_receive(cx)?,
                self.step_read(cx),
                self.step_write(cx),
                self.step_time(cx),
                self.step_send_or_end(cx)?,
            ];
            if let Poll::Ready(over) = self.poll_end(cx) {
                return Poll::Ready(over);
            }
            if steps.iter().all(|step| *step == Step::Waits) {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<T> FrctCarrier<T> {
    /// Counters.
    #[must_use]
    pub const fn stats(&self) -> FrctStats {
        FrctStats {
            machine: self.machine.stats(),
            protection: self.protection.stats(),
            ..self.stats
        }
    }

    /// Tells the application that the flow is over.
    fn end(&self, end: End) {
        self.incoming.as_writer(|pipe| pipe.end(end));
        self.outgoing.let_go(end);
    }
}

impl<T, E> Future for FrctCarrier<T>
where
    T: Stream<Item = Result<Bytes, E>> + Sink<Bytes, Error = E> + Unpin,
{
    /// Who ended the flow, or why it could not be carried on; the application sees the latter, and a machine
    /// that gave up, as a reset.
    type Output = Result<FrctEnd, FrctError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let over = ready!(self.as_mut().get_mut().poll_over(cx));
        self.end(match over {
            Ok(FrctEnd::Silence) => End::Silent,
            Ok(FrctEnd::Application | FrctEnd::Peer) => End::Dealloc,
            Ok(FrctEnd::Down(_)) | Err(_) => End::Reset,
        });
        Poll::Ready(over)
    }
}

impl<T> Drop for FrctCarrier<T> {
    fn drop(&mut self) {
        self.end(End::Dealloc);
    }
}
