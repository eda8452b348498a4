//! One client's question, and what the resolver does with it.

use core::net::Ipv6Addr;
use core::time::Duration;
use std::format;
use std::vec::Vec;

use dnstap_codec::{Dnstap, Message, MessageType, SocketFamily, SocketProtocol};

use super::dns::{A, AAAA, Asked, HTTPS, MX, NOERROR, NS, NXDOMAIN, PTR, REFUSED, SERVFAIL, SRV, TXT, name};
use crate::random::Random;

/// Names that are asked for often, in percent; the rest goes to [`MANY`] hosts.
const NAMES: [(&str, u64); 9] = [
    ("www.example.org", 30),
    ("example.org", 16),
    ("cdn.example.net", 12),
    ("mail.example.com", 8),
    ("api.tinwire.example", 7),
    ("time.example.net", 5),
    (NOWHERE, 4),
    ("ns1.example.net", 3),
    (BROKEN, 1),
];
const NOWHERE: &str = "printer.invalid";
const BROKEN: &str = "broken.example";
const MANY: &str = "example.com";
const HOSTS: u64 = 5_000;

/// Record types in percent; the rest is [`A`].
const TYPES: [(u16, u64); 7] = [
    (AAAA, 26),
    (HTTPS, 10),
    (PTR, 5),
    (MX, 3),
    (TXT, 3),
    (NS, 2),
    (SRV, 1),
];
/// Transports in percent; the rest is UDP.
const PROTOCOLS: [(SocketProtocol, u64); 3] = [
    (SocketProtocol::Tcp, 5),
    (SocketProtocol::Dot, 4),
    (SocketProtocol::Doh, 3),
];
/// How long is waited for a server that says nothing.
const PATIENCE: Duration = Duration::from_millis(1500);
/// Questions of a hundred whose answer the resolver has to fetch.
const FETCHED: u64 = 20;
/// Questions of a thousand that are refused.
const REFUSALS: u64 = 5;
/// The resolver's own addresses.
const RESOLVER_V4: [u8; 4] = [192, 0, 2, 53];
const RESOLVER_V6: [u8; 16] = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x53).octets();
const RESOLVER_PORT: u32 = 53;

/// What is left to chance in one exchange.
#[derive(Debug)]
pub(super) struct Exchange {
    asked: Asked,
    rcode: u8,
    protocol: SocketProtocol,
    /// 4 or 16 bytes.
    client: Vec<u8>,
    port: u32,
    id: u16,
    /// Where the answer comes from, when it is fetched, and after which time.
    fetch: Option<Fetch>,
    /// What the resolver itself needs.
    work: Duration,
    /// For the answers' records.
    random: Random,
}

#[derive(Debug)]
struct Fetch {
    server: [u8; 4],
    port: u32,
    id: u16,
    takes: Duration,
}

impl Exchange {
    pub(super) fn new(random: &mut Random) -> Self {
        let host = pick(random, &NAMES, MANY);
        let wire = match host {
            MANY => name(&format!("host-{}.{MANY}", random.next_u64() % HOSTS)),
            host => name(host),
        };
        let rcode = match host {
            NOWHERE => NXDOMAIN,
            BROKEN => SERVFAIL,
            _ if random.next_u64() % 1000 < REFUSALS => REFUSED,
            _ => NOERROR,
        };
        let is_fetched = host == BROKEN || rcode != REFUSED && random.next_u64() % 100 < FETCHED;
        Self {
            asked: Asked {
                name: wire,
                qtype: pick(random, &TYPES, A),
            },
            rcode,
            protocol: pick(random, &PROTOCOLS, SocketProtocol::Udp),
            client: client(random),
            port: port(random),
            id: random.next_u16(),
            fetch: is_fetched.then(|| Fetch {
                server: [198, 51, 100, random.next_u8()],
                port: port(random),
                id: random.next_u16(),
                takes: if host == BROKEN {
                    PATIENCE
                } else {
                    round_trip(random)
                },
            }),
            work: Duration::from_micros(20 + random.next_u64() % 130),
            random: Random::seeded(random.next_u64()),
        }
    }

