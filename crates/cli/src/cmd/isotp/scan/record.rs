//! A pair, as text and as JSON.

use can_link::Id;
use isotp::survey::{Confidence, Finding, Mode, Party};
use serde::Serialize;
use tinwire_sim::ecu::negative_response;

use super::sweep::{Call, Found, Reply};
use crate::units;

/// A pair that was found.
#[derive(Serialize)]
pub(super) struct Line<'a> {
    r#type: &'static str,
    link: &'a str,
    source: Side,
    destination: Side,
    #[serde(skip_serializing_if = "Option::is_none")]
    addressing: Option<&'static str>,
    functional: bool,
    confidence: &'static str,
    evidence: Evidence,
}

#[derive(Serialize)]
struct Side {
    id: String,
    ext: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
}

impl Side {
    fn new(id: Id, byte: Option<u8>) -> Self {
        Self {
            id: units::id_text(id),
            ext: matches!(id, Id::Extended(_)),
            address: byte.map(|byte| format!("{byte:02X}")),
        }
    }

    fn text(&self) -> String {
        match &self.address {
            Some(byte) => format!("{}{{{byte}}}", self.id),
            None => self.id.clone(),
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Evidence {
    Heard {
        messages: u64,
        bytes: u64,
        handshakes: u64,
        answers: u64,
        services: u32,
        fitting: u64,
        contradictions: u64,
    },
    Asked {
        reply: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<String>,
        #[serde(skip)]
        meaning: String,
        after_us: u64,
        unasked: u64,
    },
}

impl<'a> Line<'a> {
    pub(super) fn heard(link: &'a str, finding: &Finding) -> Self {
        let side = |party: Party| Side::new(party.id, party.address_byte);
        let evidence = finding.evidence;
        Self {
            r#type: "pair",
            link,
            source: side(finding.source),
            destination: side(finding.destination),
            addressing: addressing(finding.mode),
            functional: finding.is_functional,
            confidence: match finding.confidence {
                Confidence::Certain => "certain",
                Confidence::Likely => "likely",
                Confidence::Possible => "possible",
            },
            evidence: Evidence::Heard {
                messages: evidence.messages,
                bytes: evidence.bytes,
                handshakes: evidence.handshakes,
                answers: evidence.answers,
                services: evidence.services,
                fitting: evidence.fitting,
                contradictions: evidence.contradictions,
            },
        }
    }

    /// Whoever says so unasked may not have meant us.
    pub(super) fn asked(link: &'a str, found: &Found, is_functional: bool) -> Self {
        let side = |call: Call| Side::new(call.id, call.byte);
        let (reply, code) = match found.reply {
            Reply::Positive => ("positive", None),
            Reply::Negative(code) => ("negative", Some(code)),
            Reply::FlowControl => ("flow-control", None),
        };
        Self {
            r#type: "pair",
            link,
            source: side(found.asked),
            destination: side(found.answered),
            addressing: None,
            functional: is_functional,
            confidence: if found.unasked == 0 { "certain" } else { "likely" },
            evidence: Evidence::Asked {
                reply,
                code: code.map(|code| format!("{code:02X}")),
                meaning: code.map_or_else(String::new, |code| format!(": {}", negative_response(code))),
                after_us: u64::try_from(found.after.as_micros()).unwrap_or(u64::MAX),
                unasked: found.unasked,
            },
        }
    }

    /// One line: the pair, how it is addressed, how sure we are, and why.
    pub(super) fn text(&self) -> String {
        let pair = format!("{} -> {}", self.source.text(), self.destination.text());
        let addressing = self
            .addressing
            .map_or_else(String::new, |addressing| format!("  {addressing:<12}"));
        let functional = if self.functional { "; to all" } else { "" };
        let (confidence, evidence) = (self.confidence, self.evidence.text());
        format!("{pair:<20}{addressing}  {confidence:<8}  {evidence}{functional}")
    }
}

impl Evidence {
    fn text(&self) -> String {
        match self {
            Self::Heard {
                messages,
                bytes,
                handshakes,
                answers,
                services,
                fitting,
                contradictions,
            } => {
                let mut why = Vec::new();
                if *messages > 0 {
                    let messages = units::counted(*messages, "long message");
                    why.push(format!("{messages} ({})", units::counted(*bytes, "byte")));
                } else if *handshakes > 0 {
                    why.push(units::counted(*handshakes, "handshake"));
                }
                if *answers > 0 {
                    let (answers, services) = (
                        units::counted(*answers, "answer"),
                        units::counted(u64::from(*services), "service"),
                    );
                    why.push(format!("{answers} to {services}"));
                }
                let frames = fitting + contradictions;
                why.push(format!(
                    "{contradictions} of {} against it",
                    units::counted(frames, "frame")
                ));
                why.join(", ")
            }
            Self::Asked {
                reply,
                meaning,
                after_us,
                unasked,
                ..
            } => {
                let after = units::shown(core::time::Duration::from_micros(*after_us));
                let unasked = match unasked {
                    0 => String::new(),
                    count => format!(", also {} unasked", units::counted(*count, "time")),
                };
                format!("{reply}{meaning} after {after}{unasked}")
            }
        }
    }
}

const fn addressing(mode: Mode) -> Option<&'static str> {
    Some(match mode {
        Mode::Normal11 => "normal11",
        Mode::Normal29 => "normal29",
        Mode::NormalFixed => "normal-fixed",
        Mode::Extended => "extended",
        Mode::Mixed11 => "mixed11",
        Mode::Mixed29 => "mixed29",
        _ => return None,
    })
}
