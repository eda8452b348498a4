//! Trailers put on and taken off in the right order (SEC-1).
//!
//! ```text
//! payload [| SFP 8] [| RDP 5] [| HMAC 4] [| CRC32 4]      and in 1.x all of it encrypted [| nonce 4]
//! ```
//!
//! A [`Protection`] puts on the HMAC and CRC32 trailers that a header's flags ask for, and checks and strips
//! them. SFP and RDP trailers lie inside and belong to the machines that make them. Only the first and the
//! last node do this; a router carries the payload untouched (SEC-2).
//!
//! Beware: nothing stops a replay, the header is not authenticated, a tag has 32 bits, and the encryption of
//! 1.x is none to rely on.

#[cfg(feature = "alloc")]
use bytes::{Bytes, BytesMut};
use thiserror::Error;

use crate::crc::{self, CRC_LEN, CrcError};
use crate::hmac::{HmacError, Key, TAG_LEN};
#[cfg(feature = "legacy-xtea")]
use crate::xtea;
use crate::{Flags, Header, Version, XteaFlag};

/// Length in bytes of the nonce behind an encrypted payload.
const NONCE_LEN: usize = 4;

/// With which keys, and in which header version, payloads are protected.
///
/// ```
/// use csp_core::seal::Protection;
/// use csp_core::{Flags, Header, Version, hmac};
/// # use csp_core::{Address, Port};
/// # let from = (Address::new(1).unwrap(), Port::new(33).unwrap());
/// # let to = (Address::new(2).unwrap(), Port::new(10).unwrap());
///
/// let key = hmac::Key::from_pass_phrase(b"k");
/// let protection = Protection::new(Version::V2, &key);
/// let mut header = Header::new(from, to);
/// header.flags = Flags::HMAC | Flags::CRC32;
///
/// let mut buffer = *b"payload and room";
/// let sealed = protection.seal_in_place(header.flags, &mut buffer, 7, 0).unwrap();
/// assert_eq!(sealed.len(), 7 + protection.trailer_len(header.flags));
/// assert_eq!(protection.open_in_place(&header, sealed).unwrap(), b"payload");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Protection<'a> {
    version: Version,
    hmac: &'a Key,
    xtea_flag: XteaFlag,
    #[cfg(feature = "legacy-xtea")]
    xtea: Option<&'a xtea::Key>,
}

impl<'a> Protection<'a> {
    /// Protection on a link of `version`, authenticated with `hmac`.
    ///
    /// What the XTEA flag says is encrypted can be neither made nor read.
    #[must_use]
    pub const fn new(version: Version, hmac: &'a Key) -> Self {
        Self {
            version,
            hmac,
            xtea_flag: XteaFlag::Encrypted,
            #[cfg(feature = "legacy-xtea")]
            xtea: None,
        }
    }

    /// What the XTEA flag means in version 1. Default: encrypted.
    #[must_use]
    pub const fn xtea_flag(mut self, meaning: XteaFlag) -> Self {
        self.xtea_flag = meaning;
        self
    }

    /// Encrypts and decrypts with `key` what the XTEA flag says is encrypted.
    #[cfg(feature = "legacy-xtea")]
    #[must_use]
    pub const fn xtea(mut self, key: &'a xtea::Key) -> Self {
        self.xtea = Some(key);
        self
    }

    /// Whether a payload with `flags` is encrypted: in version 1 only (SEC-6).
    #[must_use]
    pub const fn encrypts(&self, flags: Flags) -> bool {
        matches!((self.version, self.xtea_flag), (Version::V1, XteaFlag::Encrypted))
            && flags.contains(Flags::XTEA)
    }

    /// How many bytes sealing adds for `flags`.
    #[must_use]
    pub const fn trailer_len(&self, flags: Flags) -> usize {
        let nonce = if self.encrypts(flags) { NONCE_LEN } else { 0 };
        trailer_len(flags) + nonce
    }

