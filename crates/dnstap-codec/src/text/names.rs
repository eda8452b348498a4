//! Domain names as the tools print them. They differ in what they escape.

use alloc::vec::Vec;

use super::ink;
use crate::dns::Name;

/// Whose escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escapes {
    /// golang-dnstap.
    Golang,
    /// dnstap-ldns.
    Ldns,
    /// BIND's dnstap-read.
    Bind,
}

impl Escapes {
    /// Whether a backslash stands before this printable byte.
    const fn slash(self, byte: u8) -> bool {
        match self {
            Self::Golang => matches!(
                byte,
                b'.' | b'\\' | b'"' | b'(' | b')' | b';' | b'@' | b'\'' | b' '
            ),
            Self::Ldns => matches!(byte, b'.' | b'\\' | b'(' | b')' | b';'),
            Self::Bind => matches!(byte, b'.' | b'\\' | b'"' | b'(' | b')' | b';' | b'@' | b'$'),
        }
    }

    const fn plain(self, byte: u8) -> bool {
        matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_')
            || matches!(byte, b'!'..=b'~') && !self.slash(byte)
    }
}

/// A name with the dot at its end.
pub(super) fn full(name: &Name<'_>, escapes: Escapes, to: &mut Vec<u8>) {
    let before = to.len();
    for label in name.labels() {
        if label.iter().all(|byte| escapes.plain(*byte)) {
            to.extend_from_slice(label);
        } else {
            escaped(label, escapes, to);
        }
        to.push(b'.');
    }
    if to.len() == before {
        to.push(b'.');
    }
}

/// A name without the dot at its end, but for the root's.
pub(super) fn short(name: &Name<'_>, escapes: Escapes, to: &mut Vec<u8>) {
    let before = to.len();
    full(name, escapes, to);
    if to.len() > before + 1 {
        to.pop();
    }
}

fn escaped(label: &[u8], escapes: Escapes, to: &mut Vec<u8>) {
    for byte in label {
        if escapes.slash(*byte) {
            to.extend([b'\\', *byte]);
        } else if escapes.plain(*byte) {
            to.push(*byte);
        } else {
            ink::decimal_escape(*byte, to);
        }
    }
}
