use alloc::string::String;
use alloc::vec::Vec;
use std::println;

use proptest::prelude::*;

use super::clock::Clock;
use super::svcb::Params;
use super::{Printer, Style, ink};
use crate::{Dnstap, Message, MessageType};

fn text(print: impl Fn(&mut Vec<u8>)) -> String {
    let mut to = Vec::new();
    print(&mut to);
    String::from_utf8(to).unwrap()
}

fn date(second: u64) -> String {
    let mut clock = Clock::default();
    let date = String::from_utf8(clock.date(second).to_vec()).unwrap();
    let time = String::from_utf8(clock.time(second).to_vec()).unwrap();
    alloc::format!("{date} {time}")
}

#[test]
fn numbers_have_their_digits_and_zeros_in_front() {
    for number in [0, 1, 9, 10, 99, 100, 101, 12_345, 999_999, 1_000_000, u64::MAX] {
        assert_eq!(text(|to| ink::digits(number, 1, to)), alloc::format!("{number}"));
        assert_eq!(
            text(|to| ink::digits(number, 9, to)),
            alloc::format!("{number:09}")
        );
    }
    assert_eq!(text(|to| ink::signed(i64::MIN, to)), "-9223372036854775808");
}

#[test]
fn leap_days_and_turns_of_centuries_have_their_dates() {
    for (second, expected) in [
        (0, "1970-01-01 00:00:00"),
        (951_782_399, "2000-02-28 23:59:59"),
        (951_782_400, "2000-02-29 00:00:00"),
        (1_709_164_800, "2024-02-29 00:00:00"),
        (4_107_542_399, "2100-02-28 23:59:59"),
        (4_107_542_400, "2100-03-01 00:00:00"),
        (253_402_300_799, "9999-12-31 23:59:59"),
        (253_402_300_800, "10000-01-01 00:00:00"),
    ] {
        assert_eq!(date(second), expected);
    }
    println!("{}", date(u64::MAX));
}

#[test]
fn a_clock_that_goes_back_tells_the_time_before() {
    let mut clock = Clock::default();
    for second in [951_782_400, 951_782_399, 86_399, 0, 951_782_400] {
        assert_eq!(clock.time(second), Clock::default().time(second));
        assert_eq!(clock.named(second), Clock::default().named(second));
    }
}

#[test]
fn json_leaves_out_what_is_not_wanted() {
    let message = Message {
        query_message: Some(b"\0\x01\x01\0\0\0\0\0\0\0\0\0"),
        ..Message::new(MessageType::ToolQuery)
    };
    let mut printer = Printer::new(Style::Json).json_text(false).json_hex(false);
    let mut line = Vec::new();
    printer.print(&Dnstap::new(message), &mut line);
    assert_eq!(
        String::from_utf8(line).unwrap(),
        concat!(
            r#"{"v":1,"type":"MESSAGE","message":{"type":"TOOL_QUERY","kind":"TQ","query_dns":{"id":1,"#,
            r#""qr":false,"opcode":"QUERY","rcode":"NOERROR","flags":["rd"],"question":[],"#,
            r#""answer":[],"authority":[],"additional":[]}}}"#,
            "\n"
        )
    );
}

proptest! {
    #[test]
    fn any_bytes_are_a_json_string(bytes: Vec<u8>) {
        let string = text(|to| ink::json_string(&bytes, to));
        let read: String = serde_json::from_str(&string).unwrap();
        prop_assert_eq!(read, String::from_utf8_lossy(&bytes).into_owned());
    }
}

fn params(bytes: &[u8]) -> Option<(String, String)> {
    let params = Params::decode(bytes)?;
    Some((text(|to| params.text(to)), text(|to| params.json(to))))
}

/// Checked against golang-dnstap, which shows the same, but for the keys 8 and 9.
#[test]
fn service_parameters_are_shown_by_name_and_escaped() {
    let all = [
        &[0, 0, 0, 4, 0, 1, 0, 2][..],
        &[
            0, 1, 0, 11, 2, b'h', b'2', 7, b'a', b',', b'b', b'\\', b'"', b' ', 0,
        ],
        &[0, 2, 0, 0],
        &[0, 3, 0, 2, 0x20, 0xfb],
        &[0, 4, 0, 8, 192, 0, 2, 1, 192, 0, 2, 2],
        &[0, 5, 0, 4, 0, 1, 2, 255],
        &[
            0, 6, 0, 16, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
        ],
        &[0, 7, 0, 6, b'/', b'q', b'{', b';', b'd', b'}'],
        &[0, 8, 0, 0],
        &[0, 9, 0, 2, 0, 29],
        &[0xff, 0x35, 0, 5, b'a', b' ', b'b', b'"', 0xff],
    ]
    .concat();
    let (text, json) = params(&all).unwrap();
    let wanted = [
        r#" mandatory="alpn,no-default-alpn" alpn="h2,a\\\044b\\\092\"\ \000" no-default-alpn="""#,
        r#" port="8443" ipv4hint="192.0.2.1,192.0.2.2" ech="AAEC/w==" ipv6hint="2001:db8::1""#,
        r#" dohpath="/q{\;d}" ohttp="" tls-supported-groups="29" key65333="a\ b\"\255""#,
    ];
    assert_eq!(text, wanted.concat());
    let object: serde_json::Value = serde_json::from_str(&alloc::format!("{{{json}}}")).unwrap();
    assert_eq!(object["mandatory"], "alpn,no-default-alpn");
    assert_eq!(object["key65333"], r#"a\ b\"\255"#);
    assert_eq!(object.as_object().unwrap().len(), 11);
    assert_eq!(params(&[]).unwrap(), (String::new(), String::new()));
}

#[test]
fn malformed_service_parameters_are_none() {
    for wrong in [
        &[0, 3, 0, 1, 9][..],
        &[0, 3, 0, 2, 1],
        &[0, 3, 0],
        &[0, 1, 0, 0],
        &[0, 1, 0, 2, 2, b'h'],
        &[0, 1, 0, 1, 0],
        &[0, 2, 0, 1, 0],
        &[0, 0, 0, 0],
        &[0, 4, 0, 3, 1, 2, 3],
        &[0, 6, 0, 4, 1, 2, 3, 4],
        // The same key again, and a smaller one: an object cannot have a key twice.
        &[0xff, 0, 0, 0, 0xff, 0, 0, 0],
        &[0, 2, 0, 0, 0, 1, 0, 2, 1, b'h'],
    ] {
        assert_eq!(params(wrong), None, "{wrong:?}");
    }
}

/// kdig stores microseconds where the schema has nanoseconds. Nobody can know from a message; it is shown as
/// what it says, as the other tools do.
#[test]
fn nanoseconds_are_what_the_schema_says_whoever_sent_them() {
    let message = Message {
        query_time_sec: Some(1_795_150_947),
        query_time_nsec: Some(995_759),
        ..Message::new(MessageType::ToolQuery)
    };
    let mut line = Vec::new();
    Printer::new(Style::Quiet).print(&Dnstap::new(message), &mut line);
    assert!(line.starts_with(b"05:02:27.000995 TQ "));
}
