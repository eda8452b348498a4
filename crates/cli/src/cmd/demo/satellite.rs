//! The satellite's nodes, pinged over CAN.

use core::time::Duration;

use csp_can::{CanConfig, CanInterface};
use csp_core::rt::{Node, PingConfig};
use csp_core::{Address, Config, InterfaceConfig, InterfaceName, Netmask};
use serde::Serialize;
use tinwire_sim::World;
use tinwire_sim::satellite::{Hop, NETMASK, STATIONS, Station};

use super::Part;
use crate::failure::{Code, Failure, Result};
use crate::units;

/// The ground station's address.
const GROUND: u16 = 10;
/// Pings of each node.
const PINGS: u32 = 5;
const TIMEOUT: Duration = Duration::from_millis(200);

#[derive(Serialize)]
pub(super) struct Satellite {
    r#type: &'static str,
    nodes: Vec<Pinged>,
}

#[derive(Serialize)]
struct Pinged {
    name: &'static str,
    node: u16,
    sent: u32,
    received: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    rtt_us: Option<u64>,
    lossy: bool,
}

pub(super) async fn visit(world: &World) -> Result<Satellite> {
    let ground = ground(world).await?;
    let mut nodes = Vec::new();
    for station in STATIONS {
        let pinged = ping(&ground, station).await;
        if pinged.received == 0 {
            let message = format!("no reply from {} ({})", station.name, station.address);
            return Err(Failure::new(Code::NoReply, message));
        }
        nodes.push(pinged);
    }
    Ok(Satellite { r#type: "csp", nodes })
}

async fn ground(world: &World) -> Result<Node> {
    let config = InterfaceConfig::new(
        InterfaceName::new("CAN").expect("three letters are a name"),
        Address::new(GROUND).expect("10 is below 16384"),
        Netmask::new(NETMASK).expect("8 of 14 bits"),
    );
    let cannot =
        |error: anyhow::Error| Failure::caused(Code::CannotOpen, error).context("the ground station");
    let interface = CanInterface::new(world.join(), &config, CanConfig::default())
        .map_err(|error| cannot(error.into()))?;
    let node = Node::spawn(Config::default());
    node.attach(config, interface)
        .map_err(|error| cannot(error.into()))?;
    Ok(node)
}

async fn ping(ground: &Node, station: Station) -> Pinged {
    let Station { name, address, hop } = station;
    let mut rtts = Vec::new();
    let remote = Address::new(address).unwrap_or(Address::LOOPBACK);
    for _ in 0..PINGS {
        if let Ok(pong) = ground.ping(remote, PingConfig::default().timeout(TIMEOUT)).await {
            rtts.push(pong.rtt);
        }
    }
    let count = u32::try_from(rtts.len()).unwrap_or(PINGS);
    let sum: Duration = rtts.iter().sum();
    Pinged {
        name,
        node: address,
        sent: PINGS,
        received: count,
        rtt_us: sum
            .checked_div(count)
            .and_then(|mean| u64::try_from(mean.as_micros()).ok()),
        lossy: hop == Hop::Lossy,
    }
}

impl Part for Satellite {
    fn text(&self) -> String {
        let mut text = String::from("CSP over CAN: the satellite's nodes answer pings");
        for pinged in &self.nodes {
            let Pinged {
                name,
                node,
                sent,
                received,
                rtt_us,
                lossy,
            } = pinged;
            let rtt = rtt_us.map_or_else(String::new, |rtt| units::shown(Duration::from_micros(rtt)));
            let remark = if *lossy { "  (a lossy hop)" } else { "" };
            text.push_str(&format!(
                "\n  {name:<8}{node:>2}  {received} of {sent} replies, {rtt}{remark}"
            ));
        }
        text
    }
}
