//! The task that moves packets between links and a node. It makes no protocol decision.

use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::boxed::Box;
use std::io;
use std::sync::Arc;
use std::vec::Vec;

use tinwire_time::Instant;
use tokio::time::Sleep;

use super::filter::Court;
use super::shared::{Shared, State};
use super::{Incoming, Interface, Notice};
use crate::{DropReason, InterfaceId, LinkState, Transmit};

/// Packets received by all links together, and handed to each, before tasks get their turn.
///
/// Half of what a connection has room for by default: whoever reads when there is something loses nothing to
/// a burst.
const BATCH: usize = 8;

/// How often the task gives way to readers that it woke, before it receives more than they have room for.
///
/// Not all come at once: the outermost future of a runtime takes turns with 61 tasks, and other threads take
/// microseconds. One that is not there by then is slow, or not going to read at all: it is not waited for
/// again until it has emptied its queue.
const PATIENCE: u32 = 1000;

/// Looks at what was stirred up meanwhile before the task gives way to others.
const ROUNDS: usize = 4;

/// An interface's link.
pub(super) struct Link {
    id: InterfaceId,
    /// Until it has ended.
    io: Option<Pin<Box<dyn Interface>>>,
    /// It was given packets that it may still have.
    unflushed: bool,
    /// Packets that wait for it in the node.
    waiting: usize,
    /// How many packets it was given, and how many of them it has let go of.
    taken: u64,
    flushed: u64,
    /// How many of those are noted where others see it.
    noted: u64,
}

impl Link {
    pub(super) fn new(id: InterfaceId, io: impl Interface) -> Self {
        Self {
            id,
            io: Some(Box::pin(io)),
            unflushed: false,
            waiting: 0,
            taken: 0,
            flushed: 0,
            noted: 0,
        }
    }
}

/// What a link came with.
enum Item {
    Incoming(Incoming),
    Ended(Option<io::Error>),
}

/// Drives a [`crate::Node`].
///
/// A future that ends when the last [`Node`](super::Node) handle is dropped. One that is dropped before stops
/// the node in the same way.
pub struct Driver {
    shared: Arc<Shared>,
    links: Vec<Link>,
    /// The place among them of the one that is received from first.
    turn: usize,
    /// Packets received since the readers were last all done.
    ahead: usize,
    /// How often they were given way to since.
    waited: u32,
    items: Vec<(InterfaceId, Item)>,
    filters: Court,
    /// Set to this moment, or to an earlier one at which nothing is due.
    sleep: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Driver {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            links: Vec::new(),
            turn: 0,
            ahead: 0,
            waited: 0,
            items: Vec::new(),
            filters: Court::default(),
            sleep: None,
        }
    }

    /// Takes what the links received; true when one of them may have more.
    fn receive(&mut self, cx: &mut Context<'_>) -> bool {
        if self.ahead >= BATCH && self.is_overtaking() {
            return true;
        }
        let (mut left, count) = (BATCH, self.links.len());
        for place in (self.turn..count).chain(0..self.turn) {
            let Some(link) = self.links.get_mut(place) else {
                continue;
            };
            let before = left;
            while let Some(io) = &mut link.io {
                if left == 0 {
                    // One that had a share of this one waits for the others to have theirs.
                    self.turn = (place + usize::from(before > 0)) % count;
                    return true;
                }
                let Poll::Ready(item) = io.as_mut().poll_next(cx) else {
                    break;
                };
                left -= 1;
                let item = match item {
                    Some(Ok(incoming)) => Item::Incoming(incoming),
                    ended => {
                        link.io = None;
                        Item::Ended(ended.and_then(Result::err))
                    }
                };
                self.items.push((link.id, item));
            }
        }
        false
    }

    /// Whether readers were woken that are not done with what was received before.
    fn is_overtaking(&mut self) -> bool {
        let calls = &mut self.shared.lock().calls;
        if !calls.is_answered() && self.waited < PATIENCE {
            self.waited += 1;
            return true;
        }
        calls.give_up();
        (self.ahead, self.waited) = (0, 0);
        false
    }

    /// Tells the machine what was received and what time it is.
    ///
    /// `None`: the node has stopped. True when there are links or filters that were not looked at.
    fn handle(&mut self) -> Option<bool> {
        let mut guard = self.shared.lock();
        let state = &mut *guard;
        if state.stopped {
            return None;
        }
        state.stirred = false;
        let now = state.tick();
        if state.calls.is_answered() {
            (self.ahead, self.waited) = (0, 0);
        }
        self.ahead += self.items.len();
        for (id, item) in self.items.drain(..) {
            match item {
                Item::Incoming(Incoming::Packet(packet)) => {
                    state.node.handle_packet(now, id, packet);
                    continue;
                }
                Item::Incoming(Incoming::Discarded { reason, count }) => {
                    state.node.handle_discard(id, reason, count);
                }
                Item::Incoming(Incoming::Link(link)) => state.node.handle_link(id, link),
                Item::Ended(error) => state.link_ended(id, error),
            }
            // A link that goes down empties its queue.
            state.wake_room();
            state.flushes.wake(&mut state.wakes);
        }
        if state.node.poll_timeout().is_some_and(|due| due <= now) {
            state.node.handle_timeout(now);
            // A filter that was too slow may have made room.
            state.wake_room();
        }
        let asked = self.filters.exchange(now, state);
        state.collect();
        let arrived = !state.arrivals.is_empty();
        self.links.append(&mut state.arrivals);
        let is_gone = |link: &mut Link| state.node.interface_stats(link.id).is_none();
        let gone: Vec<Link> = self.links.extract_if(.., is_gone).collect();
        for link in &mut self.links {
            link.waiting = state.node.waiting_on(link.id);
            state.note_progress(link);
        }
        let retired = mem::take(&mut state.retired);
        drop(guard);
        // A link may have a handle of its own node, so none is dropped under the lock.
        drop(gone);
        self.filters.tidy(now, &retired);
        Some(arrived || asked)
    }

    /// Hands packets to the links that have room, and flushes; true when one of them may take more.
    fn transmit(&mut self, cx: &mut Context<'_>) -> bool {
        let mut more = false;
        for link in &mut self.links {
            more |= link.transmit(&self.shared, cx);
        }
        more
    }

    /// Whether there is nothing to do until somebody wakes this task, which from now on they do.
    fn may_sleep(&mut self, cx: &mut Context<'_>) -> bool {
        let due = {
            let mut state = self.shared.lock();
            if state.stirred {
                return false;
            }
            for link in &mut self.links {
                state.note_progress(link);
            }
            state.task = Some(cx.waker().clone());
            // A deadline past what the clock can express never comes.
            let due = state.node.poll_timeout();
            due.and_then(|due| Some((due, state.origin.deadline(due)?)))
        };
        let Some((due, until)) = due else { return true };
        let until = tokio::time::Instant::from_std(until);
        let (set, sleep) = self
            .sleep
            .get_or_insert_with(|| (due, Box::pin(tokio::time::sleep_until(until))));
        // One that is set too early rings for nothing once; deadlines that move away are more frequent.
        if due < *set {
            *set = due;
            sleep.as_mut().reset(until);
        }
        if sleep.as_mut().poll(cx).is_pending() {
            return true;
        }
        self.sleep = None;
        false
    }

    /// How many futures wait for room or for a flush.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.shared.lock().waiting()
    }

    /// The node has stopped: what is queued leaves on links that take it at once.
    fn finish(&mut self, cx: &mut Context<'_>) {
        let shared = Arc::clone(&self.shared);
        shared.lock().part();
        for link in &mut self.links {
            link.waiting = shared.lock().node.waiting_on(link.id);
            link.transmit(&shared, cx);
        }
    }
}

