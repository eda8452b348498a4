//! AES-256-GCM around each packet, with keys that follow one another (spec ch. 9, "packet sealing").

use core::fmt;
use core::mem;

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit};
use bytes::{Bytes, BytesMut};
use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::Zeroize;

use crate::wire::Wire;

/// Length of a key.
pub const KEY_LEN: usize = 32;
/// Length of what stands in front of the packet: random bytes, but for the top bit, which is the key's phase.
pub const IV_LEN: usize = 12;
/// Length of what stands behind it.
pub const TAG_LEN: usize = 16;
/// The top bit of the first byte of an IV: whether the key's epoch is odd.
const PHASE: u8 = 0x80;
/// What the next key is derived for.
const ROTATION: &[u8] = b"o7s-key-rotation";
/// Epochs beyond the next in which a packet is looked for, when no nearer key opens it.
const MAX_AHEAD: u64 = 14;

/// The key that both ends begin with. Wiped from memory when dropped; `Debug` does not show it.
#[derive(Clone)]
pub struct Key([u8; KEY_LEN]);

impl Key {
    /// A key of these bytes, which both ends have agreed on.
    #[must_use]
    pub const fn new(bytes: [u8; KEY_LEN]) -> Self {
        Self(bytes)
    }

    /// The key after it, by HKDF-SHA-256.
    fn next(&self, salt: &Salt) -> Self {
        let mut next = Self([0; KEY_LEN]);
        Hkdf::<Sha256>::new(Some(&salt.0), &self.0)
            .expand(ROTATION, &mut next.0)
            .expect("32 bytes are fewer than 255 times the hash");
        next
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

/// SHA-256 of the first key. Not the key, but nobody's business either.
struct Salt([u8; 32]);

impl Drop for Salt {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// A key, ready to be used. The cipher wipes what it makes of the key.
struct Ready {
    key: Key,
    cipher: Aes256Gcm,
}

impl Ready {
    fn new(key: Key) -> Self {
        let cipher = Aes256Gcm::new((&key.0).into());
        Self { key, cipher }
    }

    fn next(&self, salt: &Salt) -> Self {
        Self::new(self.key.next(salt))
    }

    /// Opens in place; what does not open is as it was.
    fn open(&self, iv: &[u8; IV_LEN], text: &mut [u8], tag: &[u8; TAG_LEN]) -> bool {
        self.cipher
            .decrypt_inout_detached(iv.into(), b"", text.into(), tag.into())
            .is_ok()
    }
}

/// Why a packet was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It is shorter than IV and tag.
    #[error("a sealed packet has at least {} bytes", IV_LEN + TAG_LEN)]
    Short,
    /// No key opens it: damaged, forged, or of an epoch that is gone.
    #[error("no key opens the packet")]
    Forged,
}

/// Seals what is sent and opens what arrives.
///
/// Packets sealed and opened are counted together, and each epoch of 2^20 of them has its own key, as at the
/// peer. There the two ends lose each other when packets get lost, since each counts on its own; here a
/// packet is tried with the current, the next and the previous key, and then with those of some epochs ahead,
/// and who sees that the other is ahead follows it. An end that sends more than an epoch of which nothing
/// arrives does not understand the other until it is heard again; beyond 14 epochs neither finds the other.
///
/// Nothing here refuses a packet that is sealed well and comes twice; that is [`frct`](crate::frct)'s.
pub struct Seal {
    salt: Salt,
    rotation_bit: u8,
    /// Packets sealed and opened, set ahead where the other end is ahead. The bits from `rotation_bit` on are
    /// the epoch.
    count: u64,
    previous: Option<Ready>,
    current: Ready,
    next: Ready,
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seal")
            .field("epoch", &self.epoch())
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

impl Seal {
    /// Begins with `key`, in both directions.
    #[must_use]
    pub fn new(wire: Wire, key: Key) -> Self {
        let salt = Salt(Sha256::digest(key.0).into());
        let current = Ready::new(key);
        let next = current.next(&salt);
        Self {
            salt,
            rotation_bit: wire.rotation_bit(),
            count: 0,
            previous: None,
            current,
            next,
        }
    }

    /// An epoch is 2^`bit` packets, at most 2^62. Both ends must have the same; the peer's is 2^20. Shorter
    /// ones are for tests.
    #[must_use]
    pub const fn with_rotation_bit(mut self, bit: u8) -> Self {
        self.rotation_bit = if bit > 62 { 62 } else { bit };
        self
    }

    /// How often the key was changed.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.count >> self.rotation_bit
    }

    /// Seals the plain text in `packet` behind its first [`IV_LEN`] bytes, which are overwritten by `iv`, and
    /// puts the tag behind it. A packet that has no room for the IV is left alone.
    pub(super) fn seal(&mut self, packet: &mut BytesMut, mut iv: [u8; IV_LEN]) {
        let Some((front, text)) = packet.split_first_chunk_mut::<IV_LEN>() else {
            return;
        };
        if let Some(first) = iv.first_mut() {
            *first = (*first & !PHASE) | phase(self.epoch());
        }
        *front = iv;
        let tag = self
            .current
            .cipher
            .encrypt_inout_detached((&iv).into(), b"", text.into())
            .expect("a packet is shorter than 64 GiB");
        packet.extend_from_slice(&tag);
        self.advance(self.count.saturating_add(1));
    }

    /// Opens a packet.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; then nothing has changed.
    pub(super) fn open(&mut self, packet: &[u8]) -> Result<Bytes, OpenError> {
        let (iv, rest) = packet.split_first_chunk::<IV_LEN>().ok_or(OpenError::Short)?;
        let (text, tag) = rest.split_last_chunk::<TAG_LEN>().ok_or(OpenError::Short)?;
        let mut text = BytesMut::from(text);
        let epoch = self.opening_epoch(iv, &mut text, tag).ok_or(OpenError::Forged)?;
        let ahead = if epoch > self.epoch() {
            epoch << self.rotation_bit
        } else {
            self.count
        };
        self.advance(ahead.saturating_add(1));
        Ok(text.freeze())
    }

    /// Opens `text` in place, and says with the key of which epoch.
    fn opening_epoch(&self, iv: &[u8; IV_LEN], text: &mut [u8], tag: &[u8; TAG_LEN]) -> Option<u64> {
        let epoch = self.epoch();
        let is_current = iv.first()? & PHASE == phase(epoch);
        if is_current && self.current.open(iv, text, tag) {
            return Some(epoch);
        }
        if !is_current && self.next.open(iv, text, tag) {
            return Some(epoch + 1);
        }
        let previous = self.previous.as_ref().filter(|_| !is_current);
        if previous.is_some_and(|previous| previous.open(iv, text, tag)) {
            return epoch.checked_sub(1);
        }
        let mut key = self.next.key.next(&self.salt);
        for ahead in 2..=MAX_AHEAD {
            if ahead.is_multiple_of(2) == is_current && Ready::new(key.clone()).open(iv, text, tag) {
                return Some(epoch + ahead);
            }
            key = key.next(&self.salt);
        }
        None
    }

    /// Sets the count, and changes the key as often as its epoch asks.
    fn advance(&mut self, count: u64) {
        let before = self.epoch();
        self.count = count;
        for _ in before..self.epoch() {
            let after = self.next.next(&self.salt);
            let old = mem::replace(&mut self.current, mem::replace(&mut self.next, after));
            self.previous = Some(old);
        }
    }
}

const fn phase(epoch: u64) -> u8 {
    if epoch.is_multiple_of(2) { 0 } else { PHASE }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    fn seal() -> Seal {
        Seal::new(Wire::V0_23, Key::new([7; KEY_LEN])).with_rotation_bit(3)
    }

    fn sealed(by: &mut Seal, text: &[u8]) -> BytesMut {
        let mut packet = BytesMut::zeroed(IV_LEN);
        packet.extend_from_slice(text);
        by.seal(&mut packet, [0xFF; IV_LEN]);
        packet
    }

    #[test]
    fn what_was_sealed_is_opened_by_the_other_end_alone_and_unchanged_alone() {
        let (mut one, mut two) = (seal(), seal());
        let packet = sealed(&mut one, b"text");
        assert_eq!(packet.len(), IV_LEN + 4 + TAG_LEN);
        assert_eq!(two.open(&packet).unwrap(), "text");
        for bit in 0..packet.len() * 8 {
            let mut packet = packet.clone();
            packet[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(two.open(&packet), Err(OpenError::Forged), "bit {bit}");
        }
        assert_eq!(two.count, 1, "what does not open is not counted");
        let mut stranger = Seal::new(Wire::V0_23, Key::new([8; KEY_LEN]));
        assert_eq!(stranger.open(&packet), Err(OpenError::Forged));
        assert_eq!(
            stranger.open(&packet[..IV_LEN + TAG_LEN - 1]),
            Err(OpenError::Short)
        );
    }

    #[test]
    fn the_phase_flips_with_each_epoch_whatever_the_random_bytes_are() {
        let mut seal = seal();
        let phases = [(); 24].map(|()| sealed(&mut seal, b"x")[0] >> 7);
        assert_eq!(phases[..8], [0; 8]);
        assert_eq!(phases[8..16], [1; 8]);
        assert_eq!(phases[16..], [0; 8]);
    }

    #[test]
    fn a_packet_of_the_previous_epoch_is_opened_and_one_of_the_epoch_before_is_not() {
        let (mut one, mut two) = (seal(), seal());
        let packets: [BytesMut; 17] = core::array::from_fn(|_| sealed(&mut one, b"x"));
        assert!(two.open(&packets[8]).is_ok());
        assert_eq!(two.epoch(), 1, "it follows");
        assert!(two.open(&packets[7]).is_ok());
        assert!(two.open(&packets[16]).is_ok());
        assert!(two.open(&packets[15]).is_ok());
        assert_eq!(two.open(&packets[0]), Err(OpenError::Forged));
    }

    #[test]
    fn ends_that_lost_hundreds_of_packets_find_each_other_again() {
        let (mut one, mut two) = (seal(), seal());
        for lost in [0, 1, 7, 8, 9, 30, 100] {
            for _ in 0..lost {
                drop(sealed(&mut one, b"lost"));
            }
            let packet = sealed(&mut one, b"x");
            assert!(two.open(&packet).is_ok(), "after {lost}");
            assert!(one.open(&sealed(&mut two, b"y")).is_ok(), "after {lost}");
        }
    }

    #[test]
    fn nothing_printed_shows_a_key() {
        let shown = format!("{:?} {:?}", Key::new([0xAB; KEY_LEN]), seal());
        assert!(!shown.contains("171") && !shown.to_lowercase().contains("ab, ab"));
        assert!(shown.contains("epoch: 0"));
    }
}
