//! Asking a service of another node: what all verbs that do it have in common.

use core::time::Duration;

use csp_core::rt::{Answer, Call, ServiceError};
use csp_core::{Address, Port};

use super::diagnosis::{Lacking, Unanswered, investigate};
use super::station::{Berth, Station};
use super::{drops, whom};
use crate::args::csp::ask::{Request, Way};
use crate::cmd::Session;
use crate::failure::{Code, Failure, Result};

/// Our node, and whom it asks.
pub(super) struct Asking {
    pub(super) station: Station,
    pub(super) remote: Address,
    pub(super) call: Call,
    pub(super) is_simulated: bool,
    /// What else than the service may be missing where nothing answers.
    pub(super) lacking: Lacking,
    limit: Duration,
    flags: csp_core::Flags,
}

/// Asks with a node that is made for it, and tells in the end what that node dropped.
pub(super) async fn asking(
    session: &mut Session,
    request: &Request,
    ask: impl AsyncFnOnce(&mut Session, &mut Asking) -> Result,
) -> Result {
    let mut asking = prepare(session, request).await?;
    let ended = ask(session, &mut asking).await;
    let written = session.output.flush();
    drops::summarize(session, &asking.station);
    ended.and(written)
}

/// Makes a node to ask with.
async fn prepare(session: &Session, request: &Request) -> Result<Asking> {
    let Way {
        interface,
        timeout,
        protection,
    } = &request.way;
    let berth = Berth::of(session, interface)?;
    let remote = whom::node(session, &request.node, &berth)?;
    let station = berth.occupy(session, protection.config()).await?;
    let flags = protection.flags();
    Ok(Asking {
        station,
        remote,
        call: Call::default().timeout(*timeout).flags(flags),
        is_simulated: berth.is_simulated(),
        lacking: Lacking::Nothing,
        limit: *timeout,
        flags,
    })
}

impl Asking {
    /// The answer, or why there is none.
    pub(super) async fn answer<T>(
        &mut self,
        session: &Session,
        port: Port,
        asked: impl Future<Output = core::result::Result<T, ServiceError>>,
    ) -> Result<T> {
        let error = match session.stop.cut(async { Ok(asked.await) }).await? {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        Err(match error {
            ServiceError::Timeout { .. } => self.silence(session, port).await,
            ServiceError::Send(error) => self.station.not_sent(error),
            ServiceError::Reply(_) => {
                let from = format!("the answer of node {}", self.remote);
                Failure::caused(Code::Protocol, error).context(from)
            }
            error => Failure::caused(Code::CannotOpen, error),
        })
    }

    /// Why nothing on `port` answered.
    pub(super) async fn silence(&mut self, session: &Session, port: Port) -> Failure {
        let about = Unanswered {
            remote: self.remote,
            port,
            flags: self.flags,
            limit: self.limit,
            lacking: self.lacking,
        };
        let name = &self.station.name;
        let failure = Failure::new(Code::NoReply, format!("no answer from {} on {name}", self.remote));
        tokio::select! {
            finding = investigate(&mut self.station, about) => failure.hint(finding.to_string()),
            _ = session.stop.wait() => failure,
        }
    }
}

/// The round-trip time of an answer, in microseconds.
pub(super) fn rtt_us<T>(answer: &Answer<T>) -> u64 {
    crate::cmd::rtt::micros(answer.rtt)
}
