//! Waiting on a thread, for a flow or a set that any number of threads use.

use alloc::sync::{Arc, Weak};
use alloc::task::Wake;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::task::coop::unconstrained;

use super::process;

/// Why a wait ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    TimedOut,
    Interrupted,
}

/// Wakes all threads that wait for the same thing; each looks again for itself.
#[derive(Debug, Default)]
pub(super) struct Bell {
    state: Mutex<State>,
    rung: Condvar,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    rings: u64,
    interrupts: u64,
    waiting: usize,
}

/// The bells that threads wait at now, for [`interrupt`](super::interrupt).
static WAITING: Mutex<Vec<Weak<Bell>>> = Mutex::new(Vec::new());

fn waiting() -> MutexGuard<'static, Vec<Weak<Bell>>> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the façade's one place that reads the clock"
)]
fn clock() -> Instant {
    Instant::now()
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}

impl Bell {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets all who wait look again.
    pub(super) fn ring(&self) {
        self.lock().rings += 1;
        self.rung.notify_all();
    }

    /// Ends the waits there are now, and returns how many.
    pub(super) fn interrupt(&self) -> usize {
        let mut state = self.lock();
        if state.waiting > 0 {
            state.interrupts += 1;
            self.rung.notify_all();
        }
        state.waiting
    }

    /// Polls until there is a result, for at most `timeout`.
    pub(super) fn wait<T>(
        self: &Arc<Self>,
        timeout: Option<Duration>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Result<T, Ended> {
        let _runtime = process::enter();
        let waker = Waker::from(Arc::clone(self));
        let mut cx = Context::from_waker(&waker);
        let mut seen = self.lock().rings;
        if let Poll::Ready(result) = poll(&mut cx) {
            return Ok(result);
        }
        if timeout == Some(Duration::ZERO) {
            return Err(Ended::TimedOut);
        }
        // a time beyond what the clock can say is for ever
        let deadline = timeout.and_then(|timeout| clock().checked_add(timeout));
        let waiter = Waiter::new(self);
        loop {
            seen = waiter.sleep(seen, deadline)?;
            if let Poll::Ready(result) = poll(&mut cx) {
                return Ok(result);
            }
        }
    }

    /// The result of a future, within `timeout`.
    ///
    /// A caller within a task has that task's budget, which nothing gives back while its thread is held up
    /// here: a future that heeded it would be polled without end.
    pub(super) fn block_on<F: Future>(
        self: &Arc<Self>,
        timeout: Option<Duration>,
        future: F,
    ) -> Result<F::Output, Ended> {
        let _runtime = process::enter();
        let mut future = pin!(unconstrained(future));
        self.wait(timeout, |cx| future.as_mut().poll(cx))
    }
}

/// A thread that waits.
struct Waiter<'a> {
    bell: &'a Arc<Bell>,
    interrupts: u64,
}

impl<'a> Waiter<'a> {
    fn new(bell: &'a Arc<Bell>) -> Self {
        let mut state = bell.lock();
        let interrupts = state.interrupts;
        state.waiting += 1;
        let first = state.waiting == 1;
        drop(state);
        if first {
            waiting().push(Arc::downgrade(bell));
        }
        Self { bell, interrupts }
    }

    /// Sleeps until the bell has rung more than `seen` times, and returns how many it has.
    fn sleep(&self, seen: u64, deadline: Option<Instant>) -> Result<u64, Ended> {
        let mut state = self.bell.lock();
        loop {
            if state.interrupts != self.interrupts {
                return Err(Ended::Interrupted);
            }
            if state.rings != seen {
                return Ok(state.rings);
            }
            let rung = &self.bell.rung;
            state = match deadline {
                None => rung.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(clock());
                    if left.is_zero() {
                        return Err(Ended::TimedOut);
                    }
                    let (state, _timed_out) = rung
                        .wait_timeout(state, left)
                        .unwrap_or_else(PoisonError::into_inner);
                    state
                }
            };
        }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut state = self.bell.lock();
        state.waiting -= 1;
        let last = state.waiting == 0;
        drop(state);
        if last {
            let bell = Arc::downgrade(self.bell);
            let mut waiting = waiting();
            if let Some(at) = waiting.iter().position(|other| other.ptr_eq(&bell)) {
                waiting.swap_remove(at);
            }
        }
    }
}

/// Ends all waits of the process, and returns how many.
pub(super) fn interrupt_all() -> usize {
    let bells: Vec<_> = waiting().iter().filter_map(Weak::upgrade).collect();
    bells.iter().map(|bell| bell.interrupt()).sum()
}
