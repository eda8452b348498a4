//! Many flows watched at once.
//!
//! A [`FlowSet`] says whose events an [`EventQueue`] gives. Events are derived from what a flow's state is
//! and what was told of it, so none is lost when nobody looks, and no number of unfetched events takes
//! memory: the queue holds one place per member. Flows with something to tell take turns, one event each.
//!
//! A queue that is told to [`accept_from`](EventQueue::accept_from) a provider makes every flow that is asked
//! of it a member, and tells so: a server of many flows is one loop over events.

mod accepting;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::pin::Pin;
use core::task::{Context, Poll, Waker, ready};
use core::time::Duration;
use std::sync::{Mutex, MutexGuard, PoisonError};

use accepting::Accepting;
use futures_core::Stream;

pub use accepting::DEFAULT_UNTAKEN;

use crate::error::{AcceptError, SetError};
use crate::event::{EventKind, FlowEvent, FlowId};
use crate::flow::Flow;
use crate::pipe::SharedPipe;
use crate::provider::Provider;

#[derive(Debug, Default)]
pub(crate) struct SetShared(Mutex<SetState>);

#[derive(Debug, Default)]
struct SetState {
    members: BTreeMap<FlowId, Member>,
    /// Members with something to tell, each once.
    ready: VecDeque<FlowId>,
    waker: Option<Waker>,
}

#[derive(Debug)]
struct Member {
    pipe: Arc<SharedPipe>,
    ready: bool,
}

