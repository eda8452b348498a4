//! Words of an expression as values.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::str::FromStr;

use super::field::Number;
use crate::dns::{Class, Opcode, QType, Rcode};
use crate::{MessageType, PolicyAction, SocketProtocol};

/// Numbers that may have names in the schema; it has fewer.
const NAMED: core::ops::Range<i32> = 0..64;

/// A value of a field of numbers.
pub(super) fn number(field: Number, word: &str) -> Option<i64> {
    match field {
        Number::Kind => {
            let by_mnemonic = |bits: &i32| {
                let kind = MessageType::from_bits(*bits);
                [kind.mnemonic(), kind.name()]
                    .into_iter()
                    .flatten()
                    .any(|name| name.eq_ignore_ascii_case(word))
            };
            let named = NAMED.into_iter().find(by_mnemonic);
            named.map(i64::from).or_else(|| plain(word))
        }
        Number::Family => match word {
            "4" => Some(1),
            "6" => Some(2),
            _ if word.eq_ignore_ascii_case("INET") => Some(1),
            _ if word.eq_ignore_ascii_case("INET6") => Some(2),
            _ => None,
        },
        Number::Protocol => named(word, |bits| SocketProtocol::from_bits(bits).name()),
        Number::Policy => named(word, |bits| PolicyAction::from_bits(bits).name()),
        Number::QType => QType::from_str(word).ok().map(|qtype| i64::from(qtype.0)),
        Number::QClass => Class::from_str(word).ok().map(|class| i64::from(class.0)),
        Number::Opcode => Opcode::from_str(word).ok().map(|opcode| i64::from(opcode.0)),
        Number::Rcode => Rcode::from_str(word).ok().map(|rcode| i64::from(rcode.to_bits())),
        Number::Latency => nanoseconds(word),
        Number::QueryPort
        | Number::ResponsePort
        | Number::Id
        | Number::Size
        | Number::Answers
        | Number::Authorities
        | Number::Additionals => plain(word),
    }
}

fn named(word: &str, name: fn(i32) -> Option<&'static str>) -> Option<i64> {
    let is_it = |bits: &i32| name(*bits).is_some_and(|name| name.eq_ignore_ascii_case(word));
    NAMED
        .into_iter()
        .find(is_it)
        .map(i64::from)
        .or_else(|| plain(word))
}

fn plain(word: &str) -> Option<i64> {
    word.parse().ok()
}

/// A time with a unit, milliseconds without; at most nine decimals.
fn nanoseconds(word: &str) -> Option<i64> {
    let (sign, word) = word.strip_prefix('-').map_or((1, word), |word| (-1, word));
    let end = word.find(|letter: char| letter != '.' && !letter.is_ascii_digit());
    let (digits, unit) = word.split_at_checked(end.unwrap_or(word.len()))?;
    let scale: i64 = match unit {
        "ns" => 1,
        "us" | "µs" => 1_000,
        "ms" | "" => 1_000_000,
        "s" => 1_000_000_000,
        _ => return None,
    };
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, "0"));
    let places = u32::try_from(decimals.len())
        .ok()
        .filter(|places| (1..=9).contains(places))?;
    let part = decimals.parse::<i64>().ok()?.checked_mul(scale)? / 10_i64.pow(places);
    whole
        .parse::<i64>()
        .ok()?
        .checked_mul(scale)?
        .checked_add(part)?
        .checked_mul(sign)
}

/// A network, or a single address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    base: u128,
    /// Bits that are compared.
    mask: u128,
    is_v4: bool,
}

impl Network {
    pub(super) fn parse(word: &str) -> Option<Self> {
        let (address, length) = word.split_once('/').map_or((word, None), |(a, l)| (a, Some(l)));
        let (value, is_v4) = bits(address.parse().ok()?);
        let width = if is_v4 { 32 } else { 128 };
        let length = match length {
            Some(length) => length.parse::<u32>().ok().filter(|length| *length <= width)?,
            None => width,
        };
        let mask = u128::MAX.checked_shl(width - length).unwrap_or(0);
        Some(Self {
            base: value & mask,
            mask,
            is_v4,
        })
    }

    pub(super) fn contains(&self, address: IpAddr) -> bool {
        let (value, is_v4) = bits(address);
        is_v4 == self.is_v4 && value & self.mask == self.base
    }
}

/// An address as a number, and whether it is IPv4, mapped or not.
fn bits(address: IpAddr) -> (u128, bool) {
    match address.to_canonical() {
        IpAddr::V4(four) => (u128::from(u32::from(four)), true),
        IpAddr::V6(sixteen) => (u128::from(sixteen), false),
    }
}

/// The labels of a name in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Labels(pub(super) Vec<Vec<u8>>);

impl Labels {
    /// Reads presentation format; the dot at the end may be missing.
    pub(super) fn parse(word: &str) -> Option<Self> {
        let mut labels = Vec::new();
        let mut label = Vec::new();
        let mut bytes = word.bytes();
        while let Some(byte) = bytes.next() {
            match byte {
                b'.' if word == "." => {}
                b'.' if label.is_empty() => return None,
                b'.' => labels.push(core::mem::take(&mut label)),
                b'\\' => {
                    let next = bytes.next()?;
                    label.push(if next.is_ascii_digit() {
                        let text = [next, bytes.next()?, bytes.next()?];
                        core::str::from_utf8(&text).ok()?.parse().ok()?
                    } else {
                        next
                    });
                }
                other => label.push(other),
            }
        }
        if !label.is_empty() {
            labels.push(label);
        }
        let is_legal = labels.iter().all(|label| label.len() <= 63)
            && labels.iter().map(|label| label.len() + 1).sum::<usize>() < 255;
        let is_named = word == "." || !labels.is_empty();
        labels.iter_mut().for_each(|label| label.make_ascii_lowercase());
        (is_legal && is_named).then_some(Self(labels))
    }
}
