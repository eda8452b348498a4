//! `csp node`: a node that answers pings until it is interrupted.

use csp_core::rt::Notice;
use csp_core::{DropReason, Event};
use serde::Serialize;
use tokio::time::Instant;

use super::{attach, understand};
use crate::args::csp::Node;
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
}

pub(super) async fn run(session: &mut Session, args: Node) -> Result {
    let (iface, link) = understand(session, &args.interface)?;
    let address = iface.address.ok_or_else(|| {
        Failure::new(Code::Usage, "a node needs an address of its own")
            .hint("--addr ADDR/BITS, for example --addr 2/8")
    })?;
    let own = address.subnet(iface.version)?;
    let attached = session
        .stop
        .cut(attach(&session.door, &iface, &link, own))
        .await?;
    let mut notices = attached.node.notices();
    let ready = Ready {
        r#type: "ready",
        address: own.address().to_bits(),
        netmask: own.netmask().to_bits(),
        link: attached.name.clone(),
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
    let mut drops = Seldom::default();
    let mut missed = 0;
    let ended = loop {
        let notice = tokio::select! {
            _ = session.stop.wait() => break Ok(()),
            notice = notices.recv() => notice,
        };
        let lost = notices.lost();
        drops.miss(lost - core::mem::replace(&mut missed, lost));
        match notice {
            Some(Notice::Ended { error, .. }) => break Err(ended(&attached.name, error.as_deref())),
            Some(Notice::Event(Event::Dropped(dropped))) => {
                if let Some(untold) = drops.take(Instant::now(), dropped.count) {
                    tell_drop(session, &attached.name, dropped.reason, untold);
                }
            }
            Some(Notice::Event(Event::Link { state, .. })) => session
                .output
                .notice(format_args!("{}: the link is {state}", attached.name)),
            Some(_) => {}
            None => break Err(Failure::new(Code::Lost, "the node has stopped")),
        }
    };
    let status = attached.node.status();
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
    };
    session.output.summary(&summary, |summary| {
        let Summary {
            served,
            received,
            sent,
            dropped,
            ..
        } = summary;
        format!("{served} requests answered, {received} packets received, {sent} sent, {dropped} dropped")
    });
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

fn ended(link: &str, error: Option<&std::io::Error>) -> Failure {
    let why = error.map_or_else(|| "it ended".to_owned(), ToString::to_string);
    Failure::new(Code::Lost, format!("{link}: {why}"))
}
