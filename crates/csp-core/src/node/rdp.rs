//! RDP connections among the others of a node (spec 9).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use tinwire_time::Instant;

use super::Node;
use crate::conn::{Connection, Role, Transport};
use crate::ports::Owner;
use crate::rdp::{self, Clamped, CloseReason, Machine, Sequence, State};
use crate::{Address, ConnectConfig, ConnectionId, Event, InterfaceId, ListenerId, Peers};

/// An RDP connection as the node sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RdpStatus {
    /// The two ends.
    pub peers: Peers,
    /// What it is doing.
    pub state: State,
    /// Its options, and what was changed to get there.
    pub options: Clamped,
    /// Messages sent, and how many of them are acknowledged.
    pub progress: (u64, u64),
    /// Its own counters.
    pub stats: rdp::Stats,
    /// Its name; `None` where nobody has it: about to open, or closed and the other end may not know yet.
    pub connection: Option<ConnectionId>,
}

impl Node {
    /// All RDP connections, those included that nobody has yet or any more.
    pub fn rdp_connections(&self) -> impl Iterator<Item = RdpStatus> {
        self.connections.iter().filter_map(|(key, entry)| {
            let Transport::Rdp(machine) = &entry.transport else {
                return None;
            };
            let is_held = !matches!(entry.role, Role::Opening { .. } | Role::Lingering { .. });
            Some(RdpStatus {
                peers: entry.peers,
                state: machine.state(),
                options: machine.options(),
                progress: machine.progress(),
                stats: *machine.stats(),
                connection: is_held.then_some(ConnectionId(key)),
            })
        })
    }

    /// What an RDP connection is doing; `None` for others, and for those that are closed.
    #[must_use]
    pub fn state(&self, connection: ConnectionId) -> Option<State> {
        Some(self.machine(connection)?.state())
    }

    /// How many messages the other end of an RDP connection has acknowledged.
    ///
    /// Acknowledged are those numbered below that. `None` for others, and for those that are closed.
    #[must_use]
    pub fn acknowledged(&self, connection: ConnectionId) -> Option<u64> {
        let (_, acknowledged) = self.machine(connection)?.progress();
        Some(acknowledged)
    }

    /// How many messages were sent on an RDP connection.
    ///
    /// `None` for others, and for those that are closed.
    #[must_use]
    pub fn sent(&self, connection: ConnectionId) -> Option<u64> {
        let (sent, _) = self.machine(connection)?.progress();
        Some(sent)
    }

    /// Closes a connection once everything sent is acknowledged, after `limit` at the latest (BET-3).
    ///
    /// Nothing more can be sent; what comes meanwhile can be received. [`Event::Closed`] tells once how it
    /// went, without RDP at once, and [`close`](Self::close) then frees the connection, as it does earlier.
    pub fn finish(&mut self, now: Instant, connection: ConnectionId, limit: Duration) {
        match self
            .connections
            .get_mut(connection.0)
            .map(|entry| &mut entry.transport)
        {
            Some(Transport::Rdp(machine)) => machine.finish(now, limit),
            Some(Transport::Plain { finished, .. }) if !*finished => {
                *finished = true;
                self.events.ready(Event::Closed {
                    connection,
                    reason: CloseReason::Finished,
                    unacknowledged: 0,
                });
            }
            _ => {}
        }
        self.tend(now, connection);
        self.settle(now);
    }

    pub(super) fn machine(&self, connection: ConnectionId) -> Option<&Machine<crate::conn::About>> {
        match &self.connections.get(connection.0)?.transport {
            Transport::Rdp(machine) => Some(machine),
            Transport::Plain { .. } => None,
        }
    }

    pub(super) fn machine_mut(
        &mut self,
        connection: ConnectionId,
    ) -> Option<&mut Machine<crate::conn::About>> {
        match &mut self.connections.get_mut(connection.0)?.transport {
            Transport::Rdp(machine) => Some(machine),
            Transport::Plain { .. } => None,
        }
    }

    pub(super) fn rdp_stats(&self) -> rdp::Stats {
        let mut sum = self.stats.rdp;
        for (_, entry) in self.connections.iter() {
            if let Transport::Rdp(machine) = &entry.transport {
                sum.add(machine.stats());
            }
        }
        sum
    }

    pub(super) fn reset_rdp_stats(&mut self) {
        for (_, entry) in self.connections.iter_mut() {
            if let Transport::Rdp(machine) = &mut entry.transport {
                machine.reset_stats();
            }
        }
    }

    /// The machine of a connection that this node asks for.
    pub(super) fn rdp_client(&mut self, now: Instant, config: &ConnectConfig) -> Transport {
        let initial = [self.initial_number(), self.initial_number()];
        let machine = Machine::connect(now, config.rdp_options, initial, config.receive_queue);
        Transport::Rdp(Box::new(machine))
    }

    /// A number that nobody can guess: the peers' are their clocks, so that both ends often have the same.
    pub(super) fn initial_number(&mut self) -> Sequence {
        let [.., high, low] = self.random().to_be_bytes();
        Sequence::new(u16::from_be_bytes([high, low]))
    }

    pub(super) fn poll_segment(&mut self, id: ConnectionId) -> Option<(rdp::Transmit, &Connection)> {
        let Self {
            connections, filler, ..
        } = self;
        let entry = connections.get_mut(id.0)?;
        let Transport::Rdp(machine) = &mut entry.transport else {
            return None;
        };
        let transmit = machine.poll_transmit(filler)?;
        Some((transmit, entry))
    }

