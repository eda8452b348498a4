//! Packets over a flow to a name, and back.

use core::time::Duration;
use std::time::Instant;

use flow_core::{Name, QosSpec};
use serde::Serialize;
use tinwire_sim::{World, echo};

use super::Part;
use crate::cmd::rtt::{Rtt, Tally};
use crate::failure::{Code, Failure, Result};

const PACKETS: u64 = 100;
const SIZE: usize = 64;
const TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Serialize)]
pub(super) struct Echoed {
    r#type: &'static str,
    name: &'static str,
    sent: u64,
    received: u64,
    size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    rtt_us: Option<Rtt>,
}

pub(super) async fn visit(world: &World) -> Result<Echoed> {
    let failed = |error: anyhow::Error| Failure::caused(Code::Lost, error).context("the flow to echo");
    let name = Name::new(echo::NAME).map_err(|error| failed(error.into()))?;
    let client = world.layer().attach();
    let mut flow = client
        .alloc(&name, QosSpec::DATA, Some(TIMEOUT))
        .await
        .map_err(|error| failed(error.into()))?;
    let mut tally = Tally::default();
    for number in 0..PACKETS {
        let mut packet = number.to_be_bytes().to_vec();
        packet.resize(SIZE, 0);
        let start = Instant::now();
        tally.sent += 1;
        flow.write(packet.clone())
            .await
            .map_err(|error| failed(error.into()))?;
        let reply = flow
            .read_packet_timeout(TIMEOUT)
            .await
            .map_err(|error| failed(error.into()))?;
        if reply != packet {
            return Err(Failure::new(Code::Protocol, "the echo is not what was sent"));
        }
        tally.receive(start.elapsed());
    }
    Ok(Echoed {
        r#type: "flow",
        name: echo::NAME,
        sent: tally.sent,
        received: tally.received(),
        size: SIZE,
        rtt_us: tally.rtt(),
    })
}

impl Part for Echoed {
    fn text(&self) -> String {
        let Self {
            name,
            sent,
            received,
            size,
            ..
        } = self;
        let rtt = self.rtt_us.map_or_else(String::new, |rtt| rtt.to_string());
        format!(
            "Flow by name: packets to \"{name}\" and back, no daemon\n  \
             {received} of {sent} packets of {size} bytes came back, {rtt}"
        )
    }
}
