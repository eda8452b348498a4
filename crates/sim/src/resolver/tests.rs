use std::collections::{BTreeMap, BTreeSet};

use dnstap_codec::dns::{Header, Question};
use dnstap_codec::{Dnstap, Message, MessageType};
use fstrm_codec::{Config, End, FileReader};

use super::*;

/// What one exchange is known by: address, port and DNS identifier.
fn key(message: &Message<'_>) -> (Vec<u8>, Option<u32>, u16) {
    let dns = Header::decode(message.dns_message().unwrap()).unwrap();
    (
        message.query_address.unwrap().to_vec(),
        message.query_port,
        dns.id,
    )
}

fn question(message: &Message<'_>) -> String {
    let dns = message.dns_message().unwrap();
    Question::decode(dns).unwrap().unwrap().to_string()
}

#[test]
fn each_response_comes_after_its_query_and_answers_it() {
    let payloads: Vec<_> = Resolver::seeded(1).take(4_000).collect();
    let mut open = BTreeMap::new();
    let mut matched = 0;
    for payload in &payloads {
        let message = Dnstap::decode(payload).unwrap().message.unwrap();
        if message.message_type.is_query() {
            open.insert(key(&message), message);
            continue;
        }
        let query = open.remove(&key(&message)).unwrap();
        assert_eq!(question(&query), question(&message));
        assert_eq!(query.query_time(), message.query_time());
        assert!(message.response_time() > message.query_time());
        matched += 1;
    }
    assert!(matched > 1_800, "{matched}");
}

#[test]
fn traffic_is_of_many_kinds() {
    let (mut kinds, mut types, mut codes, mut lengths) =
        (BTreeMap::new(), BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for payload in Resolver::seeded(2).take(10_000) {
        let message = Dnstap::decode(&payload).unwrap().message.unwrap();
        *kinds.entry(message.message_type.to_bits()).or_insert(0) += 1;
        let dns = message.dns_message().unwrap();
        types.insert(Question::decode(dns).unwrap().unwrap().qtype.0);
        codes.insert(Header::decode(dns).unwrap().rcode().to_bits());
        lengths.insert(message.query_address.unwrap().len());
    }
    assert_eq!(kinds.len(), 4);
    let count = |kind: MessageType| kinds.get(&kind.to_bits()).copied().unwrap_or(0);
    assert!(count(MessageType::ClientQuery) > 3 * count(MessageType::ResolverQuery));
    assert!(types.len() >= 8 && codes.len() == 4 && lengths.len() == 2);
}

#[test]
fn messages_come_in_the_order_of_time_at_the_rate_that_is_asked_for() {
    let mut resolver = Resolver::seeded(4)
        .gap(Duration::from_micros(200))
        .start(Duration::ZERO);
    let (mut last, mut queries) = (Duration::ZERO, 0);
    while resolver.next_time() < Duration::from_secs(1) {
        let at = resolver.next_time();
        assert!(at >= last);
        last = at;
        let payload = resolver.next().unwrap();
        let message = Dnstap::decode(&payload).unwrap().message.unwrap();
        queries += u32::from(message.message_type == MessageType::ClientQuery);
    }
    assert!((4_900..=5_100).contains(&queries), "{queries}");
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
