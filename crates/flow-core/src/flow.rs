//! A flow: packets in, packets out, an end, and what it promises.
//!
//! One write is one packet is one read. Each side's packets wait in a bounded queue until the peer reads
//! them; a full queue makes the writer of this flow wait, and nobody else. Between two processes or hosts a
//! [`Carrier`] stands in the peer's place.
//!
//! [`Carrier`]: crate::carrier::Carrier

mod fanout;
mod flags;
mod line;
mod outlet;
mod patience;
mod poll;
mod reader;
mod settings;
mod writer;

use alloc::string::String;
use alloc::sync::Arc;
use core::pin::Pin;
use core::sync::atomic::{AtomicU64, Ordering};
use core::task::{Context, Poll};
use core::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use futures_sink::Sink;

pub(crate) use fanout::Fanout;
pub use flags::{Access, FlowFlags, FlowState};
pub use line::DEFAULT_MAX_LINE;
pub(crate) use line::LineOut;
pub(crate) use outlet::Outlet;
pub use reader::FlowReader;
pub use writer::{DEFAULT_LINGER, FlowWriter, WriteStats};

pub use crate::pipe::ReadStats;

use crate::error::{DeallocError, FlowError, ReadError, ReadLineError, WriteError, WriteLineError};
use crate::event::FlowId;
use crate::name::Name;
use crate::peer::Peer;
use crate::pipe::SharedPipe;
use crate::qos::QosSpec;
use crate::queue::QueueConfig;

/// A flow to a peer, or to all members of a broadcast layer.
///
/// It is a `Stream` of packets, which ends when the peer lets go, and a `Sink` of packets. Dropping it
/// deallocates it at once: the peer reads what is queued, then sees the end; what this side has not read is
/// thrown away.
#[derive(Debug)]
pub struct Flow {
    reader: FlowReader,
    writer: FlowWriter,
}

