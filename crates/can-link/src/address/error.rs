//! Why a text is not an address.

use alloc::format;
use alloc::string::String;

use thiserror::Error;

/// Why a text is not an address. Each text names the part and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AddressError {
    /// No such scheme.
    #[error("unknown scheme \"{scheme}\"{}", suggest_or_list(*.suggestion, super::SCHEMES))]
    UnknownScheme {
        /// The scheme.
        scheme: String,
        /// The scheme that looks like it.
        suggestion: Option<&'static str>,
    },
    /// A scheme's name without a colon, which would be an interface of that name.
    #[error(
        "\"{scheme}\" alone is the name of a scheme; write {scheme}:, or socketcan:{scheme} \
         for an interface of that name"
    )]
    SchemeAlone {
        /// The scheme.
        scheme: String,
    },
    /// The scheme has no such key.
    #[error("{scheme}: unknown key \"{key}\"{}", suggest_or_list(*.suggestion, .known))]
    UnknownKey {
        /// The scheme.
        scheme: &'static str,
        /// The key.
        key: String,
        /// The key that looks like it.
        suggestion: Option<&'static str>,
        /// Every key of the scheme.
        known: &'static [&'static str],
    },
    /// A key twice.
    #[error("{scheme}: key \"{key}\" is given twice")]
    DuplicateKey {
        /// The scheme.
        scheme: &'static str,
        /// The key.
        key: String,
    },
    /// A key without a value.
    #[error("{scheme}: key \"{key}\" has no value; write {key}=VALUE")]
    EmptyValue {
        /// The scheme.
        scheme: &'static str,
        /// The key.
        key: String,
    },
    /// A value that the key does not take.
    #[error("{scheme}: {key}={value}: expected {expected}")]
    BadValue {
        /// The scheme.
        scheme: &'static str,
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
        /// What the key takes.
        expected: &'static str,
    },
    /// A `%` that is not followed by two hexadecimal digits, or bytes that are not UTF-8.
    #[error("{scheme}: {key}={value}: not percent-encoded UTF-8; a percent sign is written %25")]
    PercentEncoding {
        /// The scheme.
        scheme: &'static str,
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
    /// A part of the body that must be there is not.
    #[error("{scheme}: no {what}; write {example}")]
    Missing {
        /// The scheme.
        scheme: &'static str,
        /// What is missing.
        what: &'static str,
        /// How it would be right.
        example: &'static str,
    },
    /// Something in the body that this scheme does not take.
    #[error("{scheme}: unexpected \"{what}\"; write {example}")]
    Unexpected {
        /// The scheme.
        scheme: &'static str,
        /// What should not be there.
        what: String,
        /// How it would be right.
        example: &'static str,
    },
    /// The kernel's interface names are shorter.
    #[error("{scheme}: interface name \"{name}\" is longer than 15 bytes")]
    InterfaceTooLong {
        /// The scheme.
        scheme: &'static str,
        /// The name.
        name: String,
    },
    /// A name that no interface can have.
    #[error("{scheme}: \"{name}\" is not an interface name (no blanks, slashes or colons)")]
    InterfaceName {
        /// The scheme.
        scheme: &'static str,
        /// The name.
        name: String,
    },
    /// A name that a shared bus cannot have, because it becomes a file name.
    #[error("bus: \"{name}\" is not a bus name (1 to 32 of A-Z a-z 0-9 . _ -, not starting with a dot)")]
    BusName {
        /// The name.
        name: String,
    },
    /// Not a port number.
    #[error("port {port} is not in 1\u{2013}65535")]
    Port {
        /// The text.
        port: String,
    },
    /// An address outside the multicast ranges.
    #[error("mcast: {host} is not a multicast address (224.0.0.0/4 or ff00::/8)")]
    NotMulticast {
        /// The text.
        host: String,
    },
    /// A bit rate without an slcan command.
    #[error(
        "slcan: {rate} bit/s has no S command; known: 10000 20000 50000 100000 125000 250000 500000 \
         750000/800000 1000000 83300, or use btr={}",
        baud_hint(*.rate)
    )]
    SlcanRate {
        /// The bit rate.
        rate: u32,
    },
}

fn suggest_or_list(suggestion: Option<&'static str>, known: &[&str]) -> String {
    match suggestion {
        Some(word) => format!(" (did you mean \"{word}\"?)"),
        None if known.is_empty() => String::from("; it has none"),
        None => format!("; known: {}", known.join(" ")),
    }
}

/// python-can writes the serial line's speed where the CAN bit rate stands here.
fn baud_hint(rate: u32) -> String {
    match rate {
        9_600 | 19_200 | 38_400 | 57_600 | 115_200 | 230_400 | 460_800 | 921_600 | 2_000_000 | 3_000_000 => {
            format!("; the serial line's speed is written ?baud={rate}")
        }
        _ => String::new(),
    }
}
