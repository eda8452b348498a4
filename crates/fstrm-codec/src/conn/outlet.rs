//! Bytes out: small pieces are put together, large ones are written from where they are.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::{Buf, Bytes, BytesMut};
use tinwire_time::Instant;
use tokio::io::AsyncWrite;

/// Pieces shorter than this are copied: a system call takes fewer of them, and copying is cheaper than
/// carrying them apart.
const COPIED: usize = 4 * 1024;
/// Pieces of one vectored write.
const SLICES: usize = 64;

/// What waits to be written.
#[derive(Debug, Default)]
pub(super) struct Outlet {
    pieces: VecDeque<Bytes>,
    /// Behind all pieces.
    small: BytesMut,
    len: usize,
    unflushed: bool,
    /// Since when the transport has taken nothing.
    stalled: Option<Instant>,
}

impl Outlet {
    /// Bytes that wait.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0 && !self.unflushed
    }

    pub(super) fn put_slice(&mut self, bytes: &[u8]) {
        self.small.extend_from_slice(bytes);
        self.len += bytes.len();
    }

    pub(super) fn put(&mut self, bytes: Bytes) {
        if bytes.len() < COPIED {
            return self.put_slice(&bytes);
        }
        if !self.small.is_empty() {
            self.pieces.push_back(self.small.split().freeze());
        }
        self.len += bytes.len();
        self.pieces.push_back(bytes);
    }

    /// Writes all out and flushes.
    pub(super) fn poll_drain<S: AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.len > 0 {
            let written = ready!(self.poll_write(io, cx))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
        }
        if self.unflushed {
            ready!(Pin::new(io).poll_flush(cx))?;
            self.unflushed = false;
            self.stalled = None;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write<S: AsyncWrite + Unpin>(&self, io: &mut S, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let io = Pin::new(io);
        match self.pieces.front() {
            None => io.poll_write(cx, &self.small),
            Some(first) if !io.is_write_vectored() => io.poll_write(cx, first),
            Some(_) => {
                let mut slices = [IoSlice::new(&[]); SLICES];
                let waiting = self.pieces.iter().map(|piece| &**piece);
                let waiting = waiting.chain(core::iter::once(&*self.small));
                let mut count = 0;
                for (slice, piece) in slices.iter_mut().zip(waiting) {
                    *slice = IoSlice::new(piece);
                    count += 1;
                }
                io.poll_write_vectored(cx, slices.get(..count).unwrap_or(&[]))
            }
        }
    }

    fn advance(&mut self, mut written: usize) {
        self.unflushed = true;
        self.stalled = None;
        self.len = self.len.saturating_sub(written);
        while let Some(first) = self.pieces.front_mut() {
            if written < first.len() {
                first.advance(written);
                return;
            }
            written -= first.len();
            self.pieces.pop_front();
        }
        self.small.advance(written.min(self.small.len()));
    }

    /// Forgets what waits: the transport takes no more.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// When the transport has been given too long; to be asked while [`poll_drain`](Self::poll_drain) is
    /// pending.
    pub(super) fn stalled_by(&mut self, now: impl FnOnce() -> Instant, timeout: Duration) -> Option<Instant> {
        if self.is_empty() {
            return None;
        }
        Some(*self.stalled.get_or_insert_with(now) + timeout)
    }
}
