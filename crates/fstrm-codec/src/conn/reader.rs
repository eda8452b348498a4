//! The reading end of a connection.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_core::Stream;
use tinwire_time::Instant;
use tokio::io::{AsyncRead, AsyncWrite};

use super::ConnError;
use super::clock::{Clock, earlier};
use super::inlet::Inlet;
use super::outlet::Outlet;
use crate::frame::{DATA_HEADER_LEN, End, Frame, OwnedRun, Piece};
use crate::handshake::{Config, Event, ReaderMachine, Stats, Verdict};
use crate::{ContentType, Parser};

/// Receives a stream: runs of data frames, or a `Stream` of payloads, over any transport.
///
/// The stream ends with `None` at STOP and when the input ends; [`end_of_stream`](Self::end_of_stream) tells
/// which. An `Err` is the last item but for `None`. Payloads share the read buffer; holding one holds its
/// neighbours. The buffer has 8 KiB at first and up to 256 KiB when the peer keeps it filled.
#[derive(Debug)]
pub struct FstrmReader<S> {
    io: S,
    inlet: Inlet,
    outlet: Outlet,
    parser: Parser,
    machine: ReaderMachine,
    clock: Clock,
    /// When the last bytes came.
    now: Instant,
    /// A run that was received, or what is left of it.
    run: Option<OwnedRun>,
    finish_timeout: Duration,
    idle_timeout: Option<Duration>,
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
        let mut reader = Self {
            io,
            inlet: Inlet::new(Inlet::SMALL, Inlet::LARGE),
            outlet: Outlet::default(),
            parser: Parser::new(config.frame()),
            clock,
            now,
            run: None,
            finish_timeout: config.finish_timeout,
            idle_timeout: config.idle_timeout,
            machine: ReaderMachine::new(config, now)?,
            finish_by: None,
            closed: false,
        };
        core::future::poll_fn(|cx| reader.poll_open(cx)).await?;
        Ok(reader)
    }

    /// The next data frames, as many as have come together; `None` at the end of the stream.
    ///
    /// Frames are neither copied nor looked at one by one: this is the fast way.
    ///
    /// # Errors
    /// As the `Stream`'s items. An `Err` is the last item but for `None`.
    ///
    /// # Cancel safety
    /// Cancel safe: no frame is lost.
    pub async fn next_run(&mut self) -> Option<Result<OwnedRun, ConnError>> {
        core::future::poll_fn(|cx| self.poll_run(cx)).await
    }

    /// The poll form of [`next_run`](Self::next_run).
    pub fn poll_run(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<OwnedRun, ConnError>>> {
        loop {
            if let Some(run) = self.run.take() {
                return Poll::Ready(Some(Ok(run)));
            }
            if self.closed {
                return Poll::Ready(None);
            }
            match self.poll_step(cx) {
                Ok(None) => {}
                Ok(Some(Poll::Pending)) => return Poll::Pending,
                Ok(Some(Poll::Ready(()))) => self.closed = true,
                Err(error) => {
                    self.closed = true;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }

    /// Sends the FINISH that [`Finish::OnRelease`](crate::handshake::Finish::OnRelease) keeps back, once the
    /// stream has ended with STOP; nothing otherwise.
    ///
    /// Returns when it is out, when it cannot be written, which is no failure (unbound is gone by then), and
    /// after the finish timeout.
    ///
    /// # Cancel safety
    /// Cancel safe: a second call goes on where the first was dropped.
    pub async fn release_finish(&mut self) {
        self.machine.release_finish();
        core::future::poll_fn(|cx| {
            self.poll_control(cx);
            self.poll_finished(cx)
        })
        .await;
    }

    /// Whether STOP has come and its answer waits for [`release_finish`](Self::release_finish).
    #[must_use]
    pub const fn owes_finish(&self) -> bool {
        self.machine.owes_finish()
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
            Some(End::Stop) => self.inlet.buffer.len(),
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
    pub const fn parser(&self) -> &Parser {
        &self.parser
    }

    /// Gives the transport back, and what was read from it but not consumed.
    #[must_use]
    pub fn into_parts(self) -> (S, BytesMut) {
        (self.io, self.inlet.buffer)
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

    /// One step towards the next run; `Some(Pending)` when there is nothing to do now.
    fn poll_step(&mut self, cx: &mut Context<'_>) -> Result<Option<Poll<()>>, ConnError> {
        self.poll_control(cx);
        if let Some(failure) = self.machine.failure() {
            return Err(failure.clone().into());
        }
        if self.machine.end_of_stream().is_some() {
            if self.machine.owes_finish() {
                return Ok(Some(Poll::Ready(())));
            }
            return Ok(Some(self.poll_finished(cx)));
        }
        if self.take_piece()? {
            return Ok(None);
        }
        match self.inlet.poll_fill(&mut self.io, cx, self.parser.missing()) {
            Poll::Ready(Ok(0)) => self.machine.handle_end(self.parser.end()),
            Poll::Ready(Ok(_)) => {
                if self.idle_timeout.is_some() {
                    self.now = self.clock.now();
                }
            }
            Poll::Ready(Err(error)) => return Err(error.into()),
            Poll::Pending => return self.poll_alarm(cx),
        }
        Ok(None)
    }

    /// Takes what stands at the front of the buffer; false when more bytes are needed.
    fn take_piece(&mut self) -> Result<bool, ConnError> {
        let buffer = &mut self.inlet.buffer;
        let parsed = self.parser.parse_run(buffer)?;
        let consumed = parsed.consumed;
        let (len, frames) = match parsed.piece {
            Some(Piece::Run(run)) => match self.machine.handle_run(self.now, &run) {
                Verdict::Deliver => (run.as_wire().len(), run.frames()),
                Verdict::Absorbed => (0, 0),
            },
            Some(Piece::Control(control)) => {
                self.now = self.clock.now();
                let _nothing = self.machine.handle_frame(self.now, &Frame::Control(control));
                (0, 0)
            }
            Some(Piece::Skipped { len }) => {
                let _nothing = self.machine.handle_frame(self.now, &Frame::Skipped { len });
                (0, 0)
            }
            None => {
                buffer.advance(consumed);
                return Ok(false);
            }
        };
        buffer.advance(consumed - len);
        if frames > 0 {
            self.run = Some(OwnedRun::checked(buffer.split_to(len).freeze(), frames));
        }
        Ok(true)
    }

    /// Nothing comes now; looks at the deadlines.
    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Result<Option<Poll<()>>, ConnError> {
        let handshake = self.machine.poll_timeout();
        let idle = self
            .idle_timeout
            .filter(|_| self.machine.is_streaming())
            .map(|after| (self.now + after, after));
        let Poll::Ready(now) = self
            .clock
            .poll_deadline(cx, earlier(handshake, idle.map(|(at, _)| at)))
        else {
            return Ok(Some(Poll::Pending));
        };
        match idle {
            Some((at, after)) if at <= now => Err(ConnError::Idle { after }),
            _ => {
                self.machine.handle_timeout(now);
                Ok(None)
            }
        }
    }

    /// Puts the machine's frames into the write buffer and writes it out. A peer that takes no answer may
    /// have sent all it had before: what it sent is read all the same, and tells how it ended.
    fn poll_control(&mut self, cx: &mut Context<'_>) {
        while let Some(frame) = self.machine.poll_transmit() {
            self.outlet.put_slice(frame.as_bytes());
        }
        if let Poll::Ready(Err(_)) = self.outlet.poll_drain(&mut self.io, cx) {
            self.outlet.clear();
        }
    }

    /// The stream is over; waits until FINISH is out. That it cannot be written is no failure: unbound is
    /// gone by then.
    fn poll_finished(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.outlet.is_empty() {
            return Poll::Ready(());
        }
        let finish_by = *self
            .finish_by
            .get_or_insert_with(|| self.clock.now() + self.finish_timeout);
        self.clock.poll_deadline(cx, Some(finish_by)).map(|_| ())
    }

    /// Takes the first payload off the run at hand.
    fn next_payload(&mut self) -> Option<Bytes> {
        let run = self.run.take()?;
        let frames = run.frames();
        let mut wire = run.into_wire();
        let len = wire
            .first_chunk::<DATA_HEADER_LEN>()
            .copied()
            .map(u32::from_be_bytes)?;
        wire.advance(DATA_HEADER_LEN);
        let payload = wire.split_to(usize::try_from(len).ok()?.min(wire.len()));
        if frames > 1 {
            self.run = Some(OwnedRun::checked(wire, frames - 1));
        }
        Some(payload)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for FstrmReader<S> {
    type Item = Result<Bytes, ConnError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.run.is_none() {
            match ready!(this.poll_run(cx)) {
                Some(Ok(run)) => this.run = Some(run),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        Poll::Ready(this.next_payload().map(Ok))
    }
}
