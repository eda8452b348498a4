//! A flow over something else: any `Stream` and `Sink` of messages becomes the other end of a [`Flow`].
//!
//! This is what a provider of another protocol is made of: it opens its channel, makes a flow of it with
//! [`carry`], hands the flow to the application and runs the [`Carrier`] in a task. Messages must keep their
//! borders: a PDU stream, or `tokio_util`'s `Framed` over a byte stream.
//!
//! Where the flow's timeout is not off, an empty message is a keepalive: one is sent after a quarter of the
//! timeout without any other, and a peer that sends nothing for the whole timeout is gone. What counts is
//! arrival; while the application's queue is full the carrier does not listen, and holds nobody for silent.

use alloc::sync::Arc;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use futures_sink::Sink;
use tinwire_time::Instant;

use crate::alarm::Alarm;
use crate::error::WriteError;
use crate::flow::{Access, Flow, Outlet};
use crate::liveness::{Due, Liveness};
use crate::name::Name;
use crate::pipe::{End, Pipe, SharedPipe};
use crate::qos::{PeerTimeout, QosSpec};
use crate::queue::QueueConfig;

/// Turns of a carrier before it lets other tasks run.
const TURNS: usize = 64;

/// How a flow is carried.
#[derive(Clone, Copy, Debug, Default)]
pub struct CarryConfig {
    queue: QueueConfig,
    keepalive: Option<PeerTimeout>,
    max_packet: Option<usize>,
    access: Access,
}

impl CarryConfig {
    /// Limits of the two queues between application and transport. Default: 256 packets and 1 MiB each.
    #[must_use]
    pub const fn queue(self, queue: QueueConfig) -> Self {
        Self { queue, ..self }
    }

    /// Within what time silence tells that the peer is gone, and hence how often to send empty messages.
    /// Default: the flow's timeout. [`PeerTimeout::OFF`] where the transport notices by itself, or where an
    /// empty message cannot be sent.
    #[must_use]
    pub const fn keepalive(self, timeout: PeerTimeout) -> Self {
        Self {
            keepalive: Some(timeout),
            ..self
        }
    }

    /// The longest packet that the transport takes, in bytes. Default: what the queue can hold.
    #[must_use]
    pub const fn max_packet(self, len: usize) -> Self {
        Self {
            max_packet: Some(len),
            ..self
        }
    }

    /// What the application may do with the flow, where the transport goes one way. Default: read and write.
    #[must_use]
    pub const fn access(self, access: Access) -> Self {
        Self { access, ..self }
    }
}

/// Where a transport tells what befell its messages; the application sees it in its counters and events.
#[derive(Clone, Debug)]
pub struct Losses {
    incoming: Arc<SharedPipe>,
    outgoing: Arc<SharedPipe>,
}

impl Losses {
    /// Messages for the application got lost.
    pub fn handle_lost_incoming(&self, count: u64) {
        self.incoming.as_writer(|pipe| pipe.lose(count));
    }

    /// The transport has noticed by itself that the peer is gone, and will end: that is the flow's end too.
    pub fn handle_silence(&self) {
        self.incoming.as_writer(|pipe| pipe.end(End::Silent));
        self.outgoing.let_go(End::Silent);
    }

    /// Waits until the application has read everything that arrived, or will not read it any more.
    pub fn poll_all_read(&self, cx: &Context<'_>) -> Poll<()> {
        self.incoming.poll_as_writer(cx, |pipe| pipe.drained().map(drop))
    }

    /// Messages of the application got lost.
    pub fn handle_lost_outgoing(&self, count: u64) {
        self.outgoing.as_reader(|pipe| pipe.lose_beyond(count));
    }
}

/// Makes a flow of `transport`. Nothing moves unless the [`Carrier`] is polled: spawn it.
///
/// `qos` is what the transport has, as [`QosSpec::grant`] gave it; its timeout decides on keepalives.
pub fn carry<T>(transport: T, name: &Name, qos: QosSpec, queue: QueueConfig) -> (Flow, Carrier<T>) {
    carry_with(name, qos, CarryConfig::default().queue(queue), |_losses| {
        transport
    })
}

