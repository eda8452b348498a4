//! The figures of a moment.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};

use super::Stats;
use super::sketch::Entry;
use crate::dns::{Name, Opcode, QType, Rcode};
use crate::{MessageType, SocketFamily, SocketProtocol};

/// How often something with a name was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Count {
    /// What.
    pub name: String,
    /// How often.
    pub count: u64,
}

/// How often one of many was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Top {
    /// What.
    pub name: String,
    /// How often, at most.
    pub count: u64,
    /// By how much `count` may be too large.
    pub error: u64,
}

/// The figures of a moment. Lists are in order of falling counts, and without zeros.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Snapshot {
    /// Messages, of any kind.
    pub messages: u64,
    /// Messages that are queries.
    pub queries: u64,
    /// Messages that are responses.
    pub responses: u64,
    /// Bytes of the DNS messages.
    pub bytes: u64,
    /// Frames that are no dnstap message.
    pub unreadable: u64,
    /// Messages whose DNS message has no readable header and question.
    pub malformed: u64,
    /// Queries a second in the last second, the last ten and the last sixty.
    pub queries_per_second: [f64; 3],
    /// Responses a second, likewise.
    pub responses_per_second: [f64; 3],
    /// Messages in no rate: too late, or without a time.
    pub untimed: u64,
    /// `CLIENT_QUERY`, ...
    pub kinds: Vec<Count>,
    /// `UDP`, ...
    pub protocols: Vec<Count>,
    /// `INET`, `INET6`
    pub families: Vec<Count>,
    /// `NOERROR`, ..., of responses, with the bits of EDNS.
    pub rcodes: Vec<Count>,
    /// `QUERY`, ...
    pub opcodes: Vec<Count>,
    /// `AAAA`, ..., once for each exchange.
    pub qtypes: Vec<Count>,
    /// Names asked for, in lower case, once for each exchange.
    pub names: Vec<Top>,
    /// Addresses of those who asked a server, once for each exchange. Where a server asks others itself
    /// (`RESOLVER_QUERY` and the like), nobody is counted.
    pub clients: Vec<Top>,
    /// Latencies that are known.
    pub latencies: u64,
    /// Least latency, in nanoseconds.
    pub latency_min_ns: Option<u64>,
    /// Mean latency, in nanoseconds.
    pub latency_mean_ns: Option<u64>,
    /// Median, 90th, 99th and 99.9th percentile, in nanoseconds.
    pub latency_quantiles_ns: [Option<u64>; 4],
    /// Most, in nanoseconds.
    pub latency_max_ns: Option<u64>,
    /// Upper end in nanoseconds, and count, of each step that holds something.
    pub latency_steps_ns: Vec<(u64, u64)>,
    /// Responses whose latency is not known.
    pub latency_unknown: u64,
    /// Responses before their queries, by their times.
    pub latency_negative: u64,
    /// Queries that wait for their responses.
    pub outstanding: u64,
    /// Queries that waited until others took their place.
    pub outstanding_overflowed: u64,
}

pub(super) fn take(stats: &Stats, now: Option<u64>, top: usize) -> Snapshot {
    let rates = [1, 10, 60].map(|window| stats.rates.per_second(now, window));
    let latencies = &stats.latencies;
    Snapshot {
        messages: stats.messages,
        queries: stats.queries,
        responses: stats.responses,
        bytes: stats.bytes,
        unreadable: stats.unreadable,
        malformed: stats.malformed,
        queries_per_second: rates.map(|(queries, _)| queries),
        responses_per_second: rates.map(|(_, responses)| responses),
        untimed: stats.rates.late() + stats.rates.untimed(),
        kinds: named(&stats.kinds, |bits| MessageType::from_bits(bits).name()),
        protocols: named(&stats.protocols, |bits| SocketProtocol::from_bits(bits).name()),
        families: named(&stats.families, |bits| SocketFamily::from_bits(bits).name()),
        rcodes: counted(&stats.rcodes, |bits| Rcode::from_bits(bits).to_string()),
        opcodes: numbered(&stats.opcodes, |bits| {
            Opcode(u8::try_from(bits).unwrap_or(u8::MAX)).to_string()
        }),
        qtypes: counted(&stats.qtypes, |bits| QType(bits).to_string()),
        names: stats.names.top(top).into_iter().map(name).collect(),
        clients: stats.clients.top(top).into_iter().map(client).collect(),
        latencies: latencies.count(),
        latency_min_ns: latencies.min(),
        latency_mean_ns: latencies.mean(),
        latency_quantiles_ns: [500, 900, 990, 999].map(|thousandths| latencies.quantile(thousandths)),
        latency_max_ns: latencies.max(),
        latency_steps_ns: latencies.steps().collect(),
        latency_unknown: latencies.unknown(),
        latency_negative: latencies.negative(),
        outstanding: u64::try_from(stats.outstanding.len()).unwrap_or(u64::MAX),
        outstanding_overflowed: stats.outstanding.overflowed,
    }
}

/// Counts of the schema's numbers; what stands at 0 has no name.
fn named(counts: &[u64], name: fn(i32) -> Option<&'static str>) -> Vec<Count> {
    sorted((0_i32..).zip(counts).map(|(bits, count)| {
        let name = name(bits).unwrap_or("unknown").to_string();
        (name, *count)
    }))
}

fn numbered(counts: &[u64], name: fn(u16) -> String) -> Vec<Count> {
    sorted((0_u16..).zip(counts).map(|(bits, count)| (name(bits), *count)))
}

fn counted(counts: &BTreeMap<u16, u64>, name: fn(u16) -> String) -> Vec<Count> {
    sorted(counts.iter().map(|(bits, count)| (name(*bits), *count)))
}

fn sorted(counts: impl Iterator<Item = (String, u64)>) -> Vec<Count> {
    let mut counts: Vec<_> = counts
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| Count { name, count })
        .collect();
    counts.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
    counts
}

fn name(entry: Entry<'_>) -> Top {
    let name = Name::decode(entry.key, 0).map_or_else(|_| String::new(), |(name, _)| name.to_string());
    Top {
        name,
        count: entry.count,
        error: entry.error,
    }
}

fn client(entry: Entry<'_>) -> Top {
    let four = <[u8; 4]>::try_from(entry.key).map(|four| Ipv4Addr::from(four).to_string());
    let sixteen = || <[u8; 16]>::try_from(entry.key).map(|sixteen| Ipv6Addr::from(sixteen).to_string());
    Top {
        name: four.or_else(|_| sixteen()).unwrap_or_default(),
        count: entry.count,
        error: entry.error,
    }
}
