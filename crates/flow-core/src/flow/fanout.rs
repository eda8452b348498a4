//! The members of a broadcast layer, as one process has them.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::task::{Context, Poll, Waker};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::error::WriteError;
use crate::event::FlowId;
use crate::pipe::{Dropped, Pipe, SharedPipe};
use crate::queue::PushError;

/// The members of a broadcast layer: flows of this process, and links to other processes.
///
/// Every member here sees the packets of all others in one and the same order; over a link only the order of
/// each sender is kept. Nobody is waited for: who has no room loses the newest packets.
#[derive(Debug)]
pub(crate) struct Fanout {
    state: Mutex<State>,
    max_packet: usize,
}

#[derive(Debug, Default)]
struct State {
    members: Vec<Weak<SharedPipe>>,
    links: Vec<Linked>,
    /// Who waits until the links have taken everything.
    draining: Vec<Waker>,
}

#[derive(Debug)]
struct Linked {
    pipe: Arc<SharedPipe>,
    /// The other process does not take anything at present.
    stalled: bool,
}

impl Fanout {
    pub(crate) fn new(max_packet: usize) -> Self {
        Self {
            state: Mutex::default(),
            max_packet,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // nothing panics half-way, so a poisoned state is whole
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The longest packet, in bytes.
    pub(crate) const fn max_packet(&self) -> usize {
        self.max_packet
    }

    /// Adds a member, and returns whether there was room for it.
    pub(crate) fn add(&self, member: &Arc<SharedPipe>, max: usize) -> bool {
        let mut state = self.lock();
        let room = state.count() < max;
        if room {
            state.members.push(Arc::downgrade(member));
        }
        room
    }

    /// Adds a link to the members of another process, and returns whether there was room for it.
    pub(crate) fn link(&self, pipe: &Arc<SharedPipe>, max: usize) -> bool {
        let mut state = self.lock();
        let room = state.count() < max;
        if room {
            let pipe = Arc::clone(pipe);
            state.links.push(Linked { pipe, stalled: false });
        }
        room
    }

    /// Removes a link.
    pub(crate) fn unlink(&self, pipe: &Arc<SharedPipe>) {
        self.lock().links.retain(|link| !Arc::ptr_eq(&link.pipe, pipe));
        self.tell_drained();
    }

    /// The links there are.
    pub(crate) fn links(&self) -> Vec<Arc<SharedPipe>> {
        self.lock()
            .links
            .iter()
            .map(|link| Arc::clone(&link.pipe))
            .collect()
    }

    /// Says whether a link takes nothing at present. It is not waited for.
    pub(crate) fn set_stalled(&self, pipe: &Arc<SharedPipe>, stalled: bool) {
        let mut state = self.lock();
        let link = state.links.iter_mut().find(|link| Arc::ptr_eq(&link.pipe, pipe));
        if let Some(link) = link {
            link.stalled = stalled;
        }
        drop(state);
        self.tell_drained();
    }

    /// A link may have taken everything: wakes who waits for that.
    pub(crate) fn tell_drained(&self) {
        let wakers = core::mem::take(&mut self.lock().draining);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Waits until all links but stalled ones have taken everything.
    pub(super) fn poll_drained(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        let waits = |link: &Linked| !link.stalled && link.pipe.look(Pipe::drained).is_none();
        if state.links.iter().any(waits) {
            if !state.draining.iter().any(|waker| waker.will_wake(cx.waker())) {
                state.draining.push(cx.waker().clone());
            }
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// Gives a packet of this process's `sender` to all others.
    pub(super) fn write(&self, sender: FlowId, packet: &Bytes) -> Result<(), WriteError> {
        let (len, max) = (packet.len(), self.max_packet);
        if len == 0 || len > max {
            return Err(if len == 0 {
                PushError::Empty
            } else {
                PushError::TooLong { len, max }
            }
            .into());
        }
        let mut state = self.lock();
        state.each_member(|member| {
            if member.reader() != sender {
                let _counted: Dropped = member.as_writer(|pipe| pipe.write_or_drop(packet.clone()));
            }
        });
        for link in &state.links {
            let _counted: Dropped = link.pipe.as_writer(|pipe| pipe.write_or_drop(packet.clone()));
        }
        Ok(())
    }

    /// Gives a packet of another process to all members of this one.
    pub(crate) fn deliver(&self, packet: &Bytes) {
        self.lock().each_member(|member| {
            let _counted: Dropped = member.as_writer(|pipe| pipe.write_or_drop(packet.clone()));
        });
    }

    /// Packets of another process for this one got lost.
    pub(crate) fn lose(&self, count: u64) {
        self.lock()
            .each_member(|member| member.as_writer(|pipe| pipe.lose(count)));
    }
}

impl State {
    fn count(&mut self) -> usize {
        self.members.retain(|member| member.strong_count() > 0);
        self.members.len() + self.links.len()
    }

    fn each_member(&mut self, mut tell: impl FnMut(&SharedPipe)) {
        self.members.retain(|member| match member.upgrade() {
            Some(member) => {
                tell(&member);
                true
            }
            None => false, // it left
        });
    }
}
