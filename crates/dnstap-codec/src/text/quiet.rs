//! One line a message.

use alloc::vec::Vec;

use super::clock::Clock;
use super::ink;
use super::names::{self, Escapes};
use crate::dns::{Class, QType, Question};
use crate::message::ip;
use crate::{Dnstap, DnstapType, Message, MessageType};

/// As golang-dnstap prints with `-q`.
pub(super) fn golang(dnstap: &Dnstap<'_>, clock: &mut Clock, to: &mut Vec<u8>) {
    let Some(message) = message(dnstap, to) else {
        return;
    };
    match own_time(message) {
        (Some(second), nanos) => {
            to.extend_from_slice(clock.time(second));
            to.push(b'.');
            micros(nanos, to);
        }
        (None, _) => to.extend_from_slice(b"??:??:??.??????"),
    }
    peer_and_question(message, &GOLANG, to);
}

/// As dnstap-ldns prints with `-q`.
pub(super) fn ldns(dnstap: &Dnstap<'_>, clock: &mut Clock, to: &mut Vec<u8>) {
    let Some(message) = message(dnstap, to) else {
        return;
    };
    match own_time(message) {
        (Some(second), nanos @ Some(_)) => {
            to.extend_from_slice(clock.date(second));
            to.push(b' ');
            to.extend_from_slice(clock.time(second));
            to.push(b'.');
            micros(nanos, to);
        }
        _ => to.extend_from_slice(b"??:??:??.??????"),
    }
    peer_and_question(message, &LDNS, to);
}

/// As BIND's dnstap-read prints.
pub(super) fn bind(dnstap: &Dnstap<'_>, clock: &mut Clock, to: &mut Vec<u8>) {
    let Some(message) = message(dnstap, to) else {
        return;
    };
    match own_time(message) {
        (Some(second), Some(nanos)) => {
            to.extend_from_slice(clock.named(second));
            to.push(b' ');
            to.extend_from_slice(clock.time(second));
            to.push(b'.');
            ink::digits(u64::from(nanos / 1_000_000), 3, to);
        }
        _ => to.extend_from_slice(b"????-??-?? ??:??:??.???"),
    }
    kind(message.message_type, to);
    bind_address(message.query_address, message.query_port, to);
    to.extend_from_slice(if message.message_type.is_query() {
        b" -> "
    } else {
        b" <- "
    });
    bind_address(message.response_address, message.response_port, to);
    to.push(b' ');
    match message.socket_protocol {
        Some(protocol) => named(protocol.name(), protocol.to_bits(), to),
        None => to.push(b'?'),
    }
    match length_and_question(message, to) {
        Some(question) => {
            names::short(&question.name, Escapes::Bind, to);
            to.push(b'/');
            class(question.class, to);
            to.push(b'/');
            qtype(question.qtype, to);
        }
        None => to.extend_from_slice(b"?/?/?"),
    }
    to.push(b'\n');
}

/// How a tool shows names, and what it shows in the place of what a message lacks.
struct Manner {
    escapes: Escapes,
    no_protocol: &'static [u8],
    no_question: &'static [u8],
}

const GOLANG: Manner = Manner {
    escapes: Escapes::Golang,
    no_protocol: b"",
    no_question: b"X ",
};

const LDNS: Manner = Manner {
    escapes: Escapes::Ldns,
    no_protocol: b"?",
    no_question: b"? ? ?",
};

/// What follows the time in the lines of golang-dnstap and dnstap-ldns.
fn peer_and_question(message: &Message<'_>, manner: &Manner, to: &mut Vec<u8>) {
    kind(message.message_type, to);
    golang_address(own_address(message), to);
    to.push(b' ');
    match message.socket_protocol {
        Some(protocol) => named(protocol.name(), protocol.to_bits(), to),
        None => to.extend_from_slice(manner.no_protocol),
    }
    match length_and_question(message, to) {
        Some(question) => {
            to.push(b'"');
            names::full(&question.name, manner.escapes, to);
            to.extend_from_slice(b"\" ");
            class(question.class, to);
            to.push(b' ');
            qtype(question.qtype, to);
        }
        None => to.extend_from_slice(manner.no_question),
    }
    to.push(b'\n');
}

