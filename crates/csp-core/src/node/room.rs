//! Who gives way where there are too many connections.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cmp::Reverse;

use tinwire_time::Instant;

use super::Node;
use crate::conn::Role;
use crate::{Address, ConnectionId, DropReason, Port};

impl Node {
    /// Where the node has its fill of connections, gives up one that nobody has any more, or yet.
    pub(super) fn make_room(&mut self, now: Instant, newcomer: Option<Address>) {
        if !self.connections.is_full() {
            return;
        }
        let lingering = self
            .connections
            .iter()
            .filter(|(_, entry)| matches!(entry.role, Role::Lingering { .. }))
            .min_by_key(|(_, entry)| entry.deadline)
            .map(|(key, _)| ConnectionId(key));
        if let Some(id) = lingering {
            self.remove(id);
            return;
        }
        let half_open = self.connections.iter();
        let half_open = half_open.filter(|(_, entry)| matches!(entry.role, Role::Opening { .. }));
        let half_open: Vec<_> = half_open.map(|(key, _)| ConnectionId(key)).collect();
        self.displace(now, half_open, newcomer, DropReason::TooManyConnections);
    }

    /// Gives up one of the connections `half_open`: of the node that has most of them the oldest.
    ///
    /// So that nobody who asks and never goes on keeps the others out. `newcomer` asks for one more.
    pub(super) fn displace(
        &mut self,
        now: Instant,
        half_open: Vec<ConnectionId>,
        newcomer: Option<Address>,
        reason: DropReason,
    ) {
        let mut shares: BTreeMap<Address, usize> = newcomer.map(|node| (node, 1)).into_iter().collect();
        let found = half_open.into_iter().filter_map(|id| {
            let entry = self.connections.get(id.0)?;
            let Role::Opening { interface, since, .. } = entry.role else {
                return None;
            };
            *shares.entry(entry.peers.remote).or_default() += 1;
            Some((id, entry.peers.remote, interface, since, entry.header().reply()))
        });
        let found: Vec<_> = found.collect();
        let victim = found
            .into_iter()
            .min_by_key(|(_, remote, _, since, _)| (Reverse(shares.get(remote).copied()), *since));
        let Some((id, _, interface, _, opening)) = victim else {
            return;
        };
        if let Some(machine) = self.machine_mut(id) {
            machine.close(now);
        }
        self.tend(now, id);
        self.remove(id);
        self.drop_packet(interface, Some(opening), reason);
    }

    /// Takes the ephemeral port of a connection that nobody has any more, for one to `remote`.
    ///
    /// Rather not of one to the same node, which may not know yet that it is closed (9.8).
    pub(super) fn take_over_port(&mut self, remote: Address) -> Option<Port> {
        let lingering = self.connections.iter().filter(|(_, entry)| {
            entry.role == Role::Lingering { client: true }
                && entry.peers.local_port > self.config.port_max_bind
        });
        let (key, port) = lingering
            .min_by_key(|(_, entry)| (entry.peers.remote == remote, entry.deadline))
            .map(|(key, entry)| (key, entry.peers.local_port))?;
        self.remove(ConnectionId(key));
        Some(port)
    }
}
