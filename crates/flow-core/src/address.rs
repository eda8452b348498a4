//! Where a flow goes, as text: a name on this machine, or a place in one of the protocols that carry flows.
//!
//! ```text
//! address = NAME | scheme ":" target [ "?" key "=" value *( "&" key "=" value ) ]
//!
//! echo                                  a name of this machine
//! local:echo                            the same, whatever the name looks like
//! csp:5:20?if=CAN                       port 20 of CSP node 5
//! isotp:can0?tx=7E0&rx=7E8              ISO-TP on a CAN link
//! fstrm:unix:/run/x.sock?type=log       frames of a stream
//! ```
//!
//! Keys and values are percent-encoded; a target is not, so that the address of a link or of an endpoint
//! stands in it as it is. The query begins at the last `?`. What a target and the keys mean is the business
//! of the provider; this is the grammar they share.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use thiserror::Error;

use crate::error::{AllocError, BindError};
use crate::name::{Name, NameError};

/// The scheme of a name on this machine.
pub const LOCAL: &str = "local";

/// The schemes of the house. A text that begins with another one is a name.
pub const SCHEMES: [&str; 4] = [LOCAL, "csp", "isotp", "fstrm"];

/// The address of a flow, taken to pieces.
///
/// ```
/// use flow_core::Address;
///
/// let address: Address = "csp:5:20?if=CAN".parse()?;
/// assert_eq!((address.scheme(), address.target()), ("csp", "5:20"));
/// assert_eq!(address.value("if"), Some("CAN"));
/// assert_eq!("hello".parse::<Address>()?.scheme(), "local");
/// # Ok::<(), flow_core::address::ParseAddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    scheme: String,
    target: String,
    query: Vec<(String, String)>,
}

/// Why a text is not the address of a flow, or not one of the provider that was asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseAddressError {
    /// The name, or the whole text, cannot be a name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Nothing follows the scheme.
    #[error("\"{scheme}:\" of what? For example {example}")]
    NoTarget {
        /// The scheme.
        scheme: String,
        /// An address that would do.
        example: &'static str,
    },
    /// A part of the query is no `key=value`.
    #[error("\"{part}\" in the query is not key=value")]
    NotAPair {
        /// The part.
        part: String,
    },
    /// A percent sign without two hexadecimal digits, or bytes that are not UTF-8.
    #[error("\"{part}\" is not percent-encoded UTF-8")]
    Encoding {
        /// The part.
        part: String,
    },
    /// A key stands twice.
    #[error("\"{key}\" is given twice")]
    Twice {
        /// The key.
        key: String,
    },
    /// A key that means nothing here.
    #[error("unknown key \"{key}\"; known: {known}")]
    UnknownKey {
        /// The key.
        key: String,
        /// Those that mean something.
        known: &'static str,
    },
    /// A key that must be there is not.
    #[error("no \"{key}\"; for example {example}")]
    Missing {
        /// The key.
        key: &'static str,
        /// An address that has it.
        example: &'static str,
    },
    /// A part has no meaning.
    #[error("\"{value}\" is no {what}; for example {example}")]
    Value {
        /// What it should be.
        what: &'static str,
        /// What it is.
        value: String,
        /// An address that would do.
        example: &'static str,
    },
    /// The address is for another provider.
    #[error("this provider takes \"{expected}:\", got \"{got}:\"")]
    Scheme {
        /// What the provider takes.
        expected: &'static str,
        /// What it was given.
        got: String,
    },
}