impl SetShared {
    fn lock(&self) -> MutexGuard<'_, SetState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn insert(&self, pipe: &Arc<SharedPipe>) {
        let member = Member {
            pipe: Arc::clone(pipe),
            ready: false,
        };
        self.lock().members.insert(pipe.reader(), member);
    }

    /// Ends a membership: of a flow that left, or ended.
    pub(crate) fn forget(&self, flow: FlowId) {
        let mut state = self.lock();
        state.members.remove(&flow);
        state.ready.retain(|ready| *ready != flow);
    }

    /// A member has something to tell. Returns who is to be woken.
    pub(crate) fn notify(&self, flow: FlowId) -> Option<Waker> {
        let mut state = self.lock();
        let member = state.members.get_mut(&flow)?;
        if member.ready {
            return None;
        }
        member.ready = true;
        state.ready.push_back(flow);
        state.waker.take()
    }

    /// The next member with something to tell.
    fn poll_ready(&self, cx: &Context<'_>) -> Poll<Arc<SharedPipe>> {
        let mut state = self.lock();
        while let Some(flow) = state.ready.pop_front() {
            if let Some(member) = state.members.get_mut(&flow) {
                member.ready = false;
                return Poll::Ready(Arc::clone(&member.pipe));
            }
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// Which flows an [`EventQueue`] watches. Clones are the same set, which ends with its queue.
#[derive(Clone, Debug)]
pub struct FlowSet(Weak<SetShared>);

impl FlowSet {
    /// Adds a flow. What it has to tell at this moment, packets that wait included, is told.
    ///
    /// Membership is the receiving side's: it ends when the [`Flow`], or after a split its reader, is
    /// dropped.
    ///
    /// # Errors
    ///
    /// [`SetError::AlreadyMember`] when it is in this set or another; [`SetError::NoQueue`] when the queue
    /// was dropped.
    pub fn add(&self, flow: &Flow) -> Result<(), SetError> {
        let set = self.0.upgrade().ok_or(SetError::NoQueue)?;
        flow.inbound().join_set(&set)
    }

    /// Removes a flow; what was not told of it is not told. Returns whether it was a member.
    pub fn remove(&self, flow: &Flow) -> bool {
        flow.inbound().leave_set(&self.0)
    }

    /// Whether the flow is a member.
    #[must_use]
    pub fn contains(&self, flow: &Flow) -> bool {
        flow.inbound().is_in(&self.0)
    }

    /// Removes all flows.
    pub fn clear(&self) {
        for pipe in self.members(|member| Arc::clone(&member.pipe)) {
            pipe.leave_set(&self.0);
        }
    }

    /// The members, in the order in which they were made.
    #[must_use]
    pub fn flows(&self) -> Vec<FlowId> {
        self.members(|member| member.pipe.reader())
    }

    /// How many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.upgrade().map_or(0, |set| set.lock().members.len())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn members<T>(&self, of: impl FnMut(&Member) -> T) -> Vec<T> {
        let set = self.0.upgrade();
        set.map_or_else(Vec::new, |set| set.lock().members.values().map(of).collect())
    }
}

/// The events of the flows in a set, as a `Stream` that never ends.
///
/// Dropping the queue ends the memberships; the flows can then be added to another. Flows that it accepted
/// and that nobody took end with it.
#[derive(Debug, Default)]
pub struct EventQueue {
    set: Arc<SetShared>,
    /// Never locked: futures that are only `Send` must not keep the queue from being shared.
    accepting: Mutex<Accepting>,
}

impl EventQueue {
    /// A queue with an empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The set whose events these are.
    #[must_use]
    pub fn set(&self) -> FlowSet {
        FlowSet(Arc::downgrade(&self.set))
    }

    /// Accepts flows from `provider` from now on, whenever the queue is asked for events: each becomes a
    /// member, the event [`Alloc`](EventKind::Alloc) tells its number, and [`take_flow`](Self::take_flow)
    /// gives the flow. While [as many](Self::set_max_untaken) wait to be taken, no more are accepted; the
    /// requests wait at the provider.
    ///
    /// Names are bound before: a provider without a name ends being accepted from, as does one that fails,
    /// and [`take_accept_error`](Self::take_accept_error) says why.
    pub fn accept_from(&mut self, provider: Arc<dyn Provider>) {
        self.accepting().add(provider);
    }

    /// Sets how many accepted flows may wait to be taken. Default: [`DEFAULT_UNTAKEN`].
    pub fn set_max_untaken(&mut self, max: usize) {
        self.accepting().set_max_untaken(max);
    }

    /// The flow of an [`Alloc`](EventKind::Alloc), once. It stays a member.
    pub fn take_flow(&mut self, flow: FlowId) -> Option<Flow> {
        self.accepting().take(flow)
    }

    /// Why a provider is not accepted from any more, the last one; once.
    pub fn take_accept_error(&mut self) -> Option<AcceptError> {
        self.accepting().take_error()
    }

    fn accepting(&mut self) -> &mut Accepting {
        self.accepting.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next event, if there is one now.
    pub fn try_next(&mut self) -> Option<FlowEvent> {
        match self.poll_event(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(event) => Some(event),
            Poll::Pending => None,
        }
    }

    /// The next event.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no event.
    pub async fn wait(&mut self) -> FlowEvent {
        core::future::poll_fn(|cx| self.poll_event(cx)).await
    }

    /// The next event, or `None` when none came within `timeout`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no event.
    pub async fn wait_timeout(&mut self, timeout: Duration) -> Option<FlowEvent> {
        tokio::time::timeout(timeout, self.wait()).await.ok()
    }

    pub(crate) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<FlowEvent> {
        let Self { set, accepting } = self;
        let accepting = accepting.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Poll::Ready(flow) = accepting.poll(cx) {
            // a flow that was made just now is in no other set
            let _member = flow.inbound().join_set(set);
            let (flow, kind) = (flow.id(), EventKind::Alloc);
            return Poll::Ready(FlowEvent { flow, kind });
        }
        loop {
            let pipe = ready!(set.poll_ready(cx));
            // nothing to tell any more when the packet was read meanwhile
            if let Some(kind) = pipe.take_event(set) {
                let flow = pipe.reader();
                return Poll::Ready(FlowEvent { flow, kind });
            }
        }
    }
}

impl Stream for EventQueue {
    type Item = FlowEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<FlowEvent>> {
        self.poll_event(cx).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qos::QosSpec;
    use crate::queue::QueueConfig;

    #[test]
    fn coming_and_going_unheard_leaves_nothing_behind() {
        let name = crate::Name::new("x").unwrap();
        let (mut ours, theirs) = Flow::pair(&name, QosSpec::RAW, QueueConfig::default());
        ours.try_write("x").unwrap();
        let events = EventQueue::new();
        for _ in 0..10 {
            events.set().add(&theirs).unwrap();
            assert!(events.set().remove(&theirs));
        }
        let state = events.set.lock();
        assert_eq!((state.members.len(), state.ready.len()), (0, 0));
    }
}
