//! What the ports and the task share: queues, and who waits for what. No I/O in here.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::task::Waker;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::HubPortConfig;
use super::seat::{PortId, Seat};
use crate::filter::{Filter, FilterSet, Join};
use crate::frame::CanFrame;
use crate::link::{Capabilities, DropReason, Echo, Event, EventBuf, LinkError, Origin, Received, SendError};

/// Echoes awaited at most; older ones are taken for the frames of others.
const MAX_ECHOES: usize = 1024;

/// The lock is never held across a poll of the link, and the state is consistent between calls.
pub(super) fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Somebody because of whom the task goes on: a hub or a port. The last one to be dropped ends it.
#[derive(Debug)]
pub(super) struct User(Arc<Mutex<Shared>>);

impl User {
    pub(super) fn new(shared: Shared) -> Self {
        Self(Arc::new(Mutex::new(Shared { users: 1, ..shared })))
    }

    pub(super) fn shared(&self) -> Arc<Mutex<Shared>> {
        Arc::clone(&self.0)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Shared> {
        lock(&self.0)
    }
}

impl Clone for User {
    fn clone(&self) -> Self {
        self.lock().users += 1;
        Self(Arc::clone(&self.0))
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let mut shared = self.lock();
        shared.users -= 1;
        if shared.users == 0 {
            shared.wake_task();
        }
    }
}

/// What happened to frames in a hub.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HubStats {
    /// Frames and events lost because a port's receive queue was full, summed over ports.
    pub dropped: u64,
    /// Frames still queued when their port was dropped.
    pub lost_in_queue: u64,
    /// Frames that the link refused. Each is told to its sender at its next send or flush; a sender that does
    /// neither is kept 64 of them.
    pub refused: u64,
}

/// Why the link no longer works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It ended.
    Closed,
    /// It failed, or the task that serves it was dropped.
    Gone,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) capabilities: Capabilities,
    pub(super) ports: Vec<Seat>,
    next_id: u64,
    /// Where the round of transmit queues goes on.
    next_turn: usize,
    /// Frames the link has taken, and how many of them are flushed.
    taken: u64,
    pub(super) flushed: u64,
    /// Frames whose echo the link still owes.
    echoes: VecDeque<(PortId, CanFrame)>,
    pub(super) filters_changed: bool,
    /// What the link was last told to deliver.
    pub(super) link_filters: FilterSet,
    pub(super) end: Option<End>,
    /// What the link failed with, for the first port that asks; the others are told that it is gone.
    failure: Option<LinkError>,
    pub(super) task: Option<Waker>,
    /// Hubs and ports that are alive.
    pub(super) users: usize,
    pub(super) stats: HubStats,
}

impl Shared {
    pub(super) fn new(capabilities: Capabilities) -> Self {
        let link_filters = FilterSet::default();
        Self {
            capabilities,
            ports: Vec::new(),
            next_id: 0,
            next_turn: 0,
            taken: 0,
            flushed: 0,
            echoes: VecDeque::new(),
            filters_changed: false,
            link_filters,
            end: None,
            failure: None,
            task: None,
            users: 0,
            stats: HubStats {
                dropped: 0,
                lost_in_queue: 0,
                refused: 0,
            },
        }
    }

    pub(super) fn join(&mut self, config: HubPortConfig) -> PortId {
        let id = PortId(self.next_id);
        self.next_id += 1;
        self.ports.push(Seat::new(id, config));
        self.filters_changed = true;
        self.wake_task();
        id
    }

    pub(super) fn leave(&mut self, id: PortId) {
        let lost = self.port(id).map_or(0, |port| port.tx.len());
        self.stats.lost_in_queue += u64::try_from(lost).unwrap_or(u64::MAX);
        self.ports.retain(|port| port.id != id);
        self.filters_changed = true;
        self.wake_task();
    }

    fn port(&mut self, id: PortId) -> Option<&mut Seat> {
        self.ports.iter_mut().find(|port| port.id == id)
    }

    pub(super) fn wake_task(&mut self) {
        if let Some(waker) = self.task.take() {
            waker.wake();
        }
    }

    pub(super) fn set_filters(&mut self, id: PortId, filters: &FilterSet) {
        if let Some(port) = self.port(id) {
            port.filters = filters.clone();
            self.filters_changed = true;
            self.wake_task();
        }
    }

