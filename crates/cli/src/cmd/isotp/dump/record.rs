//! Frames and messages as JSON carries them.

use std::time::SystemTime;

use can_link::{CanFrame, Id};
use isotp::{FlowStatus, Pci};
use serde::Serialize;

use super::pair::Talk;
use super::uds::{self, Description};
use super::whole::{Failed, Message};
use crate::output::timestamp;
use crate::units;

/// One line of `isotp dump --json`.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(super) enum Line<'a> {
    /// A frame.
    Pdu {
        #[serde(flatten)]
        origin: Origin<'a>,
        fd: bool,
        /// Bytes of the frame.
        can_dl: usize,
        #[serde(flatten)]
        pci: PciFields,
        #[serde(skip_serializing_if = "Option::is_none")]
        uds: Option<Uds>,
    },
    /// A whole message.
    Message {
        #[serde(flatten)]
        origin: Origin<'a>,
        len: usize,
        data: String,
        frames: u64,
        duration_us: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        uds: Option<Uds>,
    },
    /// A message that did not become whole.
    Failed {
        #[serde(flatten)]
        origin: Origin<'a>,
        n_result: &'static str,
        message: String,
        received: u32,
        len: u32,
    },
}

/// When and where it was seen, and who sent it.
#[derive(Serialize)]
pub(super) struct Origin<'a> {
    ts: String,
    link: &'a str,
    id: String,
    ext: bool,
    from: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
}

impl<'a> Origin<'a> {
    pub(super) fn new(time: SystemTime, link: &'a str, talk: Talk<'_>) -> Self {
        Self {
            ts: timestamp(time),
            link,
            id: units::id_text(talk.frame.id()),
            ext: matches!(talk.frame.id(), Id::Extended(_)),
            from: talk.from.word(),
            address: talk.address_byte().map(|byte| format!("{byte:02X}")),
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "pci", rename_all = "lowercase")]
pub(super) enum PciFields {
    Sf {
        len: u8,
        data: String,
    },
    Ff {
        len: u32,
        data: String,
    },
    Cf {
        sn: u8,
        data: String,
    },
    Fc {
        fs: u8,
        status: &'static str,
        bs: u8,
        st_min: String,
        /// What a sender makes of it.
        st_min_us: u64,
    },
    /// What no receiver takes.
    Bad {
        reason: String,
        data: String,
    },
}

impl PciFields {
    fn of(talk: Talk<'_>) -> Self {
        let (pci, data) = match talk.pci() {
            Ok((pci, data)) => (pci, units::hex(data)),
            Err(reason) => {
                return Self::Bad {
                    reason: reason.to_string(),
                    data: units::hex(talk.frame.payload()),
                };
            }
        };
        match pci {
            Pci::SingleFrame { len } => Self::Sf { len, data },
            Pci::FirstFrame { len } => Self::Ff { len, data },
            Pci::ConsecutiveFrame { sequence } => Self::Cf {
                sn: sequence.value(),
                data,
            },
            Pci::FlowControl(control) => Self::Fc {
                fs: control.status.to_bits(),
                status: match control.status {
                    FlowStatus::ContinueToSend => "cts",
                    FlowStatus::Wait => "wait",
                    FlowStatus::Overflow => "overflow",
                    FlowStatus::Reserved(_) => "reserved",
                },
                bs: control.block_size.to_bits(),
                st_min: format!("{:02X}", control.st_min_bits),
                st_min_us: u64::try_from(control.st_min().gap().as_micros()).unwrap_or(u64::MAX),
            },
        }
    }
}

/// What the first bytes of a message are to ISO 14229-1.
#[derive(Serialize)]
pub(super) struct Uds {
    kind: &'static str,
    name: &'static str,
}

impl Uds {
    pub(super) fn of(data: &[u8]) -> Self {
        let Description { kind, name } = uds::of(data);
        Self {
            kind: kind.word(),
            name,
        }
    }
}

/// Whether the service is named, too (`-u`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    Silent,
    Uds,
}

/// The line of a frame.
pub(super) fn pdu<'a>(time: SystemTime, link: &'a str, talk: Talk<'_>, naming: Naming) -> Line<'a> {
    let begins = |data| (naming == Naming::Uds).then(|| Uds::of(data));
    let uds = match talk.pci() {
        Ok((Pci::SingleFrame { .. } | Pci::FirstFrame { .. }, data)) => begins(data),
        _ => None,
    };
    Line::Pdu {
        origin: Origin::new(time, link, talk),
        fd: matches!(talk.frame, CanFrame::Fd(_)),
        can_dl: talk.frame.payload().len(),
        pci: PciFields::of(talk),
        uds,
    }
}

/// The line of a message whose last frame is `talk`.
pub(super) fn message<'a>(
    time: SystemTime,
    link: &'a str,
    talk: Talk<'_>,
    message: &Message,
    naming: Naming,
) -> Line<'a> {
    Line::Message {
        origin: Origin::new(time, link, talk),
        len: message.data.len(),
        data: units::hex(&message.data),
        frames: message.frames,
        duration_us: u64::try_from(message.duration.as_micros()).unwrap_or(u64::MAX),
        uds: (naming == Naming::Uds).then(|| Uds::of(&message.data)),
    }
}

/// The line of a message that `talk` showed to have failed.
pub(super) fn failed<'a>(time: SystemTime, link: &'a str, talk: Talk<'_>, failed: &Failed) -> Line<'a> {
    Line::Failed {
        origin: Origin::new(time, link, talk),
        n_result: failed.n_result.name(),
        message: failed.to_string(),
        received: failed.received,
        len: failed.len,
    }
}
