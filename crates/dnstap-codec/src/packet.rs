//! Messages as packets, for programs that know DNS by its packets.
//!
//! dnstap tells who spoke to whom and what was said, but no packet: these are made up. Every message becomes
//! one UDP packet, **whatever carried it**: a DNS message that came by TCP, TLS, HTTPS or QUIC is shown as
//! what it is and not as a stream of which the rest is missing. A missing address becomes one of those set
//! apart for documentation (RFC 5737, RFC 3849), a missing port 50000 for the one who asked and 53 for the
//! one who answered. The server's port becomes 53 unless [`Ports::AsTold`] is asked for, since Wireshark
//! finds DNS by that port.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{Message, Timestamp};

/// Longest DNS message that a packet holds: what IPv4 and UDP leave of 65,535 bytes. Longer ones are cut.
pub const MAX_PAYLOAD: usize = 65_507;

const CLIENT_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const SERVER_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 53);
const CLIENT_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const SERVER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x53);
const CLIENT_PORT: u16 = 50_000;
const DNS_PORT: u16 = 53;

const UDP: u8 = 17;
const UDP_LEN: u16 = 8;
const V4_LEN: u16 = 20;
const HOPS: u8 = 64;

/// What becomes of the server's port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ports {
    /// 53, so that DNS is recognized.
    #[default]
    Dns,
    /// As in the message.
    AsTold,
}

/// Addresses of both sides, of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Addresses {
    V4([Ipv4Addr; 2]),
    V6([Ipv6Addr; 2]),
}

/// A UDP packet that was never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Source and destination.
    addresses: Addresses,
    ports: [u16; 2],
    payload: &'a [u8],
    /// When it was seen.
    pub time: Option<Timestamp>,
    /// Whether it goes from the one who asked to the one who answered.
    pub is_query: bool,
}

impl<'a> Packet<'a> {
    /// The query in a message.
    #[must_use]
    pub fn query(message: &Message<'a>, ports: Ports) -> Option<Self> {
        let (addresses, ports) = sides(message, ports);
        Some(Self {
            addresses,
            ports,
            payload: message.query_message?,
            time: message.query_time().or_else(|| message.response_time()),
            is_query: true,
        })
    }

    /// The response in a message.
    #[must_use]
    pub fn response(message: &Message<'a>, ports: Ports) -> Option<Self> {
        let (addresses, [client, server]) = sides(message, ports);
        Some(Self {
            addresses: match addresses {
                Addresses::V4([client, server]) => Addresses::V4([server, client]),
                Addresses::V6([client, server]) => Addresses::V6([server, client]),
            },
            ports: [server, client],
            payload: message.response_message?,
            time: message.response_time().or_else(|| message.query_time()),
            is_query: false,
        })
    }

    /// All packets of a message: some servers tell the query along with its response.
    pub fn of(message: &Message<'a>, ports: Ports) -> impl Iterator<Item = Self> + use<'a> {
        let both = [Self::query(message, ports), Self::response(message, ports)];
        both.into_iter().flatten()
    }

    /// Whether the DNS message is too long for a packet, and was cut.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        self.payload.len() > MAX_PAYLOAD
    }

