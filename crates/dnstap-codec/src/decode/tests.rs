use core::net::{IpAddr, Ipv4Addr};
use std::vec;
use std::vec::Vec;

use proptest::collection::vec as vec_of;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::{EncodeError, Timestamp};

#[test]
fn the_smallest_payload_is_its_type() {
    let dnstap = Dnstap::decode(&[0x78, 1]).unwrap();
    assert_eq!(dnstap.dnstap_type, DnstapType::Message);
    assert_eq!(dnstap.message, None);
    assert_eq!(dnstap.encode(), [0x78, 1]);
}

#[test]
fn a_payload_without_its_type_is_an_error() {
    assert_eq!(
        Dnstap::decode(b""),
        Err(DecodeError::Missing { field: "Dnstap.type" })
    );
    assert_eq!(
        Dnstap::decode(&[0x72, 0, 0x78, 1]),
        Err(DecodeError::Missing {
            field: "Message.type"
        })
    );
}

#[test]
fn unknown_numbers_survive() {
    let bytes = [
        0x72, 0x0c, 0x08, 99, 0x10, 77, 0x18, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x30, 7, 0x78, 2,
    ];
    let dnstap = Dnstap::decode(&bytes).unwrap();
    assert_eq!(dnstap.dnstap_type, DnstapType::Unknown(2));
    let message = dnstap.message.unwrap();
    assert_eq!(message.message_type, MessageType::Unknown(99));
    assert_eq!(message.message_type.mnemonic(), None);
    assert_eq!(message.socket_family, Some(SocketFamily::Unknown(77)));
    assert_eq!(message.socket_protocol, Some(SocketProtocol::Unknown(-1)));
}

#[test]
fn unknown_fields_and_known_ones_of_another_kind_are_passed_over() {
    let bytes = [
        &[0x0d, 1, 2, 3, 4][..],         // field 1 as fixed32
        &[0x11, 1, 2, 3, 4, 5, 6, 7, 8], // field 2 as fixed64
        &[0xa2, 0x06, 3, 1, 2, 3],       // field 100
        &[0x78, 1],
    ]
    .concat();
    let dnstap = Dnstap::decode(&bytes).unwrap();
    assert_eq!((dnstap.identity, dnstap.version), (None, None));
}

#[test]
fn a_length_beyond_the_payload_is_short() {
    assert_eq!(
        Dnstap::decode(&[0x0a, 5, b'a', b'b']),
        Err(DecodeError::Short { need: 5, got: 2 })
    );
    let endless = [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    assert!(matches!(
        Dnstap::decode(&endless),
        Err(DecodeError::Short { got: 0, .. })
    ));
    assert_eq!(Dnstap::decode(&[0xff; 11]), Err(DecodeError::Varint));
    for key in [0x0c, 0x0e, 0x0f] {
        assert_eq!(Dnstap::decode(&[key]), Err(DecodeError::WireType { field: 1 }));
    }
}

#[test]
fn the_length_of_an_address_decides_and_mapped_is_ipv4() {
    let mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1];
    let mut message = Message::new(MessageType::ClientQuery);
    message.socket_family = Some(SocketFamily::Inet);
    message.query_address = Some(&mapped);
    message.response_address = Some(&[1, 2, 3]);
    assert_eq!(message.query_ip(), Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))));
    assert_eq!(message.response_ip(), None);
}

#[test]
fn a_time_needs_its_seconds_only() {
    let mut message = Message::new(MessageType::ClientQuery);
    message.query_time_nsec = Some(5);
    message.response_time_sec = Some(7);
    assert_eq!(message.query_time(), None);
    assert_eq!(message.response_time(), Some(Timestamp { sec: 7, nsec: 0 }));
    assert_eq!(std::format!("{}", Timestamp { sec: 7, nsec: 42 }), "7.000000042");
}

#[test]
fn every_message_type_has_its_letters() {
    let letters: Vec<_> = (1..=14)
        .map(|bits| MessageType::from_bits(bits).mnemonic().unwrap())
        .collect();
    assert_eq!(
        letters,
        [
            "AQ", "AR", "RQ", "RR", "CQ", "CR", "FQ", "FR", "SQ", "SR", "TQ", "TR", "UQ", "UR"
        ]
    );
    for bits in 1..=14 {
        let kind = MessageType::from_bits(bits);
        assert_eq!(kind.to_bits(), bits);
        assert_eq!(kind.is_query(), kind.mnemonic().unwrap().ends_with('Q'));
    }
}

