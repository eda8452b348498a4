//! A [`Pipe`] between two tasks: whoever changes it wakes the other side.

use alloc::sync::{Arc, Weak};
use core::any::Any;
use core::task::{Context, Poll, Waker};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::{End, Pipe};
use crate::error::SetError;
use crate::event::{EventKind, FlowId};
use crate::queue::QueueConfig;
use crate::set::SetShared;

/// Two pipes are never locked together, and a set is locked after a pipe, never before it.
#[derive(Debug)]
pub(crate) struct SharedPipe {
    /// The flow of the reading side.
    reader: FlowId,
    state: Mutex<State>,
    /// What is to be there as long as the pipe is.
    kept: OnceLock<Arc<dyn Any + Send + Sync>>,
}

#[derive(Debug)]
struct State {
    pipe: Pipe,
    reader_waker: Option<Waker>,
    writer_waker: Option<Waker>,
    /// The set that the reading side is in.
    set: Weak<SetShared>,
}

impl SharedPipe {
    pub(crate) fn new(reader: FlowId, config: QueueConfig) -> Arc<Self> {
        Arc::new(Self {
            reader,
            state: Mutex::new(State {
                pipe: Pipe::new(config),
                reader_waker: None,
                writer_waker: None,
                set: Weak::new(),
            }),
            kept: OnceLock::new(),
        })
    }

    /// Keeps something for as long as the pipe is there. The first thing only.
    pub(crate) fn keep(&self, kept: Arc<dyn Any + Send + Sync>) {
        let _ = self.kept.set(kept);
    }

    /// The flow of the reading side.
    pub(crate) const fn reader(&self) -> FlowId {
        self.reader
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // no operation of a pipe panics half-way, so a poisoned one is whole
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the pipe and changes nothing.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Pipe) -> T) -> T {
        look(&self.lock().pipe)
    }

    /// Changes the pipe on behalf of the writing side.
    pub(crate) fn as_writer<T>(&self, change: impl FnOnce(&mut Pipe) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state.pipe);
        let wakers = [state.reader_waker.take(), state.notify_set(self.reader)];
        drop(state);
        wakers.into_iter().flatten().for_each(Waker::wake);
        result
    }

    /// Changes the pipe on behalf of the reading side.
    pub(crate) fn as_reader<T>(&self, change: impl FnOnce(&mut Pipe) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state.pipe);
        let waker = state.writer_to_wake();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
        result
    }

    /// Looks at or notes something on behalf of the writing side that is no concern of the reader; with a
    /// context, the writing side is woken when the reader does what concerns it.
    #[cfg(unix)]
    pub(crate) fn note_as_writer<T>(&self, cx: Option<&Context<'_>>, note: impl FnOnce(&mut Pipe) -> T) -> T {
        let mut state = self.lock();
        if let Some(cx) = cx {
            match &mut state.writer_waker {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
        }
        note(&mut state.pipe)
    }

    /// As [`as_writer`](Self::as_writer), or waits for the reading side when `change` gives `None`.
    pub(crate) fn poll_as_writer<T>(
        &self,
        cx: &Context<'_>,
        change: impl FnOnce(&mut Pipe) -> Option<T>,
    ) -> Poll<T> {
        let mut state = self.lock();
        let Some(result) = change(&mut state.pipe) else {
            state.writer_waker = Some(cx.waker().clone());
            return Poll::Pending;
        };
        let wakers = [state.reader_waker.take(), state.notify_set(self.reader)];
        drop(state);
        wakers.into_iter().flatten().for_each(Waker::wake);
        Poll::Ready(result)
    }

    /// As [`as_reader`](Self::as_reader), or waits for the writing side when `change` gives `None`.
    pub(crate) fn poll_as_reader<T>(
        &self,
        cx: &Context<'_>,
        change: impl FnOnce(&mut Pipe) -> Option<T>,
    ) -> Poll<T> {
        let mut state = self.lock();
        let Some(result) = change(&mut state.pipe) else {
            state.reader_waker = Some(cx.waker().clone());
            return Poll::Pending;
        };
        let waker = state.writer_to_wake();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
        Poll::Ready(result)
    }

    /// Puts the reading side into `set`.
    pub(crate) fn join_set(self: &Arc<Self>, set: &Arc<SetShared>) -> Result<(), SetError> {
        let mut state = self.lock();
        if state.set.strong_count() > 0 {
            return Err(SetError::AlreadyMember);
        }
        state.set = Arc::downgrade(set);
        state.pipe.tell_anew();
        set.insert(self);
        let waker = state.notify_set(self.reader);
        drop(state);
        waker.into_iter().for_each(Waker::wake);
        Ok(())
    }

    /// Takes the reading side out of `set`, and returns whether it was in it.
    pub(crate) fn leave_set(&self, set: &Weak<SetShared>) -> bool {
        let mut state = self.lock();
        let member = state.is_in(set);
        if member {
            state.leave_set(self.reader);
        }
        member
    }

    /// Whether the reading side is in `set`.
    pub(crate) fn is_in(&self, set: &Weak<SetShared>) -> bool {
        self.lock().is_in(set)
    }

    /// The reading side is over, and with it its membership of a set.
    pub(crate) fn let_go(&self, end: End) {
        self.lock().leave_set(self.reader);
        self.as_reader(|pipe| pipe.let_go(end));
    }

    /// The next event for `set`; the flow is queued there again when it has another.
    pub(crate) fn take_event(&self, set: &Arc<SetShared>) -> Option<EventKind> {
        let mut state = self.lock();
        if !core::ptr::eq(state.set.as_ptr(), Arc::as_ptr(set)) {
            return None; // it left meanwhile
        }
        let event = state.pipe.take_event();
        let waker = state.notify_set(self.reader);
        drop(state);
        waker.into_iter().for_each(Waker::wake);
        event
    }
}

impl State {
    fn writer_to_wake(&mut self) -> Option<Waker> {
        if self.pipe.concerns_writer() {
            self.writer_waker.take()
        } else {
            None
        }
    }

    fn is_in(&self, set: &Weak<SetShared>) -> bool {
        set.strong_count() > 0 && self.set.ptr_eq(set)
    }

    fn leave_set(&mut self, flow: FlowId) {
        if let Some(set) = core::mem::take(&mut self.set).upgrade() {
            set.forget(flow);
        }
    }

    /// Queues the flow in its set when it has something to tell; returns who is to be woken.
    fn notify_set(&self, flow: FlowId) -> Option<Waker> {
        if !self.pipe.has_event() {
            return None;
        }
        self.set.upgrade()?.notify(flow)
    }
}
