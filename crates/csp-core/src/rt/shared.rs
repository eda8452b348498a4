//! What the handles and the driver share: the machine, and who waits for what. No I/O in here.

use core::mem;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Context, Poll, Waker};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::vec::Vec;

use tinwire_time::{Instant, Origin};

use super::driver::Link;
use super::feed::Feeds;
use super::filter::Seated;
use super::seat::{Ended, Seat};
use super::waiters::{Calls, Reader, Waiters, Wakes};
use super::{Notice, RecvError};
use crate::{
    ConnectionId, Event, FilterId, InterfaceId, ListenerId, Message, Node, SendError, SocketId, TapId,
};

/// How far a link is with the packets of its interface.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    /// Packets that the link was given.
    pub(super) taken: u64,
    /// How many of them it has let go of.
    pub(super) flushed: u64,
}

/// The state behind the lock, which is held for one call and never across a poll of a link.
pub(super) struct State {
    pub(super) node: Node,
    pub(super) connections: BTreeMap<ConnectionId, Seat>,
    /// Connections that were over before they were accepted.
    pub(super) stillborn: BTreeMap<ConnectionId, Ended>,
    pub(super) listeners: BTreeMap<ListenerId, Reader>,
    pub(super) sockets: BTreeMap<SocketId, Reader>,
    pub(super) taps: BTreeMap<TapId, Reader>,
    pub(super) calls: Calls,
    pub(super) notices: Feeds<Notice>,
    /// Links that the driver has not seen yet.
    pub(super) arrivals: Vec<Link>,
    /// Filters that the driver has not seen yet, and those taken out that it still has.
    pub(super) filters: Vec<Seated>,
    pub(super) retired: Vec<FilterId>,
    pub(super) progress: BTreeMap<InterfaceId, Progress>,
    pub(super) flushes: Waiters,
    /// Those without a connection who wait for room in a transmit queue, whichever.
    pub(super) room: Waiters,
    /// The last handle of the node is gone, or its driver is.
    pub(super) stopped: bool,
    pub(super) origin: Origin,
    now: Instant,
    /// The driver, while it waits.
    pub(super) task: Option<Waker>,
    /// Whether there is something to do since the driver last looked.
    pub(super) stirred: bool,
    pub(super) wakes: Wakes,
    /// The last number given to somebody who waits.
    tickets: u64,
}

impl State {
    pub(super) fn new(node: Node) -> Self {
        Self {
            node,
            connections: BTreeMap::new(),
            stillborn: BTreeMap::new(),
            listeners: BTreeMap::new(),
            sockets: BTreeMap::new(),
            taps: BTreeMap::new(),
            calls: Calls::default(),
            notices: Feeds::default(),
            arrivals: Vec::new(),
            filters: Vec::new(),
            retired: Vec::new(),
            progress: BTreeMap::new(),
            flushes: Waiters::default(),
            room: Waiters::default(),
            stopped: false,
            origin: Origin::new(clock()),
            now: Instant::ZERO,
            task: None,
            stirred: false,
            wakes: Wakes::default(),
            tickets: 0,
        }
    }

    /// The time, which never goes back.
    pub(super) fn tick(&mut self) -> Instant {
        self.now = self.origin.at(clock()).max(self.now);
        self.now
    }

    pub(super) const fn ticket(&mut self) -> u64 {
        self.tickets = self.tickets.wrapping_add(1);
        self.tickets
    }

    /// There is something for the driver to do.
    pub(super) fn wake_task(&mut self) {
        self.stirred = true;
        self.wakes.extend(self.task.take());
    }

    /// A transmit queue may have room.
    pub(super) fn wake_room(&mut self) {
        self.room.wake(&mut self.wakes);
    }

    /// After each call into the machine: wakes whoever waits for what it did.
    pub(super) fn collect(&mut self) {
        while let Some(event) = self.node.poll_event() {
            match event {
                Event::Readable(id) => {
                    if let Some(seat) = self.connections.get_mut(&id) {
                        seat.reader.call(&mut self.wakes, &mut self.calls);
                    }
                }
                Event::Writable(id) => {
                    if let Some(seat) = self.connections.get_mut(&id) {
                        seat.writers.wake_first(&mut self.wakes);
                    }
                }
                Event::Connected(id) => {
                    if let Some(seat) = self.connections.get_mut(&id) {
                        seat.reader.call(&mut self.wakes, &mut self.calls);
                    }
                }
                Event::Acknowledged(id) => {
                    if let Some(seat) = self.connections.get_mut(&id) {
                        seat.watchers.wake(&mut self.wakes);
                    }
                }
                Event::Closed {
                    connection,
                    reason,
                    unacknowledged,
                } => self.ended(
                    connection,
                    Ended {
                        reason,
                        unacknowledged,
                    },
                ),
                Event::Incoming(id) => {
                    if let Some(reader) = self.listeners.get_mut(&id) {
                        reader.call(&mut self.wakes, &mut self.calls);
                    }
                }
                Event::Datagram(id) => {
                    if let Some(reader) = self.sockets.get_mut(&id) {
                        reader.call(&mut self.wakes, &mut self.calls);
                    }
                }
                Event::Tapped(id) => {
                    if let Some(reader) = self.taps.get_mut(&id) {
                        reader.call(&mut self.wakes, &mut self.calls);
                    }
                }
                notice => self.notices.push(&Notice::Event(notice), &mut self.wakes),
            }
        }
    }

