//! The parameters of SVCB and HTTPS records (RFC 9460), each as `key="value"`, as golang-dnstap has them.

use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};

use domain::utils::base64;

use super::ink;

/// Names of the keys, from 0.
const KEYS: [&str; 10] = [
    "mandatory",
    "alpn",
    "no-default-alpn",
    "port",
    "ipv4hint",
    "ech",
    "ipv6hint",
    "dohpath",
    "ohttp",
    "tls-supported-groups",
];

/// One parameter.
#[derive(Clone, Copy)]
struct Param<'a> {
    key: u16,
    value: &'a [u8],
}

/// Parameters that are well-formed: keys ascend, and the values of those that we know are what they have to
/// be.
#[derive(Clone, Copy)]
pub(super) struct Params<'a>(&'a [u8]);

impl<'a> Params<'a> {
    pub(super) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = bytes;
        let mut least = 0;
        let mut scratch = Vec::new();
        while !rest.is_empty() {
            let (param, behind) = Param::split(rest)?;
            if u32::from(param.key) < least {
                return None;
            }
            param.value(&mut scratch)?;
            scratch.clear();
            least = u32::from(param.key) + 1;
            rest = behind;
        }
        Some(Self(bytes))
    }

    fn iter(self) -> impl Iterator<Item = Param<'a>> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            let (param, behind) = Param::split(rest)?;
            rest = behind;
            Some(param)
        })
    }

    /// Each behind a space.
    pub(super) fn text(self, to: &mut Vec<u8>) {
        for param in self.iter() {
            to.push(b' ');
            param.name(to);
            to.extend_from_slice(b"=\"");
            // It was looked at once.
            let _ = param.value(to);
            to.push(b'"');
        }
    }

    /// As an object of strings, which are those of the text.
    pub(super) fn json(self, to: &mut Vec<u8>) {
        let mut value = Vec::new();
        for (index, param) in self.iter().enumerate() {
            to.extend_from_slice(if index > 0 { b",\"" } else { b"\"" });
            param.name(to);
            to.extend_from_slice(b"\":");
            value.clear();
            let _ = param.value(&mut value);
            ink::json_string(&value, to);
        }
    }
}

impl<'a> Param<'a> {
    fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let ([k, e, l, m], rest) = bytes.split_first_chunk::<4>()?;
        let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([*l, *m])))?;
        let key = u16::from_be_bytes([*k, *e]);
        Some((Self { key, value }, rest))
    }

    fn name(self, to: &mut Vec<u8>) {
        name(self.key, to);
    }

    /// In presentation format, escaped for quotes around it; `None` when it is malformed.
    fn value(self, to: &mut Vec<u8>) -> Option<()> {
        let value = self.value;
        match self.key {
            0 => list(&value.as_chunks::<2>(), to, |key, to| {
                name(u16::from_be_bytes(*key), to)
            }),
            1 => protocols(value, to),
            2 | 8 => value.is_empty().then_some(()),
            3 => {
                ink::number(u16::from_be_bytes(value.try_into().ok()?), to);
                Some(())
            }
            4 => list(&value.as_chunks::<4>(), to, |four, to| {
                ink::ip(Ipv4Addr::from(*four).into(), to)
            }),
            5 => {
                to.extend_from_slice(base64::encode_string(value).as_bytes());
                Some(())
            }
            6 => list(&value.as_chunks::<16>(), to, |sixteen, to| {
                ink::ip(Ipv6Addr::from(*sixteen).into(), to);
            }),
            9 => list(&value.as_chunks::<2>(), to, |group, to| {
                ink::number(u16::from_be_bytes(*group), to)
            }),
            _ => {
                value.iter().for_each(|byte| escaped(*byte, to));
                Some(())
            }
        }
    }
}

fn name(key: u16, to: &mut Vec<u8>) {
    match KEYS.get(usize::from(key)) {
        Some(known) => to.extend_from_slice(known.as_bytes()),
        None => {
            to.extend_from_slice(b"key");
            ink::number(key, to);
        }
    }
}

/// One or more parts of the same length, with commas between them.
fn list<T>(parts: &(&[T], &[u8]), to: &mut Vec<u8>, mut show: impl FnMut(&T, &mut Vec<u8>)) -> Option<()> {
    let (parts, rest) = *parts;
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            to.push(b',');
        }
        show(part, to);
    }
    (!parts.is_empty() && rest.is_empty()).then_some(())
}

/// Commas and backslashes within one are escaped twice (RFC 9460, appendix A.1).
fn protocols(mut rest: &[u8], to: &mut Vec<u8>) -> Option<()> {
    let mut is_first = true;
    while let Some((len, behind)) = rest.split_first() {
        let (protocol, behind) = behind.split_at_checked(usize::from(*len))?;
        if protocol.is_empty() {
            return None;
        }
        if !core::mem::take(&mut is_first) {
            to.push(b',');
        }
        for byte in protocol {
            match byte {
                b',' => to.extend_from_slice(b"\\\\\\044"),
                b'\\' => to.extend_from_slice(b"\\\\\\092"),
                other => escaped(*other, to),
            }
        }
        rest = behind;
    }
    (!is_first).then_some(())
}

fn escaped(byte: u8, to: &mut Vec<u8>) {
    match byte {
        b'"' | b';' | b' ' | b'\\' => to.extend([b'\\', byte]),
        b'!'..=b'~' => to.push(byte),
        other => ink::decimal_escape(other, to),
    }
}
