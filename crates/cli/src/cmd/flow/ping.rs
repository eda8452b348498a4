//! `flow ping`: packets to an echo service and back.

use core::time::Duration;
use std::time::{Instant, SystemTime};

use flow_core::error::ReadError;
use flow_core::{AllocError, Flow, Name, WriteError};
use serde::Serialize;
use tinwire_sim::{World, WorldConfig};
use tokio::time::MissedTickBehavior;

use crate::args::flow::Ping;
use crate::cmd::Session;
use crate::cmd::rtt::{Rtt, Tally, micros};
use crate::failure::{Code, Failure, Result};
use crate::output::timestamp;
use crate::units;

/// How long a flow may take to come about.
const ALLOC: Duration = Duration::from_secs(5);

/// One line per packet.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Line {
    Reply {
        ts: String,
        name: String,
        seq: u64,
        size: u32,
        rtt_us: u64,
    },
    Lost {
        ts: String,
        name: String,
        seq: u64,
    },
}

/// The closing line.
#[derive(Serialize)]
struct Summary {
    r#type: &'static str,
    name: String,
    sent: u64,
    received: u64,
    loss: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rtt_us: Option<Rtt>,
    sim: bool,
}

pub(super) async fn run(session: &mut Session, args: Ping) -> Result {
    let Some(name) = args.name.strip_prefix("sim:") else {
        let message = format!("{}: flows between processes are not in this version", args.name);
        return Err(Failure::new(Code::NotInThisVersion, message).hint("sim:echo is the simulated service"));
    };
    let name =
        Name::new(name).map_err(|error| Failure::caused(Code::BadAddress, error).context(&args.name))?;
    let world = World::start(WorldConfig::default())
        .await
        .map_err(|error| Failure::caused(Code::CannotOpen, error))?;
    let provider = world.layer().attach();
    let mut flow = provider
        .alloc(&name, args.qos, Some(ALLOC))
        .await
        .map_err(|error| not_allocated(error, &args.name))?;
    if usize::try_from(args.size).is_ok_and(|size| size > flow.max_packet()) {
        let message = format!("packets of {} bytes do not fit the flow", args.size);
        return Err(
            Failure::new(Code::Usage, message).hint(format!("-s {} is the most here", flow.max_packet()))
        );
    }
    if !session.output.is_json() {
        let line = format!("PING {}: {} bytes", args.name, args.size);
        session.output.text(line)?;
        session.output.flush()?;
    }
    let mut tally = Tally::default();
    let ended = exchange(session, &mut flow, &args, &mut tally).await;
    let summary = Summary {
        r#type: "summary",
        name: args.name.clone(),
        sent: tally.sent,
        received: tally.received(),
        loss: tally.loss(),
        rtt_us: tally.rtt(),
        sim: true,
    };
    session.output.either(&summary, text)?;
    ended?;
    if tally.received() == 0 && tally.sent > 0 {
        return Err(Failure::new(
            Code::NoReply,
            format!("no reply from {}", args.name),
        ));
    }
    Ok(())
}

fn text(summary: &Summary) -> String {
    let Summary {
        name,
        sent,
        received,
        loss,
        ..
    } = summary;
    let rtt = summary.rtt_us.map_or_else(String::new, |rtt| format!("\n{rtt}"));
    format!(
        "--- {name}: {sent} sent, {received} received, {:.0}% loss{rtt}",
        loss * 100.0
    )
}

fn not_allocated(error: AllocError, name: &str) -> Failure {
    let code = match error {
        AllocError::TimedOut => Code::NoReply,
        AllocError::Qos(_) => Code::Usage,
        _ => Code::CannotOpen,
    };
    Failure::caused(code, error).context(name)
}

async fn exchange(session: &mut Session, flow: &mut Flow, args: &Ping, tally: &mut Tally) -> Result {
    let mut pace = (!args.interval.is_zero()).then(|| tokio::time::interval(args.interval));
    if let Some(pace) = &mut pace {
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    let mut seq = 0;
    while args.count == 0 || seq < args.count {
        let stop = session.stop.clone();
        let rtt = tokio::select! {
            rtt = async {
                if let Some(pace) = &mut pace {
                    pace.tick().await;
                }
                tally.sent += 1;
                one(flow, seq + 1, args).await
            } => rtt?,
            _ = stop.wait() => return Ok(()),
        };
        seq += 1;
        let (ts, name) = (timestamp(SystemTime::now()), args.name.clone());
        let line = match rtt {
            Some(rtt) => {
                tally.receive(rtt);
                Line::Reply {
                    ts,
                    name,
                    seq,
                    size: args.size,
                    rtt_us: micros(rtt),
                }
            }
            None => Line::Lost { ts, name, seq },
        };
        session.output.either(&line, |_| match rtt {
            Some(rtt) => format!(
                "{} bytes from {}: seq={seq} time={}",
                args.size,
                args.name,
                units::shown(rtt)
            ),
            None => format!(
                "from {}: seq={seq} no reply within {}",
                args.name,
                units::shown(args.timeout)
            ),
        })?;
        session.output.flush()?;
    }
    Ok(())
}

/// One packet there and back; nothing when it did not come back in time.
async fn one(flow: &mut Flow, seq: u64, args: &Ping) -> Result<Option<Duration>> {
    let mut packet = seq.to_be_bytes().to_vec();
    packet.resize(usize::try_from(args.size).unwrap_or_default(), 0xA5);
    let lost = |error: anyhow::Error| Failure::caused(Code::Lost, error).context(&args.name);
    let start = Instant::now();
    flow.write_timeout(packet.clone(), args.timeout)
        .await
        .map_err(|error: WriteError| lost(error.into()))?;
    loop {
        let left = args.timeout.saturating_sub(start.elapsed());
        match flow.read_packet_timeout(left).await {
            Ok(reply) if reply == packet => return Ok(Some(start.elapsed())),
            // A reply to an earlier packet, late.
            Ok(reply)
                if reply
                    .first_chunk::<8>()
                    .is_some_and(|head| u64::from_be_bytes(*head) < seq) => {}
            Ok(_) => {
                let message = format!("{}: a reply that is not what was sent", args.name);
                return Err(Failure::new(Code::Protocol, message));
            }
            Err(ReadError::TimedOut) => return Ok(None),
            Err(error) => return Err(lost(error.into())),
        }
    }
}
