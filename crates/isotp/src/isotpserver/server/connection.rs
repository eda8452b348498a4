//! One client: its text in, its lines out.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;
use tokio_util::codec::Decoder;

use super::config::ServerConfig;
use super::event::{ClientId, Departure};
use crate::isotpserver::{Decoded, LineCodec, Malformed};

/// Bytes that are read from a client before it is another one's turn.
const MAX_READ: usize = 4096;

/// A client's connection. It never makes anybody wait: what cannot be written is queued up to a limit.
pub(super) struct Connection<I> {
    pub(super) id: ClientId,
    io: I,
    codec: LineCodec,
    /// What was read and not yet decoded. `Framed` would read on for as long as there is text and no item in
    /// it, and so would have no turns.
    text: BytesMut,
    /// The message to send next. No more is read before it is under way.
    pub(super) message: Option<Bytes>,
    /// Lines for the client, and their bytes.
    lines: VecDeque<Bytes>,
    queued: usize,
    /// Something was written since the last flush.
    is_dirty: bool,
    stalled: Option<Pin<Box<Sleep>>>,
    state: State,
}

enum State {
    /// Messages come from it.
    Open,
    /// It will send no more, and goes once what it sent is done.
    Finished,
    /// It gets the lines that are queued, and goes.
    HangingUp(Departure),
    /// It is gone.
    Gone(Departure),
}

/// What a client's text turned out to be.
pub(super) enum Input {
    /// A message, which is in [`Connection::message`].
    Message,
    Malformed(Malformed),
    /// Nothing that can be told yet.
    Text,
    /// The end of it.
    Finished,
}

/// Whether a line was queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offered {
    Queued,
    Full,
    /// The client is leaving.
    Late,
}

impl<I: AsyncRead + AsyncWrite + Unpin> Connection<I> {
    pub(super) fn new(id: ClientId, io: I, config: &ServerConfig) -> Self {
        Self {
            id,
            io,
            codec: config.codec(),
            text: BytesMut::new(),
            message: None,
            lines: VecDeque::new(),
            queued: 0,
            is_dirty: false,
            stalled: None,
            state: State::Open,
        }
    }

    /// Queues a line, unless the client has not read those before.
    pub(super) fn offer(&mut self, line: &Bytes, max_queued: usize) -> Offered {
        if !matches!(self.state, State::Open | State::Finished) {
            return Offered::Late;
        }
        if !self.lines.is_empty() && self.queued.saturating_add(line.len()) > max_queued {
            return Offered::Full;
        }
        self.queued += line.len();
        self.lines.push_back(line.clone());
        Offered::Queued
    }

    /// Lets it go when it has got what is queued.
    pub(super) fn hang_up(&mut self, reason: Departure) {
        if matches!(self.state, State::Open | State::Finished) {
            self.state = State::HangingUp(reason);
        }
    }

    /// Whether a message of its own waits.
    pub(super) const fn wants_to_send(&self) -> bool {
        self.message.is_some() && matches!(self.state, State::Open | State::Finished)
    }

    /// Reads the next item; nothing while a message waits.
    pub(super) fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        if self.message.is_some() || !matches!(self.state, State::Open) {
            return Poll::Pending;
        }
        let decoded = match self.codec.decode(&mut self.text) {
            Ok(None) => match ready!(self.poll_read(cx)) {
                Ok(0) => self.codec.decode_eof(&mut self.text),
                Ok(_) => return Poll::Ready(Input::Text),
                Err(error) => Err(error),
            },
            decoded => decoded,
        };
        Poll::Ready(match decoded {
            Ok(Some(Decoded::Message(message))) => {
                self.message = Some(message);
                Input::Message
            }
            Ok(Some(Decoded::Malformed(reason))) => Input::Malformed(reason),
            Ok(None) => {
                self.state = State::Finished;
                Input::Finished
            }
            Err(error) => {
                self.state = State::Gone(Departure::Broken(error));
                Input::Finished
            }
        })
    }

    /// Reads once; the end is nothing read.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut space = [0; MAX_READ];
        let mut read = ReadBuf::new(&mut space);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut read))?;
        self.text.extend_from_slice(read.filled());
        Poll::Ready(Ok(read.filled().len()))
    }

    /// Writes lines; true when it got some away.
    pub(super) fn write(&mut self, cx: &mut Context<'_>, config: &ServerConfig) -> bool {
        let mut progress = false;
        while let Some(line) = self.lines.front_mut() {
            match Pin::new(&mut self.io).poll_write(cx, line) {
                Poll::Ready(Ok(0)) => self.lose(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Err(error)) => self.lose(error),
                Poll::Ready(Ok(written)) => {
                    (progress, self.is_dirty) = (true, true);
                    line.advance(written.min(line.len()));
                    self.queued = self.queued.saturating_sub(written);
                    if line.is_empty() {
                        self.lines.pop_front();
                    }
                }
                Poll::Pending => {
                    self.wait(cx, config, progress);
                    return progress;
                }
            }
        }
        let io = Pin::new(&mut self.io);
        let ended = match self.state {
            State::HangingUp(_) => io.poll_shutdown(cx),
            _ if self.is_dirty => io.poll_flush(cx),
            _ => return progress,
        };
        match ended {
            Poll::Pending => self.wait(cx, config, progress),
            Poll::Ready(Err(error)) => self.lose(error),
            Poll::Ready(Ok(())) => {
                (self.is_dirty, self.stalled) = (false, None);
                self.leave();
            }
        }
        progress
    }

    /// Gives the client time to read, and no more than that.
    fn wait(&mut self, cx: &mut Context<'_>, config: &ServerConfig, progress: bool) {
        if progress {
            self.stalled = None;
        }
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(config.stall_timeout)));
        if stalled.as_mut().poll(cx).is_ready() {
            self.lines.clear();
            match self.state {
                State::HangingUp(_) => self.leave(),
                _ => self.state = State::Gone(Departure::Stalled),
            }
        }
    }

    fn lose(&mut self, error: io::Error) {
        self.lines.clear();
        match self.state {
            State::HangingUp(_) => self.leave(),
            _ => self.state = State::Gone(Departure::Broken(error)),
        }
    }

    fn leave(&mut self) {
        let state = core::mem::replace(&mut self.state, State::Finished);
        self.state = match state {
            State::HangingUp(reason) => State::Gone(reason),
            other => other,
        };
    }

    /// Why it is to be forgotten, if so. A client that will send no more is let go when nothing of its own
    /// `is_sending`.
    pub(super) fn departure(&mut self, is_sending: bool) -> Option<Departure> {
        let is_done = !is_sending && self.message.is_none();
        match core::mem::replace(&mut self.state, State::Finished) {
            State::Gone(reason) => Some(reason),
            State::Finished if is_done => Some(Departure::Closed),
            state => {
                self.state = state;
                None
            }
        }
    }
}
