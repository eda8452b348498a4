//! The layer of a process: its names, its flows to other processes, its limits.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::ToString;
use alloc::sync::Arc;
use core::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::net::UnixStream;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::broadcast::Broadcast;
use super::buffers::Buffers;
use super::config::MachineConfig;
use super::directory::{Directory, Seat};
use super::driver::{Driver, DriverStats, Over};
use super::frame::MAX_PAYLOAD;
use super::listener;
use super::names::Names;
use super::provider::MachineProvider;
use super::shared::Link;
use super::stats::MachineStats;
use crate::error::{BindError, LayerError};
use crate::name::Name;
use crate::providers::local::LocalLayer;

/// A name that is bound in this process.
#[derive(Debug)]
struct Seated {
    /// Participants that are bound to it.
    bound: usize,
    /// The socket; dropping it takes it out of the directory.
    _seat: Seat,
    listener: AbortHandle,
}

impl Drop for Seated {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

#[derive(Debug, Default)]
struct State {
    /// Connections that have not said what they want, oldest first.
    handshakes: BTreeMap<u64, Option<AbortHandle>>,
    next_handshake: u64,
    stats: MachineStats,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: MachineConfig,
    pub(super) directory: Directory,
    pub(super) local: LocalLayer,
    pub(super) runtime: Handle,
    pub(super) broadcast: Broadcast,
    buffers: Arc<Buffers>,
    /// Names that are bound in this process. Locked before the state, and while files are waited for.
    seats: Mutex<BTreeMap<Name, Seated>>,
    state: Mutex<State>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // nothing panics half-way, so a poisoned state is whole
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seats(&self) -> MutexGuard<'_, BTreeMap<Name, Seated>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn count(&self, count: impl FnOnce(&mut MachineStats)) {
        count(&mut self.lock().stats);
    }

    /// Listens for requests for `name`, for one more participant of this process.
    pub(super) fn seat(self: &Arc<Self>, name: &Name) -> Result<(), BindError> {
        let mut seats = self.seats();
        if let Some(seated) = seats.get_mut(name) {
            seated.bound += 1;
            return Ok(());
        }
        let seat = self.directory.publish(name)?;
        let socket = seat.listener().try_clone().map_err(|error| BindError::Layer {
            reason: error.to_string().into(),
        })?;
        let listening = listener::listen(Arc::clone(self), name.clone(), seat.sharing(), socket);
        let listener = self.runtime.spawn(listening).abort_handle();
        let seated = Seated {
            bound: 1,
            _seat: seat,
            listener,
        };
        seats.insert(name.clone(), seated);
        Ok(())
    }

    /// One participant less is bound to `name`.
    pub(super) fn unseat(&self, name: &Name) {
        let mut seats = self.seats();
        let Some(seated) = seats.get_mut(name) else {
            return;
        };
        seated.bound -= 1;
        if seated.bound == 0 {
            seats.remove(name);
        }
    }

    /// A place for one more flow to another process, if there may be one.
    pub(super) fn place(self: &Arc<Self>) -> Result<Place, usize> {
        self.spare_place().ok_or_else(|| {
            self.count(|stats| stats.full += 1);
            self.config.max_flows()
        })
    }

    /// As [`place`](Self::place), for what can be left undone.
    pub(super) fn spare_place(self: &Arc<Self>) -> Option<Place> {
        let mut state = self.lock();
        let room = state.stats.flows < self.config.max_flows();
        state.stats.flows += usize::from(room);
        drop(state);
        room.then(|| Place(Arc::clone(self)))
    }

    /// Notes a connection that is yet to say what it wants, and starts its task. When there are as many as
    /// may be, the oldest is turned out.
    pub(super) fn greet(self: &Arc<Self>, start: impl FnOnce(Greeting) -> AbortHandle) {
        let (greeting, oldest) = {
            let mut state = self.lock();
            let full = state.handshakes.len() >= self.config.max_handshakes().max(1);
            let oldest = if full { state.handshakes.pop_first() } else { None };
            state.stats.mute += u64::from(oldest.is_some());
            let number = state.next_handshake;
            state.next_handshake += 1;
            state.handshakes.insert(number, None);
            let shared = Arc::clone(self);
            (Greeting { shared, number }, oldest)
        };
        if let Some((_, Some(oldest))) = oldest {
            oldest.abort();
        }
        let number = greeting.number;
        // not under the lock, which the task takes when it ends
        let task = start(greeting);
        if let Some(noted) = self.lock().handshakes.get_mut(&number) {
            *noted = Some(task);
        }
    }

    /// Drives a connection until its flow is over. What comes back ends the flow when it is dropped, before
    /// it is polled or after.
    pub(super) fn drive(
        self: &Arc<Self>,
        link: Arc<Link>,
        stream: UnixStream,
        place: Place,
    ) -> impl Future<Output = ()> + Send + use<> {
        let max = self.config.local.queue.max_packet().min(MAX_PAYLOAD);
        let mut driver = {
            // a flow may be asked for in another runtime than that of the layer
            let _context = self.runtime.enter();
            Driver::new(link, stream, Arc::clone(&self.buffers), max)
        };
        let shared = Arc::clone(self);
        async move {
            let over: Over = (&mut driver).await;
            let stats: DriverStats = driver.stats();
            shared.count(|all| all.count_over(over, stats));
            drop(driver);
            drop(place);
        }
    }
}

/// One of the flows that there may be.
#[derive(Debug)]
pub(super) struct Place(Arc<Shared>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.lock().stats.flows -= 1;
    }
}

/// One of the handshakes that there may be.
#[derive(Debug)]
pub(super) struct Greeting {
    shared: Arc<Shared>,
    number: u64,
}

impl Drop for Greeting {
    fn drop(&mut self) {
        self.shared.lock().handshakes.remove(&self.number);
    }
}

/// Names and flows of this process and the other processes of the machine. Clones are the same layer.
#[derive(Clone, Debug)]
pub struct MachineLayer(Arc<Shared>);

impl MachineLayer {
    /// Opens the layer. Its tasks run in the runtime in which this is called.
    ///
    /// # Errors
    ///
    /// [`LayerError`] when its directory cannot be had, or there is no runtime.
    pub fn open(config: MachineConfig) -> Result<Self, LayerError> {
        let runtime = Handle::try_current().map_err(|error| LayerError::NoDirectory {
            reason: Box::from(format!("{error}")),
        })?;
        let directory = Directory::open(&config)?;
        Ok(Self(Arc::new(Shared {
            local: LocalLayer::with_config(config.local),
            broadcast: Broadcast::new(&directory, &config, runtime.clone()),
            config,
            directory,
            runtime,
            buffers: Arc::default(),
            seats: Mutex::default(),
            state: Mutex::default(),
        })))
    }

    /// Takes part in the layer, with bindings of its own.
    #[must_use]
    pub fn attach(&self) -> MachineProvider {
        MachineProvider::new(Arc::clone(&self.0))
    }

    /// Where the processes meet.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.0.directory
    }

    /// Names and their settings: what is created, and which programs and processes are bound to it.
    #[must_use]
    pub fn names(&self) -> Names {
        Names::new(self.0.directory.clone())
    }

    /// Counters.
    #[must_use]
    pub fn stats(&self) -> MachineStats {
        let state = self.0.lock();
        MachineStats {
            local: self.0.local.stats(),
            broadcast: self.0.broadcast.stats(),
            handshakes: state.handshakes.len(),
            ..state.stats
        }
    }
}
