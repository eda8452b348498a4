//! The sans-IO node: packets in, packets, events and a deadline out.

mod blob;
mod bridge;
mod entry;
mod events;
mod exit;
mod filter;
mod interfaces;
mod plan;
mod random;
mod rdp;
mod room;
mod routes;
mod rx;
mod segments;
mod serve;
mod sockets;
mod tap;
mod tx;

#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use tinwire_time::Instant;

use self::events::Events;
pub(crate) use self::exit::Way;
use self::plan::Output;
use self::random::Random;
pub use self::rdp::RdpStatus;
use crate::bridge::Bridge;
use crate::conn::{Connection, Listener, Role, Socket};
use crate::dedup::Dedup;
use crate::filter::Filters;
use crate::iface::Interfaces;
use crate::ports::{Owner, PortTable};
use crate::rdp::Filler;
use crate::slab::Slab;
use crate::tap::Tap;
use crate::{
    Address, Config, ConnectionId, DropReason, Dropped, Event, Header, InterfaceId, InterfaceStats, Packet,
    Port, RouteTable, Stats, TapId,
};

/// A packet to put on the link of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// The interface.
    pub interface: InterfaceId,
    /// The packet, trailers included.
    pub packet: Packet,
    /// The next hop, for links that address one (ROUTE-10).
    ///
    /// `None`: the packet's destination.
    pub via: Option<Address>,
}

/// A node: interfaces, routes, ports, connections and services, without any I/O.
///
/// The owner's loop:
///
/// 1. Tell it what happened: [`handle_packet`](Self::handle_packet) or [`handle_frame`](Self::handle_frame)
///    for what a link received, [`handle_discard`](Self::handle_discard) and
///    [`handle_link`](Self::handle_link) for what befell a link, [`handle_timeout`](Self::handle_timeout)
///    when [`poll_timeout`](Self::poll_timeout) is due, and the application's commands.
/// 2. [`poll_transmit`](Self::poll_transmit) until `None`, or [`poll_transmit_on`](Self::poll_transmit_on)
///    for each interface whose link has room. May give more after any `handle_*`, `send*` or `reply`.
/// 3. [`poll_filter`](Self::poll_filter) until `None`, if there are filters outside, and their verdicts to
///    [`handle_verdict`](Self::handle_verdict).
/// 4. [`poll_event`](Self::poll_event) until `None`. May give more after any of the above.
/// 5. [`poll_timeout`](Self::poll_timeout): sleep until then, or until something happens. May change after
///    any of the above.
///
/// No input makes it fail: what is wrong with a packet becomes a [`DropReason`], counted and told as an
/// event. Time (`now`) must not go back. Memory is bounded by [`Config`]: transmit queues per interface,
/// connections, their receive queues, events; each tap and each filter outside has a bounded queue of its
/// own.
#[derive(Debug)]
pub struct Node {
    config: Config,
    interfaces: Interfaces,
    routes: RouteTable,
    ports: PortTable,
    connections: Slab<Connection>,
    listeners: Slab<Listener>,
    sockets: Slab<Socket>,
    /// Connections that others opened, by own port and other end (CONN-2).
    servers: BTreeMap<(Port, Address, Port), ConnectionId>,
    /// Packets of ours to ourselves, handled before the call that made them returns.
    looped: VecDeque<(InterfaceId, Packet)>,
    /// Connections to tell when a transmit queue has room again.
    blocked: Vec<ConnectionId>,
    /// Scratch space for the ways out of one packet.
    outputs: Vec<Output>,
    dedup: Dedup,
    bridge: Option<Bridge>,
    taps: Vec<(TapId, Tap)>,
    next_tap: u64,
    filters: Filters,
    events: Events,
    next_transmit: usize,
    /// When RDP connections want to be told the time.
    timers: BTreeSet<(Instant, ConnectionId)>,
    /// Counts on with every RDP control segment of the node (RDP-1).
    filler: Filler,
    random: Random,
    stats: Stats,
    drops: BTreeMap<DropReason, u64>,
}

impl Node {
    /// A node with the loopback interface alone.
    ///
    /// `seed` picks ephemeral ports and the first numbers of RDP connections. Give it a different value at
    /// each start: what belongs to connections from before a restart would reach the wrong ones.
    #[must_use]
    pub fn new(config: Config, seed: u64) -> Self {
        Self::build(config, Random::Seeded(seed))
    }

