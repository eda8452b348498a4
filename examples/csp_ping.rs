//! Is node 2 alive? Asks a simulated satellite, or whoever is on the link that is named.
//!
//! ```text
//! cargo run -p tinwire-examples --bin csp_ping
//! cargo run -p tinwire-examples --bin csp_ping -- can0
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use core::error::Error;

use can_link::CanLink;
use csp_can::{CanConfig, CanInterface};
use csp_core::rt::{Node, PingConfig, Pong};
use csp_core::{Address, Config, InterfaceConfig, InterfaceName, Netmask};
use tinwire_sim::{World, WorldConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let pong = match std::env::args().nth(1) {
        Some(address) => ping(can_link::open(&address.parse()?).await?).await?,
        None => {
            let world = World::start(WorldConfig::seeded(1)).await?;
            ping(world.join()).await?
        }
    };
    println!("node {} answered after {:?}", pong.from, pong.rtt);
    Ok(())
}

/// Becomes node 10 on `link`, and pings node 2.
async fn ping(link: impl CanLink + 'static) -> Result<Pong, Box<dyn Error>> {
    let name = InterfaceName::new("CAN").ok_or("a name of at most 10 letters")?;
    let (us, them) = Address::new(10).zip(Address::new(2)).ok_or("below 16384")?;
    let network = Netmask::new(8).ok_or("at most 14 bits")?;

    let node = Node::spawn(Config::default());
    let interface = InterfaceConfig::new(name, us, network);
    let can = CanInterface::new(link, &interface, CanConfig::default())?;
    node.attach(interface, can)?;

    Ok(node.ping(them, PingConfig::default().size(40)).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_simulated_power_supply_answers() {
        let world = World::start(WorldConfig::seeded(1)).await.unwrap();
        let pong = ping(world.join()).await.unwrap();
        assert_eq!(pong.from.to_bits(), 2);
    }
}
