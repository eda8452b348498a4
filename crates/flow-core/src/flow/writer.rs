//! The half of a flow that writes.

use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;

use bytes::Bytes;
use futures_sink::Sink;

use super::line::{DEFAULT_MAX_LINE, LineOut, ended};
use super::patience::{Impatience, Patience};
use super::{Access, Outlet};
use crate::error::{DeallocError, FlowError, WriteError, WriteLineError};
use crate::name::Name;
use crate::peer::Peer;
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

const OTHERWISE: Impatience<WriteError> = Impatience {
    would_block: WriteError::WouldBlock,
    timed_out: WriteError::TimedOut,
};

/// The writing half of a [`Flow`](super::Flow): a `Sink` of packets.
///
/// When it is dropped or closed, the peer reads what is queued and then the end.
#[derive(Debug)]
pub struct FlowWriter {
    name: Name,
    qos: QosSpec,
    peer: Peer,
    outlet: Outlet,
    max_packet: usize,
    max_line: usize,
    closed: bool,
    read_only: bool,
    no_partial_writes: bool,
    mark: Mark,
    patience: Patience,
    /// A packet that was fed to the sink, or the rest of a line, that found no room yet.
    fed: Option<Bytes>,
    stats: WriteStats,
}

impl FlowWriter {
    pub(super) const fn new(name: Name, qos: QosSpec, outlet: Outlet, max_packet: usize) -> Self {
        Self {
            name,
            qos,
            peer: Peer::Unknown,
            outlet,
            max_packet,
            max_line: DEFAULT_MAX_LINE,
            closed: false,
            read_only: false,
            no_partial_writes: true,
            mark: Mark::Up,
            patience: Patience {
                timeout: None,
                non_blocking: false,
            },
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

    pub(super) fn set_peer(&mut self, peer: Peer) {
        self.peer = peer;
    }

    pub(super) const fn is_read_only(&self) -> bool {
        self.read_only
    }

    pub(super) const fn set_access(&mut self, access: Access) {
        self.read_only = matches!(access, Access::ReadOnly);
    }

    pub(super) const fn mark(&self) -> Mark {
        self.mark
    }

    pub(super) fn set_mark(&mut self, mark: Mark) {
        self.mark = mark;
        self.outlet.mark(mark);
    }

    pub(super) const fn is_non_blocking(&self) -> bool {
        self.patience.non_blocking
    }

    pub(super) const fn no_partial_writes(&self) -> bool {
        self.no_partial_writes
    }

    pub(super) const fn set_no_partial_writes(&mut self, no_partial_writes: bool) {
        self.no_partial_writes = no_partial_writes;
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

    /// For how long a write waits for room; `None` is for ever.
    #[must_use]
    pub const fn timeout(&self) -> Option<Duration> {
        self.patience.timeout
    }

    /// Sets for how long a write waits for room; zero tries once. Default: `None`, for ever. The `Sink` waits
    /// for ever.
    pub const fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.patience.timeout = timeout;
    }

    /// Sets whether a write without room fails instead of waiting. Default: it waits, and the `Sink` always
    /// does.
    pub const fn set_non_blocking(&mut self, non_blocking: bool) {
        self.patience.non_blocking = non_blocking;
    }

    /// Sets the longest line in bytes. Default: [`DEFAULT_MAX_LINE`].
    pub const fn set_max_line(&mut self, max: usize) {
        self.max_line = max;
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
        self.write_by(self.patience, &packet.into()).await
    }

    /// As [`write`](Self::write), without waiting.
    ///
    /// # Errors
    ///
    /// [`WriteError`]; [`WriteError::WouldBlock`] when there is no room.
    pub fn try_write(&mut self, packet: impl Into<Bytes>) -> Result<(), WriteError> {
        match self.poll_in_turn(None, &packet.into()) {
            Poll::Ready(written) => written,
            Poll::Pending => Err(WriteError::WouldBlock),
        }
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
        self.write_by(self.patience.of(timeout), &packet.into()).await
    }

    /// Writes `text` as one line, ended by `\n`; an end that the text has already is not doubled. A line
    /// longer than a packet goes in several.
    ///
    /// # Errors
    ///
    /// [`WriteLineError`]. When time runs out, what is left of a line longer than a packet goes before the
    /// next write, so no line is ever cut short by another; of any other line nothing has left.
    ///
    /// # Cancel safety
    ///
    /// As when time runs out.
    pub async fn write_line(&mut self, text: &str) -> Result<(), WriteLineError> {
        let mut line = self.line(text)?;
        self.patience
            .wait(OTHERWISE, |cx| self.poll_line(cx, &mut line))
            .await?;
        Ok(())
    }

    /// What is to be written of `text` as a line.
    pub(super) fn line(&self, text: &str) -> Result<LineOut, WriteLineError> {
        let mut rest = ended(text, self.max_line)?;
        let first = rest.split_to(rest.len().min(self.max_packet));
        let first = Some(first);
        Ok(LineOut { first, rest })
    }

    /// Writes a line; once a packet of it has left, the rest is fed.
    pub(super) fn poll_line(
        &mut self,
        cx: Option<&Context<'_>>,
        line: &mut LineOut,
    ) -> Poll<Result<(), WriteError>> {
        if let Some(first) = &line.first {
            ready!(self.poll_in_turn(cx, first))?;
            line.first = None;
            self.fed = Some(core::mem::take(&mut line.rest)).filter(|rest| !rest.is_empty());
        }
        self.poll_fed(cx)
    }

    async fn write_by(&mut self, patience: Patience, packet: &Bytes) -> Result<(), WriteError> {
        patience.wait(OTHERWISE, |cx| self.poll_in_turn(cx, packet)).await
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
            if ready!(self.poll_fed(Some(cx))).is_err() {
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
        self.closed = true;
        self.outlet.end();
    }

    /// Why this side may not write now.
    const fn refusal(&self) -> Option<WriteError> {
        match self.mark {
            _ if self.closed => Some(WriteError::Closed),
            _ if self.read_only => Some(WriteError::ReadOnly),
            Mark::Down => Some(WriteError::Down),
            Mark::Up => None,
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

    /// Writes a packet after what was fed.
    pub(super) fn poll_in_turn(
        &mut self,
        cx: Option<&Context<'_>>,
        packet: &Bytes,
    ) -> Poll<Result<(), WriteError>> {
        ready!(self.poll_fed(cx))?;
        self.poll_packet(cx, packet)
    }

    /// Writes a packet; without a context, nobody is woken later.
    fn poll_packet(&mut self, cx: Option<&Context<'_>>, packet: &Bytes) -> Poll<Result<(), WriteError>> {
        if let Some(refusal) = self.refusal_of(packet) {
            return Poll::Ready(Err(refusal));
        }
        match cx {
            Some(cx) => ready!(self.outlet.poll_write(cx, packet))?,
            None => match self.outlet.try_write(packet) {
                Err(WriteError::WouldBlock) => return Poll::Pending,
                written => written?,
            },
        }
        self.count(packet);
        Poll::Ready(Ok(()))
    }

    fn count(&mut self, packet: &Bytes) {
        self.stats.packets += 1;
        self.stats.bytes += u64::try_from(packet.len()).unwrap_or(u64::MAX);
    }

    /// Writes what was fed, in as many packets as it takes. What fails is told by the error and gone.
    fn poll_fed(&mut self, cx: Option<&Context<'_>>) -> Poll<Result<(), WriteError>> {
        while let Some(fed) = self.fed.take() {
            let mut rest = fed.clone();
            let packet = rest.split_to(rest.len().min(self.max_packet));
            let Poll::Ready(written) = self.poll_packet(cx, &packet) else {
                self.fed = Some(fed);
                return Poll::Pending;
            };
            written?;
            self.fed = Some(rest).filter(|rest| !rest.is_empty());
        }
        Poll::Ready(Ok(()))
    }
}

impl Sink<Bytes> for FlowWriter {
    type Error = FlowError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), FlowError>> {
        self.poll_fed(Some(cx)).map_err(FlowError::from)
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
        self.poll_fed(Some(cx)).map_err(FlowError::from)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), FlowError>> {
        ready!(self.poll_fed(Some(cx)))?;
        self.end();
        Poll::Ready(Ok(()))
    }
}

impl Drop for FlowWriter {
    fn drop(&mut self) {
        let _no_room_or_nobody_there = self.poll_fed(None);
        self.end();
    }
}
