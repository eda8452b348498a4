//! Text in, items out.

use core::iter;
use std::format;
use std::string::{String, ToString};
use std::vec;

use proptest::prelude::*;

use super::*;

/// The items of `text` given in pieces, and what is left at its end.
fn items<'a>(mut codec: LineCodec, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Decoded> {
    let (mut source, mut items) = (BytesMut::new(), Vec::new());
    for piece in pieces {
        source.extend_from_slice(piece);
        while let Some(item) = codec.decode(&mut source).unwrap() {
            items.push(item);
        }
        assert!(source.is_empty(), "the codec takes all that it is given");
        assert!(
            codec.text.len() <= codec.max_text() + 2,
            "and keeps no more than a message"
        );
    }
    while let Some(item) = codec.decode_eof(&mut source).unwrap() {
        items.push(item);
    }
    items
}

fn strict(text: &[u8]) -> Vec<Decoded> {
    items(LineCodec::server(), [text])
}

fn tolerant(text: &[u8]) -> Vec<Decoded> {
    items(LineCodec::server().reading(Reading::Tolerant), [text])
}

fn message(bytes: &[u8]) -> Decoded {
    Decoded::Message(Bytes::copy_from_slice(bytes))
}

fn text_of(side: fn() -> LineCodec, message: &[u8]) -> String {
    let mut out = BytesMut::new();
    side().encode(Bytes::copy_from_slice(message), &mut out).unwrap();
    String::from_utf8(out.to_vec()).unwrap()
}

#[test]
fn a_server_writes_lines_in_upper_case_and_a_client_neither() {
    assert_eq!(text_of(LineCodec::server, &[0x0A, 0xF9]), "<0AF9>\n");
    assert_eq!(text_of(LineCodec::client, &[0x0A, 0xF9]), "<0af9>");
}

#[test]
fn what_cannot_be_a_message_is_not_written() {
    let mut out = BytesMut::new();
    let mut codec = LineCodec::client().max_len(2);
    let error = codec.encode(Bytes::new(), &mut out).unwrap_err();
    assert_eq!(error.to_string(), "an empty message cannot be sent");
    let error = codec.encode(Bytes::from_static(&[0; 3]), &mut out).unwrap_err();
    assert_eq!(error.to_string(), "a message of 3 bytes; at most 2 can be sent");
    assert!(out.is_empty());
}

#[test]
fn messages_may_follow_each_other_or_stand_on_lines() {
    let messages = [message(&[0xAA, 0xBB]), message(&[1])];
    assert_eq!(strict(b"<aAbB><01>"), messages);
    assert_eq!(strict(b"\n<AABB>\r\n\n<01>\n"), messages);
    assert_eq!(tolerant(b"<aAbB>\r\n<01>"), messages);
}

#[test]
fn strict_reading_reports_everything_else_and_goes_on() {
    let told = [
        (&b"<>"[..], Malformed::Empty),
        (b"<123>", Malformed::Odd { digits: 3 }),
        (b"<1z>", Malformed::NotHex { at: 1, byte: b'z' }),
        (b"<11 22>", Malformed::NotHex { at: 2, byte: b' ' }),
        (b"<12\n>", Malformed::NotHex { at: 2, byte: b'\n' }),
        (b"junk", Malformed::Stray { len: 4 }),
        (b">", Malformed::Stray { len: 1 }),
        (b"<1", Malformed::Unfinished { len: 1 }),
    ];
    for (text, reason) in told {
        let text = [text, b"<55>"].concat();
        assert_eq!(
            strict(&text),
            [Decoded::Malformed(reason), message(&[0x55])],
            "{}",
            text.escape_ascii()
        );
    }
}

#[test]
fn tolerant_reading_takes_a_bracket_for_a_character() {
    assert_eq!(tolerant(b"<1<22>"), [message(&[1, 0x22])]);
    assert_eq!(
        tolerant(b"<11<22>><33>"),
        [
            Decoded::Malformed(Malformed::Odd { digits: 5 }),
            Decoded::Malformed(Malformed::Stray { len: 1 }),
            message(&[0x33]),
        ]
    );
}

