//! `csp ps`: what runs on a node.

use core::time::Duration;
use std::time::SystemTime;

use csp_core::Port;
use serde::Serialize;

use super::ask::{Asking, rtt_us};
use crate::cmd::Session;
use crate::failure::Result;
use crate::output::timestamp;

#[derive(Serialize)]
struct Line {
    r#type: &'static str,
    ts: String,
    node: u16,
    rtt_us: u64,
    text: String,
    sim: bool,
}

pub(super) async fn run(session: &mut Session, asking: &mut Asking, quiet: Duration) -> Result {
    let (node, remote) = (asking.station.node.clone(), asking.remote);
    let asked = node.processes(remote, asking.call.quiet(quiet));
    let answer = asking.answer(session, Port::PS, asked).await?;
    let line = Line {
        r#type: "processes",
        ts: timestamp(SystemTime::now()),
        node: answer.from.to_bits(),
        rtt_us: rtt_us(&answer),
        text: answer.value,
        sim: asking.is_simulated,
    };
    session
        .output
        .either(&line, |line| line.text.trim_end().to_owned())
}
