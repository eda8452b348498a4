//! What a flow is allocated to.

use alloc::sync::Arc;
use core::borrow::Borrow;
use core::fmt;
use core::str::FromStr;

use thiserror::Error;

/// The name of a service, or of a broadcast layer: 1 to 255 bytes of UTF-8 without NUL.
///
/// A name belongs to a service, not to a host, and has no structure. Cloning one counts a reference.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

/// Longest name, in bytes (the peer's limit, which its directories and messages are built on).
pub const MAX_NAME_LEN: usize = 255;

/// Why a text is not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NameError {
    /// It is empty.
    #[error("a name has at least one byte")]
    Empty,
    /// It is longer than [`MAX_NAME_LEN`].
    #[error("name of {len} bytes, at most {max} fit")]
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// It has a NUL, which ends a name at the C peer.
    #[error("NUL at byte {at} of a name")]
    Nul {
        /// Where, counted from 0.
        at: usize,
    },
    /// It is not UTF-8.
    #[error("name is not UTF-8 from byte {valid_up_to} on")]
    NotUtf8 {
        /// How many bytes are.
        valid_up_to: usize,
    },
}

impl Name {
    /// Checks `text` and makes it a name.
    ///
    /// # Errors
    ///
    /// [`NameError`] when `text` is empty, longer than [`MAX_NAME_LEN`] bytes, or has a NUL.
    pub fn new(text: &str) -> Result<Self, NameError> {
        match text.len() {
            0 => return Err(NameError::Empty),
            1..=MAX_NAME_LEN => {}
            len => {
                let max = MAX_NAME_LEN;
                return Err(NameError::TooLong { len, max });
            }
        }
        match text.bytes().position(|byte| byte == 0) {
            None => Ok(Self(text.into())),
            Some(at) => Err(NameError::Nul { at }),
        }
    }

    /// Checks bytes, as a message of the network has them, and makes them a name.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), and [`NameError::NotUtf8`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NameError> {
        let text = core::str::from_utf8(bytes).map_err(|error| NameError::NotUtf8 {
            valid_up_to: error.valid_up_to(),
        })?;
        Self::new(text)
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl TryFrom<&str> for Name {
    type Error = NameError;

    fn try_from(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

#[cfg(feature = "std")]
impl From<NameError> for std::io::Error {
    fn from(error: NameError) -> Self {
        Self::new(std::io::ErrorKind::InvalidInput, error)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::string::ToString;

    use super::*;

    #[test]
    fn the_length_is_counted_in_bytes_not_in_characters() {
        let text = "ü".repeat(127);
        assert_eq!(Name::new(&text).unwrap().as_str(), text);
        assert!(Name::new(&(text.clone() + "a")).is_ok(), "255 bytes");
        let error = Name::new(&(text + "ü")).unwrap_err();
        assert_eq!(error, NameError::TooLong { len: 256, max: 255 });
    }

    #[test]
    fn what_the_peer_cannot_carry_is_refused() {
        assert_eq!(Name::new(""), Err(NameError::Empty));
        assert_eq!(Name::new("a\0b"), Err(NameError::Nul { at: 1 }));
        assert_eq!(
            Name::from_bytes(b"ok\xff"),
            Err(NameError::NotUtf8 { valid_up_to: 2 })
        );
    }

    #[test]
    fn a_map_of_names_is_asked_by_text() {
        let map = alloc::collections::BTreeMap::from([(Name::new("echo").unwrap(), 1)]);
        assert_eq!(map.get("echo"), Some(&1));
    }

    proptest! {
        #[test]
        fn a_name_is_the_text_it_was_made_from(text in "[^\0]{1,60}") {
            let name = Name::new(&text).unwrap();
            prop_assert_eq!(name.to_string(), &*text);
            prop_assert_eq!(&Name::from_bytes(text.as_bytes()).unwrap(), &name);
            prop_assert_eq!(text.parse::<Name>(), Ok(name));
        }

        #[test]
        fn any_bytes_are_a_name_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(name) = Name::from_bytes(&bytes) {
                prop_assert_eq!(name.as_str().as_bytes(), &bytes[..]);
                prop_assert!((1..=MAX_NAME_LEN).contains(&bytes.len()) && !bytes.contains(&0));
            }
        }
    }
}
