//! What all sessions and listeners of a collector have in common.

use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::vec::Vec;

use tokio::sync::{Notify, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::batch::Batch;
use super::doom::{Doom, Verdict};
use super::memory::{Memory, UNIT, units};
use super::{Config, Event, SessionId, Stats};

/// Refused connections kept at a time.
const MAX_KEPT: usize = 256;
/// Events held; a full queue loses its oldest.
const MAX_EVENTS: usize = 1024;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) memory: Arc<Memory>,
    /// Room in the queue of batches.
    pub(super) room: Arc<Semaphore>,
    pub(super) max_room: u32,
    /// One permit per connection.
    pub(super) slots: Arc<Semaphore>,
    /// One permit per refused connection that is kept for a while.
    pub(super) kept: Semaphore,
    /// Nothing more is accepted, and what has come is drained.
    pub(super) closing: CancellationToken,
    next_session: AtomicU64,
    state: Mutex<State>,
    changed: Notify,
    told: Notify,
}

#[derive(Debug, Default)]
struct State {
    stats: Stats,
    sessions: BTreeMap<SessionId, Arc<Doom>>,
    /// Listeners and sessions; when none is left, so is nobody who hands out batches.
    tasks: usize,
    events: VecDeque<Event>,
}

/// A task of the collector, counted.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) shared: Arc<Shared>,
    pub(super) batches: mpsc::UnboundedSender<Batch>,
}

impl Task {
    pub(super) fn new(shared: &Arc<Shared>, batches: &mpsc::UnboundedSender<Batch>) -> Self {
        shared.lock().tasks += 1;
        Self {
            shared: Arc::clone(shared),
            batches: batches.clone(),
        }
    }
}

impl Clone for Task {
    fn clone(&self) -> Self {
        Self::new(&self.shared, &self.batches)
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.shared.lock().tasks -= 1;
        self.shared.changed.notify_waiters();
    }
}

impl Shared {
    pub(super) fn new(config: Config) -> Self {
        let max_room = units(config.queue).max(1);
        Self {
            memory: Arc::new(Memory::new(config.memory)),
            // A u32 fits everywhere this compiles for.
            room: Arc::new(Semaphore::new(
                usize::try_from(max_room).unwrap_or(usize::MAX >> 3),
            )),
            max_room,
            slots: Arc::new(Semaphore::new(
                config.max_connections.get().min(Semaphore::MAX_PERMITS),
            )),
            kept: Semaphore::new(MAX_KEPT),
            closing: CancellationToken::new(),
            next_session: AtomicU64::new(0),
            state: Mutex::default(),
            changed: Notify::new(),
            told: Notify::new(),
            config,
        }
    }

    pub(super) fn count(&self, count: impl FnOnce(&mut Stats)) {
        count(&mut self.lock().stats);
    }

    pub(super) fn stats(&self) -> Stats {
        let state = self.lock();
        let mut stats = state.stats;
        stats.open = u64::try_from(state.sessions.len()).unwrap_or(u64::MAX);
        drop(state);
        let out = usize::try_from(self.max_room).unwrap_or(usize::MAX);
        let queued = out.saturating_sub(self.room.available_permits()) * UNIT;
        stats.queued_bytes = u64::try_from(queued).unwrap_or(u64::MAX);
        stats.buffered_bytes = u64::try_from(self.memory.used()).unwrap_or(u64::MAX);
        stats
    }

    /// A session begins.
    pub(super) fn enter(&self, doom: &Arc<Doom>) -> SessionId {
        let id = SessionId(self.next_session.fetch_add(1, Ordering::Relaxed));
        let mut state = self.lock();
        state.stats.sessions += 1;
        state.sessions.insert(id, Arc::clone(doom));
        id
    }

    /// A session is over.
    pub(super) fn leave(&self, id: SessionId) {
        self.lock().sessions.remove(&id);
    }

    /// Every session is over, as of now.
    pub(super) fn end_all(&self) {
        let dooms: Vec<_> = self.lock().sessions.values().cloned().collect();
        for doom in dooms {
            doom.pass(Verdict::Closed);
        }
    }

    /// Completes when no task is left.
    pub(super) async fn idle(&self) {
        loop {
            let changed = self.changed.notified();
            if self.lock().tasks == 0 {
                return;
            }
            changed.await;
        }
    }

    pub(super) fn tell(&self, event: Event) {
        let mut state = self.lock();
        if state.events.len() == MAX_EVENTS {
            state.events.pop_front();
            state.stats.events_lost += 1;
        }
        state.events.push_back(event);
        drop(state);
        self.told.notify_one();
    }

    pub(super) async fn next_event(&self) -> Event {
        loop {
            let told = self.told.notified();
            if let Some(event) = self.poll_event() {
                return event;
            }
            told.await;
        }
    }

    pub(super) fn poll_event(&self) -> Option<Event> {
        self.lock().events.pop_front()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
