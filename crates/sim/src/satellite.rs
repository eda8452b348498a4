//! A satellite: five nodes that speak CSP over one CAN bus.
//!
//! Each answers the services of ports 0 to 6, all but the shutdown, as the unit that it plays: an identity
//! and tasks of its own, memory to peek and poke, a clock to read and set, an uptime that goes on with
//! tokio's clock and begins anew with a reboot. On [`TELEMETRY_PORT`] it tells what it measures, on
//! [`LOG_PORT`] what it has measured. The seed decides everything that could be otherwise.

mod telemetry;
mod unit;

use std::vec::Vec;

use can_link::CanLink;
use can_link::faulty::{FaultConfig, Faulty, Probability};
use csp_can::{CanConfig, CanInterface, CanInterfaceError};
use csp_core::rt::{CallError, Node};
use csp_core::{
    Address, BindError, Config, InterfaceConfig, InterfaceError, InterfaceName, Netmask, SocketConfig,
};
use thiserror::Error;
use tokio::task::JoinSet;

use self::telemetry::Feed;
pub use self::telemetry::{LOG_LINES, LOG_PORT, TELEMETRY_PORT};
use self::unit::Unit;
pub use self::unit::{FLASH_START, MEMORY_LEN, RAM_START, STORE_START};

/// A node of the satellite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Station {
    /// What it does, in one word.
    pub name: &'static str,
    /// Its CSP address.
    pub address: u16,
    /// How good its hop is.
    pub hop: Hop,
}

/// How good the way to a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hop {
    /// As good as the bus.
    Sound,
    /// One frame in fifty does not reach the node.
    Lossy,
}

/// The satellite's nodes.
pub const STATIONS: [Station; 5] = [
    Station {
        name: "obc",
        address: 1,
        hop: Hop::Sound,
    },
    Station {
        name: "eps",
        address: 2,
        hop: Hop::Sound,
    },
    Station {
        name: "adcs",
        address: 3,
        hop: Hop::Sound,
    },
    Station {
        name: "radio",
        address: 5,
        hop: Hop::Sound,
    },
    Station {
        name: "payload",
        address: 9,
        hop: Hop::Lossy,
    },
];

/// Network bits of every address on the satellite's bus, as csh uses.
pub const NETMASK: u8 = 8;
/// Share of frames that a lossy hop loses.
const LOSSY: f64 = 0.02;

/// Why the satellite does not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SatelliteError {
    /// The CAN link does not serve CSP.
    #[error("node {name}: {source}")]
    Link {
        /// The node.
        name: &'static str,
        /// Why not.
        source: CanInterfaceError,
    },
    /// The node does not take the interface.
    #[error("node {name}: {source}")]
    Interface {
        /// The node.
        name: &'static str,
        /// Why not.
        source: CallError<InterfaceError>,
    },
    /// The node does not give the telemetry its ports.
    #[error("node {name}: {source}")]
    Listen {
        /// The node.
        name: &'static str,
        /// Why not.
        source: CallError<BindError>,
    },
}

/// The running satellite; its nodes stop when it is dropped.
#[derive(Debug)]
pub struct Satellite {
    nodes: Vec<(Station, Node)>,
    /// What the nodes do besides their services; it ends with the satellite.
    _applications: JoinSet<()>,
}

impl Satellite {
    /// Starts every station on a link of its own, which `join` makes. The seed decides what the lossy hop
    /// loses, and what the stations are like.
    ///
    /// # Errors
    /// When the links do not serve CSP.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    ///
    /// # Cancel safety
    /// When the future is dropped, no station runs.
    pub async fn launch<L: CanLink + 'static>(
        seed: u64,
        mut join: impl FnMut() -> L,
    ) -> Result<Self, SatelliteError> {
        let mut nodes = Vec::with_capacity(STATIONS.len());
        let mut applications = JoinSet::new();
        for station in STATIONS {
            let faults = FaultConfig::seeded(seed ^ u64::from(station.address)).loss(match station.hop {
                Hop::Sound => Probability::NEVER,
                Hop::Lossy => Probability::new(LOSSY).unwrap_or_default(),
            });
            let unit = Unit::new(station, seed);
            let config = Config::default()
                .services(unit::services())
                .identity(unit.identity())
                .platform(unit);
            let node = start(station, config, Faulty::new(join(), faults))?;
            for feed in Feed::ALL {
                let listener = node
                    .listen(feed.port(), SocketConfig::default())
                    .map_err(|source| SatelliteError::Listen {
                        name: station.name,
                        source,
                    })?;
                applications.spawn(telemetry::serve(station, seed, feed, listener));
            }
            nodes.push((station, node));
        }
        Ok(Self {
            nodes,
            _applications: applications,
        })
    }

    /// The stations and the handles of their nodes, to listen on ports of your own.
    #[must_use]
    pub fn nodes(&self) -> &[(Station, Node)] {
        &self.nodes
    }
}

fn start<L: CanLink + 'static>(station: Station, config: Config, link: L) -> Result<Node, SatelliteError> {
    let Station { name, address, .. } = station;
    let interface = InterfaceConfig::new(
        InterfaceName::new("CAN").expect("three letters are a name"),
        Address::new(address).expect("the stations' addresses are in range"),
        Netmask::new(NETMASK).expect("8 of 14 bits"),
    );
    let link = CanInterface::new(link, &interface, CanConfig::default())
        .map_err(|source| SatelliteError::Link { name, source })?;
    let node = Node::spawn(config);
    node.attach(interface, link)
        .map_err(|source| SatelliteError::Interface { name, source })?;
    Ok(node)
}

#[cfg(test)]
mod tests;
