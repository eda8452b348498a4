//! One non-blocking stream with what waits to be written.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::io;

use alloc::vec::Vec;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;

/// Bytes that are gathered for one write, and read by one read.
pub(super) const CHUNK: usize = 16 * 1024;

/// A stream and its output buffer.
#[derive(Debug)]
pub(super) struct Connection {
    stream: UnixStream,
    out: Vec<u8>,
    written: usize,
}

impl Connection {
    pub(super) const fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            out: Vec::new(),
            written: 0,
        }
    }

    /// Reads up to [`CHUNK`] bytes into `buffer`; `Ok(0)` at the end.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        Pin::new(&mut self.stream)
            .poll_read(cx, &mut buffer)
            .map_ok(|()| buffer.filled().len())
    }

    /// Whether more output may be gathered.
    pub(super) const fn has_room(&self) -> bool {
        self.out.len() < CHUNK
    }

    /// Gathers output; at most one message more than [`CHUNK`].
    pub(super) fn gather(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.out);
    }

    /// Writes what was gathered; `Ready(Ok(n))` after a write of `n` bytes, 0 when nothing is left.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let rest = self.out.get(self.written..).unwrap_or_default();
        if rest.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let result = Pin::new(&mut self.stream).poll_write(cx, rest);
        if let Poll::Ready(Ok(written)) = result {
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written;
            if self.written == self.out.len() {
                self.out.clear();
                self.written = 0;
            }
        }
        result
    }

    /// Tells the other side that nothing more comes. Reading goes on.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
