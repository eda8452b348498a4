//! What a packet says: its trailers, and what they and the ports make of its payload.

use csp_core::hmac::{Key, TAG_LEN};
use csp_core::rdp::{OPTIONS_LEN, Segment, SegmentFlags};
use csp_core::service::cmp;
use csp_core::sfp::Trailer;
use csp_core::{Flags, Header, Packet, Port, Version, crc};
use serde::Serialize;

/// How a trailer stands to the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Check {
    Ok,
    Wrong,
    /// There is less than a trailer.
    Short,
    /// Nobody gave a key.
    Unchecked,
}

/// An RDP trailer, as JSON tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Rdp {
    syn: bool,
    ack: bool,
    eak: bool,
    rst: bool,
    seq: u16,
    ack_seq: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<RdpOptions>,
}

/// What a SYN asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct RdpOptions {
    window: u32,
    connection_timeout_ms: u32,
    packet_timeout_ms: u32,
    delayed_acks: bool,
    ack_timeout_ms: u32,
    ack_delay_count: u32,
}

/// An SFP trailer, as JSON tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Sfp {
    offset: u32,
    total: u32,
}

/// All of that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reading<'a> {
    pub(super) crc: Option<Check>,
    pub(super) hmac: Option<Check>,
    pub(super) is_encrypted: bool,
    pub(super) rdp: Option<Rdp>,
    pub(super) sfp: Option<Sfp>,
    /// The service that is asked or answers, and other known kinds.
    pub(super) kind: Option<String>,
    /// What is inside of all trailers.
    pub(super) payload: &'a [u8],
}

impl<'a> Reading<'a> {
    /// Reads from the outermost trailer to the innermost (SEC-1).
    pub(super) fn of(version: Version, packet: &'a Packet, key: Option<&Key>) -> Self {
        let header = &packet.header;
        let mut reading = Self {
            payload: &packet.payload,
            ..Self::default()
        };
        if version == Version::V1 && header.flags.contains(Flags::XTEA) {
            reading.is_encrypted = true;
            return reading;
        }
        if header.flags.contains(Flags::CRC32) {
            reading.take_crc(version, header);
        }
        if header.flags.contains(Flags::HMAC) {
            reading.take_hmac(key);
        }
        if header.flags.contains(Flags::RDP) {
            reading.take_rdp();
        }
        if header.flags.contains(Flags::FRAG)
            && let Ok((trailer, piece)) = Trailer::decode(reading.payload)
        {
            reading.sfp = Some(Sfp {
                offset: trailer.offset,
                total: trailer.total,
            });
            reading.payload = piece;
        }
        reading.kind = kind(header, reading.payload);
        reading
    }

    fn take_crc(&mut self, version: Version, header: &Header) {
        let bytes = header.encode(version);
        let covered = bytes.as_deref().unwrap_or_default();
        self.crc = Some(match crc::verify(covered, self.payload) {
            Ok(payload) => {
                self.payload = payload;
                Check::Ok
            }
            Err(_) => self.cut(crc::CRC_LEN, Check::Wrong),
        });
    }

    fn take_hmac(&mut self, key: Option<&Key>) {
        self.hmac = Some(match key.map(|key| key.verify(self.payload)) {
            Some(Ok(payload)) => {
                self.payload = payload;
                Check::Ok
            }
            Some(Err(_)) => self.cut(TAG_LEN, Check::Wrong),
            None => self.cut(TAG_LEN, Check::Unchecked),
        });
    }

    /// Takes a trailer off that does not hold.
    fn cut(&mut self, len: usize, check: Check) -> Check {
        let inner = self.payload.len().checked_sub(len);
        match inner.and_then(|inner| self.payload.get(..inner)) {
            Some(inner) => {
                self.payload = inner;
                check
            }
            None => Check::Short,
        }
    }

    fn take_rdp(&mut self) {
        let Ok((segment, body)) = Segment::decode(self.payload) else {
            return;
        };
        let has = |flag| segment.flags.contains(flag);
        let options = options(body).filter(|_| has(SegmentFlags::SYN));
        self.rdp = Some(Rdp {
            syn: has(SegmentFlags::SYN),
            ack: has(SegmentFlags::ACK),
            eak: has(SegmentFlags::EAK),
            rst: has(SegmentFlags::RST),
            seq: segment.sequence.to_bits(),
            ack_seq: segment.acknowledgement.to_bits(),
            options,
        });
        self.payload = body;
    }

