use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::{Message, MessageType, Policy, PolicyAction, PolicyMatch};

const KEY: [u8; 16] = *b"0123456789abcdef";

fn changed(addresses: &Addresses, address: &[u8]) -> Vec<u8> {
    let mut address = address.to_vec();
    addresses.change(&mut address);
    address
}

/// A query with a client subnet of 192.0.2.0/24 and a cookie around it.
fn with_subnet(family: u8, bits: u8, address: &[u8]) -> Vec<u8> {
    let len = u8::try_from(4 + address.len()).unwrap();
    let options = [
        &[0, 10, 0, 2, 1, 2][..],
        &[0, 8, 0, len, 0, family, bits, 0],
        address,
        &[0, 10, 0, 2, 3, 4],
    ]
    .concat();
    let rdlen = u8::try_from(options.len()).unwrap();
    [
        &b"\x12\x34\x01\0\0\x01\0\0\0\0\0\x01\x01a\x04test\0\0\x01\0\x01"[..],
        &[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, rdlen],
        &options,
    ]
    .concat()
}

#[test]
fn addresses_are_cut_to_prefixes() {
    assert_eq!(changed(&Addresses::cut(), &[192, 0, 2, 77]), [192, 0, 2, 0]);
    assert_eq!(
        changed(&Addresses::cut_to(20, 0), &[1, 2, 255, 4]),
        [1, 2, 240, 0]
    );
    assert_eq!(changed(&Addresses::cut_to(255, 0), &[1, 2, 3, 4]), [1, 2, 3, 4]);
    assert_eq!(changed(&Addresses::cut_to(0, 0), &[1, 2, 3, 4]), [0; 4]);
    assert_eq!(
        changed(&Addresses::cut(), &[9; 16]),
        [&[9; 6][..], &[0; 10]].concat()
    );
    assert_eq!(changed(&Addresses::cut(), &[9; 5]), [0; 5]);
    let mapped = [&[0; 10][..], &[0xff, 0xff, 192, 0, 2, 77]].concat();
    assert_eq!(
        changed(&Addresses::cut(), &mapped)[10..],
        [0xff, 0xff, 192, 0, 2, 0]
    );
}

#[test]
fn a_key_gives_the_same_addresses_always() {
    let addresses = Addresses::keyed(KEY);
    let four = changed(&addresses, &[192, 0, 2, 77]);
    assert_ne!(four, [192, 0, 2, 77]);
    assert_eq!(four, changed(&Addresses::keyed(KEY), &[192, 0, 2, 77]));
    assert_ne!(four, changed(&Addresses::keyed([0; 16]), &[192, 0, 2, 77]));
    let mapped = [&[0; 10][..], &[0xff, 0xff, 192, 0, 2, 77]].concat();
    assert_eq!(changed(&addresses, &mapped), [&mapped[..12], &four].concat());
}

#[test]
fn client_subnets_keep_their_length_and_neighbours() {
    let dns = with_subnet(1, 24, &[192, 0, 2]);
    let message = Message {
        query_message: Some(&dns),
        ..Message::new(MessageType::ClientQuery)
    };
    let mut payload = Dnstap::new(message).encode();
    let report = Anonymizer::new(Addresses::cut_to(16, 48))
        .patch(&mut payload)
        .unwrap();
    assert_eq!(
        (report.client_subnets, report.addresses, report.unread),
        (1, 0, 0)
    );
    let told = Dnstap::decode(&payload)
        .unwrap()
        .message
        .unwrap()
        .query_message
        .unwrap();
    assert_eq!(told, with_subnet(1, 24, &[192, 0, 0]));

    // Under a key the subnet is the prefix of its addresses.
    let keyed = Addresses::keyed(KEY);
    let mut payload = Dnstap::new(message).encode();
    Anonymizer::new(keyed.clone()).patch(&mut payload).unwrap();
    let told = Dnstap::decode(&payload)
        .unwrap()
        .message
        .unwrap()
        .query_message
        .unwrap();
    assert_eq!(told, with_subnet(1, 24, &changed(&keyed, &[192, 0, 2, 9])[..3]));

    let mut payload = Dnstap::new(message).encode();
    let untouched = payload.clone();
    Anonymizer::new(Addresses::cut_to(0, 0))
        .client_subnet(false)
        .patch(&mut payload)
        .unwrap();
    assert_eq!(payload, untouched);
}

