//! The HMAC trailer: the first 4 bytes of HMAC-SHA1 over the payload (SEC-5).
//!
//! The header is not authenticated and a packet can be replayed; 32 bits of tag stop accidents and idle
//! hands, not an attacker with time.

use core::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha1::{Digest, Sha1};
use zeroize::Zeroize;

/// Length of the trailer in bytes.
pub const TAG_LEN: usize = 4;

/// An authentication key: 16 bytes, wiped from memory on drop.
///
/// ```
/// let key = csp_core::hmac::Key::from_pass_phrase(b"k");
/// assert_eq!(key.tag(b""), [0xae, 0xa7, 0x49, 0x2a]);
/// ```
#[derive(Clone, Default)]
pub struct Key([u8; 16]);

impl Key {
    /// The key of a pass phrase: the first 16 bytes of its SHA-1.
    #[must_use]
    pub fn from_pass_phrase(phrase: &[u8]) -> Self {
        let mut hash = Sha1::digest(phrase);
        let mut key = Self::default();
        for (to, from) in key.0.iter_mut().zip(hash.iter()) {
            *to = *from;
        }
        hash.as_mut_slice().zeroize();
        key
    }

    /// A key given as it is.
    ///
    /// All zero, which is also the [`Default`], is what peers use when none was set.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The trailer for `payload`.
    #[must_use]
    pub fn tag(&self, payload: &[u8]) -> [u8; TAG_LEN] {
        let [a, b, c, d, ..] = self.mac(payload).finalize().into_bytes().0;
        [a, b, c, d]
    }

    /// Checks the trailer of `protected` and gives what lies before it.
    ///
    /// The comparison takes the same time whatever the tag.
    ///
    /// # Errors
    /// Fewer than 4 bytes, or the tag is not this key's.
    pub fn verify<'a>(&self, protected: &'a [u8]) -> Result<&'a [u8], HmacError> {
        let (payload, tag) = protected
            .split_last_chunk::<TAG_LEN>()
            .ok_or(HmacError::Short { got: protected.len() })?;
        match self.mac(payload).verify_truncated_left(tag) {
            Ok(()) => Ok(payload),
            Err(_) => Err(HmacError::Mismatch),
        }
    }

    fn mac(&self, payload: &[u8]) -> Hmac<Sha1> {
        Hmac::<Sha1>::new_from_slice(&self.0)
            .expect("HMAC takes keys of any length")
            .chain_update(payload)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// Why a payload is not authentic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HmacError {
    /// There is no room for a tag.
    #[error("the authentication tag needs 4 bytes, got {got}")]
    Short {
        /// Length of the payload.
        got: usize,
    },
    /// The tag is not the one this key makes.
    #[error("the authentication tag does not match the key")]
    Mismatch,
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::format;

    use super::*;

    #[test]
    fn a_tag_is_accepted_by_its_key_alone() {
        let key = Key::from_pass_phrase(b"vector key");
        let sealed = [b"abc", &key.tag(b"abc")[..]].concat();
        assert_eq!(key.verify(&sealed), Ok(&b"abc"[..]));
        assert_eq!(Key::default().verify(&sealed), Err(HmacError::Mismatch));
        assert_eq!(key.verify(&sealed[1..]), Err(HmacError::Mismatch));
        assert_eq!(key.verify(b"abc"), Err(HmacError::Short { got: 3 }));
    }

    #[test]
    fn debug_does_not_tell_the_key() {
        assert_eq!(format!("{:?}", Key::from_bytes([7; 16])), "Key(..)");
    }
}
