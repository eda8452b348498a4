use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::{MessageType, SocketProtocol};

/// A DNS message that asks for AAAA of `name.test`.
fn dns(id: u16, flags: u16, name: &str) -> Vec<u8> {
    let mut bytes = [id, flags, 1, 0, 0, 0].map(u16::to_be_bytes).concat();
    bytes.push(u8::try_from(name.len()).unwrap());
    bytes.extend(name.bytes());
    bytes.extend(b"\x04test\0\0\x1c\0\x01");
    bytes
}

fn query<'a>(dns: &'a [u8], port: u32, millis: u64) -> Dnstap<'a> {
    Dnstap::new(Message {
        socket_protocol: Some(SocketProtocol::Udp),
        query_address: Some(&[192, 0, 2, 1]),
        query_port: Some(port),
        query_time_sec: Some(millis / 1000),
        query_time_nsec: Some(u32::try_from(millis % 1000 * 1_000_000).unwrap()),
        query_message: Some(dns),
        ..Message::new(MessageType::ClientQuery)
    })
}

fn response<'a>(dns: &'a [u8], port: u32, millis: u64) -> Dnstap<'a> {
    let asked = query(dns, port, millis).message.unwrap();
    Dnstap::new(Message {
        message_type: MessageType::ClientResponse,
        response_time_sec: asked.query_time_sec,
        response_time_nsec: asked.query_time_nsec,
        response_message: Some(dns),
        query_message: None,
        query_time_sec: None,
        query_time_nsec: None,
        ..asked
    })
}

fn counts(list: &[Count]) -> Vec<(&str, u64)> {
    list.iter()
        .map(|count| (count.name.as_str(), count.count))
        .collect()
}

#[test]
fn an_exchange_is_counted_once_and_its_latency_found() {
    let mut stats = Stats::new(Config::new());
    stats.handle_message(None, &query(&dns(7, 0x0100, "WwW"), 4000, 5_000));
    stats.handle_message(None, &response(&dns(7, 0x8183, "wWw"), 4000, 5_012));
    let snapshot = stats.snapshot(None, 5);
    assert_eq!(
        (snapshot.messages, snapshot.queries, snapshot.responses),
        (2, 1, 1)
    );
    assert_eq!(counts(&snapshot.qtypes), [("AAAA", 1)]);
    assert_eq!(counts(&snapshot.rcodes), [("NXDOMAIN", 1)]);
    assert_eq!(
        counts(&snapshot.kinds),
        [("CLIENT_QUERY", 1), ("CLIENT_RESPONSE", 1)]
    );
    assert_eq!(counts(&snapshot.protocols), [("UDP", 2)]);
    assert_eq!(counts(&snapshot.families), [("INET", 2)]);
    assert_eq!(snapshot.names[0].name, "www.test.");
    assert_eq!((snapshot.names[0].count, snapshot.clients[0].count), (1, 1));
    assert_eq!(snapshot.clients[0].name, "192.0.2.1");
    assert_eq!(snapshot.latency_max_ns, Some(12_000_000));
    assert_eq!(snapshot.latency_quantiles_ns[0], Some(12_000_000));
    assert_eq!((snapshot.outstanding, snapshot.latency_unknown), (0, 0));
}

#[test]
fn a_response_alone_counts_as_an_exchange_without_latency() {
    let mut stats = Stats::new(Config::new());
    stats.handle_message(None, &response(&dns(7, 0x8180, "a"), 4000, 5_000));
    let snapshot = stats.snapshot(None, 5);
    assert_eq!((snapshot.latencies, snapshot.latency_unknown), (0, 1));
    assert_eq!(snapshot.names[0].count, 1);
}

#[test]
fn a_response_with_both_times_needs_no_query() {
    let mut stats = Stats::new(Config::new().outstanding(0));
    let bytes = dns(7, 0x8180, "a");
    let message = Message {
        query_time_sec: Some(4),
        query_time_nsec: Some(500_000_000),
        ..response(&bytes, 4000, 5_000).message.unwrap()
    };
    stats.handle_message(None, &Dnstap::new(message));
    assert_eq!(stats.snapshot(None, 5).latency_min_ns, Some(500_000_000));
    let before = Message {
        query_time_sec: Some(6),
        ..message
    };
    stats.handle_message(None, &Dnstap::new(before));
    assert_eq!(stats.snapshot(None, 5).latency_negative, 1);
}

#[test]
fn queries_that_are_never_answered_take_bounded_room() {
    let mut stats = Stats::new(Config::new().outstanding(64));
    for id in 0..1000 {
        stats.handle_message(None, &query(&dns(id, 0x0100, "a"), 4000, u64::from(id)));
    }
    let snapshot = stats.snapshot(None, 5);
    assert!(snapshot.outstanding <= 64, "{}", snapshot.outstanding);
    assert_eq!(snapshot.outstanding + snapshot.outstanding_overflowed, 1000);
}

