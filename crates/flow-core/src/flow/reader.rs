//! The half of a flow that reads.

use alloc::string::String;
use alloc::sync::Arc;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;

use bytes::Bytes;
use futures_core::Stream;

use super::line::{DEFAULT_MAX_LINE, LINE_END, Line};
use super::patience::{Impatience, Patience};
use crate::error::{FlowError, ReadError, ReadLineError};
use crate::event::FlowId;
use crate::name::Name;
use crate::peer::Peer;
use crate::pipe::{End, Pipe, ReadStats, Reading, SharedPipe};
use crate::qos::QosSpec;
use crate::queue::PartialReads;

/// The reading half of a [`Flow`](super::Flow): a `Stream` of packets that ends when the peer lets go.
///
/// When it is dropped, the peer's writes fail from then on.
#[derive(Debug)]
pub struct FlowReader {
    name: Name,
    qos: QosSpec,
    peer: Peer,
    inbound: Arc<SharedPipe>,
    reading: Reading,
    partial: PartialReads,
    patience: Patience,
    line: Line,
    ended: bool,
}

/// One way to read from a pipe; `Ok(None)` when nothing is there.
type Read<'a, T> = &'a mut dyn FnMut(&mut Pipe) -> Result<Option<T>, ReadError>;

const OTHERWISE: Impatience<ReadError> = Impatience {
    would_block: ReadError::WouldBlock,
    timed_out: ReadError::TimedOut,
};

impl FlowReader {
    pub(super) fn new(name: Name, qos: QosSpec, inbound: Arc<SharedPipe>) -> Self {
        Self {
            name,
            qos,
            peer: Peer::Unknown,
            inbound,
            reading: Reading::Yes,
            partial: PartialReads::Allowed,
            patience: Patience::default(),
            line: Line::new(DEFAULT_MAX_LINE),
            ended: false,
        }
    }

    pub(super) const fn inbound(&self) -> &Arc<SharedPipe> {
        &self.inbound
    }

    pub(super) fn set_peer(&mut self, peer: Peer) {
        self.peer = peer;
    }

    pub(super) const fn reads(&self) -> bool {
        matches!(self.reading, Reading::Yes)
    }

    pub(super) fn set_reading(&mut self, reading: Reading) {
        if self.reading != reading {
            self.reading = reading;
            self.inbound.as_reader(|pipe| pipe.set_reading(reading));
        }
    }

    pub(super) const fn partial_reads(&self) -> PartialReads {
        self.partial
    }

    pub(super) const fn is_non_blocking(&self) -> bool {
        self.patience.non_blocking
    }

    /// The flow as events name it.
    #[must_use]
    pub fn id(&self) -> FlowId {
        self.inbound.reader()
    }

    /// The name the flow was allocated to.
    #[must_use]
    pub const fn name(&self) -> &Name {
        &self.name
    }

    /// What the flow has.
    #[must_use]
    pub const fn qos(&self) -> QosSpec {
        self.qos
    }

    /// Who is at the other end.
    #[must_use]
    pub const fn peer(&self) -> &Peer {
        &self.peer
    }

    /// For how long a read waits; `None` is for ever.
    #[must_use]
    pub const fn timeout(&self) -> Option<Duration> {
        self.patience.timeout
    }

