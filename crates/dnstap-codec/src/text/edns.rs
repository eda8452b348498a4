//! EDNS (RFC 6891): what hides in the OPT record, and its options as golang-dnstap words them.

use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};

use super::ink;
use crate::dns::{Header, Message, Rcode, Record};

/// "DNSSEC OK" among the flags.
const DO: u32 = 0x8000;

/// The OPT record of a message.
#[derive(Clone, Copy)]
pub(super) struct Edns<'a> {
    record: Record<'a>,
}

impl<'a> Edns<'a> {
    /// The first one, as far as the message can be read.
    pub(super) fn find(message: &Message<'a>) -> Option<Self> {
        let record = message.opt()?;
        Some(Self { record })
    }

    pub(super) const fn version(&self) -> u8 {
        let [_, version, _, _] = self.record.ttl.to_be_bytes();
        version
    }

    pub(super) const fn payload(&self) -> u16 {
        self.record.class.0
    }

    pub(super) const fn dnssec(&self) -> bool {
        self.record.ttl & DO != 0
    }

    pub(super) fn options(&self) -> impl Iterator<Item = EdnsOption<'a>> + use<'a> {
        let mut rest = self.record.rdata;
        core::iter::from_fn(move || {
            let (head, behind) = rest.split_first_chunk::<4>()?;
            let [c, d, l, m] = *head;
            let (data, behind) = behind.split_at_checked(usize::from(u16::from_be_bytes([l, m])))?;
            rest = behind;
            let code = u16::from_be_bytes([c, d]);
            Some(EdnsOption { code, data })
        })
    }
}

/// The response code with the bits that EDNS adds above.
pub(super) const fn rcode(header: &Header, edns: Option<&Edns<'_>>) -> Rcode {
    match edns {
        Some(edns) => edns.record.rcode(header.rcode()),
        None => header.rcode(),
    }
}

/// One option.
#[derive(Clone, Copy)]
pub(super) struct EdnsOption<'a> {
    pub(super) code: u16,
    pub(super) data: &'a [u8],
}

impl EdnsOption<'_> {
    /// What it is called; `LOCAL OPT` when it has no name here.
    pub(super) const fn name(&self) -> &'static str {
        match self.code {
            1 => "LONG LIVED QUERIES",
            2 => "UPDATE LEASE",
            3 => "NSID",
            5 => "DNSSEC ALGORITHM UNDERSTOOD",
            6 => "DS HASH UNDERSTOOD",
            7 => "NSEC3 HASH UNDERSTOOD",
            8 => "SUBNET",
            9 => "EXPIRE",
            10 => "COOKIE",
            11 => "KEEPALIVE",
            12 => "PADDING",
            15 => "EDE",
            _ => "LOCAL OPT",
        }
    }

    /// What it says; in hex when it is malformed or nothing is known of it.
    pub(super) fn value(&self, to: &mut Vec<u8>) {
        if self.known(to).is_none() {
            self.raw(to);
        }
    }

    fn raw(&self, to: &mut Vec<u8>) {
        ink::number(self.code, to);
        to.extend_from_slice(b":0x");
        ink::hex(self.data, to);
    }

    fn known(&self, to: &mut Vec<u8>) -> Option<()> {
        let data = self.data;
        match self.code {
            2 => lease(data, to)?,
            3 => {
                ink::hex(data, to);
                to.extend_from_slice(b"  ");
                for byte in data {
                    to.extend([b'(', if matches!(byte, b' '..=b'~') { *byte } else { b'.' }, b')']);
                }
            }
            5 => words(data, algorithm, to),
            6 => words(data, digest, to),
            7 => words(data, |number| (number == 1).then_some("SHA1"), to),
            8 => subnet(data, to)?,
            9 => ink::number(u32::from_be_bytes(data.try_into().ok()?), to),
            10 | 12 => ink::hex(data, to),
            11 => keepalive(data, to)?,
            15 => error(data, to)?,
            _ => return None,
        }
        Some(())
    }
}

/// RFC 7871
fn subnet(data: &[u8], to: &mut Vec<u8>) -> Option<()> {
    let (head, address) = data.split_first_chunk::<4>()?;
    let [f, g, source, scope] = *head;
    match u16::from_be_bytes([f, g]) {
        1 => ink::ip(Ipv4Addr::from(padded(address)?).into(), to),
        2 => {
            to.push(b'[');
            ink::ip(Ipv6Addr::from(padded(address)?).into(), to);
            to.push(b']');
        }
        _ => return None,
    }
    to.push(b'/');
    ink::number(source, to);
    to.push(b'/');
    ink::number(scope, to);
    Some(())
}

