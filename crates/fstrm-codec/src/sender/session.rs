//! One connection: from READY to FINISH, or to its loss.

use core::num::NonZeroU32;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io::{self, IoSlice};
use std::string::String;

use bytes::{Buf, BytesMut};
use tinwire_time::Instant;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Config;
use super::driver::Task;
use super::event::Event;
use super::shared::Until;
use crate::conn::ConnError;
use crate::frame::Oversize;
use crate::queue::{Batch, Readiness};
use crate::{Event as StreamEvent, Parser, WriterMachine};

/// Bytes of one read: a collector sends two control frames in all.
const READ: usize = 1024;
/// Parts of one vectored write.
const SLICES: usize = 64;

/// How a connection ended.
#[derive(Debug)]
pub(super) enum Outcome {
    /// In order.
    Finished,
    /// Not in order; whether a stream had begun is told by [`Session::started`].
    Lost(ConnError),
    /// The sender's own deadline is over.
    Quit,
}

#[derive(Debug)]
pub(super) struct Session<S> {
    io: S,
    machine: WriterMachine,
    parser: Parser,
    input: BytesMut,
    /// The collector has closed its side.
    is_deaf: bool,
    control: BytesMut,
    batch: Batch,
    /// Written to the transport but perhaps held there, as TLS does.
    is_unflushed: bool,
    started: Option<Instant>,
    write_by: Option<Instant>,
    coalesce_by: Option<Instant>,
    confirm_by: Option<Instant>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    pub(super) fn new(io: S, config: &Config, now: Instant) -> Result<Self, ConnError> {
        // A collector has no data to send; whatever the length, such a frame is passed over and judged.
        let frame = config
            .handshake
            .frame()
            .max_data(NonZeroU32::MIN)
            .oversize(Oversize::Skip);
        Ok(Self {
            io,
            machine: WriterMachine::new(config.handshake.clone(), now)?,
            parser: Parser::new(frame),
            input: BytesMut::new(),
            is_deaf: false,
            control: BytesMut::new(),
            batch: Batch::default(),
            is_unflushed: false,
            started: None,
            write_by: None,
            coalesce_by: None,
            confirm_by: None,
        })
    }

    /// Since when data could flow.
    pub(super) const fn started(&self) -> Option<Instant> {
        self.started
    }

