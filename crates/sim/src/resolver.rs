//! A DNS resolver's dnstap: a recorded capture, and made-up traffic that a seed decides.

use core::time::Duration;
use std::vec::Vec;

use dnstap_codec::{CONTENT_TYPE, Dnstap, Message, MessageType, SocketFamily, SocketProtocol};
use fstrm_codec::ContentType;
use fstrm_codec::FileWriter;
use fstrm_codec::file::WriteError;

use crate::random::Random;

/// 20 dnstap messages in Frame Streams, recorded from unbound 1.17.1 while it answered local queries.
pub const CAPTURE: &[u8] = include_bytes!("../data/unbound.fstrm");

/// 2026-01-01 00:00:00 UTC, when the made-up traffic begins.
const START: u64 = 1_767_225_600;
const NAMES: [&str; 6] = [
    "example.org",
    "www.example.org",
    "mail.example.com",
    "tinwire.example",
    "ns1.example.net",
    "nowhere.invalid",
];
/// A, AAAA, MX, TXT, NS.
const TYPES: [u16; 5] = [1, 28, 15, 16, 2];
const NOERROR: u8 = 0;
const NXDOMAIN: u8 = 3;

/// Made-up client traffic: pairs of client query and client response, payloads of Frame Streams data frames.
///
/// ```
/// use tinwire_sim::resolver::Resolver;
///
/// let first: Vec<_> = Resolver::seeded(7).take(4).collect();
/// let again: Vec<_> = Resolver::seeded(7).take(4).collect();
/// assert_eq!(first, again, "the same seed, the same traffic");
/// ```
#[derive(Clone, Debug)]
pub struct Resolver {
    random: Random,
    /// Since [`START`].
    now: Duration,
    gap: Duration,
    /// The response to the query that was given out last.
    pending: Option<Vec<u8>>,
}

impl Resolver {
    /// Traffic at 1,000 queries per second.
    #[must_use]
    pub const fn seeded(seed: u64) -> Self {
        Self {
            random: Random::seeded(seed),
            now: Duration::ZERO,
            gap: Duration::from_millis(1),
            pending: None,
        }
    }

    /// Sets the mean time between two queries. Default 1 ms.
    #[must_use]
    pub fn gap(self, gap: Duration) -> Self {
        Self { gap, ..self }
    }

    /// The next `count` messages as a capture file, from START to STOP.
    ///
    /// # Errors
    /// Never for made-up messages; the error is the writer's.
    pub fn capture(&mut self, count: usize) -> Result<Vec<u8>, WriteError> {
        let content_type = ContentType::from_static(CONTENT_TYPE);
        let mut writer = FileWriter::new(Vec::new(), content_type.as_ref())?;
        for payload in self.take(count) {
            writer.write_frame(&payload)?;
        }
        writer.finish()
    }

    fn exchange(&mut self) -> (Vec<u8>, Vec<u8>) {
        let id = self.random.next_u16();
        let name = self.random.pick(&NAMES);
        let qtype = self.random.pick(&TYPES);
        let client = [192, 0, 2, self.random.next_u8()];
        let port = 1024 + u32::from(self.random.next_u16() >> 1);
        let latency = Duration::from_micros(50 + u64::from(self.random.next_u16()));
        let rcode = if name.ends_with("invalid") {
            NXDOMAIN
        } else {
            NOERROR
        };
        let (query, response) = (
            dns(id, 0x0100, name, qtype),
            dns(id, 0x8180 | u16::from(rcode), name, qtype),
        );
        let asked = self.now;
        let mut message = Message::new(MessageType::ClientQuery);
        message.socket_family = Some(SocketFamily::Inet);
        message.socket_protocol = Some(SocketProtocol::Udp);
        message.query_address = Some(&client);
        message.query_port = Some(port);
        message.query_time_sec = Some(START + asked.as_secs());
        message.query_time_nsec = Some(asked.subsec_nanos());
        message.query_message = Some(&query);
        let first = identified(message).encode();

        let answered = asked + latency;
        message.message_type = MessageType::ClientResponse;
        message.query_message = None;
        message.response_time_sec = Some(START + answered.as_secs());
        message.response_time_nsec = Some(answered.subsec_nanos());
        message.response_message = Some(&response);
        let second = identified(message).encode();

        self.now += self.random.spread(self.gap);
        (first, second)
    }
}

impl Iterator for Resolver {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        if let Some(response) = self.pending.take() {
            return Some(response);
        }
        let (query, response) = self.exchange();
        self.pending = Some(response);
        Some(query)
    }
}

fn identified(message: Message<'_>) -> Dnstap<'_> {
    let mut dnstap = Dnstap::new(message);
    dnstap.identity = Some(b"sim");
    dnstap.version = Some(b"tinwire-sim");
    dnstap
}

/// A DNS message with one question and nothing else.
fn dns(id: u16, flags: u16, name: &str, qtype: u16) -> Vec<u8> {
    let mut message = Vec::new();
    for field in [id, flags, 1, 0, 0, 0] {
        message.extend_from_slice(&field.to_be_bytes());
    }
    for label in name.split('.') {
        message.push(u8::try_from(label.len()).unwrap_or_default());
        message.extend_from_slice(label.as_bytes());
    }
    message.push(0);
    message.extend_from_slice(&qtype.to_be_bytes());
    message.extend_from_slice(&1u16.to_be_bytes());
    message
}

#[cfg(test)]
mod tests {
    use dnstap_codec::dns::Question;
    use fstrm_codec::{Config, End, FileReader};

    use super::*;

    #[test]
    fn queries_and_responses_alternate_and_match() {
        let payloads: Vec<_> = Resolver::seeded(1).take(40).collect();
        for pair in payloads.chunks(2) {
            let [query, response] = pair else {
                panic!("an odd one");
            };
            let query = Dnstap::decode(query).unwrap().message.unwrap();
            let response = Dnstap::decode(response).unwrap().message.unwrap();
            assert_eq!(query.message_type, MessageType::ClientQuery);
            assert_eq!(response.message_type, MessageType::ClientResponse);
            assert!(response.response_time() > query.query_time());
            let question = |message: Message<'_>| {
                let dns = message.dns_message().unwrap();
                Question::decode(dns).unwrap().unwrap().to_string()
            };
            assert_eq!(question(query), question(response));
        }
    }

    #[test]
    fn another_seed_is_other_traffic() {
        let traffic = |seed| Resolver::seeded(seed).take(10).collect::<Vec<_>>();
        assert_ne!(traffic(1), traffic(2));
    }

    #[test]
    fn a_made_up_capture_is_a_sound_file() {
        let file = Resolver::seeded(3).capture(10).unwrap();
        let mut reader = FileReader::new(&file[..], Config::new()).unwrap();
        let mut count = 0;
        while reader.next_frame().unwrap().is_some() {
            count += 1;
        }
        assert_eq!((count, reader.end_of_stream()), (10, Some(End::Stop)));
        assert_eq!(reader.content_type().unwrap().as_bytes(), CONTENT_TYPE);
    }

    #[test]
    fn the_recorded_capture_is_what_its_description_says() {
        let mut reader = FileReader::new(CAPTURE, Config::new()).unwrap();
        let mut count = 0;
        while let Some(payload) = reader.next_frame().unwrap() {
            assert!(Dnstap::decode(payload).unwrap().message.is_some());
            count += 1;
        }
        assert_eq!(count, 20);
    }
}