    /// What the link must deliver so that every port gets what it wants.
    pub(super) fn union_of_filters(&self) -> FilterSet {
        if self.ports.iter().any(|port| port.filters.join() == Join::All) {
            return FilterSet::any([Filter::ALL]);
        }
        FilterSet::any(
            self.ports
                .iter()
                .flat_map(|port| port.filters.filters().iter().copied()),
        )
    }

    /// Takes a prefix of `frames`; `Ok(0)` means that the queue is full and `waker` is kept.
    pub(super) fn send(
        &mut self,
        id: PortId,
        frames: &[CanFrame],
        waker: &Waker,
    ) -> Result<usize, SendError> {
        let (end, capabilities) = (self.end, self.capabilities);
        let Some(port) = self.port(id) else {
            return Err(SendError::Closed);
        };
        if let Some(error) = port.errors.pop_front() {
            return Err(error);
        }
        if let Some(end) = end {
            return Err(end.into());
        }
        let mut taken = 0;
        for frame in frames {
            match capabilities.check(frame) {
                Err(error) if taken == 0 => return Err(error),
                Err(_) => break,
                Ok(()) => {}
            }
            if port.tx.len() >= port.config.transmit_queue {
                port.tx_waker = Some(waker.clone());
                break;
            }
            port.tx.push_back(frame.clone());
            taken += 1;
        }
        self.wake_task();
        Ok(taken)
    }

    /// Whether everything the port sent was flushed by the link; keeps `waker` otherwise.
    pub(super) fn is_flushed(&mut self, id: PortId, waker: &Waker) -> Result<bool, SendError> {
        let (end, flushed) = (self.end, self.flushed);
        let Some(port) = self.port(id) else {
            return Err(SendError::Closed);
        };
        if let Some(error) = port.errors.pop_front() {
            return Err(error);
        }
        if port.tx.is_empty() && port.in_hand == 0 && port.sent <= flushed {
            return Ok(true);
        }
        if let Some(end) = end {
            return Err(end.into());
        }
        port.tx_waker = Some(waker.clone());
        Ok(false)
    }

    /// Moves up to `max` events; `None` when there are none and `waker` is kept, `Some(0)` at the end. A link
    /// that failed is told to each port once.
    pub(super) fn recv(
        &mut self,
        id: PortId,
        out: &mut EventBuf,
        max: usize,
        waker: &Waker,
    ) -> Result<Option<usize>, LinkError> {
        let end = self.end;
        let failure = &mut self.failure;
        let Some(port) = self.ports.iter_mut().find(|port| port.id == id) else {
            return Ok(Some(0));
        };
        let mut moved = 0;
        while moved < max {
            let Some(event) = port.rx.pop_front() else { break };
            out.push_back(event);
            moved += 1;
        }
        if moved < max && port.dropped > 0 {
            let count = core::mem::take(&mut port.dropped);
            out.push_back(Event::Dropped {
                count,
                reason: DropReason::ReceiveQueueFull,
            });
            moved += 1;
        }
        if moved > 0 {
            return Ok(Some(moved));
        }
        match end {
            None => port.rx_waker = Some(waker.clone()),
            Some(End::Gone) if !port.told_failure => {
                port.told_failure = true;
                return Err(failure
                    .take()
                    .unwrap_or_else(|| LinkError::Gone { link: "hub".into() }));
            }
            Some(_) => return Ok(Some(0)),
        }
        Ok(None)
    }

    /// Takes up to `max` frames, one from each port in turn.
    pub(super) fn collect(&mut self, out: &mut VecDeque<(PortId, CanFrame)>, max: usize) {
        let mut empty = 0;
        while out.len() < max && empty < self.ports.len() {
            let turn = self.next_turn % self.ports.len();
            self.next_turn = turn + 1;
            let Some(port) = self.ports.get_mut(turn) else {
                break;
            };
            match port.tx.pop_front() {
                Some(frame) => {
                    empty = 0;
                    port.in_hand += 1;
                    port.wake_sender();
                    out.push_back((port.id, frame));
                }
                None => empty += 1,
            }
        }
    }

    /// The link has taken a frame of `id`. Ports on this host see it now, unless the link will echo it.
    pub(super) fn taken(&mut self, id: PortId, frame: CanFrame, echo: Option<&dyn Fn(CanFrame) -> Received>) {
        self.taken += 1;
        let taken = self.taken;
        if let Some(port) = self.port(id) {
            port.in_hand -= 1;
            port.sent = taken;
        }
        match echo {
            Some(received) => self.deliver_local(id, &received(frame)),
            // an echo that no port's filters let in never comes
            None if !self.link_filters.accepts(&frame) => {}
            None => {
                if self.echoes.len() >= MAX_ECHOES {
                    self.echoes.pop_front();
                }
                self.echoes.push_back((id, frame));
            }
        }
    }

