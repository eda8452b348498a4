//! The half of a flow that reads.

use alloc::sync::Arc;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use bytes::Bytes;
use futures_core::Stream;

use crate::error::{FlowError, ReadError};
use crate::event::FlowId;
use crate::name::Name;
use crate::pipe::{End, Pipe, ReadStats, SharedPipe};
use crate::qos::QosSpec;
use crate::queue::PartialReads;

/// The reading half of a [`Flow`](super::Flow): a `Stream` of packets that ends when the peer lets go.
///
/// When it is dropped, the peer's writes fail from then on.
#[derive(Debug)]
pub struct FlowReader {
    name: Name,
    qos: QosSpec,
    inbound: Arc<SharedPipe>,
    partial: PartialReads,
    ended: bool,
}

/// One way to read from a pipe; `Ok(None)` when nothing is there.
type Read<'a, T> = &'a mut dyn FnMut(&mut Pipe) -> Result<Option<T>, ReadError>;

impl FlowReader {
    pub(super) fn new(name: Name, qos: QosSpec, inbound: Arc<SharedPipe>) -> Self {
        Self {
            name,
            qos,
            inbound,
            partial: PartialReads::Allowed,
            ended: false,
        }
    }

    pub(super) const fn inbound(&self) -> &Arc<SharedPipe> {
        &self.inbound
    }

    pub(super) const fn set_partial_reads(&mut self, partial: PartialReads) {
        self.partial = partial;
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
        if buffer.is_empty() {
            return Ok(0);
        }
        let partial = self.partial;
        poll_fn(|cx| self.poll_by(cx, &mut |pipe| pipe.read(buffer, partial))).await
    }

    /// As [`read`](Self::read), without waiting.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; [`ReadError::WouldBlock`] when nothing is there.
    pub fn try_read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let partial = self.partial;
        self.try_by(&mut |pipe| pipe.read(buffer, partial))
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
        let read = tokio::time::timeout(timeout, self.read(buffer)).await;
        read.unwrap_or(Err(ReadError::TimedOut))
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
        poll_fn(|cx| self.poll_by(cx, &mut Pipe::pop)).await
    }

    /// As [`read_packet`](Self::read_packet), without waiting.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; [`ReadError::WouldBlock`] when nothing is there.
    pub fn try_read_packet(&mut self) -> Result<Bytes, ReadError> {
        self.try_by(&mut Pipe::pop)
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
        let packet = tokio::time::timeout(timeout, self.read_packet()).await;
        packet.unwrap_or(Err(ReadError::TimedOut))
    }

    fn try_by<T>(&self, read: Read<'_, T>) -> Result<T, ReadError> {
        let read = self.inbound.as_reader(|pipe| match pipe.read_refusal() {
            Some(refusal) => Err(refusal),
            None => read(pipe),
        });
        read?.ok_or(ReadError::WouldBlock)
    }

    fn poll_by<T>(&self, cx: &Context<'_>, read: Read<'_, T>) -> Poll<Result<T, ReadError>> {
        self.inbound.poll_as_reader(cx, |pipe| match pipe.read_refusal() {
            Some(refusal) => Some(Err(refusal)),
            None => read(pipe).transpose(),
        })
    }
}

impl Stream for FlowReader {
    type Item = Result<Bytes, FlowError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        self.poll_by(cx, &mut Pipe::pop).map(|packet| match packet {
            Ok(packet) => Some(Ok(packet)),
            Err(ReadError::Deallocated) => {
                self.ended = true;
                None
            }
            Err(error) => {
                self.ended = error == ReadError::PeerGone; // nothing follows; the others may pass
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
