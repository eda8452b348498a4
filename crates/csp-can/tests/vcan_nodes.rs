//! Two nodes on an interface of the kernel: the story of the virtual bus with one line changed.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests may panic like tests"
)]

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

/// Node `own` of a network of 64 or, with version 1, 16 addresses.
fn config(version: Version, own: u16) -> InterfaceConfig {
    let bits = match version {
        Version::V1 => 1,
        Version::V2 => 8,
    };
    let name = InterfaceName::new("CAN").unwrap();
    InterfaceConfig::new(name, address(own), Netmask::new(bits).unwrap()).version(version)
}

async fn node(interface: &str, own: u16) -> Node {
    node_of(Version::V2, interface, own).await
}

async fn node_of(version: Version, interface: &str, own: u16) -> Node {
    let config = config(version, own).default_route();
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
    for version in [Version::V1, Version::V2] {
        let (one, two) = (node_of(version, &vcan, 1).await, node_of(version, &vcan, 2).await);
        for (from, to) in [(&one, 2), (&two, 1)] {
            for size in [0, 2, 4, 100, 252] {
                let pong = from.ping(address(to), ping().size(size)).await.unwrap();
                assert_eq!(pong.from, address(to), "{version:?}, {size} bytes");
            }
        }
    }
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn the_kernel_keeps_frames_for_others_from_a_node() {
    let vcan = interface("VCAN1");
    let config = config(Version::V2, 2).alias(address(300));
    let link = CanInterface::new(open(&vcan), &config, CanConfig::default()).unwrap();
    assert_eq!(kernel_filters(&vcan), [2, 63, 300, 16383]);
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

/// The destinations whose CFP 2 frames the kernel passes on from `interface` to whoever filters.
fn kernel_filters(interface: &str) -> Vec<u32> {
    let list = std::fs::read_to_string("/proc/net/can/rcvlist_fil").unwrap();
    // A line is the interface, the identifier, the mask, and more.
    let rows = list
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut destinations: Vec<_> = rows
        .filter(|row| row.first() == Some(&interface))
        .map(|row| {
            let [id, mask] = [row[1], row[2]].map(|bits| u32::from_str_radix(bits, 16).unwrap());
            assert_eq!(mask & 0x1FFF_FFFF, 0x3FFF << 13, "{row:?}");
            (id & 0x1FFF_FFFF) >> 13
        })
        .collect();
    destinations.sort_unstable();
    destinations
}

/// An interface of this test alone, deleted at its end.
struct Vcan(String);

impl Vcan {
    fn new(letter: char) -> Self {
        let vcan = Self(format!("csp{letter}{}", std::process::id()));
        vcan.add();
        vcan
    }

    fn add(&self) {
        ip(&["link", "add", "dev", &self.0, "type", "vcan"]);
        ip(&["link", "set", &self.0, "up"]);
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

/// Pings until there is an answer: the other node may hear a little later that the interface is back.
async fn until_pinged(node: &Node, to: u16) {
    let pings = async {
        while node
            .ping(address(to), ping().timeout(Duration::from_millis(200)))
            .await
            .is_err()
        {}
    };
    tokio::time::timeout(patience(10), pings).await.unwrap();
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn an_interface_that_goes_down_and_up_serves_again() {
    let vcan = Vcan::new('d');
    for version in [Version::V1, Version::V2] {
        let (one, two) = (
            node_of(version, &vcan.0, 1).await,
            node_of(version, &vcan.0, 2).await,
        );
        let mut notices = one.notices();
        one.ping(address(2), ping()).await.unwrap();
        ip(&["link", "set", &vcan.0, "down"]);
        until(&mut notices, LinkState::Down).await;
        assert!(one.ping(address(2), ping()).await.is_err());
        ip(&["link", "set", &vcan.0, "up"]);
        until(&mut notices, LinkState::Up).await;
        until_pinged(&one, 2).await;
        until_pinged(&two, 1).await;
    }
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn an_interface_that_is_deleted_and_made_again_serves_again_with_its_filters() {
    let vcan = Vcan::new('g');
    let (one, two) = (node(&vcan.0, 1).await, node(&vcan.0, 2).await);
    let mut notices = one.notices();
    one.ping(address(2), ping()).await.unwrap();
    let filters = kernel_filters(&vcan.0);
    assert_eq!(filters, [1, 2, 63, 63, 16383, 16383]);
    ip(&["link", "del", &vcan.0]);
    until(&mut notices, LinkState::Down).await;
    vcan.add();
    until(&mut notices, LinkState::Up).await;
    until_pinged(&one, 2).await;
    until_pinged(&two, 1).await;
    assert_eq!(kernel_filters(&vcan.0), filters);
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn the_kernel_follows_when_the_addresses_change() {
    let vcan = Vcan::new('a');
    let before = config(Version::V2, 2);
    let link = CanInterface::new(open(&vcan.0), &before, CanConfig::default()).unwrap();
    let addresses = link.addresses();
    let node = Node::spawn(Config::default());
    node.attach(before, link).unwrap();
    assert_eq!(kernel_filters(&vcan.0), [2, 63, 16383]);
    addresses
        .set(&config(Version::V2, 70).alias(address(300)))
        .unwrap();
    let changed = async {
        while kernel_filters(&vcan.0) != [70, 127, 300, 16383] {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(patience(10), changed).await.unwrap();
}
