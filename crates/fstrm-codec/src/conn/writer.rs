//! The writing end of a connection.

use core::pin::Pin;
use core::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::codec::Framed;

use super::ConnError;
use super::clock::Clock;
use crate::ContentType;
use crate::codec::{CodecError, FstrmCodec};
use crate::frame::data_header;
use crate::handshake::{Config, Event, Mode, Stats, WriterMachine};

/// Bytes that are collected before a write is forced.
const WRITE_CAPACITY: usize = 64 * 1024;

/// Sends a stream: a `Sink` of payloads over any transport.
///
/// Closing the sink ([`finish`](Self::finish), or `SinkExt::close`) sends STOP and waits for FINISH. Dropping
/// it sends neither; the reader sees a stream without proper end. At most 64 KiB and one frame wait in the
/// write buffer.
#[derive(Debug)]
pub struct FstrmWriter<S> {
    framed: Framed<S, FstrmCodec>,
    machine: WriterMachine,
    clock: Clock,
    config: Config,
}

impl<S: AsyncRead + AsyncWrite + Unpin> FstrmWriter<S> {
    /// Does the handshake over `io` and returns when data may be sent.
    ///
    /// # Errors
    /// When the reader takes none of the configured content types, does not follow the protocol, closes, or
    /// is silent for the handshake timeout. The connection is dropped then.
    ///
    /// # Cancel safety
    /// Dropping the future drops the connection.
    pub async fn open(io: S, config: Config) -> Result<Self, ConnError> {
        let clock = Clock::new();
        let mut framed = Framed::new(io, FstrmCodec::new(config.frame()));
        framed.set_backpressure_boundary(WRITE_CAPACITY);
        let mut writer = Self {
            framed,
            machine: WriterMachine::new(config.clone(), clock.now())?,
            clock,
            config,
        };
        core::future::poll_fn(|cx| writer.poll_open(cx)).await?;
        Ok(writer)
    }

    /// The content type that START named.
    #[must_use]
    pub const fn content_type(&self) -> Option<&ContentType> {
        self.machine.content_type()
    }

    /// The counters.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.machine.stats()
    }

    /// The next thing that happened: control frames passed over, start and end.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.machine.poll_event()
    }

    /// Sends STOP, waits for FINISH and shuts the transport down.
    ///
    /// # Errors
    /// [`HandshakeError::NoFinish`](crate::handshake::HandshakeError::NoFinish) when the reader does not
    /// confirm within the finish timeout; the transport's error when it fails.
    ///
    /// # Cancel safety
    /// Cancel safe: a second call goes on where the first was dropped.
    pub async fn finish(&mut self) -> Result<(), ConnError> {
        core::future::poll_fn(|cx| Pin::new(&mut *self).poll_close(cx)).await
    }

    /// Gives the transport back; what waits in the write buffer is lost.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.framed.into_inner()
    }

    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnError>> {
        while !self.machine.is_streaming() {
            ready!(self.poll_answer(cx))?;
        }
        // START goes out with the first data at the latest; sent now, it tells the reader that all is well.
        self.poll_write_out(cx)
    }

    /// Waits for whatever the machine waits for.
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnError>> {
        // A failing write must not hide what the reader said before it went away.
        let written = self.poll_write_out(cx);
        if self.poll_read(cx)?.is_ready() {
            return Poll::Ready(Ok(()));
        }
        if let Poll::Ready(Err(error)) = written {
            return Poll::Ready(Err(error));
        }
        let now = ready!(self.clock.poll_deadline(cx, self.machine.poll_timeout()));
        self.machine.handle_timeout(now);
        Poll::Ready(self.check())
    }

    /// Reads what the reader says, without waiting for it; ready when it said something.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnError>> {
        match ready!(Pin::new(&mut self.framed).poll_next(cx)) {
            Some(Ok(frame)) => self.machine.handle_frame(&frame.as_frame()),
            Some(Err(CodecError::Truncated { .. })) | None => self.machine.handle_end(),
            Some(Err(error)) => return Poll::Ready(Err(error.into())),
        }
        Poll::Ready(self.check())
    }

    /// Notices while data flows that the reader has gone or complains, which the C writer learns by a failing
    /// write.
    fn watch_reader(&mut self, cx: &mut Context<'_>) -> Result<(), ConnError> {
        self.check()?;
        while self.config.mode == Mode::Bidirectional && self.machine.is_streaming() {
            match self.poll_read(cx) {
                Poll::Ready(said) => said?,
                Poll::Pending => break,
            }
        }
        Ok(())
    }

    fn poll_write_out(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnError>> {
        while let Some(frame) = self.machine.poll_transmit() {
            self.framed.write_buffer_mut().extend_from_slice(frame.as_bytes());
        }
        Sink::<Bytes>::poll_flush(Pin::new(&mut self.framed), cx).map_err(ConnError::from)
    }

    fn check(&self) -> Result<(), ConnError> {
        self.machine
            .failure()
            .map_or(Ok(()), |failure| Err(failure.clone().into()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sink<Bytes> for FstrmWriter<S> {
    type Error = ConnError;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ConnError>> {
        let this = self.get_mut();
        this.watch_reader(cx)?;
        Sink::<Bytes>::poll_ready(Pin::new(&mut this.framed), cx).map_err(ConnError::from)
    }

    /// Frames one payload. An empty or over-long one is refused and harms nothing.
    fn start_send(self: Pin<&mut Self>, payload: Bytes) -> Result<(), ConnError> {
        let this = self.get_mut();
        this.check()?;
        if !this.machine.is_streaming() {
            return Err(ConnError::Closed);
        }
        data_header(&payload, this.config.frame().max_data)?;
        this.machine.count_data(payload.len());
        Pin::new(&mut this.framed)
            .start_send(payload)
            .map_err(ConnError::from)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ConnError>> {
        let this = self.get_mut();
        this.watch_reader(cx)?;
        this.poll_write_out(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ConnError>> {
        let this = self.get_mut();
        this.check()?;
        if this.machine.is_streaming() {
            let now = this.clock.now();
            this.machine.finish(now).map_err(|_| ConnError::Closed)?;
        }
        while !this.machine.is_ended() {
            ready!(this.poll_answer(cx))?;
        }
        ready!(this.poll_write_out(cx))?;
        Pin::new(this.framed.get_mut())
            .poll_shutdown(cx)
            .map_err(ConnError::from)
    }
}