    /// As [`new`](Self::new), with a source of random numbers, as a generator in hardware.
    #[must_use]
    pub fn with_random(config: Config, random: impl FnMut() -> u64 + Send + 'static) -> Self {
        Self::build(config, Random::Given(Box::new(random)))
    }

    fn build(config: Config, random: Random) -> Self {
        let mut ports = PortTable::new(config.port_max_bind);
        for service in config.services.iter() {
            ports.set(service.port().into(), Owner::Service);
        }
        Self {
            interfaces: Interfaces::new(),
            routes: RouteTable::new(),
            ports,
            connections: Slab::new(config.max_connections),
            listeners: Slab::new(usize::from(u8::MAX)),
            sockets: Slab::new(usize::from(u8::MAX)),
            servers: BTreeMap::new(),
            looped: VecDeque::new(),
            blocked: Vec::new(),
            outputs: Vec::new(),
            dedup: Dedup::new(config.dedup),
            bridge: None,
            taps: Vec::new(),
            next_tap: 0,
            filters: Filters::default(),
            events: Events::new(config.event_queue),
            next_transmit: 0,
            timers: BTreeSet::new(),
            filler: Filler::ZERO,
            random,
            stats: Stats::default(),
            drops: BTreeMap::new(),
            config,
        }
    }

    /// Counters of the node.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            events_lost: self.events.lost(),
            rdp: self.rdp_stats(),
            ..self.stats
        }
    }

    /// How many packets went no further for each reason that there was.
    pub fn drops(&self) -> impl Iterator<Item = (DropReason, u64)> {
        self.drops.iter().map(|(reason, count)| (*reason, *count))
    }

    /// Sets all counters, those of the interfaces included, back to zero.
    pub fn reset_stats(&mut self) {
        self.stats = Stats::default();
        self.reset_rdp_stats();
        self.drops.clear();
        self.events.reset_lost();
        for interface in self.interfaces.iter_mut() {
            interface.stats = InterfaceStats::default();
        }
    }

    /// Sets the counters of one interface back to zero.
    pub fn reset_interface_stats(&mut self, interface: InterfaceId) {
        if let Some(interface) = self.interfaces.get_mut(interface) {
            interface.stats = InterfaceStats::default();
        }
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        // A backlog is in order of age, so its front is the first to expire.
        self.listeners
            .iter()
            .filter_map(|(_, listener)| self.expiry(*listener.backlog.front()?))
            .chain(self.filters.deadline())
            .chain(self.timers.first().map(|(deadline, _)| *deadline))
            .min()
    }

    /// Drops what has waited too long. Early or repeated calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        let waiting = self
            .listeners
            .iter()
            .flat_map(|(_, listener)| listener.backlog.iter().copied());
        let late = |id: &ConnectionId| self.expiry(*id).is_some_and(|until| until <= now);
        let expired: Vec<_> = waiting.filter(late).collect();
        for id in expired {
            while let Some(message) = self.recv(id) {
                self.drop_packet(message.interface, Some(message.header), DropReason::NotAccepted);
            }
            self.close(now, id);
        }
        self.handle_rdp_timeouts(now);
        self.settle(now);
        // Last, for what was just sent may have no time at all to wait.
        self.expire_filters(now);
    }

    fn expiry(&self, connection: ConnectionId) -> Option<Instant> {
        match self.connections.get(connection.0)?.role {
            Role::Pending { until, .. } => Some(until),
            _ => None,
        }
    }

    /// Counts a packet that goes no further, and tells of it.
    fn drop_packet(&mut self, interface: InterfaceId, header: Option<Header>, reason: DropReason) {
        self.drop_packets(Dropped {
            interface,
            header,
            reason,
            count: 1,
        });
    }

    fn drop_packets(&mut self, dropped: Dropped) {
        if let Some(interface) = self.interfaces.get_mut(dropped.interface) {
            interface.stats.count(dropped.reason.counter(), dropped.count);
        }
        self.stats.dropped = self.stats.dropped.wrapping_add(dropped.count);
        let times = self.drops.entry(dropped.reason).or_default();
        *times = times.wrapping_add(dropped.count);
        self.events.notice(Event::Dropped(dropped));
    }

    /// Random bits to encrypt a packet under.
    fn nonce(&mut self) -> u32 {
        let [a, b, c, d, ..] = self.random().to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }

    fn random(&mut self) -> u64 {
        self.random.next()
    }
}
