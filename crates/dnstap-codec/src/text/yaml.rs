//! YAML, as golang-dnstap prints with `-y`.

use alloc::vec::Vec;

use super::clock::Clock;
use super::names::{self, Escapes};
use super::{dns, ink, quiet};
use crate::dns::Name;
use crate::{Dnstap, Message};

pub(super) fn print(dnstap: &Dnstap<'_>, clock: &mut Clock, scratch: &mut Vec<u8>, to: &mut Vec<u8>) {
    to.extend_from_slice(b"type: ");
    ink::show(dnstap.dnstap_type, to);
    to.push(b'\n');
    for (key, value) in [
        ("identity: ", dnstap.identity),
        ("version: ", dnstap.version),
        ("extra: ", dnstap.extra),
    ] {
        if let Some(value) = value {
            to.extend_from_slice(key.as_bytes());
            quoted(value, to);
            to.push(b'\n');
        }
    }
    if let Some(message) = &dnstap.message {
        to.extend_from_slice(b"message:\n");
        fields(message, clock, scratch, to);
    }
    to.extend_from_slice(b"---\n");
}

fn fields(message: &Message<'_>, clock: &mut Clock, scratch: &mut Vec<u8>, to: &mut Vec<u8>) {
    field("type", to);
    ink::show(message.message_type, to);
    to.push(b'\n');
    for (key, time) in [
        ("query_time", message.query_time()),
        ("response_time", message.response_time()),
    ] {
        if let Some(time) = time {
            field(key, to);
            to.extend_from_slice(b"!!timestamp ");
            let (second, nanos) = time.normal();
            to.extend_from_slice(clock.date(second));
            to.push(b' ');
            to.extend_from_slice(clock.time(second));
            fraction(nanos, to);
            to.push(b'\n');
        }
    }
    if let Some(family) = message.socket_family {
        line("socket_family", family, to);
    }
    if let Some(protocol) = message.socket_protocol {
        line("socket_protocol", protocol, to);
    }
    for (key, address) in [
        ("query_address", message.query_address),
        ("response_address", message.response_address),
    ] {
        if let Some(address) = address {
            field(key, to);
            quiet::any_address(address, to);
            to.push(b'\n');
        }
    }
    for (key, port) in [
        ("query_port", message.query_port),
        ("response_port", message.response_port),
    ] {
        if let Some(port) = port {
            line(key, port, to);
        }
    }
    if let Some(zone) = message.query_zone {
        match Name::decode(zone, 0) {
            Ok((zone, _)) => {
                field("query_zone", to);
                scratch.clear();
                names::full(&zone, Escapes::Golang, scratch);
                quoted(scratch, to);
                to.push(b'\n');
            }
            Err(error) => failed("query_zone", error, to),
        }
    }
    if let Some(policy) = &message.policy {
        policy_fields(policy, to);
    }
    if let Some(protocol) = message.http_protocol {
        line("http_protocol", protocol, to);
    }
    for (key, bytes) in [
        ("query_message", message.query_message),
        ("response_message", message.response_message),
    ] {
        if let Some(bytes) = bytes {
            scratch.clear();
            let result = dns::print(bytes, scratch);
            if !scratch.is_empty() {
                field(key, to);
                to.extend_from_slice(b"|\n");
                for line in scratch.split_inclusive(|byte| *byte == b'\n') {
                    to.extend_from_slice(b"    ");
                    to.extend_from_slice(line);
                }
            }
            if let Err(error) = result {
                failed(key, error, to);
            }
        }
    }
}

fn policy_fields(policy: &crate::Policy<'_>, to: &mut Vec<u8>) {
    to.extend_from_slice(b"  policy:\n");
    for (key, value) in [
        ("    type: ", policy.policy_type),
        ("    rule: ", policy.rule),
        ("    value: ", policy.value),
    ] {
        if let Some(value) = value {
            to.extend_from_slice(key.as_bytes());
            quoted(value, to);
            to.push(b'\n');
        }
    }
    if let Some(action) = policy.action {
        line("  action", action, to);
    }
    if let Some(matched) = policy.matched {
        line("  match", matched, to);
    }
}

/// A comment instead of a field.
fn failed(key: &str, error: crate::dns::DnsError, to: &mut Vec<u8>) {
    to.extend_from_slice(b"  # ");
    to.extend_from_slice(key.as_bytes());
    to.extend_from_slice(b": parse failed: ");
    ink::show(error, to);
    to.push(b'\n');
}

fn field(key: &str, to: &mut Vec<u8>) {
    to.extend_from_slice(b"  ");
    to.extend_from_slice(key.as_bytes());
    to.extend_from_slice(b": ");
}

fn line(key: &str, value: impl core::fmt::Display, to: &mut Vec<u8>) {
    field(key, to);
    ink::show(value, to);
    to.push(b'\n');
}

/// Decimals of a second, without zeros at the end, nor a point without decimals.
pub(super) fn fraction(nanos: u32, to: &mut Vec<u8>) {
    if nanos == 0 {
        return;
    }
    to.push(b'.');
    ink::digits(u64::from(nanos), 9, to);
    let zeros = to.iter().rev().take_while(|digit| **digit == b'0').count();
    to.truncate(to.len() - zeros);
}

/// A string in double quotes. Bytes that are no UTF-8 are shown as `\xff`, as golang does and YAML reads.
fn quoted(bytes: &[u8], to: &mut Vec<u8>) {
    to.push(b'"');
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '"' => to.extend_from_slice(b"\\\""),
                '\\' => to.extend_from_slice(b"\\\\"),
                '\u{7}' => to.extend_from_slice(b"\\a"),
                '\u{8}' => to.extend_from_slice(b"\\b"),
                '\u{b}' => to.extend_from_slice(b"\\v"),
                '\u{c}' => to.extend_from_slice(b"\\f"),
                '\n' => to.extend_from_slice(b"\\n"),
                '\r' => to.extend_from_slice(b"\\r"),
                '\t' => to.extend_from_slice(b"\\t"),
                '\0'..' ' | '\u{7f}' => byte(letter, to),
                '\u{80}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' => {
                    to.extend_from_slice(b"\\u");
                    let [high, low] = u16::try_from(u32::from(letter)).unwrap_or(0xfffd).to_be_bytes();
                    ink::hex(&[high, low], to);
                }
                other => to.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        for stray in chunk.invalid() {
            to.extend_from_slice(b"\\x");
            ink::hex(&[*stray], to);
        }
    }
    to.push(b'"');
}

fn byte(letter: char, to: &mut Vec<u8>) {
    to.extend_from_slice(b"\\x");
    ink::hex(&[u8::try_from(letter).unwrap_or(b'?')], to);
}
