//! A write buffer that hands on pieces of one size, cut wherever a piece is full.
//!
//! `std::io::BufWriter` hands on what it has before a write that does not fit. Whole pieces of a power of two
//! keep every write of a file on the borders of its pages, which the kernel takes with less work.

use alloc::boxed::Box;
use alloc::vec;
use std::io::{self, Write};

/// Size of a piece, in bytes: one that stays in a core's cache until the kernel takes it.
pub(super) const PIECE_LEN: usize = 256 * 1024;

/// Collects bytes for `W`. What it holds when it is dropped is written, and a failure then is not told.
#[derive(Debug)]
pub(super) struct Pieces<W: Write> {
    /// `None` once it was given back.
    inner: Option<W>,
    /// Of [`PIECE_LEN`].
    buffer: Box<[u8]>,
    /// So many bytes at its beginning wait: less than all between two calls.
    held: usize,
}

impl<W: Write> Pieces<W> {
    pub(super) fn new(inner: W) -> Self {
        Self {
            inner: Some(inner),
            buffer: vec![0; PIECE_LEN].into_boxed_slice(),
            held: 0,
        }
    }

    /// Appends `head` and `body`.
    #[inline]
    pub(super) fn put(&mut self, head: [u8; 4], body: &[u8]) -> io::Result<()> {
        // Less than a whole piece stays behind: a full one is written at once.
        if let Some((to, room)) = self.room().split_first_chunk_mut()
            && body.len() < room.len()
            && let Some(room) = room.get_mut(..body.len())
        {
            *to = head;
            room.copy_from_slice(body);
            self.held += head.len() + body.len();
            return Ok(());
        }
        self.put_over(head, body)
    }

    /// Appends what reaches the end of the piece.
    #[cold]
    fn put_over(&mut self, head: [u8; 4], body: &[u8]) -> io::Result<()> {
        self.put_all(&head)?;
        self.put_all(body)
    }

    /// Appends `bytes`; what makes a whole piece is not copied.
    pub(super) fn put_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        loop {
            if self.held == 0 {
                let whole = bytes.len() - bytes.len() % PIECE_LEN;
                let (pieces, rest) = bytes.split_at_checked(whole).unwrap_or((bytes, &[]));
                self.inner_mut().write_all(pieces)?;
                bytes = rest;
            }
            let room = self.room();
            let (front, rest) = bytes.split_at_checked(room.len()).unwrap_or((bytes, &[]));
            if let Some(room) = room.get_mut(..front.len()) {
                room.copy_from_slice(front);
            }
            self.held += front.len();
            if self.held < PIECE_LEN {
                return Ok(());
            }
            self.write_out()?;
            bytes = rest;
        }
    }

    /// Writes `bytes` behind what waits, without a copy.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_out()?;
        self.inner_mut().write_all(bytes)
    }

    /// Hands everything on, and tells the one behind to do the same.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.write_out()?;
        self.inner_mut().flush()
    }

    /// Gives back what it wrote to; everything has been handed on.
    pub(super) fn into_inner(mut self) -> io::Result<W> {
        self.write_out()?;
        Ok(self.inner.take().expect("it is taken here alone"))
    }

    /// Writes the buffer; of what a failed write has taken nothing is written again.
    fn write_out(&mut self) -> io::Result<()> {
        let mut done = 0;
        let result = loop {
            let rest = self.buffer.get(done..self.held).unwrap_or_default();
            if rest.is_empty() {
                break Ok(());
            }
            match self.inner.as_mut().map_or(Ok(0), |inner| inner.write(rest)) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(len) => done += len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        let done = done.min(self.held);
        self.buffer.copy_within(done..self.held, 0);
        self.held -= done;
        result
    }

    /// Where the next bytes go.
    #[inline]
    fn room(&mut self) -> &mut [u8] {
        self.buffer.get_mut(self.held..).unwrap_or_default()
    }

    fn inner_mut(&mut self) -> &mut W {
        self.inner.as_mut().expect("it is there until it is given back")
    }
}

impl<W: Write> Drop for Pieces<W> {
    fn drop(&mut self) {
        if self.inner.is_some() {
            let _ = self.write_out();
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    /// Takes a few bytes at a time, and refuses every third call.
    #[derive(Default)]
    struct Reluctant {
        taken: Vec<u8>,
        calls: usize,
    }

    impl Write for Reluctant {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.calls += 1;
            match self.calls % 3 {
                0 => Err(io::ErrorKind::StorageFull.into()),
                1 => Err(io::ErrorKind::Interrupted.into()),
                _ => {
                    let len = bytes.len().min(70_000);
                    self.taken.extend_from_slice(&bytes[..len]);
                    Ok(len)
                }
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_write_but_the_last_is_a_whole_piece() {
        struct Lengths(Vec<usize>);
        impl Write for Lengths {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.push(bytes.len());
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut pieces = Pieces::new(Lengths(Vec::new()));
        pieces.put([1; 4], &[2; 700_000]).unwrap();
        pieces.put([1; 4], &[2; 700_000]).unwrap();
        pieces.put_all(&vec![3; 3 * PIECE_LEN]).unwrap();
        pieces.put([1; 4], b"end").unwrap();
        let Lengths(lengths) = pieces.into_inner().unwrap();
        let (last, whole) = lengths.split_last().unwrap();
        assert!(whole.iter().all(|len| len % PIECE_LEN == 0), "{lengths:?}");
        let total = whole.iter().sum::<usize>() + last;
        assert_eq!(total, 2 * 700_004 + 3 * PIECE_LEN + 7);
    }

    #[test]
    fn what_a_failed_write_has_taken_is_not_written_again() {
        let mut pieces = Pieces::new(Reluctant::default());
        let mut wanted = Vec::new();
        for byte in 0..10_u8 {
            let body = vec![byte; 25_000];
            pieces.put([byte; 4], &body).unwrap();
            wanted.extend([byte; 4]);
            wanted.extend(body);
        }
        let failures = core::iter::repeat_with(|| pieces.flush()).take_while(Result::is_err);
        assert!(failures.count() > 1);
        assert!(pieces.into_inner().unwrap().taken == wanted);
    }

    #[test]
    fn what_is_dropped_is_written() {
        let mut taken = Vec::new();
        let mut pieces = Pieces::new(&mut taken);
        pieces.put([0, 0, 0, 1], b"x").unwrap();
        drop(pieces);
        assert_eq!(taken, b"\0\0\0\x01x");
    }
}
