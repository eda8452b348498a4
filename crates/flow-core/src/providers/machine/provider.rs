//! Who takes part in a layer between processes.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::pin::pin;
use core::time::Duration;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_core::future::BoxFuture;

use super::asking;
use super::layer::Shared;
use super::names::{Bindings, PAUSE};
use super::shared::clock;
use crate::error::{AcceptError, AllocError, BindError, JoinError};
use crate::flow::Flow;
use crate::name::Name;
use crate::provider::Provider;
use crate::providers::local::{HAS, LocalProvider, within};
use crate::qos::QosSpec;

/// A participant of a [`MachineLayer`](super::MachineLayer). Its bindings end with it; its flows do not.
#[derive(Debug)]
pub struct MachineProvider {
    shared: Arc<Shared>,
    local: LocalProvider,
    bound: Mutex<Bound>,
    following: Mutex<Following>,
}

/// The names that a participant accepts for.
#[derive(Debug, Default)]
struct Bound {
    /// It has bound them itself.
    own: BTreeSet<Name>,
    /// Its process or its program is bound to them by settings.
    assigned: BTreeSet<Name>,
}

/// What settings say, and when that was looked up.
#[derive(Debug)]
struct Following {
    bindings: Bindings,
    looked: Option<std::time::Instant>,
}

impl MachineProvider {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            local: shared.local.attach(),
            bound: Mutex::default(),
            following: Mutex::new(Following {
                bindings: Bindings::new(&shared.directory, &shared.config),
                looked: None,
            }),
            shared,
        }
    }

    fn bound(&self) -> MutexGuard<'_, Bound> {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to accept for a name.
    fn take(&self, name: &Name) -> Result<(), BindError> {
        // who connects at once finds the name bound
        self.local.bind(name)?;
        self.shared.seat(name).inspect_err(|_| {
            self.local.unbind(name);
        })
    }

    /// Accepts for a name no more.
    fn leave(&self, name: &Name) {
        self.shared.unseat(name);
        self.local.unbind(name);
    }

    /// Takes the names that settings bind this process to, and leaves those that they do not any more; looks
    /// no more often than they can be expected to change.
    fn follow(&self) {
        let mut following = self.following.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock();
        let fresh = |looked| now.saturating_duration_since(looked) < PAUSE;
        if following.looked.is_some_and(fresh) {
            return;
        }
        following.looked = Some(now);
        following.bindings.poll();
        let wanted = following.bindings.names();
        let mut bound = self.bound();
        let bound = &mut *bound;
        let gone: Vec<_> = bound.assigned.difference(wanted).cloned().collect();
        for name in &gone {
            bound.assigned.remove(name);
            if !bound.own.contains(name) {
                self.leave(name);
            }
        }
        for name in wanted {
            // one that cannot be had now is tried again at the next look
            if !bound.assigned.contains(name) && (bound.own.contains(name) || self.take(name).is_ok()) {
                bound.assigned.insert(name.clone());
            }
        }
    }

    /// Binds a name; see [`Provider::bind`].
    ///
    /// # Errors
    ///
    /// [`BindError`]: [`Denied`](BindError::Denied) when the name is another user's,
    /// [`Full`](BindError::Full) when there are as many names as may be, [`Layer`](BindError::Layer) when the
    /// socket cannot be had.
    pub fn bind(&self, name: &Name) -> Result<(), BindError> {
        let mut bound = self.bound();
        if !bound.own.contains(name) && !bound.assigned.contains(name) {
            self.take(name)?;
        }
        bound.own.insert(name.clone());
        Ok(())
    }

    /// Lets go of a name; see [`Provider::unbind`].
    pub fn unbind(&self, name: &Name) -> bool {
        let mut bound = self.bound();
        let own = bound.own.remove(name);
        if own && !bound.assigned.contains(name) {
            self.leave(name);
        }
        own
    }

    /// Asks for a flow to `name` and waits until somebody accepts, with `None` for ever. Who is bound to the
    /// name in this process is asked first.
    ///
    /// # Errors
    ///
    /// [`AllocError`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future takes the request back; if it was accepted already, the peer sees the flow end.
    pub async fn alloc(
        &self,
        name: &Name,
        qos: QosSpec,
        timeout: Option<Duration>,
    ) -> Result<Flow, AllocError> {
        if self.shared.local.is_known(name) {
            return self.local.alloc(name, qos, timeout).await;
        }
        HAS.grant(&qos)?;
        let asked = within(timeout, asking::ask(&self.shared, name, qos)).await;
        asked.unwrap_or(Err(AllocError::TimedOut))
    }

    /// Waits for the next request for any name bound here, from whichever process, with `None` for ever.
    /// Names are also those that this process or its program is bound to by [`Names`](super::Names); a change
    /// is seen within a second.
    ///
    /// # Errors
    ///
    /// [`AcceptError`]: [`NoName`](AcceptError::NoName) when no name is bound, or the last one is let go of
    /// meanwhile.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no request.
    pub async fn accept(&self, timeout: Option<Duration>) -> Result<Flow, AcceptError> {
        let accepting = async {
            self.follow();
            // one and the same accept, which keeps its turn
            let mut accepting = pin!(self.local.accept(None));
            loop {
                match tokio::time::timeout(PAUSE, &mut accepting).await {
                    Ok(accepted) => return accepted,
                    Err(_elapsed) => self.follow(),
                }
            }
        };
        let accepted = within(timeout, accepting).await;
        accepted.unwrap_or(Err(AcceptError::TimedOut))
    }

    /// Joins a broadcast layer of the machine: everybody in it, in whichever process, gets every packet but
    /// the sender. Its flows have [`QosSpec::BROADCAST`].
    ///
    /// What is written after this returned arrives here, and what is written here arrives at all who are
    /// there then. A process that is stopped is not waited for longer than a handshake may take.
    ///
    /// # Errors
    ///
    /// [`JoinError`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future joins nothing.
    pub async fn join(&self, layer: &Name, timeout: Option<Duration>) -> Result<Flow, JoinError> {
        self.shared.broadcast.join(layer, timeout).await
    }
}

impl Drop for MachineProvider {
    fn drop(&mut self) {
        let Bound { own, assigned } = core::mem::take(&mut *self.bound());
        own.union(&assigned).for_each(|name| self.shared.unseat(name));
    }
}

impl Provider for MachineProvider {
    fn bind(&self, name: &Name) -> Result<(), BindError> {
        self.bind(name)
    }

    fn unbind(&self, name: &Name) -> bool {
        self.unbind(name)
    }

    fn alloc<'a>(
        &'a self,
        name: &'a Name,
        qos: QosSpec,
        timeout: Option<Duration>,
    ) -> BoxFuture<'a, Result<Flow, AllocError>> {
        Box::pin(self.alloc(name, qos, timeout))
    }

    fn accept(&self, timeout: Option<Duration>) -> BoxFuture<'_, Result<Flow, AcceptError>> {
        Box::pin(self.accept(timeout))
    }
    fn join<'a>(
        &'a self,
        layer: &'a Name,
        timeout: Option<Duration>,
    ) -> BoxFuture<'a, Result<Flow, JoinError>> {
        Box::pin(self.join(layer, timeout))
    }
}
