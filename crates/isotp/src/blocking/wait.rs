//! Waiting for a future on a thread.

use alloc::sync::Arc;
use alloc::task::Wake;
use core::pin::pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::thread::{self, Thread};
use std::time::Instant;

use tokio::task::coop::unconstrained;

/// A moment that never comes in the life of a program; `now` plus more may be no moment at all.
const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// A thread that waits.
struct Sleeper {
    thread: Thread,
    woken: AtomicBool,
}

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// What a poll came to.
pub(super) enum Step<T> {
    Ready(T),
    /// Until woken, or until then.
    Later(Option<Instant>),
}

/// The moment `timeout` from now; `None`: never.
pub(super) fn deadline(timeout: Option<Duration>) -> Option<Instant> {
    Some(now() + timeout.filter(|timeout| *timeout < FAR)?)
}

/// Polls until there is a result, each time it is woken or the moment it named has come.
pub(super) fn poll_until<T>(mut poll: impl FnMut(&mut Context<'_>) -> Step<T>) -> T {
    let sleeper = Arc::new(Sleeper {
        thread: thread::current(),
        woken: AtomicBool::new(false),
    });
    let waker = Waker::from(Arc::clone(&sleeper));
    let mut cx = Context::from_waker(&waker);
    loop {
        let due = match poll(&mut cx) {
            Step::Ready(result) => return result,
            Step::Later(due) => due,
        };
        while !sleeper.woken.swap(false, Ordering::Acquire) {
            // Parking may end for no reason.
            match due.map(|due| due.saturating_duration_since(now())) {
                None => thread::park(),
                Some(Duration::ZERO) => break,
                Some(left) => thread::park_timeout(left),
            }
        }
    }
}

/// The result of a future.
///
/// A caller within a task has that task's budget, which nothing gives back while its thread is held up here:
/// a future that heeded it would be polled without end.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(unconstrained(future));
    poll_until(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(result) => Step::Ready(result),
        Poll::Pending => Step::Later(None),
    })
}

/// The result of a future; `None` when it takes longer than `timeout`, and then it is dropped.
pub(super) fn block_for<F: Future>(future: F, timeout: Option<Duration>) -> Option<F::Output> {
    let due = deadline(timeout);
    let mut future = pin!(unconstrained(future));
    poll_until(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(result) => Step::Ready(Some(result)),
        Poll::Pending if due.is_some_and(|due| due <= now()) => Step::Ready(None),
        Poll::Pending => Step::Later(due),
    })
}

/// The one place here that reads the clock.
#[expect(
    clippy::disallowed_methods,
    reason = "a thread that waits has to know for how long"
)]
pub(super) fn now() -> Instant {
    Instant::now()
}
