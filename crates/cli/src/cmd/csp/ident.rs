//! `csp ident`: who a node is.

use std::time::SystemTime;

use csp_core::service::Identity;
use csp_core::{Address, Port};
use serde::Serialize;

use super::ask::{Asking, rtt_us};
use crate::cmd::Session;
use crate::failure::{Code, Failure, Result};
use crate::output::timestamp;

/// Who a node is, as JSON tells it.
#[derive(Serialize)]
pub(super) struct Ident {
    pub(super) hostname: String,
    model: String,
    revision: String,
    date: String,
    time: String,
}

#[derive(Serialize)]
struct Line {
    r#type: &'static str,
    ts: String,
    node: u16,
    #[serde(flatten)]
    ident: Ident,
    rtt_us: u64,
    sim: bool,
}

impl Ident {
    pub(super) fn of(identity: Identity) -> Self {
        let Identity {
            hostname,
            model,
            revision,
            date,
            time,
            ..
        } = identity;
        Self {
            hostname,
            model,
            revision,
            date,
            time,
        }
    }

    /// On one line, without what is empty.
    pub(super) fn text(&self) -> String {
        let built = format!("{} {}", self.date, self.time);
        let parts = [&self.hostname, &self.model, &self.revision, built.trim()].map(|part| part.trim());
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join(", ")
    }
}

pub(super) async fn run(session: &mut Session, asking: &mut Asking) -> Result {
    let (node, remote, call) = (asking.station.node.clone(), asking.remote, asking.call);
    if asking.station.own.is_broadcast(remote) {
        return all(session, asking).await;
    }
    let asked = node.identify(remote, call);
    let answer = asking.answer(session, Port::CMP, asked).await?;
    let rtt_us = rtt_us(&answer);
    show(session, asking, answer.from, rtt_us, answer.value)
}

/// Asks everybody.
async fn all(session: &mut Session, asking: &mut Asking) -> Result {
    let (node, remote, call) = (asking.station.node.clone(), asking.remote, asking.call);
    let asked = node.identify_all(remote, call);
    let mut answers = asking.answer(session, Port::CMP, asked).await?;
    let mut count = 0;
    loop {
        let answer = tokio::select! {
            answer = answers.next() => answer,
            _ = session.stop.wait() => None,
        };
        let Some(answer) = answer else { break };
        let (from, rtt_us) = (answer.from, rtt_us(&answer));
        match answer.value {
            Ok(identity) => {
                count += 1;
                show(session, asking, from, rtt_us, identity)?;
                session.output.flush()?;
            }
            Err(error) => {
                let from = format!("the answer of node {from}");
                let failure = Failure::caused(Code::Protocol, error).context(from);
                session.output.failure(&failure);
            }
        }
    }
    if count == 0 {
        return Err(asking.silence(session, Port::CMP).await);
    }
    Ok(())
}

fn show(session: &mut Session, asking: &Asking, from: Address, rtt_us: u64, identity: Identity) -> Result {
    let line = Line {
        r#type: "ident",
        ts: timestamp(SystemTime::now()),
        node: from.to_bits(),
        ident: Ident::of(identity),
        rtt_us,
        sim: asking.is_simulated,
    };
    session.output.either(&line, |line| {
        let Ident {
            hostname,
            model,
            revision,
            date,
            time,
        } = &line.ident;
        let built = format!("{date} {time}");
        let rows = [
            ("node", from.to_string()),
            ("hostname", hostname.clone()),
            ("model", model.clone()),
            ("revision", revision.clone()),
            ("built", built.trim().to_owned()),
        ];
        let rows = rows.map(|(what, text)| format!("{what:<9} {text}").trim_end().to_owned());
        rows.join("\n")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_empty_is_left_out() {
        let identity = Identity::new("eps").revision("1.2");
        assert_eq!(Ident::of(identity).text(), "eps, 1.2");
        let identity = Identity::new("eps").model("P31").built("Jan  1 2024", "12:00:00");
        assert_eq!(Ident::of(identity).text(), "eps, P31, Jan  1 2024 12:00:00");
    }
}
