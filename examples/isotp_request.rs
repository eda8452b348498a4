//! Reads a car's identification number: a request of one frame, an answer of three.
//!
//! ```text
//! cargo run -p tinwire-examples --bin isotp_request
//! cargo run -p tinwire-examples --bin isotp_request -- can0
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use core::error::Error;
use core::time::Duration;

use can_link::{CanLink, StandardId};
use isotp::{Address, Config, IsoTpStream};
use tinwire_sim::{World, WorldConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let vin = match std::env::args().nth(1) {
        Some(address) => read_vin(can_link::open(&address.parse()?).await?).await?,
        None => {
            let world = World::start(WorldConfig::seeded(1)).await?;
            read_vin(world.join()).await?
        }
    };
    println!("VIN {vin}");
    Ok(())
}

/// Asks for data identifier F190, as UDS (ISO 14229-1) has it.
async fn read_vin(link: impl CanLink) -> Result<String, Box<dyn Error>> {
    let (request, response) = StandardId::new(0x7E0)
        .zip(StandardId::new(0x7E8))
        .ok_or("11 bits")?;
    let mut stream = IsoTpStream::new(link, Address::normal(request, response)?, Config::default())?;

    stream.send(&[0x22, 0xF1, 0x90][..]).await?;
    let answer = tokio::time::timeout(Duration::from_secs(1), stream.recv()).await?;
    let answer = answer.ok_or("the link has ended")??;
    let vin = answer
        .strip_prefix(&[0x62, 0xF1, 0x90])
        .ok_or_else(|| format!("not a VIN: {answer:02x?}"))?;
    Ok(String::from_utf8(vin.to_vec())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_simulated_car_has_a_number() {
        let world = World::start(WorldConfig::seeded(1)).await.unwrap();
        assert_eq!(read_vin(world.join()).await.unwrap(), tinwire_sim::ecu::VIN);
    }
}
