//! The CRC32 trailer: CRC-32C, big endian (SEC-3, SEC-4).

use crc::{CRC_32_ISCSI, Crc};

/// Length of the trailer in bytes.
pub const CRC_LEN: usize = 4;

// Sixteen tables are several times faster than one, and cost 15 KiB more: too much where there is no `std`.
#[cfg(feature = "std")]
type Tables = crc::Table<16>;
#[cfg(not(feature = "std"))]
type Tables = crc::Table<1>;

static CRC32C: Crc<u32, Tables> = Crc::<u32, Tables>::new(&CRC_32_ISCSI);

/// The checksum of `data`.
///
/// ```
/// assert_eq!(csp_core::crc::checksum(b"123456789"), 0xe306_9283);
/// ```
#[must_use]
pub fn checksum(data: &[u8]) -> u32 {
    CRC32C.checksum(data)
}

/// The checksum of `header` followed by `payload`.
#[must_use]
pub fn checksum_with_header(header: &[u8], payload: &[u8]) -> u32 {
    let mut digest = CRC32C.digest();
    digest.update(header);
    digest.update(payload);
    digest.finalize()
}

/// Checks the trailer at the end of `protected` and gives what lies before it.
///
/// Both coverages pass: payload alone, which every released peer emits, and header with payload, which libcsp
/// 2.x documents and accepts (SEC-3). `header` is the header's bytes as the link delivered them; empty leaves
/// the second form out, as libcsp 1.6 and csp-py do.
///
/// # Errors
/// Fewer than 4 bytes, or neither checksum matches.
pub fn verify<'a>(header: &[u8], protected: &'a [u8]) -> Result<&'a [u8], CrcError> {
    let (payload, trailer) = protected
        .split_last_chunk()
        .ok_or(CrcError::Short { got: protected.len() })?;
    let expected = u32::from_be_bytes(*trailer);
    let got = checksum(payload);
    if got == expected || (!header.is_empty() && checksum_with_header(header, payload) == expected) {
        Ok(payload)
    } else {
        Err(CrcError::Mismatch { expected, got })
    }
}

/// Why a payload fails its checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CrcError {
    /// There is no room for a trailer.
    #[error("the checksum needs 4 bytes, got {got}")]
    Short {
        /// Length of the payload.
        got: usize,
    },
    /// The bytes are not those the sender summed.
    #[error("the trailer says {expected:08x}, the payload sums to {got:08x}")]
    Mismatch {
        /// What the trailer says.
        expected: u32,
        /// The checksum of the payload alone.
        got: u32,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_of_nothing_is_zero() {
        assert_eq!(checksum(b""), 0);
        assert_eq!(verify(b"", &[0; 4]), Ok(&b""[..]));
    }

    #[test]
    fn both_coverages_pass_and_a_third_does_not() {
        let (header, payload) = ([0x80, 9, 0, 16, 0xa8, 0x41], b"abc");
        let with = |sum: u32| [&payload[..], &sum.to_be_bytes()].concat();
        assert_eq!(verify(&header, &with(checksum(payload))), Ok(&payload[..]));
        let covered = with(checksum_with_header(&header, payload));
        assert_eq!(verify(&header, &covered), Ok(&payload[..]));
        assert!(matches!(verify(&[], &covered), Err(CrcError::Mismatch { .. })));
        assert!(matches!(
            verify(&header[..4], &covered),
            Err(CrcError::Mismatch { .. })
        ));
    }

    #[test]
    fn three_bytes_are_too_short() {
        assert_eq!(verify(&[], &[0; 3]), Err(CrcError::Short { got: 3 }));
    }

    extern crate std;
}
