//! JSON: the keys of golang-dnstap's `-j`, and the DNS messages taken apart. `docs/dnstap-json.md` has them
//! all.

use alloc::vec::Vec;

use super::clock::Clock;
use super::edns::{self, Edns};
use super::names::{self, Escapes};
use super::{dns, ink, quiet, rdata, yaml};
use crate::dns::{DnsError, Message as DnsMessage, Name, Record, Section};
use crate::{Dnstap, Message, Policy, Timestamp};

/// What of a DNS message is printed beside the structured data.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts {
    pub(super) text: bool,
    pub(super) hex: bool,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            text: true,
            hex: true,
        }
    }
}

pub(super) fn print(
    dnstap: &Dnstap<'_>,
    parts: Parts,
    clock: &mut Clock,
    scratch: &mut Vec<u8>,
    to: &mut Vec<u8>,
) {
    to.extend_from_slice(b"{\"v\":1,\"type\":\"");
    ink::show(dnstap.dnstap_type, to);
    to.push(b'"');
    octets("identity", dnstap.identity, to);
    octets("version", dnstap.version, to);
    octets("extra", dnstap.extra, to);
    if let Some(message) = &dnstap.message {
        to.extend_from_slice(b",\"message\":{");
        fields(message, parts, clock, scratch, to);
        to.push(b'}');
    }
    to.extend_from_slice(b"}\n");
}

fn fields(message: &Message<'_>, parts: Parts, clock: &mut Clock, scratch: &mut Vec<u8>, to: &mut Vec<u8>) {
    to.extend_from_slice(b"\"type\":\"");
    ink::show(message.message_type, to);
    to.push(b'"');
    if let Some(mnemonic) = message.message_type.mnemonic() {
        word("kind", mnemonic, to);
    }
    let asked = (message.query_time_sec, message.query_time_nsec);
    let keys = ["query_time", "query_time_sec", "query_time_nsec"];
    time(keys, message.query_time(), asked, clock, to);
    let answered = (message.response_time_sec, message.response_time_nsec);
    let keys = ["response_time", "response_time_sec", "response_time_nsec"];
    time(keys, message.response_time(), answered, clock, to);
    if let Some(latency) = message.latency_nanos() {
        key("latency_ns", to);
        ink::signed(latency, to);
    }
    if let Some(family) = message.socket_family {
        shown("socket_family", family, to);
    }
    if let Some(protocol) = message.socket_protocol {
        shown("socket_protocol", protocol, to);
    }
    address("query_address", message.query_address, to);
    address("response_address", message.response_address, to);
    for (name, port) in [
        ("query_port", message.query_port),
        ("response_port", message.response_port),
    ] {
        if let Some(port) = port {
            key(name, to);
            ink::number(port, to);
        }
    }
    if let Some(zone) = message.query_zone {
        if let Ok((zone, _)) = Name::decode(zone, 0) {
            key("query_zone", to);
            name(&zone, to);
        }
        hex("query_zone_hex", zone, to);
    }
    if let Some(policy) = &message.policy {
        policy_fields(policy, to);
    }
    if let Some(protocol) = message.http_protocol {
        shown("http_protocol", protocol, to);
    }
    for (text, taken, raw, bytes) in [
        (
            "query_message",
            "query_dns",
            "query_message_hex",
            message.query_message,
        ),
        (
            "response_message",
            "response_dns",
            "response_message_hex",
            message.response_message,
        ),
    ] {
        let Some(bytes) = bytes else { continue };
        if parts.text {
            scratch.clear();
            if let Err(error) = dns::print(bytes, scratch) {
                scratch.extend_from_slice(b"parse failed: ");
                ink::show(error, scratch);
            }
            key(text, to);
            ink::json_string(scratch, to);
        }
        key(taken, to);
        object(bytes, to);
        if parts.hex {
            hex(raw, bytes, to);
        }
    }
}