/// The message, or a line that says what else the payload is.
fn message<'m, 'a>(dnstap: &'m Dnstap<'a>, to: &mut Vec<u8>) -> Option<&'m Message<'a>> {
    match (&dnstap.message, dnstap.dnstap_type) {
        (Some(message), DnstapType::Message) => Some(message),
        (_, DnstapType::Message) => {
            to.extend_from_slice(b"[no message]\n");
            None
        }
        (_, other) => {
            to.extend_from_slice(b"[payload of type ");
            ink::signed(i64::from(other.to_bits()), to);
            to.extend_from_slice(b"]\n");
            None
        }
    }
}

/// When a query was asked, or a response given.
const fn own_time(message: &Message<'_>) -> (Option<u64>, Option<u32>) {
    if message.message_type.is_query() {
        (message.query_time_sec, message.query_time_nsec)
    } else {
        (message.response_time_sec, message.response_time_nsec)
    }
}

/// Six decimals, more where a sender stored more than a second, or that there are none.
fn micros(nanos: Option<u32>, to: &mut Vec<u8>) {
    match nanos {
        Some(nanos) => ink::digits(u64::from(nanos / 1000), 6, to),
        None => to.extend_from_slice(b"??????"),
    }
}

/// Two letters with spaces around; the number, where there are none.
fn kind(message_type: MessageType, to: &mut Vec<u8>) {
    to.push(b' ');
    named(message_type.mnemonic(), message_type.to_bits(), to);
    to.push(b' ');
}

fn named(name: Option<&str>, number: i32, to: &mut Vec<u8>) {
    match name {
        Some(name) => to.extend_from_slice(name.as_bytes()),
        None => ink::signed(i64::from(number), to),
    }
}

/// The peer's side: of the client, where the server logs clients; of the server, where it is asked.
const fn own_address<'a>(message: &Message<'a>) -> Option<&'a [u8]> {
    use MessageType::{AuthQuery, AuthResponse, ClientQuery, ClientResponse};
    match message.message_type {
        AuthQuery | AuthResponse | ClientQuery | ClientResponse => message.query_address,
        _ => message.response_address,
    }
}

fn golang_address(address: Option<&[u8]>, to: &mut Vec<u8>) {
    match address {
        None => to.extend_from_slice(b"MISSING_ADDRESS"),
        Some(bytes) => any_address(bytes, to),
    }
}

/// An address, or what stands in its place.
pub(super) fn any_address(bytes: &[u8], to: &mut Vec<u8>) {
    match ip(bytes) {
        Some(address) => ink::ip(address, to),
        None if bytes.is_empty() => to.extend_from_slice(b"<nil>"),
        None => {
            to.push(b'?');
            ink::hex(bytes, to);
        }
    }
}

fn bind_address(address: Option<&[u8]>, port: Option<u32>, to: &mut Vec<u8>) {
    let Some(address) = address.and_then(ip) else {
        return to.push(b'?');
    };
    ink::ip(address, to);
    to.push(b':');
    ink::number(port.unwrap_or(0), to);
}

/// ` 47b `, and the question of the message whose length that is.
fn length_and_question<'a>(message: &Message<'a>, to: &mut Vec<u8>) -> Option<Question<'a>> {
    let dns = if message.message_type.is_query() {
        message.query_message
    } else {
        message.response_message
    };
    let dns = dns.unwrap_or_default();
    to.push(b' ');
    ink::digits(u64::try_from(dns.len()).unwrap_or(u64::MAX), 1, to);
    to.extend_from_slice(b"b ");
    Question::decode(dns).ok().flatten()
}

pub(super) fn class(class: u16, to: &mut Vec<u8>) {
    match Class(class).name() {
        Some(name) => to.extend_from_slice(name.as_bytes()),
        None => {
            to.extend_from_slice(b"CLASS");
            ink::number(class, to);
        }
    }
}

pub(super) fn qtype(qtype: QType, to: &mut Vec<u8>) {
    match qtype.name() {
        Some(name) => to.extend_from_slice(name.as_bytes()),
        None => {
            to.extend_from_slice(b"TYPE");
            ink::number(qtype.0, to);
        }
    }
}
