use std::string::ToString;
use std::vec::Vec;

use proptest::collection::vec as vec_of;
use proptest::prelude::*;

use super::*;

const QUERY: &[u8] = b"\x56\xb5\x01\x20\0\x01\0\0\0\0\0\x01\x07example\x03org\0\0\x1c\0\x01";

#[test]
fn a_query_says_what_it_asks() {
    let header = Header::decode(QUERY).unwrap();
    assert_eq!((header.id, header.opcode(), header.additionals), (0x56b5, 0, 1));
    assert!(!header.is_response());
    let question = Question::decode(QUERY).unwrap().unwrap();
    assert_eq!(question.to_string(), "AAAA example.org.");
    assert_eq!(question.class, 1);
}

#[test]
fn a_response_code_has_a_name() {
    let mut response = QUERY.to_vec();
    response[2] = 0xa8;
    response[3] = 0x83;
    let header = Header::decode(&response).unwrap();
    assert!(header.is_response());
    assert_eq!(
        (header.rcode().to_string(), header.opcode()),
        ("NXDOMAIN".into(), 5)
    );
    response[3] = 0x0f;
    assert_eq!(Header::decode(&response).unwrap().rcode().to_string(), "RCODE15");
}

#[test]
fn a_message_without_a_question_has_none() {
    assert_eq!(Question::decode(&[0; 12]), Ok(None));
}

#[test]
fn bytes_that_are_no_text_are_escaped() {
    let mut query = QUERY.to_vec();
    query[13..20].copy_from_slice(b"a.b\\\0\xff ");
    let question = Question::decode(&query).unwrap().unwrap();
    assert_eq!(question.name.to_string(), "a\\.b\\\\\\000\\255\\032.org.");
}

#[test]
fn the_root_is_a_dot_and_an_unnamed_type_a_number() {
    let query = [&QUERY[..12], b"\0\xff\x00\0\x01"].concat();
    assert_eq!(
        Question::decode(&query).unwrap().unwrap().to_string(),
        "TYPE65280 ."
    );
}

#[test]
fn a_pointer_that_goes_round_is_malformed() {
    let query = [&QUERY[..12], b"\x01a\xc0\x0c\0\x01\0\x01"].concat();
    assert_eq!(Question::decode(&query), Err(DnsError::Label));
}

#[test]
fn every_cut_of_a_query_is_short() {
    for len in 0..QUERY.len() {
        assert!(
            matches!(Question::decode(&QUERY[..len]), Err(DnsError::Short { .. })),
            "{len}"
        );
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in vec_of(any::<u8>(), 0..80)) {
        if let Ok(Some(question)) = Question::decode(&bytes) {
            let labels: Vec<_> = question.name.labels().collect();
            prop_assert!(labels.len() <= 127);
            question.to_string();
        }
    }
}
