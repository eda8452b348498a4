//! The messages of the schema, borrowed from the frame they came in.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::enums::{
    DnstapType, HttpProtocol, MessageType, PolicyAction, PolicyMatch, SocketFamily, SocketProtocol,
};

/// One dnstap payload: the content of one data frame.
///
/// Every field but the type may be missing. Keep the frame itself to pass it on: re-encoding sorts the fields
/// and drops unknown ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dnstap<'a> {
    /// Field 1: name of the server, as it wants to be called.
    pub identity: Option<&'a [u8]>,
    /// Field 2: software and version of the server.
    pub version: Option<&'a [u8]>,
    /// Field 3: anything else, as an operator configured it.
    pub extra: Option<&'a [u8]>,
    /// Field 14: the DNS message, when the type is [`DnstapType::Message`].
    pub message: Option<Message<'a>>,
    /// Field 15, required: what the payload holds.
    pub dnstap_type: DnstapType,
}

impl<'a> Dnstap<'a> {
    /// A payload that holds `message` and nothing else.
    #[must_use]
    pub const fn new(message: Message<'a>) -> Self {
        Self {
            identity: None,
            version: None,
            extra: None,
            message: Some(message),
            dnstap_type: DnstapType::Message,
        }
    }
}

/// A DNS message on its way, and who exchanged it when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Field 1, required: who spoke to whom.
    pub message_type: MessageType,
    /// Field 2: Internet protocol, as the sender says; see [`query_ip`](Self::query_ip).
    pub socket_family: Option<SocketFamily>,
    /// Field 3: transport.
    pub socket_protocol: Option<SocketProtocol>,
    /// Field 4: address of the one who asked, 4 or 16 bytes.
    pub query_address: Option<&'a [u8]>,
    /// Field 5: address of the one who answered, 4 or 16 bytes.
    pub response_address: Option<&'a [u8]>,
    /// Field 6: port of the one who asked.
    pub query_port: Option<u32>,
    /// Field 7: port of the one who answered.
    pub response_port: Option<u32>,
    /// Field 8: when the query was seen, in seconds since 1970.
    pub query_time_sec: Option<u64>,
    /// Field 9: nanoseconds of that second. (kdig stores microseconds.)
    pub query_time_nsec: Option<u32>,
    /// Field 10: the query as a DNS message; may be cut or garbage.
    pub query_message: Option<&'a [u8]>,
    /// Field 11: zone of the server asked, a name in wire format.
    pub query_zone: Option<&'a [u8]>,
    /// Field 12: when the response was seen, in seconds since 1970.
    pub response_time_sec: Option<u64>,
    /// Field 13: nanoseconds of that second.
    pub response_time_nsec: Option<u32>,
    /// Field 14: the response as a DNS message; may be cut or garbage.
    pub response_message: Option<&'a [u8]>,
    /// Field 15: the response policy that was applied.
    pub policy: Option<Policy<'a>>,
    /// Field 16: which HTTP carried the message.
    pub http_protocol: Option<HttpProtocol>,
}

impl<'a> Message<'a> {
    /// A message of which only the type is known.
    #[must_use]
    pub const fn new(message_type: MessageType) -> Self {
        Self {
            message_type,
            socket_family: None,
            socket_protocol: None,
            query_address: None,
            response_address: None,
            query_port: None,
            response_port: None,
            query_time_sec: None,
            query_time_nsec: None,
            query_message: None,
            query_zone: None,
            response_time_sec: None,
            response_time_nsec: None,
            response_message: None,
            policy: None,
            http_protocol: None,
        }
    }

    /// Address of the one who asked; `None` when missing or of no known length.
    ///
    /// The length decides, not the family: CoreDNS sends IPv4 as mapped 16 bytes with family INET.
    #[must_use]
    pub fn query_ip(&self) -> Option<IpAddr> {
        ip(self.query_address?)
    }

    /// Address of the one who answered; `None` when missing or of no known length.
    #[must_use]
    pub fn response_ip(&self) -> Option<IpAddr> {
        ip(self.response_address?)
    }

    /// When the query was seen.
    #[must_use]
    pub fn query_time(&self) -> Option<Timestamp> {
        Timestamp::new(self.query_time_sec, self.query_time_nsec)
    }

    /// When the response was seen.
    #[must_use]
    pub fn response_time(&self) -> Option<Timestamp> {
        Timestamp::new(self.response_time_sec, self.response_time_nsec)
    }

    /// From query to response, in nanoseconds; negative when the clocks say so. `None` when a time is
    /// missing, or they are more than 292 years apart.
    #[must_use]
    pub fn latency_nanos(&self) -> Option<i64> {
        let (query, response) = (self.query_time()?, self.response_time()?);
        let nanos = |time: Timestamp| i128::from(time.sec) * 1_000_000_000 + i128::from(time.nsec);
        i64::try_from(nanos(response) - nanos(query)).ok()
    }

    /// The DNS message that this is about: the response's for a response, the query's for a query.
    #[must_use]
    pub fn dns_message(&self) -> Option<&'a [u8]> {
        if self.message_type.is_query() {
            self.query_message.or(self.response_message)
        } else {
            self.response_message.or(self.query_message)
        }
    }
}

/// 4 or 16 bytes as an address; a mapped IPv4 address as IPv4.
pub(crate) fn ip(address: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(address) {
        return Some(Ipv4Addr::from(four).into());
    }
    let sixteen = <[u8; 16]>::try_from(address).ok()?;
    Some(IpAddr::from(Ipv6Addr::from(sixteen)).to_canonical())
}

/// What a response policy did to a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy<'a> {
    /// Field 1: kind of policy, a short text such as `RPZ`.
    pub policy_type: Option<&'a [u8]>,
    /// Field 2: the rule, in a form that depends on the kind.
    pub rule: Option<&'a [u8]>,
    /// Field 3: what was done.
    pub action: Option<PolicyAction>,
    /// Field 4: what the rule went by.
    pub matched: Option<PolicyMatch>,
    /// Field 5: the value that matched.
    pub value: Option<&'a [u8]>,
}

/// A point in time, in seconds and nanoseconds since 1970 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Whole seconds.
    pub sec: u64,
    /// Nanoseconds of the second, as the sender stored them; normally below 1,000,000,000.
    pub nsec: u32,
}

impl Timestamp {
    /// Seconds, and nanoseconds below 1,000,000,000: what a sender stored above is carried.
    #[must_use]
    pub const fn normal(self) -> (u64, u32) {
        const SECOND: u32 = 1_000_000_000;
        let carry = (self.nsec / SECOND) as u64;
        (self.sec.saturating_add(carry), self.nsec % SECOND)
    }

    fn new(sec: Option<u64>, nsec: Option<u32>) -> Option<Self> {
        let (sec, nsec) = (sec?, nsec.unwrap_or(0));
        Some(Self { sec, nsec })
    }
}

/// Seconds with nine decimals.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.sec, self.nsec)
    }
}