/// A number that no other flow of this process has.
fn next_id() -> FlowId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    FlowId(NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Flow {
    /// A flow that reads what arrives by the first pipe, and writes to `outlet`, which is made once the pipe
    /// is known.
    pub(crate) fn new<T>(
        name: &Name,
        qos: QosSpec,
        config: QueueConfig,
        outlet: impl FnOnce(&Arc<SharedPipe>) -> (Outlet, T),
    ) -> (Self, T) {
        let inbound = SharedPipe::new(next_id(), config);
        let (outlet, rest) = outlet(&inbound);
        let max_packet = outlet.max_packet().unwrap_or_else(|| config.max_packet());
        let flow = Self {
            reader: FlowReader::new(name.clone(), qos, inbound),
            writer: FlowWriter::new(name.clone(), qos, outlet, max_packet),
        };
        (flow, rest)
    }

    /// The two ends of a flow within this process.
    pub(crate) fn pair(name: &Name, qos: QosSpec, config: QueueConfig) -> (Self, Self) {
        let (ours, theirs) = Self::new(name, qos, config, |there| {
            let (flow, back) = Self::new(name, qos, config, |here| {
                (Outlet::Pipe(Arc::clone(there)), Arc::clone(here))
            });
            (Outlet::Pipe(back), flow)
        });
        (ours.with_peer(Peer::Local), theirs.with_peer(Peer::Local))
    }

    /// Sets the longest packet that can be written, where the other end takes less than its queue could hold.
    pub(crate) const fn limit_packets(&mut self, len: usize) {
        self.writer.limit_packets(len);
    }

    pub(crate) const fn inbound(&self) -> &Arc<SharedPipe> {
        self.reader.inbound()
    }

    /// The flow as events name it.
    #[must_use]
    pub fn id(&self) -> FlowId {
        self.reader.id()
    }

    /// The name it was allocated to, on both sides; or the broadcast layer.
    #[must_use]
    pub const fn name(&self) -> &Name {
        self.reader.name()
    }

    /// What the flow has, which may be better than what was asked.
    #[must_use]
    pub const fn qos(&self) -> QosSpec {
        self.reader.qos()
    }

    /// The longest packet that can be written, in bytes.
    #[must_use]
    pub const fn max_packet(&self) -> usize {
        self.writer.max_packet()
    }

    /// Who is at the other end, as far as the provider knows.
    #[must_use]
    pub const fn peer(&self) -> &Peer {
        self.reader.peer()
    }

    /// The flow, with what its provider knows of the other end.
    #[must_use]
    pub fn with_peer(mut self, peer: Peer) -> Self {
        self.writer.set_peer(peer.clone());
        self.reader.set_peer(peer);
        self
    }

    /// Packets that wait to be read.
    #[must_use]
    pub fn read_queue_len(&self) -> usize {
        self.reader.queue_len()
    }

    /// Packets written that the peer has not read; 0 on a broadcast layer.
    #[must_use]
    pub fn write_queue_len(&self) -> usize {
        self.writer.queue_len()
    }

    /// Counters of what arrived.
    #[must_use]
    pub fn read_stats(&self) -> ReadStats {
        self.reader.stats()
    }

    /// Counters of what was written.
    #[must_use]
    pub fn write_stats(&self) -> WriteStats {
        self.writer.stats()
    }

    /// Reads from the next packet into `buffer`; see [`FlowReader::read`].
    ///
    /// # Errors
    ///
    /// [`ReadError`], once what can be read has been.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        self.reader.read(buffer).await
    }

    /// As [`read`](Self::read), without waiting.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; [`ReadError::WouldBlock`] when nothing is there.
    pub fn try_read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        self.reader.try_read(buffer)
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
        self.reader.read_timeout(buffer, timeout).await
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
        self.reader.read_packet().await
    }

    /// As [`read_packet`](Self::read_packet), without waiting.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; [`ReadError::WouldBlock`] when nothing is there.
    pub fn try_read_packet(&mut self) -> Result<Bytes, ReadError> {
        self.reader.try_read_packet()
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
        self.reader.read_packet_timeout(timeout).await
    }

    /// The next line; see [`FlowReader::read_line`].
    ///
    /// # Errors
    ///
    /// [`ReadLineError`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: what has come of a line is kept for the next call.
    pub async fn read_line(&mut self) -> Result<String, ReadLineError> {
        self.reader.read_line().await
    }

    /// Writes `text` as one line; see [`FlowWriter::write_line`].
    ///
    /// # Errors
    ///
    /// [`WriteLineError`].
    ///
    /// # Cancel safety
    ///
    /// What has left of a line longer than a packet is completed before the next write; of any other line
    /// nothing has.
    pub async fn write_line(&mut self, text: &str) -> Result<(), WriteLineError> {
        self.writer.write_line(text).await
    }

    /// Writes one packet, waiting for room.
    ///
    /// # Errors
    ///
    /// [`WriteError`]; then nothing of the packet has left.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before it is done writes nothing: a packet goes whole or not at all.
    pub async fn write(&mut self, packet: impl Into<Bytes>) -> Result<(), WriteError> {
        self.writer.write(packet).await
    }

    /// As [`write`](Self::write), without waiting.
    ///
    /// # Errors
    ///
    /// [`WriteError`]; [`WriteError::WouldBlock`] when there is no room.
    pub fn try_write(&mut self, packet: impl Into<Bytes>) -> Result<(), WriteError> {
        self.writer.try_write(packet)
    }

    /// As [`write`](Self::write), for at most `timeout`.
    ///
    /// # Errors
    ///
    /// [`WriteError`]; [`WriteError::TimedOut`] when there was no room in time.
    ///
    /// # Cancel safety
    ///
    /// As [`write`](Self::write).
    pub async fn write_timeout(
        &mut self,
        packet: impl Into<Bytes>,
        timeout: Duration,
    ) -> Result<(), WriteError> {
        self.writer.write_timeout(packet, timeout).await
    }

    /// The two halves, for two tasks. Each ends its direction when it is dropped.
    #[must_use]
    pub fn split(self) -> (FlowReader, FlowWriter) {
        (self.reader, self.writer)
    }

    /// Ends the flow and waits, for at most [`DEFAULT_LINGER`], until the peer has read everything.
    ///
    /// # Errors
    ///
    /// As [`dealloc_within`](Self::dealloc_within).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future is dropping the flow: it ends at once.
    pub async fn dealloc(self) -> Result<(), DeallocError> {
        self.dealloc_within(DEFAULT_LINGER).await
    }

    /// Ends the flow and waits, for at most `linger`, until the peer has read everything. What this side has
    /// not read is thrown away first, so a peer that writes learns of the end instead of waiting for room.
    ///
    /// The flow has ended whatever the result; a packet that was fed to the sink and found no room in time
    /// has not left.
    ///
    /// # Errors
    ///
    /// [`DeallocError`] when the peer has not read everything.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future is dropping the flow: it ends at once.
    pub async fn dealloc_within(self, linger: Duration) -> Result<(), DeallocError> {
        let Self { reader, writer } = self;
        drop(reader);
        writer.dealloc_within(linger).await
    }
}

impl Stream for Flow {
    type Item = Result<Bytes, FlowError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.reader).poll_next(cx)
    }
}

impl Sink<Bytes> for Flow {
    type Error = FlowError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), FlowError>> {
        Pin::new(&mut self.writer).poll_ready(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, packet: Bytes) -> Result<(), FlowError> {
        Pin::new(&mut self.writer).start_send(packet)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), FlowError>> {
        Pin::new(&mut self.writer).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), FlowError>> {
        Pin::new(&mut self.writer).poll_close(cx)
    }
}
