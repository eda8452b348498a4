//! The reading end of a connection.

use core::pin::Pin;
use core::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_sink::Sink;
use tinwire_time::Instant;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::codec::{Framed, FramedParts};

use super::ConnError;
use super::clock::Clock;
use crate::codec::{CodecError, FstrmCodec, OwnedFrame};
use crate::frame::End;
use crate::handshake::{Config, Event, ReaderMachine, Stats, Verdict};
use crate::{ContentType, Parser};

/// Read buffer: a read that brings many frames costs little a frame.
const READ_CAPACITY: usize = 256 * 1024;

/// Receives a stream: a `Stream` of payloads over any transport.
///
/// The stream ends with `None` at STOP and when the input ends; [`end_of_stream`](Self::end_of_stream) tells
/// which. An `Err` is the last item but for `None`. Payloads share the read buffer; holding one holds its
/// neighbours.
#[derive(Debug)]
pub struct FstrmReader<S> {
    framed: Framed<S, FstrmCodec>,
    machine: ReaderMachine,
    clock: Clock,
    /// Reading of the clock for frames that move no deadline.
    now: Instant,
    /// A payload that came with the handshake.
    early: Option<Bytes>,
    finish_timeout: core::time::Duration,
    finish_by: Option<Instant>,
    closed: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> FstrmReader<S> {
    /// Does the handshake over `io` and returns when data may flow.
    ///
    /// # Errors
    /// When the peer does not follow the protocol, offers no content type that `config` takes, closes, or is
    /// silent for the handshake timeout. The connection is dropped without an answer then, as `fstrm_capture`
    /// does.
    ///
    /// # Cancel safety
    /// Dropping the future drops the connection.
    pub async fn open(io: S, config: Config) -> Result<Self, ConnError> {
        let clock = Clock::new();
        let now = clock.now();
        let finish_timeout = config.finish_timeout;
        let codec = FstrmCodec::new(config.frame());
        let mut reader = Self {
            framed: Framed::with_capacity(io, codec, READ_CAPACITY),
            machine: ReaderMachine::new(config, now)?,
            clock,
            now,
            early: None,
            finish_timeout,
            finish_by: None,
            closed: false,
        };
        core::future::poll_fn(|cx| reader.poll_open(cx)).await?;
        Ok(reader)
    }

    /// The content type that the writer's START names.
    #[must_use]
    pub const fn content_type(&self) -> Option<&ContentType> {
        self.machine.content_type()
    }

    /// How the stream ended, once it has.
    #[must_use]
    pub const fn end_of_stream(&self) -> Option<End> {
        self.machine.end_of_stream()
    }

    /// Bytes received behind STOP, as far as they were read.
    #[must_use]
    pub fn trailing_bytes(&self) -> usize {
        match self.end_of_stream() {
            Some(End::Stop) => self.framed.read_buffer().len(),
            _ => 0,
        }
    }

    /// The counters.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.machine.stats()
    }

    /// The next thing that happened: frames passed over, start and end.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.machine.poll_event()
    }

    /// The parser beneath: where in the stream the reading stands.
    #[must_use]
    pub fn parser(&self) -> &Parser {
        self.framed.codec().parser()
    }

    /// Gives the transport back, and what was read from it but not consumed.
    #[must_use]
    pub fn into_parts(self) -> (S, BytesMut) {
        let FramedParts { io, read_buf, .. } = self.framed.into_parts();
        (io, read_buf)
    }

    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnError>> {
        loop {
            if self.machine.is_streaming() {
                // A writer that did not wait for ACCEPT may have it still to come; the stream sees to that.
                return Poll::Ready(Ok(()));
            }
            if let Some(end) = self.poll_step(cx)? {
                ready!(end);
            }
        }
    }

    /// One step towards the next payload; `Some(Pending)` when there is nothing to do now.
    fn poll_step(&mut self, cx: &mut Context<'_>) -> Result<Option<Poll<()>>, ConnError> {
        let flushed = self.poll_control(cx);
        if let Some(failure) = self.machine.failure() {
            return Err(failure.clone().into());
        }
        if self.machine.end_of_stream().is_some() {
            return Ok(Some(self.poll_finished(cx, flushed)));
        }
        if let Poll::Ready(Err(error)) = flushed {
            return Err(error);
        }
        match Pin::new(&mut self.framed).poll_next(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.handle(frame);
                Ok(None)
            }
            Poll::Ready(Some(Err(CodecError::Truncated { offset, missing }))) => {
                self.machine.handle_end(End::Truncated { offset, missing });
                Ok(None)
            }
            Poll::Ready(Some(Err(error))) => Err(error.into()),
            Poll::Ready(None) => {
                self.machine.handle_end(End::Eof);
                Ok(None)
            }
            Poll::Pending => match self.clock.poll_deadline(cx, self.machine.poll_timeout()) {
                Poll::Ready(now) => {
                    self.machine.handle_timeout(now);
                    Ok(None)
                }
                Poll::Pending => Ok(Some(Poll::Pending)),
            },
        }
    }

    fn handle(&mut self, frame: OwnedFrame) {
        if matches!(frame, OwnedFrame::Control(_)) {
            self.now = self.clock.now();
        }
        let verdict = self.machine.handle_frame(self.now, &frame.as_frame());
        if let (Verdict::Deliver, OwnedFrame::Data(payload)) = (verdict, frame) {
            self.early = Some(payload);
        }
    }

    /// Puts the machine's frames into the write buffer and writes it out.
    fn poll_control(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnError>> {
        while let Some(frame) = self.machine.poll_transmit() {
            self.framed.write_buffer_mut().extend_from_slice(frame.as_bytes());
        }
        if self.framed.write_buffer().is_empty() {
            return Poll::Ready(Ok(()));
        }
        Sink::<Bytes>::poll_flush(Pin::new(&mut self.framed), cx).map_err(ConnError::from)
    }

    /// The stream is over; waits until FINISH is out. That it cannot be written is no failure: unbound is
    /// gone by then.
    fn poll_finished(&mut self, cx: &mut Context<'_>, flushed: Poll<Result<(), ConnError>>) -> Poll<()> {
        if flushed.is_ready() {
            return Poll::Ready(());
        }
        let finish_by = *self
            .finish_by
            .get_or_insert_with(|| self.clock.now() + self.finish_timeout);
        self.clock.poll_deadline(cx, Some(finish_by)).map(|_| ())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for FstrmReader<S> {
    type Item = Result<Bytes, ConnError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(payload) = this.early.take() {
                return Poll::Ready(Some(Ok(payload)));
            }
            if this.closed {
                return Poll::Ready(None);
            }
            match this.poll_step(cx) {
                Ok(None) => {}
                Ok(Some(Poll::Pending)) => return Poll::Pending,
                Ok(Some(Poll::Ready(()))) => this.closed = true,
                Err(error) => {
                    this.closed = true;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }
}