    /// What the packet is, in words.
    pub(super) fn meaning(&self) -> String {
        let mut words = Vec::new();
        let check = |what: &str, check: Check| match check {
            Check::Ok | Check::Unchecked => None,
            Check::Wrong => Some(format!("{what} WRONG")),
            Check::Short => Some(format!("{what} CUT SHORT")),
        };
        words.extend(self.crc.and_then(|crc| check("CRC32", crc)));
        words.extend(self.hmac.and_then(|hmac| check("HMAC", hmac)));
        if self.is_encrypted {
            words.push("encrypted".to_owned());
        }
        words.extend(self.rdp.as_ref().map(|rdp| rdp.text(!self.payload.is_empty())));
        words.extend(
            self.sfp
                .map(|Sfp { offset, total }| format!("SFP {offset} of {total}")),
        );
        words.extend(self.kind.clone());
        words.join(", ")
    }
}

impl Rdp {
    fn text(&self, has_body: bool) -> String {
        let Self {
            seq,
            ack_seq,
            options,
            ..
        } = self;
        let names = [
            (self.syn, "SYN"),
            (self.rst, "RST"),
            (self.eak, "EAK"),
            (self.ack, "ACK"),
        ];
        let names: Vec<_> = names
            .iter()
            .filter(|(is_set, _)| *is_set)
            .map(|(_, name)| *name)
            .collect();
        let mut text = format!("RDP {} seq {seq}", names.join("|"));
        if self.ack {
            text.push_str(&format!(" ack {ack_seq}"));
        }
        match options {
            Some(options) => text.push_str(&format!(
                " window {} timeout {} ms",
                options.window, options.connection_timeout_ms
            )),
            None if has_body && !self.eak && !self.syn => text.push_str(" data"),
            None => {}
        }
        text
    }
}

/// The six numbers of a SYN.
fn options(body: &[u8]) -> Option<RdpOptions> {
    let (words, _) = body.last_chunk::<OPTIONS_LEN>()?.as_chunks::<4>();
    let mut words = words.iter().map(|word| u32::from_be_bytes(*word));
    Some(RdpOptions {
        window: words.next()?,
        connection_timeout_ms: words.next()?,
        packet_timeout_ms: words.next()?,
        delayed_acks: words.next()? != 0,
        ack_timeout_ms: words.next()?,
        ack_delay_count: words.next()?,
    })
}

/// The service on the lower port, and which side of it this is.
fn kind(header: &Header, payload: &[u8]) -> Option<String> {
    let (port, side) = if header.destination_port <= Port::UPTIME {
        (header.destination_port, "request")
    } else {
        (header.source_port, "reply")
    };
    let name = match port {
        Port::CMP => return management(payload),
        Port::PING => "ping",
        Port::PS => "ps",
        Port::MEMFREE => "memfree",
        Port::REBOOT => "reboot",
        Port::BUF_FREE => "buffree",
        Port::UPTIME => "uptime",
        _ => return None,
    };
    Some(format!("{name} {side}"))
}

