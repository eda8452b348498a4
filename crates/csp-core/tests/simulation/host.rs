//! One node with what the world keeps beside it.

use csp_core::{
    Binding, Config, DedupConfig, DedupMode, InterfaceConfig, InterfaceId, InterfaceName, ListenerId,
    Netmask, Node, Port, SocketConfig, SocketId, Version,
};
use tinwire_time::Instant;

use crate::plan::{Plan, address};
use crate::world::{CHATTER, LISTENING};

/// A node, and how its links are called.
pub(crate) struct Host {
    pub(crate) node: Node,
    /// The interface, the link it is on, and the direction in which it sends there.
    pub(crate) links: Vec<(InterfaceId, usize, usize)>,
    pub(crate) listener: ListenerId,
    pub(crate) chatter: SocketId,
    /// When connections that wait are accepted.
    pub(crate) accept_at: Option<Instant>,
    pub(crate) lives: u64,
    /// Frames given to the node and taken from it.
    pub(crate) counts: (u64, u64),
    /// Messages that users of this life gave.
    pub(crate) sent: u64,
}

impl Host {
    pub(crate) fn new(plan: &Plan, host: usize, lives: u64) -> Self {
        let mode = if plan.dedup {
            DedupMode::All
        } else {
            DedupMode::Off
        };
        let config = Config::default()
            .transmit_queue(plan.transmit_queue)
            .dedup(DedupConfig::default().mode(mode));
        let seed = plan.seed.wrapping_mul(31) + host as u64 + 1000 * lives;
        let mut node = match plan.initial {
            None => Node::new(config, seed),
            Some(initial) => Node::with_random(config, move || u64::from(initial)),
        };
        let sides = [(host.checked_sub(1), 1), (Some(host), 0)];
        let links = sides.into_iter().filter_map(|(link, way)| Some((link?, way)));
        let links: Vec<_> = links
            .filter(|(link, _)| *link < plan.versions.len())
            .map(|(link, way)| {
                let version = plan.versions[link];
                let netmask = match version {
                    Version::V1 => 2,
                    Version::V2 => 11,
                };
                let neighbour = if way == 0 { host + 1 } else { host - 1 };
                let config = InterfaceConfig::new(
                    InterfaceName::new(["A", "B"][link]).unwrap(),
                    address(host, neighbour),
                    Netmask::new(netmask).unwrap(),
                );
                let config = config.version(version).default_route();
                (node.add_interface(config).unwrap(), link, way)
            })
            .collect();
        let sockets = SocketConfig::default()
            .receive_queue(plan.receive_queue)
            .backlog(plan.backlog);
        let port = |number| Binding::from(Port::new(number).unwrap());
        Self {
            listener: node.listen(port(LISTENING), sockets.clone()).unwrap(),
            chatter: node.bind(port(CHATTER), sockets).unwrap(),
            node,
            links,
            accept_at: None,
            lives,
            counts: (0, 0),
            sent: 0,
        }
    }

    /// What the node counts is what happened to it.
    pub(crate) fn check_counts(&self) {
        let real = self
            .node
            .interfaces()
            .filter(|(id, ..)| *id != InterfaceId::LOOPBACK);
        let sums = real.fold((0, 0), |(rx, tx), (.., stats)| (rx + stats.rx, tx + stats.tx));
        assert_eq!(sums, self.counts, "packets counted");
        let stats = self.node.stats();
        let dropped: u64 = self.node.drops().map(|(_, count)| count).sum();
        assert_eq!(stats.dropped, dropped);
        assert_eq!(stats.rdp.sent, self.sent, "messages counted");
        assert!(stats.rdp.acknowledged <= stats.rdp.sent);
    }
}
