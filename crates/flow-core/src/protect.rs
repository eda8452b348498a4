//! What is put around a packet on its way, and taken off again (spec ch. 7).
//!
//! ```text
//! packet ──► seal: IV in front, tag behind ──► CRC-32 behind ──► transport
//! ```
//!
//! [`Protection`] does both in this order, or one of them, or none. An empty packet is a keepalive and passes
//! as it is. What fails on the way back is dropped, with a reason, a count and an event. Packets that are
//! sent again go through here again: the peer sends the stored ones, which it had sealed in place, and
//! control packets without CRC, and so loses a sealed flow with the first packet.

mod checksum;
#[cfg(feature = "seal")]
mod seal;

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

pub use checksum::{CRC_LEN, crc32};
#[cfg(feature = "seal")]
pub use seal::{IV_LEN, KEY_LEN, Key, OpenError, Seal, TAG_LEN};

/// Length of the random bytes that a sealed packet takes.
#[cfg(not(feature = "seal"))]
pub const IV_LEN: usize = 12;

/// Why a packet was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It has no room for a CRC.
    #[error("no CRC: a packet with one has more than 4 bytes")]
    NoChecksum,
    /// The CRC is not that of the packet.
    #[error("the CRC does not match")]
    BadChecksum,
    /// It is shorter than IV and tag.
    #[error("not sealed: too short")]
    NotSealed,
    /// No key opens it.
    #[error("no key opens the packet")]
    Forged,
}

/// What happened. Told for each reason, with how often since it was told last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtectEvent {
    /// Packets were dropped.
    Refused {
        /// Why.
        reason: Refusal,
        /// How many.
        count: u64,
    },
}

/// Counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProtectStats {
    /// Packets protected.
    pub protected: u64,
    /// Packets whose protection was right.
    pub unprotected: u64,
    /// [`Refusal::NoChecksum`].
    pub no_checksum: u64,
    /// [`Refusal::BadChecksum`].
    pub bad_checksum: u64,
    /// [`Refusal::NotSealed`].
    pub not_sealed: u64,
    /// [`Refusal::Forged`].
    pub forged: u64,
}

impl ProtectStats {
    const fn refused(&mut self, reason: Refusal) -> &mut u64 {
        match reason {
            Refusal::NoChecksum => &mut self.no_checksum,
            Refusal::BadChecksum => &mut self.bad_checksum,
            Refusal::NotSealed => &mut self.not_sealed,
            Refusal::Forged => &mut self.forged,
        }
    }
}

/// Puts protection on packets and takes it off.
#[derive(Debug, Default)]
pub struct Protection {
    #[cfg(feature = "seal")]
    seal: Option<Seal>,
    has_crc: bool,
    stats: ProtectStats,
    told: ProtectStats,
}

impl Protection {
    /// None; what is sent is what was given.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// With a CRC-32 behind each packet, as a flow with `ber` 0 has.
    #[must_use]
    pub const fn with_crc(mut self) -> Self {
        self.has_crc = true;
        self
    }

    /// With each packet sealed.
    #[cfg(feature = "seal")]
    #[must_use]
    pub fn with_seal(self, seal: Seal) -> Self {
        Self {
            seal: Some(seal),
            ..self
        }
    }

    /// Whether it asks for random bytes.
    #[must_use]
    pub const fn needs_iv(&self) -> bool {
        #[cfg(feature = "seal")]
        return self.seal.is_some();
        #[cfg(not(feature = "seal"))]
        false
    }

    /// Bytes that a packet gets longer.
    #[must_use]
    pub const fn overhead(&self) -> usize {
        let crc = if self.has_crc { CRC_LEN } else { 0 };
        #[cfg(feature = "seal")]
        if self.seal.is_some() {
            return crc + IV_LEN + TAG_LEN;
        }
        crc
    }

    /// Counters.
    #[must_use]
    pub const fn stats(&self) -> ProtectStats {
        self.stats
    }

    /// Protects the packet that `parts` are, one behind the other. `iv` gives random bytes, never the same
    /// twice; it is asked if the packet is sealed.
    #[must_use]
    pub fn protect(&mut self, parts: &[&[u8]], iv: impl FnOnce() -> [u8; IV_LEN]) -> Bytes {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        if len == 0 {
            return Bytes::new();
        }
        let mut packet = BytesMut::with_capacity(len + self.overhead());
        self.put(&mut packet, parts, iv);
        if self.has_crc {
            let crc = crc32(&packet);
            packet.extend_from_slice(&crc);
        }
        self.stats.protected += 1;
        packet.freeze()
    }

    #[cfg(feature = "seal")]
    fn put(&mut self, packet: &mut BytesMut, parts: &[&[u8]], iv: impl FnOnce() -> [u8; IV_LEN]) {
        let Some(seal) = &mut self.seal else {
            return parts.iter().for_each(|part| packet.put_slice(part));
        };
        packet.put_bytes(0, IV_LEN);
        parts.iter().for_each(|part| packet.put_slice(part));
        seal.seal(packet, iv());
    }

    #[cfg(not(feature = "seal"))]
    #[expect(
        clippy::unused_self,
        clippy::needless_pass_by_ref_mut,
        reason = "as with sealing"
    )]
    fn put(&mut self, packet: &mut BytesMut, parts: &[&[u8]], _iv: impl FnOnce() -> [u8; IV_LEN]) {
        parts.iter().for_each(|part| packet.put_slice(part));
    }

    /// Takes the protection off.
    ///
    /// # Errors
    ///
    /// [`Refusal`]: the packet is to be dropped, and is counted.
    pub fn unprotect(&mut self, packet: Bytes) -> Result<Bytes, Refusal> {
        if packet.is_empty() {
            return Ok(packet);
        }
        let opened = self.take_off(packet);
        match opened {
            Ok(_) => self.stats.unprotected += 1,
            Err(reason) => *self.stats.refused(reason) += 1,
        }
        opened
    }

    #[cfg_attr(
        not(feature = "seal"),
        expect(
            clippy::needless_pass_by_ref_mut,
            reason = "only a seal has something to count"
        )
    )]
    fn take_off(&mut self, mut packet: Bytes) -> Result<Bytes, Refusal> {
        if self.has_crc {
            let len = checksum::strip(&packet)?.len();
            packet.truncate(len);
        }
        #[cfg(feature = "seal")]
        if let Some(seal) = &mut self.seal {
            return Ok(seal.open(&packet)?);
        }
        Ok(packet)
    }

    /// What is to be told; call until `None`.
    pub fn poll_event(&mut self) -> Option<ProtectEvent> {
        let reasons = [
            Refusal::NoChecksum,
            Refusal::BadChecksum,
            Refusal::NotSealed,
            Refusal::Forged,
        ];
        reasons.into_iter().find_map(|reason| {
            let (now, told) = (*self.stats.refused(reason), self.told.refused(reason));
            let count = now - core::mem::replace(told, now);
            (count > 0).then_some(ProtectEvent::Refused { reason, count })
        })
    }
}

impl From<checksum::Unfit> for Refusal {
    fn from(unfit: checksum::Unfit) -> Self {
        match unfit {
            checksum::Unfit::Short => Self::NoChecksum,
            checksum::Unfit::Mismatch => Self::BadChecksum,
        }
    }
}

#[cfg(feature = "seal")]
impl From<OpenError> for Refusal {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Short => Self::NotSealed,
            OpenError::Forged => Self::Forged,
        }
    }
}

#[cfg(test)]
mod tests;
