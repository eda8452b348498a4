//! Two nodes on an interface of the kernel: the story of the virtual bus with one line changed.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use core::time::Duration;
use std::process::Command;

use can_link::linux::{RawOptions, RawSocket};
use can_link::{CanFrame, CanTxExt, StandardId};
use csp_can::{CanConfig, CanInterface, Fragmenter};
use csp_core::rt::{Node, Notice, Notices, PingConfig};
use csp_core::{
    Address, Config, Event, Header, InterfaceConfig, InterfaceName, LinkState, Netmask, Port, Version,
};

/// The interface that `cargo xtask vcan` has made for this variable.
fn interface(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set; run: cargo xtask vcan"))
}

/// `seconds` on a machine of our own, more on a slow one.
fn patience(seconds: u64) -> Duration {
    let slow = std::env::var("VCAN_SLOW").map_or(1, |slow| slow.parse().unwrap());
    Duration::from_secs(seconds * slow)
}

fn open(interface: &str) -> RawSocket {
    RawOptions::new().open(interface).unwrap()
}

fn address(bits: u16) -> Address {
    Address::new(bits).unwrap()
}

async fn node(interface: &str, own: u16) -> Node {
    let name = InterfaceName::new("CAN").unwrap();
    let config = InterfaceConfig::new(name, address(own), Netmask::new(8).unwrap()).default_route();
    let node = Node::spawn(Config::default());
    let link = CanInterface::new(open(interface), &config, CanConfig::default()).unwrap();
    node.attach(config, link).unwrap();
    node
}

fn ping() -> PingConfig {
    PingConfig::default().timeout(patience(5))
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn two_nodes_ping_each_other_through_the_kernel() {
    let vcan = interface("VCAN0");
    let (one, two) = (node(&vcan, 1).await, node(&vcan, 2).await);
    for size in [0, 4, 100, 252] {
        assert_eq!(
            one.ping(address(2), ping().size(size)).await.unwrap().from,
            address(2)
        );
        assert_eq!(
            two.ping(address(1), ping().size(size)).await.unwrap().from,
            address(1)
        );
    }
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn the_kernel_keeps_frames_for_others_from_a_node() {
    let vcan = interface("VCAN1");
    let config = InterfaceConfig::new(
        InterfaceName::new("CAN").unwrap(),
        address(2),
        Netmask::new(8).unwrap(),
    );
    let link = CanInterface::new(open(&vcan), &config, CanConfig::default()).unwrap();
    let mut link = Box::pin(link);
    let mut sender = open(&vcan);
    sender
        .send(CanFrame::data(StandardId::MAX, &[0; 8]).unwrap())
        .await
        .unwrap();
    for destination in [3, 64, 2] {
        let to = (address(destination), Port::new(10).unwrap());
        let header = Header::new((address(1), Port::new(33).unwrap()), to);
        for frame in Fragmenter::new(Version::V2, address(1))
            .fragments(&header, None, b"some payload")
            .unwrap()
        {
            sender.send(frame).await.unwrap();
        }
    }
    let next = tokio::time::timeout(patience(5), futures::StreamExt::next(&mut link));
    assert!(matches!(
        next.await,
        Ok(Some(Ok(csp_core::rt::Incoming::Packet(_))))
    ));
    let frames = link.reassembler().stats().frames;
    assert_eq!(frames, 2, "the two frames of one packet");
}

/// An interface of this test alone, deleted at its end.
struct Vcan(String);

impl Vcan {
    fn new() -> Self {
        let vcan = Self(format!("csp{}", std::process::id()));
        ip(&["link", "add", "dev", &vcan.0, "type", "vcan"]);
        ip(&["link", "set", &vcan.0, "up"]);
        vcan
    }
}

impl Drop for Vcan {
    fn drop(&mut self) {
        // The machine or namespace is thrown away anyway.
        let _ = Command::new("ip").args(["link", "del", &self.0]).status();
    }
}

fn ip(arguments: &[&str]) {
    let status = Command::new("ip").args(arguments).status().unwrap();
    assert!(status.success(), "ip {arguments:?}: {status}");
}

async fn until(notices: &mut Notices, wanted: LinkState) {
    let seen = async {
        loop {
            if let Notice::Event(Event::Link { state, .. }) = notices.recv().await.unwrap()
                && state == wanted
            {
                return;
            }
        }
    };
    tokio::time::timeout(patience(10), seen).await.unwrap();
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn an_interface_that_goes_down_and_up_serves_again() {
    let vcan = Vcan::new();
    let (one, _two) = (node(&vcan.0, 1).await, node(&vcan.0, 2).await);
    let mut notices = one.notices();
    one.ping(address(2), ping()).await.unwrap();
    ip(&["link", "set", &vcan.0, "down"]);
    until(&mut notices, LinkState::Down).await;
    assert!(one.ping(address(2), ping()).await.is_err());
    ip(&["link", "set", &vcan.0, "up"]);
    until(&mut notices, LinkState::Up).await;
    // The other node may hear of it a little later.
    let pings = async {
        while one
            .ping(address(2), ping().timeout(Duration::from_millis(200)))
            .await
            .is_err()
        {}
    };
    tokio::time::timeout(patience(10), pings).await.unwrap();
}
