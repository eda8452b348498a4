//! Hex text as the original reads it: with `sscanf("%2hhx")`, once for every two characters.

use alloc::vec::Vec;

use bytes::Bytes;

use super::Malformed;

/// The bytes of what stood between the brackets.
///
/// An even number of characters is needed, whatever they are. Each byte is read at its own pair of
/// characters, but reading skips white space and so may use characters behind the pair: `11  22` is 11 22 22.
/// Up to two characters count: a sign and a digit (`-1` is FF), `0x` (00), two digits, or one digit before
/// anything else (`1z` is 01).
///
/// Where the original finds a NUL it takes the text to end there, brackets included in its count, and beyond
/// that end it sends what its memory held before; that message is refused here.
pub(super) fn parse(text: &[u8]) -> Result<Bytes, Malformed> {
    let nul = text.iter().position(|&byte| byte == 0);
    // The length that the original tests has both brackets in it, or the first one only.
    let (text, brackets) = match nul {
        Some(end) => (text.get(..end).unwrap_or_default(), 1),
        None => (text, 2),
    };
    let length = text.len() + brackets;
    if length < 4 && length.is_multiple_of(2) {
        return Err(Malformed::Empty);
    }
    if length < 4 || !length.is_multiple_of(2) {
        return Err(Malformed::Odd { digits: text.len() });
    }
    let count = (length - 2) / 2;
    let mut message = Vec::with_capacity(count);
    // Pairs only move forward, so white space is skipped once however many pairs begin in it.
    let mut start = 0;
    for at in (0..count).map(|index| index * 2) {
        start = start.max(at);
        let rest = text.get(start..).unwrap_or_default();
        start += rest.iter().take_while(|&&byte| is_space(byte)).count();
        let byte = number(text.get(start..).unwrap_or_default());
        message.push(byte.ok_or(Malformed::NoDigit { at })?);
    }
    Ok(message.into())
}

/// White space of the C locale, which has one character more than ASCII white space in Rust.
const fn is_space(byte: u8) -> bool {
    matches!(byte, b'\t'..=b'\r' | b' ')
}

/// What `%2hhx` makes of the beginning of `text`.
fn number(text: &[u8]) -> Option<u8> {
    let mut characters = text.iter().copied();
    let (first, second) = (characters.next()?, characters.next());
    let second_digit = second.and_then(digit);
    match (first, second) {
        (b'+', _) => second_digit,
        (b'-', _) => second_digit.map(u8::wrapping_neg),
        (b'0', Some(b'x' | b'X')) => Some(0),
        _ => {
            let first = digit(first)?;
            Some(second_digit.map_or(first, |second| first << 4 | second))
        }
    }
}

/// The value of a hex digit, in either case.
pub(super) const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn reads(text: &[u8], bytes: &[u8]) {
        assert_eq!(parse(text).as_deref(), Ok(bytes), "{}", text.escape_ascii());
    }

    #[test]
    fn every_two_characters_are_read_as_sscanf_would() {
        reads(b"aAbB", &[0xAA, 0xBB]);
        reads(b"1z", &[1]);
        reads(b"0x11", &[0, 0x11]);
        reads(b"0X", &[0]);
        reads(b"+1-1", &[1, 0xFF]);
        reads(b"-f-0", &[0xF1, 0]);
        reads(b"1<22", &[1, 0x22]);
    }

    #[test]
    fn white_space_makes_a_pair_reach_behind_itself() {
        reads(b"11  22", &[0x11, 0x22, 0x22]);
        reads(b"11 2", &[0x11, 2]);
        reads(b"\t\x0B\x0C\r\n1", &[1, 1, 1]);
        assert_eq!(parse(b"11  "), Err(Malformed::NoDigit { at: 2 }));
    }

    #[test]
    fn a_pair_that_begins_with_anything_else_ends_the_message() {
        assert_eq!(parse(b"zz"), Err(Malformed::NoDigit { at: 0 }));
        assert_eq!(parse(b"11z1"), Err(Malformed::NoDigit { at: 2 }));
        assert_eq!(parse(b"+-"), Err(Malformed::NoDigit { at: 0 }));
        assert_eq!(parse(b""), Err(Malformed::Empty));
        assert_eq!(parse(b"1"), Err(Malformed::Odd { digits: 1 }));
        assert_eq!(parse(b"11 22"), Err(Malformed::Odd { digits: 5 }));
    }

    #[test]
    fn text_ends_at_a_nul_which_stands_for_the_bracket() {
        reads(b"111\0zz", &[0x11]);
        assert_eq!(parse(b"11\0"), Err(Malformed::Odd { digits: 2 }));
        assert_eq!(parse(b"1\0"), Err(Malformed::Empty));
        assert_eq!(parse(b"   \0"), Err(Malformed::NoDigit { at: 0 }));
    }

    #[test]
    fn a_message_of_white_space_is_read_in_one_pass() {
        let mut text = [b' '; 12_000];
        *text.last_mut().unwrap() = b'1';
        assert_eq!(parse(&text).unwrap(), [1; 6000].as_slice());
    }
}
