//! Numbers, hex and addresses into a buffer, without the cost of formatting.

use alloc::vec::Vec;
use core::net::IpAddr;
use std::io::Write as _;

/// The two decimals of each number below 100.
const PAIRS: &[u8; 200] = b"00010203040506070809101112131415161718192021222324252627282930313233343536373839\
40414243444546474849505152535455565758596061626364656667686970717273747576777879\
8081828384858687888990919293949596979899";

fn pair(number: u64) -> [u8; 2] {
    let at = usize::try_from(number % 100 * 2).unwrap_or(0);
    PAIRS
        .get(at..)
        .and_then(<[u8]>::first_chunk)
        .copied()
        .unwrap_or(*b"00")
}

/// A number in decimals.
pub(super) fn number(number: impl Into<u64>, to: &mut Vec<u8>) {
    digits(number.into(), 1, to);
}

/// A number in decimals, with zeros in front up to `width`, at most 20.
pub(super) fn digits(mut number: u64, width: usize, to: &mut Vec<u8>) {
    let mut text = [b'0'; 20];
    let mut used = 0;
    let mut places = text.rchunks_exact_mut(2);
    while number > 0 {
        let [tens, ones] = pair(number);
        let is_last = number < 10;
        number /= 100;
        if let Some([a, b]) = places.next() {
            (*a, *b) = (tens, ones);
        }
        used += if is_last { 1 } else { 2 };
    }
    let start = text.len().saturating_sub(used.max(width));
    to.extend_from_slice(text.get(start..).unwrap_or_default());
}

/// A number with its sign.
pub(super) fn signed(value: i64, to: &mut Vec<u8>) {
    if value < 0 {
        to.push(b'-');
    }
    number(value.unsigned_abs(), to);
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Bytes in lower case hex.
pub(super) fn hex(bytes: &[u8], to: &mut Vec<u8>) {
    let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'?');
    to.extend(
        bytes
            .iter()
            .flat_map(|byte| [digit(byte >> 4), digit(byte & 0x0f)]),
    );
}

/// A byte as a backslash and three decimals.
pub(super) fn decimal_escape(byte: u8, to: &mut Vec<u8>) {
    to.push(b'\\');
    digits(u64::from(byte), 3, to);
}

/// An address in its usual form.
pub(super) fn ip(ip: IpAddr, to: &mut Vec<u8>) {
    match ip {
        IpAddr::V4(four) => {
            let [a, b, c, d] = four.octets();
            number(a, to);
            for part in [b, c, d] {
                to.push(b'.');
                number(part, to);
            }
        }
        IpAddr::V6(sixteen) => show(sixteen, to),
    }
}

/// Anything that displays itself. Writing into a vector cannot fail.
pub(super) fn show(value: impl core::fmt::Display, to: &mut Vec<u8>) {
    let _ = write!(to, "{value}");
}

/// A string in JSON. Bytes that are no UTF-8 become U+FFFD.
pub(super) fn json_string(bytes: &[u8], to: &mut Vec<u8>) {
    to.push(b'"');
    for chunk in bytes.utf8_chunks() {
        json_escape(chunk.valid(), to);
        if !chunk.invalid().is_empty() {
            to.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    to.push(b'"');
}

/// The inside of a JSON string (RFC 8259, 7): runs that need no escape are copied whole.
fn json_escape(text: &str, to: &mut Vec<u8>) {
    let needs = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20 | 0x7f);
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(needs) {
        let (plain, special) = rest.split_at(at);
        to.extend_from_slice(plain);
        let Some((byte, behind)) = special.split_first() else {
            break;
        };
        match byte {
            b'"' | b'\\' => to.extend([b'\\', *byte]),
            b'\n' => to.extend_from_slice(b"\\n"),
            b'\r' => to.extend_from_slice(b"\\r"),
            b'\t' => to.extend_from_slice(b"\\t"),
            other => {
                to.extend_from_slice(b"\\u00");
                hex(&[*other], to);
            }
        }
        rest = behind;
    }
    to.extend_from_slice(rest);
}
