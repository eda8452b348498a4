//! The rules by which fragments make a blob (SFP-3 to SFP-5), without memory for it.

use thiserror::Error;

use super::{TRAILER_LEN, Trailer};
use crate::{DecodeError, Flags};

/// Judges the fragments of one sender, one after the other.
///
/// It keeps two numbers and no data, so that who has a buffer needs no allocation:
///
/// ```
/// use csp_core::Flags;
/// use csp_core::sfp::{Fragments, Tracker};
///
/// let mut buffer = [0; 16];
/// let mut tracker = Tracker::new(16);
/// for fragment in Fragments::try_new(b"hello there", 4, 12).unwrap() {
///     let mut payload = [0; 12];
///     let len = fragment.write(&mut payload).unwrap();
///     // On the way.
///     let piece = tracker.accept(Flags::FRAG, &payload[..len]).unwrap();
///     buffer[piece.offset as usize..][..piece.data.len()].copy_from_slice(piece.data);
///     if piece.complete {
///         assert_eq!(&buffer[..piece.total as usize], b"hello there");
///     }
/// }
/// assert!(!tracker.is_receiving());
/// ```
#[derive(Clone, Debug)]
pub struct Tracker {
    limit: u32,
    current: Option<Progress>,
}

#[derive(Clone, Copy, Debug)]
struct Progress {
    received: u32,
    total: u32,
}

/// A piece that is where it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Piece<'a> {
    /// Its bytes.
    pub data: &'a [u8],
    /// Its place in the blob; 0 begins a new one.
    pub offset: u32,
    /// Length of the blob.
    pub total: u32,
    /// Whether it is the last piece.
    pub complete: bool,
}

impl Tracker {
    /// Takes blobs of up to `limit` bytes.
    #[must_use]
    pub const fn new(limit: u32) -> Self {
        Self { limit, current: None }
    }

    /// Whether a blob has begun and is not complete.
    #[must_use]
    pub const fn is_receiving(&self) -> bool {
        self.current.is_some()
    }

    /// Bytes received of the blob that has begun, and its length.
    #[must_use]
    pub fn progress(&self) -> Option<(u32, u32)> {
        self.current.map(|current| (current.received, current.total))
    }

    /// Gives up the blob that has begun.
    pub const fn reset(&mut self) {
        self.current = None;
    }

    /// Takes the next packet: its flags, and its payload without outer trailers.
    ///
    /// # Errors
    /// It is no continuation of the blob, nor a good beginning of one. The blob that had begun is given up.
    pub fn accept<'a>(&mut self, flags: Flags, payload: &'a [u8]) -> Result<Piece<'a>, AssembleError> {
        let before = self.current.take();
        if !flags.contains(Flags::FRAG) {
            return Err(AssembleError::NotAFragment);
        }
        let (trailer, data) = Trailer::decode(payload)?;
        let (piece, received) = judge(trailer, data, before, self.limit)?;
        if !piece.complete {
            self.current = Some(Progress {
                received,
                total: piece.total,
            });
        }
        Ok(piece)
    }
}

/// The piece, and how many bytes have been received with it.
fn judge<'a>(
    trailer: Trailer,
    data: &'a [u8],
    before: Option<Progress>,
    limit: u32,
) -> Result<(Piece<'a>, u32), AssembleError> {
    let Trailer { offset, total } = trailer;
    let expected = before.map_or(0, |before| before.received);
    if offset != expected {
        return Err(AssembleError::Offset {
            expected,
            got: offset,
        });
    }
    if let Some(before) = before.filter(|before| before.total != total) {
        return Err(AssembleError::TotalChanged {
            expected: before.total,
            got: total,
        });
    }
    if total > limit {
        return Err(AssembleError::TooLong { total, limit });
    }
    let received = u32::try_from(data.len())
        .ok()
        .and_then(|len| offset.checked_add(len))
        .filter(|received| *received <= total)
        .ok_or(AssembleError::Overrun {
            offset,
            len: data.len(),
            total,
        })?;
    // SFP-4: a blob of no bytes is complete with its only fragment.
    let complete = received == total;
    if data.is_empty() && !complete {
        return Err(AssembleError::Empty { offset });
    }
    let piece = Piece {
        data,
        offset,
        total,
        complete,
    };
    Ok((piece, received))
}

