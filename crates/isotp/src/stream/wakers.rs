//! One waker for the two tasks that may use a stream.

use alloc::sync::Arc;
use core::task::{Context, Waker};
use std::sync::{Mutex, PoisonError};
use std::task::Wake;

/// Who polls: the task that receives, or the one that sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Half {
    Reader,
    Writer,
}

/// Wakes the reader and the writer: either one drives both directions, so what the link has to say concerns
/// both.
#[derive(Debug, Default)]
pub(crate) struct Wakers {
    reader: Mutex<Option<Waker>>,
    writer: Mutex<Option<Waker>>,
}

impl Wakers {
    /// Remembers the task behind `cx` as this half's.
    pub(crate) fn register(&self, half: Half, cx: &Context<'_>) {
        let mut slot = self.slot(half).lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *slot {
            Some(waker) => waker.clone_from(cx.waker()),
            None => *slot = Some(cx.waker().clone()),
        }
    }

    /// Wakes this half's task, if it waits.
    pub(crate) fn wake_half(&self, half: Half) {
        // Taken first: a waker may run the task at once, which registers again.
        let waker = self
            .slot(half)
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    const fn slot(&self, half: Half) -> &Mutex<Option<Waker>> {
        match half {
            Half::Reader => &self.reader,
            Half::Writer => &self.writer,
        }
    }
}

impl Wake for Wakers {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        for half in [Half::Reader, Half::Writer] {
            self.wake_half(half);
        }
    }
}
