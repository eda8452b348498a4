//! A packet, or a frame that made none, as a line.

use can_link::candump::LogTime;
use can_link::link::{Origin, Received as Frame};
use csp_can::Reassembled;
use csp_core::{Flags, Header, Priority, Version};
use serde::Serialize;

use super::reading::{Check, Rdp, Reading, Sfp};
use crate::cmd::stamps::Stamps;
use crate::output::timestamp;
use crate::units;

/// A line of JSON.
#[derive(Serialize)]
pub(super) struct Packet<'a> {
    r#type: &'static str,
    ts: String,
    link: &'a str,
    dir: &'static str,
    version: u8,
    src: u16,
    src_port: u8,
    dst: u16,
    dst_port: u8,
    priority: &'static str,
    flags: Vec<String>,
    broadcast: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    crc: Option<Check>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hmac: Option<Check>,
    encrypted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    rdp: Option<Rdp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sfp: Option<Sfp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    /// Of the payload without trailers.
    len: usize,
    data: String,
}

/// A frame or packet that could not be used.
#[derive(Serialize)]
pub(super) struct Discarded<'a> {
    pub(super) r#type: &'static str,
    pub(super) ts: String,
    pub(super) link: &'a str,
    /// The low bits of its sender's address.
    pub(super) sender: u8,
    pub(super) reason: String,
}

impl<'a> Packet<'a> {
    pub(super) fn of(
        version: Version,
        link: &'a str,
        frame: &Frame,
        reassembled: &Reassembled,
        reading: &Reading<'_>,
    ) -> Self {
        let header = reassembled.packet.header;
        Self {
            r#type: "packet",
            ts: timestamp(frame.time.host),
            link,
            dir: match frame.origin {
                Origin::Own => "tx",
                _ => "rx",
            },
            version: match version {
                Version::V1 => 1,
                Version::V2 => 2,
            },
            src: header.source.to_bits(),
            src_port: header.source_port.to_bits(),
            dst: header.destination.to_bits(),
            dst_port: header.destination_port.to_bits(),
            priority: priority(header.priority),
            flags: flags(header.flags),
            broadcast: reassembled.broadcast,
            crc: reading.crc,
            hmac: reading.hmac,
            encrypted: reading.is_encrypted,
            rdp: reading.rdp.clone(),
            sfp: reading.sfp,
            kind: reading.kind.clone(),
            len: reading.payload.len(),
            data: units::hex(reading.payload),
        }
    }

    pub(super) fn text(
        &self,
        stamps: &mut Stamps,
        frame: &Frame,
        header: &Header,
        reading: &Reading<'_>,
    ) -> String {
        let flags = match self.flags.as_slice() {
            [] => "-".to_owned(),
            flags => flags.join("|"),
        };
        let stamp = stamps.text(LogTime::from(frame.time.host));
        let direction = if self.dir == "tx" { 'T' } else { 'R' };
        let mut text = format!(
            "({stamp}) {} {direction} {}:{} > {}:{} {} {flags} [{}]",
            self.link,
            header.source,
            header.source_port,
            header.destination,
            header.destination_port,
            self.priority,
            self.len
        );
        let meaning = reading.meaning();
        if !meaning.is_empty() {
            text.push_str(&format!(" {meaning}"));
        }
        if !reading.payload.is_empty() {
            text.push_str(": ");
            text.push_str(&units::spaced_hex(reading.payload));
        }
        text
    }
}

const fn priority(priority: Priority) -> &'static str {
    match priority {
        Priority::Critical => "critical",
        Priority::High => "high",
        Priority::Norm => "norm",
        Priority::Low => "low",
    }
}

/// The flags by name, and the others as bits.
fn flags(flags: Flags) -> Vec<String> {
    let known = [
        (Flags::FRAG, "FRAG"),
        (Flags::HMAC, "HMAC"),
        (Flags::XTEA, "XTEA"),
        (Flags::RDP, "RDP"),
        (Flags::CRC32, "CRC32"),
    ];
    let mut rest = flags;
    let mut names = Vec::new();
    for (flag, name) in known {
        if flags.contains(flag) {
            names.push(name.to_owned());
            rest = rest.without(flag);
        }
    }
    if rest != Flags::NONE {
        names.push(format!("{:#04x}", rest.to_bits()));
    }
    names
}
