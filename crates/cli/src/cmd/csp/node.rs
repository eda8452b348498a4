//! `csp node`: a node that serves until it is interrupted.

mod echo;
mod platform;

use std::collections::BTreeMap;
use std::time::SystemTime;

use csp_core::hmac::Key;
use csp_core::service::{Identity, PowerCommand};
use csp_core::{Config, DropReason, InterfaceStats, Need, Needs};
use serde::Serialize;
use tokio::time::Instant;

use self::echo::{Counts, Echo};
use self::platform::{Deed, Simulated, What};
use super::diagnosis::passed_by;
use super::drops::{self, Told};
use super::station::{Berth, Station};
use crate::args::csp::node::Node;
use crate::cmd::Session;
use crate::cmd::seldom::Seldom;
use crate::failure::{Code, Failure, Result};
use crate::output::timestamp;
use crate::units;

/// Printed once the node answers, so that scripts know when.
#[derive(Serialize)]
struct Ready {
    r#type: &'static str,
    address: u16,
    netmask: u8,
    link: String,
    services: Vec<String>,
    echo: Vec<u8>,
}

/// What another node made us do.
#[derive(Serialize)]
struct Event {
    r#type: &'static str,
    ts: String,
    /// Who claims to have asked for it.
    by: u16,
    what: &'static str,
    detail: String,
}

/// The closing line.
#[derive(Serialize)]
struct Summary {
    r#type: &'static str,
    served: u64,
    echoed: u64,
    /// Echoes that there was no room for.
    unsent: u64,
    received: u64,
    sent: u64,
    dropped: u64,
    dropped_by: BTreeMap<String, u64>,
}

pub(super) async fn run(session: &mut Session, args: Node) -> Result {
    let berth = Berth::of(session, &args.interface)?;
    if berth.iface.address.is_none() {
        return Err(Failure::new(Code::Usage, "a node needs an address of its own")
            .hint("--addr ADDR/BITS, for example --addr 2/8"));
    }
    let (platform, mut deeds) = Simulated::new();
    let config = config(&args).platform(platform);
    let set_up = |node: &csp_core::rt::Node| Echo::open(node, &args.echo);
    let (mut station, mut echo) = berth.occupy_with(session, config, set_up).await?;
    ready(session, &station, &args)?;
    // Anybody on the bus can make a node drop packets. All of them count in the closing line.
    let mut seldom = Seldom::default();
    let ended = loop {
        tokio::select! {
            _ = session.stop.wait() => break Ok(()),
            told = station.drops.next() => {
                seldom.miss(station.drops.missed());
                match told {
                    Told::Ended(why) => {
                        break Err(Failure::new(Code::Lost, format!("{}: {why}", station.name)));
                    }
                    Told::Dropped(dropped) => {
                        if let Some(untold) = seldom.take(Instant::now(), dropped.count) {
                            tell_drop(session, &station.name, dropped.reason, untold);
                        }
                    }
                    Told::Link(state) => session
                        .output
                        .notice(format_args!("{}: the link is {state}", station.name)),
                }
            }
            Some(deed) = deeds.recv() => {
                tell_deed(session, deed)?;
                if let What::Power(PowerCommand::Shutdown) = deed.what {
                    break Ok(());
                }
            }
            () = echo.run() => {}
        }
    };
    summarize(session, &station, echo.counts());
    ended
}

fn config(args: &Node) -> Config {
    let identity = Identity::new(&args.hostname)
        .model(&args.model)
        .revision(&args.revision);
    let crc = if args.no_crc {
        Need::Optional
    } else {
        Need::Required
    };
    let needs = Needs::default().crc32(crc);
    let config = Config::default().services(args.services).identity(identity);
    match &args.hmac {
        Some(phrase) => config
            .hmac_key(Key::from_pass_phrase(phrase.as_bytes()))
            .service_needs(needs.hmac(Need::Required)),
        None => config.service_needs(needs),
    }
}

fn ready(session: &mut Session, station: &Station, args: &Node) -> Result {
    let ready = Ready {
        r#type: "ready",
        address: station.own.address().to_bits(),
        netmask: station.own.netmask().to_bits(),
        link: station.name.clone(),
        services: args.services.iter().map(|service| service.to_string()).collect(),
        echo: args.echo.iter().map(|port| port.to_bits()).collect(),
    };
    session.output.either(&ready, |ready| {
        let Ready {
            address,
            netmask,
            link,
            services,
            echo,
            ..
        } = ready;
        let services = match services.as_slice() {
            [] => "nothing".to_owned(),
            services => services.join(" "),
        };
        let echo = match echo.as_slice() {
            [] => String::new(),
            ports => {
                let ports: Vec<_> = ports.iter().map(ToString::to_string).collect();
                format!("; echo on {}", ports.join(", "))
            }
        };
        format!("node {address}/{netmask} is on {link}\nserves {services}{echo}")
    })?;
    session.output.flush()
}

fn summarize(session: &Session, station: &Station, echo: &Counts) {
    let status = station.node.status();
    let interfaces = || status.interfaces.iter();
    let sum = |count: fn(&InterfaceStats) -> u64| interfaces().map(|interface| count(&interface.stats)).sum();
    let summary = Summary {
        r#type: "summary",
        served: status.stats.served,
        echoed: echo.echoed(),
        unsent: echo.unsent(),
        received: sum(|stats| stats.rx),
        sent: sum(|stats| stats.tx),
        dropped: status.stats.dropped,
        dropped_by: drops::reasons(&status),
    };
    session.output.summary(&summary, |summary| {
        let Summary {
            served,
            echoed,
            unsent,
            received,
            sent,
            dropped,
            dropped_by,
            ..
        } = summary;
        let echoed = match (echoed, unsent) {
            (0, 0) => String::new(),
            (echoed, 0) => format!("{echoed} echoed, "),
            (echoed, unsent) => format!("{echoed} echoed and {unsent} not, "),
        };
        let dropped = drops::text(*dropped, dropped_by);
        format!("{served} requests answered, {echoed}{received} packets received, {sent} sent, {dropped}")
    });
    if summary.received == 0
        && let Some(finding) = passed_by(station.own, &station.ear.heard())
    {
        session.output.notice(finding);
    }
}

fn tell_drop(session: &Session, link: &str, reason: DropReason, untold: u64) {
    let more = match untold {
        0 => String::new(),
        untold => format!(" (and {untold} more)"),
    };
    session
        .output
        .notice(format_args!("{link}: a packet was dropped: {reason}{more}"));
}

fn tell_deed(session: &mut Session, Deed { by, what }: Deed) -> Result {
    let (what, detail) = match what {
        What::Power(PowerCommand::Reboot) => ("reboot", String::new()),
        What::Power(PowerCommand::Shutdown) => ("shutdown", String::new()),
        What::ClockSet(time) => (
            "clock-set",
            timestamp(SystemTime::UNIX_EPOCH + time.since_epoch()),
        ),
        What::Written { address, len } => {
            let len = u64::try_from(len).unwrap_or(u64::MAX);
            ("poke", format!("{} at {address:#x}", units::counted(len, "byte")))
        }
        What::RouteSet => ("route-set", String::new()),
    };
    let event = Event {
        r#type: "event",
        ts: timestamp(SystemTime::now()),
        by: by.to_bits(),
        what,
        detail,
    };
    session.output.either(&event, |event| {
        let line = format!("{} by node {by} {}", event.what, event.detail);
        line.trim_end().to_owned()
    })?;
    session.output.flush()
}
