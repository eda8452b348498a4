//! A node on a virtual bus.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::time::Sleep;

use super::controller::PortId;
use super::{BusConfig, VirtualBus};
use crate::error_frame::BusState;
use crate::filter::FilterSet;
use crate::frame::CanFrame;
use crate::link::{
    CanRx, CanTx, Capabilities, Echo, EventBuf, FilterPlace, Link, LinkError, OwnEcho, SendError, whole_link,
};

/// What happens to a frame for a port whose receive queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Overflow {
    /// It is lost for this port alone, and counted in the next `Dropped` event.
    #[default]
    Drop,
    /// The bus waits. One stalled port stalls every sender: for tests that must not lose.
    Block,
}

/// How a port joins the bus.
#[derive(Clone, Copy, Debug)]
pub struct PortConfig {
    pub(super) echo: Echo,
    pub(super) overflow: Overflow,
    pub(super) receive_queue: usize,
    pub(super) transmit_queue: usize,
}

impl Default for PortConfig {
    fn default() -> Self {
        Self {
            echo: Echo::Off,
            overflow: Overflow::Drop,
            receive_queue: 8_192,
            transmit_queue: 64,
        }
    }
}

impl PortConfig {
    /// Whether own frames come back. Default: [`Echo::Off`].
    #[must_use]
    pub const fn echo(self, echo: Echo) -> Self {
        Self { echo, ..self }
    }

    /// What happens when the receive queue is full. Default: [`Overflow::Drop`].
    #[must_use]
    pub const fn overflow(self, overflow: Overflow) -> Self {
        Self { overflow, ..self }
    }

    /// Frames the receive queue holds; 0 counts as 1. Default: 8192. Events beside frames have 64 further
    /// places.
    #[must_use]
    pub const fn receive_queue(self, frames: usize) -> Self {
        Self {
            receive_queue: if frames == 0 { 1 } else { frames },
            ..self
        }
    }

    /// Frames the transmit queue holds; 0 counts as 1. Default: 64.
    #[must_use]
    pub const fn transmit_queue(self, frames: usize) -> Self {
        Self {
            transmit_queue: if frames == 0 { 1 } else { frames },
            ..self
        }
    }
}

/// Membership; the port leaves the bus when the last half is dropped.
#[derive(Debug)]
struct Member {
    bus: VirtualBus,
    id: PortId,
    echo: Echo,
}

impl Drop for Member {
    fn drop(&mut self) {
        self.bus.lock().leave(self.id, VirtualBus::now());
    }
}

/// A timer that wakes the task when the frame on the wire ends.
#[derive(Debug, Default)]
struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Arranges a wake-up at `deadline`; true when it has passed already.
    fn set(&mut self, cx: &mut Context<'_>, deadline: Option<Instant>) -> bool {
        let Some(deadline) = deadline else {
            self.0 = None;
            return false;
        };
        let deadline = tokio::time::Instant::from_std(deadline);
        let sleep = self
            .0
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        sleep.as_mut().poll(cx).is_ready()
    }
}

/// The receiving half of a port.
#[derive(Debug)]
pub struct VirtualRx {
    member: Arc<Member>,
    alarm: Alarm,
}

/// The sending half of a port.
#[derive(Debug)]
pub struct VirtualTx {
    member: Arc<Member>,
    alarm: Alarm,
    closed: bool,
}

/// A node on a [`VirtualBus`]; leaves it when dropped.
#[derive(Debug)]
pub struct VirtualPort {
    rx: VirtualRx,
    tx: VirtualTx,
}

impl VirtualPort {
    pub(super) fn join(bus: VirtualBus, config: PortConfig) -> Self {
        let id = bus.lock().join(config);
        let member = Arc::new(Member {
            bus,
            id,
            echo: config.echo,
        });
        let rx = VirtualRx {
            member: Arc::clone(&member),
            alarm: Alarm::default(),
        };
        Self {
            rx,
            tx: VirtualTx {
                member,
                alarm: Alarm::default(),
                closed: false,
            },
        }
    }

    /// The two halves; the port leaves the bus when both are dropped.
    #[must_use]
    pub fn split(self) -> (VirtualRx, VirtualTx) {
        (self.rx, self.tx)
    }

    /// The port as a boxed [`Link`].
    #[must_use]
    pub fn into_link(self) -> Link {
        Link::new(self.rx, self.tx)
    }

    /// Puts this port's controller into `state`, to play bus-off and recovery. Bus-off loses what is queued.
    pub fn set_state(&self, state: BusState) {
        self.rx.set_state(state);
    }
}

impl VirtualRx {
    /// Puts this port's controller into `state`; see [`VirtualPort::set_state`].
    pub fn set_state(&self, state: BusState) {
        let member = &self.member;
        member.bus.lock().set_state(member.id, state, VirtualBus::now());
    }
}

impl CanRx for VirtualRx {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut EventBuf,
        max: usize,
    ) -> Poll<Result<usize, LinkError>> {
        loop {
            let deadline = {
                let mut medium = self.member.bus.lock();
                if let Some(moved) = medium.recv(self.member.id, out, max, VirtualBus::now(), cx.waker()) {
                    return Poll::Ready(Ok(moved));
                }
                medium.deadline()
            };
            if !self.alarm.set(cx, deadline) {
                return Poll::Pending;
            }
        }
    }

    fn set_filters(&mut self, filters: &FilterSet) -> Result<FilterPlace, LinkError> {
        self.member
            .bus
            .lock()
            .set_filters(self.member.id, filters, VirtualBus::now());
        Ok(FilterPlace::Software)
    }

    fn capabilities(&self) -> Capabilities {
        let BusConfig { capabilities, .. } = *self.member.bus.lock().config();
        match self.member.echo {
            Echo::On => capabilities,
            Echo::Off => Capabilities {
                own_echo: OwnEcho::None,
                ..capabilities
            },
        }
    }
}

impl CanTx for VirtualTx {
    fn poll_send(&mut self, cx: &mut Context<'_>, frames: &[CanFrame]) -> Poll<Result<usize, SendError>> {
        if self.closed {
            return Poll::Ready(Err(SendError::Closed));
        }
        if frames.is_empty() {
            return Poll::Ready(Ok(0));
        }
        loop {
            let deadline = {
                let mut medium = self.member.bus.lock();
                match medium.send(self.member.id, frames, VirtualBus::now(), cx.waker())? {
                    0 => medium.deadline(),
                    taken => return Poll::Ready(Ok(taken)),
                }
            };
            if !self.alarm.set(cx, deadline) {
                return Poll::Pending;
            }
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        loop {
            let deadline = {
                let mut medium = self.member.bus.lock();
                if medium.flushed(self.member.id, VirtualBus::now(), cx.waker())? {
                    return Poll::Ready(Ok(()));
                }
                medium.deadline()
            };
            if !self.alarm.set(cx, deadline) {
                return Poll::Pending;
            }
        }
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let flushed = ready!(self.poll_flush(cx));
        self.closed = true;
        Poll::Ready(flushed)
    }
}

whole_link!(VirtualPort);
