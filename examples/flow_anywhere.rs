//! One program, one string: a flow to a name of this machine, over CSP, over ISO-TP, or over Frame Streams.
//!
//! Start one of each pair and then the other, in any two terminals of a machine, without privileges:
//!
//! ```text
//! cargo run -p tinwire-examples --bin flow_anywhere -- listen greetings
//! cargo run -p tinwire-examples --bin flow_anywhere -- ask greetings hello
//!
//! ... listen 'csp:*:10'                             ... ask 'csp:1:10?if=CAN' hello
//! ... listen 'isotp:bus:flows?tx=7E8&rx=7E0'        ... ask 'isotp:bus:flows?tx=7E0&rx=7E8' hello
//! ... listen 'fstrm:unix:/tmp/x.sock?type=text'     ... ask 'fstrm:unix:/tmp/x.sock?type=text' hello
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use core::error::Error;
use std::env::args;
use std::path::Path;

use csp_can::{CanConfig, CanInterface};
use csp_core::rt::Node;
use csp_core::{Address, Config, InterfaceConfig, InterfaceName, Netmask};
#[cfg(not(unix))]
use flow_core::LocalLayer;
use flow_core::error::LayerError;
use flow_core::providers::csp::CspProvider;
use flow_core::providers::fstrm::FstrmProvider;
use flow_core::providers::isotp::IsoTpProvider;
#[cfg(unix)]
use flow_core::providers::machine::{MachineConfig, MachineLayer};
use flow_core::{Flow, Flows, QosSpec, ReadError};

/// The bus that CSP is on; another program of this machine that opens it is on it, too.
const BUS: &str = "bus:flows";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["listen", address] => listen(&flows(1, BUS, None).await?, address).await,
        ["ask", address, text] => {
            let flows = flows(2, BUS, None).await?;
            println!("{}", ask(&flows, address, text).await?);
            Ok(())
        }
        _ => Err("listen ADDRESS, or ask ADDRESS TEXT".into()),
    }
}

/// Every way to reach a flow that this program knows.
///
/// `directory` is where names are met; `None` is the user's own.
async fn flows(own: u16, bus: &str, directory: Option<&Path>) -> Result<Flows, Box<dyn Error>> {
    let node = Node::spawn(Config::default());
    let (own, network) = Address::new(own).zip(Netmask::new(8)).ok_or("below 16384")?;
    let interface = InterfaceConfig::new(
        InterfaceName::new("CAN").ok_or("at most 10 letters")?,
        own,
        network,
    );
    let link = can_link::open(&bus.parse()?).await?;
    let can = CanInterface::new(link, &interface, CanConfig::default())?;
    node.attach(interface, can)?;

    let flows = Flows::new()
        .with("csp", CspProvider::new(node))
        .with("isotp", IsoTpProvider::new())
        .with("fstrm", FstrmProvider::new());
    Ok(with_names(flows, directory)?)
}

/// Names of this machine, where there are UNIX sockets to meet by.
#[cfg(unix)]
fn with_names(flows: Flows, directory: Option<&Path>) -> Result<Flows, LayerError> {
    let config = MachineConfig::default();
    let config = match directory {
        Some(directory) => config.directory(directory),
        None => config,
    };
    Ok(flows.with("local", MachineLayer::open(config)?.attach()))
}

/// Names of this process alone, elsewhere.
#[cfg(not(unix))]
fn with_names(flows: Flows, _directory: Option<&Path>) -> Result<Flows, LayerError> {
    Ok(flows.with("local", LocalLayer::new().attach()))
}

/// Says what it hears, and answers where the flow goes both ways.
async fn listen(flows: &Flows, address: &str) -> Result<(), Box<dyn Error>> {
    flows.bind(address)?;
    println!("listening at {address}");
    loop {
        let flow = flows.accept(None).await?;
        println!("a flow from {}", flow.peer());
        tokio::spawn(answer(flow));
    }
}

async fn answer(mut flow: Flow) {
    while let Ok(packet) = flow.read_packet().await {
        println!("{}", String::from_utf8_lossy(&packet));
        // a stream goes one way only, and says so
        let _answered = flow.write(packet).await;
    }
}

/// Sends `text` and returns what comes back, where anything can.
async fn ask(flows: &Flows, address: &str, text: &str) -> Result<String, Box<dyn Error>> {
    let mut flow = flows.alloc(address, QosSpec::RAW, None).await?;
    flow.write(text.to_owned()).await?;
    let said = match flow.read_packet().await {
        Ok(packet) => String::from_utf8(packet.to_vec())?,
        Err(ReadError::WriteOnly) => "said, and nothing can come back".into(),
        Err(error) => return Err(error.into()),
    };
    flow.dealloc().await?;
    Ok(said)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn the_same_program_speaks_over_all_of_them() {
        let directory = tempfile::tempdir().unwrap();
        let bus = "virtual:flow-anywhere";
        let here = Arc::new(flows(1, bus, Some(directory.path())).await.unwrap());
        let there = flows(2, bus, Some(directory.path())).await.unwrap();
        let socket = directory.path().join("x.sock");
        let stream = format!("fstrm:unix:{}?type=text", socket.display());
        for (bound, asked, comes_back) in [
            ("greetings", "greetings", "hello"),
            ("csp:*:10", "csp:1:10?if=CAN", "hello"),
            (
                "isotp:virtual:flow-anywhere?tx=7E8&rx=7E0",
                "isotp:virtual:flow-anywhere?tx=7E0&rx=7E8",
                "hello",
            ),
            (&stream, &stream, "said, and nothing can come back"),
        ] {
            here.bind(bound).unwrap();
            let listener = Arc::clone(&here);
            tokio::spawn(async move { answer(listener.accept(None).await.unwrap()).await });
            // a door that is opened from the background may open a moment later
            while bound.starts_with("fstrm") && !socket.exists() {
                tokio::task::yield_now().await;
            }
            assert_eq!(ask(&there, asked, "hello").await.unwrap(), comes_back, "{bound}");
            here.unbind(bound);
        }
    }
}
