//! The task that drives a node. It makes no protocol decision.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::boxed::Box;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::vec::Vec;

use bytes::Bytes;
use tinwire_time::{Instant, Origin};
use tokio::sync::{OwnedSemaphorePermit, broadcast, mpsc, oneshot};
use tokio::time::Sleep;

use super::command::{Command, Reply, Weak};
use super::inbox::{Attention, Inbox, Outlet, channel};
use super::{Connection, Incoming, Interface, Notice};
use crate::{
    ConnectionId, DropReason, Event, InterfaceId, LinkState, ListenerId, Message, Node, SendError, SocketId,
};

/// Packets of one link, or commands, taken before others get their turn.
const BATCH: usize = 32;

/// Rounds through all steps before the task gives way to others.
const ROUNDS: usize = 8;

/// An interface's link, while it lives.
pub(super) struct Link {
    pub(super) id: InterfaceId,
    pub(super) io: Option<Pin<Box<dyn Interface>>>,
    pub(super) unflushed: bool,
}

/// A packet that waits for room in a transmit queue; its connection has a bounded number of turns.
pub(super) struct Parked {
    pub(super) payload: Bytes,
    #[expect(
        dead_code,
        reason = "dropped with the packet, which lets another one of its connection come"
    )]
    pub(super) turn: OwnedSemaphorePermit,
    pub(super) reply: Reply<Instant, SendError>,
}

/// Drives a [`crate::Node`].
///
/// A future that ends when the last [`Node`](super::Node) handle is dropped.
pub struct Driver {
    pub(super) node: Node,
    pub(super) origin: Origin,
    pub(super) now: Instant,
    pub(super) sleep: Option<(Instant, Pin<Box<Sleep>>)>,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) weak: Weak,
    pub(super) attention: (Attention, mpsc::Receiver<()>),
    pub(super) notices: broadcast::Sender<Notice>,
    pub(super) links: Vec<Link>,
    pub(super) connections: BTreeMap<ConnectionId, Outlet<Message>>,
    pub(super) listeners: BTreeMap<ListenerId, Outlet<Connection>>,
    pub(super) sockets: BTreeMap<SocketId, Outlet<Message>>,
    pub(super) parked: BTreeMap<ConnectionId, VecDeque<Parked>>,
    pub(super) flushes: Vec<oneshot::Sender<()>>,
}

impl Driver {
    pub(super) fn new(
        node: Node,
        commands: mpsc::Receiver<Command>,
        weak: Weak,
        notices: broadcast::Sender<Notice>,
    ) -> Self {
        Self {
            node,
            origin: Origin::new(clock()),
            now: Instant::ZERO,
            sleep: None,
            commands,
            weak,
            attention: mpsc::channel(1),
            notices,
            links: Vec::new(),
            connections: BTreeMap::new(),
            listeners: BTreeMap::new(),
            sockets: BTreeMap::new(),
            parked: BTreeMap::new(),
            flushes: Vec::new(),
        }
    }

    /// Takes commands; `Stop` when the last handle is gone.
    fn poll_commands(&mut self, cx: &mut Context<'_>) -> Step {
        for taken in 0..BATCH {
            match self.commands.poll_recv(cx) {
                Poll::Ready(Some(command)) => self.execute(command),
                Poll::Ready(None) => return Step::Stop,
                Poll::Pending => return Step::moved(taken > 0),
            }
        }
        Step::Moved
    }

    /// Closes what lost its handle, and fills what has room again.
    fn poll_attention(&mut self, cx: &mut Context<'_>) -> Step {
        if self.attention.1.poll_recv(cx).is_pending() {
            return Step::Idle;
        }
        self.attend();
        Step::Moved
    }

    pub(super) fn attend(&mut self) {
        for id in keys(&self.connections, Outlet::is_closed) {
            self.connections.remove(&id);
            self.node.close(id);
            self.retry(id);
        }
        for id in keys(&self.listeners, Outlet::is_closed) {
            self.listeners.remove(&id);
            self.node.close_listener(id);
        }
        for id in keys(&self.sockets, Outlet::is_closed) {
            self.sockets.remove(&id);
            self.node.close_socket(id);
        }
        for id in keys(&self.listeners, |_| true) {
            self.fill_listener(id);
        }
        for (id, outlet) in &self.connections {
            fill(outlet, || self.node.recv(*id));
        }
        for (id, outlet) in &self.sockets {
            fill(outlet, || self.node.recv_from(*id));
        }
    }