    /// Sends without a connection; `number` is of one who waits for room.
    pub(super) fn poll_datagram(
        &mut self,
        number: &mut Option<u64>,
        send: impl FnOnce(&mut Node, Instant) -> Result<(), SendError>,
        cx: &Context<'_>,
    ) -> Poll<Result<(), SendError>> {
        match self.try_datagram(send) {
            Err(SendError::Full) => {
                let number = match *number {
                    Some(number) => number,
                    None => *number.insert(self.ticket()),
                };
                self.room.wait(number, cx);
                Poll::Pending
            }
            sent => Poll::Ready(sent),
        }
    }

    pub(super) fn try_datagram(
        &mut self,
        send: impl FnOnce(&mut Node, Instant) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        if self.stopped {
            return Err(SendError::Closed);
        }
        let now = self.tick();
        let sent = send(&mut self.node, now);
        self.collect();
        // The driver wakes those who wait for room: being refused must not wake it in turn.
        if sent != Err(SendError::Full) {
            self.wake_task();
        }
        sent
    }

    /// The next connection of a listener.
    pub(super) fn poll_accept(
        &mut self,
        id: ListenerId,
        cx: &Context<'_>,
    ) -> Poll<Result<ConnectionId, RecvError>> {
        if let Some(accepted) = self.node.accept(id) {
            let ended = self.stillborn.remove(&accepted);
            let seat = Seat {
                ended,
                ..Seat::default()
            };
            self.connections.insert(accepted, seat);
            return Poll::Ready(Ok(accepted));
        }
        match self.listeners.get_mut(&id) {
            Some(reader) if !self.stopped => reader.wait(cx, &mut self.calls),
            _ => return Poll::Ready(Err(RecvError::Closed)),
        }
        Poll::Pending
    }

    /// The next packet of a socket.
    pub(super) fn poll_recv_from(
        &mut self,
        id: SocketId,
        cx: &Context<'_>,
    ) -> Poll<Result<Message, RecvError>> {
        if let Some(message) = self.node.recv_from(id) {
            return Poll::Ready(Ok(message));
        }
        match self.sockets.get_mut(&id) {
            Some(reader) if !self.stopped => reader.wait(cx, &mut self.calls),
            _ => return Poll::Ready(Err(RecvError::Closed)),
        }
        Poll::Pending
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        let writers = self.connections.values().map(|seat| seat.writers.len());
        writers.sum::<usize>() + self.flushes.len() + self.room.len()
    }

    /// Nothing moves from here on; everybody who waits is told.
    pub(super) fn stop(&mut self) {
        if mem::replace(&mut self.stopped, true) {
            return;
        }
        for seat in self.connections.values_mut() {
            seat.wake_all(&mut self.wakes, &mut self.calls);
        }
        let readers = self.listeners.values_mut().chain(self.sockets.values_mut());
        let readers = readers.chain(self.taps.values_mut());
        for reader in readers {
            reader.call(&mut self.wakes, &mut self.calls);
        }
        self.notices.wake(&mut self.wakes);
        self.flushes.wake(&mut self.wakes);
        self.room.wake(&mut self.wakes);
        self.wake_task();
    }
}

/// The one place that reads the clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the driver is where the core's time comes from"
)]
fn clock() -> std::time::Instant {
    tokio::time::Instant::now().into_std()
}

/// The lock around the state.
pub(super) struct Shared {
    state: Mutex<State>,
    /// Who holds it, see [`here`]; 0: nobody.
    holder: AtomicUsize,
}

impl Shared {
    pub(super) fn new(node: Node) -> Self {
        Self {
            state: Mutex::new(State::new(node)),
            holder: AtomicUsize::new(0),
        }
    }

    /// # Panics
    /// If this thread holds it: a filter or platform uses its own node, which is in the middle of asking it.
    pub(super) fn lock(&self) -> Locked<'_> {
        let here = here();
        // Only this thread stores its own number, so it needs no order to read that.
        assert!(
            self.holder.load(Ordering::Relaxed) != here,
            "a filter or platform must not use the node that asks it: it would wait for itself for ever"
        );
        // The state is consistent between calls, so a panic elsewhere does not spoil it.
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.holder.store(here, Ordering::Relaxed);
        Locked {
            state: Some(state),
            holder: &self.holder,
        }
    }
}

/// A number that no other living thread has: where something of this one's is in memory.
fn here() -> usize {
    std::thread_local!(static PLACE: u8 = const { 0 });
    PLACE.with(|place| core::ptr::from_ref(place).addr())
}

impl core::fmt::Debug for Shared {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// The state, locked. Who is to be woken is woken after the lock was given up: a waker may run its task at
/// once, and that comes back here.
pub(super) struct Locked<'a> {
    state: Option<MutexGuard<'a, State>>,
    holder: &'a AtomicUsize,
}

impl Deref for Locked<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        self.state.as_ref().expect("taken by the drop alone")
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut State {
        self.state.as_mut().expect("taken by the drop alone")
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.holder.store(0, Ordering::Relaxed);
        let wakes = self.state.take().map(|mut state| mem::take(&mut state.wakes));
        wakes.unwrap_or_default().wake();
    }
}
