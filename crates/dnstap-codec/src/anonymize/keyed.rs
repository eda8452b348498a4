//! Crypto-PAn's construction with SipHash-2-4 as its pseudorandom function.

use core::hash::Hasher as _;

use siphasher::sip::SipHasher24;

#[derive(Clone, Debug)]
pub(super) struct Keyed(SipHasher24);

impl Keyed {
    pub(super) fn new(key: [u8; 16]) -> Self {
        Self(SipHasher24::new_with_key(&key))
    }

    pub(super) fn v4(&self, address: [u8; 4]) -> [u8; 4] {
        let front = u128::from(u32::from_be_bytes(address)) << 96;
        let [a, b, c, d, ..] = self.replace(front, 32).to_be_bytes();
        [a, b, c, d]
    }

    pub(super) fn v6(&self, address: [u8; 16]) -> [u8; 16] {
        self.replace(u128::from_be_bytes(address), 128).to_be_bytes()
    }

    /// Turns each of the first `width` bits by one bit of the function of all bits before it, of their
    /// number, and of the width.
    fn replace(&self, address: u128, width: u8) -> u128 {
        let mut turned = 0;
        for at in 0..width {
            let shift = 127 - u32::from(at);
            // The bits before this one, and zeros.
            let before = address & !(u128::MAX >> u32::from(at));
            let mut hasher = self.0;
            hasher.write(&[width, at]);
            hasher.write(&before.to_be_bytes());
            turned |= u128::from(hasher.finish() & 1) << shift;
        }
        address ^ turned
    }
}
