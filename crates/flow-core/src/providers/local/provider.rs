//! The layer, and who takes part in it.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use core::future::Future;
use core::time::Duration;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_core::future::BoxFuture;

use super::asker::{Asker, Given};
use super::registry::{ProviderId, Registry};
use super::request::{Accepting, Requesting};
use crate::error::{AcceptError, AllocError, BindError, JoinError};
use crate::flow::{Fanout, Flow, Outlet};
use crate::name::Name;
use crate::peer::Peer;
use crate::provider::Provider;
use crate::qos::{Bound, PeerTimeout, QosSpec, Tolerance};
use crate::queue::QueueConfig;

/// What a flow through memory has: nothing lies between its ends.
pub(crate) const HAS: QosSpec = QosSpec::RAW
    .with_delay(Bound::from_millis(0))
    .with_bandwidth(u64::MAX)
    .with_availability(u8::MAX)
    .with_loss(Tolerance::NONE)
    .with_ber(Tolerance::NONE)
    .with_max_gap(Bound::from_millis(0))
    .with_timeout(PeerTimeout::from_millis(1));

/// Limits of a layer.
#[derive(Clone, Copy, Debug)]
pub struct LocalConfig {
    pub(crate) queue: QueueConfig,
    pub(crate) names: usize,
    backlog: usize,
    members: usize,
}

impl Default for LocalConfig {
    fn default() -> Self {
        Self {
            queue: QueueConfig::default(),
            names: 4_096,
            backlog: 128,
            members: 1_024,
        }
    }
}

impl LocalConfig {
    /// Limits of each flow's queue, per direction. Default: 256 packets and 1 MiB.
    #[must_use]
    pub const fn queue(self, queue: QueueConfig) -> Self {
        Self { queue, ..self }
    }

    /// How many names may be bound. Default: 4096.
    #[must_use]
    pub const fn names(self, names: usize) -> Self {
        Self { names, ..self }
    }

    /// How many requests may wait for a name. Default: 128.
    #[must_use]
    pub const fn backlog(self, backlog: usize) -> Self {
        Self { backlog, ..self }
    }

    /// How many members a broadcast layer may have. Default: 1024.
    #[must_use]
    pub const fn members(self, members: usize) -> Self {
        Self { members, ..self }
    }
}

/// Counters of a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LocalStats {
    /// Names that are bound now.
    pub names: usize,
    /// Requests that wait now.
    pub waiting: usize,
    /// Flows that were accepted.
    pub flows: u64,
    /// Requests that were refused at once: name unknown, quality not to be had, backlog full.
    pub refused: u64,
    /// Requests that were taken back before anybody accepted: timed out, or given up.
    pub withdrawn: u64,
    /// Times a broadcast layer was joined.
    pub joins: u64,
}

#[derive(Debug)]
pub(super) struct Layer {
    pub(super) registry: Registry<Given>,
    broadcast: BTreeMap<Name, Weak<Fanout>>,
    pub(super) stats: LocalStats,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: LocalConfig,
    layer: Mutex<Layer>,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Layer> {
        // no operation of the registry panics half-way, so a poisoned one is whole
        self.layer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names and broadcast layers within this process. Clones are the same layer.
#[derive(Clone, Debug)]
pub struct LocalLayer(Arc<Shared>);

impl LocalLayer {
    /// A layer without names.
    #[must_use]
    pub fn new() -> Self {
        Self::with_config(LocalConfig::default())
    }

    /// A layer with other limits.
    #[must_use]
    pub fn with_config(config: LocalConfig) -> Self {
        let layer = Layer {
            registry: Registry::new(config.names, config.backlog),
            broadcast: BTreeMap::new(),
            stats: LocalStats::default(),
        };
        Self(Arc::new(Shared {
            config,
            layer: Mutex::new(layer),
        }))
    }

    /// Takes part in the layer, with bindings of its own.
    #[must_use]
    pub fn attach(&self) -> LocalProvider {
        let id = self.0.lock().registry.attach();
        let shared = Arc::clone(&self.0);
        LocalProvider { shared, id }
    }

    /// Whether somebody in this process is bound to `name`.
    #[cfg(unix)]
    pub(crate) fn is_known(&self, name: &Name) -> bool {
        self.0.lock().registry.is_known(name)
    }

    /// Whether somebody waits in accept who would get a request for `name` at once.
    #[cfg(unix)]
    pub(crate) fn is_awaited(&self, name: &Name) -> bool {
        self.0.lock().registry.is_awaited(name)
    }

    /// Asks for a flow of granted quality on behalf of another process.
    #[cfg(unix)]
    pub(crate) fn request(
        &self,
        name: &Name,
        has: QosSpec,
        asker: Asker,
    ) -> Result<Requesting<'_>, AllocError> {
        Requesting::new(&self.0, name, has, asker).inspect_err(|_| self.0.lock().stats.refused += 1)
    }

    /// Counters.
    #[must_use]
    pub fn stats(&self) -> LocalStats {
        let layer = self.0.lock();
        LocalStats {
            names: layer.registry.names(),
            waiting: layer.registry.waiting(),
            ..layer.stats
        }
    }
}

impl Default for LocalLayer {
    fn default() -> Self {
        Self::new()
    }
}

/// A participant of a [`LocalLayer`]. Its bindings end with it; its flows do not.
#[derive(Debug)]
pub struct LocalProvider {
    shared: Arc<Shared>,
    id: ProviderId,
}

impl LocalProvider {
    /// Binds a name; see [`Provider::bind`].
    ///
    /// # Errors
    ///
    /// [`BindError::Full`] when the layer has all the names it may have.
    pub fn bind(&self, name: &Name) -> Result<(), BindError> {
        let wakers = self.shared.lock().registry.bind(self.id, name)?;
        wakers.wake();
        Ok(())
    }

