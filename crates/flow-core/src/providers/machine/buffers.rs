//! Big buffers for reading, shared by the flows of a layer: a flow has one only while it reads.

use alloc::vec::Vec;
use std::sync::{Mutex, PoisonError};

use bytes::BytesMut;

/// Bytes that one reading may bring.
pub(super) const CHUNK: usize = 64 * 1024;
/// Buffers that are kept.
const KEPT: usize = 4;

#[derive(Debug, Default)]
pub(super) struct Buffers(Mutex<Vec<BytesMut>>);

impl Buffers {
    /// An empty buffer with room for [`CHUNK`] bytes.
    pub(super) fn take(&self) -> BytesMut {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut buffer = kept.unwrap_or_default();
        buffer.clear();
        buffer.reserve(CHUNK); // anew, where packets still lie in the old room
        buffer
    }

    /// Takes a buffer back, whatever is in it.
    pub(super) fn give(&self, buffer: BytesMut) {
        if buffer.capacity() > 2 * CHUNK {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT {
            kept.push(buffer);
        }
    }
}
