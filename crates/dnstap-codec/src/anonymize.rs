//! Messages that no longer say who asked.
//!
//! ```
//! use dnstap_codec::anonymize::{Addresses, Anonymizer};
//! use dnstap_codec::{Dnstap, Message, MessageType};
//!
//! let message = Message {
//!     query_address: Some(&[192, 0, 2, 77]),
//!     ..Message::new(MessageType::ClientQuery)
//! };
//! let mut payload = Dnstap::new(message).encode();
//! let report = Anonymizer::new(Addresses::cut()).patch(&mut payload)?;
//! assert_eq!(report.addresses, 1);
//! let message = Dnstap::decode(&payload)?.message.ok_or("no message")?;
//! assert_eq!(message.query_address, Some(&[192, 0, 2, 0][..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Addresses are changed **in place**: every other byte of the payload, unknown fields and the order of
//! fields among them, stays as it was. All occurrences of a repeated field are changed. An address of no
//! known length becomes zeros.
//!
//! # Under a key
//!
//! [`Addresses::keyed`] replaces addresses so that two of them share as many leading bits after as before,
//! and equal ones stay equal: the construction of Crypto-PAn (Xu, Fan, Ammar, Moon: "Prefix-Preserving IP
//! Address Anonymization", 2002), in which each bit is turned by a pseudorandom function of the bits before
//! it; that function is SipHash-2-4 with a key of 128 bits. Who has the key can undo it. Who can have
//! addresses of their own recorded learns how others begin that share prefixes with theirs: that is the price
//! of prefixes that stay recognizable.
//!
//! # What is not changed
//!
//! Names (a reverse lookup has an address in its name), answers, times, the texts of policies, and EDNS
//! options other than client subnets: cookies tell clients apart, unless [`Anonymizer::without_options`]
//! blanks them. An address in `policy.value` is changed when the policy went by the client's address.

mod keyed;

use alloc::vec::Vec;
use core::ops::Range;

use keyed::Keyed;

use crate::dns::{DnsError, Message as DnsMessage};
use crate::wire::{Fields, Value};
use crate::{DecodeError, Dnstap};

/// Bits of an IPv4 address that are kept by default.
pub const DEFAULT_V4: u8 = 24;
/// Bits of an IPv6 address that are kept by default.
pub const DEFAULT_V6: u8 = 48;

/// What becomes of an address.
#[derive(Clone, Debug)]
pub struct Addresses(Rule);

#[derive(Clone, Debug)]
enum Rule {
    /// Bits that are kept.
    Cut {
        v4: u8,
        v6: u8,
    },
    Keyed(Keyed),
}

impl Addresses {
    /// Cut to prefixes of 24 and 48 bits.
    #[must_use]
    pub const fn cut() -> Self {
        Self::cut_to(DEFAULT_V4, DEFAULT_V6)
    }

    /// Cut to prefixes of that many bits, at most 32 and 128; 0 leaves nothing.
    #[must_use]
    pub const fn cut_to(v4: u8, v6: u8) -> Self {
        Self(Rule::Cut { v4, v6 })
    }

    /// Replaced under a key, prefixes preserved. The same key gives the same addresses, everywhere and
    /// always.
    #[must_use]
    pub fn keyed(key: [u8; 16]) -> Self {
        Self(Rule::Keyed(Keyed::new(key)))
    }

    fn change(&self, address: &mut [u8]) {
        if let Ok(four) = <&mut [u8; 4]>::try_from(&mut *address) {
            match &self.0 {
                Rule::Cut { v4, .. } => cut(four, *v4),
                Rule::Keyed(keyed) => *four = keyed.v4(*four),
            }
        } else if let Ok(sixteen) = <&mut [u8; 16]>::try_from(&mut *address) {
            if let ([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff], four) = sixteen.split_at_mut(12) {
                return self.change(four);
            }
            match &self.0 {
                Rule::Cut { v6, .. } => cut(sixteen, *v6),
                Rule::Keyed(keyed) => *sixteen = keyed.v6(*sixteen),
            }
        } else {
            address.fill(0);
        }
    }
}

/// Zeros behind the first `bits`.
fn cut(address: &mut [u8], bits: u8) {
    let mut left = u32::from(bits);
    for byte in address {
        *byte &= !(0xff_u8.checked_shr(left).unwrap_or(0));
        left = left.saturating_sub(8);
    }
}

