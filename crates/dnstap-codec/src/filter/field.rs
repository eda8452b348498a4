//! What can be asked for.

use super::lexer::Operator;

/// Every name, as errors list them.
pub(super) const NAMES: &str = "kind, query, response, identity, version, family, protocol, qaddr, raddr, \
     qport, rport, qname, zone, qtype, qclass, opcode, rcode, qr, aa, tc, rd, ra, ad, cd, id, size, latency, \
     answers, authorities, additionals, policy";

/// A field of numbers, named or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    Kind,
    Family,
    Protocol,
    QueryPort,
    ResponsePort,
    QType,
    QClass,
    Opcode,
    Rcode,
    Id,
    Size,
    Latency,
    Answers,
    Authorities,
    Additionals,
    Policy,
}

/// What is or is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    Query,
    Response,
    /// A bit in the header of the DNS message.
    Flag(u16),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bytes {
    Identity,
    Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Query,
    Response,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    QName,
    Zone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Number(Number),
    Fact(Fact),
    Bytes(Bytes),
    Address(Address),
    Name(Name),
}

const FIELDS: [(&str, Field); 34] = [
    ("kind", Field::Number(Number::Kind)),
    ("type", Field::Number(Number::Kind)),
    ("query", Field::Fact(Fact::Query)),
    ("response", Field::Fact(Fact::Response)),
    ("identity", Field::Bytes(Bytes::Identity)),
    ("version", Field::Bytes(Bytes::Version)),
    ("family", Field::Number(Number::Family)),
    ("protocol", Field::Number(Number::Protocol)),
    ("proto", Field::Number(Number::Protocol)),
    ("qaddr", Field::Address(Address::Query)),
    ("raddr", Field::Address(Address::Response)),
    ("qport", Field::Number(Number::QueryPort)),
    ("rport", Field::Number(Number::ResponsePort)),
    ("qname", Field::Name(Name::QName)),
    ("zone", Field::Name(Name::Zone)),
    ("qtype", Field::Number(Number::QType)),
    ("qclass", Field::Number(Number::QClass)),
    ("class", Field::Number(Number::QClass)),
    ("opcode", Field::Number(Number::Opcode)),
    ("rcode", Field::Number(Number::Rcode)),
    ("qr", Field::Fact(Fact::Flag(0x8000))),
    ("aa", Field::Fact(Fact::Flag(0x0400))),
    ("tc", Field::Fact(Fact::Flag(0x0200))),
    ("rd", Field::Fact(Fact::Flag(0x0100))),
    ("ra", Field::Fact(Fact::Flag(0x0080))),
    ("ad", Field::Fact(Fact::Flag(0x0020))),
    ("cd", Field::Fact(Fact::Flag(0x0010))),
    ("id", Field::Number(Number::Id)),
    ("size", Field::Number(Number::Size)),
    ("latency", Field::Number(Number::Latency)),
    ("answers", Field::Number(Number::Answers)),
    ("authorities", Field::Number(Number::Authorities)),
    ("additionals", Field::Number(Number::Additionals)),
    ("policy", Field::Number(Number::Policy)),
];

impl Field {
    /// The field of this name, in any letter case, and the name as we write it.
    pub(super) fn named(word: &str) -> Option<(Self, &'static str)> {
        let mut fields = FIELDS.iter();
        let (name, field) = fields.find(|(name, _)| name.eq_ignore_ascii_case(word))?;
        Some((*field, name))
    }

    /// The operators that it takes, in words, and whether `operator` is one.
    pub(super) const fn takes(self, operator: Operator) -> (&'static str, bool) {
        use Operator::{Equal, Glob, In, Under, Unequal};
        match self {
            Self::Fact(_) => ("no operator: it is or is not", false),
            Self::Number(Number::Kind | Number::Family | Number::Protocol | Number::Policy)
            | Self::Address(_) => ("== != in", matches!(operator, Equal | Unequal | In)),
            Self::Number(_) => ("== != < <= > >= in", !matches!(operator, Glob | Under)),
            Self::Bytes(_) => ("== != ~ in", matches!(operator, Equal | Unequal | Glob | In)),
            Self::Name(_) => (
                "== != ~ under in",
                matches!(operator, Equal | Unequal | Glob | Under | In),
            ),
        }
    }

    /// What a value looks like.
    pub(super) const fn example(self) -> &'static str {
        match self {
            Self::Number(number) => match number {
                Number::Kind => "a kind such as CQ or CLIENT_QUERY, or a number",
                Number::Family => "INET, INET6, 4 or 6",
                Number::Protocol => "UDP, TCP, DOT, DOH, DNSCryptUDP, DNSCryptTCP, DOQ or a number",
                Number::QType => "a record type such as AAAA, or a number",
                Number::QClass => "a class such as IN, or a number",
                Number::Opcode => "QUERY, NOTIFY, UPDATE or a number",
                Number::Rcode => "a response code such as NXDOMAIN, or a number",
                Number::Latency => "a time such as 10ms, 1.5s, 200us or 50ns",
                Number::Policy => "NXDOMAIN, NODATA, PASS, DROP, TRUNCATE, LOCAL_DATA or a number",
                Number::QueryPort
                | Number::ResponsePort
                | Number::Id
                | Number::Size
                | Number::Answers
                | Number::Authorities
                | Number::Additionals => "a number",
            },
            Self::Fact(_) => "nothing",
            Self::Bytes(_) => "a word or a string",
            Self::Address(_) => "an address or a network such as 192.0.2.0/24",
            Self::Name(_) => "a domain name such as example.org",
        }
    }
}
