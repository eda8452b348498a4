//! What the handles and the driver share: the machine, and what waits for whom. No I/O in here.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::{Deref, DerefMut};
use core::task::Waker;
use std::string::ToString;
use std::sync::{Mutex, MutexGuard, PoisonError};

use can_link::link::Capabilities;
use can_link::{CanFrame, Event as LinkEvent, LinkError};
use tinwire_time::{Instant, Origin};
use tokio::sync::oneshot;

use super::NetworkStats;
use super::outbox::{Letter, Sender, aborted, aborted_early};
use super::seat::{GroupSeat, Seat};
use super::waiters::{OWN, Waiters, Wakes};
use crate::endpoints::{EndpointId, Endpoints, GroupId, Slab};
use crate::stream::held::{Held, Through};

/// Raw frames that wait for the link, all handles together; then [`Network::send_frame`] waits for room.
///
/// [`Network::send_frame`]: super::Network::send_frame
pub(super) const MAX_RAW: usize = 64;
/// A raw frame, and who is told what the link said.
pub(super) struct Raw {
    pub(super) frame: CanFrame,
    pub(super) reply: oneshot::Sender<Result<(), can_link::SendError>>,
}

/// The state behind the lock, which is never held across a poll of the link.
pub(super) struct State {
    pub(super) endpoints: Endpoints,
    pub(super) seats: Vec<Option<Seat>>,
    pub(super) groups: Vec<Option<GroupSeat>>,
    pub(super) letters: Slab<Letter>,
    pub(super) raw: VecDeque<Raw>,
    pub(super) raw_writers: Waiters,
    /// Who has frames with the driver that must not follow.
    pub(super) withdrawn: Vec<EndpointId>,
    /// What the link said to the frame it just refused, for the failure that this causes.
    pub(super) refusal: Option<can_link::SendError>,
    /// What the link has taken and may not have let go of, where it gives none back.
    pub(super) held: Held,
    /// Messages that are through but for the link's flush.
    pub(super) through: Vec<(EndpointId, Sender, Through)>,
    /// Whether somebody's identifiers have changed since the link was told, and who waits for that.
    pub(super) filters_changed: bool,
    pub(super) filters_waiting: Vec<oneshot::Sender<Result<(), LinkError>>>,
    pub(super) link_events: VecDeque<LinkEvent>,
    pub(super) capabilities: Capabilities,
    pub(super) stats: NetworkStats,
    /// Why the link no longer works.
    pub(super) end: Option<LinkError>,
    pub(super) ending: Waiters,
    pub(super) origin: Origin,
    pub(super) now: Instant,
    /// The driver, while it waits.
    pub(super) task: Option<Waker>,
    /// Whether there is something to do since the driver last looked.
    pub(super) stirred: bool,
    pub(super) wakes: Wakes,
    /// The last number given to a future that waits.
    pub(super) tickets: u64,
    /// Handles that are alive.
    users: usize,
}

impl State {
    pub(super) fn new(capabilities: Capabilities) -> Self {
        Self {
            endpoints: Endpoints::new(),
            seats: Vec::new(),
            groups: Vec::new(),
            letters: Slab::new(),
            raw: VecDeque::new(),
            raw_writers: Waiters::default(),
            withdrawn: Vec::new(),
            refusal: None,
            held: Held::default(),
            through: Vec::new(),
            // A link without endpoints is told at once that nothing is wanted.
            filters_changed: true,
            filters_waiting: Vec::new(),
            link_events: VecDeque::new(),
            capabilities,
            stats: NetworkStats::default(),
            end: None,
            ending: Waiters::default(),
            origin: Origin::new(clock()),
            now: Instant::ZERO,
            task: None,
            stirred: false,
            wakes: Vec::new(),
            tickets: OWN,
            users: 0,
        }
    }

    /// The time, which never goes back.
    pub(super) fn tick(&mut self) -> Instant {
        self.now = self.origin.at(clock()).max(self.now);
        self.now
    }

    pub(super) const fn is_unused(&self) -> bool {
        self.users == 0
    }

    /// There is something for the driver to do.
    pub(super) fn wake_task(&mut self) {
        self.stirred = true;
        self.wakes.extend(self.task.take());
    }

    /// What is kept for an endpoint that is on its own, or for the sender of a group.
    pub(super) fn seat(&mut self, id: EndpointId) -> Option<&mut Seat> {
        self.endpoints.get(id)?;
        self.seats.get_mut(id.place())?.as_mut()
    }

    pub(super) fn group(&mut self, id: GroupId) -> Option<&mut GroupSeat> {
        self.groups.get_mut(id.place())?.as_mut()
    }

    pub(super) fn seat_endpoint(&mut self, id: EndpointId) {
        put(&mut self.seats, id.place(), Seat::default());
    }

    pub(super) fn seat_group(&mut self, id: GroupId) {
        let seat = GroupSeat {
            inbox: VecDeque::new(),
            latest: self.now,
            readers: Waiters::default(),
            events: VecDeque::new(),
            events_lost: 0,
            discarded: 0,
        };
        put(&mut self.groups, id.place(), seat);
    }

