//! A DNS message as golang-dnstap prints it: header, EDNS, then the sections.

use alloc::vec::Vec;

use super::edns::{self, Edns, EdnsOption};
use super::names::{self, Escapes};
use super::{ink, quiet, rdata};
use crate::dns::{DnsError, Header, Message, Record, Section};

/// Flags by name, from the left.
const FLAGS: [(u16, &str); 8] = [
    (0x8000, "qr"),
    (0x0400, "aa"),
    (0x0200, "tc"),
    (0x0100, "rd"),
    (0x0080, "ra"),
    (0x0040, "z"),
    (0x0020, "ad"),
    (0x0010, "cd"),
];

/// The names of the flags that are set.
pub(super) fn flags(header: &Header) -> impl Iterator<Item = &'static str> {
    let bits = header.flags;
    FLAGS
        .into_iter()
        .filter(move |(bit, _)| bits & bit != 0)
        .map(|(_, name)| name)
}

/// Prints a message, in lines.
///
/// A message that cannot be read to its end is printed up to there.
///
/// # Errors
/// What is wrong with the message; nothing was printed when not even the header can be read.
pub(super) fn print(bytes: &[u8], to: &mut Vec<u8>) -> Result<(), DnsError> {
    let message = Message::decode(bytes)?;
    let header = &message.header;
    let edns = Edns::find(&message);
    to.extend_from_slice(b";; opcode: ");
    ink::show(header.opcode_name(), to);
    to.extend_from_slice(b", status: ");
    ink::show(edns::rcode(header, edns.as_ref()), to);
    to.extend_from_slice(b", id: ");
    ink::number(header.id, to);
    to.extend_from_slice(b"\n;; flags:");
    for flag in flags(header) {
        to.push(b' ');
        to.extend_from_slice(flag.as_bytes());
    }
    let counts = [
        ("; QUERY: ", header.questions),
        (", ANSWER: ", header.answers),
        (", AUTHORITY: ", header.authorities),
        (", ADDITIONAL: ", header.additionals),
    ];
    for (label, count) in counts {
        to.extend_from_slice(label.as_bytes());
        ink::number(count, to);
    }
    to.push(b'\n');
    if let Some(edns) = edns {
        pseudosection(&edns, to);
    }
    questions(&message, to)?;
    let mut section = None;
    for record in message.records()? {
        let record = record?;
        if record.is_opt() {
            continue;
        }
        if section.replace(record.section) != Some(record.section) {
            title(record.section, to);
        }
        line(&record, bytes, to);
    }
    Ok(())
}

fn pseudosection(edns: &Edns<'_>, to: &mut Vec<u8>) {
    to.extend_from_slice(b"\n;; OPT PSEUDOSECTION:\n; EDNS: version ");
    ink::number(edns.version(), to);
    to.extend_from_slice(b"; flags: ");
    if edns.dnssec() {
        to.extend_from_slice(b"do");
    }
    to.extend_from_slice(b"; udp: ");
    ink::number(edns.payload(), to);
    to.push(b'\n');
    for option in edns.options() {
        line_of_option(&option, to);
    }
}

fn line_of_option(option: &EdnsOption<'_>, to: &mut Vec<u8>) {
    to.extend_from_slice(b"; ");
    to.extend_from_slice(option.name().as_bytes());
    to.extend_from_slice(b": ");
    option.value(to);
    to.push(b'\n');
}

fn questions(message: &Message<'_>, to: &mut Vec<u8>) -> Result<(), DnsError> {
    if message.header.questions > 0 {
        to.extend_from_slice(b"\n;; QUESTION SECTION:\n");
    }
    for question in message.questions() {
        let question = question?;
        to.push(b';');
        names::full(&question.name, Escapes::Golang, to);
        to.push(b'\t');
        quiet::class(question.class, to);
        to.extend_from_slice(b"\t ");
        quiet::qtype(question.qtype, to);
        to.push(b'\n');
    }
    Ok(())
}

fn title(section: Section, to: &mut Vec<u8>) {
    to.extend_from_slice(match section {
        Section::Answer => b"\n;; ANSWER SECTION:\n".as_slice(),
        Section::Authority => b"\n;; AUTHORITY SECTION:\n",
        Section::Additional => b"\n;; ADDITIONAL SECTION:\n",
    });
}

fn line(record: &Record<'_>, message: &[u8], to: &mut Vec<u8>) {
    names::full(&record.name, Escapes::Golang, to);
    to.push(b'\t');
    ink::number(record.ttl, to);
    to.push(b'\t');
    quiet::class(record.class.0, to);
    to.push(b'\t');
    quiet::qtype(record.rtype, to);
    to.push(b'\t');
    rdata::text(record, message, to);
    to.push(b'\n');
}
