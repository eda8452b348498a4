//! Starting and tearing down whole nodes inside a test.
//!
//! ```text
//! cargo run -p tinwire-examples --bin csp_two_nodes
//! ```
//!
//! A thermometer and somebody who asks it. The tests below are the point: each has two nodes of its own, on a
//! pair of interfaces or on a CAN bus in memory, and nothing of them is left when it ends. `vcan_csp.rs` is
//! the same on an interface of the kernel.

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use core::error::Error;
use core::time::Duration;

use csp_core::rt::{Node, PingConfig, RecvError, pair};
use csp_core::{Address, Config, ConnectConfig, InterfaceConfig, Port, SocketConfig};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (left, right) = pair();
    let (one, two) = (Node::spawn(Config::default()), Node::spawn(Config::default()));
    one.attach(interface(1), left)?;
    two.attach(interface(2), right)?;
    tokio::spawn(thermometer(two));
    println!("{}", how_warm(&one, address(2)).await?);
    Ok(())
}

/// Answers whoever asks, for as long as it runs.
async fn thermometer(node: Node) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut socket = node.bind(port(10), SocketConfig::default())?;
    loop {
        let request = match socket.recv_from().await {
            Ok(request) => request,
            Err(RecvError::Closed) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        socket.reply(&request, None, "21 degrees").await?;
    }
}

async fn how_warm(node: &Node, thermometer: Address) -> Result<String, Box<dyn Error>> {
    node.ping(thermometer, PingConfig::default()).await?;
    let none = ConnectConfig::default();
    let answer = node
        .transaction(thermometer, port(10), none, "how warm is it?", PATIENCE)
        .await?;
    Ok(String::from_utf8(answer.payload.into())?)
}

/// Address `own` in a network of 8 bits.
fn interface(own: u16) -> InterfaceConfig {
    format!("LINK {own}/8").parse().expect("a name and an address")
}

fn address(bits: u16) -> Address {
    Address::new(bits).expect("at most 16383")
}

fn port(bits: u8) -> Port {
    Port::new(bits).expect("at most 63")
}

#[cfg(test)]
mod tests {
    use can_link::virtual_bus::VirtualBus;
    use csp_can::{CanConfig, CanInterface};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn on_a_pair_of_interfaces() {
        let (left, right) = pair();
        let (one, two) = (Node::spawn(Config::default()), Node::spawn(Config::default()));
        one.attach(interface(1), left).unwrap();
        two.attach(interface(2), right).unwrap();
        tokio::spawn(thermometer(two));
        assert_eq!(how_warm(&one, address(2)).await.unwrap(), "21 degrees");
    }

    /// A node on a bus in memory. On another link of `can_link` it would be the same.
    fn join(bus: &VirtualBus, own: u16) -> Node {
        let node = Node::spawn(Config::default());
        let link = CanInterface::new(bus.join(), &interface(own), CanConfig::default()).unwrap();
        node.attach(interface(own), link).unwrap();
        node
    }

    #[tokio::test(start_paused = true)]
    async fn on_a_can_bus_in_memory() {
        let bus = VirtualBus::new();
        let (one, two) = (join(&bus, 1), join(&bus, 2));
        tokio::spawn(thermometer(two));
        assert_eq!(how_warm(&one, address(2)).await.unwrap(), "21 degrees");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_left_when_a_node_is_dropped() {
        let bus = VirtualBus::new();
        let two = join(&bus, 2);
        let mut listener = two.listen(port(11), SocketConfig::default()).unwrap();
        let waiting = tokio::spawn(async move { listener.accept().await.map(drop) });
        tokio::time::sleep(PATIENCE).await;
        assert_eq!(bus.len(), 1);
        drop(two);
        assert_eq!(waiting.await.unwrap(), Err(RecvError::Closed), "told at once");
        tokio::time::sleep(PATIENCE).await;
        assert!(bus.is_empty(), "its link is gone too");
    }
}