/// Why a packet does not continue a blob: a protocol error (SFP-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AssembleError {
    /// The packet does not have the flag FRAG.
    #[error("the packet is no fragment")]
    NotAFragment,
    /// There is no room for a trailer.
    #[error("the trailer needs {TRAILER_LEN} bytes, got {got}")]
    Short {
        /// Length of the payload.
        got: usize,
    },
    /// A piece is missing, or comes again.
    #[error("the piece at offset {got} is not the next one, which is at {expected}")]
    Offset {
        /// Bytes received so far.
        expected: u32,
        /// What the trailer says.
        got: u32,
    },
    /// The piece goes beyond the end of the blob.
    #[error("{len} bytes at offset {offset} are more than the {total} of the blob")]
    Overrun {
        /// Where the piece belongs.
        offset: u32,
        /// Its length.
        len: usize,
        /// Length of the blob.
        total: u32,
    },
    /// The length of the blob is not what earlier fragments said.
    #[error("the blob is {got} bytes long now, and was {expected}")]
    TotalChanged {
        /// What the first fragment said.
        expected: u32,
        /// What this one says.
        got: u32,
    },
    /// The fragment brings nothing, and the blob is not complete.
    #[error("the fragment at offset {offset} has no data")]
    Empty {
        /// Where it belongs.
        offset: u32,
    },
    /// The blob is longer than the receiver takes (SFP-5).
    #[error("a blob of {total} bytes is too long, at most {limit} are taken")]
    TooLong {
        /// Length of the blob.
        total: u32,
        /// The configured limit.
        limit: u32,
    },
}

impl From<DecodeError> for AssembleError {
    fn from(error: DecodeError) -> Self {
        let DecodeError::Short { got, .. } = error;
        Self::Short { got }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::sfp::Fragments;

    fn payload(data: &[u8], offset: u32, total: u32) -> Vec<u8> {
        [data, &Trailer { offset, total }.encode()].concat()
    }

    /// What becomes of a fragment when two of six bytes have been received.
    fn after_two_of_six(flags: Flags, payload_of_next: &[u8]) -> Result<bool, AssembleError> {
        let mut tracker = Tracker::new(6);
        let first = payload(b"ab", 0, 6);
        assert!(!tracker.accept(Flags::FRAG, &first).unwrap().complete);
        let result = tracker.accept(flags, payload_of_next).map(|piece| piece.complete);
        assert_eq!(tracker.is_receiving(), result == Ok(false));
        result
    }

    #[test]
    fn each_fault_of_a_fragment_has_its_name_and_ends_the_blob() {
        use AssembleError as E;
        let frag = Flags::FRAG;
        for (flags, next, expected) in [
            (frag, payload(b"cdef", 2, 6), Ok(true)),
            (frag, payload(b"cd", 2, 6), Ok(false)),
            (Flags::CRC32, payload(b"cdef", 2, 6), Err(E::NotAFragment)),
            (frag, Vec::from(*b"1234567"), Err(E::Short { got: 7 })),
            (frag, payload(b"ab", 0, 6), Err(E::Offset { expected: 2, got: 0 })),
            (frag, payload(b"ef", 4, 6), Err(E::Offset { expected: 2, got: 4 })),
            (
                frag,
                payload(b"cdefg", 2, 6),
                Err(E::Overrun {
                    offset: 2,
                    len: 5,
                    total: 6,
                }),
            ),
            (
                frag,
                payload(b"cdef", 2, 7),
                Err(E::TotalChanged { expected: 6, got: 7 }),
            ),
            (frag, payload(b"", 2, 6), Err(E::Empty { offset: 2 })),
        ] {
            assert_eq!(after_two_of_six(flags, &next), expected, "{next:x?}");
        }
    }

    #[test]
    fn a_blob_beyond_the_limit_is_refused_with_its_first_fragment() {
        let mut tracker = Tracker::new(5);
        let first = payload(b"ab", 0, 6);
        let refused = tracker.accept(Flags::FRAG, &first);
        assert_eq!(refused, Err(AssembleError::TooLong { total: 6, limit: 5 }));
    }

    #[test]
    fn a_blob_of_no_bytes_is_complete_at_once() {
        let mut tracker = Tracker::new(0);
        assert!(tracker.accept(Flags::FRAG, &[0; 8]).unwrap().complete);
        assert!(!tracker.is_receiving());
    }

    proptest! {
        #[test]
        fn fragments_of_any_size_are_taken_and_the_last_completes(
            blob in proptest::collection::vec(any::<u8>(), 1..300), mtu in 1..40_usize,
        ) {
            let mut tracker = Tracker::new(300);
            let mut received = Vec::new();
            let mut completed = false;
            for fragment in Fragments::try_new(&blob, mtu, mtu + 8).unwrap() {
                prop_assert!(!completed);
                let payload = payload(fragment.piece(), fragment.trailer().offset, fragment.trailer().total);
                let piece = tracker.accept(Flags::FRAG, &payload).unwrap();
                received.extend_from_slice(piece.data);
                completed = piece.complete;
            }
            prop_assert!(completed);
            prop_assert_eq!(received, blob);
        }

        #[test]
        fn anything_is_taken_or_refused_and_never_more_than_the_limit(
            packets in proptest::collection::vec(
                (any::<bool>(), proptest::collection::vec(0..3_u8, 0..14)), 0..30,
            ),
        ) {
            let mut tracker = Tracker::new(20);
            for (fragment, payload) in packets {
                let flags = if fragment { Flags::FRAG } else { Flags::NONE };
                if let Ok(piece) = tracker.accept(flags, &payload) {
                    prop_assert!(u64::from(piece.offset) + piece.data.len() as u64 <= u64::from(piece.total));
                    prop_assert!(piece.total <= 20);
                }
            }
        }
    }
}
