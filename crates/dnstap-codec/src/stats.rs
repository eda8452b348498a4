//! What a stream of messages is made of, in bounded memory.
//!
//! ```
//! use dnstap_codec::stats::{Config, Stats};
//! use dnstap_codec::{Dnstap, Message, MessageType};
//!
//! let message = Message {
//!     query_time_sec: Some(1_795_150_947),
//!     query_message: Some(b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01a\x04test\0\0\x01\0\x01"),
//!     ..Message::new(MessageType::ClientQuery)
//! };
//! let mut stats = Stats::new(Config::new());
//! stats.handle_message(None, &Dnstap::new(message));
//! let snapshot = stats.snapshot(None, 10);
//! assert_eq!(snapshot.queries, 1);
//! assert_eq!(snapshot.names[0].name, "a.test.");
//! ```
//!
//! # Memory
//!
//! An accumulator takes about `24 * outstanding + 700 * top` bytes, 20 KB besides, and up to 3 MB when every
//! one of the 65,536 record types is asked for. Nothing grows with the length of the stream.
//!
//! # How exact
//!
//! Counts are exact. Latencies are kept in steps of an eighth of a power of two: a quantile is at most 12.5 %
//! too large. The top names and clients are Space-Saving sketches (Metwally, Agrawal, El Abbadi 2005): a
//! count is never too small and at most [`error`](Top::error) too large, and whatever makes up more than one
//! part in `top` of the stream is there.

mod latency;
mod outstanding;
mod rates;
mod sketch;
mod snapshot;

use alloc::collections::BTreeMap;
use core::net::IpAddr;

pub use latency::Latencies;
use outstanding::{Outstanding, key};
pub use rates::Rates;
use sketch::Sketch;
pub use snapshot::{Count, Snapshot, Top};

use crate::dns::{Message as DnsMessage, Question};
use crate::{Dnstap, Message, Timestamp};

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    top: usize,
    outstanding: usize,
}

/// Names and clients that are counted, each.
pub const DEFAULT_TOP: usize = 512;
/// Queries that wait for their responses.
pub const DEFAULT_OUTSTANDING: usize = 16_384;

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

impl Config {
    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            top: DEFAULT_TOP,
            outstanding: DEFAULT_OUTSTANDING,
        }
    }

    /// How many names and how many clients are counted at a time, 1 to 1,000,000; 512 by default. More
    /// counters make the counts of the first ones more exact.
    #[must_use]
    pub const fn top(mut self, counters: usize) -> Self {
        self.top = match counters {
            0 => 1,
            1..=1_000_000 => counters,
            _ => 1_000_000,
        };
        self
    }

    /// How many queries wait for their responses, up to 16,777,216, rounded up to a power of two; 16,384 by
    /// default. 0 matches none.
    #[must_use]
    pub const fn outstanding(mut self, queries: usize) -> Self {
        self.outstanding = if queries > 1 << 24 { 1 << 24 } else { queries };
        self
    }
}

/// Kinds, 1 to 14, and at 0 those without a name.
const KINDS: usize = 15;
/// Transports, 1 to 7, and at 0 those without a name or missing.
const PROTOCOLS: usize = 8;

/// An accumulator; see the [module](self).
#[derive(Clone, Debug)]
pub struct Stats {
    messages: u64,
    queries: u64,
    responses: u64,
    bytes: u64,
    unreadable: u64,
    malformed: u64,
    kinds: [u64; KINDS],
    protocols: [u64; PROTOCOLS],
    /// Unknown, IPv4, IPv6.
    families: [u64; 3],
    rcodes: BTreeMap<u16, u64>,
    opcodes: [u64; 16],
    qtypes: BTreeMap<u16, u64>,
    rates: Rates,
    latencies: Latencies,
    outstanding: Outstanding,
    names: Sketch,
    clients: Sketch,
}