fn management(payload: &[u8]) -> Option<String> {
    let [kind, code] = *payload.first_chunk()?;
    let side = match kind {
        0 => "request",
        0xFF => "reply",
        _ => return Some(format!("CMP type {kind}")),
    };
    let name = match cmp::Code::from_bits(code) {
        Some(cmp::Code::Identity) => "ident",
        Some(cmp::Code::SetRoute1) => "route-set 1",
        Some(cmp::Code::InterfaceStats) => "ifstat",
        Some(cmp::Code::Peek) => "peek",
        Some(cmp::Code::Poke) => "poke",
        Some(cmp::Code::Clock) => "clock",
        Some(cmp::Code::SetRoute2) => "route-set 2",
        Some(cmp::Code::Peek64) => "peek 64",
        Some(cmp::Code::Poke64) => "poke 64",
        _ => return Some(format!("CMP code {code} {side}")),
    };
    Some(format!("{name} {side}"))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use csp_core::seal::Protection;
    use csp_core::{Address, Port};

    use super::*;

    fn header(flags: Flags, from: u8, to: u8) -> Header {
        let end = |address, port| (Address::new(address).unwrap(), Port::new(port).unwrap());
        let mut header = Header::new(end(10, from), end(2, to));
        header.flags = flags;
        header
    }

    fn sealed(header: Header, payload: &'static [u8], key: &Key) -> Packet {
        let sealing = Protection::new(Version::V2, key);
        let payload = sealing
            .seal(header.flags, Bytes::from_static(payload), 0)
            .unwrap();
        Packet::new(header, payload)
    }

    #[test]
    fn every_trailer_is_taken_off_and_told() {
        let key = Key::from_pass_phrase(b"secret");
        // The SYN of chapter 9.3, one of SFP, and a code around them.
        let flags = Flags::CRC32 | Flags::HMAC | Flags::RDP;
        let body = b"\0\0\0\x04\0\0\x27\x10\0\0\x03\xe8\0\0\0\x01\0\0\0\xfa\0\0\0\x02\x08\xdf\xe1\0\0";
        let packet = sealed(header(flags, 18, 10), body, &key);
        let reading = Reading::of(Version::V2, &packet, Some(&key));
        assert_eq!((reading.crc, reading.hmac), (Some(Check::Ok), Some(Check::Ok)));
        assert_eq!(reading.meaning(), "RDP SYN seq 57313 window 4 timeout 10000 ms");
        let other = Key::from_pass_phrase(b"other");
        let reading = Reading::of(Version::V2, &packet, Some(&other));
        assert!(reading.meaning().starts_with("HMAC WRONG, RDP SYN"));
        let reading = Reading::of(Version::V2, &packet, None);
        assert_eq!(reading.hmac, Some(Check::Unchecked));
    }

    #[test]
    fn fragments_tell_where_they_belong() {
        let flags = Flags::FRAG | Flags::RDP;
        let body = b"data\0\0\0\x08\0\0\0\x0c\x04\xdf\xe2\xdf\xe1";
        let packet = Packet::new(header(flags, 18, 10), Bytes::from_static(body));
        let reading = Reading::of(Version::V2, &packet, None);
        assert_eq!(reading.payload, b"data");
        assert_eq!(reading.meaning(), "RDP ACK seq 57314 ack 57313 data, SFP 8 of 12");
    }

    #[test]
    fn a_checksum_that_does_not_hold_is_told() {
        let packet = Packet::new(header(Flags::CRC32, 18, 1), Bytes::from_static(b"abcdefgh"));
        let reading = Reading::of(Version::V2, &packet, None);
        assert_eq!(reading.payload, b"abcd");
        assert_eq!(reading.meaning(), "CRC32 WRONG, ping request");
        let packet = Packet::new(header(Flags::CRC32, 18, 1), Bytes::from_static(b"abc"));
        let reading = Reading::of(Version::V2, &packet, None);
        assert_eq!(reading.meaning(), "CRC32 CUT SHORT, ping request");
    }

    #[test]
    fn services_have_names_and_sides() {
        for (from, to, payload, expected) in [
            (18, 0, &b"\x00\x01"[..], "ident request"),
            (0, 18, b"\xFF\x06\0\0", "clock reply"),
            (18, 0, b"\x00\x63", "CMP code 99 request"),
            (18, 0, b"\x07\x01", "CMP type 7"),
            (6, 18, b"\0\0\0\x01", "uptime reply"),
            (18, 10, b"\0", ""),
        ] {
            let packet = Packet::new(header(Flags::NONE, from, to), Bytes::from_static(payload));
            assert_eq!(Reading::of(Version::V2, &packet, None).meaning(), expected);
        }
    }

    #[test]
    fn what_is_encrypted_is_left_alone() {
        let packet = Packet::new(
            header(Flags::XTEA | Flags::CRC32, 18, 1),
            Bytes::from_static(b"12345678"),
        );
        let reading = Reading::of(Version::V1, &packet, None);
        assert_eq!(
            (reading.meaning(), reading.payload.len()),
            ("encrypted".into(), 8)
        );
        let reading = Reading::of(Version::V2, &packet, None);
        assert_eq!(
            reading.meaning(),
            "CRC32 WRONG, ping request",
            "a reserved bit in version 2"
        );
    }
}