/// Whose addresses are changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sides {
    /// Of those who asked.
    #[default]
    Query,
    /// Of those who answered, too.
    Both,
}

/// Changes addresses, and leaves out what else tells too much.
#[derive(Clone, Debug)]
pub struct Anonymizer {
    addresses: Addresses,
    sides: Sides,
    client_subnet: bool,
    without_options: bool,
    without_ports: bool,
    without_identity: bool,
}

/// What was changed in a payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Addresses in fields of the message.
    pub addresses: u64,
    /// Client subnets in the DNS messages.
    pub client_subnets: u64,
    /// Other EDNS options that were filled with zeros.
    pub options: u64,
    /// DNS messages that could not be read to their last byte: what is behind that place is still there, and
    /// may be a client subnet.
    pub unread: u64,
}

impl Anonymizer {
    /// Changes the addresses of those who asked, and client subnets.
    #[must_use]
    pub const fn new(addresses: Addresses) -> Self {
        Self {
            addresses,
            sides: Sides::Query,
            client_subnet: true,
            without_options: false,
            without_ports: false,
            without_identity: false,
        }
    }

    /// Whose addresses are changed; those of who asked by default.
    #[must_use]
    pub const fn sides(mut self, sides: Sides) -> Self {
        self.sides = sides;
        self
    }

    /// Whether client subnets (RFC 7871) in the DNS messages are changed; yes by default. Their length stays.
    #[must_use]
    pub const fn client_subnet(mut self, is_changed: bool) -> Self {
        self.client_subnet = is_changed;
        self
    }

    /// Fills all other EDNS options with zeros: a cookie (RFC 7873) stays with its client, and some
    /// forwarders tell a device's number or hardware address. Their numbers and lengths stay.
    #[must_use]
    pub const fn without_options(mut self, is_left_out: bool) -> Self {
        self.without_options = is_left_out;
        self
    }

    /// Leaves out the ports; then [`apply`](Self::apply) encodes anew.
    #[must_use]
    pub const fn without_ports(mut self, is_left_out: bool) -> Self {
        self.without_ports = is_left_out;
        self
    }

    /// Leaves out identity, version and extra; then [`apply`](Self::apply) encodes anew.
    #[must_use]
    pub const fn without_identity(mut self, is_left_out: bool) -> Self {
        self.without_identity = is_left_out;
        self
    }

    /// Adds the payload to the end of `to`, changed.
    ///
    /// When something is left out, fields are sorted and unknown ones lost; otherwise nothing but the
    /// addresses changes.
    ///
    /// # Errors
    /// When the payload is no dnstap message; then nothing was added.
    pub fn apply(&self, payload: &[u8], to: &mut Vec<u8>) -> Result<Report, DecodeError> {
        let mut dnstap = Dnstap::decode(payload)?;
        let start = to.len();
        if self.without_ports || self.without_identity {
            if self.without_identity {
                (dnstap.identity, dnstap.version, dnstap.extra) = (None, None, None);
            }
            if let Some(message) = dnstap.message.as_mut().filter(|_| self.without_ports) {
                (message.query_port, message.response_port) = (None, None);
            }
            to.append(&mut dnstap.encode());
        } else {
            to.extend_from_slice(payload);
        }
        // It was decoded: patching finds the same fields.
        self.patch(to.get_mut(start..).unwrap_or_default())
    }

    /// Changes the addresses in place; nothing is left out.
    ///
    /// # Errors
    /// When the payload is no dnstap message; some addresses may have been changed then.
    pub fn patch(&self, payload: &mut [u8]) -> Result<Report, DecodeError> {
        Dnstap::decode(payload)?;
        let mut report = Report::default();
        each(payload, |number, message| match number {
            14 => self.patch_message(message, &mut report),
            _ => Ok(()),
        })?;
        Ok(report)
    }

    fn patch_message(&self, message: &mut [u8], report: &mut Report) -> Result<(), DecodeError> {
        each(message, |number, bytes| {
            match number {
                4 => self.patch_address(bytes, report),
                5 if self.sides == Sides::Both => self.patch_address(bytes, report),
                10 | 14 if self.client_subnet || self.without_options => self.patch_dns(bytes, report),
                15 => self.patch_policy(bytes, report)?,
                _ => {}
            }
            Ok(())
        })
    }