#[test]
fn a_buffer_that_is_too_small_is_left_alone() {
    let dnstap = Dnstap::new(Message::new(MessageType::ToolQuery));
    let mut buffer = [9; 5];
    assert_eq!(
        dnstap.encode_into(&mut buffer),
        Err(EncodeError::Short { need: 6, got: 5 })
    );
    assert_eq!(buffer, [9; 5]);
    let mut buffer = [9; 8];
    assert_eq!(dnstap.encode_into(&mut buffer), Ok(6));
    assert_eq!(buffer, [0x72, 2, 8, 11, 0x78, 1, 9, 9]);
}

/// The bytes that a message borrows, and its numbers.
#[derive(Clone, Debug)]
struct Owned {
    bytes: Vec<Option<Vec<u8>>>,
    numbers: Vec<Option<u32>>,
    enums: Vec<i32>,
    policy: bool,
}

impl Owned {
    fn dnstap(&self) -> Dnstap<'_> {
        let bytes = |index: usize| self.bytes[index].as_deref();
        let number = |index: usize| self.numbers[index];
        let policy = Policy {
            policy_type: bytes(0),
            rule: bytes(1),
            action: Some(PolicyAction::from_bits(self.enums[0])),
            matched: Some(PolicyMatch::from_bits(self.enums[1])),
            value: bytes(2),
        };
        Dnstap {
            identity: bytes(3),
            version: bytes(4),
            extra: bytes(5),
            message: Some(Message {
                message_type: MessageType::from_bits(self.enums[2]),
                socket_family: Some(SocketFamily::from_bits(self.enums[3])),
                socket_protocol: Some(SocketProtocol::from_bits(self.enums[4])),
                query_address: bytes(6),
                response_address: bytes(7),
                query_port: number(0),
                response_port: number(1),
                query_time_sec: number(2).map(|sec| u64::from(sec) << 20),
                query_time_nsec: number(3),
                query_message: bytes(8),
                query_zone: bytes(9),
                response_time_sec: number(4).map(u64::from),
                response_time_nsec: number(5),
                response_message: bytes(10),
                policy: self.policy.then_some(policy),
                http_protocol: Some(HttpProtocol::from_bits(self.enums[5])),
            }),
            dnstap_type: DnstapType::from_bits(self.enums[6]),
        }
    }
}

fn owned() -> impl Strategy<Value = Owned> {
    (
        vec_of(option::of(vec_of(any::<u8>(), 0..200)), 11),
        vec_of(option::of(any::<u32>()), 6),
        vec_of(prop_oneof![0..20, any::<i32>()], 7),
        any::<bool>(),
    )
        .prop_map(|(bytes, numbers, enums, policy)| Owned {
            bytes,
            numbers,
            enums,
            policy,
        })
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(owned in owned()) {
        let dnstap = owned.dnstap();
        let encoded = dnstap.encode();
        prop_assert_eq!(encoded.len(), dnstap.encoded_len());
        prop_assert_eq!(Dnstap::decode(&encoded), Ok(dnstap));
        let mut buffer = vec![0; encoded.len()];
        prop_assert_eq!(dnstap.encode_into(&mut buffer), Ok(encoded.len()));
        prop_assert_eq!(buffer, encoded);
    }

    #[test]
    fn no_bytes_panic(bytes in vec_of(any::<u8>(), 0..100)) {
        let _ = Dnstap::decode(&bytes);
    }

    #[test]
    fn no_damage_panics(
        owned in owned(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        lost in 0_usize..20,
    ) {
        let mut bytes = owned.dnstap().encode();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        bytes.truncate(bytes.len().saturating_sub(lost));
        if let Ok(dnstap) = Dnstap::decode(&bytes) {
            let again = dnstap.encode();
            prop_assert_eq!(Dnstap::decode(&again), Ok(dnstap));
        }
    }
}
