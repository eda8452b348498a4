//! `flow join`: a member of a broadcast layer.

use std::time::SystemTime;

use bytes::Bytes;
use flow_core::flow::ReadStats;
use serde::Serialize;
use tokio::sync::mpsc;

use super::input::{Cut, packets};
use super::reach::{Reach, broken};
use super::serve::shown;
use crate::args::flow::talk::Join;
use crate::cmd::Session;
use crate::failure::{Code, Failure, Result};
use crate::output::timestamp;
use crate::units;

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Line<'a> {
    Joined {
        ts: String,
        layer: &'a str,
        pid: u32,
    },
    Packet {
        ts: String,
        layer: &'a str,
        size: usize,
        data: String,
    },
}

#[derive(Serialize)]
struct Summary {
    r#type: &'static str,
    sent: u64,
    received: u64,
    /// Packets of others that this side was too slow for.
    dropped: u64,
}

pub(super) async fn run(session: &mut Session, args: Join) -> Result {
    let Some(layer) = args.whom.text() else {
        return Err(
            Failure::new(Code::Usage, "no layer to join").hint("tinwire flow join LAYER, or -n LAYER")
        );
    };
    let reach = Reach::to(session, &args.way, layer).await?;
    let mut flow = reach.join(session).await?;
    if let Some(message) = &args.message {
        let said = flow.write(message.clone()).await;
        said.map_err(|error| broken(error, layer))?;
        drop(flow);
        reach.left().await;
        return Ok(());
    }
    if session.output.is_json() {
        let ts = timestamp(SystemTime::now());
        let pid = std::process::id();
        session.output.json(&Line::Joined { ts, layer, pid })?;
        session.output.flush()?;
    } else {
        session.output.notice(format_args!("Joined {layer}."));
    }
    let mut input = (!args.listen).then(|| packets(Cut::Lines, flow.max_packet()));
    let mut received = 0;
    let stop = session.stop.clone();
    let ended = loop {
        if args.count.is_some_and(|count| received >= count) {
            break Ok(());
        }
        tokio::select! {
            packet = flow.read_packet() => match packet {
                Ok(packet) => {
                    received += 1;
                    let more = flow.read_queue_len() > 0;
                    if let Err(failure) = show(session, layer, &packet, more) {
                        break Err(failure);
                    }
                }
                Err(error) => break Err(broken(error, layer)),
            },
            line = next(&mut input) => match line {
                Some(line) => {
                    if let Err(error) = flow.write(line).await {
                        break Err(broken(error, layer));
                    }
                }
                None => break Ok(()),
            },
            _ = stop.wait() => break Ok(()),
        }
    };
    let (ReadStats { dropped, .. }, sent) = (flow.read_stats(), flow.write_stats().packets);
    drop(flow);
    reach.left().await;
    session.output.flush()?;
    let summary = Summary {
        r#type: "summary",
        sent,
        received,
        dropped,
    };
    session.output.summary(&summary, |summary| {
        let Summary {
            sent,
            received,
            dropped,
            ..
        } = summary;
        format!("--- {layer}: {sent} packets sent, {received} received, {dropped} dropped")
    });
    ended?;
    if args.strict && dropped > 0 {
        let message = format!("{} were dropped here", units::counted(dropped, "packet"));
        return Err(Failure::new(Code::DataLost, message));
    }
    Ok(())
}

/// The next line; never where none are read.
async fn next(input: &mut Option<mpsc::Receiver<Bytes>>) -> Option<Bytes> {
    match input {
        Some(input) => input.recv().await,
        None => core::future::pending().await,
    }
}

fn show(session: &mut Session, layer: &str, packet: &[u8], more: bool) -> Result {
    let line = Line::Packet {
        ts: timestamp(SystemTime::now()),
        layer,
        size: packet.len(),
        data: units::hex(packet),
    };
    session.output.either(&line, |_| shown(packet))?;
    if more { Ok(()) } else { session.output.flush() }
}