#[test]
fn rates_are_those_of_the_last_whole_seconds() {
    let mut stats = Stats::new(Config::new());
    let bytes = dns(1, 0x0100, "a");
    for second in 0..20_u64 {
        for part in 0..10 {
            stats.handle_message(None, &query(&bytes, 1, 100_000 + second * 1000 + part));
        }
    }
    assert_eq!(stats.rates().per_second(Some(120), 10), (10.0, 0.0));
    assert_eq!(stats.rates().per_second(None, 1), (10.0, 0.0));
    // Messages have come for 20 seconds.
    assert_eq!(stats.rates().per_second(Some(120), 60), (10.0, 0.0));
    assert_eq!(stats.rates().per_second(Some(130), 20), (5.0, 0.0));
    assert_eq!(stats.rates().per_second(Some(500), 60), (0.0, 0.0));
    let at = Timestamp { sec: 700, nsec: 0 };
    stats.handle_message(Some(at), &query(&bytes, 1, 100_000));
    assert_eq!(stats.rates().per_second(Some(701), 1), (1.0, 0.0));
}

#[test]
fn garbage_is_counted_and_stops_nothing() {
    let mut stats = Stats::new(Config::new());
    stats.handle_message(None, &query(b"\x01", 1, 0));
    stats.handle_message(None, &Dnstap::new(Message::new(MessageType::Unknown(-7))));
    stats.handle_unreadable();
    let snapshot = stats.snapshot(None, 5);
    assert_eq!((snapshot.malformed, snapshot.unreadable), (2, 1));
    assert_eq!(snapshot.untimed, 1);
    assert_eq!(counts(&snapshot.kinds), [("CLIENT_QUERY", 1), ("unknown", 1)]);
}

/// Whether the sketch's answers keep their promise for these keys.
fn check(sketch: &Sketch, keys: &[u8], capacity: u64) -> Result<(), TestCaseError> {
    let mut exact: BTreeMap<u8, u64> = BTreeMap::new();
    keys.iter().for_each(|key| *exact.entry(*key).or_default() += 1);
    let top = sketch.top(usize::MAX);
    for entry in &top {
        let truth = exact.get(&entry.key[0]).copied().unwrap_or(0);
        prop_assert!(
            entry.count >= truth && entry.count - entry.error <= truth,
            "{:?} {}",
            entry,
            truth
        );
    }
    for (key, truth) in exact {
        let is_there = top.iter().any(|entry| entry.key == [key]);
        prop_assert!(
            is_there || truth * capacity <= keys.len() as u64,
            "{} {}",
            key,
            truth
        );
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_sketch_is_wrong_by_no_more_than_it_says(
        keys in prop::collection::vec(0..40_u8, 0..400),
        capacity in 1..20_usize,
    ) {
        let mut sketch = Sketch::new(capacity);
        keys.iter().for_each(|key| sketch.add(&[*key]));
        check(&sketch, &keys, capacity as u64)?;
    }

    #[test]
    fn merged_sketches_are_wrong_by_no_more_than_they_say(
        keys in prop::collection::vec(0..40_u8, 0..400),
        capacity in 1..20_usize,
        cut in 0..400_usize,
    ) {
        let (first, second) = keys.split_at(cut.min(keys.len()));
        let [mut left, mut right] = [Sketch::new(capacity), Sketch::new(capacity)];
        first.iter().for_each(|key| left.add(&[*key]));
        second.iter().for_each(|key| right.add(&[*key]));
        left.merge(&right);
        check(&left, &keys, capacity as u64)?;
    }

    #[test]
    fn parts_merged_count_what_the_whole_counts(
        ids in prop::collection::vec(0..50_u16, 0..100),
        cut in 0..100_usize,
    ) {
        let mut whole = Stats::new(Config::new());
        let mut parts = [whole.clone(), whole.clone()];
        for (index, id) in ids.iter().enumerate() {
            let name: String = format!("n{}", id % 7);
            let bytes = dns(*id, 0x0100, &name);
            let message = query(&bytes, u32::from(*id), 50_000 + u64::from(*id) * 500);
            whole.handle_message(None, &message);
            parts[usize::from(index >= cut)].handle_message(None, &message);
        }
        let [mut merged, second] = parts;
        merged.merge(&second);
        let (mut whole, merged) = (whole.snapshot(None, 10), merged.snapshot(None, 10));
        // Each part keeps its own outstanding queries.
        whole.outstanding = merged.outstanding;
        prop_assert_eq!(whole, merged);
    }
}

#[test]
fn a_response_code_has_the_bits_of_edns() {
    let mut bytes = dns(7, 0x8180, "a");
    bytes[11] = 1;
    bytes.extend(b"\0\0\x29\x04\xd0\x01\0\0\0\0\0");
    let mut stats = Stats::new(Config::new());
    stats.handle_message(None, &response(&bytes, 4000, 5_000));
    let mut sum = stats.clone();
    sum.merge(&stats);
    assert_eq!(counts(&sum.snapshot(None, 5).rcodes), [("BADVERS", 2)]);
}

#[test]
fn a_resolver_that_asks_others_is_no_client() {
    let bytes = dns(7, 0x0100, "a");
    let mut stats = Stats::new(Config::new());
    for message_type in [
        MessageType::ResolverQuery,
        MessageType::ForwarderQuery,
        MessageType::AuthQuery,
    ] {
        let asked = query(&bytes, 4000, 5_000).message.unwrap();
        let message = Message {
            message_type,
            ..asked
        };
        stats.handle_message(None, &Dnstap::new(message));
    }
    let snapshot = stats.snapshot(None, 5);
    assert_eq!((snapshot.clients[0].count, snapshot.names[0].count), (1, 3));
}