#[test]
fn a_malformed_dns_message_is_counted_and_its_neighbours_changed() {
    let dns = &with_subnet(1, 24, &[192, 0, 2])[..40];
    let message = Message {
        query_address: Some(&[1, 2, 3, 4]),
        query_message: Some(dns),
        ..Message::new(MessageType::ClientQuery)
    };
    let mut payload = Dnstap::new(message).encode();
    let report = Anonymizer::new(Addresses::cut()).patch(&mut payload).unwrap();
    assert_eq!((report.addresses, report.unread), (1, 1));
}

#[test]
fn options_are_blanked_where_they_are_not_wanted() {
    let dns = with_subnet(1, 24, &[192, 0, 2]);
    let message = Message {
        query_message: Some(&dns),
        ..Message::new(MessageType::ClientQuery)
    };
    let told = |anonymizer: &Anonymizer| {
        let mut payload = Dnstap::new(message).encode();
        let report = anonymizer.patch(&mut payload).unwrap();
        let told = Dnstap::decode(&payload).unwrap().message.unwrap();
        (
            report.options,
            report.client_subnets,
            told.query_message.unwrap().to_vec(),
        )
    };
    let anonymizer = Anonymizer::new(Addresses::cut()).without_options(true);
    let mut blank = dns.clone();
    let end = blank.len();
    blank[end - 2..].fill(0);
    blank[end - 2 - 4 - 7 - 4 - 2..][..2].fill(0);
    assert_eq!(told(&anonymizer), (2, 1, blank.clone()));
    assert_eq!(told(&anonymizer.client_subnet(false)), (2, 0, blank));
    assert_eq!(told(&Anonymizer::new(Addresses::cut())), (0, 1, dns.clone()));
}

#[test]
fn bytes_that_no_count_covers_are_told() {
    let mut dns = with_subnet(1, 24, &[192, 0, 2]);
    // The OPT record is there, and its count says that it is not.
    dns[11] = 0;
    let message = Message {
        query_message: Some(&dns),
        ..Message::new(MessageType::ClientQuery)
    };
    let mut payload = Dnstap::new(message).encode();
    let report = Anonymizer::new(Addresses::cut()).patch(&mut payload).unwrap();
    assert_eq!((report.client_subnets, report.unread), (0, 1));
}

#[test]
fn a_subnet_of_no_known_form_becomes_zeros() {
    for (family, address) in [(1, &[7; 9][..]), (2, &[7; 20]), (9, &[7; 17])] {
        let dns = with_subnet(family, 24, address);
        let message = Message {
            response_message: Some(&dns),
            ..Message::new(MessageType::ClientResponse)
        };
        let mut payload = Dnstap::new(message).encode();
        Anonymizer::new(Addresses::cut()).patch(&mut payload).unwrap();
        let told = Dnstap::decode(&payload)
            .unwrap()
            .message
            .unwrap()
            .response_message
            .unwrap();
        assert_eq!(told, with_subnet(family, 24, &vec![0; address.len()]));
    }
}

