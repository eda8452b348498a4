//! The XTEA encryption of libcsp 1.x (SEC-6), for talking to nodes that ask for it.
//!
//! It hides payloads from who does not look closely, and no more. The first two blocks of every packet are
//! masked alike, a nonce of 32 bits comes again, the header is in clear, and only a CRC32 or an HMAC beside
//! it notices a change. Use it where an old node wants it.

use core::fmt;

use sha1::{Digest, Sha1};
use zeroize::Zeroize;

/// Length in bytes of the nonce behind an encrypted payload.
pub const NONCE_LEN: usize = 4;

const CYCLES: u32 = 32;
const DELTA: u32 = 0x9E37_79B9;

/// A key of XTEA: 16 bytes, wiped from memory on drop.
///
/// ```
/// use csp_core::xtea::Key;
///
/// let key = Key::from_pass_phrase(b"k");
/// let mut payload = [0xcc];
/// key.apply(0x9b7d_3353, &mut payload);
/// assert_eq!(payload, [0x93]);
/// key.apply(0x9b7d_3353, &mut payload);
/// assert_eq!(payload, [0xcc]);
/// ```
#[derive(Clone)]
pub struct Key([u32; 4]);

impl Key {
    /// The key of a pass phrase: the first 16 bytes of its SHA-1.
    #[must_use]
    pub fn from_pass_phrase(phrase: &[u8]) -> Self {
        let mut hash = Sha1::digest(phrase);
        let mut bytes = [0; 16];
        for (to, from) in bytes.iter_mut().zip(hash.iter()) {
            *to = *from;
        }
        let key = Self::from_bytes(bytes);
        bytes.zeroize();
        hash.as_mut_slice().zeroize();
        key
    }

    /// A key given as it is, read as four little-endian words.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
        Self([
            u32::from_le_bytes([a, b, c, d]),
            u32::from_le_bytes([e, f, g, h]),
            u32::from_le_bytes([i, j, k, l]),
            u32::from_le_bytes([m, n, o, p]),
        ])
    }

    /// Encrypts `payload` under `nonce`, or decrypts it: the two are one.
    pub fn apply(&self, nonce: u32, payload: &mut [u8]) {
        // The first two blocks share a counter, as in libcsp 1.x.
        let counters = core::iter::once(1).chain(1_u32..);
        for (block, counter) in payload.chunks_mut(8).zip(counters) {
            let mask = self.encrypt(nonce, counter);
            for (byte, mask) in block.iter_mut().zip(mask) {
                *byte ^= mask;
            }
        }
    }

    /// One block of the cipher: two words, big endian to the packet and little endian to the cipher.
    fn encrypt(&self, nonce: u32, counter: u32) -> [u8; 8] {
        let (mut left, mut right) = (nonce.swap_bytes(), counter.swap_bytes());
        let mut sum = 0_u32;
        for _ in 0..CYCLES {
            left = left.wrapping_add(mix(right) ^ sum.wrapping_add(self.word(sum)));
            sum = sum.wrapping_add(DELTA);
            right = right.wrapping_add(mix(left) ^ sum.wrapping_add(self.word(sum >> 11)));
        }
        let ([a, b, c, d], [e, f, g, h]) = (left.to_le_bytes(), right.to_le_bytes());
        [a, b, c, d, e, f, g, h]
    }

    const fn word(&self, choice: u32) -> u32 {
        let [zero, one, two, three] = self.0;
        match choice & 3 {
            0 => zero,
            1 => one,
            2 => two,
            _ => three,
        }
    }
}

const fn mix(word: u32) -> u32 {
    (word << 4 ^ word >> 5).wrapping_add(word)
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

#[cfg(test)]
mod tests {
    extern crate std;
    use std::format;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_two_blocks_are_masked_alike_and_the_third_is_not() {
        let mut mask = [0; 24];
        Key::from_bytes([7; 16]).apply(1, &mut mask);
        assert_eq!(mask[..8], mask[8..16]);
        assert_ne!(mask[8..16], mask[16..]);
    }

    #[test]
    fn debug_does_not_tell_the_key() {
        assert_eq!(format!("{:?}", Key::from_bytes([7; 16])), "Key(..)");
    }

    proptest! {
        #[test]
        fn applied_twice_it_gives_the_payload_back(
            payload in proptest::collection::vec(any::<u8>(), 0..300), key: [u8; 16], nonce: u32,
        ) {
            let key = Key::from_bytes(key);
            let mut twice = payload.clone();
            key.apply(nonce, &mut twice);
            key.apply(nonce, &mut twice);
            prop_assert_eq!(twice, payload);
        }
    }
}
