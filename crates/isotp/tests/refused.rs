//! All that is refused: parameters out of range, messages that cannot be sent, endpoints that would clash.
//!
//! What has a type of its own cannot be built; what is computed gives an error that names the value, the
//! range and the unit. Nothing of it lets a frame leave.
#![cfg(feature = "alloc")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]

use core::fmt;
use core::time::Duration;

use bytes::Bytes;
use can_link::frame::Dlc;
use can_link::{ExtendedId, StandardId};
use isotp::{
    Address, BytesChannel, Config, DataLink, Endpoints, RateLimit, Responders, Role, SendError,
    SequenceNumber, StMin, TxAddress, TxDl,
};
use tinwire_time::Instant;

const NOW: Instant = Instant::ZERO;

fn id(raw: u16) -> StandardId {
    StandardId::new(raw).unwrap()
}

fn address() -> Address {
    Address::normal(id(0x7E0), id(0x7E8)).unwrap()
}

/// The words of an error, which there must be.
#[track_caller]
fn refused<T: fmt::Debug>(result: Result<T, impl fmt::Display>) -> String {
    match result {
        Ok(value) => panic!("{value:?} was built"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_value_out_of_the_range_of_its_type_cannot_be_built() {
    for raw in [0x800, 0xFFFF] {
        assert_eq!(StandardId::new(raw), None);
    }
    for raw in [0x2000_0000, u32::MAX] {
        assert_eq!(ExtendedId::new(raw), None);
    }
    for bits in (0x80..=0xF0).chain(0xFA..=0xFF) {
        assert_eq!(StMin::from_bits(bits), None);
    }
    for millis in 128..=255 {
        assert_eq!(StMin::from_millis(millis), None);
    }
    for len in (0..8).chain([9, 11, 13, 63, 65, 1000]) {
        assert_eq!(TxDl::new(len), None);
    }
    for len in [9, 10, 63] {
        assert_eq!(Dlc::exact(len), None);
    }
    for number in 16..=255 {
        assert_eq!(SequenceNumber::new(number), None);
    }
}

#[test]
fn an_error_names_the_value_the_range_and_the_unit() {
    let millis = Duration::from_millis;
    let rows = [
        (
            refused(TxDl::try_from(9usize)),
            "TX_DL of 9 bytes; 8, 12, 16, 20, 24, 32, 48 or 64 bytes are possible",
        ),
        (
            refused(StMin::try_from(0xF0u8)),
            "STmin 0xf0 is reserved; 0x00 to 0x7f (ms) and 0xf1 to 0xf9 (100 us) are possible",
        ),
        (
            refused(StMin::try_from(millis(128))),
            "STmin of 128000 us; 0 to 127000 us are possible",
        ),
        (
            refused(RateLimit::new(100, millis(200))),
            "a rate limit of 100 bit/s; 320 to 500000000 bit/s are possible",
        ),
        (
            refused(RateLimit::new(500_000_001, millis(200))),
            "a rate limit of 500000001 bit/s; 320 to 500000000 bit/s are possible",
        ),
        (
            refused(RateLimit::new(64_000, Duration::ZERO)),
            "a window of 0 us; 1000 to 60000000 us are possible",
        ),
        (
            refused(RateLimit::new(64_000, Duration::from_secs(61))),
            "a window of 61000000 us; 1000 to 60000000 us are possible",
        ),
    ];
    for (got, expected) in rows {
        assert_eq!(got, expected);
    }
}

#[test]
fn an_address_that_answers_itself_is_refused() {
    let extended = |raw| ExtendedId::new(raw).unwrap();
    let rows = [
        refused(Address::normal(id(0x123), id(0x123))),
        refused(Address::normal(extended(0x123), extended(0x123))),
        refused(Address::extended(id(0x123), id(0x123), 1, 2)),
        refused(Address::mixed(id(0x123), id(0x123), 9)),
        refused(Address::normal_fixed(0x11, 0x11)),
        refused(Address::mixed_fixed(0x11, 0x11, 9)),
    ];
    for text in rows {
        assert!(
            text.starts_with("both directions have the CAN identifier"),
            "{text}"
        );
    }
    // The same number in two formats is two identifiers.
    assert!(Address::normal(id(0x123), extended(0x123)).is_ok());
}

#[test]
fn a_rule_for_responders_that_makes_no_sense_is_refused() {
    let rows = [
        (
            refused(Responders::offset(id(0x7EF)..=id(0x7E8), -8)),
            "is no range of CAN identifiers",
        ),
        (
            refused(Responders::offset(id(0x7E8)..=id(0x7EF), 0)),
            "plus 0 is no other CAN identifier",
        ),
        (
            refused(Responders::offset(id(0x7F8)..=id(0x7FF), 8)),
            "plus 8 is no other CAN identifier",
        ),
        (
            refused(Responders::offset(id(0x000)..=id(0x007), -8)),
            "plus -8 is no other CAN identifier",
        ),
        (
            refused(Responders::list([address(), address()])),
            "two responders in one list are received by",
        ),
    ];
    for (got, part) in rows {
        assert!(got.contains(part), "{got}");
    }
}

#[test]
fn endpoints_that_would_acknowledge_the_same_frames_are_refused() {
    let mut endpoints = Endpoints::with_limit(3);
    endpoints.insert(address(), Config::default()).unwrap();
    let other = Address::normal(id(0x700), id(0x7E8)).unwrap();
    let with_byte = Address::extended(id(0x700), id(0x7E8), 1, 2).unwrap();
    let requests = TxAddress::normal(id(0x7DF));
    let rows = [
        refused(endpoints.insert(other, Config::default())),
        refused(endpoints.insert(with_byte, Config::default())),
        refused(endpoints.insert_group(requests, Responders::legislated(), Config::default())),
    ];
    for text in rows {
        assert!(text.starts_with("CAN identifier 7E8"), "{text}");
        assert!(text.contains("is received by endpoint 0.0 already"), "{text}");
    }
    for rx in [0x100, 0x101] {
        endpoints
            .insert(Address::normal(id(0x200), id(rx)).unwrap(), Config::default())
            .unwrap();
    }
    let more = Address::normal(id(0x200), id(0x102)).unwrap();
    assert_eq!(
        refused(endpoints.insert(more, Config::default())),
        "there are 3 endpoints, which is the limit"
    );
    assert_eq!(endpoints.poll_transmit(NOW), None);
}

/// A message that is refused by a channel of this configuration.
fn send(config: Config, target: isotp::Target, len: usize) -> SendError {
    let mut channel = BytesChannel::new(address(), config);
    let message = Bytes::from(vec![0; len]);
    let error = match target {
        isotp::Target::Physical => channel.send(NOW, message),
        isotp::Target::Functional => channel.send_functional(NOW, message),
    };
    assert_eq!(channel.poll_transmit(NOW), None, "a frame left");
    assert!(channel.poll_event().is_none() && channel.poll_timeout().is_none());
    assert!(channel.can_send());
    error.unwrap_err()
}

#[test]
fn a_message_that_cannot_be_sent_is_refused_before_any_frame_leaves() {
    use isotp::Target::{Functional, Physical};
    let classic = Config::default();
    let fd = classic.data_link(DataLink::fd());
    let listener = classic.role(Role::Listener);
    let rows = [
        (classic, Physical, 0, "an empty message cannot be sent"),
        (classic, Functional, 0, "an empty message cannot be sent"),
        (
            classic,
            Functional,
            8,
            "a functional message of 8 bytes; at most 7 fit a single frame",
        ),
        (
            fd,
            Functional,
            63,
            "a functional message of 63 bytes; at most 62 fit a single frame",
        ),
        (listener, Physical, 1, "a listener does not send"),
    ];
    for (config, target, len, text) in rows {
        assert_eq!(send(config, target, len).to_string(), text);
    }
}

#[test]
fn a_second_message_is_refused_while_one_is_under_way_and_does_not_disturb_it() {
    let mut channel = BytesChannel::new(address(), Config::default());
    channel.send(NOW, Bytes::from_static(&[1, 2, 3])).unwrap();
    let second = channel.send(NOW, Bytes::from_static(&[4]));
    assert_eq!(second, Err(SendError::Busy));
    let frame = channel.poll_transmit(NOW).unwrap();
    assert_eq!(frame.payload().get(..4), Some(&[3, 1, 2, 3][..]));
    assert_eq!(channel.poll_transmit(NOW), None);
}

#[cfg(feature = "tokio")]
#[test]
fn a_message_too_long_for_a_server_is_refused_before_a_byte_is_written() {
    use isotp::isotpserver::LineCodec;
    use tokio_util::codec::Encoder as _;
    let mut written = bytes::BytesMut::new();
    for (len, text) in [
        (0, "an empty message cannot be sent"),
        (6001, "a message of 6001 bytes; at most 6000 can be sent"),
    ] {
        let result = LineCodec::client().encode(Bytes::from(vec![0; len]), &mut written);
        assert_eq!(refused(result), text);
        assert!(written.is_empty());
    }
}
