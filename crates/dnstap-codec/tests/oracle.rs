//! What we read is what prost reads.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]

mod schema;

use std::path::Path;

use dnstap_codec::{DecodeError, Dnstap};
use fstrm_codec::{Config, FileReader};
use proptest::prelude::*;

#[test]
fn prost_reads_the_same_of_every_capture() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/fstrm/dnstap");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "fstrm") {
            continue;
        }
        let mut reader = FileReader::open(&path, Config::new()).unwrap();
        while let Some(frame) = reader.next_frame().unwrap() {
            let ours = Dnstap::decode(frame).unwrap();
            assert_eq!(schema::same(&ours), schema::decode(frame).unwrap());
            count += 1;
        }
    }
    assert!(count > 50, "{count}");
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap());
    bytes
}

fn bytes_field(number: u64, content: &[u8]) -> Vec<u8> {
    [&varint(number << 3 | 2), &varint(content.len() as u64), content].concat()
}

fn number_field(number: u64, value: u64) -> Vec<u8> {
    [varint(number << 3), varint(value)].concat()
}

/// A number as long as its field, an enumeration's that nobody knows, or a negative one.
fn value() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..20_u64,
        any::<u32>().prop_map(u64::from),
        any::<i32>().prop_map(|number| i64::from(number) as u64)
    ]
}

/// Fields that no schema of ours has, of each kind; groups hold others, and groups.
fn unknown() -> impl Strategy<Value = Vec<u8>> {
    plain().prop_recursive(4, 16, 4, |inner| {
        (17..3000_u64, prop::collection::vec(inner, 0..4))
            .prop_map(|(number, fields)| group(number, &fields.concat()))
    })
}

fn group(number: u64, content: &[u8]) -> Vec<u8> {
    [&varint(number << 3 | 3), content, &varint(number << 3 | 4)].concat()
}

fn plain() -> impl Strategy<Value = Vec<u8>> {
    let number = 17..3000_u64;
    prop_oneof![
        (number.clone(), any::<u64>()).prop_map(|(number, value)| number_field(number, value)),
        (number.clone(), prop::collection::vec(any::<u8>(), 0..20))
            .prop_map(|(number, content)| bytes_field(number, &content)),
        (number.clone(), any::<[u8; 4]>()).prop_map(|(number, four)| [
            varint(number << 3 | 5),
            four.to_vec()
        ]
        .concat()),
        (number, any::<[u8; 8]>())
            .prop_map(|(number, eight)| [varint(number << 3 | 1), eight.to_vec()].concat()),
    ]
}

/// Fields in any order, repeated or missing: numbers, four bytes, bytes.
fn fields(
    numbers: &'static [u64],
    fixed: &'static [u64],
    bytes: &'static [u64],
    inner: BoxedStrategy<Vec<u8>>,
) -> impl Strategy<Value = Vec<u8>> {
    let number =
        (prop::sample::select(numbers), value()).prop_map(|(number, value)| number_field(number, value));
    let content = prop::collection::vec(any::<u8>(), 0..40);
    let text =
        (prop::sample::select(bytes), content).prop_map(|(number, content)| bytes_field(number, &content));
    let four = (
        prop::sample::select(if fixed.is_empty() { &[3000] } else { fixed }),
        any::<[u8; 4]>(),
    )
        .prop_map(|(number, four)| [varint(number << 3 | 5), four.to_vec()].concat());
    prop::collection::vec(
        prop_oneof![4 => number, 4 => text, 2 => four, 1 => unknown(), 2 => inner],
        0..20,
    )
    .prop_map(|fields| fields.concat())
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    let policy =
        fields(&[3, 4], &[], &[1, 2, 5], unknown().boxed()).prop_map(|policy| bytes_field(15, &policy));
    let message = fields(
        &[1, 2, 3, 6, 7, 8, 12, 16],
        &[9, 13],
        &[4, 5, 10, 11, 14],
        policy.boxed(),
    )
    .prop_map(|message| bytes_field(14, &[number_field(1, 5), message].concat()));
    fields(&[15], &[], &[1, 2, 3], message.boxed())
        .prop_map(|payload| [payload, number_field(15, 1)].concat())
}

#[test]
fn groups_are_passed_over_as_deep_as_prost_does() {
    let nested = |depth| (0..depth).fold(Vec::new(), |inner, _| group(20, &inner));
    let read = |fields: &[u8]| {
        let payload = [fields, &number_field(15, 1)].concat();
        assert_eq!(
            Dnstap::decode(&payload).is_ok(),
            schema::decode(&payload).is_ok(),
            "{fields:?}"
        );
        Dnstap::decode(&payload).map(drop)
    };
    assert!(read(&nested(100)).is_ok());
    let wrong = Err(DecodeError::WireType { field: 20 });
    assert_eq!(read(&nested(101)), wrong);
    assert_eq!(read(&varint(20 << 3 | 4)), wrong);
    let crossed = [varint(21 << 3 | 3), group(22, &varint(20 << 3 | 4))].concat();
    assert_eq!(read(&crossed), wrong);
    assert!(read(&varint(20 << 3 | 3)).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn prost_reads_the_same_of_any_order_repetition_and_unknown_fields(payload in payload()) {
        let ours = Dnstap::decode(&payload).unwrap();
        prop_assert_eq!(schema::same(&ours), schema::decode(&payload).unwrap());
        // And what we write, both read.
        let again = ours.encode();
        prop_assert_eq!(Dnstap::decode(&again), Ok(ours));
        prop_assert_eq!(schema::decode(&again).unwrap(), schema::same(&ours));
    }

    #[test]
    fn what_both_read_of_random_bytes_is_the_same(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        // prost refuses known fields of another kind, field 0 and numbers beyond 64 bits; we pass them over.
        if let (Ok(ours), Ok(theirs)) = (Dnstap::decode(&bytes), schema::decode(&bytes)) {
            prop_assert_eq!(schema::same(&ours), theirs);
        }
    }
}
