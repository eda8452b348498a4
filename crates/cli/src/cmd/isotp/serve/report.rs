//! What is told of a server's life.

use std::time::SystemTime;

use isotp::StreamError;
use isotp::isotpserver::{ServerEvent, ServerStats};
use serde::Serialize;
use tokio::time::Instant;

use crate::cmd::Session;
use crate::cmd::seldom::Seldom;
use crate::failure::{Code, Failure, Result};
use crate::output::timestamp;
use crate::units;

/// Something that happened.
#[derive(Default, Serialize)]
struct Line<'a> {
    r#type: &'static str,
    ts: String,
    link: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<&'a str>,
    /// How many clients a message was for.
    #[serde(skip_serializing_if = "Option::is_none")]
    clients: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    len: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n_result: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// Events of the same kind since the last line that were not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    more: Option<u64>,
}

/// The closing line.
#[derive(Serialize)]
struct Summary {
    r#type: &'static str,
    clients: u64,
    sent: u64,
    received: u64,
    /// Messages that failed, either way.
    failed: u64,
    malformed: u64,
    /// Messages that a client did not get because it did not read.
    missed: u64,
    /// Frames that the link lost before we saw them.
    dropped: u64,
}

/// How many clients that come, and as many that leave, are told in a second.
const MOST_CLIENTS: u32 = 10;

/// Tells what happens, and what clients can cause as often as they like only so often: once a second, and
/// [`MOST_CLIENTS`] times that they come or leave.
#[derive(Debug)]
pub(super) struct Report<'a> {
    link: &'a str,
    /// Whether each message is shown to people.
    is_verbose: bool,
    malformed: Seldom,
    missed: Seldom,
    refused: Seldom,
    joined: Seldom,
    left: Seldom,
}

impl<'a> Report<'a> {
    pub(super) fn new(link: &'a str, is_verbose: bool) -> Self {
        Self {
            link,
            is_verbose,
            malformed: Seldom::default(),
            missed: Seldom::default(),
            refused: Seldom::default(),
            joined: Seldom::at_most(MOST_CLIENTS),
            left: Seldom::at_most(MOST_CLIENTS),
        }
    }

    pub(super) const fn link(&self) -> &'a str {
        self.link
    }

    pub(super) fn tell(&mut self, session: &mut Session, event: &ServerEvent) -> Result {
        let seldom = match event {
            ServerEvent::Malformed { .. } => Some(&mut self.malformed),
            ServerEvent::Missed { .. } => Some(&mut self.missed),
            ServerEvent::TurnedAway { .. } | ServerEvent::NotAccepted(_) | ServerEvent::NotOpened(_) => {
                Some(&mut self.refused)
            }
            ServerEvent::Joined { .. } => Some(&mut self.joined),
            ServerEvent::Left { .. } => Some(&mut self.left),
            _ => None,
        };
        let more = match seldom.map(|seldom| seldom.take(Instant::now(), 1)) {
            Some(None) => return Ok(()),
            Some(Some(more)) => Some(more).filter(|&more| more > 0),
            None => None,
        };
        if session.output.is_json() {
            session.output.json(&Line {
                more,
                ..self.line(event)
            })?;
        }
        match event {
            ServerEvent::Sent { message, .. } => self.show(session, "TCP>CAN", message),
            ServerEvent::Received { message, .. } => self.show(session, "CAN>TCP", message),
            _ => {
                self.remark(session, event, more);
                Ok(())
            }
        }
    }

    fn show(&self, session: &mut Session, direction: &str, message: &[u8]) -> Result {
        if !self.is_verbose || session.output.is_json() {
            return Ok(());
        }
        let digits = units::hex(message).to_uppercase();
        session.output.text(format_args!("{direction} <{digits}>"))
    }

    /// On standard error: failed transfers always, the rest unless it is not wanted.
    fn remark(&self, session: &Session, event: &ServerEvent, more: Option<u64>) {
        if let Some(error) = failure(event) {
            let who = client(event).map_or_else(|| self.link.to_owned(), |client| format!("client {client}"));
            let failed = Failure::new(Code::Protocol, format!("{who}: {error}"));
            return session.output.failure(&failed);
        }
        // The lines on standard output have told it.
        if session.output.is_json() {
            return;
        }
        let more = more.map_or_else(String::new, |more| format!(" (and {more} more)"));
        session.output.notice(format_args!("{}{more}", text(event)));
    }

    fn line<'b>(&'b self, event: &'b ServerEvent) -> Line<'b> {
        let line = Line {
            r#type: kind(event),
            ts: timestamp(SystemTime::now()),
            link: self.link,
            client: client(event),
            n_result: failure(event)
                .and_then(StreamError::n_result)
                .map(|result| result.name()),
            ..Line::default()
        };
        match event {
            ServerEvent::Joined { peer, .. } | ServerEvent::TurnedAway { peer, .. } => Line {
                peer: Some(peer),
                ..line
            },
            ServerEvent::Sent { message, .. } => Line {
                len: Some(message.len()),
                data: Some(units::hex(message)),
                ..line
            },
            ServerEvent::Received { message, clients } => Line {
                clients: Some(*clients),
                len: Some(message.len()),
                data: Some(units::hex(message)),
                ..line
            },
            ServerEvent::Missed { len, .. } => Line {
                len: Some(*len),
                ..line
            },
            other => Line {
                message: Some(text(other)),
                ..line
            },
        }
    }

    /// The closing line; `cut` messages are on their way and will not arrive.
    pub(super) fn close(&self, session: &Session, stats: &ServerStats, cut: u64, dropped: u64) {
        let summary = Summary {
            r#type: "summary",
            clients: stats.joined,
            sent: stats.sent,
            received: stats.received,
            failed: stats.send_failed + stats.receive_failed + cut,
            malformed: stats.malformed,
            missed: stats.missed,
            dropped,
        };
        session.output.summary(&summary, |summary| {
            let Summary {
                sent,
                received,
                failed,
                malformed,
                missed,
                ..
            } = summary;
            format!(
                "{}, {} to the bus, {received} from it, {failed} failed, {malformed} malformed, {missed} \
                 missed, {} dropped",
                units::counted(summary.clients, "client"),
                units::counted(*sent, "message"),
                units::counted(summary.dropped, "frame"),
            )
        });
    }
}