    /// Adds the packet to the end of `to`, from the first byte of the IP header.
    pub fn encode(&self, to: &mut Vec<u8>) {
        let payload = self.payload.get(..MAX_PAYLOAD).unwrap_or(self.payload);
        // MAX_PAYLOAD leaves room for the headers.
        let udp_len = u16::try_from(payload.len()).unwrap_or(0).saturating_add(UDP_LEN);
        let mut sum = Checksum::default();
        match &self.addresses {
            Addresses::V4([from, into]) => {
                let header = v4_header(*from, *into, udp_len);
                to.extend_from_slice(&header);
                sum.add(&from.octets());
                sum.add(&into.octets());
            }
            Addresses::V6([from, into]) => {
                // Version 6, no traffic class, no flow label (RFC 8200, 3).
                to.extend_from_slice(&[0x60, 0, 0, 0]);
                to.extend_from_slice(&udp_len.to_be_bytes());
                to.extend_from_slice(&[UDP, HOPS]);
                to.extend_from_slice(&from.octets());
                to.extend_from_slice(&into.octets());
                sum.add(&from.octets());
                sum.add(&into.octets());
            }
        }
        let [from, into] = self.ports;
        let [[a, b], [c, d], [e, f]] = [from, into, udp_len].map(u16::to_be_bytes);
        // The pseudo header has protocol and length besides the addresses (RFC 768; RFC 8200, 8.1).
        sum.add(&[0, UDP, e, f]);
        sum.add(&[a, b, c, d, e, f]);
        sum.add(payload);
        // 0 would say that there is none.
        let [g, h] = match sum.finish() {
            0 => [0xff, 0xff],
            sum => sum.to_be_bytes(),
        };
        to.extend_from_slice(&[a, b, c, d, e, f, g, h]);
        to.extend_from_slice(payload);
    }
}

/// Addresses and ports of the one who asked and the one who answered.
fn sides(message: &Message<'_>, ports: Ports) -> (Addresses, [u16; 2]) {
    let mapped = |address: IpAddr| match address {
        IpAddr::V4(four) => four.to_ipv6_mapped(),
        IpAddr::V6(sixteen) => sixteen,
    };
    let addresses = match (message.query_ip(), message.response_ip()) {
        (Some(IpAddr::V4(client)), Some(IpAddr::V4(server))) => Addresses::V4([client, server]),
        (Some(IpAddr::V4(client)), None) => Addresses::V4([client, SERVER_V4]),
        (None, Some(IpAddr::V4(server))) => Addresses::V4([CLIENT_V4, server]),
        (None, None) if message.socket_family != Some(crate::SocketFamily::Inet6) => {
            Addresses::V4([CLIENT_V4, SERVER_V4])
        }
        (client, server) => {
            Addresses::V6([client.map_or(CLIENT_V6, mapped), server.map_or(SERVER_V6, mapped)])
        }
    };
    let port = |port: Option<u32>| port.and_then(|port| u16::try_from(port).ok());
    let server = match ports {
        Ports::Dns => None,
        Ports::AsTold => port(message.response_port),
    };
    let client = port(message.query_port).unwrap_or(CLIENT_PORT);
    (addresses, [client, server.unwrap_or(DNS_PORT)])
}

/// RFC 791, 3.1; not to be fragmented, so that it needs no identification.
fn v4_header(from: Ipv4Addr, to: Ipv4Addr, udp_len: u16) -> [u8; 20] {
    let [l, m] = udp_len.saturating_add(V4_LEN).to_be_bytes();
    let ([a, b, c, d], [e, f, g, h]) = (from.octets(), to.octets());
    let header = |[x, y]: [u8; 2]| {
        [
            0x45, 0, l, m, 0, 0, 0x40, 0, HOPS, UDP, x, y, a, b, c, d, e, f, g, h,
        ]
    };
    let mut sum = Checksum::default();
    sum.add(&header([0, 0]));
    header(sum.finish().to_be_bytes())
}

/// The Internet checksum (RFC 1071), over parts of which all but the last have an even length.
#[derive(Debug, Default)]
struct Checksum(u64);

impl Checksum {
    fn add(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<2>();
        let words = words.iter().map(|word| u64::from(u16::from_be_bytes(*word)));
        self.0 += words.sum::<u64>();
        self.0 += rest.iter().map(|byte| u64::from(*byte) << 8).sum::<u64>();
    }

    fn finish(&self) -> u16 {
        let mut sum = self.0;
        while let Some(carry) = Some(sum >> 16).filter(|carry| *carry > 0) {
            sum = (sum & 0xffff) + carry;
        }
        !u16::try_from(sum).unwrap_or(u16::MAX)
    }
}

#[cfg(test)]
mod tests;
