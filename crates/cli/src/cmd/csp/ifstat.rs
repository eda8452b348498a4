//! `csp ifstat`: what the interfaces of a node have counted.

use std::time::SystemTime;

use csp_core::service::Counters;
use csp_core::{InterfaceName, Port};
use futures::future::join_all;
use serde::Serialize;

use super::ask::{Asking, asking};
use super::diagnosis::Lacking;
use crate::args::csp::ask::Ifstat;
use crate::cmd::Session;
use crate::failure::{Code, Failure, Result};
use crate::output::timestamp;

/// Names that are usual; nobody tells which of them there are.
const USUAL: [&str; 16] = [
    "LOOP", "CAN", "CAN0", "CAN1", "CAN2", "KISS", "KISS0", "KISS1", "ZMQHUB", "ZMQ", "UDP", "ETH", "ETH0",
    "I2C", "TUN", "PAIR",
];

#[derive(Serialize)]
struct Line {
    r#type: &'static str,
    ts: String,
    node: u16,
    interface: String,
    tx: u32,
    rx: u32,
    tx_error: u32,
    rx_error: u32,
    drop: u32,
    autherr: u32,
    frame: u32,
    tx_bytes: u32,
    rx_bytes: u32,
    irq: u32,
    sim: bool,
}

pub(super) async fn run(session: &mut Session, args: Ifstat) -> Result {
    let is_guess = args.names.is_empty();
    let named = |name: &str| {
        InterfaceName::new(name).ok_or_else(|| {
            let message = format!("{name:?} is no name of an interface: 1 to 10 letters without blanks");
            Failure::new(Code::Usage, message)
        })
    };
    let names: Vec<_> = if is_guess {
        USUAL.into_iter().filter_map(InterfaceName::new).collect()
    } else {
        args.names.iter().map(|name| named(name)).collect::<Result<_>>()?
    };
    let each = async |session: &mut Session, node: &mut Asking| ask(session, node, &names, is_guess).await;
    asking(session, &args.request, each).await
}

async fn ask(session: &mut Session, asking: &mut Asking, names: &[InterfaceName], is_guess: bool) -> Result {
    let (node, remote, call) = (asking.station.node.clone(), asking.remote, asking.call);
    asking.lacking = Lacking::Interface;
    let each = names.iter().map(|&name| node.interface_stats(remote, name, call));
    let answers = session.stop.cut(async { Ok(join_all(each).await) }).await?;
    let mut lines = Vec::new();
    let mut first_error = None;
    for (name, answer) in names.iter().zip(answers) {
        match answer {
            Ok(answer) => lines.push(line(
                name,
                answer.from.to_bits(),
                answer.value,
                asking.is_simulated,
            )),
            Err(error) => drop(first_error.get_or_insert(error)),
        }
    }
    if !session.output.is_json() && !lines.is_empty() {
        session.output.text(HEADING)?;
    }
    for line in &lines {
        session.output.either(line, text)?;
    }
    session.output.flush()?;
    let missing: Vec<_> = names
        .iter()
        .filter(|name| lines.iter().all(|line| line.interface != name.as_str()))
        .map(ToString::to_string)
        .collect();
    match first_error {
        Some(error) if lines.is_empty() => {
            let asked = async { Err::<(), _>(error) };
            asking.answer(session, Port::CMP, asked).await
        }
        Some(_) if !is_guess => {
            let message = format!("node {remote} has no interface {}", missing.join(", "));
            Err(Failure::new(Code::NothingFound, message))
        }
        _ => Ok(()),
    }
}

const HEADING: &str =
    "interface          tx         rx tx_error rx_error     drop  autherr    frame    tx_bytes    rx_bytes";

fn line(name: &InterfaceName, node: u16, counters: Counters, is_simulated: bool) -> Line {
    Line {
        r#type: "interface",
        ts: timestamp(SystemTime::now()),
        node,
        interface: name.to_string(),
        tx: counters.tx,
        rx: counters.rx,
        tx_error: counters.tx_error,
        rx_error: counters.rx_error,
        drop: counters.drop,
        autherr: counters.autherr,
        frame: counters.frame,
        tx_bytes: counters.tx_bytes,
        rx_bytes: counters.rx_bytes,
        irq: counters.irq,
        sim: is_simulated,
    }
}

fn text(line: &Line) -> String {
    let Line {
        interface,
        tx,
        rx,
        tx_error,
        rx_error,
        drop,
        autherr,
        frame,
        tx_bytes,
        rx_bytes,
        ..
    } = line;
    format!(
        "{interface:<10} {tx:>10} {rx:>10} {tx_error:>8} {rx_error:>8} {drop:>8} {autherr:>8} {frame:>8} \
         {tx_bytes:>11} {rx_bytes:>11}"
    )
}