/// As [`carry`], with all that can be set, for a transport that may want to tell of its losses.
///
/// An `Err` of the transport ends the flow as reset. What a transport can go on after is no `Err` but a loss.
pub fn carry_with<T>(
    name: &Name,
    qos: QosSpec,
    config: CarryConfig,
    transport: impl FnOnce(Losses) -> T,
) -> (Flow, Carrier<T>) {
    let queue = config.queue;
    let (mut flow, (incoming, outgoing)) = Flow::new(name, qos, queue, |incoming| {
        let outgoing = SharedPipe::new(incoming.reader(), queue);
        let pipes = (Arc::clone(incoming), Arc::clone(&outgoing));
        (Outlet::Pipe(outgoing), pipes)
    });
    if let Some(len) = config.max_packet {
        flow.limit_packets(len);
    }
    flow.set_access(config.access);
    let losses = Losses {
        incoming: Arc::clone(&incoming),
        outgoing: Arc::clone(&outgoing),
    };
    let carrier = Carrier {
        transport: transport(losses),
        incoming,
        outgoing,
        out: Out::Open,
        held: None,
        keepalive_due: false,
        unflushed: false,
        liveness: Liveness::new(Instant::ZERO, config.keepalive.unwrap_or_else(|| qos.timeout())),
        alarm: Alarm::new(),
        stats: CarrierStats::default(),
    };
    (flow, carrier)
}

/// Counters of a carrier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CarrierStats {
    /// Keepalives sent.
    pub keepalives_sent: u64,
    /// Keepalives received.
    pub keepalives_received: u64,
    /// Packets that arrived when the application did not read any more, or not for now: dropped.
    pub unwanted: u64,
    /// Packets that arrived and are longer than the flow's queue can hold: dropped.
    pub too_long: u64,
}

/// Who ended a flow that was carried in good order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndedBy {
    /// The application, which has let go of both halves.
    Application,
    /// The peer, which closed the transport.
    Peer,
    /// The peer's silence for the flow's timeout.
    Silence,
}

/// How the packets of the application are doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Out {
    /// More may come.
    Open,
    /// None will; the transport is to be closed.
    Ending,
    /// The transport is closed.
    Closed,
}

/// Carries a flow over a transport; a future that is ready when the flow has ended. See [`carry`].
///
/// Dropping it ends the flow: the application reads what has arrived, then the end.
#[derive(Debug)]
#[must_use = "nothing moves unless it is polled"]
pub struct Carrier<T> {
    transport: T,
    incoming: Arc<SharedPipe>,
    outgoing: Arc<SharedPipe>,
    out: Out,
    /// A packet that arrived and finds no room.
    held: Option<Bytes>,
    keepalive_due: bool,
    unflushed: bool,
    liveness: Liveness,
    alarm: Alarm,
    stats: CarrierStats,
}

/// What a step came to.
enum Step {
    /// Something moved.
    Moved,
    /// Nothing can move for now; who can move it has the waker.
    Waits,
    /// The flow is over.
    Over(EndedBy),
}