/// A DNS message as an object; what cannot be read is left out, and `dns_error` says why.
fn object(bytes: &[u8], to: &mut Vec<u8>) {
    to.push(b'{');
    let error = match DnsMessage::decode(bytes) {
        Ok(message) => {
            header(&message, to);
            sections(&message, to).err()
        }
        Err(error) => {
            to.extend_from_slice(b"\"dns_error\":\"");
            ink::show(error, to);
            to.push(b'"');
            None
        }
    };
    if let Some(error) = error {
        shown("dns_error", error, to);
    }
    to.push(b'}');
}

fn header(message: &DnsMessage<'_>, to: &mut Vec<u8>) {
    let header = &message.header;
    let edns = Edns::find(message);
    to.extend_from_slice(b"\"id\":");
    ink::number(header.id, to);
    key("qr", to);
    to.extend_from_slice(if header.is_response() { b"true" } else { b"false" });
    shown("opcode", header.opcode_name(), to);
    shown("rcode", edns::rcode(header, edns.as_ref()), to);
    key("flags", to);
    list(dns::flags(header).filter(|flag| *flag != "qr"), to, |flag, to| {
        ink::json_string(flag.as_bytes(), to);
    });
    if let Some(edns) = edns {
        key("edns", to);
        to.extend_from_slice(b"{\"version\":");
        ink::number(edns.version(), to);
        key("udp", to);
        ink::number(edns.payload(), to);
        key("flags", to);
        to.extend_from_slice(if edns.dnssec() { b"[\"do\"]" } else { b"[]" });
        key("options", to);
        list(edns.options(), to, |option, to| {
            to.extend_from_slice(b"{\"code\":");
            ink::number(option.code, to);
            word("name", option.name(), to);
            // Values are printable ASCII, but an error's text may have quotes and backslashes.
            let mut value = Vec::new();
            option.value(&mut value);
            key("value", to);
            ink::json_string(&value, to);
            hex("hex", option.data, to);
            to.push(b'}');
        });
        to.push(b'}');
    }
}

fn sections(message: &DnsMessage<'_>, to: &mut Vec<u8>) -> Result<(), DnsError> {
    let mut result = Ok(());
    key("question", to);
    let questions = message
        .questions()
        .map_while(|item| item.map_err(|error| result = Err(error)).ok());
    list(questions, to, |question, to| {
        to.extend_from_slice(b"{\"name\":");
        name(&question.name, to);
        to.extend_from_slice(b",\"type\":\"");
        quiet::qtype(question.qtype, to);
        to.extend_from_slice(b"\",\"class\":\"");
        quiet::class(question.class, to);
        to.extend_from_slice(b"\"}");
    });
    result?;
    let mut records = message.records()?.peekable();
    for (name, section) in [
        ("answer", Section::Answer),
        ("authority", Section::Authority),
        ("additional", Section::Additional),
    ] {
        key(name, to);
        let of_section = core::iter::from_fn(|| {
            records.next_if(|record| record.as_ref().is_ok_and(|record| record.section == section))
        });
        let shown = of_section.flatten().filter(|record| !record.is_opt());
        list(shown, to, |shown, to| record(&shown, message.as_bytes(), to));
    }
    records.next().transpose().map(|_| ())
}

fn record(record: &Record<'_>, message: &[u8], to: &mut Vec<u8>) {
    to.extend_from_slice(b"{\"name\":");
    name(&record.name, to);
    to.extend_from_slice(b",\"type\":\"");
    quiet::qtype(record.rtype, to);
    to.extend_from_slice(b"\",\"class\":\"");
    quiet::class(record.class.0, to);
    to.extend_from_slice(b"\",\"ttl\":");
    ink::number(record.ttl, to);
    key("rdata", to);
    let mut text = Vec::new();
    rdata::text(record, message, &mut text);
    ink::json_string(&text, to);
    rdata::json(record, message, to);
    to.push(b'}');
}

fn policy_fields(policy: &Policy<'_>, to: &mut Vec<u8>) {
    key("policy", to);
    let start = to.len();
    octets("type", policy.policy_type, to);
    octets("rule", policy.rule, to);
    if let Some(action) = policy.action {
        shown("action", action, to);
    }
    if let Some(matched) = policy.matched {
        shown("match", matched, to);
    }
    octets("value", policy.value, to);
    // Each field brings a comma, the first one's becomes the brace.
    match to.get_mut(start) {
        Some(comma) => *comma = b'{',
        None => to.push(b'{'),
    }
    to.push(b'}');
}

