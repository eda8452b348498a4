//! Who takes part in a layer between processes.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use core::time::Duration;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_core::future::BoxFuture;

use super::asking;
use super::layer::Shared;
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
    bound: Mutex<BTreeSet<Name>>,
}

impl MachineProvider {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            local: shared.local.attach(),
            shared,
            bound: Mutex::default(),
        }
    }

    fn bound(&self) -> MutexGuard<'_, BTreeSet<Name>> {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner)
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
        if bound.contains(name) {
            return Ok(());
        }
        // who connects at once finds the name bound
        self.local.bind(name)?;
        if let Err(error) = self.shared.seat(name) {
            self.local.unbind(name);
            return Err(error);
        }
        bound.insert(name.clone());
        Ok(())
    }

    /// Lets go of a name; see [`Provider::unbind`].
    pub fn unbind(&self, name: &Name) -> bool {
        let bound = self.bound().remove(name);
        if bound {
            self.shared.unseat(name);
            self.local.unbind(name);
        }
        bound
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
        self.local.accept(timeout).await
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
        let bound = core::mem::take(&mut *self.bound());
        bound.iter().for_each(|name| self.shared.unseat(name));
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
