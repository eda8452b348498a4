//! `csp node`: a node that answers pings until it is interrupted.

use std::collections::BTreeMap;

use csp_core::{Config, DropReason};
use serde::Serialize;
use tokio::time::Instant;

use super::diagnosis::passed_by;
use super::drops::{self, Told};
use super::station::Berth;
use crate::args::csp::node::Node;
use crate::cmd::Session;
use crate::cmd::seldom::Seldom;
use crate::failure::{Code, Failure, Result};

/// Printed once the node answers, so that scripts know when.
#[derive(Serialize)]
struct Ready {
    r#type: &'static str,
    address: u16,
    netmask: u8,
    link: String,
}

/// The closing line.
#[derive(Serialize)]
struct Summary {
    r#type: &'static str,
    served: u64,
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
    let mut station = berth.occupy(session, Config::default()).await?;
    let ready = Ready {
        r#type: "ready",
        address: station.own.address().to_bits(),
        netmask: station.own.netmask().to_bits(),
        link: station.name.clone(),
    };
    session.output.either(&ready, |ready| {
        let Ready {
            address,
            netmask,
            link,
            ..
        } = ready;
        format!("node {address}/{netmask} is on {link}")
    })?;
    session.output.flush()?;
    // Anybody on the bus can make a node drop packets. All of them count in the closing line.
    let mut seldom = Seldom::default();
    let ended = loop {
        let told = tokio::select! {
            _ = session.stop.wait() => break Ok(()),
            told = station.drops.next() => told,
        };
        seldom.miss(station.drops.missed());
        match told {
            Told::Ended(why) => break Err(Failure::new(Code::Lost, format!("{}: {why}", station.name))),
            Told::Dropped(dropped) => {
                if let Some(untold) = seldom.take(Instant::now(), dropped.count) {
                    tell_drop(session, &station.name, dropped.reason, untold);
                }
            }
            Told::Link(state) => session
                .output
                .notice(format_args!("{}: the link is {state}", station.name)),
        }
    };
    let status = station.node.status();
    let sum = |count: fn(&csp_core::InterfaceStats) -> u64| {
        status
            .interfaces
            .iter()
            .map(|interface| count(&interface.stats))
            .sum()
    };
    let summary = Summary {
        r#type: "summary",
        served: status.stats.served,
        received: sum(|stats| stats.rx),
        sent: sum(|stats| stats.tx),
        dropped: status.stats.dropped,
        dropped_by: {
            station.drops.catch_up();
            station.drops.reasons(status.stats.dropped)
        },
    };
    session.output.summary(&summary, |summary| {
        let Summary {
            served,
            received,
            sent,
            dropped,
            dropped_by,
            ..
        } = summary;
        let dropped = drops::text(*dropped, dropped_by);
        format!("{served} requests answered, {received} packets received, {sent} sent, {dropped}")
    });
    if summary.received == 0
        && let Some(finding) = passed_by(station.own, &station.ear.heard())
    {
        session.output.notice(finding);
    }
    ended
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
