//! Bytes in: a read buffer that is small until it is used.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io;

use bytes::BytesMut;
use tokio::io::AsyncRead;
use tokio_util::io::poll_read_buf;

/// Reads in a row that fill less than an eighth before the buffer becomes smaller.
const MEAGRE_READS: u8 = 8;

/// The bytes that were read and are not parsed yet.
///
/// A connection that says little costs [`Inlet::SMALL`]; one that fills its buffer gets twice the room, up to
/// [`Inlet::LARGE`], where reading is as fast as it gets.
#[derive(Debug)]
pub(super) struct Inlet {
    pub(super) buffer: BytesMut,
    /// Room for the next read.
    room: usize,
    most: usize,
    meagre: u8,
    /// Whether the last read left no room.
    was_filled: bool,
}

impl Inlet {
    /// 8 KiB: for peers that nothing is known of.
    pub(super) const SMALL: usize = 8 * 1024;
    /// 256 KiB: larger reads bring nothing more.
    pub(super) const LARGE: usize = 256 * 1024;
    /// For answers, which are control frames.
    pub(super) const ANSWERS: usize = 1024;

    pub(super) fn new(first: usize, most: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            room: first,
            most,
            meagre: 0,
            was_filled: false,
        }
    }

    /// Reads once; `missing` bytes are known to be needed. Ready with 0 at the end of the input.
    pub(super) fn poll_fill<S: AsyncRead + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
        missing: u64,
    ) -> Poll<io::Result<usize>> {
        // A length on the wire is a claim: room at most doubles what has come.
        let missing = usize::try_from(missing).unwrap_or(usize::MAX);
        let room = missing.min(self.buffer.len()).max(self.room);
        if self.buffer.is_empty() && self.buffer.capacity() > room * 2 {
            self.buffer = BytesMut::new();
        }
        // A run that somebody holds holds its buffer; what is left of it is used up before a new one is made.
        let least = if self.was_filled { room } else { room / 2 };
        if self.buffer.capacity() - self.buffer.len() < least.max(room.min(missing)) {
            self.buffer.reserve(room);
        }
        let offered = self.buffer.capacity() - self.buffer.len();
        let got = ready!(poll_read_buf(Pin::new(io), cx, &mut self.buffer))?;
        self.learn(got, offered);
        Poll::Ready(Ok(got))
    }

    fn learn(&mut self, got: usize, offered: usize) {
        self.was_filled = got >= offered;
        if self.was_filled {
            self.room = (self.room * 2).min(self.most);
            self.meagre = 0;
        } else if got < self.room / 8 && self.room > Self::SMALL {
            self.meagre += 1;
            if self.meagre == MEAGRE_READS {
                self.room /= 2;
                self.meagre = 0;
            }
        } else {
            self.meagre = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use core::task::Waker;
    use std::vec;

    use super::*;

    /// Reads once from `input`; what the buffer could hold then.
    fn fill(inlet: &mut Inlet, mut input: &[u8]) -> usize {
        let mut cx = Context::from_waker(Waker::noop());
        let got = inlet.poll_fill(&mut input, &mut cx, 0);
        assert!(matches!(got, Poll::Ready(Ok(_))));
        let capacity = inlet.buffer.capacity();
        inlet.buffer.clear();
        capacity
    }

    #[test]
    fn a_buffer_that_is_filled_grows_to_its_limit_and_shrinks_again_when_it_is_not() {
        let mut inlet = Inlet::new(Inlet::SMALL, Inlet::LARGE);
        let much = vec![0; 4 * Inlet::LARGE];
        assert!(fill(&mut inlet, b"little") < 2 * Inlet::SMALL);
        for _ in 0..20 {
            fill(&mut inlet, &much);
        }
        let grown = fill(&mut inlet, &much);
        assert!((Inlet::LARGE..=2 * Inlet::LARGE).contains(&grown), "{grown}");
        for _ in 0..100 {
            fill(&mut inlet, b"little");
        }
        let shrunk = fill(&mut inlet, b"little");
        assert!(shrunk <= 2 * Inlet::SMALL, "{shrunk}");
    }

    #[test]
    fn a_claimed_length_makes_no_more_room_than_what_has_come() {
        let mut inlet = Inlet::new(Inlet::SMALL, Inlet::LARGE);
        let mut cx = Context::from_waker(Waker::noop());
        let mut input = &[0; 100][..];
        let _ = inlet.poll_fill(&mut input, &mut cx, u64::MAX);
        let mut input = &[0; 100][..];
        let _ = inlet.poll_fill(&mut input, &mut cx, u64::MAX);
        assert!(inlet.buffer.capacity() <= 2 * Inlet::SMALL);
    }
}
