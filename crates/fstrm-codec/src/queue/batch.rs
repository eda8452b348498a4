//! Pieces on their way to the transport.

use alloc::collections::VecDeque;
#[cfg(feature = "std")]
use std::io::IoSlice;

use bytes::Buf;

use super::piece::Piece;

/// Frames to write, as bytes in order: a [`Buf`] that gives headers and payloads to one vectored write.
///
/// It holds references, not copies; the queue keeps its own until the frames are done.
#[derive(Debug, Default)]
pub struct Batch {
    pieces: VecDeque<Piece>,
    /// Bytes of the first piece that are written.
    at: usize,
    left: usize,
}

impl Batch {
    /// Bytes left to write.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.left
    }

    /// Whether all is written.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.left == 0
    }

    pub(super) fn push(&mut self, piece: Piece) {
        self.left += piece.len();
        self.pieces.push_back(piece);
    }

    /// What is left, in parts that are not empty.
    fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let first = core::iter::once(self.at).chain(core::iter::repeat(0));
        let parts = self
            .pieces
            .iter()
            .zip(first)
            .flat_map(|(piece, at)| piece.parts(at));
        parts.filter(|part| !part.is_empty())
    }
}

impl Buf for Batch {
    fn remaining(&self) -> usize {
        self.left
    }

    fn chunk(&self) -> &[u8] {
        self.parts().next().unwrap_or_default()
    }

    #[cfg(feature = "std")]
    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for (slice, part) in slices.iter_mut().zip(self.parts()) {
            *slice = IoSlice::new(part);
            filled += 1;
        }
        filled
    }

    /// Passes over the next `len` bytes, or over what there is if it is less.
    fn advance(&mut self, len: usize) {
        let len = len.min(self.left);
        self.left -= len;
        self.at += len;
        while let Some(piece) = self.pieces.front()
            && self.at >= piece.len()
        {
            self.at -= piece.len();
            self.pieces.pop_front();
        }
    }
}
