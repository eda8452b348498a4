//! `csp ping`: is a node alive, and how far away is it.

mod tally;

use std::time::SystemTime;

use csp_core::rt::{PingConfig, PingError};
use csp_core::{Address, Flags, SendError, Subnet, Version};
use serde::Serialize;
use tinwire_sim::satellite::STATIONS;
use tokio::time::MissedTickBehavior;

use self::tally::Tally;
use super::iface::OwnAddress;
use super::{Attached, attach, understand};
use crate::args::csp::Ping;
use crate::cmd::Session;
use crate::cmd::rtt::micros;
use crate::failure::{Code, Failure, Result};
use crate::output::timestamp;
use crate::units;

/// One line per request.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Line {
    Reply {
        ts: String,
        node: u16,
        seq: u64,
        size: usize,
        rtt_us: u64,
    },
    Lost {
        ts: String,
        node: u16,
        seq: u64,
        reason: String,
    },
}

pub(super) async fn run(session: &mut Session, args: Ping) -> Result {
    let (iface, link) = understand(session, &args.interface)?;
    let own = iface
        .address
        .unwrap_or(OwnAddress::DEFAULT)
        .subnet(iface.version)?;
    let is_simulated = matches!(link, can_link::address::LinkAddress::Sim(_));
    let remote = resolve(session, &args.node, iface.version, is_simulated)?;
    if remote == own.address() {
        let message = format!("{remote} is our own address");
        return Err(Failure::new(Code::Usage, message).hint("--addr ADDR/BITS gives us another one"));
    }
    let attached = session
        .stop
        .cut(attach(&session.door, &iface, &link, own))
        .await?;
    if !session.output.is_json() {
        let Ping { node, size, .. } = &args;
        session.output.text(format_args!(
            "PING {node} ({remote}) on {}: {size} bytes",
            attached.name
        ))?;
        session.output.flush()?;
    }
    let mut tally = Tally::new(remote, is_simulated);
    let ended = exchange(session, &attached, remote, &args, &mut tally).await;
    tally.take_status(&attached.node.status());
    if tally.pings.sent > 0 {
        session.output.either(&tally.summary(), tally::text)?;
    }
    ended?;
    verdict(&tally, &attached, own, args.max_loss)
}

/// A number, a name of the configuration, or a name of the simulated satellite.
fn resolve(session: &Session, node: &str, version: Version, is_simulated: bool) -> Result<Address> {
    let named = || session.settings.csp_hosts.get(node).map(|host| host.value);
    let station = || {
        let station = STATIONS
            .iter()
            .find(|station| station.name.eq_ignore_ascii_case(node))?;
        is_simulated.then_some(station.address)
    };
    let number = node.parse::<u16>().ok().or_else(named).or_else(station);
    let max = version.broadcast();
    let address = number.and_then(Address::new).filter(|&address| address <= max);
    address.ok_or_else(|| {
        let message = format!("{node:?} is neither an address from 0 to {max} nor a known name");
        Failure::new(Code::BadAddress, message).hint("names stand in tinwire.toml: [csp.hosts] eps = 2")
    })
}

async fn exchange(
    session: &mut Session,
    attached: &Attached,
    remote: Address,
    args: &Ping,
    tally: &mut Tally,
) -> Result {
    let config = PingConfig::default()
        .size(args.size)
        .timeout(args.timeout)
        .flags(if args.no_crc { Flags::NONE } else { Flags::CRC32 });
    let mut pace = (!args.interval.is_zero()).then(|| tokio::time::interval(args.interval));
    if let Some(pace) = &mut pace {
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    let mut seq = 0;
    while args.count == 0 || seq < args.count {
        let stop = session.stop.clone();
        let mut is_asked = false;
        let result = tokio::select! {
            result = async {
                if let Some(pace) = &mut pace {
                    pace.tick().await;
                }
                is_asked = true;
                attached.node.ping(remote, config).await
            } => result,
            _ = stop.wait() => {
                tally.pings.sent += u64::from(is_asked);
                return Ok(());
            }
        };
        // What was refused is none.
        if !matches!(result, Err(PingError::Send(_) | PingError::Connect(_))) {
            tally.pings.sent += 1;
        }
        seq += 1;
        note(session, tally, args, remote, seq, result)?;
        session.output.flush()?;
    }
    Ok(())
}

/// Counts and prints one outcome; an error when going on is pointless.
fn note(
    session: &mut Session,
    tally: &mut Tally,
    args: &Ping,
    remote: Address,
    seq: u64,
    result: core::result::Result<csp_core::rt::Pong, PingError>,
) -> Result {
    let ts = timestamp(SystemTime::now());
    let reason = match result {
        Ok(pong) => {
            tally.pings.receive(pong.rtt);
            let line = Line::Reply {
                ts,
                node: pong.from.to_bits(),
                seq,
                size: args.size,
                rtt_us: micros(pong.rtt),
            };
            return session.output.either(&line, |_| {
                format!(
                    "{} bytes from {}: seq={seq} time={}",
                    args.size,
                    pong.from,
                    units::shown(pong.rtt)
                )
            });
        }
        Err(PingError::Timeout { limit }) => format!("no reply within {}", units::shown(limit)),
        Err(PingError::Echo(error)) => {
            tally.garbled += 1;
            error.to_string()
        }
        Err(PingError::Send(error)) => return Err(not_sent(error)),
        Err(error) => return Err(Failure::caused(Code::Lost, error)),
    };
    let line = Line::Lost {
        ts,
        node: remote.to_bits(),
        seq,
        reason: reason.clone(),
    };
    session
        .output
        .either(&line, |_| format!("from {remote}: seq={seq} {reason}"))
}

fn not_sent(error: SendError) -> Failure {
    match error {
        SendError::TooLong { max, .. } => {
            Failure::caused(Code::Usage, error).hint(format!("-s {max} is the most here"))
        }
        SendError::NoRoute { .. } => Failure::caused(Code::Usage, error).hint(
            "addresses outside our network need an interface with `default`, or fewer network bits in --addr",
        ),
        SendError::LinkDown => Failure::caused(Code::Lost, error),
        _ => Failure::caused(Code::NotSent, error),
    }
}

/// At least one reply is a yes, unless too many are missing.
fn verdict(tally: &Tally, attached: &Attached, own: Subnet, max_loss: Option<f64>) -> Result {
    if tally.pings.received() == 0 && tally.garbled > 0 {
        return Err(Failure::new(
            Code::Protocol,
            "every reply carried something else than was sent",
        ));
    }
    if tally.pings.received() == 0 && tally.pings.sent > 0 {
        let message = format!("no reply from {} on {}", tally.node(), attached.name);
        return Err(Failure::new(Code::NoReply, message).hint(tally.diagnosis(own)));
    }
    if let Some(max) = max_loss
        && tally.pings.loss() > max
    {
        let message = format!("{:.1}% of the replies are missing", tally.pings.loss() * 100.0);
        return Err(Failure::new(Code::NoReply, message));
    }
    Ok(())
}
