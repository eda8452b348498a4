//! Many controllers, one link: who is there, and what is each of them called?
//!
//! ```text
//! cargo run -p tinwire-examples --bin isotp_network            # three controllers of its own
//! cargo run -p tinwire-examples --bin isotp_network -- can0    # those of a real car, which are only read
//! ```
//!
//! A request goes to everybody, and a group listens to whoever answers. Then there is an endpoint for each of
//! them, and all are asked at the same time, over the same link.

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use core::error::Error;
use core::time::Duration;

use bytes::Bytes;
use can_link::StandardId;
use can_link::virtual_bus::VirtualBus;
use futures::future::try_join_all;
use isotp::{Address, Config, Endpoint, Network, Responder, Responders, StreamError, TxAddress};
use tokio::time::timeout;

/// Who answers at all does so within 50 ms (P2 of ISO 14229-2); longer answers say that they come later.
const WINDOW: Duration = Duration::from_millis(100);
/// How long a controller may take that says so (P2*).
const PATIENCE: Duration = Duration::from_secs(5);
/// Service 3E: are you there? Service 22: what is the name of your system (F197)?
const PRESENT: &[u8] = &[0x3E, 0x00];
const NAME: &[u8] = &[0x22, 0xF1, 0x97];

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let found = match std::env::args().nth(1) {
        Some(link) => visit(&Network::open(link.as_str()).await?).await?,
        None => {
            let bus = VirtualBus::new();
            build(&Network::new(bus.join())).await?;
            visit(&Network::new(bus.join())).await?
        }
    };
    for (id, name) in found {
        println!("{:03X} {name}", id.as_raw());
    }
    Ok(())
}

/// Finds out who is there, and asks everybody at the same time.
async fn visit(network: &Network) -> Result<Vec<(StandardId, String)>, Box<dyn Error>> {
    let everybody = TxAddress::normal(id(0x7DF)?);
    let mut group = network
        .group(everybody, Responders::legislated(), Config::default())
        .await?;
    let mut answers = group.request(PRESENT, WINDOW).await?;
    let mut there: Vec<Responder> = Vec::new();
    while let Some((responder, answer)) = answers.recv().await {
        match answer {
            Ok(_) if !there.contains(&responder) => there.push(responder),
            Ok(_) => {}
            Err(error) => println!("{:?}: {error}", responder.id()),
        }
    }
    // From here on each of them is listened to by an endpoint.
    drop(group);
    let mut found = try_join_all(there.iter().map(|responder| ask(network, responder))).await?;
    found.sort_by_key(|(id, _)| id.as_raw());
    Ok(found)
}

async fn ask(network: &Network, responder: &Responder) -> Result<(StandardId, String), Box<dyn Error>> {
    let can_link::Id::Standard(id) = responder.id() else {
        return Err("11 bits were asked for".into());
    };
    let controller = network.endpoint(*responder.address(), Config::default()).await?;
    controller.send(NAME).await?;
    loop {
        let answer = timeout(PATIENCE, controller.recv()).await?;
        let answer = answer.ok_or("the link has ended")??;
        match &answer[..] {
            // It is at it.
            [0x7F, 0x22, 0x78] => {}
            [0x7F, 0x22, code] => return Ok((id, format!("keeps its name to itself ({code:02X})"))),
            [0x62, 0xF1, 0x97, name @ ..] => return Ok((id, name.escape_ascii().to_string())),
            other => return Err(format!("not a name: {other:02x?}").into()),
        }
    }
}

/// Three controllers on one link of their own.
async fn build(network: &Network) -> Result<(), Box<dyn Error>> {
    for (n, name) in (0..).zip(["Engine control", "Transmission control", "Brakes"]) {
        let address = Address::normal(id(0x7E8 + n)?, id(0x7E0 + n)?)?.accepting_functional(id(0x7DF)?);
        let controller = network.endpoint(address, Config::default()).await?;
        tokio::spawn(serve(controller, name));
    }
    Ok(())
}

async fn serve(controller: Endpoint, name: &str) -> Result<(), StreamError> {
    while let Some(request) = controller.recv().await {
        match &request?[..] {
            PRESENT => controller.send(&[0x7E, 0x00][..]).await?,
            NAME => {
                controller.send(&[0x7F, 0x22, 0x78][..]).await?;
                let answer: Bytes = [&[0x62, 0xF1, 0x97], name.as_bytes()].concat().into();
                controller.send(answer).await?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn id(raw: u16) -> Result<StandardId, &'static str> {
    StandardId::new(raw).ok_or("an identifier of 11 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn everybody_who_is_there_tells_its_name() {
        let bus = VirtualBus::new();
        build(&Network::new(bus.join())).await.unwrap();
        let found = visit(&Network::new(bus.join())).await.unwrap();
        let names: Vec<_> = found
            .iter()
            .map(|(id, name)| (id.as_raw(), name.as_str()))
            .collect();
        assert_eq!(
            names,
            [
                (0x7E8, "Engine control"),
                (0x7E9, "Transmission control"),
                (0x7EA, "Brakes")
            ]
        );
    }
}