    /// The link refused a frame of `id`, which is lost; its sender is told.
    pub(super) fn refused(&mut self, id: PortId, error: SendError) {
        self.stats.refused += 1;
        if let Some(port) = self.port(id) {
            port.in_hand -= 1;
            port.tell(error);
        }
    }

    /// What was taken since the last flush may not have got through; everybody who sent since then is told.
    pub(super) fn flush_failed(&mut self, error: &SendError) {
        let flushed = self.flushed;
        for port in self.ports.iter_mut().filter(|port| port.sent > flushed) {
            port.tell(kind_of(error));
        }
        self.all_flushed();
    }

    /// Everything that was taken so far is flushed.
    pub(super) fn all_flushed(&mut self) {
        self.flushed = self.taken;
        self.ports.iter_mut().for_each(Seat::wake_sender);
    }

    pub(super) const fn needs_flush(&self) -> bool {
        self.flushed < self.taken
    }

    /// Hands an event of the link to the ports that want it.
    pub(super) fn deliver(&mut self, event: &Event) {
        match event {
            Event::Frame(received) if received.origin == Origin::Own => {
                let at = self.echoes.iter().position(|(_, frame)| *frame == received.frame);
                // an echo nobody waits for was sent before this hub; it belongs to no port
                let sender = at
                    .and_then(|at| self.echoes.remove(at))
                    .map_or(PortId(u64::MAX), |(id, _)| id);
                self.deliver_local(sender, received);
            }
            Event::Frame(received) => {
                for port in self
                    .ports
                    .iter_mut()
                    .filter(|port| port.filters.accepts(&received.frame))
                {
                    self.stats.dropped += port.push(Event::Frame(received.clone()));
                }
            }
            Event::BusError(error) => {
                for port in &mut self.ports {
                    if port.filters.errors().intersects(error.report.classes()) {
                        self.stats.dropped += port.push(event.clone());
                    }
                }
            }
            other => {
                if matches!(other, Event::Dropped { .. } | Event::Link(_)) {
                    self.echoes.clear(); // some of them may never come
                }
                self.stats.dropped += self
                    .ports
                    .iter_mut()
                    .map(|port| port.push(other.clone()))
                    .sum::<u64>();
            }
        }
    }

    /// Hands a frame that port `sender` sent to the other ports, and to itself if it wants echoes.
    fn deliver_local(&mut self, sender: PortId, received: &Received) {
        for port in self
            .ports
            .iter_mut()
            .filter(|port| port.filters.accepts(&received.frame))
        {
            let origin = if port.id == sender {
                Origin::Own
            } else {
                Origin::LocalHost
            };
            if origin == Origin::LocalHost || port.config.echo == Echo::On {
                self.stats.dropped += port.push(Event::Frame(Received {
                    origin,
                    ..received.clone()
                }));
            }
        }
    }

    /// The link has ended: everybody is woken to see it. Only the first call counts.
    pub(super) fn finish(&mut self, failure: Option<LinkError>, end: End) {
        if self.end.is_some() {
            return;
        }
        self.end = Some(end);
        self.failure = failure;
        for port in &mut self.ports {
            port.wake_sender();
            port.wake_receiver();
        }
    }
}

impl From<End> for SendError {
    fn from(end: End) -> Self {
        match end {
            End::Closed => Self::Closed,
            End::Gone => Self::Gone,
        }
    }
}

/// An error about the link is told to one port in full and to the others by kind; errors are not `Clone`.
pub(super) fn kind_of(error: &SendError) -> SendError {
    match error {
        SendError::Unsupported { what } => SendError::Unsupported { what },
        SendError::Down => SendError::Down,
        SendError::Gone => SendError::Gone,
        SendError::Closed => SendError::Closed,
        SendError::BusOff => SendError::BusOff,
        SendError::Unconfirmed => SendError::Unconfirmed,
        SendError::Timeout { waiting_for, state } => SendError::Timeout {
            waiting_for: *waiting_for,
            state: *state,
        },
        SendError::Io(source) => SendError::Io(io::Error::from(source.kind())),
    }
}