    fn patch_address(&self, address: &mut [u8], report: &mut Report) {
        self.addresses.change(address);
        report.addresses += 1;
    }

    fn patch_policy(&self, policy: &mut [u8], report: &mut Report) -> Result<(), DecodeError> {
        let mut by_client = false;
        let mut fields = Fields::new(policy);
        while let Some(field) = fields.next()? {
            if let (4, Value::Varint(matched)) = field {
                by_client |= matched == CLIENT_IP;
            }
        }
        each(policy, |number, bytes| {
            if number == 5 && by_client {
                self.patch_address(bytes, report);
            }
            Ok(())
        })
    }

    fn patch_dns(&self, dns: &mut [u8], report: &mut Report) {
        let mut options = Vec::new();
        if find_options(dns, &mut options).is_err() {
            report.unread += 1;
        }
        for (code, range) in options {
            let Some(option) = dns.get_mut(range) else {
                continue;
            };
            if code == CLIENT_SUBNET && self.client_subnet {
                self.patch_subnet(option);
                report.client_subnets += 1;
            } else if code != CLIENT_SUBNET && self.without_options {
                option.fill(0);
                report.options += 1;
            }
        }
    }

    /// RFC 7871, 6: family, length of the prefix, scope, and as many bytes of the address as the prefix
    /// needs.
    fn patch_subnet(&self, option: &mut [u8]) {
        let Some(([f, g, bits, _], address)) = option.split_first_chunk_mut::<4>() else {
            return;
        };
        let mut whole = [0; 16];
        let width = if [*f, *g] == [0, 1] { 4 } else { 16 };
        let len = address.len();
        match whole.get_mut(..width) {
            Some(whole) if len <= width => {
                if let Some(front) = whole.get_mut(..len) {
                    front.copy_from_slice(address);
                }
                self.addresses.change(whole);
                cut(whole, *bits);
                address.copy_from_slice(whole.get(..len).unwrap_or_default());
            }
            _ => address.fill(0),
        }
    }
}

/// `Policy.match` of a policy that went by the client's address.
const CLIENT_IP: u64 = 2;

/// Calls `change` with the number and the content of each field of bytes.
fn each(
    message: &mut [u8],
    mut change: impl FnMut(u64, &mut [u8]) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let mut at = 0;
    loop {
        let mut fields = Fields::new(message.get(at..).unwrap_or_default());
        let Some((number, value)) = fields.next()? else {
            return Ok(());
        };
        at = message.len() - fields.left();
        if let Value::Bytes(bytes) = value {
            let range = at - bytes.len()..at;
            change(number, message.get_mut(range).unwrap_or_default())?;
        }
    }
}

/// Number of the EDNS option with a client subnet.
const CLIENT_SUBNET: u16 = 8;

/// Finds the EDNS options of a DNS message that hold anything: the number of each, and where its content is.
///
/// # Errors
/// When the message cannot be read to its last byte; those before that place have been found.
fn find_options(dns: &[u8], options: &mut Vec<(u16, Range<usize>)>) -> Result<(), DnsError> {
    const SHORT: DnsError = DnsError::Short { field: "EDNS" };
    let mut records = DnsMessage::decode(dns)?.records()?;
    for record in records.by_ref() {
        let record = record?;
        if !record.is_opt() {
            continue;
        }
        let mut rest = record.rdata;
        while !rest.is_empty() {
            let ([c, d, l, m], behind) = rest.split_first_chunk::<4>().ok_or(SHORT)?;
            let len = usize::from(u16::from_be_bytes([*l, *m]));
            let (_, behind) = behind.split_at_checked(len).ok_or(SHORT)?;
            rest = behind;
            let end = record.offset + record.rdata.len() - rest.len();
            if len > 0 {
                options.push((u16::from_be_bytes([*c, *d]), end - len..end));
            }
        }
    }
    // Bytes that no count covers may be anything.
    if records.offset() == dns.len() {
        Ok(())
    } else {
        Err(SHORT)
    }
}

#[cfg(test)]
mod tests;
