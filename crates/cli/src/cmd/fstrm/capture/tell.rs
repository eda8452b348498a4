//! What is told while a capture runs.

use fstrm_codec::collector::{Event, SessionError};
use fstrm_codec::endpoint::Endpoint;
use fstrm_codec::handshake::{Got, HandshakeError};
use fstrm_codec::{ControlType, store};
use serde::Serialize;

use super::former::Former;
use crate::cmd::Session;
use crate::cmd::streams::{Crowd, chain};
use crate::units::counted;

/// Tells, and holds its tongue where a crowd of bad peers would fill the log.
#[derive(Debug)]
pub(super) struct Teller {
    debug: u8,
    /// As `fstrm_capture`, which says nothing unless `-d` asks for it.
    is_terse: bool,
    crowd: Crowd,
}

/// A line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frames: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    message: &'a str,
}

impl<'a> Line<'a> {
    const fn new(r#type: &'static str, message: &'a str) -> Self {
        Self {
            r#type,
            endpoint: None,
            session: None,
            peer: None,
            file: None,
            frames: None,
            bytes: None,
            message,
        }
    }
}

/// What helps a peer that begins as the other kind of sender does: unbound, say, without its handshake.
fn hint(error: &SessionError) -> &'static str {
    let SessionError::Handshake(HandshakeError::Unexpected {
        expected: "READY",
        got: Got::Control(ControlType::Start),
    }) = error
    else {
        return "";
    };
    "; --handshake either takes both"
}

impl Teller {
    pub(super) fn new(debug: u8, is_terse: bool) -> Self {
        Self {
            debug,
            is_terse,
            crowd: Crowd::new(),
        }
    }

    pub(super) fn listening(&self, session: &Session, place: &Endpoint) {
        let message = format!("listening on {place}");
        let line = Line {
            endpoint: Some(place.to_string()),
            ..Line::new("listening", &message)
        };
        self.say(session, 3, &line);
    }

    /// What came of reading certificates again.
    pub(super) fn certificates(&self, session: &Session, told: &str) {
        self.say(session, 1, &Line::new("certificates", told));
    }

    /// What an earlier capture has left.
    pub(super) fn former(&self, session: &Session, former: &Former) {
        let words = former.text();
        let line = Line {
            file: Some(former.path.display().to_string()),
            ..Line::new(former.fault.word(), &words)
        };
        self.say(session, 2, &line);
    }

    /// What a session or a listener has come to.
    pub(super) fn event(&mut self, session: &Session, event: &Event) {
        let (number, who, level, kind, message) = match event {
            Event::Connected { session, peer } => (Some(session), Some(peer), 4, "connected", String::new()),
            Event::Started {
                session,
                content_type,
            } => {
                let named = content_type
                    .as_ref()
                    .map_or_else(String::new, |name| format!("{name}"));
                (Some(session), None, 5, "started", named)
            }
            Event::Oversize { session, len } => {
                let message = format!("passed over a frame of {}", counted((*len).into(), "byte"));
                (Some(session), None, 2, "oversize", message)
            }
            Event::Ended {
                session,
                peer,
                outcome: Ok(end),
                stats,
            } => {
                let message = format!("{end:?} after {}", counted(stats.frames, "frame"));
                (Some(session), Some(peer), 4, "ended", message)
            }
            Event::Ended {
                session,
                peer,
                outcome: Err(error),
                ..
            } => {
                let level = if matches!(error, SessionError::Closed) {
                    4
                } else {
                    2
                };
                let hint = if self.is_terse { "" } else { hint(error) };
                let message = format!("{}{hint}", chain(error));
                (Some(session), Some(peer), level, "failed", message)
            }
            Event::Refused { peer } => (None, Some(peer), 2, "refused", "over the limit".to_owned()),
            Event::AcceptFailed { error } => (None, None, 1, "accept-failed", error.to_string()),
            _ => return,
        };
        if level <= 2 && !self.may_remark(session) {
            return;
        }
        let words = match who {
            Some(peer) if message.is_empty() => format!("{kind}: {peer}"),
            Some(peer) => format!("{kind}: {peer}: {message}"),
            None => format!("{kind}: {message}"),
        };
        let line = Line {
            session: number.map(|session| session.number()),
            peer: who.map(ToString::to_string),
            ..Line::new(kind, &words)
        };
        self.say(session, level, &line);
    }

    /// What has become of a file.
    pub(super) fn file(&self, session: &Session, event: &store::Event) {
        use store::Event;
        let shown = |path: &std::path::Path| path.display().to_string();
        let (path, level, kind, message) = match event {
            Event::Opened { path, resumed: None } => (Some(path), 3, "opened", String::new()),
            Event::Opened {
                path,
                resumed: Some(_),
            } => (Some(path), 3, "resumed", "going on in it".to_owned()),
            Event::Closed {
                path, frames, len, ..
            } => {
                let message = format!("{}, {}", counted(*frames, "frame"), counted(*len, "byte"));
                (Some(path), 3, "closed", message)
            }
            Event::Discarded { path } => (Some(path), 4, "discarded", "no frame came".to_owned()),
            Event::Abandoned { path, frames } => (
                Some(path),
                1,
                "abandoned",
                format!("left without STOP after {}", counted(*frames, "frame")),
            ),
            Event::Failed { path, error } => (
                path.as_ref(),
                1,
                "file-failed",
                format!("{}; trying again, senders wait", chain(error)),
            ),
            Event::Recovered { after } => {
                (None, 1, "recovered", format!("writing goes on after {after:.1?}"))
            }
            Event::SyncFailed { path, error } => (Some(path), 1, "sync-failed", error.to_string()),
            Event::NotRenamed { path, error } => (Some(path), 1, "not-renamed", error.to_string()),
            _ => return,
        };
        let words = match path {
            Some(path) if message.is_empty() => format!("{kind} {}", shown(path)),
            Some(path) => format!("{kind} {}: {message}", shown(path)),
            None => format!("{kind}: {message}"),
        };
        let line = Line {
            file: path.map(|path| shown(path)),
            frames: match event {
                Event::Closed { frames, .. } => Some(*frames),
                _ => None,
            },
            bytes: match event {
                Event::Closed { len, .. } => Some(*len),
                _ => None,
            },
            ..Line::new(kind, &words)
        };
        self.say(session, level, &line);
    }

    /// Says it where its level is asked for: 0 critical, 1 error, 2 warning, 3 info, 4 debug, 5 trace.
    fn say(&self, session: &Session, level: u8, line: &Line<'_>) {
        // fstrm_capture begins with silence, we with what one wants to know of a service.
        let asked = if self.is_terse {
            self.debug
        } else {
            self.debug.saturating_add(3)
        };
        if level > asked {
            return;
        }
        if self.is_terse {
            session
                .output
                .notice(format_args!("fstrm_capture: {}", line.message));
        } else {
            session.output.remark(line, |line| line.message.to_owned());
        }
    }

    /// Whether a crowd of bad peers leaves room for one more line.
    fn may_remark(&mut self, session: &Session) -> bool {
        let (told, may) = self.crowd.remark();
        if let Some(told) = told {
            self.say(session, 2, &Line::new("withheld", &told));
        }
        may
    }
}
