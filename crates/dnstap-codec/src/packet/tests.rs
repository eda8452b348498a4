use std::vec;
use std::vec::Vec;

use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::MessageType;

fn encoded(packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.encode(&mut bytes);
    bytes
}

/// The checksum of RFC 1071 over all words, which is 0 when one of them is the right checksum.
fn sum(bytes: &[u8]) -> u16 {
    let words = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap()
}

#[test]
fn a_query_is_a_packet_from_client_to_server() {
    let message = Message {
        query_address: Some(&[127, 0, 0, 1]),
        response_address: Some(&[127, 0, 0, 2]),
        query_port: Some(0x1234),
        response_port: Some(5301),
        query_message: Some(b"\x01\x02\x03"),
        ..Message::new(MessageType::ClientQuery)
    };
    let packet = Packet::query(&message, Ports::AsTold).unwrap();
    assert_eq!(
        encoded(&packet),
        [
            0x45, 0, 0, 31, 0, 0, 0x40, 0, 64, 17, 0x3c, 0xcb, 127, 0, 0, 1, 127, 0, 0, 2, // IPv4
            0x12, 0x34, 0x14, 0xb5, 0, 11, 0xd6, 0xe9, // UDP
            1, 2, 3
        ]
    );
    let packet = Packet::query(&message, Ports::Dns).unwrap();
    assert_eq!(encoded(&packet)[20..24], [0x12, 0x34, 0, 53]);
    assert_eq!(Packet::response(&message, Ports::Dns), None);
}

#[test]
fn a_response_goes_the_other_way() {
    let message = Message {
        query_address: Some(&[1; 16]),
        response_message: Some(b"\x01"),
        query_message: Some(b"\x02"),
        ..Message::new(MessageType::ClientResponse)
    };
    let packets: Vec<_> = Packet::of(&message, Ports::Dns).collect();
    assert_eq!(
        packets.iter().map(|packet| packet.is_query).collect::<Vec<_>>(),
        [true, false]
    );
    let bytes = encoded(&packets[1]);
    assert_eq!(bytes[..8], [0x60, 0, 0, 0, 0, 9, 17, 64]);
    assert_eq!(
        bytes[8..24],
        SERVER_V6.octets(),
        "missing, so one for documentation"
    );
    assert_eq!(bytes[24..40], [1; 16]);
    assert_eq!(bytes[40..46], [0, 53, 0xc3, 0x50, 0, 9]);
}

#[test]
fn a_message_beyond_what_udp_carries_is_cut() {
    let long = vec![0; 65_535];
    let message = Message {
        query_message: Some(&long),
        ..Message::new(MessageType::ClientQuery)
    };
    let packet = Packet::query(&message, Ports::Dns).unwrap();
    assert!(packet.is_cut());
    let bytes = encoded(&packet);
    assert_eq!(bytes.len(), 65_535);
    assert_eq!(bytes[2..4], [0xff, 0xff]);
}

fn address() -> impl Strategy<Value = Option<Vec<u8>>> {
    option::of(prop_oneof![
        any::<[u8; 4]>().prop_map(Vec::from),
        any::<[u8; 16]>().prop_map(Vec::from),
        any::<[u8; 4]>().prop_map(|four| [&[0; 10][..], &[0xff; 2], &four].concat()),
        prop::collection::vec(any::<u8>(), 0..20),
    ])
}

proptest! {
    #[test]
    fn lengths_and_checksums_are_right(
        client in address(),
        server in address(),
        ports in option::of(any::<[u32; 2]>()),
        payload: Vec<u8>,
        as_told: bool,
    ) {
        let message = Message {
            query_address: client.as_deref(),
            response_address: server.as_deref(),
            query_port: ports.map(|[port, _]| port % 70_000),
            response_port: ports.map(|[_, port]| port % 70_000),
            response_message: Some(&payload),
            ..Message::new(MessageType::ClientResponse)
        };
        let ports = if as_told { Ports::AsTold } else { Ports::Dns };
        let bytes = encoded(&Packet::response(&message, ports).unwrap());
        prop_assert!(bytes.ends_with(&payload));
        let (udp, pseudo) = if bytes[0] == 0x45 {
            prop_assert_eq!(sum(&bytes[..20]), 0);
            prop_assert_eq!(usize::from(bytes[2]) << 8 | usize::from(bytes[3]), bytes.len());
            (&bytes[20..], &bytes[12..20])
        } else {
            prop_assert_eq!(bytes[0], 0x60);
            prop_assert_eq!(usize::from(bytes[4]) << 8 | usize::from(bytes[5]), bytes.len() - 40);
            (&bytes[40..], &bytes[8..40])
        };
        prop_assert_eq!(usize::from(udp[4]) << 8 | usize::from(udp[5]), udp.len());
        let covered = [pseudo, &[0, 17, udp[4], udp[5]], udp].concat();
        prop_assert_eq!(sum(&covered), 0);
    }
}
