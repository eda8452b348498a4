//! A file over a bad wire: RDP repeats what is lost.
//!
//! ```text
//! cargo run -p tinwire-examples --bin csp_file
//! ```
//!
//! One packet in five is dropped, in each direction. The sender knows that everything arrived when `close`
//! says so, and the receiver that this was all when the connection was closed and not lost.

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use core::error::Error;
use core::time::Duration;

use csp_core::rdp::CloseReason;
use csp_core::rt::{Connection, Filter, Node, RecvError, pair};
use csp_core::{
    Address, Config, ConnectConfig, InterfaceConfig, InterfaceName, Netmask, Port, SocketConfig, Stage,
    Switch, Verdict,
};
use futures::StreamExt;

/// Bytes in each packet: with the trailer of RDP less than the 256 of the peers' buffers.
const CHUNK: usize = 200;
/// How long the last acknowledgements may take.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let file: Vec<u8> = (0..=255).cycle().take(3_000).collect();
    let received = carry(&file).await?;
    println!("{} of {} bytes arrived", received.len(), file.len());
    Ok(())
}

/// Sends `file` from one node to another, and gives what the other one got.
async fn carry(file: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let (left, right) = pair();
    let (ground, satellite) = (Node::spawn(Config::default()), Node::spawn(Config::default()));
    ground.attach(interface(1), left)?;
    satellite.attach(interface(2), right)?;
    let port = Port::new(10).ok_or("at most 63")?;
    let mut listener = satellite.listen(port, SocketConfig::default())?;
    let _bad_wire = [lossy(&ground), lossy(&satellite)];

    let receiving = async {
        let mut connection = listener.accept().await?;
        receive(&mut connection).await
    };
    let sending = async {
        let by_rdp = ConnectConfig::default().rdp(Switch::On);
        let to = Address::new(2).ok_or("at most 16383")?;
        let connection = ground.connect(to, port, by_rdp).await?;
        for chunk in file.chunks(CHUNK) {
            connection.send(chunk.to_vec()).await?;
        }
        connection.close(PATIENCE).await?;
        Ok::<_, Box<dyn Error>>(())
    };
    let (received, sent) = tokio::join!(receiving, sending);
    sent?;
    Ok(received?)
}

/// Everything that comes until the other end closes.
async fn receive(connection: &mut Connection) -> Result<Vec<u8>, RecvError> {
    let mut file = Vec::new();
    while let Some(message) = connection.next().await {
        match message {
            Ok(message) => file.extend_from_slice(&message.payload),
            Err(RecvError::Ended {
                reason: CloseReason::ClosedByPeer,
            }) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(file)
}

/// Drops every fifth packet that a node receives.
fn lossy(node: &Node) -> Filter {
    let mut count = 0;
    node.filter_now(Stage::Incoming, move |_, packet| {
        count = (count + 1) % 5;
        if count == 0 {
            Verdict::Drop
        } else {
            Verdict::Pass(packet)
        }
    })
}

fn interface(own: u16) -> InterfaceConfig {
    let name = InterfaceName::new("LINK").expect("four letters");
    let address = Address::new(own).expect("at most 16383");
    InterfaceConfig::new(name, address, Netmask::new(8).expect("8 of 14 bits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn every_byte_arrives_once_and_in_order() {
        let file: Vec<u8> = (0..=255).cycle().take(50_000).collect();
        assert!(carry(&file).await.unwrap() == file);
    }
}
