//! The snippets of the README, compiled and run. A line that is there and not here fails the last test.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]

use core::error::Error;

use bytes::Bytes;
use can_link::link::LinkChange;
use can_link::virtual_bus::VirtualBus;
use can_link::{CanFrame, CanRxExt, CanTxExt, Event, StandardId};
use csp_can::{CanConfig, CanInterface};
use csp_core::rt::PingConfig;
use csp_core::{InterfaceConfig, InterfaceName, Netmask};
use dnstap_codec::Dnstap;
use flow_core::{LocalLayer, QosSpec};
use fstrm_codec::endpoint::{DialConfig, Dialer};
use fstrm_codec::{FileReader, Sender, sender};
use isotp::{Address, IsoTpStream};
use tinwire_sim::{World, WorldConfig};

type Outcome = Result<(), Box<dyn Error>>;

#[tokio::test]
async fn can() -> Outcome {
    let bus = VirtualBus::named("demo");
    let mut other = bus.join();
    let mut link = can_link::open(&"virtual:demo".parse()?).await?; // or socketcan:can0, bus:lab, log:FILE
    link.send(CanFrame::data(StandardId::new(0x123).unwrap(), b"hello").unwrap())
        .await?;
    assert_eq!(other.recv_frame().await?.unwrap().frame.payload(), b"hello");
    bus.set_link(LinkChange::Gone);
    let mut events = Vec::new();
    while let Some(event) = link.recv().await? {
        events.push(event);
    }
    assert_eq!(events, [Event::Link(LinkChange::Gone)]);
    Ok(())
}

#[tokio::test]
async fn isotp() -> Outcome {
    let world = World::start(WorldConfig::seeded(1)).await?;
    let link = world.join();
    let ecu = Address::normal(StandardId::new(0x7E0).unwrap(), StandardId::new(0x7E8).unwrap())?;
    let mut uds = IsoTpStream::new(link, ecu, isotp::Config::default())?;
    uds.send(&b"\x22\xF1\x90"[..]).await?; // done when it is on the bus
    let vin = uds.recv().await.ok_or("the bus is gone")??;
    assert!(vin.starts_with(b"\x62\xF1\x90"), "{vin:02x?}");
    Ok(())
}

#[tokio::test]
async fn csp() -> Outcome {
    let world = World::start(WorldConfig::seeded(1)).await?;
    let link = world.join();
    let own = csp_core::Address::new(10).unwrap();
    let config = InterfaceConfig::new(InterfaceName::new("CAN").unwrap(), own, Netmask::new(8).unwrap());
    let node = csp_core::rt::Node::spawn(csp_core::Config::default());
    node.attach(
        config.clone(),
        CanInterface::new(link, &config, CanConfig::default())?,
    )?;
    let pong = node
        .ping(csp_core::Address::new(5).unwrap(), PingConfig::default())
        .await?;
    assert_eq!(pong.from, csp_core::Address::new(5).unwrap());
    Ok(())
}

#[test]
fn dnstap() -> Outcome {
    std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/data"))?;
    let mut file = FileReader::open("unbound.fstrm", fstrm_codec::Config::new())?;
    let mut messages = 0;
    while let Some(frame) = file.next_frame()? {
        let message = Dnstap::decode(frame)?.message;
        messages += usize::from(message.is_some());
    }
    assert_eq!(messages, 20);
    Ok(())
}

#[tokio::test]
async fn sender() -> Outcome {
    let (config, payload) = (sender::Config::new(), Bytes::from_static(b"payload"));
    let collector = Dialer::new(&"unix:/run/collector.sock".parse()?, DialConfig::new())?;
    let sender = Sender::spawn(collector, config)?; // connects, and again after each loss
    sender.send(payload).await?; // waits for room, or drops and counts: as the policy says
    assert_eq!(sender.stats().frames.offered, 1);
    Ok(())
}

#[tokio::test]
async fn flows() -> Outcome {
    let world = World::start(WorldConfig::seeded(1)).await?;
    let layer: &LocalLayer = world.layer();
    let mut flow = layer
        .attach()
        .alloc(&"echo".parse()?, QosSpec::DATA, None)
        .await?;
    flow.write("hello").await?;
    let answer = flow.read_packet().await?;
    assert_eq!(answer, "hello");
    Ok(())
}

#[test]
fn every_line_of_rust_in_the_readme_is_compiled_here() {
    let readme = include_str!("../../README.md");
    let here = without_layout(include_str!("readme.rs"));
    let blocks = readme.split("```rust,ignore\n").skip(1);
    let lines = blocks.flat_map(|rest| rest.split("```").next().unwrap().lines());
    let code = lines
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("//"));
    let mut count = 0;
    for line in code {
        assert!(
            here.contains(&without_layout(line)),
            "in the README but not compiled: {line}"
        );
        count += 1;
    }
    assert!(count >= 15, "{count} lines found");
}

/// The code without what rustfmt adds when it breaks a line.
fn without_layout(code: &str) -> String {
    code.split_whitespace().collect::<String>().replace(",)", ")")
}
