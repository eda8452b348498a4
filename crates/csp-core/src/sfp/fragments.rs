//! A blob cut into pieces.

use core::slice::Chunks;

#[cfg(feature = "alloc")]
use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

use super::{TRAILER_LEN, Trailer};

/// The fragments of a blob, in order.
///
/// An empty blob has none: nothing is sent for it (SFP-2, SFP-4).
///
/// ```
/// use csp_core::sfp::Fragments;
///
/// let fragments = Fragments::try_new(b"abcde", 4, 256).unwrap();
/// let pieces: Vec<&[u8]> = fragments.map(|fragment| fragment.piece()).collect();
/// assert_eq!(pieces, [&b"abcd"[..], b"e"]);
/// ```
#[derive(Clone, Debug)]
pub struct Fragments<'a> {
    pieces: Chunks<'a, u8>,
    trailer: Trailer,
}

impl<'a> Fragments<'a> {
    /// Cuts `blob` into pieces of `mtu` bytes, of which the last may be shorter.
    ///
    /// `room` is the longest payload that can be sent: the interface's MTU less the trailers of RDP, HMAC and
    /// CRC32 where they are used (`Node::max_payload` tells).
    ///
    /// # Errors
    /// No piece of `mtu` bytes can be sent, or the blob's length has no place in a trailer.
    pub fn try_new(blob: &'a [u8], mtu: usize, room: usize) -> Result<Self, FragmentError> {
        let max = room.saturating_sub(TRAILER_LEN);
        if mtu == 0 || mtu > max {
            return Err(FragmentError::Mtu { mtu, max });
        }
        let total = u32::try_from(blob.len()).map_err(|_| FragmentError::TooLong { len: blob.len() })?;
        Ok(Self {
            pieces: blob.chunks(mtu),
            trailer: Trailer { offset: 0, total },
        })
    }
}

impl<'a> Iterator for Fragments<'a> {
    type Item = Fragment<'a>;

    fn next(&mut self) -> Option<Fragment<'a>> {
        let piece = self.pieces.next()?;
        let trailer = self.trailer;
        // The blob's length fits, so do its parts'.
        let len = u32::try_from(piece.len()).unwrap_or(u32::MAX);
        self.trailer.offset = trailer.offset.saturating_add(len);
        Some(Fragment { piece, trailer })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.pieces.size_hint()
    }
}

impl ExactSizeIterator for Fragments<'_> {}

/// A piece of a blob with its trailer: the payload of a packet with the flag FRAG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment<'a> {
    piece: &'a [u8],
    trailer: Trailer,
}

impl<'a> Fragment<'a> {
    /// The bytes of the blob.
    #[must_use]
    pub const fn piece(&self) -> &'a [u8] {
        self.piece
    }

    /// Where they belong.
    #[must_use]
    pub const fn trailer(&self) -> Trailer {
        self.trailer
    }

    /// Writes the fragment to the beginning of `buffer`; gives its length, `None` if it does not fit.
    pub fn write(&self, buffer: &mut [u8]) -> Option<usize> {
        let (piece, rest) = buffer.split_at_mut_checked(self.piece.len())?;
        *rest.first_chunk_mut()? = self.trailer.encode();
        piece.copy_from_slice(self.piece);
        self.piece.len().checked_add(TRAILER_LEN)
    }

    /// The fragment as the payload of a packet.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut payload = BytesMut::with_capacity(self.piece.len().saturating_add(TRAILER_LEN));
        payload.put_slice(self.piece);
        payload.put_slice(&self.trailer.encode());
        payload.freeze()
    }
}

/// Why a blob cannot be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FragmentError {
    /// Pieces of this length cannot be sent.
    #[error("pieces of {mtu} bytes cannot be sent, they can have 1 to {max}")]
    Mtu {
        /// The length asked for.
        mtu: usize,
        /// The greatest that can be sent.
        max: usize,
    },
    /// The blob is longer than a trailer can say.
    #[error("a blob of {len} bytes is too long, the trailer can say {}", u32::MAX)]
    TooLong {
        /// Length of the blob.
        len: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_fill_the_room_less_the_trailer_and_not_a_byte_more() {
        assert!(Fragments::try_new(b"abc", 248, 256).is_ok());
        for (mtu, room, max) in [(249, 256, 248), (0, 256, 248), (1, 8, 0), (1, 3, 0)] {
            let refused = Fragments::try_new(b"abc", mtu, room).map(|_| ());
            assert_eq!(refused, Err(FragmentError::Mtu { mtu, max }));
        }
    }

    #[test]
    fn an_empty_blob_has_no_fragments() {
        assert_eq!(Fragments::try_new(b"", 1, 256).unwrap().len(), 0);
    }

    #[test]
    fn a_fragment_is_written_whole_or_not_at_all() {
        let fragment = Fragments::try_new(b"abc", 3, 256).unwrap().next().unwrap();
        let mut buffer = [0xEE; 12];
        assert_eq!(fragment.write(&mut buffer), Some(11));
        assert_eq!(buffer, *b"abc\0\0\0\0\0\0\0\x03\xEE");
        let mut short = [0xEE; 10];
        assert_eq!(fragment.write(&mut short), None);
        assert_eq!(short, [0xEE; 10]);
    }
}