#[test]
fn text_that_is_too_long_is_told_once_and_skipped() {
    let longest = format!("<{}>", "AB".repeat(DEFAULT_MAX_LEN));
    let messages = [message(&[0xAB; DEFAULT_MAX_LEN])];
    assert_eq!(strict(longest.as_bytes()), messages);
    assert_eq!(tolerant(longest.as_bytes()), messages);

    let too_long = Decoded::Malformed(Malformed::TooLong { max: DEFAULT_MAX_LEN });
    for excess in [1, 2, 3, 12_000] {
        let text = format!("<{}{}><55>", "AB".repeat(DEFAULT_MAX_LEN), "A".repeat(excess));
        let items = [too_long.clone(), message(&[0x55])];
        assert_eq!(strict(text.as_bytes()), items, "{excess} more characters");
        assert_eq!(tolerant(text.as_bytes()), items, "{excess} more characters");
    }
}

/// The original sees that its buffer is full with the second character too many, whatever that is.
#[test]
fn a_bracket_in_the_place_where_text_is_too_long_is_lost_to_tolerant_reading_only() {
    let text = format!("<{}A<55><66>", "AB".repeat(DEFAULT_MAX_LEN));
    let too_long = Decoded::Malformed(Malformed::TooLong { max: DEFAULT_MAX_LEN });
    assert_eq!(tolerant(text.as_bytes()), [too_long.clone(), message(&[0x66])]);
    assert_eq!(
        strict(text.as_bytes()),
        [too_long, message(&[0x55]), message(&[0x66])]
    );
}

#[test]
fn endless_garbage_is_told_in_parts() {
    let text = vec![b'x'; 2 * MAX_STRAY + 3];
    let stray = |len| Decoded::Malformed(Malformed::Stray { len });
    assert_eq!(strict(&text), [stray(MAX_STRAY), stray(MAX_STRAY), stray(3)]);
}

/// Text in which the characters that matter come often.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let character = prop_oneof![
        4 => prop::sample::select(b"0123456789abcdefABCDEF".to_vec()),
        2 => prop::sample::select(b"<>\r\n +-xX".to_vec()),
        1 => any::<u8>(),
    ];
    prop::collection::vec(character, 0..200)
}

fn codec() -> impl Strategy<Value = LineCodec> {
    (any::<bool>(), 0..12usize).prop_map(|(tolerant, max)| {
        let reading = if tolerant {
            Reading::Tolerant
        } else {
            Reading::Strict
        };
        LineCodec::server().reading(reading).max_len(max)
    })
}

proptest! {
    #[test]
    fn any_cutting_of_the_text_gives_the_same_items(
        text in text(),
        codec in codec(),
        cuts in prop::collection::vec(1..9usize, 0..200),
    ) {
        let whole = items(codec.clone(), [text.as_slice()]);
        let mut rest = text.as_slice();
        let pieces = cuts.into_iter().chain(iter::repeat(usize::MAX)).map_while(|len| {
            let (piece, behind) = rest.split_at(len.min(rest.len()));
            rest = behind;
            (!piece.is_empty()).then_some(piece)
        });
        prop_assert_eq!(items(codec, pieces), whole);
    }

    #[test]
    fn what_is_written_is_read_back_by_both_readings(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8),
        is_server in any::<bool>(),
    ) {
        let side = if is_server { LineCodec::server } else { LineCodec::client };
        let text: String = messages.iter().map(|message| text_of(side, message)).collect();
        let expected: Vec<_> = messages.iter().map(|bytes| message(bytes)).collect();
        prop_assert_eq!(&strict(text.as_bytes()), &expected);
        prop_assert_eq!(&tolerant(text.as_bytes()), &expected);
    }

    /// What strict reading takes is a message to the original, too, unless a stray bracket opened one before.
    #[test]
    fn a_message_between_line_feeds_is_the_same_to_both_readings(
        bytes in prop::collection::vec(any::<u8>(), 1..40),
        before in "[^<]{0,20}",
    ) {
        let text = format!("{before}{}", text_of(LineCodec::server, &bytes));
        let found = |items: Vec<Decoded>| items.contains(&message(&bytes));
        prop_assert!(found(strict(text.as_bytes())));
        prop_assert!(found(tolerant(text.as_bytes())));
    }
}