/// A name as a string. Its escapes are the names' own: those of JSON come on top.
pub(super) fn name(name: &Name<'_>, to: &mut Vec<u8>) {
    to.push(b'"');
    let start = to.len();
    names::full(name, Escapes::Golang, to);
    let is_plain = to.iter().skip(start).all(|byte| !matches!(byte, b'\\' | b'"'));
    if !is_plain {
        let text = to.split_off(start);
        to.pop();
        ink::json_string(&text, to);
    } else {
        to.push(b'"');
    }
}

fn list<T>(items: impl Iterator<Item = T>, to: &mut Vec<u8>, mut print: impl FnMut(T, &mut Vec<u8>)) {
    to.push(b'[');
    let mut is_first = true;
    for item in items {
        if !core::mem::take(&mut is_first) {
            to.push(b',');
        }
        print(item, to);
    }
    to.push(b']');
}

fn key(name: &str, to: &mut Vec<u8>) {
    to.extend_from_slice(b",\"");
    to.extend_from_slice(name.as_bytes());
    to.extend_from_slice(b"\":");
}

/// A value without anything to escape.
fn word(name: &str, value: &str, to: &mut Vec<u8>) {
    key(name, to);
    to.push(b'"');
    to.extend_from_slice(value.as_bytes());
    to.push(b'"');
}

/// The same, of something that displays itself.
fn shown(name: &str, value: impl core::fmt::Display, to: &mut Vec<u8>) {
    key(name, to);
    to.push(b'"');
    ink::show(value, to);
    to.push(b'"');
}

fn hex(name: &str, bytes: &[u8], to: &mut Vec<u8>) {
    key(name, to);
    to.push(b'"');
    ink::hex(bytes, to);
    to.push(b'"');
}

/// Bytes that are text nearly always; when they are not, they are there in hex too.
fn octets(name: &str, bytes: Option<&[u8]>, to: &mut Vec<u8>) {
    let Some(bytes) = bytes else { return };
    key(name, to);
    ink::json_string(bytes, to);
    if core::str::from_utf8(bytes).is_err() {
        to.extend_from_slice(b",\"");
        to.extend_from_slice(name.as_bytes());
        to.extend_from_slice(b"_hex\":\"");
        ink::hex(bytes, to);
        to.push(b'"');
    }
}

fn address(name: &str, bytes: Option<&[u8]>, to: &mut Vec<u8>) {
    let Some(bytes) = bytes else { return };
    key(name, to);
    to.push(b'"');
    if !bytes.is_empty() {
        quiet::any_address(bytes, to);
    }
    to.push(b'"');
}

/// A time as RFC 3339 has it; and the fields themselves, where that does not tell what is in them.
fn time(
    keys: [&str; 3],
    time: Option<Timestamp>,
    fields: (Option<u64>, Option<u32>),
    clock: &mut Clock,
    to: &mut Vec<u8>,
) {
    /// The end of the year 9998. RFC 3339 has one more, of which those who allow for time zones lack an end.
    const LAST: u64 = 253_370_764_799;
    let [name, sec, nsec] = keys;
    let time = time.map(Timestamp::normal).filter(|(second, _)| *second <= LAST);
    if let Some((second, nanos)) = time {
        key(name, to);
        to.push(b'"');
        to.extend_from_slice(clock.date(second));
        to.push(b'T');
        to.extend_from_slice(clock.time(second));
        yaml::fraction(nanos, to);
        to.extend_from_slice(b"Z\"");
    }
    let told = time.map(|(second, nanos)| (Some(second), Some(nanos)));
    if told.unwrap_or_default() != fields {
        if let Some(second) = fields.0 {
            key(sec, to);
            ink::number(second, to);
        }
        if let Some(nanos) = fields.1 {
            key(nsec, to);
            ink::number(nanos, to);
        }
    }
}
