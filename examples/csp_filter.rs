//! Making a link worse than it is, for a test of those who use it.
//!
//! ```text
//! cargo run -p tinwire-examples --bin csp_filter
//! ```
//!
//! Two filters on one node: one loses every third packet at once, the other keeps each waiting as long as
//! light takes to the moon. Dropping a guard takes its filter out.

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use core::error::Error;
use core::time::Duration;

use csp_core::rt::{Filter, Node, PingConfig, pair};
use csp_core::{Address, Config, InterfaceConfig, InterfaceName, Netmask, Stage, Verdict};

const TO_THE_MOON: Duration = Duration::from_millis(1_282);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (one, two) = two_nodes()?;
    let _moon = [far(&one), far(&two)];
    let pong = one.ping(address(2), patient()).await?;
    println!("node {} answered after {:?}", pong.from, pong.rtt);
    let _lossy = lossy(&one);
    for _ in 0..3 {
        match one.ping(address(2), patient()).await {
            Ok(pong) => println!("node {} answered after {:?}", pong.from, pong.rtt),
            Err(error) => println!("{error}"),
        }
    }
    Ok(())
}

/// Keeps each packet that `node` receives for a while. Many may wait at once; none overtakes another.
fn far(node: &Node) -> Filter {
    let config = csp_core::OutsideConfig::default()
        .queue(1000)
        .timeout(2 * TO_THE_MOON);
    node.filter_with(Stage::Incoming, config, |_, packet| async {
        tokio::time::sleep(TO_THE_MOON).await;
        Some(packet)
    })
}

/// Drops every third packet that `node` sends.
fn lossy(node: &Node) -> Filter {
    let mut count = 0;
    node.filter_now(Stage::Outgoing, move |_, packet| {
        count = (count + 1) % 3;
        if count == 0 {
            Verdict::Drop
        } else {
            Verdict::Pass(packet)
        }
    })
}

fn two_nodes() -> Result<(Node, Node), Box<dyn Error>> {
    let (left, right) = pair();
    let (one, two) = (Node::spawn(Config::default()), Node::spawn(Config::default()));
    one.attach(interface(1), left)?;
    two.attach(interface(2), right)?;
    Ok((one, two))
}

fn patient() -> PingConfig {
    PingConfig::default().timeout(Duration::from_secs(10))
}

fn interface(own: u16) -> InterfaceConfig {
    let name = InterfaceName::new("LINK").expect("four letters");
    InterfaceConfig::new(name, address(own), Netmask::new(8).expect("8 of 14 bits"))
}

fn address(bits: u16) -> Address {
    Address::new(bits).expect("at most 16383")
}

#[cfg(test)]
mod tests {
    use csp_core::{DropReason, SendError};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_takes_as_long_as_to_the_moon_and_back() {
        let (one, two) = two_nodes().unwrap();
        let moon = [far(&one), far(&two)];
        assert_eq!(
            one.ping(address(2), patient()).await.unwrap().rtt,
            2 * TO_THE_MOON
        );
        drop(moon);
        let pong = one.ping(address(2), patient()).await.unwrap();
        assert_eq!(pong.rtt, Duration::ZERO, "down to earth");
    }

    #[tokio::test(start_paused = true)]
    async fn every_third_packet_is_dropped_and_counted() {
        let (one, _two) = two_nodes().unwrap();
        let _lossy = lossy(&one);
        for n in 1..=9 {
            match one.ping(address(2), patient()).await {
                Ok(_) => assert_ne!(n % 3, 0),
                Err(error) => assert_eq!(error, SendError::Filtered.into()),
            }
        }
        assert_eq!(one.status().drops.get(&DropReason::Filtered), Some(&3));
    }
}
