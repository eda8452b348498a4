//! Trailers put on and taken off in the right order (SEC-1).
//!
//! ```text
//! payload [| RDP 5] [| HMAC 4] [| CRC32 4]
//! ```
//!
//! [`seal`] adds the HMAC and CRC32 trailers that a header's flags ask for, [`open`] checks and strips them.
//! RDP and SFP trailers lie inside and belong to the machines that make them. Only the first and the last
//! node do this; a router carries the payload untouched (SEC-2).

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

use crate::crc::{self, CRC_LEN, CrcError};
use crate::hmac::{HmacError, Key, TAG_LEN};
use crate::{Flags, Header, Version};

/// How many bytes [`seal`] adds for `flags`.
#[must_use]
pub const fn trailer_len(flags: Flags) -> usize {
    let hmac = if flags.contains(Flags::HMAC) { TAG_LEN } else { 0 };
    let crc = if flags.contains(Flags::CRC32) { CRC_LEN } else { 0 };
    hmac + crc
}

/// `payload` with the trailers that `flags` ask for.
///
/// The CRC32 covers the payload alone (SEC-3).
#[must_use]
pub fn seal(flags: Flags, payload: Bytes, key: &Key) -> Bytes {
    let trailer = trailer_len(flags);
    if trailer == 0 {
        return payload;
    }
    let mut sealed = BytesMut::with_capacity(payload.len().saturating_add(trailer));
    sealed.put_slice(&payload);
    if flags.contains(Flags::HMAC) {
        let tag = key.tag(&sealed);
        sealed.put_slice(&tag);
    }
    if flags.contains(Flags::CRC32) {
        let sum = crc::checksum(&sealed);
        sealed.put_u32(sum);
    }
    sealed.freeze()
}

/// The payload inside `sealed`, its trailers checked.
///
/// Which trailers there are, `header`'s flags tell.
///
/// `version` is that of the link the packet came from: one of the two accepted checksums covers the header as
/// it stood there.
///
/// # Errors
/// A trailer is missing, cut short, or wrong.
pub fn open(header: &Header, version: Version, mut sealed: Bytes, key: &Key) -> Result<Bytes, OpenError> {
    if header.flags.contains(Flags::CRC32) {
        let inner = match header.encode(version) {
            Ok(bytes) => crc::verify(&bytes, &sealed)?.len(),
            // A header without a form in this version was never covered by the sum.
            Err(_) => crc::verify(&[], &sealed)?.len(),
        };
        sealed.truncate(inner);
    }
    if header.flags.contains(Flags::HMAC) {
        let inner = key.verify(&sealed)?.len();
        sealed.truncate(inner);
    }
    Ok(sealed)
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
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Address, Port};

    fn header(flags: Flags) -> Header {
        let port = Port::new(10).unwrap();
        let mut header = Header::new((Address::new(1).unwrap(), port), (Address::new(2).unwrap(), port));
        header.flags = flags;
        header
    }

    #[test]
    fn the_checksum_covers_the_authentication_tag() {
        let flags = Flags::CRC32 | Flags::HMAC;
        let key = Key::from_pass_phrase(b"vector key");
        let sealed = seal(flags, Bytes::from_static(b"abc"), &key);
        let (inner, _) = sealed.split_last_chunk::<CRC_LEN>().unwrap();
        assert_eq!(inner, [b"abc", &key.tag(b"abc")[..]].concat());
        let mut bad_tag = sealed.to_vec();
        bad_tag[3] ^= 1;
        let opened = open(&header(flags), Version::V2, bad_tag.into(), &key);
        assert!(matches!(opened, Err(OpenError::Crc(CrcError::Mismatch { .. }))));
        let wrong_key = open(&header(flags), Version::V2, sealed, &Key::default());
        assert_eq!(wrong_key, Err(OpenError::Hmac(HmacError::Mismatch)));
    }

    proptest! {
        #[test]
        fn opening_what_was_sealed_gives_the_payload_back(
            payload in proptest::collection::vec(any::<u8>(), 0..300), bits: u8,
        ) {
            let flags = Flags::from_bits(bits);
            let key = Key::from_bytes([bits; 16]);
            let payload = Bytes::from(payload);
            let sealed = seal(flags, payload.clone(), &key);
            prop_assert_eq!(sealed.len(), payload.len() + trailer_len(flags));
            prop_assert_eq!(open(&header(flags), Version::V1, sealed, &key), Ok(payload));
        }

        #[test]
        fn opening_anything_never_panics(sealed in proptest::collection::vec(any::<u8>(), 0..20), bits: u8) {
            let _ = open(&header(Flags::from_bits(bits)), Version::V2, sealed.into(), &Key::default());
        }
    }
}
