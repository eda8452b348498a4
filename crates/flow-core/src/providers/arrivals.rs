//! Requests that come from outside: one task per bound name waits for them, `accept` takes them.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc};
use tokio::task::{AbortHandle, JoinHandle};

use super::local::within;
use crate::error::{AcceptError, BindError};
use crate::flow::Flow;
use crate::name::Name;

/// Requests that wait to be accepted, over all names; then the tasks wait, and with them whoever asks.
const BACKLOG: usize = 16;

/// A binding, told apart from an earlier one of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct BindingId(u64);

#[derive(Debug)]
struct Bound {
    id: BindingId,
    task: AbortHandle,
}

#[derive(Debug, Default)]
struct Names {
    bound: BTreeMap<Name, Bound>,
    next: u64,
}

#[derive(Debug)]
struct Arrival {
    name: Name,
    binding: BindingId,
    outcome: Result<Flow, Box<str>>,
}

/// Where a task puts the requests for its name.
#[derive(Debug)]
pub(super) struct Door {
    name: Name,
    binding: BindingId,
    sender: mpsc::Sender<Arrival>,
}

impl Door {
    pub(super) const fn name(&self) -> &Name {
        &self.name
    }

    /// Puts a flow there once there is room, and returns whether anybody can still take it.
    pub(super) async fn put(&self, flow: Flow) -> bool {
        self.send(Ok(flow)).await
    }

    /// Tells why no more requests will come.
    pub(super) async fn fail(self, reason: Box<str>) {
        self.send(Err(reason)).await;
    }

    async fn send(&self, outcome: Result<Flow, Box<str>>) -> bool {
        let arrival = Arrival {
            name: self.name.clone(),
            binding: self.binding,
            outcome,
        };
        self.sender.send(arrival).await.is_ok()
    }
}

/// Carries a flow in a task of its own, which goes on when the handle is dropped.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the bindings to other protocols get their tasks"
)]
pub(super) fn spawn<F>(carrier: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(carrier)
}

/// The names bound at a provider, and the requests for them.
#[derive(Debug)]
pub(super) struct Arrivals {
    names: Mutex<Names>,
    /// Told when a name is let go of.
    unbound: Notify,
    sender: mpsc::Sender<Arrival>,
    receiver: tokio::sync::Mutex<mpsc::Receiver<Arrival>>,
}

impl Default for Arrivals {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        Self {
            names: Mutex::default(),
            unbound: Notify::new(),
            sender,
            receiver: tokio::sync::Mutex::new(receiver),
        }
    }
}

impl Arrivals {
    fn lock(&self) -> MutexGuard<'_, Names> {
        // nothing panics while it is locked, so a poisoned one is whole
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Binds `name` and starts the task that waits for requests; nothing changes when it is bound already.
    pub(super) fn bind<F>(
        &self,
        name: &Name,
        waits: impl FnOnce(Door) -> Result<F, BindError>,
    ) -> Result<(), BindError>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let runtime = Handle::try_current().map_err(|error| BindError::Layer {
            reason: alloc::format!("{error}").into(),
        })?;
        let mut names = self.lock();
        if names.bound.contains_key(name) {
            return Ok(());
        }
        let id = BindingId(names.next);
        let door = Door {
            name: name.clone(),
            binding: id,
            sender: self.sender.clone(),
        };
        let task = runtime.spawn(waits(door)?).abort_handle();
        names.next += 1;
        names.bound.insert(name.clone(), Bound { id, task });
        Ok(())
    }

    pub(super) fn unbind(&self, name: &Name) -> bool {
        let bound = self.lock().bound.remove(name);
        if let Some(bound) = &bound {
            bound.task.abort();
            self.unbound.notify_waiters();
        }
        bound.is_some()
    }

    /// The next request for a name that is still bound.
    pub(super) async fn accept(&self, timeout: Option<Duration>) -> Result<Flow, AcceptError> {
        within(timeout, self.next())
            .await
            .unwrap_or(Err(AcceptError::TimedOut))
    }

    async fn next(&self) -> Result<Flow, AcceptError> {
        loop {
            let unbound = self.unbound.notified();
            if self.lock().bound.is_empty() {
                return Err(AcceptError::NoName);
            }
            let mut unbound = pin!(unbound);
            let mut arriving = pin!(async { self.receiver.lock().await.recv().await });
            let arrival = poll_fn(|cx| match arriving.as_mut().poll(cx) {
                Poll::Pending => unbound.as_mut().poll(cx).map(|()| None),
                arrived => arrived,
            });
            let Some(arrival) = arrival.await else {
                continue; // one name fewer
            };
            let mut names = self.lock();
            if names.bound.get(&arrival.name).map(|bound| bound.id) != Some(arrival.binding) {
                continue; // let go of meanwhile; the peer sees its flow end
            }
            return arrival.outcome.map_err(|reason| {
                names.bound.remove(&arrival.name); // its task is over
                AcceptError::Layer { reason }
            });
        }
    }
}

impl Drop for Arrivals {
    fn drop(&mut self) {
        for bound in self.lock().bound.values() {
            bound.task.abort();
        }
    }
}
