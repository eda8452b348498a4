//! Broadcast layers between processes: everybody hears everybody else.
//!
//! Every process that has members in a layer has one seat in the layer's directory, and one link to every
//! other such process. Seats are numbered in the order in which they were taken; the younger process connects
//! to the older one, so there is exactly one link for each two, however many come at once.
//!
//! ```text
//! member ─┐            ┌─ link ══ socket ══ link ─┐            ┌─ member
//! member ─┴─► Fanout ──┼─ link ══ ...             ├── Fanout ◄─┴─ member
//! ```
//!
//! - **Nobody is waited for.** A link has a bounded queue; when the other process does not take what is in
//!   it, the newest packets are dropped, counted, and told to that process when it takes something again.
//!   There they are [`ReadStats::lost`](crate::flow::ReadStats) and an event.
//! - **Joining** is over when every process that was there has welcomed the new one, so that what is written
//!   from then on arrives. One that does not answer within the time of a handshake, because it is stopped, is
//!   not waited for; it is welcomed when it goes on.
//! - **Leaving** ends the process's links once they have taken what was written, or after a second. One that
//!   is killed is just gone.

mod link;
mod station;
pub mod wire;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::sync::{Arc, Weak};
use core::time::Duration;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;

use self::station::Station;
use super::config::MachineConfig;
use super::directory::Directory;
use crate::error::{BindError, JoinError};
use crate::flow::{Flow, Outlet};
use crate::name::Name;
use crate::peer::Peer;
use crate::providers::local::within;
use crate::qos::QosSpec;

/// Counters of the broadcast layers of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BroadcastStats {
    /// Times a layer was joined.
    pub joins: u64,
    /// Links to other processes that are there now.
    pub links: usize,
    /// Packets that were dropped because another process did not take them.
    pub dropped: u64,
    /// Packets that were not sent to a process, because they are longer than it takes.
    pub too_long: u64,
    /// Packets of other processes that were dropped there, as they told.
    pub lost: u64,
    /// Connections of users to whom the layer is not open.
    pub denied: u64,
    /// Connections that found as many members as there may be.
    pub full: u64,
    /// Connections that did not say in time what they want, or came when too many had not.
    pub mute: u64,
    /// Connections that said something that has no meaning.
    pub malformed: u64,
    /// Sockets of dead processes that were met.
    pub stale: u64,
}

/// The broadcast layers of a process.
#[derive(Debug)]
pub(super) struct Broadcast {
    directory: Directory,
    config: MachineConfig,
    runtime: Handle,
    stations: Mutex<BTreeMap<Name, Weak<Station>>>,
    stats: Arc<Counters>,
}

/// Counters that many tasks count in.
#[derive(Debug, Default)]
pub(super) struct Counters(Mutex<BroadcastStats>);

impl Counters {
    pub(super) fn count(&self, count: impl FnOnce(&mut BroadcastStats)) {
        count(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn get(&self) -> BroadcastStats {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Broadcast {
    /// The layers below `directory`; tasks run in `runtime`.
    pub(super) fn new(directory: &Directory, config: &MachineConfig, runtime: Handle) -> Self {
        Self {
            directory: directory.layers(),
            config: config.clone(),
            runtime,
            stations: Mutex::default(),
            stats: Arc::default(),
        }
    }

    pub(super) fn stats(&self) -> BroadcastStats {
        self.stats.get()
    }

    fn stations(&self) -> MutexGuard<'_, BTreeMap<Name, Weak<Station>>> {
        self.stations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins a layer: what others write from now on arrives, with `None` after waiting for them for ever.
    pub(super) async fn join(&self, layer: &Name, timeout: Option<Duration>) -> Result<Flow, JoinError> {
        let station = self.station(layer)?;
        // a stopped process is not waited for longer than that
        let settled = within(Some(self.config.max_handshake_time()), station.settled());
        match within(timeout, settled).await {
            Some(Some(Err(refused))) => return Err(refused),
            Some(Some(Ok(())) | None) => {}
            None => return Err(JoinError::TimedOut),
        }
        let max = self.config.members;
        let fanout = Arc::clone(station.fanout());
        let queue = self.config.local.queue;
        let (mut flow, added) = Flow::new(layer, QosSpec::BROADCAST, queue, |inbound| {
            let added = fanout.add(inbound, max);
            inbound.keep(station);
            let sender = Arc::clone(inbound);
            let layer = Arc::clone(&fanout);
            (Outlet::Fanout { layer, sender }, added)
        });
        if !added {
            return Err(JoinError::Full { max });
        }
        flow.limit_packets(fanout.max_packet());
        self.stats.count(|stats| stats.joins += 1);
        Ok(flow.with_peer(Peer::Broadcast))
    }

    /// This process's part in a layer.
    fn station(&self, layer: &Name) -> Result<Arc<Station>, JoinError> {
        let mut stations = self.stations();
        stations.retain(|_, station| station.strong_count() > 0);
        if let Some(station) = stations.get(layer).and_then(Weak::upgrade) {
            return Ok(station);
        }
        let unreachable = |reason: Box<str>| JoinError::Unreachable { reason };
        let seat = self.directory.publish_among(layer, self.config.members);
        let seat = seat.map_err(|error| match error {
            BindError::Full { max } => JoinError::Full { max },
            BindError::Denied { .. } => JoinError::Denied,
            other => unreachable(other.to_string().into()),
        })?;
        let mut older = match self.directory.candidates(layer) {
            Ok(candidates) => candidates,
            Err(error) => return Err(unreachable(error.to_string().into())),
        };
        older.retain_older(seat.number());
        let stats = Arc::clone(&self.stats);
        let station = Station::start(layer, &self.config, seat, older, stats, &self.runtime);
        let station = Arc::new(station.map_err(|error| unreachable(error.to_string().into()))?);
        stations.insert(layer.clone(), Arc::downgrade(&station));
        Ok(station)
    }
}
