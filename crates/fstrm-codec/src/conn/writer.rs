//! The writing end of a connection.

use core::pin::Pin;
use core::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_sink::Sink;
use tinwire_time::Instant;
use tokio::io::{AsyncRead, AsyncWrite};

use super::ConnError;
use super::clock::{Clock, earlier};
use super::inlet::Inlet;
use super::outlet::Outlet;
use crate::frame::{DATA_HEADER_LEN, EncodeError, OwnedRun, data_header};
use crate::handshake::{Config, Event, Mode, Stats, WriterMachine};
use crate::{ContentType, Parser};

/// Bytes that are collected before a write is forced.
const WRITE_CAPACITY: usize = 64 * 1024;

/// Sends a stream: runs of data frames, or as a `Sink` of payloads, over any transport.
///
/// Closing the sink ([`finish`](Self::finish), or `SinkExt::close`) sends STOP and waits for FINISH. Dropping
/// it sends neither; the reader sees a stream without proper end. At most 64 KiB and one frame or run wait in
/// the write buffer.
#[derive(Debug)]
pub struct FstrmWriter<S> {
    io: S,
    inlet: Inlet,
    outlet: Outlet,
    parser: Parser,
    machine: WriterMachine,
    clock: Clock,
    config: Config,
    /// When shutting the transport down has lasted long enough.
    shut_by: Option<Instant>,
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
        let mut writer = Self {
            io,
            inlet: Inlet::new(Inlet::ANSWERS, Inlet::ANSWERS),
            outlet: Outlet::default(),
            parser: Parser::new(config.frame()),
            machine: WriterMachine::new(config.clone(), clock.now())?,
            clock,
            config,
            shut_by: None,
        };
        core::future::poll_fn(|cx| writer.poll_open(cx)).await?;
        Ok(writer)
    }

    /// Takes a run, to be written with what follows or by [`flush`](Self::flush); waits for room first.
    ///
    /// # Errors
    /// When the reader has gone or complains, takes no bytes for the write timeout, or a frame is longer
    /// than this writer's limit. With the last the connection is unharmed and nothing of the run is sent.
    ///
    /// # Cancel safety
    /// Cancel safe: a dropped call has taken nothing.
    pub async fn feed_run(&mut self, run: &OwnedRun) -> Result<(), ConnError> {
        self.check_run(run)?;
        core::future::poll_fn(|cx| self.poll_room(cx)).await?;
        self.check_streaming()?;
        self.machine.count_run(run.frames(), run.payload_bytes());
        self.outlet.put(run.as_wire().clone());
        Ok(())
    }

    /// Takes a run and writes it out.
    ///
    /// # Errors
    /// As [`feed_run`](Self::feed_run).
    ///
    /// # Cancel safety
    /// A dropped call may have taken the run, wholly or not at all; what was taken goes out whole with the
    /// next call. Where that matters, use [`feed_run`](Self::feed_run) and [`flush`](Self::flush).
    pub async fn send_run(&mut self, run: &OwnedRun) -> Result<(), ConnError> {
        self.feed_run(run).await?;
        self.flush().await
    }

    /// Writes everything out that was taken.
    ///
    /// # Errors
    /// When the reader has gone or complains, or takes no bytes for the write timeout.
    ///
    /// # Cancel safety
    /// Cancel safe: the next call goes on.
    pub async fn flush(&mut self) -> Result<(), ConnError> {
        core::future::poll_fn(|cx| self.poll_all_out(cx)).await
    }

    /// Waits until the reader goes away or complains, which a writer that has nothing to write would not
    /// notice; in unidirectional mode, for ever.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn gone(&mut self) -> ConnError {
        core::future::poll_fn(|cx| {
            if let Err(error) = self.watch_reader(cx) {
                return Poll::Ready(error);
            }
            Poll::Pending
        })
        .await
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

    /// Bytes that were taken and wait to be written.
    #[must_use]
    pub const fn unwritten_bytes(&self) -> usize {
        self.outlet.len()
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
        self.io
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
        let written = self.poll_drain(cx);
        if self.poll_read(cx)?.is_ready() {
            return Poll::Ready(Ok(()));
        }
        if let Poll::Ready(Err(error)) = written {
            return Poll::Ready(Err(error));
        }
        ready!(self.poll_alarm(cx))?;
        Poll::Ready(self.check())
    }

    /// Reads what the reader says, without waiting for it; ready when it said something.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnError>> {
        let buffer = &mut self.inlet.buffer;
        let parsed = self.parser.parse(buffer)?;
        let consumed = parsed.consumed;
        if let Some(frame) = parsed.frame {
            self.machine.handle_frame(&frame);
            buffer.advance(consumed);
            return Poll::Ready(self.check());
        }
        buffer.advance(consumed);
        let missing = self.parser.missing();
        if ready!(self.inlet.poll_fill(&mut self.io, cx, missing))? == 0 {
            self.machine.handle_end();
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

    /// Room for one more frame or run.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnError>> {
        self.watch_reader(cx)?;
        if self.outlet.len() < WRITE_CAPACITY {
            return Poll::Ready(Ok(()));
        }
        self.poll_write_out(cx)
    }

    fn poll_all_out(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnError>> {
        self.watch_reader(cx)?;
        self.poll_write_out(cx)
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnError>> {
        while let Some(frame) = self.machine.poll_transmit() {
            self.outlet.put_slice(frame.as_bytes());
        }
        self.outlet.poll_drain(&mut self.io, cx).map_err(ConnError::from)
    }

    fn poll_write_out(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnError>> {
        loop {
            if let Poll::Ready(written) = self.poll_drain(cx) {
                return Poll::Ready(written);
            }
            ready!(self.poll_alarm(cx))?;
        }
    }

    /// Ready when a deadline of the machine has passed, and an error when the transport has taken nothing
    /// for too long.
    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnError>> {
        let after = self.config.write_timeout;
        let stalled_by = self.outlet.stalled_by(|| self.clock.now(), after);
        let deadline = earlier(self.machine.poll_timeout(), stalled_by);
        let now = ready!(self.clock.poll_deadline(cx, deadline));
        self.machine.handle_timeout(now);
        self.check()?;
        if stalled_by.is_some_and(|by| by <= now) {
            return Poll::Ready(Err(ConnError::Stalled { after }));
        }
        Poll::Ready(Ok(()))
    }

    fn check(&self) -> Result<(), ConnError> {
        self.machine
            .failure()
            .map_or(Ok(()), |failure| Err(failure.clone().into()))
    }

    fn check_streaming(&self) -> Result<(), ConnError> {
        self.check()?;
        if self.machine.is_streaming() {
            Ok(())
        } else {
            Err(ConnError::Closed)
        }
    }

    /// Whether all frames are within this writer's limit, which need not be that of whoever read them.
    fn check_run(&self, run: &OwnedRun) -> Result<(), ConnError> {
        let max = self.config.frame().max_data;
        let longest = usize::try_from(max.get()).unwrap_or(usize::MAX);
        if run.as_wire().len() - DATA_HEADER_LEN <= longest {
            return Ok(());
        }
        match run.as_run().iter().find(|payload| payload.len() > longest) {
            None => Ok(()),
            Some(payload) => Err(EncodeError::TooLong {
                len: payload.len(),
                max: max.get(),
            }
            .into()),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sink<Bytes> for FstrmWriter<S> {
    type Error = ConnError;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ConnError>> {
        self.get_mut().poll_room(cx)
    }

    /// Frames one payload. An empty or over-long one is refused and harms nothing.
    fn start_send(self: Pin<&mut Self>, payload: Bytes) -> Result<(), ConnError> {
        let this = self.get_mut();
        this.check_streaming()?;
        let header = data_header(&payload, this.config.frame().max_data)?;
        this.machine.count_data(payload.len());
        this.outlet.put_slice(&header);
        this.outlet.put(payload);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ConnError>> {
        self.get_mut().poll_all_out(cx)
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
        if let Poll::Ready(shut) = Pin::new(&mut this.io).poll_shutdown(cx) {
            return Poll::Ready(shut.map_err(ConnError::from));
        }
        // All has been said; a transport that cannot even close, as TLS to a peer that reads no more, is
        // left to whoever drops it.
        let timeout = this.config.finish_timeout;
        let shut_by = *this.shut_by.get_or_insert_with(|| this.clock.now() + timeout);
        this.clock.poll_deadline(cx, Some(shut_by)).map(|_| Ok(()))
    }
}
