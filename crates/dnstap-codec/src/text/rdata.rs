//! What a record says: in presentation format, and as JSON where its parts have names that people use.
//!
//! The types that make up nearly all traffic are written here; the others are left to the crate `domain`.
//! What neither can read is shown as RFC 3597 asks: `\# 3 616263`.

use alloc::vec::Vec;

use domain::base::rdata::ParseAnyRecordData;
use domain::base::zonefile_fmt::{DisplayKind, ZonefileFmt};
use domain::base::{ParsedName, Rtype};
use domain::dep::octseq::Parser;
use domain::rdata::AllRecordData;

use super::clock::Clock;
use super::ink;
use super::names::{self, Escapes};
use super::svcb::Params;
use crate::dns::{Name, Record};

/// A record's data, in the parts that are shown.
enum Parts<'a> {
    /// A, AAAA
    Address(&'a [u8]),
    /// NS, CNAME, PTR, DNAME and their like
    Name(Name<'a>),
    /// MX and its like
    Preferred(u16, Name<'a>),
    /// SOA
    Authority {
        server: Name<'a>,
        mailbox: Name<'a>,
        numbers: [u32; 5],
    },
    /// SRV
    Service { numbers: [u16; 3], target: Name<'a> },
    /// TXT and its like
    Strings(&'a [u8]),
    /// RP
    Two(Name<'a>, Name<'a>),
    /// SVCB, HTTPS
    Binding {
        priority: u16,
        target: Name<'a>,
        params: Params<'a>,
    },
    /// URI
    Uri { numbers: [u16; 2], target: &'a [u8] },
}

const SOA_NUMBERS: [&str; 5] = ["serial", "refresh", "retry", "expire", "minimum"];
const SRV_NUMBERS: [&str; 3] = ["priority", "weight", "port"];

fn parts<'a>(record: &Record<'a>, message: &'a [u8]) -> Option<Parts<'a>> {
    let end = record.offset + record.rdata.len();
    let name = |offset| Name::decode(message, offset).ok();
    let last = |offset| name(offset).and_then(|(name, behind)| (behind == end).then_some(name));
    Some(match record.rtype.0 {
        1 if record.rdata.len() == 4 => Parts::Address(record.rdata),
        28 if record.rdata.len() == 16 => Parts::Address(record.rdata),
        2..=5 | 7..=9 | 12 | 39 => Parts::Name(last(record.offset)?),
        15 | 18 | 21 | 36 => {
            let preference = record.rdata.first_chunk::<2>()?;
            Parts::Preferred(u16::from_be_bytes(*preference), last(record.offset + 2)?)
        }
        6 => {
            let (server, behind) = name(record.offset)?;
            let (mailbox, behind) = name(behind)?;
            let mut numbers = [0; 5];
            let (chunks, rest) = message.get(behind..end)?.as_chunks::<4>();
            if chunks.len() != numbers.len() || !rest.is_empty() {
                return None;
            }
            for (number, bytes) in numbers.iter_mut().zip(chunks) {
                *number = u32::from_be_bytes(*bytes);
            }
            Parts::Authority {
                server,
                mailbox,
                numbers,
            }
        }
        17 => {
            let (mailbox, behind) = name(record.offset)?;
            Parts::Two(mailbox, last(behind)?)
        }
        33 => {
            let [a, b, c, d, e, f] = *record.rdata.first_chunk::<6>()?;
            let numbers = [[a, b], [c, d], [e, f]].map(u16::from_be_bytes);
            let target = last(record.offset + 6)?;
            Parts::Service { numbers, target }
        }
        64 | 65 => {
            let priority = u16::from_be_bytes(*record.rdata.first_chunk::<2>()?);
            let (target, behind) = name(record.offset + 2)?;
            let params = Params::decode(message.get(behind..end)?)?;
            Parts::Binding {
                priority,
                target,
                params,
            }
        }
        256 => {
            let ([a, b, c, d], target) = record.rdata.split_first_chunk::<4>()?;
            let numbers = [[*a, *b], [*c, *d]].map(u16::from_be_bytes);
            Parts::Uri { numbers, target }
        }
        16 | 99 | 258 if strings(record.rdata).all(|string| string.is_some()) => Parts::Strings(record.rdata),
        _ => return None,
    })
}

/// Strings with their length in front; `None` for one that is cut, and then no more.
fn strings(mut rest: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    core::iter::from_fn(move || {
        let (len, behind) = rest.split_first()?;
        let string = behind.split_at_checked(usize::from(*len));
        rest = string.map_or(&[], |(_, behind)| behind);
        Some(string.map(|(string, _)| string))
    })
}

/// In presentation format, as golang-dnstap has it.
pub(super) fn text(record: &Record<'_>, message: &[u8], to: &mut Vec<u8>) {
    match parts(record, message) {
        Some(parts) => parts.text(to),
        // Updates name what is to be deleted by records without data (RFC 2136, 2.5).
        None if record.rdata.is_empty() => {}
        None => {
            let before = to.len();
            if by_domain(record, message, to).is_some() {
                mend(record.rtype.0, before, to);
            } else {
                to.truncate(before);
                to.extend_from_slice(b"\\# ");
                ink::digits(u64::try_from(record.rdata.len()).unwrap_or(u64::MAX), 1, to);
                to.push(b' ');
                ink::hex(record.rdata, to);
            }
        }
    }
}

fn by_domain(record: &Record<'_>, message: &[u8], to: &mut Vec<u8>) -> Option<()> {
    let end = record.offset + record.rdata.len();
    let mut parser = Parser::from_ref(message.get(..end)?);
    parser.advance(record.offset).ok()?;
    let rtype = Rtype::from_int(record.rtype.0);
    let data = AllRecordData::<_, ParsedName<_>>::parse_any_rdata(rtype, &mut parser).ok()?;
    if parser.remaining() > 0 || matches!(data, AllRecordData::Unknown(_) | AllRecordData::Opt(_)) {
        return None;
    }
    ink::show(data.display_zonefile(DisplayKind::Simple), to);
    Some(())
}

/// What `domain` shows otherwise than golang-dnstap, from `start` on: the times of RRSIG as dates, the
/// digests of TLSA and ZONEMD in lower case.
fn mend(rtype: u16, start: usize, to: &mut Vec<u8>) {
    if !matches!(rtype, 46 | 52 | 63) {
        return;
    }
    let shown = to.split_off(start);
    for (index, word) in shown.split(|byte| *byte == b' ').enumerate() {
        if index > 0 {
            to.push(b' ');
        }
        match (rtype, index) {
            (46, 4 | 5) => date(word, to),
            (52 | 63, _) => to.extend(word.iter().map(u8::to_ascii_lowercase)),
            _ => to.extend_from_slice(word),
        }
    }
}

/// Seconds since 1970 as `20231114231320`.
fn date(seconds: &[u8], to: &mut Vec<u8>) {
    let number = core::str::from_utf8(seconds)
        .ok()
        .and_then(|text| text.parse().ok());
    let Some(seconds) = number else {
        return to.extend_from_slice(seconds);
    };
    let mut clock = Clock::default();
    to.extend(clock.date(seconds).iter().filter(|byte| **byte != b'-'));
    to.extend(clock.time(seconds).iter().filter(|byte| **byte != b':'));
}

/// As an object with the parts by name; nothing for types that are shown as text alone.
pub(super) fn json(record: &Record<'_>, message: &[u8], to: &mut Vec<u8>) -> bool {
    let Some(parts) = parts(record, message) else {
        return false;
    };
    to.extend_from_slice(b",\"data\":{");
    parts.json(to);
    to.push(b'}');
    true
}

impl Parts<'_> {
    fn text(&self, to: &mut Vec<u8>) {
        match self {
            Self::Address(bytes) => address(bytes, to),
            Self::Name(name) => names::full(name, Escapes::Golang, to),
            Self::Preferred(preference, name) => {
                ink::number(*preference, to);
                to.push(b' ');
                names::full(name, Escapes::Golang, to);
            }
            Self::Authority {
                server,
                mailbox,
                numbers,
            } => {
                names::full(server, Escapes::Golang, to);
                to.push(b' ');
                names::full(mailbox, Escapes::Golang, to);
                for number in numbers {
                    to.push(b' ');
                    ink::number(*number, to);
                }
            }
            Self::Service { numbers, target } => {
                for number in numbers {
                    ink::number(*number, to);
                    to.push(b' ');
                }
                names::full(target, Escapes::Golang, to);
            }
            Self::Strings(rdata) => {
                for (index, string) in strings(rdata).flatten().enumerate() {
                    if index > 0 {
                        to.push(b' ');
                    }
                    quoted(string, to);
                }
            }
            Self::Binding {
                priority,
                target,
                params,
            } => {
                ink::number(*priority, to);
                to.push(b' ');
                names::full(target, Escapes::Golang, to);
                params.text(to);
            }
            Self::Uri { numbers, target } => {
                for number in numbers {
                    ink::number(*number, to);
                    to.push(b' ');
                }
                quoted(target, to);
            }
            Self::Two(first, second) => {
                names::full(first, Escapes::Golang, to);
                to.push(b' ');
                names::full(second, Escapes::Golang, to);
            }
        }
    }

    fn json(&self, to: &mut Vec<u8>) {
        match self {
            Self::Address(bytes) => {
                to.extend_from_slice(b"\"address\":\"");
                address(bytes, to);
                to.push(b'"');
            }
            Self::Name(target) => json_name("target", target, to),
            Self::Preferred(preference, target) => {
                json_number("preference", u32::from(*preference), to);
                to.push(b',');
                json_name("target", target, to);
            }
            Self::Authority {
                server,
                mailbox,
                numbers,
            } => {
                json_name("mname", server, to);
                to.push(b',');
                json_name("rname", mailbox, to);
                for (key, number) in SOA_NUMBERS.iter().zip(numbers) {
                    to.push(b',');
                    json_number(key, *number, to);
                }
            }
            Self::Service { numbers, target } => {
                for (key, number) in SRV_NUMBERS.iter().zip(numbers) {
                    json_number(key, u32::from(*number), to);
                    to.push(b',');
                }
                json_name("target", target, to);
            }
            Self::Strings(rdata) => {
                to.extend_from_slice(b"\"strings\":[");
                for (index, string) in strings(rdata).flatten().enumerate() {
                    if index > 0 {
                        to.push(b',');
                    }
                    ink::json_string(string, to);
                }
                to.push(b']');
            }
            Self::Binding {
                priority,
                target,
                params,
            } => {
                json_number("priority", u32::from(*priority), to);
                to.push(b',');
                json_name("target", target, to);
                to.extend_from_slice(b",\"params\":{");
                params.json(to);
                to.push(b'}');
            }
            Self::Uri { numbers, target } => {
                for (key, number) in SRV_NUMBERS.iter().zip(numbers) {
                    json_number(key, u32::from(*number), to);
                    to.push(b',');
                }
                to.extend_from_slice(b"\"target\":");
                ink::json_string(target, to);
            }
            Self::Two(mailbox, about) => {
                json_name("mailbox", mailbox, to);
                to.push(b',');
                json_name("target", about, to);
            }
        }
    }
}

fn address(bytes: &[u8], to: &mut Vec<u8>) {
    // Here an address is what its type says: a mapped one in an AAAA record is shown as it stands.
    if let Ok(sixteen) = <[u8; 16]>::try_from(bytes) {
        ink::ip(core::net::Ipv6Addr::from(sixteen).into(), to);
    } else if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        ink::ip(core::net::Ipv4Addr::from(four).into(), to);
    }
}

fn json_number(key: &str, number: u32, to: &mut Vec<u8>) {
    ink::json_string(key.as_bytes(), to);
    to.push(b':');
    ink::number(number, to);
}

fn json_name(key: &str, name: &Name<'_>, to: &mut Vec<u8>) {
    ink::json_string(key.as_bytes(), to);
    to.push(b':');
    super::json::name(name, to);
}

/// A string of a TXT record: `"` and `\` after a backslash, what is not printable as three decimals.
fn quoted(string: &[u8], to: &mut Vec<u8>) {
    to.push(b'"');
    for byte in string {
        match byte {
            b'"' | b'\\' => to.extend([b'\\', *byte]),
            b' '..=b'~' => to.push(*byte),
            other => ink::decimal_escape(*other, to),
        }
    }
    to.push(b'"');
}
