//! Two nodes inside a test, on an interface of the kernel: the story of `csp_two_nodes`.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]

use core::time::Duration;

use can_link::linux::RawOptions;
use csp_can::{CanConfig, CanInterface};
use csp_core::rt::{Node, PingConfig};
use csp_core::{Address, Config, ConnectConfig, InterfaceConfig, InterfaceName, Netmask, Port, SocketConfig};

/// `seconds` on a machine of our own, more on a slow one.
fn patience(seconds: u64) -> Duration {
    let slow = std::env::var("VCAN_SLOW").map_or(1, |slow| slow.parse().unwrap());
    Duration::from_secs(seconds * slow)
}

fn address(bits: u16) -> Address {
    Address::new(bits).unwrap()
}

fn node(own: u16) -> Node {
    let vcan = std::env::var("VCAN0").unwrap_or_else(|_| panic!("VCAN0 is not set; run: cargo xtask vcan"));
    let name = InterfaceName::new("CAN").unwrap();
    let config = InterfaceConfig::new(name, address(own), Netmask::new(8).unwrap());
    let socket = RawOptions::new().open(&vcan).unwrap();
    let node = Node::spawn(Config::default());
    let link = CanInterface::new(socket, &config, CanConfig::default()).unwrap();
    node.attach(config, link).unwrap();
    node
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_thermometer_answers_through_the_kernel() {
    let (one, two) = (node(1), node(2));
    let port = Port::new(10).unwrap();
    let mut socket = two.bind(port, SocketConfig::default()).unwrap();
    let limit = patience(5);
    one.ping(address(2), PingConfig::default().timeout(limit))
        .await
        .unwrap();
    let none = ConnectConfig::default();
    let asking = one.transaction(address(2), port, none, "how warm is it?", limit);
    let answering = async {
        let request = socket.recv_from_timeout(limit).await.unwrap();
        socket.reply(&request, None, "21 degrees").await.unwrap();
    };
    let (answer, ()) = tokio::join!(asking, answering);
    assert_eq!(answer.unwrap().payload, "21 degrees");
}