    /// Puts behind the first `len` bytes of `buffer` the trailers that `flags` ask for.
    ///
    /// Gives the part of the buffer that is now to be sent. The CRC32 covers the payload alone (SEC-3).
    /// `nonce` is 32 random bits; it is used where the payload is encrypted, and should then be another one
    /// each time.
    ///
    /// # Errors
    /// The buffer is too short, or the payload is to be encrypted and there is no key.
    pub fn seal_in_place<'b>(
        &self,
        flags: Flags,
        buffer: &'b mut [u8],
        len: usize,
        nonce: u32,
    ) -> Result<&'b mut [u8], SealError> {
        let need = len.saturating_add(self.trailer_len(flags));
        let got = buffer.len();
        let sealed = buffer.get_mut(..need).ok_or(SealError::Room { need, got })?;
        let mut len = len;
        if flags.contains(Flags::HMAC) {
            len = append(sealed, len, |payload| self.hmac.tag(payload));
        }
        if flags.contains(Flags::CRC32) {
            len = append(sealed, len, |payload| crc::checksum(payload).to_be_bytes());
        }
        if self.encrypts(flags) {
            self.encrypt(sealed, len, nonce)?;
        }
        Ok(sealed)
    }

    /// Checks the trailers of `sealed` that `header`'s flags tell of, and gives the payload before them.
    ///
    /// `header` is the one the link delivered: one of the two accepted checksums covers it (SEC-3).
    ///
    /// # Errors
    /// A trailer is missing, cut short, or wrong; or the payload is encrypted and there is no key.
    pub fn open_in_place<'b>(
        &self,
        header: &Header,
        mut sealed: &'b mut [u8],
    ) -> Result<&'b mut [u8], OpenError> {
        if self.encrypts(header.flags) {
            sealed = self.decrypt(sealed)?;
        }
        let len = self.check(header, sealed)?;
        Ok(sealed.get_mut(..len).unwrap_or_default())
    }

    /// `payload` with the trailers that `flags` ask for; see [`seal_in_place`](Self::seal_in_place).
    ///
    /// # Errors
    /// [`SealError::NoKey`]: the payload is to be encrypted and there is no key.
    #[cfg(feature = "alloc")]
    pub fn seal(&self, flags: Flags, payload: Bytes, nonce: u32) -> Result<Bytes, SealError> {
        let trailer = self.trailer_len(flags);
        if trailer == 0 {
            return Ok(payload);
        }
        let mut sealed = BytesMut::with_capacity(payload.len().saturating_add(trailer));
        sealed.extend_from_slice(&payload);
        sealed.resize(payload.len().saturating_add(trailer), 0);
        self.seal_in_place(flags, &mut sealed, payload.len(), nonce)?;
        Ok(sealed.freeze())
    }

    /// The payload inside `sealed`, its trailers checked; see [`open_in_place`](Self::open_in_place).
    ///
    /// # Errors
    /// A trailer is missing, cut short, or wrong; or the payload is encrypted and there is no key.
    #[cfg(feature = "alloc")]
    pub fn open(&self, header: &Header, mut sealed: Bytes) -> Result<Bytes, OpenError> {
        if self.encrypts(header.flags) {
            let mut buffer = BytesMut::from(sealed);
            let len = self.open_in_place(header, &mut buffer)?.len();
            buffer.truncate(len);
            return Ok(buffer.freeze());
        }
        let len = self.check(header, &sealed)?;
        sealed.truncate(len);
        Ok(sealed)
    }

    /// Length of the payload in front of the CRC32 and HMAC trailers, both checked.
    fn check(&self, header: &Header, mut sealed: &[u8]) -> Result<usize, OpenError> {
        if header.flags.contains(Flags::CRC32) {
            sealed = match header.encode(self.version) {
                Ok(bytes) => crc::verify(&bytes, sealed)?,
                // A header without a form in this version was never covered by the sum.
                Err(_) => crc::verify(&[], sealed)?,
            };
        }
        if header.flags.contains(Flags::HMAC) {
            sealed = self.hmac.verify(sealed)?;
        }
        Ok(sealed.len())
    }

    #[cfg(feature = "legacy-xtea")]
    fn encrypt(&self, sealed: &mut [u8], len: usize, nonce: u32) -> Result<(), SealError> {
        let key = self.xtea.ok_or(SealError::NoKey)?;
        key.apply(nonce, sealed.get_mut(..len).unwrap_or_default());
        append(sealed, len, |_| nonce.to_be_bytes());
        Ok(())
    }

    #[cfg(not(feature = "legacy-xtea"))]
    #[expect(clippy::unused_self, reason = "its other form has the key there")]
    const fn encrypt(&self, _: &mut [u8], _: usize, _: u32) -> Result<(), SealError> {
        Err(SealError::NoKey)
    }

    #[cfg(feature = "legacy-xtea")]
    fn decrypt<'b>(&self, sealed: &'b mut [u8]) -> Result<&'b mut [u8], OpenError> {
        let key = self.xtea.ok_or(OpenError::NoKey)?;
        let got = sealed.len();
        let (payload, nonce) = sealed
            .split_last_chunk_mut::<NONCE_LEN>()
            .ok_or(OpenError::Nonce { got })?;
        key.apply(u32::from_be_bytes(*nonce), payload);
        Ok(payload)
    }

    #[cfg(not(feature = "legacy-xtea"))]
    #[expect(clippy::unused_self, reason = "its other form has the key there")]
    const fn decrypt<'b>(&self, _: &'b mut [u8]) -> Result<&'b mut [u8], OpenError> {
        Err(OpenError::NoKey)
    }
}

/// How many bytes the HMAC and CRC32 trailers of `flags` have.
#[must_use]
pub const fn trailer_len(flags: Flags) -> usize {
    let hmac = if flags.contains(Flags::HMAC) { TAG_LEN } else { 0 };
    let crc = if flags.contains(Flags::CRC32) { CRC_LEN } else { 0 };
    hmac + crc
}

/// Writes a trailer of the first `len` bytes behind them; gives the new length.
fn append(buffer: &mut [u8], len: usize, trailer: impl FnOnce(&[u8]) -> [u8; 4]) -> usize {
    if let Some((payload, room)) = buffer.split_at_mut_checked(len)
        && let Some(room) = room.first_chunk_mut()
    {
        *room = trailer(payload);
    }
    len.saturating_add(4)
}

/// Why a payload cannot be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SealError {
    /// The buffer has no room for the trailers.
    #[error("payload and trailers need {need} bytes, the buffer has {got}")]
    Room {
        /// Length of payload and trailers.
        need: usize,
        /// Length of the buffer.
        got: usize,
    },
    /// The payload is to be encrypted, and there is no key.
    ///
    /// Or the feature `legacy-xtea` is off.
    #[error("the payload is to be encrypted, and there is no key")]
    NoKey,
}

/// Why a payload's trailers don't hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The CRC32 trailer.
    #[error(transparent)]
    Crc(#[from] CrcError),
    /// The HMAC trailer.
    #[error(transparent)]
    Hmac(#[from] HmacError),
    /// There is no room for the nonce of an encrypted payload.
    #[error("the nonce needs {NONCE_LEN} bytes, got {got}")]
    Nonce {
        /// Length of the payload.
        got: usize,
    },
    /// The payload is encrypted, and there is no key.
    ///
    /// Or the feature `legacy-xtea` is off.
    #[error("the payload is encrypted, and there is no key")]
    NoKey,
}

#[cfg(test)]
mod tests;
