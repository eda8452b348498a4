//! The half of a flow that writes.

use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;

use bytes::Bytes;
use futures_sink::Sink;

use super::{Access, Outlet};
use crate::error::{DeallocError, FlowError, WriteError};
use crate::name::Name;
use crate::pipe::Mark;
use crate::qos::QosSpec;

/// How long a flow that ends waits for its peer to read, unless told otherwise: 1 s. The C peer waits without
/// limit.
pub const DEFAULT_LINGER: Duration = Duration::from_secs(1);

/// Counters of one direction, as its writer sees them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteStats {
    /// Packets written.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many of them got lost on the way, as far as what carries the flow can tell.
    pub lost: u64,
}

/// Whether the application may still write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    ReadOnly,
    Closed,
}

/// The writing half of a [`Flow`](super::Flow): a `Sink` of packets.
///
/// When it is dropped or closed, the peer reads what is queued and then the end.
#[derive(Debug)]
pub struct FlowWriter {
    name: Name,
    qos: QosSpec,
    outlet: Outlet,
    max_packet: usize,
    state: State,
    mark: Mark,
    /// A packet that was fed to the sink and found no room yet.
    fed: Option<Bytes>,
    stats: WriteStats,
}

impl FlowWriter {
    pub(super) const fn new(name: Name, qos: QosSpec, outlet: Outlet, max_packet: usize) -> Self {
        Self {
            name,
            qos,
            outlet,
            max_packet,
            state: State::Open,
            mark: Mark::Up,
            fed: None,
            stats: WriteStats {
                packets: 0,
                bytes: 0,
                lost: 0,
            },
        }
    }

    pub(super) const fn limit_packets(&mut self, len: usize) {
        self.max_packet = len;
    }

    pub(super) fn set_access(&mut self, access: Access) {
        if self.state != State::Closed {
            self.state = match access {
                Access::ReadOnly => State::ReadOnly,
                Access::WriteOnly | Access::ReadWrite => State::Open,
            };
        }
    }

