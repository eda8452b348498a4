//! The task of one flow: reads its socket, writes what had to wait, keeps time.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker, ready};
use core::time::Duration;
use std::io;

use bytes::{Bytes, BytesMut};
use tinwire_time::{Instant, Timer};
use tokio::net::UnixStream;
use tokio::time::Sleep;

use super::buffers::{Buffers, CHUNK};
use super::frame::{Frame, Reads};
use super::link::{Breach, Incoming};
use super::shared::{Link, Way};
use super::socket::Socket;
use crate::flow::FlowState;
use crate::liveness::Due;
use crate::pipe::{Delivered, End, Mark, Urgency};

/// Turns before other tasks run.
const TURNS: usize = 16;
/// When the peer is told of what was read, at the latest.
const TELL_WITHIN: Duration = Duration::from_millis(10);
/// How long the peer may take to accept what was written before the application let go.
const LINGER: Duration = Duration::from_secs(10);
/// Pause before writing is tried again when no descriptor can be had to wait with.
const RETRY: Duration = Duration::from_millis(5);
/// An unfinished frame up to this length is kept in a buffer of its own.
const SMALL_REST: usize = 4 * 1024;

/// How a flow ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// This side let go, and the peer has what was written.
    Here,
    /// This side let go, and the peer did not take what was written in time.
    Discarded,
    /// The peer let go.
    There,
    /// The peer's process ended, or it closed the connection without a word.
    Killed,
    /// The peer was silent for the flow's timeout.
    Silent,
    /// The peer broke the rules.
    Broken(Breach),
}

/// Counters of a driver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct DriverStats {
    /// Packets that arrived after the application had let go of its reading half.
    pub(super) unwanted: u64,
    pub(super) keepalives_sent: u64,
}

/// Drives one end of a connection; a future that is ready when the flow is over.
#[derive(Debug)]
pub(super) struct Driver {
    link: Arc<Link>,
    buffers: Arc<Buffers>,
    max_packet: usize,
    /// What was read and is no whole frame yet.
    input: BytesMut,
    /// Packets of one reading.
    packets: Vec<Bytes>,
    urgency: Urgency,
    tell: Timer,
    linger: Timer,
    /// When to try to write again, for want of a way to be told.
    retry: Timer,
    alarm: Option<Pin<Box<Sleep>>>,
    stats: DriverStats,
    over: Option<Over>,
}

/// What a step came to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Moved,
    Waits,
}

impl Driver {
    /// Drives `link` over `stream`, which brings packets of at most `max_packet` bytes.
    pub(super) fn new(link: Arc<Link>, stream: UnixStream, buffers: Arc<Buffers>, max_packet: usize) -> Self {
        // without a socket, reading says that the peer is gone
        link.lock().way = Socket::new(stream).map_or(Way::Closed, Way::Open);
        Self {
            link,
            buffers,
            max_packet,
            input: BytesMut::new(),
            packets: Vec::new(),
            urgency: Urgency::Usual,
            tell: Timer::stopped(),
            linger: Timer::stopped(),
            retry: Timer::stopped(),
            alarm: None,
            stats: DriverStats::default(),
            over: None,
        }
    }

    pub(super) const fn stats(&self) -> DriverStats {
        self.stats
    }