    /// Takes what the links received.
    fn poll_links(&mut self, cx: &mut Context<'_>) -> Step {
        let mut moved = false;
        for link in &mut self.links {
            for _ in 0..BATCH {
                let Some(io) = &mut link.io else { break };
                let Poll::Ready(item) = io.as_mut().poll_next(cx) else {
                    break;
                };
                moved = true;
                match item {
                    Some(Ok(Incoming::Packet(packet))) => self.node.handle_packet(self.now, link.id, packet),
                    Some(Ok(Incoming::Discarded { reason, count })) => {
                        self.node.handle_discard(link.id, reason, count);
                    }
                    Some(Ok(Incoming::Link(state))) => self.node.handle_link(link.id, state),
                    ended => {
                        link.io = None;
                        self.node.handle_link(link.id, LinkState::Down);
                        let error = ended.and_then(io::Result::err).map(Arc::new);
                        // Nobody may be listening.
                        let _ = self.notices.send(Notice::Ended {
                            interface: link.id,
                            error,
                        });
                    }
                }
            }
        }
        Step::moved(moved)
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Step {
        let Some(deadline) = self.node.poll_timeout() else {
            self.sleep = None;
            return Step::Idle;
        };
        // A deadline past what the clock can express never comes.
        let Some(until) = self.origin.deadline(deadline).map(tokio::time::Instant::from_std) else {
            return Step::Idle;
        };
        let (armed, sleep) = self
            .sleep
            .get_or_insert_with(|| (deadline, Box::pin(tokio::time::sleep_until(until))));
        if *armed != deadline {
            *armed = deadline;
            sleep.as_mut().reset(until);
        }
        if sleep.as_mut().poll(cx).is_pending() {
            return Step::Idle;
        }
        self.sleep = None;
        // `now` was read before the sleep was asked.
        self.now = self.now.max(deadline);
        self.node.handle_timeout(self.now);
        Step::Moved
    }

    fn dispatch_events(&mut self) {
        while let Some(event) = self.node.poll_event() {
            match event {
                Event::Incoming(id) => self.fill_listener(id),
                Event::Readable(id) => {
                    if let Some(outlet) = self.connections.get(&id) {
                        fill(outlet, || self.node.recv(id));
                    }
                }
                Event::Datagram(id) => {
                    if let Some(outlet) = self.sockets.get(&id) {
                        fill(outlet, || self.node.recv_from(id));
                    }
                }
                Event::Writable(id) => self.retry(id),
                // Nobody may be listening.
                notice => drop(self.notices.send(Notice::Event(notice))),
            }
        }
    }

    /// Hands packets to the links that have room, and flushes.
    fn poll_transmit(&mut self, cx: &mut Context<'_>) -> Step {
        let mut moved = false;
        let mut idle = true;
        for link in &mut self.links {
            let Some(io) = &mut link.io else { continue };
            while self.node.waiting_on(link.id) > 0 {
                let Poll::Ready(room) = io.as_mut().poll_ready(cx) else {
                    break;
                };
                if room.is_err() && core::mem::take(&mut link.unflushed) {
                    // The packet handed over before is the one that failed; the next one has its own turn.
                    self.node.handle_discard(link.id, DropReason::LinkSend, 1);
                    moved = true;
                    continue;
                }
                let Some(transmit) = self.node.poll_transmit_on(link.id) else {
                    break;
                };
                moved = true;
                match room.and_then(|()| io.as_mut().start_send(transmit)) {
                    Ok(()) => link.unflushed = true,
                    Err(_) => self.node.handle_discard(link.id, DropReason::LinkSend, 1),
                }
            }
            if link.unflushed
                && let Poll::Ready(flushed) = io.as_mut().poll_flush(cx)
            {
                link.unflushed = false;
                if flushed.is_err() {
                    self.node.handle_discard(link.id, DropReason::LinkSend, 1);
                }
            }
            idle &= !link.unflushed && self.node.waiting_on(link.id) == 0;
        }
        if idle && self.parked.is_empty() {
            for flush in self.flushes.drain(..) {
                // Whoever asked may have given up.
                let _ = flush.send(());
            }
        }
        Step::moved(moved)
    }

    fn fill_listener(&mut self, id: ListenerId) {
        let Self {
            node,
            connections,
            listeners,
            attention,
            weak,
            ..
        } = self;
        let Some(outlet) = listeners.get(&id) else { return };
        while let Some(room) = outlet.room() {
            let Some(accepted) = node.accept(id) else { return };
            let Some(peers) = node.peers(accepted) else {
                continue;
            };
            let (messages, inbox): (Outlet<Message>, Inbox<Message>) = channel(&attention.0);
            fill(&messages, || node.recv(accepted));
            connections.insert(accepted, messages);
            room.send(Connection::new(accepted, peers, weak.clone(), inbox));
        }
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        for _ in 0..ROUNDS {
            this.now = this.now.max(this.origin.at(clock()));
            let commands = this.poll_commands(cx);
            if commands == Step::Stop {
                return Poll::Ready(());
            }
            let steps = [
                commands,
                this.poll_attention(cx),
                this.poll_links(cx),
                this.poll_timer(cx),
            ];
            this.dispatch_events();
            let transmitted = this.poll_transmit(cx);
            this.dispatch_events();
            if transmitted == Step::Idle && steps.iter().all(|step| *step == Step::Idle) {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl core::fmt::Debug for Driver {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Driver")
            .field("now", &self.now)
            .field("links", &self.links.len())
            .finish_non_exhaustive()
    }
}

/// What one step of the driver did.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Idle,
    Moved,
    Stop,
}

impl Step {
    const fn moved(moved: bool) -> Self {
        if moved { Self::Moved } else { Self::Idle }
    }
}

/// Moves messages from the node to a handle while there is room.
fn fill(outlet: &Outlet<Message>, mut next: impl FnMut() -> Option<Message>) {
    while let Some(room) = outlet.room() {
        match next() {
            Some(message) => room.send(message),
            None => return,
        }
    }
}

fn keys<K: Copy, T>(outlets: &BTreeMap<K, Outlet<T>>, which: impl Fn(&Outlet<T>) -> bool) -> Vec<K> {
    outlets
        .iter()
        .filter(|(_, outlet)| which(outlet))
        .map(|(id, _)| *id)
        .collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the driver is where the core's time comes from"
)]
fn clock() -> std::time::Instant {
    tokio::time::Instant::now().into_std()
}