    /// Lets go of a name; see [`Provider::unbind`].
    pub fn unbind(&self, name: &Name) -> bool {
        let wakers = self.shared.lock().registry.unbind(self.id, name);
        let bound = wakers.is_some();
        wakers.unwrap_or_default().wake();
        bound
    }

    /// Asks for a flow to `name` and waits until somebody accepts, with `None` for ever.
    ///
    /// # Errors
    ///
    /// [`AllocError`]: at once when nobody is bound to the name, when the quality is not to be had, or when
    /// too many wait; later when time runs out or the last who was bound lets go of the name.
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
        let requesting = HAS
            .grant(&qos)
            .map_err(AllocError::from)
            .and_then(|has| Requesting::new(&self.shared, name, has, Asker::Here))
            .inspect_err(|_| self.shared.lock().stats.refused += 1)?;
        match within(timeout, requesting).await {
            Some(Ok(Given::Flow(flow))) => Ok(*flow),
            #[cfg(unix)]
            Some(Ok(Given::Link(_))) => Err(AllocError::UnknownName { name: name.clone() }), // not given here
            Some(Err(error)) => Err(error),
            None => Err(AllocError::TimedOut),
        }
    }

    /// Waits for the next request, oldest first, for any name bound here, with `None` for ever.
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
        let accepting = Accepting::new(&self.shared, self.id);
        within(timeout, accepting)
            .await
            .unwrap_or(Err(AcceptError::TimedOut))
    }

    /// Joins a broadcast layer, which is made by its first member. Its flows have [`QosSpec::BROADCAST`].
    ///
    /// # Errors
    ///
    /// [`JoinError::Full`] when it has all the members it may have.
    pub fn join(&self, name: &Name) -> Result<Flow, JoinError> {
        let LocalConfig {
            queue, members: max, ..
        } = self.shared.config;
        let mut layer = self.shared.lock();
        layer.broadcast.retain(|_, fanout| fanout.strong_count() > 0);
        let fanout = layer.broadcast.get(name).and_then(Weak::upgrade);
        let fanout = fanout.unwrap_or_else(|| Arc::new(Fanout::new(queue.max_packet())));
        let (flow, added) = Flow::new(name, QosSpec::BROADCAST, queue, |inbound| {
            let added = fanout.add(inbound, max);
            let layer = Arc::clone(&fanout);
            let sender = Arc::clone(inbound);
            inbound.keep(fanout.clone()); // who only reads is a member, too
            (Outlet::Fanout { layer, sender }, added)
        });
        if !added {
            return Err(JoinError::Full { max });
        }
        layer.broadcast.insert(name.clone(), Arc::downgrade(&fanout));
        layer.stats.joins += 1;
        Ok(flow.with_peer(Peer::Broadcast))
    }
}

impl Drop for LocalProvider {
    fn drop(&mut self) {
        let wakers = self.shared.lock().registry.detach(self.id);
        wakers.wake();
    }
}

/// Awaits `future` for at most `timeout`; `None` when time runs out.
pub(crate) async fn within<F: Future>(timeout: Option<Duration>, future: F) -> Option<F::Output> {
    match timeout {
        None => Some(future.await),
        Some(timeout) => tokio::time::timeout(timeout, future).await.ok(),
    }
}

impl Provider for LocalProvider {
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
        _timeout: Option<Duration>,
    ) -> BoxFuture<'a, Result<Flow, JoinError>> {
        let joined = self.join(layer);
        Box::pin(async { joined })
    }
}
