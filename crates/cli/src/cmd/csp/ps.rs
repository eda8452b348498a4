//! `csp ps`: what runs on a node.

use csp_core::Port;
use serde::Serialize;

use super::ask::{prepare, rtt_us};
use crate::args::csp::ask::Ps;
use crate::cmd::Session;
use crate::failure::Result;

#[derive(Serialize)]
struct Line {
    r#type: &'static str,
    node: u16,
    rtt_us: u64,
    text: String,
    sim: bool,
}

pub(super) async fn run(session: &mut Session, args: Ps) -> Result {
    let mut asking = prepare(session, &args.request).await?;
    let (node, remote) = (asking.station.node.clone(), asking.remote);
    let asked = node.processes(remote, asking.call.quiet(args.quiet_time));
    let answer = asking.answer(session, Port::PS, asked).await?;
    let line = Line {
        r#type: "processes",
        node: answer.from.to_bits(),
        rtt_us: rtt_us(&answer),
        text: answer.value,
        sim: asking.is_simulated,
    };
    session
        .output
        .either(&line, |line| line.text.trim_end().to_owned())
}