    /// Sends what a connection has to send, tells what it has to tell, and forgets it when it is over.
    pub(super) fn tend(&mut self, now: Instant, id: ConnectionId) {
        loop {
            while let Some((transmit, entry)) = self.poll_segment(id) {
                let (header, origin) = (entry.segment_header(&transmit), entry.origin());
                // What is lost here is lost as on a link: it is sent again if it matters.
                self.originate_for(now, &origin, InterfaceId::LOOPBACK, header, transmit.encode());
            }
            let Some(event) = self.machine_mut(id).and_then(Machine::poll_event) else {
                break;
            };
            self.tell(now, id, event);
        }
        let Some(entry) = self.connections.get_mut(id.0) else {
            return;
        };
        if let Transport::Rdp(machine) = &entry.transport
            && machine.is_over()
        {
            match entry.role {
                Role::Opening { .. } | Role::Lingering { .. } => return self.remove(id),
                role => {
                    // RDP-12: the port is free at once, the rest when its owner has seen that it failed.
                    let peers = entry.peers;
                    entry.role = Role::Failed;
                    self.release(peers, role);
                }
            }
        }
        self.schedule(id);
    }

    /// Passes on what a machine tells.
    fn tell(&mut self, now: Instant, id: ConnectionId, event: rdp::Event) {
        let Some(entry) = self.connections.get(id.0) else {
            return;
        };
        match (event, entry.role) {
            (rdp::Event::Connected, Role::Opening { listener, .. }) => self.offer(now, listener, id),
            (rdp::Event::Connected, _) => self.events.ready(Event::Connected(id)),
            (rdp::Event::Readable, _) => self.events.ready(Event::Readable(id)),
            (rdp::Event::Acknowledged, _) => self.events.ready(Event::Acknowledged(id)),
            (rdp::Event::Writable, _) => self.events.ready(Event::Writable(id)),
            (rdp::Event::Closed(reason), _) => {
                let unacknowledged = self.machine(id).map_or(0, |machine| {
                    let (sent, acknowledged) = machine.progress();
                    sent.saturating_sub(acknowledged)
                });
                let closed = Event::Closed {
                    connection: id,
                    reason,
                    unacknowledged,
                };
                match self.connections.get_mut(id.0) {
                    // Whoever accepts it learns that it is over.
                    Some(entry) if matches!(entry.role, Role::Pending { .. }) => entry.ended = Some(closed),
                    _ => self.events.ready(closed),
                }
            }
        }
    }

    /// Connections that are about to open on a listener.
    pub(super) fn opening_on(&self, id: ListenerId) -> Vec<ConnectionId> {
        let is_opening =
            |entry: &Connection| matches!(entry.role, Role::Opening { listener, .. } if listener == id);
        self.connections
            .iter()
            .filter(|(_, entry)| is_opening(entry))
            .map(|(key, _)| ConnectionId(key))
            .collect()
    }

    /// Closes the user's end; what is left to do happens under another name.
    pub(super) fn close_rdp(&mut self, now: Instant, old: ConnectionId) {
        self.unschedule(old);
        let Some(mut entry) = self.connections.remove(old.0) else {
            return;
        };
        self.forget(old);
        if let Transport::Rdp(machine) = &mut entry.transport {
            machine.close(now);
        }
        let peers = entry.peers;
        let is_client = match entry.role {
            Role::Failed => {
                if let Transport::Rdp(machine) = &entry.transport {
                    self.stats.rdp.add(machine.stats());
                }
                return;
            }
            role => matches!(role, Role::Client),
        };
        entry.role = Role::Lingering { client: is_client };
        let Some(key) = self.connections.insert(entry) else {
            return;
        };
        let new = ConnectionId(key);
        if is_client {
            self.ports.set(peers.local_port.into(), Owner::Client(new));
        } else {
            self.servers
                .insert((peers.local_port, peers.remote, peers.remote_port), new);
        }
        self.tend(now, new);
    }

    pub(super) fn handle_rdp_timeouts(&mut self, now: Instant) {
        let due: Vec<_> = self
            .timers
            .iter()
            .take_while(|(deadline, _)| *deadline <= now)
            .map(|(_, id)| *id)
            .collect();
        for id in due {
            if let Some(machine) = self.machine_mut(id) {
                machine.handle_timeout(now);
            }
            self.tend(now, id);
        }
    }

    /// Keeps the timer of a connection where its machine wants it.
    pub(super) fn schedule(&mut self, id: ConnectionId) {
        let Some(entry) = self.connections.get_mut(id.0) else {
            return;
        };
        let Transport::Rdp(machine) = &entry.transport else {
            return;
        };
        let deadline = machine.poll_timeout();
        let old = core::mem::replace(&mut entry.deadline, deadline);
        if old == deadline {
            return;
        }
        if let Some(old) = old {
            self.timers.remove(&(old, id));
        }
        if let Some(deadline) = deadline {
            self.timers.insert((deadline, id));
        }
    }

    pub(super) fn unschedule(&mut self, id: ConnectionId) {
        let entry = self.connections.get_mut(id.0);
        if let Some(deadline) = entry.and_then(|entry| entry.deadline.take()) {
            self.timers.remove(&(deadline, id));
        }
    }

    /// Whether all nodes of some network are at `address`.
    pub(super) fn is_broadcast(&self, address: Address) -> bool {
        address == Address::BROADCAST
            || self
                .interfaces
                .real()
                .any(|interface| interface.subnet.is_broadcast(address))
    }
}