#[test]
fn every_occurrence_is_changed_and_the_rest_is_left_alone() {
    // Type, an address, an unknown field, the address again, the response's address; twice, as a message may
    // be.
    let inner =
        b"\x08\x05\x22\x04\x01\x02\x03\x04\xa2\x06\x01\xff\x22\x04\x05\x06\x07\x08\x2a\x04\x09\x09\x09\x09";
    let mut payload = [&[0x78, 1, 0x72, 24][..], inner, &[0x72, 24], inner].concat();
    let report = Anonymizer::new(Addresses::cut_to(8, 8))
        .patch(&mut payload)
        .unwrap();
    assert_eq!(report.addresses, 4);
    let inner = b"\x08\x05\x22\x04\x01\0\0\0\xa2\x06\x01\xff\x22\x04\x05\0\0\0\x2a\x04\x09\x09\x09\x09";
    assert_eq!(
        payload,
        [&[0x78, 1, 0x72, 24][..], inner, &[0x72, 24], inner].concat()
    );
    Anonymizer::new(Addresses::cut_to(8, 8))
        .sides(Sides::Both)
        .patch(&mut payload)
        .unwrap();
    assert_eq!(payload[payload.len() - 4..], [9, 0, 0, 0]);
}

#[test]
fn what_is_left_out_is_gone() {
    let message = Message {
        query_address: Some(&[1, 2, 3, 4]),
        query_port: Some(4000),
        response_port: Some(53),
        policy: Some(Policy {
            matched: Some(PolicyMatch::ClientIp),
            action: Some(PolicyAction::Drop),
            value: Some(&[1, 2, 3, 4]),
            ..Policy::default()
        }),
        ..Message::new(MessageType::ClientQuery)
    };
    let dnstap = Dnstap {
        identity: Some(b"ns1"),
        ..Dnstap::new(message)
    };
    let anonymizer = Anonymizer::new(Addresses::cut())
        .without_ports(true)
        .without_identity(true);
    let mut to = b"before".to_vec();
    let report = anonymizer.apply(&dnstap.encode(), &mut to).unwrap();
    assert_eq!(report.addresses, 2);
    let told = Dnstap::decode(to.strip_prefix(b"before").unwrap()).unwrap();
    let message = told.message.unwrap();
    assert_eq!(
        (told.identity, message.query_port, message.response_port),
        (None, None, None)
    );
    assert_eq!(message.policy.unwrap().value, Some(&[1, 2, 3, 0][..]));
    assert!(anonymizer.apply(b"\xff", &mut to).is_err());
}

fn common(a: u128, b: u128) -> u32 {
    (a ^ b).leading_zeros()
}

proptest! {
    #[test]
    fn prefixes_are_preserved_and_nothing_more(
        a: [u8; 16],
        b: [u8; 16],
        shared in 0..128_u32,
        key: [u8; 16],
    ) {
        let mask = u128::MAX >> shared;
        let (a, b) = (u128::from_be_bytes(a), u128::from_be_bytes(b));
        let b = a & !mask | b & mask;
        let keyed = Keyed::new(key);
        let [x, y] = [a, b].map(|address| u128::from_be_bytes(keyed.v6(address.to_be_bytes())));
        prop_assert_eq!(common(x, y), common(a, b));
    }

    #[test]
    fn no_two_v4_addresses_become_one(a: [u8; 4], b: [u8; 4], key: [u8; 16]) {
        let keyed = Keyed::new(key);
        let [x, y] = [a, b].map(|address| u32::from_be_bytes(keyed.v4(address)));
        let [a, b] = [a, b].map(u32::from_be_bytes);
        prop_assert_eq!((a ^ b).leading_zeros(), (x ^ y).leading_zeros());
    }

    #[test]
    fn no_bytes_panic(mut bytes: Vec<u8>, dns: Vec<u8>) {
        let anonymizer = Anonymizer::new(Addresses::cut()).sides(Sides::Both);
        let _ = anonymizer.patch(&mut bytes);
        let message = Message { query_message: Some(&dns), ..Message::new(MessageType::ClientQuery) };
        let mut payload = Dnstap::new(message).encode();
        let len = payload.len();
        prop_assert!(anonymizer.patch(&mut payload).is_ok());
        prop_assert_eq!(payload.len(), len);
    }
}