impl Stats {
    /// An accumulator that has seen nothing.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            messages: 0,
            queries: 0,
            responses: 0,
            bytes: 0,
            unreadable: 0,
            malformed: 0,
            kinds: [0; KINDS],
            protocols: [0; PROTOCOLS],
            families: [0; 3],
            rcodes: BTreeMap::new(),
            opcodes: [0; 16],
            qtypes: BTreeMap::new(),
            rates: Rates::default(),
            latencies: Latencies::default(),
            outstanding: Outstanding::new(config.outstanding),
            names: Sketch::new(config.top),
            clients: Sketch::new(config.top),
        }
    }

    /// Counts a message. `at` is when, for the rates; without it, the message's own time.
    ///
    /// Own times are right for files. For what comes live, the caller's clock is: senders need not agree on
    /// theirs.
    pub fn handle_message(&mut self, at: Option<Timestamp>, dnstap: &Dnstap<'_>) {
        let Some(message) = &dnstap.message else {
            self.unreadable += 1;
            return;
        };
        let is_query = message.message_type.is_query();
        let dns = message.dns_message().unwrap_or_default();
        let own = if is_query {
            message.query_time()
        } else {
            message.response_time()
        };
        self.messages += 1;
        *if is_query {
            &mut self.queries
        } else {
            &mut self.responses
        } += 1;
        let len = u64::try_from(dns.len()).unwrap_or(u64::MAX);
        self.bytes = self.bytes.saturating_add(len);
        self.rates.add(at.or(own).map(|time| time.normal().0), is_query);
        count(&mut self.kinds, message.message_type.to_bits());
        let protocol = message.socket_protocol.map_or(0, crate::SocketProtocol::to_bits);
        count(&mut self.protocols, protocol);
        let client = message.query_ip();
        count(
            &mut self.families,
            family(client.or_else(|| message.response_ip())),
        );
        self.handle_dns(message, dns, is_query, client);
    }

    /// Counts a frame that is no dnstap message.
    pub const fn handle_unreadable(&mut self) {
        self.unreadable += 1;
    }

    fn handle_dns(&mut self, message: &Message<'_>, dns: &[u8], is_query: bool, client: Option<IpAddr>) {
        let whole = DnsMessage::decode(dns);
        let question = Question::decode(dns);
        self.malformed += u64::from(question.is_err());
        let mut id = 0;
        if let Ok(dns) = whole {
            id = dns.header.id;
            count(&mut self.opcodes, i32::from(dns.header.opcode()));
            if !is_query {
                *self.rcodes.entry(dns.rcode().to_bits()).or_default() += 1;
            }
        }
        let question = question.ok().flatten();
        let key = key(message, id, question.as_ref());
        let asked = if is_query {
            if let Some(time) = message.query_time() {
                self.outstanding.insert(key, nanos(time));
            }
            None
        } else {
            self.outstanding.take(key)
        };
        if !is_query {
            let matched =
                || i64::try_from(i128::from(nanos(message.response_time()?)) - i128::from(asked?)).ok();
            match message.latency_nanos().or_else(matched) {
                Some(latency) => self.latencies.add(latency),
                None => self.latencies.add_unknown(),
            }
        }
        // Each exchange counts once: by its query, or by a response whose query was not seen.
        if asked.is_none() {
            if let Some(question) = question {
                *self.qtypes.entry(question.qtype.0).or_default() += 1;
                let mut name = [0; 256];
                self.names.add(sketch::name(&question.name, &mut name));
            }
            match client.filter(|_| message.message_type.is_of_client()) {
                Some(IpAddr::V4(four)) => self.clients.add(&four.octets()),
                Some(IpAddr::V6(sixteen)) => self.clients.add(&sixteen.octets()),
                None => {}
            }
        }
    }

    /// Adds what another accumulator has seen, of another part of the same stream or of another stream.
    ///
    /// Queries that wait for a response in `other` go on waiting there: their responses are expected where
    /// they were seen.
    pub fn merge(&mut self, other: &Self) {
        self.messages += other.messages;
        self.queries += other.queries;
        self.responses += other.responses;
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.unreadable += other.unreadable;
        self.malformed += other.malformed;
        add(&mut self.kinds, &other.kinds);
        add(&mut self.protocols, &other.protocols);
        add(&mut self.families, &other.families);
        add(&mut self.opcodes, &other.opcodes);
        for (to, from) in [
            (&mut self.rcodes, &other.rcodes),
            (&mut self.qtypes, &other.qtypes),
        ] {
            for (number, count) in from {
                *to.entry(*number).or_default() += count;
            }
        }
        self.rates.merge(&other.rates);
        self.latencies.merge(&other.latencies);
        self.outstanding.overflowed += other.outstanding.overflowed;
        self.names.merge(&other.names);
        self.clients.merge(&other.clients);
    }

    /// The rates alone.
    #[must_use]
    pub const fn rates(&self) -> &Rates {
        &self.rates
    }

    /// The latencies alone.
    #[must_use]
    pub const fn latencies(&self) -> &Latencies {
        &self.latencies
    }

    /// All figures, with the `top` most frequent names and clients. `now` ends the windows of the rates;
    /// without it, the newest message does.
    #[must_use]
    pub fn snapshot(&self, now: Option<Timestamp>, top: usize) -> Snapshot {
        snapshot::take(self, now.map(|time| time.normal().0), top)
    }
}

/// Adds one at `number`, or at 0 when there is no such place.
fn count<const LEN: usize>(counts: &mut [u64; LEN], number: i32) {
    let at = usize::try_from(number).ok().filter(|at| *at < LEN).unwrap_or(0);
    if let Some(count) = counts.get_mut(at) {
        *count += 1;
    }
}

fn add(to: &mut [u64], from: &[u64]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += from;
    }
}

const fn family(address: Option<IpAddr>) -> i32 {
    match address {
        None => 0,
        Some(IpAddr::V4(_)) => 1,
        Some(IpAddr::V6(_)) => 2,
    }
}

/// Nanoseconds since 1970; the last that there are after the year 2554.
fn nanos(time: Timestamp) -> u64 {
    time.sec
        .saturating_mul(1_000_000_000)
        .saturating_add(u64::from(time.nsec))
}

#[cfg(test)]
mod tests;
