//! The keys behind the `?`, and suggestions for misspelt words.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;
use core::str::FromStr;
use core::time::Duration;

use super::AddressError;

/// The keys of one address: each known to the scheme, given once, with a value.
pub(super) struct Query {
    scheme: &'static str,
    pairs: Vec<(&'static str, String)>,
}

impl Query {
    pub(super) fn parse(
        scheme: &'static str,
        text: Option<&str>,
        known: &'static [&'static str],
    ) -> Result<Self, AddressError> {
        let mut pairs: Vec<(&'static str, String)> = Vec::new();
        for pair in text.into_iter().flat_map(|text| text.split('&')) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(&key) = known.iter().find(|known| **known == name) else {
                let suggestion = nearest(name, known);
                let key = name.to_string();
                return Err(AddressError::UnknownKey {
                    scheme,
                    key,
                    suggestion,
                    known,
                });
            };
            if pairs.iter().any(|(earlier, _)| *earlier == key) {
                return Err(AddressError::DuplicateKey {
                    scheme,
                    key: key.into(),
                });
            }
            if value.is_empty() {
                return Err(AddressError::EmptyValue {
                    scheme,
                    key: key.into(),
                });
            }
            let decoded = percent_decode(value).ok_or_else(|| AddressError::PercentEncoding {
                scheme,
                key: key.into(),
                value: value.into(),
            })?;
            pairs.push((key, decoded));
        }
        Ok(Self { scheme, pairs })
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value.as_str())
    }

    /// What `read` makes of the value; `None` when the key is not there.
    pub(super) fn read<T>(
        &self,
        key: &'static str,
        expected: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, AddressError> {
        let Some(value) = self.text(key) else {
            return Ok(None);
        };
        let scheme = self.scheme;
        let bad = || AddressError::BadValue {
            scheme,
            key,
            value: value.into(),
            expected,
        };
        read(value).map(Some).ok_or_else(bad)
    }

    /// `0` or `1`.
    pub(super) fn flag(&self, key: &'static str) -> Result<Option<bool>, AddressError> {
        self.choice(key, "0 or 1", &[("0", false), ("1", true)])
    }

    pub(super) fn choice<T: Copy>(
        &self,
        key: &'static str,
        expected: &'static str,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, AddressError> {
        self.read(key, expected, |value| {
            choices
                .iter()
                .find(|(word, _)| *word == value)
                .map(|(_, choice)| *choice)
        })
    }

    pub(super) fn number<T: FromStr + PartialOrd>(
        &self,
        key: &'static str,
        expected: &'static str,
        range: RangeInclusive<T>,
    ) -> Result<Option<T>, AddressError> {
        self.read(key, expected, |value| {
            decimal(value).filter(|number| range.contains(number))
        })
    }

    /// A whole number with its unit.
    pub(super) fn duration(&self, key: &'static str) -> Result<Option<Duration>, AddressError> {
        self.read(key, "a time such as 500us, 100ms or 2s", parse_duration)
    }
}

/// Digits only: `FromStr` alone would take a sign.
pub(super) fn decimal<T: FromStr>(text: &str) -> Option<T> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let number = decimal(number)?;
    match unit {
        "us" => Some(Duration::from_micros(number)),
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        _ => None,
    }
}

/// Prints a time in the largest unit that divides it; below a microsecond is cut.
pub(super) struct DurationText(pub(super) Duration);

impl fmt::Display for DurationText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros();
        match (micros % 1_000_000, micros % 1000) {
            (0, _) => write!(f, "{}s", micros / 1_000_000),
            (_, 0) => write!(f, "{}ms", micros / 1000),
            _ => write!(f, "{micros}us"),
        }
    }
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || {
            char::from(bytes.next()?)
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        };
        let (high, low) = (digit()?, digit()?);
        decoded.push(high << 4 | low);
    }
    String::from_utf8(decoded).ok()
}