impl Link {
    fn transmit(&mut self, shared: &Shared, cx: &mut Context<'_>) -> bool {
        let Some(io) = &mut self.io else { return false };
        let mut taken = 0;
        while self.waiting > 0 {
            if taken == BATCH {
                return true;
            }
            let Poll::Ready(room) = io.as_mut().poll_ready(cx) else {
                break;
            };
            taken += 1;
            if room.is_err() && mem::take(&mut self.unflushed) {
                // The packet handed over before is the one that failed; the next one has its own turn.
                shared.lock().lost(self.id);
                continue;
            }
            let next = shared.lock().next_transmit(self.id);
            let Some((transmit, waiting)) = next else {
                self.waiting = 0;
                break;
            };
            self.waiting = waiting;
            self.taken = self.taken.wrapping_add(1);
            match room.and_then(|()| io.as_mut().start_send(transmit)) {
                Ok(()) => self.unflushed = true,
                Err(_) => shared.lock().lost(self.id),
            }
        }
        if self.unflushed
            && let Poll::Ready(flushed) = io.as_mut().poll_flush(cx)
        {
            self.unflushed = false;
            if flushed.is_err() {
                shared.lock().lost(self.id);
            }
        }
        if !self.unflushed {
            self.flushed = self.taken;
        }
        false
    }
}

impl State {
    /// The link of an interface has ended.
    fn link_ended(&mut self, id: InterfaceId, error: Option<io::Error>) {
        self.node.handle_link(id, LinkState::Down);
        let error = error.map(Arc::new);
        let ended = Notice::Ended { interface: id, error };
        self.notices.push(&ended, &mut self.wakes);
        // What it still had is not waited for.
        if let Some(progress) = self.progress.get_mut(&id) {
            progress.flushed = progress.taken;
        }
    }

    /// An interface is gone; the driver drops its link.
    pub(super) fn detached(&mut self, id: InterfaceId) {
        self.progress.remove(&id);
        self.flushes.wake(&mut self.wakes);
        self.wake_room();
        self.collect();
        self.wake_task();
    }

    /// A packet that a link was given did not leave on it.
    fn lost(&mut self, id: InterfaceId) {
        self.node.handle_discard(id, DropReason::LinkSend, 1);
        self.collect();
    }

    /// The next packet for a link, and how many wait behind it.
    fn next_transmit(&mut self, id: InterfaceId) -> Option<(Transmit, usize)> {
        let transmit = self.node.poll_transmit_on(id)?;
        let progress = self.progress.entry(id).or_default();
        progress.taken = progress.taken.wrapping_add(1);
        self.collect();
        self.wake_room();
        Some((transmit, self.node.waiting_on(id)))
    }

    /// Tells those who wait for it what a link has let go of.
    fn note_progress(&mut self, link: &mut Link) {
        if mem::replace(&mut link.noted, link.flushed) != link.flushed
            && let Some(progress) = self.progress.get_mut(&link.id)
        {
            progress.flushed = progress.flushed.max(link.flushed);
            self.flushes.wake(&mut self.wakes);
        }
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        for _ in 0..ROUNDS {
            let received = this.receive(cx);
            this.filters.poll(cx);
            let Some(arrived) = this.handle() else {
                this.finish(cx);
                return Poll::Ready(());
            };
            let transmitted = this.transmit(cx);
            if received || transmitted {
                break;
            }
            if !arrived && this.may_sleep(cx) {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.stop();
        // What is the user's may have a handle of this node, so it is not dropped under the lock.
        let theirs = (mem::take(&mut state.arrivals), mem::take(&mut state.filters));
        drop(state);
        drop(theirs);
    }
}

impl core::fmt::Debug for Driver {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Driver")
            .field("links", &self.links.len())
            .finish_non_exhaustive()
    }
}