/// The front of an address with zeros behind it.
fn padded<const LEN: usize>(front: &[u8]) -> Option<[u8; LEN]> {
    let mut whole = [0; LEN];
    whole.get_mut(..front.len())?.copy_from_slice(front);
    Some(whole)
}

/// RFC 9664
fn lease(data: &[u8], to: &mut Vec<u8>) -> Option<()> {
    let (chunks, rest) = data.as_chunks::<4>();
    if !rest.is_empty() || !matches!(chunks.len(), 1 | 2) {
        return None;
    }
    ink::number(u32::from_be_bytes(*chunks.first()?), to);
    to.push(b' ');
    let key = chunks.get(1).copied().unwrap_or_default();
    ink::number(u32::from_be_bytes(key), to);
    Some(())
}

/// RFC 7828
fn keepalive(data: &[u8], to: &mut Vec<u8>) -> Option<()> {
    to.extend_from_slice(b"use tcp keep-alive, timeout ");
    match <[u8; 2]>::try_from(data) {
        Ok(tenths) => {
            ink::number(u32::from(u16::from_be_bytes(tenths)) * 100, to);
            to.extend_from_slice(b"ms");
        }
        Err(_) if data.is_empty() => to.extend_from_slice(b"omitted"),
        Err(_) => {
            let words = "use tcp keep-alive, timeout ".len();
            to.truncate(to.len() - words);
            return None;
        }
    }
    Some(())
}

/// RFC 8914
fn error(data: &[u8], to: &mut Vec<u8>) -> Option<()> {
    let (code, text) = data.split_first_chunk::<2>()?;
    let code = u16::from_be_bytes(*code);
    ink::number(code, to);
    if let Some(meaning) = ERRORS.get(usize::from(code)) {
        to.extend_from_slice(b" (");
        to.extend_from_slice(meaning.as_bytes());
        to.push(b')');
    }
    to.extend_from_slice(b": (");
    for byte in text {
        match byte {
            b' '..=b'~' => to.push(*byte),
            other => ink::decimal_escape(*other, to),
        }
    }
    to.push(b')');
    Some(())
}

/// Meanings of extended errors, from 0.
const ERRORS: [&str; 25] = [
    "Other",
    "Unsupported DNSKEY Algorithm",
    "Unsupported DS Digest Type",
    "Stale Answer",
    "Forged Answer",
    "DNSSEC Indeterminate",
    "DNSSEC Bogus",
    "Signature Expired",
    "Signature Not Yet Valid",
    "DNSKEY Missing",
    "RRSIGs Missing",
    "No Zone Key Bit Set",
    "NSEC Missing",
    "Cached Error",
    "Not Ready",
    "Blocked",
    "Censored",
    "Filtered",
    "Prohibited",
    "Stale NXDOMAIN Answer",
    "Not Authoritative",
    "Not Supported",
    "No Reachable Authority",
    "Network Error",
    "Invalid Data",
];

/// RFC 6975: a list of numbers, by name where they have one.
fn words(numbers: &[u8], name: fn(u8) -> Option<&'static str>, to: &mut Vec<u8>) {
    for number in numbers {
        to.push(b' ');
        match name(*number) {
            Some(name) => to.extend_from_slice(name.as_bytes()),
            None => ink::number(*number, to),
        }
    }
}

const fn algorithm(number: u8) -> Option<&'static str> {
    Some(match number {
        1 => "RSAMD5",
        2 => "DH",
        3 => "DSA",
        5 => "RSASHA1",
        6 => "DSA-NSEC3-SHA1",
        7 => "RSASHA1-NSEC3-SHA1",
        8 => "RSASHA256",
        10 => "RSASHA512",
        12 => "ECC-GOST",
        13 => "ECDSAP256SHA256",
        14 => "ECDSAP384SHA384",
        15 => "ED25519",
        16 => "ED448",
        252 => "INDIRECT",
        253 => "PRIVATEDNS",
        254 => "PRIVATEOID",
        _ => return None,
    })
}

const fn digest(number: u8) -> Option<&'static str> {
    Some(match number {
        1 => "SHA1",
        2 => "SHA256",
        3 => "GOST94",
        4 => "SHA384",
        5 => "SHA512",
        _ => return None,
    })
}
