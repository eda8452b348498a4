//! Many flows, for a thread that waits for all of them.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::{Arc, Weak};
use core::task::Poll;
use core::time::Duration;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::bell::Bell;
use super::error::Error;
use super::flow::{Flow, Interrupter, Shared};
use super::process;
use crate::event::{EventKind, FlowEvent, FlowId};
use crate::set::EventQueue;

/// Events that one [`wait`](FlowSet::wait) moves into a queue at most, as many as the C peer's sets hold.
pub const MAX_EVENTS: usize = 1024;

/// What happened to a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FEventType {
    /// There is a packet to read. It may have been read already when the event is looked at: read without
    /// waiting.
    FlowPkt = 1,
    /// The flow is down.
    FlowDown = 2,
    /// It is up again.
    FlowUp = 4,
    /// It was accepted by the set.
    FlowAlloc = 8,
    /// The peer let go.
    FlowDealloc = 16,
    /// The peer is silent.
    FlowPeer = 32,
    /// Packets were lost because the queue of a member of a broadcast layer was full. Not of PyOuroboros.
    FlowDropped = 64,
}

impl FEventType {
    /// Its bit.
    #[must_use]
    pub const fn to_bits(self) -> u32 {
        self as u32
    }

    const fn of(kind: EventKind) -> Self {
        match kind {
            EventKind::Packet => Self::FlowPkt,
            EventKind::Dropped { .. } => Self::FlowDropped,
            EventKind::Down => Self::FlowDown,
            EventKind::Up => Self::FlowUp,
            EventKind::Alloc => Self::FlowAlloc,
            EventKind::Dealloc => Self::FlowDealloc,
            EventKind::Peer => Self::FlowPeer,
        }
    }
}

/// Events that wait to be handled: an iterator of flows and what happened to them, which goes on when
/// [`FlowSet::wait`] has put new ones in.
#[derive(Debug, Default)]
pub struct FEventQueue(VecDeque<(Member, FEventType)>);

impl FEventQueue {
    /// An empty queue.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Iterator for FEventQueue {
    type Item = (Flow, FEventType);

    /// The next event: the flow that was added to the set, not a copy of it. Events of flows that were
    /// dropped meanwhile are passed over.
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (member, event) = self.0.pop_front()?;
            if let Some(flow) = member.flow() {
                return Some((flow, event));
            }
        }
    }
}

/// A flow that is watched, and does not live by that.
#[derive(Clone, Debug)]
enum Member {
    Watched(Weak<Shared>),
    /// It was accepted, and nobody else has it yet.
    Accepted(Flow),
}

impl Member {
    fn flow(&self) -> Option<Flow> {
        match self {
            Self::Watched(weak) => Flow::upgrade(weak),
            Self::Accepted(flow) => Some(flow.clone()),
        }
    }
}

/// Flows that are watched together. It ends when it is dropped; the flows do not.
#[derive(Debug, Default)]
pub struct FlowSet {
    state: Mutex<State>,
    bell: Arc<Bell>,
}

#[derive(Debug, Default)]
struct State {
    events: EventQueue,
    members: BTreeMap<FlowId, Weak<Shared>>,
}

impl State {
    /// The event for whoever has the flow.
    fn told(&mut self, FlowEvent { flow: id, kind }: FlowEvent) -> Option<(Member, FEventType)> {
        let member = if kind == EventKind::Alloc {
            let flow = Flow::of(self.events.take_flow(id)?);
            self.members.insert(id, flow.downgrade());
            Member::Accepted(flow)
        } else {
            Member::Watched(self.members.get(&id)?.clone())
        };
        Some((member, FEventType::of(kind)))
    }
}

impl FlowSet {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A set of these flows.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add).
    pub fn of<'a>(flows: impl IntoIterator<Item = &'a Flow>) -> Result<Self, Error> {
        let set = Self::new();
        for flow in flows {
            set.add(flow)?;
        }
        Ok(set)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // nothing panics half-way while it is locked
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a flow. What it has to tell at this moment is told.
    ///
    /// # Errors
    ///
    /// [`FlowNotAllocatedException`](Error::FlowNotAllocatedException); and
    /// [`FlowPermissionException`](Error::FlowPermissionException) when it is in this set or another.
    pub fn add(&self, flow: &Flow) -> Result<(), Error> {
        let mut state = self.lock();
        let set = state.events.set();
        let id = flow.with(|flow| set.add(flow).map(|()| flow.id()))??;
        state.members.retain(|_, member| member.strong_count() > 0);
        state.members.insert(id, flow.downgrade());
        drop(state);
        Ok(())
    }

    /// Removes a flow; of one that is not there, nothing.
    pub fn remove(&self, flow: &Flow) {
        let mut state = self.lock();
        let set = state.events.set();
        if let Ok(id) = flow.id()
            && flow.with(|flow| set.remove(flow)).is_ok()
        {
            state.members.remove(&id);
        }
    }

    /// Whether the flow is in the set.
    #[must_use]
    pub fn has(&self, flow: &Flow) -> bool {
        let set = self.lock().events.set();
        flow.with(|flow| set.contains(flow)).unwrap_or(false)
    }

    /// Removes all flows.
    pub fn zero(&self) {
        let mut state = self.lock();
        state.events.set().clear();
        state.members.clear();
    }

    /// Accepts flows to the names of this process from now on, whenever somebody waits at the set: each is a
    /// member and comes with [`FEventType::FlowAlloc`].
    ///
    /// # Errors
    ///
    /// [`Error`] when there is no layer that gives flows.
    pub fn listen(&self) -> Result<(), Error> {
        let provider = process::provider()?;
        self.lock().events.accept_from(provider);
        Ok(())
    }

    /// Waits until there are events, and moves them into `fq`: with no `timeo` for ever, with zero only those
    /// that are there. If `fq` has events left, it returns at once.
    ///
    /// # Errors
    ///
    /// [`TimeoutError`](Error::TimeoutError); [`KeyboardInterrupt`](Error::KeyboardInterrupt); and
    /// [`FlowEventError`](Error::FlowEventError) when no flows can be accepted any more.
    pub fn wait(&self, fq: &mut FEventQueue, timeo: Option<Duration>) -> Result<(), Error> {
        if !fq.0.is_empty() {
            return Ok(());
        }
        self.bell.wait(timeo, |cx| {
            let mut state = self.lock();
            while fq.0.len() < MAX_EVENTS {
                let Poll::Ready(event) = state.events.poll_event(cx) else {
                    break;
                };
                let told = state.told(event);
                fq.0.extend(told);
            }
            if !fq.0.is_empty() {
                return Poll::Ready(Ok(()));
            }
            match state.events.take_accept_error() {
                Some(error) => Poll::Ready(Err(Error::FlowEventError(error.into()))),
                None => Poll::Pending,
            }
        })?
    }

    /// What ends the waits at this set from another thread.
    #[must_use]
    pub fn interrupter(&self) -> Interrupter {
        Interrupter::new(&self.bell)
    }

    /// Ends the set, as dropping it does.
    pub fn destroy(self) {}
}
