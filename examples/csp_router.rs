//! An old bus and a new network: one node routes between header versions 1 and 2.
//!
//! ```text
//! cargo run -p tinwire-examples --bin csp_router
//! ```
//!
//! The old devices know 32 addresses, the new ones 16384. An address of the new world that fits into the old
//! one goes through as it is; one that does not gets a name there.

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use core::error::Error;

use csp_core::rt::{Node, PairEnd, PingConfig, Pong, pair};
use csp_core::{Address, Config, InterfaceConfig, InterfaceName, Netmask, Version};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let worlds = Worlds::build()?;
    let there = worlds.ping_old_from_new().await?;
    let back = worlds.ping_new_from_old().await?;
    println!("{} answered the new world, {} the old one", there.from, back.from);
    Ok(())
}

/// A device of each world, and the router between them.
struct Worlds {
    old: Node,
    new: Node,
    _router: Node,
}

impl Worlds {
    /// Old: addresses 0 to 7 with 2 of 5 bits for the network; the far node 300 is called 6 there.
    /// New: addresses 256 to 511.
    fn build() -> Result<Self, Box<dyn Error>> {
        let ((old_end, old_link), (new_end, new_link)) = (pair(), pair());
        let router = Node::spawn(Config::default());
        let old = interface("OLD", 1, 2, Version::V1)?.map(address(300)?, address(6)?);
        router.attach(old, old_link)?;
        router.attach(interface("NEW", 256, 6, Version::V2)?, new_link)?;
        Ok(Self {
            old: device(interface("LINK", 2, 2, Version::V1)?, old_end)?,
            new: device(interface("LINK", 300, 6, Version::V2)?, new_end)?,
            _router: router,
        })
    }

    async fn ping_old_from_new(&self) -> Result<Pong, Box<dyn Error>> {
        Ok(self.new.ping(address(2)?, PingConfig::default()).await?)
    }

    async fn ping_new_from_old(&self) -> Result<Pong, Box<dyn Error>> {
        Ok(self.old.ping(address(6)?, PingConfig::default()).await?)
    }
}

fn device(config: InterfaceConfig, link: PairEnd) -> Result<Node, Box<dyn Error>> {
    let node = Node::spawn(Config::default());
    node.attach(config.default_route(), link)?;
    Ok(node)
}

fn interface(name: &str, own: u16, bits: u8, version: Version) -> Result<InterfaceConfig, Box<dyn Error>> {
    let name = InterfaceName::new(name).ok_or("at most 10 letters")?;
    let netmask = Netmask::new(bits).ok_or("at most 14 bits")?;
    Ok(InterfaceConfig::new(name, address(own)?, netmask).version(version))
}

fn address(bits: u16) -> Result<Address, &'static str> {
    Address::new(bits).ok_or("at most 16383")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn both_worlds_reach_each_other() {
        let worlds = Worlds::build().unwrap();
        let there = worlds.ping_old_from_new().await.unwrap();
        assert_eq!(there.from, address(2).unwrap());
        let back = worlds.ping_new_from_old().await.unwrap();
        assert_eq!(back.from, address(6).unwrap(), "under its name there");
    }
}
