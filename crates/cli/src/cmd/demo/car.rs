//! The car's number, read as a message of several frames.

use core::time::Duration;
use std::time::Instant;

use isotp::{Address, Config, IsoTpStream};
use serde::{Serialize, Serializer};
use tinwire_sim::World;
use tinwire_sim::ecu::{REQUEST_ID, RESPONSE_ID};

use super::Part;
use crate::failure::{Code, Failure, Result};
use crate::units;

const REQUEST: [u8; 3] = [0x22, 0xF1, 0x90];
const TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Serialize)]
pub(super) struct Car {
    r#type: &'static str,
    #[serde(serialize_with = "hex")]
    request: Vec<u8>,
    #[serde(serialize_with = "hex")]
    response: Vec<u8>,
    len: usize,
    vin: String,
    /// Frames of the response.
    frames: usize,
    duration_us: u64,
}

pub(super) async fn visit(world: &World) -> Result<Car> {
    let standard = |raw| can_link::id::standard(u32::from(raw));
    let address = Address::normal(standard(REQUEST_ID), standard(RESPONSE_ID))
        .map_err(|error| Failure::caused(Code::CannotOpen, error))?;
    let mut stream = IsoTpStream::new(world.join(), address, Config::default())
        .map_err(|error| Failure::caused(Code::CannotOpen, error))?;
    let failed =
        |error: isotp::StreamError| Failure::caused(Code::Protocol, error).context("reading the VIN");
    let start = Instant::now();
    stream.send(REQUEST.to_vec()).await.map_err(failed)?;
    let response = tokio::time::timeout(TIMEOUT, stream.recv())
        .await
        .ok()
        .flatten()
        .ok_or_else(|| Failure::new(Code::NoReply, "the car's controller does not answer"))?
        .map_err(failed)?;
    let duration = start.elapsed();
    let vin = match *response {
        [0x62, 0xF1, 0x90, ref vin @ ..] => String::from_utf8_lossy(vin).into_owned(),
        _ => {
            let message = format!("an answer that is no VIN: {}", units::hex(&response));
            return Err(Failure::new(Code::NegativeResponse, message));
        }
    };
    Ok(Car {
        r#type: "isotp",
        request: REQUEST.to_vec(),
        len: response.len(),
        frames: frames(response.len()),
        response: response.to_vec(),
        vin,
        duration_us: u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
    })
}

fn hex<S: Serializer>(bytes: &[u8], serializer: S) -> core::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(&units::hex(bytes))
}

/// Classic frames of a message: 7 bytes fit one; else 6 go first and 7 with each frame that follows.
const fn frames(len: usize) -> usize {
    if len <= 7 { 1 } else { 1 + (len - 6).div_ceil(7) }
}

impl Part for Car {
    fn text(&self) -> String {
        let took = units::shown(Duration::from_micros(self.duration_us));
        format!(
            "ISO-TP over CAN: the car's controller tells its number\n  > {}\n  < {}\n  \
             VIN {}: {} bytes in {} frames, {took}",
            units::spaced_hex(&self.request),
            units::spaced_hex(&self.response),
            self.vin,
            self.len,
            self.frames
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vin_needs_three_frames() {
        assert_eq!(
            (frames(7), frames(8), frames(13), frames(20), frames(21)),
            (1, 2, 2, 3, 4)
        );
    }
}
