//! Waiting for a future on a thread.

use core::pin::pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::sync::Arc;
use std::task::Wake;
use std::thread::{self, Thread};
use std::time::Instant;

use tokio::task::coop::unconstrained;

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

/// Polls until there is a result, each time it is woken; `None` when it is `due` before.
///
/// A caller within a task has that task's budget, which nothing gives back while its thread is held up here:
/// a future that heeded it would be polled without end.
fn block_until<F: Future>(due: Option<Instant>, future: F) -> Option<F::Output> {
    let sleeper = Arc::new(Sleeper {
        thread: thread::current(),
        woken: AtomicBool::new(false),
    });
    let waker = Waker::from(Arc::clone(&sleeper));
    let mut future = pin!(unconstrained(future));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        // Parking may end for no reason.
        while !sleeper.woken.swap(false, Ordering::Acquire) {
            match due.map(|due| due.saturating_duration_since(now())) {
                None => thread::park(),
                Some(Duration::ZERO) => return None,
                Some(left) => thread::park_timeout(left),
            }
        }
    }
}

/// The result of a future.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    block_until(None, future).expect("it is never due")
}

/// The result of a future; `None` when it takes longer than `limit`, and then it is dropped.
///
/// Not by a timer of the node's runtime, which ends with the node.
pub(super) fn block_for<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    // A moment that the clock cannot express never comes.
    block_until(now().checked_add(limit), future)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a thread that waits has to know for how long"
)]
fn now() -> Instant {
    Instant::now()
}