    /// Gives out the messages with the times at which they are seen; the client asks `now`.
    pub(super) fn play(mut self, now: Duration, mut seen: impl FnMut(Duration, Vec<u8>)) {
        let query = self.asked.query(self.id);
        let mut message = self.message(MessageType::ClientQuery, now);
        message.query_message = Some(&query);
        seen(now, encoded(message));

        let mut answered = now + self.work;
        if let Some(fetch) = &self.fetch {
            let (sent, received) = (answered, answered + fetch.takes);
            let query = self.asked.query(fetch.id);
            let mut message = fetch.message(MessageType::ResolverQuery, sent);
            message.query_message = Some(&query);
            message.query_zone = Some(b"\0");
            seen(sent, encoded(message));
            // A server that is broken says nothing.
            if self.rcode != SERVFAIL {
                let response = self
                    .asked
                    .response(fetch.id, self.rcode, &mut self.random.clone());
                let mut message = fetch.message(MessageType::ResolverResponse, sent);
                respond(&mut message, received, &response);
                message.query_zone = Some(b"\0");
                seen(received, encoded(message));
            }
            answered = received + self.work;
        }
        let mut random = self.random.clone();
        let response = self.asked.response(self.id, self.rcode, &mut random);
        self.random = random;
        let mut message = self.message(MessageType::ClientResponse, now);
        respond(&mut message, answered, &response);
        seen(answered, encoded(message));
    }

    fn message(&self, message_type: MessageType, asked: Duration) -> Message<'_> {
        let mut message = Message::new(message_type);
        message.socket_protocol = Some(self.protocol);
        message.query_address = Some(&self.client);
        message.query_port = Some(self.port);
        (message.socket_family, message.response_address) = if self.client.len() == RESOLVER_V4.len() {
            (Some(SocketFamily::Inet), Some(&RESOLVER_V4[..]))
        } else {
            (Some(SocketFamily::Inet6), Some(&RESOLVER_V6[..]))
        };
        message.response_port = Some(RESOLVER_PORT);
        ask(&mut message, asked);
        message
    }
}

impl Fetch {
    fn message(&self, message_type: MessageType, asked: Duration) -> Message<'_> {
        let mut message = Message::new(message_type);
        message.socket_family = Some(SocketFamily::Inet);
        message.socket_protocol = Some(SocketProtocol::Udp);
        message.query_address = Some(&RESOLVER_V4);
        message.query_port = Some(self.port);
        message.response_address = Some(&self.server);
        message.response_port = Some(RESOLVER_PORT);
        ask(&mut message, asked);
        message
    }
}

const fn ask(message: &mut Message<'_>, at: Duration) {
    message.query_time_sec = Some(at.as_secs());
    message.query_time_nsec = Some(at.subsec_nanos());
}

const fn respond<'a>(message: &mut Message<'a>, at: Duration, response: &'a [u8]) {
    message.response_time_sec = Some(at.as_secs());
    message.response_time_nsec = Some(at.subsec_nanos());
    message.response_message = Some(response);
}

fn encoded(message: Message<'_>) -> Vec<u8> {
    let mut dnstap = Dnstap::new(message);
    dnstap.identity = Some(b"sim");
    dnstap.version = Some(b"tinwire-sim");
    dnstap.encode()
}

/// A quarter of the clients has an IPv6 address; a few ask most of the questions.
fn client(random: &mut Random) -> Vec<u8> {
    let host = random.next_u8();
    let host = if random.next_u64().is_multiple_of(2) {
        host % 8
    } else {
        host
    };
    if random.next_u64().is_multiple_of(4) {
        let address = Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, host.into());
        address.octets().to_vec()
    } else {
        [192, 0, 2, host].to_vec()
    }
}

fn port(random: &mut Random) -> u32 {
    1024 + u32::from(random.next_u16() >> 1)
}

/// Most servers are near, some are at the other end of the world: each doubling is half as likely as the one
/// before.
fn round_trip(random: &mut Random) -> Duration {
    random.spread(Duration::from_millis(2)) * (1 << random.next_u64().trailing_zeros().min(7))
}

/// One of `choices` as often as its percentage says, otherwise `rest`.
fn pick<T: Copy>(random: &mut Random, choices: &[(T, u64)], rest: T) -> T {
    let mut at = random.next_u64() % 100;
    for &(choice, percent) in choices {
        match at.checked_sub(percent) {
            None => return choice,
            Some(left) => at = left,
        }
    }
    rest
}
