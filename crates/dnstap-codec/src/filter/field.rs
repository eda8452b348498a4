//! What can be asked for.

use core::fmt;

use super::lexer::Operator;

/// A field that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldInfo {
    /// Its names, the usual one first; letter case does not matter.
    pub names: &'static [&'static str],
    /// What it is.
    pub about: &'static str,
    /// What its values look like; empty for what is or is not.
    pub values: &'static str,
    /// The operators that it takes; empty for what is or is not.
    pub operators: &'static str,
}

/// Every field that can be asked for. Documentation and help are made of this.
///
/// ```
/// use dnstap_codec::filter;
///
/// let rcode = filter::fields().find(|field| field.names.contains(&"rcode")).expect("it is one");
/// assert_eq!(rcode.operators, "== != < <= > >= in");
/// ```
pub fn fields() -> impl Iterator<Item = FieldInfo> {
    FIELDS.iter().map(|(names, field, about)| {
        let (values, operators) = match field {
            Field::Fact(_) => ("", ""),
            // Whichever operator is asked about, all are told.
            field => (field.example(), field.takes(Operator::Equal).0),
        };
        FieldInfo {
            names,
            about,
            values,
            operators,
        }
    })
}

/// The usual names of all fields, as errors list them.
pub(super) struct Names;

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = FIELDS.iter().filter_map(|(names, ..)| names.first());
        if let Some(first) = names.next() {
            f.write_str(first)?;
        }
        names.try_for_each(|name| write!(f, ", {name}"))
    }
}

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

/// Names, the usual one first; the field; what it is.
const FIELDS: [(&[&str], Field, &str); 31] = [
    (&["kind", "type"], Field::Number(Number::Kind), "kind of message"),
    (&["query"], Field::Fact(Fact::Query), "it is a query"),
    (&["response"], Field::Fact(Fact::Response), "it is a response"),
    (
        &["identity"],
        Field::Bytes(Bytes::Identity),
        "name of the server; letter case matters",
    ),
    (
        &["version"],
        Field::Bytes(Bytes::Version),
        "version of the server's program; letter case matters",
    ),
    (
        &["family"],
        Field::Number(Number::Family),
        "address family: of the addresses, else as the sender says",
    ),
    (
        &["protocol", "proto"],
        Field::Number(Number::Protocol),
        "transport",
    ),
    (
        &["qaddr"],
        Field::Address(Address::Query),
        "address of the one who asks",
    ),
    (
        &["raddr"],
        Field::Address(Address::Response),
        "address of the one who answers",
    ),
    (
        &["qport"],
        Field::Number(Number::QueryPort),
        "port of the one who asks",
    ),
    (
        &["rport"],
        Field::Number(Number::ResponsePort),
        "port of the one who answers",
    ),
    (
        &["qname"],
        Field::Name(Name::QName),
        "name in the question; letter case does not matter",
    ),
    (
        &["zone"],
        Field::Name(Name::Zone),
        "zone of the query, as the server tells it",
    ),
    (
        &["qtype"],
        Field::Number(Number::QType),
        "record type in the question",
    ),
    (
        &["qclass", "class"],
        Field::Number(Number::QClass),
        "class in the question",
    ),
    (&["opcode"], Field::Number(Number::Opcode), "opcode in the header"),
    (
        &["rcode"],
        Field::Number(Number::Rcode),
        "response code, EDNS included; only responses have it",
    ),
    (
        &["qr"],
        Field::Fact(Fact::Flag(0x8000)),
        "the header says that it is a response",
    ),
    (&["aa"], Field::Fact(Fact::Flag(0x0400)), "authoritative answer"),
    (&["tc"], Field::Fact(Fact::Flag(0x0200)), "truncated"),
    (&["rd"], Field::Fact(Fact::Flag(0x0100)), "recursion desired"),
    (&["ra"], Field::Fact(Fact::Flag(0x0080)), "recursion available"),
    (&["ad"], Field::Fact(Fact::Flag(0x0020)), "authentic data"),
    (&["cd"], Field::Fact(Fact::Flag(0x0010)), "checking disabled"),
    (&["id"], Field::Number(Number::Id), "number of the DNS message"),
    (
        &["size"],
        Field::Number(Number::Size),
        "length of the DNS message in bytes",
    ),
    (
        &["latency"],
        Field::Number(Number::Latency),
        "from query to response; milliseconds without a unit",
    ),
    (
        &["answers"],
        Field::Number(Number::Answers),
        "answer records, by the header",
    ),
    (
        &["authorities"],
        Field::Number(Number::Authorities),
        "authority records, by the header",
    ),
    (
        &["additionals"],
        Field::Number(Number::Additionals),
        "additional records, by the header",
    ),
    (
        &["policy"],
        Field::Number(Number::Policy),
        "what a response policy did",
    ),
];

impl Field {
    /// The field of this name, in any letter case, and the name as we write it.
    pub(super) fn named(word: &str) -> Option<(Self, &'static str)> {
        FIELDS.iter().find_map(|(names, field, _)| {
            let mut names = names.iter();
            let name = names.find(|name| name.eq_ignore_ascii_case(word))?;
            Some((*field, *name))
        })
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