    /// Ends what an endpoint was doing. Its frames that are with the driver do not follow.
    pub(super) fn leave(&mut self, id: EndpointId) {
        self.unseat(id);
        if self.endpoints.remove(id) {
            self.withdrawn.push(id);
        }
        self.filters_changed = true;
        self.wake_task();
    }

    pub(super) fn leave_group(&mut self, id: GroupId) {
        let Some(group) = self.endpoints.group(id) else {
            return;
        };
        self.withdrawn.push(group.sender());
        self.withdrawn.extend(group.members());
        self.unseat(group.sender());
        if let Some(seat) = self.groups.get_mut(id.place()) {
            *seat = None;
        }
        self.endpoints.remove_group(id);
        self.filters_changed = true;
        self.wake_task();
    }

    fn unseat(&mut self, id: EndpointId) {
        let Some(mut seat) = self.seats.get_mut(id.place()).and_then(Option::take) else {
            return;
        };
        let sent = self.endpoints.get(id).and_then(|channel| channel.sending());
        if let (Some((_, sender, _)), Some((transfer, sent, len))) = (seat.outbox.current, sent) {
            self.finish(id, sender, Err(aborted(transfer, sent, len)));
        }
        for waiting in seat.outbox.queue.drain(..) {
            self.finish(id, waiting.sender, Err(aborted_early(&waiting.message)));
        }
        seat.readers.wake(&mut self.wakes);
        seat.writers.wake(&mut self.wakes);
    }

    /// The link is of no further use.
    pub(super) fn end(&mut self, error: LinkError) {
        if self.end.is_some() {
            return;
        }
        self.end = Some(again(&error));
        self.endpoints.handle_link_lost();
        self.collect();
        self.flushed(Some(&can_link::SendError::Closed));
        let all: Vec<_> = self.endpoints.iter().map(|(id, _)| id).collect();
        for id in all {
            let Some(Some(seat)) = self.seats.get_mut(id.place()) else {
                continue;
            };
            let unsent = core::mem::take(&mut seat.outbox.queue);
            seat.inbox.push_back(Err(again(&error).into()));
            seat.readers.wake(&mut self.wakes);
            seat.writers.wake(&mut self.wakes);
            for waiting in unsent {
                self.finish(id, waiting.sender, Err(LinkError::Closed.into()));
            }
        }
        for seat in self.groups.iter_mut().flatten() {
            seat.readers.wake(&mut self.wakes);
        }
        for waiting in self.filters_waiting.drain(..) {
            // Whoever asked may have given up.
            let _ = waiting.send(Err(again(&error)));
        }
        for raw in self.raw.drain(..) {
            let _ = raw.reply.send(Err(can_link::SendError::Closed));
        }
        for waiters in [&mut self.raw_writers, &mut self.ending] {
            waiters.wake(&mut self.wakes);
        }
    }
}

fn put<T>(places: &mut Vec<Option<T>>, place: usize, value: T) {
    if places.len() <= place {
        places.resize_with(place + 1, || None);
    }
    if let Some(free) = places.get_mut(place) {
        *free = Some(value);
    }
}

/// The same error for another one who has to know.
pub(super) fn again(error: &LinkError) -> LinkError {
    match error {
        LinkError::Down { link } => LinkError::Down { link: link.clone() },
        LinkError::Gone { link } => LinkError::Gone { link: link.clone() },
        LinkError::Closed => LinkError::Closed,
        LinkError::Io { context, source } => LinkError::io(
            context.clone(),
            std::io::Error::new(source.kind(), source.to_string()),
        ),
        other => LinkError::io("the link", std::io::Error::other(other.to_string())),
    }
}

/// The one place that reads the clock.
#[expect(clippy::disallowed_methods, reason = "a driver tells the core the time")]
fn clock() -> std::time::Instant {
    tokio::time::Instant::now().into_std()
}

/// The lock around the state.
pub(super) struct Shared(Mutex<State>);

impl Shared {
    pub(super) const fn new(state: State) -> Self {
        Self(Mutex::new(state))
    }

    pub(super) fn lock(&self) -> Locked<'_> {
        // The state is consistent between calls, so a panic elsewhere does not spoil it.
        Locked(Some(self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// The state, locked. Who is to be woken is woken after the lock was given up: a waker may run its task at
/// once, and that comes back here.
pub(super) struct Locked<'a>(Option<MutexGuard<'a, State>>);

impl Deref for Locked<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        self.0.as_ref().expect("taken by the drop alone")
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut State {
        self.0.as_mut().expect("taken by the drop alone")
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let wakes = self.0.take().map(|mut state| core::mem::take(&mut state.wakes));
        for waker in wakes.unwrap_or_default() {
            waker.wake();
        }
    }
}

/// Somebody because of whom the network goes on. The last one to be dropped ends it.
pub(super) struct User(Arc<Shared>);

impl User {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        shared.lock().users += 1;
        Self(Arc::clone(shared))
    }

    pub(super) const fn shared(&self) -> &Arc<Shared> {
        &self.0
    }
}

impl Deref for User {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Clone for User {
    fn clone(&self) -> Self {
        Self::new(&self.0)
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.users -= 1;
        if state.users == 0 {
            state.wake_task();
        }
    }
}
