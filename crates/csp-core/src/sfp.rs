//! SFP, the simple fragmentation protocol: a blob in several packets (section 10).
//!
//! Each packet has the flag [`FRAG`](crate::Flags::FRAG) and a piece of the blob with eight bytes behind it:
//!
//! | bytes | meaning |
//! |---|---|
//! | 0..4 | offset of the piece in the blob, big endian |
//! | 4..8 | length of the whole blob, big endian |
//!
//! [`Fragments`] cuts a blob, `Assembler` puts one together; [`Tracker`] is the judge inside, for those who
//! have a buffer of their own. The packets have to arrive in order and without loss, since SFP knows neither
//! acknowledgements nor repeats: over plain packets one loss ends the blob, over RDP none does (SFP-6).

#[cfg(feature = "alloc")]
mod assembler;
mod fragments;
mod tracker;

#[cfg(feature = "alloc")]
pub use self::assembler::{Assembler, Stalled};
pub use self::fragments::{Fragment, FragmentError, Fragments};
pub use self::tracker::{AssembleError, Piece, Tracker};
use crate::DecodeError;

/// Length of the trailer in bytes.
pub const TRAILER_LEN: usize = 8;

/// Longest blob that is received unless told otherwise: 1 MiB.
///
/// The peers allocate whatever the first fragment announces.
pub const DEFAULT_LIMIT: u32 = 1 << 20;

/// Where a piece belongs, and how long the whole is.
///
/// ```
/// use csp_core::sfp::Trailer;
///
/// let trailer = Trailer { offset: 0, total: 1 };
/// assert_eq!(trailer.encode(), [0, 0, 0, 0, 0, 0, 0, 1]);
/// let payload = [0xf5, 0, 0, 0, 0, 0, 0, 0, 1];
/// assert_eq!(Trailer::decode(&payload), Ok((trailer, &[0xf5][..])));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Trailer {
    /// Offset of the piece, in bytes.
    pub offset: u32,
    /// Length of the blob, in bytes.
    pub total: u32,
}

impl Trailer {
    /// The eight bytes.
    #[must_use]
    pub fn encode(self) -> [u8; TRAILER_LEN] {
        (u64::from(self.offset) << 32 | u64::from(self.total)).to_be_bytes()
    }

    /// Splits `payload` into the trailer at its end and the piece before it.
    ///
    /// # Errors
    /// [`DecodeError::Short`]: fewer than eight bytes.
    pub fn decode(payload: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let short = DecodeError::Short {
            field: "SFP trailer",
            need: TRAILER_LEN,
            got: payload.len(),
        };
        let (piece, trailer) = payload.split_last_chunk::<TRAILER_LEN>().ok_or(short)?;
        let &[a, b, c, d, e, f, g, h] = trailer;
        let trailer = Self {
            offset: u32::from_be_bytes([a, b, c, d]),
            total: u32::from_be_bytes([e, f, g, h]),
        };
        Ok((trailer, piece))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_payload_is_too_short_or_decodes_to_what_encodes_back(
            payload in proptest::collection::vec(any::<u8>(), 0..20),
        ) {
            match Trailer::decode(&payload) {
                Ok((trailer, piece)) => {
                    prop_assert_eq!([piece, &trailer.encode()].concat(), payload);
                }
                Err(error) => prop_assert_eq!(
                    error,
                    DecodeError::Short { field: "SFP trailer", need: 8, got: payload.len() }
                ),
            }
        }
    }
}
