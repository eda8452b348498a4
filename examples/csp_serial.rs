//! A carrier of one's own: whatever carries whole frames can be an interface.
//!
//! ```text
//! cargo run -p tinwire-examples --bin csp_serial
//! ```
//!
//! Here that is a stream of bytes, a pipe in memory in place of a serial line, with a length before each
//! frame. `Serial` makes frames of packets: a header of the version chosen, and the payload behind it.

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use core::error::Error;

use csp_core::rt::{Interface, Node, PingConfig, Pong, Serial};
use csp_core::{Address, Config, InterfaceConfig, InterfaceName, Netmask, Version};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::codec::{Framed, LengthDelimitedCodec};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let pong = ping_over_a_pipe(Version::V2).await?;
    println!("node {} answered after {:?}", pong.from, pong.rtt);
    Ok(())
}

async fn ping_over_a_pipe(version: Version) -> Result<Pong, Box<dyn Error>> {
    let (left, right) = tokio::io::duplex(64);
    let (one, two) = (Node::spawn(Config::default()), Node::spawn(Config::default()));
    one.attach(interface(1, version), carrier(left, version))?;
    two.attach(interface(2, version), carrier(right, version))?;
    Ok(one.ping(address(2), PingConfig::default()).await?)
}

/// Packets over a stream of bytes: two bytes of length, the header, the payload.
fn carrier(line: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, version: Version) -> impl Interface {
    let mut frames = LengthDelimitedCodec::builder();
    frames.length_field_length(2);
    Serial::new(Framed::new(line, frames.new_codec()), version)
}

fn interface(own: u16, version: Version) -> InterfaceConfig {
    let name = InterfaceName::new("LINE").expect("four letters");
    // Two bits are in the range of both versions.
    let netmask = Netmask::new(2).expect("2 of 5 bits");
    InterfaceConfig::new(name, address(own), netmask).version(version)
}

fn address(bits: u16) -> Address {
    Address::new(bits).expect("at most 16383")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn both_versions_are_carried() {
        for version in [Version::V1, Version::V2] {
            let pong = ping_over_a_pipe(version).await.unwrap();
            assert_eq!(pong.from, address(2));
        }
    }
}