/// The event's name in JSON; never changes.
const fn kind(event: &ServerEvent) -> &'static str {
    match event {
        ServerEvent::Joined { .. } => "joined",
        ServerEvent::TurnedAway { .. } => "turned-away",
        ServerEvent::Left { .. } => "left",
        ServerEvent::Sent { .. } => "sent",
        ServerEvent::SendFailed { .. } => "send-failed",
        ServerEvent::Malformed { .. } => "malformed",
        ServerEvent::Received { .. } => "received",
        ServerEvent::ReceiveFailed(_) => "receive-failed",
        ServerEvent::Missed { .. } => "missed",
        ServerEvent::NotAccepted(_) => "not-accepted",
        ServerEvent::NotOpened(_) => "not-opened",
        ServerEvent::EndpointEnded(_) => "endpoint-ended",
        _ => "other",
    }
}

const fn client(event: &ServerEvent) -> Option<u64> {
    match event {
        ServerEvent::Joined { client, .. }
        | ServerEvent::Left { client, .. }
        | ServerEvent::Sent { client, .. }
        | ServerEvent::SendFailed { client, .. }
        | ServerEvent::Malformed { client, .. }
        | ServerEvent::Missed { client, .. } => Some(client.number()),
        _ => None,
    }
}

const fn failure(event: &ServerEvent) -> Option<&StreamError> {
    match event {
        ServerEvent::SendFailed { error, .. } | ServerEvent::ReceiveFailed(error) => Some(error),
        _ => None,
    }
}

/// In words.
fn text(event: &ServerEvent) -> String {
    match event {
        ServerEvent::Joined { client, peer } => format!("{client} connected from {peer}"),
        ServerEvent::TurnedAway { peer, max } => {
            format!("{peer} was turned away: {max} are connected, and --max-clients permits no more")
        }
        ServerEvent::Left { client, reason } => format!("{client} left: {reason}"),
        ServerEvent::SendFailed { error, .. } | ServerEvent::ReceiveFailed(error) => error.to_string(),
        ServerEvent::Malformed { client, reason } => format!("{client}: no message: {reason}"),
        ServerEvent::Missed { client, len } => {
            format!("{client} does not read, and missed a message of {len} bytes")
        }
        ServerEvent::NotAccepted(error) => format!("a client could not be accepted: {error}"),
        ServerEvent::NotOpened(error) => format!("no endpoint for this client: {error}"),
        ServerEvent::EndpointEnded(Some(error)) => format!("the endpoint ended: {error}"),
        ServerEvent::EndpointEnded(None) => "the endpoint ended".to_owned(),
        _ => String::new(),
    }
}