    /// Drives the connection to its end.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, task: &mut Task) -> Poll<Outcome> {
        match ready!(self.poll_stream(cx, task)) {
            Ok(outcome) => Poll::Ready(outcome),
            Err(error) => Poll::Ready(Outcome::Lost(error)),
        }
    }

    fn poll_stream(&mut self, cx: &mut Context<'_>, task: &mut Task) -> Poll<Result<Outcome, ConnError>> {
        loop {
            let quit_by = task.quit_by(cx);
            let heard = self.poll_read(cx)?.is_ready();
            self.handle_events(task);
            let written = match self.poll_write(cx, task) {
                Poll::Ready(Err(error)) => {
                    // A failing write must not hide what the collector said before it went away.
                    while self.poll_read(cx)?.is_ready() {}
                    return Poll::Ready(Err(error.into()));
                }
                Poll::Ready(Ok(())) => {
                    self.write_by = None;
                    true
                }
                Poll::Pending => {
                    let timeout = task.config.write_timeout;
                    self.write_by.get_or_insert_with(|| task.clock.now() + timeout);
                    false
                }
            };
            if written && self.machine.is_ended() {
                // The goodbye of TLS; nobody waits for it.
                let _ = Pin::new(&mut self.io).poll_shutdown(cx);
                return Poll::Ready(Ok(Outcome::Finished));
            }
            let refilled = written && self.machine.is_streaming() && self.refill(cx, task, quit_by.is_some());
            if heard || refilled {
                continue;
            }
            let deadlines = [
                self.machine.poll_timeout(),
                self.write_by,
                self.coalesce_by,
                self.confirm_by,
                quit_by,
            ];
            let now = ready!(
                task.clock
                    .poll_deadline(cx, deadlines.into_iter().flatten().min())
            );
            if let Some(outcome) = self.handle_timeout(now, task)? {
                return Poll::Ready(Ok(outcome));
            }
        }
    }

    /// Takes one read from the collector; ready when it said something.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnError>> {
        if self.is_deaf {
            return Poll::Pending;
        }
        let mut bytes = [0; READ];
        let mut buffer = ReadBuf::new(&mut bytes);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer))?;
        if buffer.filled().is_empty() {
            self.is_deaf = true;
            self.machine.handle_end();
        }
        self.input.extend_from_slice(buffer.filled());
        loop {
            let parsed = self.parser.parse(&self.input)?;
            let (consumed, is_frame) = (parsed.consumed, parsed.frame.is_some());
            if let Some(frame) = parsed.frame {
                self.machine.handle_frame(&frame);
            }
            self.input.advance(consumed);
            if !is_frame {
                return Poll::Ready(self.check());
            }
        }
    }

    /// Writes control frames and the batch, and has the transport pass on what it holds.
    fn poll_write(&mut self, cx: &mut Context<'_>, task: &Task) -> Poll<io::Result<()>> {
        while let Some(frame) = self.machine.poll_transmit() {
            self.control.extend_from_slice(frame.as_bytes());
        }
        while !self.control.is_empty() {
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, &self.control))?;
            self.took(written)?;
            self.control.advance(written);
        }
        while !self.batch.is_empty() {
            let written = ready!(poll_write_batch(Pin::new(&mut self.io), cx, &self.batch))?;
            self.took(written)?;
            self.batch.advance(written);
            task.handle_written(written);
        }
        if self.is_unflushed {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.is_unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// A write that is taken moves its deadline.
    fn took(&mut self, written: usize) -> io::Result<()> {
        self.write_by = None;
        self.is_unflushed = true;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        Ok(())
    }

    /// Takes the next batch, or sends STOP when it is time. Otherwise has the task woken when there is more.
    fn refill(&mut self, cx: &Context<'_>, task: &Task, closing: bool) -> bool {
        let mut state = task.shared.lock();
        let queue = &mut state.queue;
        if closing || task.config.coalesce_delay.is_zero() {
            queue.expedite();
        }
        if queue.wants_confirmation() || closing && queue.readiness() == Readiness::Empty {
            let now = task.clock.now();
            return self.machine.finish(now).is_ok();
        }
        self.confirm_by = match self.confirm_by {
            _ if !queue.is_unconfirmed() => None,
            None => Some(task.clock.now() + task.config.confirm_interval),
            running => running,
        };
        match queue.readiness() {
            Readiness::Due => {
                self.coalesce_by = None;
                self.batch = queue.take_batch();
                let has_room = queue.has_room();
                drop(state);
                if has_room {
                    task.shared.room.notify_waiters();
                }
                true
            }
            Readiness::Lingering => {
                if self.coalesce_by.is_none() {
                    self.coalesce_by = Some(task.clock.now() + task.config.coalesce_delay);
                }
                state.park(Until::Due, cx);
                false
            }
            Readiness::Empty | Readiness::WindowFull => {
                self.coalesce_by = None;
                state.park(Until::Queued, cx);
                false
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant, task: &Task) -> Result<Option<Outcome>, ConnError> {
        self.machine.handle_timeout(now);
        self.check()?;
        if self.write_by.is_some_and(|by| by <= now) {
            let waited = task.config.write_timeout;
            return Err(timed_out(std::format!("no byte was taken within {waited:?}")).into());
        }
        if self.coalesce_by.take_if(|by| *by <= now).is_some() {
            task.shared.lock().queue.expedite();
        }
        if self.confirm_by.take_if(|by| *by <= now).is_some() {
            task.shared.lock().queue.ask_confirmation();
        }
        Ok(task.is_over(now).then_some(Outcome::Quit))
    }

    fn handle_events(&mut self, task: &Task) {
        while let Some(event) = self.machine.poll_event() {
            if let StreamEvent::Started { content_type } = event {
                self.started = Some(task.clock.now());
                task.shared.lock().stats.connected += 1;
                task.shared.tell(Event::Connected { content_type });
            }
        }
    }

    fn check(&self) -> Result<(), ConnError> {
        self.machine
            .failure()
            .map_or(Ok(()), |failure| Err(failure.clone().into()))
    }
}

/// One write of headers and payloads, in one piece where the transport knows vectored writes.
fn poll_write_batch<S: AsyncWrite>(
    io: Pin<&mut S>,
    cx: &mut Context<'_>,
    batch: &Batch,
) -> Poll<io::Result<usize>> {
    if !io.is_write_vectored() {
        return io.poll_write(cx, batch.chunk());
    }
    let mut slices = [IoSlice::new(&[]); SLICES];
    let filled = batch.chunks_vectored(&mut slices);
    io.poll_write_vectored(cx, slices.get(..filled).unwrap_or_default())
}

pub(super) fn timed_out(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}