    pub(super) fn set_mark(&mut self, mark: Mark) {
        self.mark = mark;
        self.outlet.mark(mark);
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

    /// The longest packet, in bytes.
    #[must_use]
    pub const fn max_packet(&self) -> usize {
        self.max_packet
    }

    /// Packets written that the peer has not read; 0 on a broadcast layer.
    #[must_use]
    pub fn queue_len(&self) -> usize {
        self.outlet.len()
    }

    /// Counters of what was written.
    #[must_use]
    pub fn stats(&self) -> WriteStats {
        WriteStats {
            lost: self.outlet.lost(),
            ..self.stats
        }
    }

    /// Writes one packet, waiting for room. Packets fed to the sink go first.
    ///
    /// # Errors
    ///
    /// [`WriteError`]; then nothing of the packet has left.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before it is done writes nothing: a packet goes whole or not at all.
    pub async fn write(&mut self, packet: impl Into<Bytes>) -> Result<(), WriteError> {
        let packet = packet.into();
        poll_fn(|cx| {
            ready!(self.poll_fed(cx))?;
            self.poll_packet(cx, &packet)
        })
        .await
    }

    /// As [`write`](Self::write), without waiting.
    ///
    /// # Errors
    ///
    /// [`WriteError`]; [`WriteError::WouldBlock`] when there is no room.
    pub fn try_write(&mut self, packet: impl Into<Bytes>) -> Result<(), WriteError> {
        if let Some(fed) = self.fed.take() {
            match self.try_packet(&fed) {
                Err(WriteError::WouldBlock) => {
                    self.fed = Some(fed);
                    return Err(WriteError::WouldBlock);
                }
                written => written?,
            }
        }
        self.try_packet(&packet.into())
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
        let written = tokio::time::timeout(timeout, self.write(packet)).await;
        written.unwrap_or(Err(WriteError::TimedOut))
    }

    /// Ends this direction and waits, for at most `linger`, until the peer has read everything.
    ///
    /// # Errors
    ///
    /// [`DeallocError`] when the peer has not; the direction has ended all the same.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future is dropping the writer: the direction ends at once.
    pub async fn dealloc_within(mut self, linger: Duration) -> Result<(), DeallocError> {
        let drained = poll_fn(|cx| {
            if ready!(self.poll_fed(cx)).is_err() {
                return Poll::Ready(Err(()));
            }
            self.end();
            self.outlet.poll_drained(cx)
        });
        match tokio::time::timeout(linger, drained).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(())) => Err(DeallocError::Discarded),
            Err(_elapsed) => Err(DeallocError::Unread {
                // what is being carried has left the queue, and how much of it arrived nobody can say
                packets: (self.outlet.len() + usize::from(self.fed.is_some())).max(1),
            }),
        }
    }

    fn end(&mut self) {
        self.state = State::Closed;
        self.outlet.end();
    }

    /// Why this side may not write now.
    const fn refusal(&self) -> Option<WriteError> {
        match (self.state, self.mark) {
            (State::Closed, _) => Some(WriteError::Closed),
            (State::ReadOnly, _) => Some(WriteError::ReadOnly),
            (State::Open, Mark::Down) => Some(WriteError::Down),
            (State::Open, Mark::Up) => None,
        }
    }

    /// Why this side may not write `packet` now.
    const fn refusal_of(&self, packet: &Bytes) -> Option<WriteError> {
        let (len, max) = (packet.len(), self.max_packet);
        match self.refusal() {
            None if len > max => Some(WriteError::TooLong { len, max }),
            refusal => refusal,
        }
    }

    fn try_packet(&mut self, packet: &Bytes) -> Result<(), WriteError> {
        if let Some(refusal) = self.refusal_of(packet) {
            return Err(refusal);
        }
        self.outlet.try_write(packet)?;
        self.count(packet);
        Ok(())
    }

    fn poll_packet(&mut self, cx: &Context<'_>, packet: &Bytes) -> Poll<Result<(), WriteError>> {
        if let Some(refusal) = self.refusal_of(packet) {
            return Poll::Ready(Err(refusal));
        }
        ready!(self.outlet.poll_write(cx, packet))?;
        self.count(packet);
        Poll::Ready(Ok(()))
    }

    fn count(&mut self, packet: &Bytes) {
        self.stats.packets += 1;
        self.stats.bytes += u64::try_from(packet.len()).unwrap_or(u64::MAX);
    }

    /// Writes the packet that was fed, waiting for room. A packet that fails is told by the error and gone.
    fn poll_fed(&mut self, cx: &Context<'_>) -> Poll<Result<(), WriteError>> {
        let Some(fed) = self.fed.take() else {
            return Poll::Ready(Ok(()));
        };
        let written = self.poll_packet(cx, &fed);
        if written.is_pending() {
            self.fed = Some(fed);
        }
        written
    }
}

impl Sink<Bytes> for FlowWriter {
    type Error = FlowError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), FlowError>> {
        self.poll_fed(cx).map_err(FlowError::from)
    }

    fn start_send(mut self: Pin<&mut Self>, packet: Bytes) -> Result<(), FlowError> {
        match self.try_write(packet.clone()) {
            Err(WriteError::WouldBlock) if self.fed.is_none() => {
                self.fed = Some(packet);
                Ok(())
            }
            written => Ok(written?),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), FlowError>> {
        self.poll_fed(cx).map_err(FlowError::from)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), FlowError>> {
        ready!(self.poll_fed(cx))?;
        self.end();
        Poll::Ready(Ok(()))
    }
}

impl Drop for FlowWriter {
    fn drop(&mut self) {
        if let Some(fed) = self.fed.take() {
            let _no_room_or_nobody_there = self.try_packet(&fed);
        }
        self.end();
    }
}
