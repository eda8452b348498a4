//! Read buffers that are given away and come back.

use std::sync::{Arc, Mutex, PoisonError};
use std::vec;
use std::vec::Vec;

use bytes::Bytes;

/// Buffers that have come back. A buffer that is used again costs no pages that the system would first have
/// to find and clear.
#[derive(Debug, Default)]
pub(super) struct Spares(Arc<Mutex<Vec<Vec<u8>>>>);

/// A buffer that is out.
struct Lent {
    buffer: Vec<u8>,
    home: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Spares {
    /// A buffer that begins with `bytes`; a new one has room for `size`.
    pub(super) fn next(&self, size: usize, bytes: &[u8]) -> Vec<u8> {
        let spare = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut buffer = spare.unwrap_or_else(|| vec![0; size]);
        if buffer.len() < bytes.len() {
            buffer.resize(bytes.len(), 0);
        }
        if let Some(front) = buffer.get_mut(..bytes.len()) {
            front.copy_from_slice(bytes);
        }
        buffer
    }

    /// The whole of a buffer, which comes back when the last reference to it is gone.
    pub(super) fn lend(&self, buffer: Vec<u8>) -> Bytes {
        Bytes::from_owner(Lent {
            buffer,
            home: Arc::clone(&self.0),
        })
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut home = self.home.lock().unwrap_or_else(PoisonError::into_inner);
        home.push(core::mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_with_the_last_reference_to_it() {
        let spares = Spares::default();
        let buffer = spares.next(8, b"abc");
        assert_eq!(buffer, b"abc\0\0\0\0\0");
        let place = buffer.as_ptr();
        let whole = spares.lend(buffer);
        let part = whole.slice(1..3);
        drop(whole);
        let other = spares.next(8, b"");
        assert_ne!(other.as_ptr(), place, "somebody keeps a part");
        assert_eq!(part, &b"bc"[..]);
        drop(part);
        let again = spares.next(8, b"0123456789");
        assert_eq!(again, b"0123456789", "it grows to hold what it begins with");
        assert!(spares.0.lock().unwrap().is_empty());
    }
}