impl Address {
    /// Which provider it is for.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// What follows the scheme, without the query.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The value of a key of the query.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&str> {
        let pair = self.query.iter().find(|(found, _)| found == key)?;
        Some(&pair.1)
    }

    /// Checks that it is for the provider of `scheme`, and has no key but those in `known`.
    ///
    /// # Errors
    ///
    /// [`ParseAddressError::Scheme`], [`ParseAddressError::UnknownKey`].
    pub fn expect(
        &self,
        scheme: &'static str,
        known: &[&str],
        listed: &'static str,
    ) -> Result<(), ParseAddressError> {
        if self.scheme != scheme {
            return Err(ParseAddressError::Scheme {
                expected: scheme,
                got: self.scheme.clone(),
            });
        }
        let unknown = self.query.iter().find(|(key, _)| !known.contains(&&**key));
        match unknown {
            None => Ok(()),
            Some((key, _)) => Err(ParseAddressError::UnknownKey {
                key: key.clone(),
                known: listed,
            }),
        }
    }
}

impl FromStr for Address {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, ParseAddressError> {
        let split = text
            .split_once(':')
            .filter(|(scheme, _)| SCHEMES.contains(scheme));
        let (scheme, rest) = split.unwrap_or((LOCAL, text));
        if scheme == LOCAL {
            let name = Name::new(rest)?; // a name has no structure, so no query either
            return Ok(Self {
                scheme: LOCAL.into(),
                target: name.as_str().into(),
                query: Vec::new(),
            });
        }
        let (target, query) = match rest.rsplit_once('?') {
            Some((target, query)) => (target, parse_query(query)?),
            None => (rest, Vec::new()),
        };
        if target.is_empty() {
            return Err(ParseAddressError::NoTarget {
                scheme: scheme.into(),
                example: example(scheme),
            });
        }
        Ok(Self {
            scheme: scheme.into(),
            target: target.into(),
            query,
        })
    }
}

impl From<ParseAddressError> for AllocError {
    fn from(error: ParseAddressError) -> Self {
        let reason = error.to_string().into();
        Self::Address { reason }
    }
}

impl From<ParseAddressError> for BindError {
    fn from(error: ParseAddressError) -> Self {
        let reason = error.to_string().into();
        Self::Address { reason }
    }
}

/// An address of the scheme that would do.
fn example(scheme: &str) -> &'static str {
    match scheme {
        "csp" => "csp:5:20?if=CAN",
        "isotp" => "isotp:can0?tx=7E0&rx=7E8",
        "fstrm" => "fstrm:unix:/run/x.sock?type=log",
        _ => "local:echo",
    }
}

fn parse_query(query: &str) -> Result<Vec<(String, String)>, ParseAddressError> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for part in query.split('&') {
        let (key, value) = part
            .split_once('=')
            .filter(|(key, value)| !key.is_empty() && !value.is_empty())
            .ok_or_else(|| ParseAddressError::NotAPair { part: part.into() })?;
        let (key, value) = (decode(key)?, decode(value)?);
        if pairs.iter().any(|(known, _)| *known == key) {
            return Err(ParseAddressError::Twice { key });
        }
        pairs.push((key, value));
    }
    Ok(pairs)
}

fn decode(part: &str) -> Result<String, ParseAddressError> {
    let bad = || ParseAddressError::Encoding { part: part.into() };
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let code = digit().zip(digit()).map(|(high, low)| high << 4 | low);
        bytes.push(code.and_then(|code| u8::try_from(code).ok()).ok_or_else(bad)?);
    }
    String::from_utf8(bytes).map_err(|_| bad())
}

/// As text that parses to the same address.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.scheme, self.target)?;
        for (number, (key, value)) in self.query.iter().enumerate() {
            f.write_str(if number == 0 { "?" } else { "&" })?;
            encode(f, key)?;
            f.write_str("=")?;
            encode(f, value)?;
        }
        Ok(())
    }
}

fn encode(f: &mut fmt::Formatter<'_>, part: &str) -> fmt::Result {
    part.bytes().try_for_each(|byte| match byte {
        b'%' | b'&' | b'=' | b'?' => write!(f, "%{byte:02X}"),
        byte if byte.is_ascii_graphic() => write!(f, "{}", char::from(byte)),
        byte => write!(f, "%{byte:02X}"),
    })
}

#[cfg(test)]
mod tests;