impl<T, E> Carrier<T>
where
    T: Stream<Item = Result<Bytes, E>> + Sink<Bytes, Error = E> + Unpin,
{
    fn now(&self) -> Instant {
        self.alarm.now()
    }

    /// From the application to the transport.
    fn step_out(&mut self, cx: &mut Context<'_>) -> Result<Step, E> {
        let mut transport = Pin::new(&mut self.transport);
        if self.out == Out::Open && transport.as_mut().poll_ready(cx)?.is_ready() {
            let next = self
                .outgoing
                .poll_as_reader(cx, |pipe| pipe.pop_to_carry().transpose());
            let message = match next {
                Poll::Ready(Ok(packet)) => packet,
                Poll::Ready(Err(_end)) => {
                    self.out = Out::Ending;
                    return Ok(Step::Moved);
                }
                Poll::Pending if self.keepalive_due => {
                    self.stats.keepalives_sent += 1;
                    Bytes::new()
                }
                Poll::Pending => return self.flush(cx),
            };
            transport.start_send(message)?;
            self.keepalive_due = false;
            self.unflushed = true;
            let now = self.now();
            self.liveness.handle_sent(now);
            return Ok(Step::Moved);
        }
        if self.out == Out::Ending && transport.poll_close(cx)?.is_ready() {
            self.out = Out::Closed;
            self.unflushed = false;
            self.outgoing.as_reader(Pipe::arrived);
            return Ok(Step::Moved);
        }
        Ok(Step::Waits)
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> Result<Step, E> {
        if self.unflushed && Pin::new(&mut self.transport).poll_flush(cx)?.is_ready() {
            self.unflushed = false;
        }
        Ok(Step::Waits)
    }

    /// From the transport to the application.
    fn step_in(&mut self, cx: &mut Context<'_>) -> Result<Step, E> {
        if let Some(held) = &self.held {
            let write = |pipe: &mut Pipe| match pipe.write(held.clone()) {
                Err(WriteError::WouldBlock) => None,
                written => Some(written),
            };
            let Poll::Ready(written) = self.incoming.poll_as_writer(cx, write) else {
                self.liveness.pause();
                return Ok(Step::Waits);
            };
            match written {
                Ok(()) => {}
                Err(WriteError::TooLong { .. }) => self.stats.too_long += 1,
                Err(_) => self.stats.unwanted += 1,
            }
            self.held = None;
            let now = self.now();
            self.liveness.handle_received(now);
        }
        if self.out == Out::Closed && self.is_unread(cx) {
            return Ok(Step::Over(EndedBy::Application));
        }
        match Pin::new(&mut self.transport).poll_next(cx)? {
            Poll::Pending => return Ok(Step::Waits),
            Poll::Ready(None) => return Ok(Step::Over(EndedBy::Peer)),
            Poll::Ready(Some(message)) if message.is_empty() => self.stats.keepalives_received += 1,
            Poll::Ready(Some(packet)) => self.held = Some(packet),
        }
        let now = self.now();
        self.liveness.handle_received(now);
        Ok(Step::Moved)
    }

    /// Whether the application has let go of its reading half; asks to be woken when it does.
    fn is_unread(&self, cx: &Context<'_>) -> bool {
        let gone = |pipe: &mut Pipe| (pipe.refusal() == Some(WriteError::Deallocated)).then_some(());
        self.incoming.poll_as_writer(cx, gone).is_ready()
    }

    /// Keepalives and silence; waits for the next deadline.
    fn step_time(&mut self, cx: &mut Context<'_>) -> Step {
        let now = self.now();
        self.liveness.handle_timeout(now);
        match self.liveness.poll_due() {
            Some(Due::Keepalive) => {
                self.keepalive_due = true;
                return Step::Moved;
            }
            Some(Due::PeerGone) => return Step::Over(EndedBy::Silence),
            None => {}
        }
        match self.alarm.poll_at(cx, self.liveness.poll_timeout()) {
            Poll::Ready(()) => Step::Moved,
            Poll::Pending => Step::Waits,
        }
    }

    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<Result<EndedBy, E>> {
        for _ in 0..TURNS {
            let steps = [self.step_out(cx)?, self.step_in(cx)?, self.step_time(cx)];
            if let Some(over) = steps.iter().find_map(Step::over) {
                return Poll::Ready(Ok(over));
            }
            if steps.iter().all(|step| matches!(step, Step::Waits)) {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Step {
    const fn over(&self) -> Option<EndedBy> {
        match self {
            Self::Over(by) => Some(*by),
            Self::Moved | Self::Waits => None,
        }
    }
}

impl<T> Carrier<T> {
    /// Counters.
    #[must_use]
    pub const fn stats(&self) -> CarrierStats {
        self.stats
    }

    /// Tells the application that the flow is over.
    fn end(&self, end: End) {
        self.incoming.as_writer(|pipe| pipe.end(end));
        self.outgoing.let_go(end);
    }
}

impl<T, E> Future for Carrier<T>
where
    T: Stream<Item = Result<Bytes, E>> + Sink<Bytes, Error = E> + Unpin,
{
    /// Who ended the flow, or why the transport failed; the application sees the latter as a reset.
    type Output = Result<EndedBy, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let over = ready!(self.as_mut().get_mut().poll_over(cx));
        self.end(match over {
            Ok(EndedBy::Silence) => End::Silent,
            Ok(EndedBy::Application | EndedBy::Peer) => End::Dealloc,
            Err(_) => End::Reset,
        });
        Poll::Ready(over)
    }
}

impl<T> Drop for Carrier<T> {
    fn drop(&mut self) {
        self.end(End::Dealloc);
    }
}