/// Writes keys behind an address: `?` before the first, `&` before the others, values percent-encoded.
pub(super) struct QueryText<'f, 'b> {
    f: &'f mut fmt::Formatter<'b>,
    separator: char,
}

impl<'f, 'b> QueryText<'f, 'b> {
    pub(super) const fn new(f: &'f mut fmt::Formatter<'b>) -> Self {
        Self { f, separator: '?' }
    }

    pub(super) fn put(&mut self, key: &str, value: impl fmt::Display) -> fmt::Result {
        write!(self.f, "{}{key}=", self.separator)?;
        self.separator = '&';
        for byte in value.to_string().bytes() {
            match byte {
                b'%' | b'&' | b'#' | 0..=b' ' | 0x7F.. => write!(self.f, "%{byte:02X}")?,
                other => write!(self.f, "{}", char::from(other))?,
            }
        }
        Ok(())
    }

    pub(super) fn put_some(&mut self, key: &str, value: Option<impl fmt::Display>) -> fmt::Result {
        value.map_or(Ok(()), |value| self.put(key, value))
    }

    /// Writes a flag unless it has its default.
    pub(super) fn put_flag(&mut self, key: &str, value: bool, default: bool) -> fmt::Result {
        if value == default {
            Ok(())
        } else {
            self.put(key, u8::from(value))
        }
    }

    /// Writes a value unless it is the default.
    pub(super) fn put_unless<T: fmt::Display + PartialEq>(
        &mut self,
        key: &str,
        value: T,
        default: T,
    ) -> fmt::Result {
        if value == default {
            Ok(())
        } else {
            self.put(key, value)
        }
    }
}

/// The word of `known` that `word` was most likely meant to be: two letters are exchanged, or at most two are
/// wrong and two thirds are right.
pub(super) fn nearest(word: &str, known: &[&'static str]) -> Option<&'static str> {
    let slips = |known: &str| {
        if is_swap(word, known) {
            1
        } else {
            distance(word, known)
        }
    };
    let (slips, nearest) = known
        .iter()
        .map(|known| (slips(known), *known))
        .min_by_key(|(slips, _)| *slips)?;
    (slips <= 2 && slips * 3 <= word.chars().count()).then_some(nearest)
}

/// Whether the words differ in nothing but two letters that stand in each other's place.
fn is_swap(one: &str, other: &str) -> bool {
    let pairs = one.chars().zip(other.chars());
    let differing: Vec<_> = pairs.filter(|(a, b)| a != b).take(3).collect();
    one.chars().count() == other.chars().count()
        && matches!(differing.as_slice(), [(a, b), (c, d)] if a == d && b == c)
}

/// How many letters must be put in, left out or exchanged.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, b) in row.iter_mut().skip(1).zip(to.chars()) {
            let cost = (diagonal + usize::from(a != b)).min(*cell + 1).min(left + 1);
            diagonal = core::mem::replace(cell, cost);
            left = cost;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_counted_and_far_words_are_not_suggested() {
        assert_eq!(distance("socketcam", "socketcan"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(nearest("socketcam", &["bus", "socketcan"]), Some("socketcan"));
        assert_eq!(nearest("zz", &["bus"]), None);
        assert_eq!(nearest("b", &["bus"]), None, "two of three letters are a guess");
        assert_eq!(nearest("foo", &["log", "bus"]), None, "one of three is right");
        assert_eq!(nearest("lgo", &["bus", "log"]), Some("log"), "exchanged");
        assert_eq!(nearest("seril", &["serial"]), Some("serial"));
    }

    #[test]
    fn times_have_a_unit() {
        assert_eq!(parse_duration("100ms"), Some(Duration::from_millis(100)));
        assert_eq!(parse_duration("2s"), Some(Duration::from_secs(2)));
        for text in ["100", "ms", "1.5s", "-1s", "1h", "99999999999999999999s"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
        assert_eq!(DurationText(Duration::from_micros(1500)).to_string(), "1500us");
    }
}