    /// Sets for how long a read waits; zero looks once. Default: `None`, for ever. The `Stream` waits for
    /// ever.
    pub const fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.patience.timeout = timeout;
    }

    /// Sets whether a read with nothing there fails instead of waiting. Default: it waits, and the `Stream`
    /// always does.
    pub const fn set_non_blocking(&mut self, non_blocking: bool) {
        self.patience.non_blocking = non_blocking;
    }

    /// Sets whether packets may be read in pieces. Default: allowed.
    pub const fn set_partial_reads(&mut self, partial: PartialReads) {
        self.partial = partial;
    }

    /// Sets the longest line in bytes. Default: [`DEFAULT_MAX_LINE`].
    pub const fn set_max_line(&mut self, max: usize) {
        self.line.set_max(max);
    }

    /// Packets that wait to be read.
    #[must_use]
    pub fn queue_len(&self) -> usize {
        self.inbound.look(Pipe::len)
    }

    /// Counters of what arrived.
    #[must_use]
    pub fn stats(&self) -> ReadStats {
        self.inbound.look(Pipe::stats)
    }

    /// Reads from the next packet into `buffer` and returns how many bytes. What does not fit comes with the
    /// next read; a packet whose last piece fills the buffer exactly is followed by one read of 0 bytes, and
    /// a shorter read says by itself that the packet ended. An empty buffer reads 0 bytes.
    ///
    /// # Errors
    ///
    /// [`ReadError`], once what can be read has been; with partial reads refused, [`ReadError::TooSmall`] for
    /// a packet that does not fit, which is lost and counted.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        self.read_by(self.patience, buffer).await
    }

    /// As [`read`](Self::read), without waiting.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; [`ReadError::WouldBlock`] when nothing is there.
    pub fn try_read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        match self.poll_read(None, buffer) {
            Poll::Ready(read) => read,
            Poll::Pending => Err(ReadError::WouldBlock),
        }
    }

    /// As [`read`](Self::read), for at most `timeout`.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; [`ReadError::TimedOut`] when nothing came in time.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn read_timeout(&mut self, buffer: &mut [u8], timeout: Duration) -> Result<usize, ReadError> {
        self.read_by(self.patience.of(timeout), buffer).await
    }

    /// The next packet, or the rest of the one that a [`read`](Self::read) has begun.
    ///
    /// # Errors
    ///
    /// [`ReadError`], once what can be read has been.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn read_packet(&mut self) -> Result<Bytes, ReadError> {
        self.read_packet_by(self.patience).await
    }

    /// As [`read_packet`](Self::read_packet), without waiting.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; [`ReadError::WouldBlock`] when nothing is there.
    pub fn try_read_packet(&mut self) -> Result<Bytes, ReadError> {
        match self.poll_by(None, &mut Pipe::pop) {
            Poll::Ready(read) => read,
            Poll::Pending => Err(ReadError::WouldBlock),
        }
    }

    /// As [`read_packet`](Self::read_packet), for at most `timeout`.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; [`ReadError::TimedOut`] when nothing came in time.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn read_packet_timeout(&mut self, timeout: Duration) -> Result<Bytes, ReadError> {
        self.read_packet_by(self.patience.of(timeout)).await
    }

    /// The next line, without its end, `\n`. Lines are cut and joined over packets as they come; what the
    /// peer did not end is its last line if it let go of the flow.
    ///
    /// [`read`](Self::read) and [`read_packet`](Self::read_packet) go on after the line, in the middle of a
    /// packet if need be.
    ///
    /// # Errors
    ///
    /// [`ReadLineError`]: a line that is too long or no UTF-8 is thrown away, and the next one is read as it
    /// is.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: what has come of a line is kept for the next call.
    pub async fn read_line(&mut self) -> Result<String, ReadLineError> {
        let otherwise = Impatience {
            would_block: ReadError::WouldBlock.into(),
            timed_out: ReadError::TimedOut.into(),
        };
        self.patience.wait(otherwise, |cx| self.poll_line(cx)).await
    }

    pub(super) fn poll_line(&mut self, cx: Option<&Context<'_>>) -> Poll<Result<String, ReadLineError>> {
        loop {
            let piece = match ready!(self.poll_by(cx, &mut |pipe| pipe.pop_until(LINE_END))) {
                Ok(piece) => piece,
                Err(end @ ReadError::Deallocated) => {
                    return Poll::Ready(self.line.finish().unwrap_or_else(|| Err(end.into())));
                }
                Err(error) => return Poll::Ready(Err(error.into())),
            };
            if let Some(line) = self.line.push(&piece) {
                return Poll::Ready(line);
            }
        }
    }

    async fn read_by(&self, patience: Patience, buffer: &mut [u8]) -> Result<usize, ReadError> {
        patience.wait(OTHERWISE, |cx| self.poll_read(cx, buffer)).await
    }

    pub(super) fn poll_read(
        &self,
        cx: Option<&Context<'_>>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, ReadError>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.poll_by(cx, &mut |pipe| pipe.read(buffer, self.partial))
    }

    async fn read_packet_by(&self, patience: Patience) -> Result<Bytes, ReadError> {
        patience
            .wait(OTHERWISE, |cx| self.poll_by(cx, &mut Pipe::pop))
            .await
    }

    /// Reads; without a context, nobody is woken later.
    fn poll_by<T>(&self, cx: Option<&Context<'_>>, read: Read<'_, T>) -> Poll<Result<T, ReadError>> {
        let read = |pipe: &mut Pipe| match pipe.read_refusal() {
            Some(refusal) => Some(Err(refusal)),
            None => read(pipe).transpose(),
        };
        match cx {
            Some(cx) => self.inbound.poll_as_reader(cx, read),
            None => self.inbound.as_reader(read).map_or(Poll::Pending, Poll::Ready),
        }
    }
}

impl Stream for FlowReader {
    type Item = Result<Bytes, FlowError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        self.poll_by(Some(cx), &mut Pipe::pop).map(|packet| match packet {
            Ok(packet) => Some(Ok(packet)),
            Err(ReadError::Deallocated) => {
                self.ended = true;
                None
            }
            Err(error) => {
                // after these nothing follows; the others may pass
                self.ended = matches!(error, ReadError::PeerGone | ReadError::Reset);
                Some(Err(error.into()))
            }
        })
    }
}

impl Drop for FlowReader {
    fn drop(&mut self) {
        self.inbound.let_go(End::Dealloc);
    }
}
