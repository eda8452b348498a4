//! What the handles and the task share, behind one lock that is held for moments.

use alloc::collections::VecDeque;
use core::task::{Context, Waker};
use core::time::Duration;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::event::{Cause, Event, Report, SendError, Stats};
use crate::queue::{OfferError, Queue, Readiness, Receipt};

/// Events held; a full queue loses its oldest.
const MAX_EVENTS: usize = 64;

#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// There is room again.
    pub(super) room: Notify,
    /// Frames are done or dropped, or the sender has ended.
    pub(super) progress: Notify,
    /// An event is to be taken, or the sender has ended. Who waits for that is not woken by every write.
    pub(super) told: Notify,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) queue: Queue,
    pub(super) stats: Stats,
    /// Asked to end, within this time from when the task sees it.
    pub(super) closing: Option<Duration>,
    pub(super) report: Option<Report>,
    pub(super) handles: usize,
    events: VecDeque<Event>,
    parked: Option<(Until, Waker)>,
}

/// What the task waits for from the handles. Closing wakes it in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// A frame.
    Queued,
    /// Enough that nothing has to wait for more.
    Due,
    /// Nothing but closing.
    Closing,
}

impl Shared {
    pub(super) fn new(queue: Queue) -> Self {
        Self {
            state: Mutex::new(State {
                queue,
                stats: Stats::default(),
                closing: None,
                report: None,
                handles: 1,
                events: VecDeque::new(),
                parked: None,
            }),
            room: Notify::new(),
            progress: Notify::new(),
            told: Notify::new(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half-way; a poisoned lock tells of a caller's waker.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Offers to the queue and wakes the task if it waits for that. `None`: there is no room.
    pub(super) fn offer(
        &self,
        offer: impl FnOnce(&mut Queue) -> Result<Receipt, OfferError>,
    ) -> Result<Option<Receipt>, SendError> {
        let mut state = self.lock();
        if state.closing.is_some() || state.report.is_some() {
            return Err(SendError::Closed);
        }
        let receipt = match offer(&mut state.queue) {
            Ok(receipt) => Some(receipt),
            Err(OfferError::Full) => None,
            Err(OfferError::Encode(error)) => return Err(error.into()),
        };
        if let Some(Receipt { queued, dropped }) = receipt
            && dropped > 0
        {
            let cause = if queued > 0 { Cause::Oldest } else { Cause::Newest };
            self.progress.notify_waiters();
            if state.tell_dropped(cause, dropped) {
                self.told.notify_waiters();
            }
        }
        let waker = state.unpark();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(receipt)
    }

    /// Asks the task to end, within `timeout` at the latest.
    pub(super) fn close(&self, timeout: Duration) {
        let mut state = self.lock();
        state.closing = Some(state.closing.map_or(timeout, |other| other.min(timeout)));
        let parked = state.parked.take();
        drop(state);
        if let Some((_, waker)) = parked {
            waker.wake();
        }
        // Who waits for room waits in vain.
        self.room.notify_waiters();
    }

    pub(super) fn tell(&self, event: Event) {
        self.lock().tell(event);
        self.told.notify_waiters();
    }

    /// The task has ended: what is left is counted, and everybody is told.
    pub(super) fn end(&self, finished: bool) {
        let mut state = self.lock();
        let left = state.queue.abandon();
        if left > 0 {
            state.tell_dropped(Cause::Shutdown, left);
        }
        let stats = state.stats();
        state.report.get_or_insert(Report { stats, finished });
        drop(state);
        self.room.notify_waiters();
        self.progress.notify_waiters();
        self.told.notify_waiters();
    }
}

impl State {
    /// Has the task woken when that for which it waits has come. To be called after a look at the state,
    /// under the same lock.
    pub(super) fn park(&mut self, until: Until, cx: &Context<'_>) {
        match &mut self.parked {
            Some((other, waker)) => {
                *other = until;
                waker.clone_from(cx.waker());
            }
            None => self.parked = Some((until, cx.waker().clone())),
        }
    }

    /// The task's waker, if what it waits for has come.
    pub(super) fn unpark(&mut self) -> Option<Waker> {
        let is_due = match self.parked.as_ref()?.0 {
            Until::Closing => false,
            Until::Queued => self.queue.readiness() != Readiness::Empty,
            Until::Due => self.queue.readiness() == Readiness::Due,
        };
        self.parked.take_if(|_| is_due).map(|(_, waker)| waker)
    }

    /// Wakes the task although nothing came to the queue: it is to look at it anew.
    pub(super) fn rouse(&mut self) -> Option<Waker> {
        self.parked
            .take_if(|(until, _)| *until != Until::Closing)
            .map(|(_, waker)| waker)
    }

    pub(super) fn stats(&self) -> Stats {
        Stats {
            frames: self.queue.stats(),
            ..self.stats
        }
    }

    pub(super) fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub(super) fn tell(&mut self, event: Event) {
        if self.events.len() == MAX_EVENTS {
            self.events.pop_front();
            self.stats.events_lost += 1;
        }
        self.events.push_back(event);
    }

    /// Adds to what was told and not taken yet; whether it was told anew.
    pub(super) fn tell_dropped(&mut self, cause: Cause, more: u64) -> bool {
        for event in self.events.iter_mut().rev() {
            if let Event::Dropped { cause: told, frames } = event
                && *told == cause
            {
                *frames += more;
                return false;
            }
        }
        self.tell(Event::Dropped { cause, frames: more });
        true
    }
}