    /// From the socket to the application. A socket that ends is over only once all it brought is told.
    fn step_in(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<Step, Over> {
        if self.input.capacity() == 0 {
            self.input = self.buffers.take();
        } else if self.input.capacity() - self.input.len() < CHUNK / 4 {
            // doubles with what has arrived, never with what is told
            self.input.reserve(self.input.len().max(CHUNK));
        }
        let read = match &mut self.link.lock().way {
            Way::Open(socket) => socket.poll_read(cx, &mut self.input),
            Way::Awaited | Way::Closed => Poll::Ready(Ok(0)),
        };
        match read {
            Poll::Pending => Ok(Step::Waits),
            Poll::Ready(Ok(0)) => Err(self.closed()),
            Poll::Ready(Ok(_)) => self.take_input(now).map(|()| Step::Moved).map_err(Over::Broken),
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => Ok(Step::Moved),
            Poll::Ready(Err(_)) => Err(self.closed()),
        }
    }

    /// What the end of the socket means.
    fn closed(&self) -> Over {
        match self.link.lock().machine.closed() {
            End::Dealloc => Over::There,
            _ => Over::Killed,
        }
    }

    /// Takes the whole frames off the input.
    fn take_input(&mut self, now: Instant) -> Result<(), Breach> {
        let (mut mark, mut end, mut news) = (None, false, false);
        let (writer, taken) = {
            let mut state = self.link.lock();
            state.liveness.handle_received(now);
            let taken = loop {
                let frame = match Frame::decode(&mut self.input, self.max_packet) {
                    Ok(Some(frame)) => frame,
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(Breach::Frame(error)),
                };
                match state.machine.handle_frame(frame) {
                    Ok(Incoming::Packet(packet)) => self.packets.push(packet),
                    Ok(Incoming::Mark(marked)) => (mark, news) = (Some(marked), true),
                    Ok(Incoming::End) => end = true,
                    Ok(Incoming::News) => news = true,
                    Ok(Incoming::Asks) => self.urgency = Urgency::Next,
                    Ok(Incoming::Nothing) => {}
                    Err(breach) => break Err(breach),
                }
            };
            (if news { state.take_writer() } else { None }, taken)
        };
        writer.into_iter().for_each(Waker::wake);
        let mut delivered = Ok(());
        if !self.packets.is_empty() || mark.is_some() || end {
            let (packets, unwanted) = (&mut self.packets, &mut self.stats.unwanted);
            delivered = self.link.inbound.as_writer(|pipe| {
                for packet in packets.drain(..) {
                    match pipe.deliver(packet) {
                        Ok(Delivered::Queued) => {}
                        Ok(Delivered::Unwanted) => *unwanted += 1,
                        Err(_) => return Err(Breach::BeyondWindow),
                    }
                }
                match mark {
                    Some(FlowState::Up) => pipe.mark_by_writer(Mark::Up),
                    Some(FlowState::Down) => pipe.mark_by_writer(Mark::Down),
                    None => {}
                }
                if end {
                    pipe.end(End::Dealloc);
                }
                Ok(())
            });
        }
        delivered.and(taken)
    }

    /// From this side to the socket.
    fn step_out(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<Step, Over> {
        if self.tell.fire(now) && self.urgency == Urgency::Usual {
            self.urgency = Urgency::Next;
        }
        let mut state = self.link.lock();
        state.turn(cx);
        // a peer that takes nothing is told nothing: what waits for it does not grow
        let full = matches!(&state.way, Way::Open(socket) if socket.is_full());
        let urgency = if full {
            None
        } else {
            Some(core::mem::replace(&mut self.urgency, Urgency::Usual))
        };
        let (news, reads) = self.link.inbound.note_as_writer(Some(cx), |pipe| {
            let news = urgency.map(|urgency| pipe.take_news(urgency));
            (news.unwrap_or_default(), pipe.reads())
        });
        state.put_news(news.read, news.reads);
        if !news.more {
            self.tell.stop();
        } else if self.tell.deadline().is_none() {
            self.tell.start(now + TELL_WITHIN);
        }
        state.liveness.handle_timeout(now);
        match state.liveness.poll_due() {
            Some(Due::Keepalive) if !state.output.is_empty() => {} // what waits is as good
            Some(Due::Keepalive) => {
                state.output.put_frame(&Frame::Alive);
                self.stats.keepalives_sent += 1;
            }
            Some(Due::PeerGone) => return Err(Over::Silent),
            None => {}
        }
        let waiting = state.output.len();
        if waiting > 0 {
            state.flush();
            if state.output.len() < waiting {
                state.liveness.handle_sent(now);
            }
        }
        let let_go = state.released && reads == Reads::Never;
        if state.output.is_empty() {
            self.linger.stop();
            return if let_go { Err(Over::Here) } else { Ok(Step::Waits) };
        }
        if let_go {
            if self.linger.fire(now) {
                return Err(Over::Discarded);
            }
            if self.linger.deadline().is_none() {
                self.linger.start(now + LINGER);
            }
        }
        let Way::Open(socket) = &mut state.way else {
            return Ok(Step::Waits);
        };
        if self.retry.fire(now) {
            socket.suppose_room();
        }
        Ok(match socket.poll_room(cx) {
            Poll::Ready(Ok(())) => Step::Moved,
            Poll::Ready(Err(_)) => {
                self.retry.start(now + RETRY);
                Step::Waits
            }
            Poll::Pending => Step::Waits,
        })
    }

    /// Waits for the next deadline. An alarm that was set for an earlier one is left as it is, and rings for
    /// nothing.
    fn step_time(&mut self, cx: &mut Context<'_>) -> Step {
        let alive = self.link.lock().liveness.poll_timeout();
        let own = [&self.tell, &self.linger, &self.retry].map(Timer::deadline);
        let Some(deadline) = own.into_iter().chain([alive]).flatten().min() else {
            return Step::Waits;
        };
        let Some(deadline) = self.link.origin().deadline(deadline) else {
            return Step::Waits;
        };
        let deadline = tokio::time::Instant::from_std(deadline);
        let alarm = match &mut self.alarm {
            Some(alarm) if !alarm.is_elapsed() && alarm.deadline() <= deadline => alarm,
            Some(alarm) => {
                alarm.as_mut().reset(deadline);
                alarm
            }
            none => none.insert(Box::pin(tokio::time::sleep_until(deadline))),
        };
        match alarm.as_mut().poll(cx) {
            Poll::Ready(()) => Step::Moved,
            Poll::Pending => Step::Waits,
        }
    }

    /// Gives the big buffer back when there is nothing, or little, in it.
    fn rest(&mut self) {
        if self.input.capacity() > 0 && self.input.len() <= SMALL_REST {
            let small = if self.input.is_empty() {
                BytesMut::new()
            } else {
                BytesMut::from(&*self.input)
            };
            self.buffers.give(core::mem::replace(&mut self.input, small));
        }
    }

    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<Over> {
        let mut now = self.link.now();
        for _ in 0..TURNS {
            let step_in = match self.step_in(cx, now) {
                Ok(Step::Moved) => continue, // all that came first: what is told of it is less then
                Ok(Step::Waits) => Step::Waits,
                Err(over) => return Poll::Ready(over),
            };
            let step_out = match self.step_out(cx, now) {
                Ok(step) => step,
                Err(over) => return Poll::Ready(over),
            };
            let steps = [step_in, step_out, self.step_time(cx)];
            if steps == [Step::Waits; 3] {
                self.rest();
                return Poll::Pending;
            }
            now = self.link.now();
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Tells the application how the flow is over.
    fn tell(&mut self, over: Over) {
        self.over = Some(over);
        let (inbound, outbound) = match over {
            Over::Here | Over::Discarded | Over::There => (End::Dealloc, End::Dealloc),
            Over::Killed | Over::Silent => (End::Silent, End::Silent),
            Over::Broken(_) => (End::Reset, End::Reset),
        };
        self.link.over(inbound, outbound);
    }
}

impl Future for Driver {
    type Output = Over;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Over> {
        let over = ready!(self.poll_over(cx));
        self.tell(over);
        Poll::Ready(over)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if self.over.is_none() {
            self.tell(Over::There); // its runtime is gone
        }
    }
}

#[cfg(test)]
mod tests;
