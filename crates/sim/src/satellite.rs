//! A satellite: five nodes that speak CSP over one CAN bus and answer pings.

use std::vec::Vec;

use can_link::CanLink;
use can_link::faulty::{FaultConfig, Faulty, Probability};
use csp_can::{CanConfig, CanInterface, CanInterfaceError};
use csp_core::rt::{CallError, Node};
use csp_core::{Address, Config, InterfaceConfig, InterfaceError, InterfaceName, Netmask};
use thiserror::Error;

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
}

/// The running satellite; its nodes stop when it is dropped.
#[derive(Debug)]
pub struct Satellite {
    nodes: Vec<(Station, Node)>,
}

impl Satellite {
    /// Starts every station on a link of its own, which `join` makes. The seed decides what the lossy hop
    /// loses.
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
        for station in STATIONS {
            let faults = FaultConfig::seeded(seed ^ u64::from(station.address)).loss(match station.hop {
                Hop::Sound => Probability::NEVER,
                Hop::Lossy => Probability::new(LOSSY).unwrap_or_default(),
            });
            let node = start(station, Faulty::new(join(), faults)).await?;
            nodes.push((station, node));
        }
        Ok(Self { nodes })
    }

    /// The stations and the handles of their nodes, to listen on ports of your own.
    #[must_use]
    pub fn nodes(&self) -> &[(Station, Node)] {
        &self.nodes
    }
}

async fn start<L: CanLink + 'static>(station: Station, link: L) -> Result<Node, SatelliteError> {
    let Station { name, address, .. } = station;
    let interface = InterfaceConfig::new(
        InterfaceName::new("CAN").expect("three letters are a name"),
        Address::new(address).expect("the stations' addresses are in range"),
        Netmask::new(NETMASK).expect("8 of 14 bits"),
    );
    let link = CanInterface::new(link, &interface, CanConfig::default())
        .map_err(|source| SatelliteError::Link { name, source })?;
    let node = Node::spawn(Config::default());
    node.attach(interface, link)
        .map_err(|source| SatelliteError::Interface { name, source })?;
    Ok(node)
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use can_link::VirtualBus;
    use csp_core::rt::PingConfig;

    use super::*;

    async fn ground(bus: &VirtualBus) -> Node {
        let station = Station {
            name: "ground",
            address: 10,
            hop: Hop::Sound,
        };
        start(station, bus.join()).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn every_station_answers_a_small_ping() {
        let bus = VirtualBus::new();
        let _satellite = Satellite::launch(1, || bus.join()).await.unwrap();
        let ground = ground(&bus).await;
        for station in STATIONS {
            let address = Address::new(station.address).unwrap();
            let pong = ground.ping(address, PingConfig::default().size(4)).await;
            assert_eq!(pong.unwrap().from, address, "{}", station.name);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_answers_for_a_station_that_is_not_there() {
        let bus = VirtualBus::new();
        let _satellite = Satellite::launch(1, || bus.join()).await.unwrap();
        let ping = PingConfig::default().timeout(Duration::from_millis(100));
        assert!(
            ground(&bus)
                .await
                .ping(Address::new(7).unwrap(), ping)
                .await
                .is_err()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_lossy_hop_loses_some_and_the_seed_decides_which() {
        async fn lost(seed: u64) -> Vec<u32> {
            let bus = VirtualBus::new();
            let _satellite = Satellite::launch(seed, || bus.join()).await.unwrap();
            let ground = ground(&bus).await;
            let mut lost = Vec::new();
            for number in 0..100 {
                let ping = PingConfig::default().timeout(Duration::from_millis(50));
                if ground.ping(Address::new(9).unwrap(), ping).await.is_err() {
                    lost.push(number);
                }
            }
            lost
        }
        let first = lost(7).await;
        assert!((1..60).contains(&first.len()), "{first:?}");
        assert_eq!(first, lost(7).await);
        assert_ne!(first, lost(8).await);
    }
}
