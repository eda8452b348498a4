//! `csp reboot`, `csp shutdown`: what nobody answers.

use core::time::Duration;
use std::io::{BufRead as _, IsTerminal as _};
use std::time::SystemTime;

use csp_core::service::PowerCommand;
use serde::Serialize;

use super::ask::{Asking, asking};
use crate::args::csp::ask::Power;
use crate::cmd::Session;
use crate::failure::{Code, Failure, Result};
use crate::output::{complain, timestamp};

/// How long the packet may take to leave.
const FLUSH: Duration = Duration::from_secs(1);

#[derive(Serialize)]
struct Line {
    r#type: &'static str,
    ts: String,
    node: u16,
    sim: bool,
}

pub(super) async fn run(session: &mut Session, args: Power, command: PowerCommand) -> Result {
    let what = match command {
        PowerCommand::Reboot => "reboot",
        PowerCommand::Shutdown => "shutdown",
    };
    if !args.yes {
        confirm(session, what, &args.request.node).await?;
    }
    let telling = async |session: &mut Session, node: &mut Asking| tell(session, node, command, what).await;
    asking(session, &args.request, telling).await
}

async fn tell(
    session: &mut Session,
    asking: &mut Asking,
    command: PowerCommand,
    what: &'static str,
) -> Result {
    let (node, remote, call) = (asking.station.node.clone(), asking.remote, asking.call);
    let port = command.service().port();
    let asked = async {
        match command {
            PowerCommand::Reboot => node.reboot(remote, call).await,
            PowerCommand::Shutdown => node.shutdown(remote, call).await,
        }
    };
    asking.answer(session, port, asked).await?;
    let flushed = session.stop.cut(async { Ok(node.flush(FLUSH).await) }).await?;
    flushed.map_err(|error| Failure::caused(Code::NotSent, error).context(&asking.station.name))?;
    asking.station.drops.catch_up();
    if let Some(lost) = asking.station.drops.lost(&asking.station.name) {
        return Err(lost);
    }
    let line = Line {
        r#type: what,
        ts: timestamp(SystemTime::now()),
        node: remote.to_bits(),
        sim: asking.is_simulated,
    };
    session.output.either(&line, |_| {
        format!("{what} sent to node {remote}; there is no reply to it")
    })
}

/// Asks whoever sits there.
async fn confirm(session: &Session, what: &str, node: &str) -> Result {
    let refusal = |message: String| Failure::new(Code::Usage, message).hint("--yes does it without asking");
    if !std::io::stdin().is_terminal() || session.output.is_json() {
        return Err(refusal(format!("{what} of node {node} was not confirmed")));
    }
    complain(format_args!("{what} node {node}? Type yes:"));
    let read = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map(|_| line)
    });
    let line = session.stop.cut(async { Ok(read.await) }).await?;
    match line {
        Ok(Ok(line)) if line.trim() == "yes" => Ok(()),
        _ => Err(refusal(format!("{what} of node {node} was not confirmed"))),
    }
}
