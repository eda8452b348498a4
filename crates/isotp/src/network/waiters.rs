//! Tasks that wait for something to happen in a network.

use alloc::vec::Vec;
use core::task::{Context, Waker};

use super::shared::{Shared, State};
use crate::endpoints::{EndpointId, GroupId};

/// Wakers that are to be woken once the lock is given up.
pub(super) type Wakes = Vec<Waker>;

/// Tasks that wait for the same thing; any number may, each with a number of its own.
#[derive(Debug, Default)]
pub(super) struct Waiters(Vec<(u64, Waker)>);

impl Waiters {
    pub(super) fn register(&mut self, number: u64, cx: &Context<'_>) {
        match self.0.iter_mut().find(|(other, _)| *other == number) {
            Some((_, waker)) => waker.clone_from(cx.waker()),
            None => self.0.push((number, cx.waker().clone())),
        }
    }

    pub(super) fn wake(&mut self, wakes: &mut Wakes) {
        wakes.extend(self.0.drain(..).map(|(_, waker)| waker));
    }

    fn forget(&mut self, number: u64) {
        self.0.retain(|(other, _)| *other != number);
    }
}

/// What may be waited for.
#[derive(Clone, Copy, Debug)]
pub(super) enum On {
    /// Something to read from an endpoint.
    Reader(EndpointId),
    /// The end of an endpoint's messages.
    Writer(EndpointId),
    /// Something to read from a group.
    Group(GroupId),
    /// Room for a raw frame.
    Raw,
    /// The end of the link.
    End,
}

impl State {
    fn waiters(&mut self, on: On) -> Option<&mut Waiters> {
        match on {
            On::Reader(id) => Some(&mut self.seat(id)?.readers),
            On::Writer(id) => Some(&mut self.seat(id)?.writers),
            On::Group(id) => Some(&mut self.group(id)?.readers),
            On::Raw => Some(&mut self.raw_writers),
            On::End => Some(&mut self.ending),
        }
    }

    /// Has a task woken when that for which it waits may have come.
    pub(super) fn wait(&mut self, on: On, number: u64, cx: &Context<'_>) {
        if let Some(waiters) = self.waiters(on) {
            waiters.register(number, cx);
        }
    }
}

/// The number of who waits by a handle's own `poll` methods; there is one for each handle.
pub(super) const OWN: u64 = 0;

/// The number of a future that waits. Nothing of it stays behind when that is dropped.
pub(super) struct Ticket<'a> {
    shared: &'a Shared,
    on: On,
    number: u64,
}

impl<'a> Ticket<'a> {
    pub(super) fn new(shared: &'a Shared, on: On) -> Self {
        let mut state = shared.lock();
        state.tickets += 1;
        let number = state.tickets;
        Self { shared, on, number }
    }

    pub(super) const fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if let Some(waiters) = self.shared.lock().waiters(self.on) {
            waiters.forget(self.number);
        }
    }
}
