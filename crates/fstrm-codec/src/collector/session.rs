//! One connection: its handshake, its frames, its end.

mod deadlines;

use core::future::poll_fn;
use core::task::Poll;
use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::io::poll_read_buf;

use self::deadlines::{Deadlines, Due};
use super::batch::{Batch, Ledger, Receipt};
use super::buffer::ReadBuffer;
use super::clock::{self, Alarm};
use super::doom::{Doom, Verdict};
use super::memory::units;
use super::race::{Won, race};
use super::shared::{Shared, Task};
use super::{Event, Handshake, Peer, SessionError, SessionId, SessionStats};
use crate::control::ControlType;
use crate::frame::{End, Frame, OwnedRun, Parser, Piece};
use crate::handshake::{self, Absence, Finish, HandshakeError, Mode, ReaderMachine};

/// Read of a peer that goes on sending while the collector closes: what its socket can have held.
const MAX_DRAIN: usize = 8 << 20;
/// How long the peer may take to close after FINISH. To close first would, over TCP, take FINISH back where
/// bytes behind STOP are unread.
const LINGER: core::time::Duration = core::time::Duration::from_secs(1);

/// A connection and where it is in its stream.
pub(super) struct Session<S> {
    io: S,
    id: SessionId,
    peer: Peer,
    task: Task,
    doom: Arc<Doom>,
    ledger: Arc<Ledger>,
    parser: Parser,
    /// `None` until the first control frame has told which handshake it is.
    machine: Option<ReaderMachine>,
    buffer: ReadBuffer,
    deadlines: Deadlines,
    alarm: Alarm,
    stats: SessionStats,
    /// What is left of [`MAX_DRAIN`]; `None` while the collector is open.
    drain: Option<usize>,
}

/// The next thing in the buffer.
enum Step {
    Run(OwnedRun),
    Control,
    More,
    End(End),
}

/// What a session that reads was woken by.
enum Woken {
    Read(io::Result<usize>),
    Drained,
    Due(Due),
}

impl<S> Session<S>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    /// Spawns the session's task. `slot` is its place among the connections.
    #[expect(clippy::disallowed_methods, reason = "a driver spawns its sessions here")]
    pub(super) fn begin(io: S, peer: Peer, slot: OwnedSemaphorePermit, task: Task) {
        let doom = Arc::new(Doom::default());
        let id = task.shared.enter(&doom);
        task.shared.tell(Event::Connected {
            session: id,
            peer: peer.clone(),
        });
        tokio::spawn(async move {
            let mut session = Self::new(io, id, peer, task, Arc::clone(&doom));
            let outcome = match race(doom.passed(), session.run()).await {
                Won::First(verdict) => Err(verdict.into()),
                Won::Second(outcome) => outcome,
            };
            let is_refused = matches!(outcome, Err(SessionError::Frame(_) | SessionError::Handshake(_)));
            let (io, shared) = session.conclude(outcome);
            drop(slot);
            if is_refused {
                keep(&shared).await;
            }
            drop(io);
        });
    }

    fn new(io: S, id: SessionId, peer: Peer, task: Task, doom: Arc<Doom>) -> Self {
        let now = clock::now();
        let shared = &task.shared;
        let config = &shared.config;
        Self {
            io,
            id,
            peer,
            parser: Parser::new(config.stream.frame()),
            machine: None,
            buffer: ReadBuffer::new(Arc::clone(&shared.memory)),
            deadlines: Deadlines::new(config, now),
            alarm: Alarm::default(),
            stats: SessionStats::default(),
            drain: None,
            ledger: Arc::new(Ledger::new(Arc::clone(&doom), Arc::clone(shared))),
            doom,
            task,
        }
    }

    async fn run(&mut self) -> Result<End, SessionError> {
        loop {
            match self.step()? {
                Step::Run(run) => self.deliver(run).await?,
                Step::Control => self.answer().await?,
                Step::More => {
                    if let Some(end) = self.read().await? {
                        return Ok(end);
                    }
                }
                Step::End(end) => {
                    self.finish().await;
                    return Ok(end);
                }
            }
        }
    }

    /// Takes the next piece off the buffer.
    fn step(&mut self) -> Result<Step, SessionError> {
        let parsed = self.parser.parse_run(self.buffer.as_slice())?;
        let (consumed, piece) = (parsed.consumed, parsed.piece);
        let Some(piece) = piece else {
            self.buffer.skip(consumed);
            return Ok(Step::More);
        };
        let machine = match &mut self.machine {
            Some(machine) => machine,
            none => {
                let mode = match (self.task.shared.config.handshake, &piece) {
                    (Handshake::Bidirectional, _) => Mode::Bidirectional,
                    (Handshake::Either, Piece::Control(control))
                        if control.control_type() == ControlType::Ready =>
                    {
                        Mode::Bidirectional
                    }
                    _ => Mode::Unidirectional,
                };
                none.insert(machine(&self.task.shared.config.stream, mode)?)
            }
        };
        let was_streaming = machine.is_streaming();
        // The machine's own timeouts are off; the session's deadlines are for the whole of the handshake.
        let now = tinwire_time::Instant::default();
        let taken = match &piece {
            Piece::Run(run) => match machine.handle_run(now, run) {
                handshake::Verdict::Deliver => Some((run.as_wire().len(), run.frames())),
                handshake::Verdict::Absorbed => None,
            },
            Piece::Control(control) => {
                let _ = machine.handle_frame(now, &Frame::Control(*control));
                None
            }
            Piece::Skipped { len } => {
                let _ = machine.handle_frame(now, &Frame::Skipped { len: *len });
                None
            }
        };
        if !was_streaming && machine.is_streaming() {
            self.deadlines.started();
            let content_type = machine.content_type().cloned();
            self.task.shared.tell(Event::Started {
                session: self.id,
                content_type,
            });
        }
        if let Some(error) = machine.failure() {
            return Err(error.clone().into());
        }
        let end = machine.end_of_stream();
        if let Piece::Skipped { len } = piece {
            self.pass_over(len);
        }
        Ok(match (taken, end) {
            (Some((len, frames)), _) => {
                self.buffer.skip(consumed - len);
                Step::Run(OwnedRun::checked(self.buffer.take(len), frames))
            }
            (None, Some(end)) => {
                self.buffer.skip(consumed);
                Step::End(end)
            }
            (None, None) => {
                self.buffer.skip(consumed);
                Step::Control
            }
        })
    }

    /// Hands a run out, when it is this session's turn.
    async fn deliver(&mut self, run: OwnedRun) -> Result<(), SessionError> {
        let (frames, bytes) = (run.frames(), run.payload_bytes());
        let shared = &self.task.shared;
        let need = units(run.as_wire().len()).min(shared.max_room);
        let Ok(room) = Arc::clone(&shared.room).acquire_many_owned(need).await else {
            return Err(SessionError::Closed);
        };
        let batch = Batch {
            run,
            session: self.id,
            peer: self.peer.clone(),
            content_type: self
                .machine
                .as_ref()
                .and_then(|machine| machine.content_type().cloned()),
            receipt: Receipt::new(&self.ledger, room, frames),
        };
        self.stats.frames += frames;
        self.stats.bytes += bytes;
        shared.count(|stats| {
            stats.frames += frames;
            stats.bytes += bytes;
            stats.batches += 1;
        });
        if self.task.batches.send(batch).is_err() {
            return Err(SessionError::Closed);
        }
        // The time until it was our turn was not the peer's.
        self.deadlines.restart(clock::now());
        Ok(())
    }

    /// Sends what the machine has to send, within the time for the handshake.
    ///
    /// That it cannot be sent ends nothing: what the peer sent before it left is there to be read.
    async fn answer(&mut self) -> Result<(), SessionError> {
        while let Some(frame) = self.machine.as_mut().and_then(ReaderMachine::poll_transmit) {
            let until = tokio::time::sleep_until(self.deadlines.answer_by(clock::now()));
            let say = async {
                self.io.write_all(frame.as_bytes()).await?;
                self.io.flush().await
            };
            if let Won::Second(()) = race(say, until).await {
                return Err(SessionError::HandshakeTimeout);
            }
        }
        Ok(())
    }

    /// Reads once; `Some` when the input has ended.
    async fn read(&mut self) -> Result<Option<End>, SessionError> {
        let missing = self.parser.missing();
        let asked = clock::now();
        // A frame that is passed over is not kept.
        let lacking = if self.buffer.len() == 0 { 0 } else { missing };
        self.buffer
            .make_room(lacking, self.id, &self.doom)
            .await
            .map_err(|_too_much| SessionError::Memory)?;
        let now = clock::now();
        self.deadlines.waited(now.saturating_duration_since(asked));
        self.deadlines.reading(missing > 0, now);
        let room = self.buffer.spare().capacity() - self.buffer.len();
        match self.woken().await {
            Woken::Read(Ok(0)) => self.ended().map(Some),
            Woken::Read(Ok(len)) => {
                self.buffer.filled(len, room);
                self.deadlines.progressed(clock::now(), self.buffer.is_large());
                if let Some(left) = &mut self.drain {
                    *left = left.checked_sub(len).ok_or(SessionError::Closed)?;
                }
                Ok(None)
            }
            Woken::Read(Err(error)) => Err(broken(error)),
            Woken::Drained => Err(SessionError::Closed),
            Woken::Due(Due::Settle) => {
                self.buffer
                    .settle(lacking, self.id, &self.doom)
                    .await
                    .map_err(|_too_much| SessionError::Memory)?;
                self.deadlines.settled(clock::now(), self.buffer.is_large());
                Ok(None)
            }
            Woken::Due(Due::Handshake) => Err(SessionError::HandshakeTimeout),
            Woken::Due(Due::Idle) => Err(SessionError::IdleTimeout),
            Woken::Due(Due::Frame) => Err(SessionError::FrameTimeout),
        }
    }

    async fn woken(&mut self) -> Woken {
        let closing = self.task.shared.closing.clone();
        let mut closing = core::pin::pin!(closing.cancelled());
        poll_fn(|cx| {
            if self.drain.is_none() && closing.as_mut().poll(cx).is_ready() {
                self.drain = Some(MAX_DRAIN);
            }
            let io = core::pin::Pin::new(&mut self.io);
            if let Poll::Ready(read) = poll_read_buf(io, cx, self.buffer.spare()) {
                return Poll::Ready(Woken::Read(read));
            }
            if self.drain.is_some() {
                return Poll::Ready(Woken::Drained);
            }
            while let Some((at, due)) = self.deadlines.next() {
                if self.alarm.poll(cx, Some(at)).is_pending() {
                    break;
                }
                if at <= clock::now() {
                    return Poll::Ready(Woken::Due(due));
                }
            }
            Poll::Pending
        })
        .await
    }

    /// The input has ended.
    fn ended(&mut self) -> Result<End, SessionError> {
        let end = self.parser.end();
        let Some(machine) = &mut self.machine else {
            return Err(SessionError::Handshake(HandshakeError::NoAnswer {
                missing: match self.task.shared.config.handshake {
                    Handshake::Bidirectional => ControlType::Ready,
                    Handshake::Unidirectional | Handshake::Either => ControlType::Start,
                },
                absence: Absence::Closed,
            }));
        };
        machine.handle_end(end);
        match machine.failure() {
            Some(error) => Err(error.clone().into()),
            None => Ok(end),
        }
    }

    /// The stream has ended with STOP: FINISH, once every batch has been confirmed.
    async fn finish(&mut self) {
        self.stats.trailing_bytes = u64::try_from(self.buffer.len()).unwrap_or(u64::MAX);
        self.ledger.settled().await;
        if self.doom.is_passed() {
            // What was settled was not confirmed; whoever runs the session sees that in a moment.
            core::future::pending::<()>().await;
        }
        let Some(machine) = &mut self.machine else { return };
        machine.release_finish();
        let Some(finish) = machine.poll_transmit() else {
            return;
        };
        let say = async {
            self.io.write_all(finish.as_bytes()).await?;
            self.io.shutdown().await
        };
        // That it cannot be said is no failure: unbound is gone by then.
        let patience = tokio::time::sleep(self.task.shared.config.handshake_timeout);
        if let Won::First(Ok(())) = race(say, patience).await {
            race(self.hear_out(), tokio::time::sleep(LINGER)).await;
        }
    }

    /// Reads until the peer closes.
    async fn hear_out(&mut self) {
        loop {
            self.buffer.skip(self.buffer.len());
            if self.buffer.make_room(0, self.id, &self.doom).await.is_err() {
                return;
            }
            let read = poll_fn(|cx| {
                let io = core::pin::Pin::new(&mut self.io);
                poll_read_buf(io, cx, self.buffer.spare())
            });
            match read.await {
                Ok(len) if len > 0 => {
                    let len = u64::try_from(len).unwrap_or(u64::MAX);
                    self.stats.trailing_bytes = self.stats.trailing_bytes.saturating_add(len);
                }
                _ => return,
            }
        }
    }

    fn pass_over(&mut self, len: u32) {
        self.stats.oversize += 1;
        self.task.shared.count(|stats| stats.dropped.oversize += 1);
        self.task.shared.tell(Event::Oversize {
            session: self.id,
            len,
        });
    }

    /// Counts and tells how it ended; gives back the connection, which is no session any more.
    fn conclude(self, outcome: Result<End, SessionError>) -> (S, Arc<Shared>) {
        let is_streaming = self.machine.as_ref().is_some_and(ReaderMachine::is_streaming);
        let is_torn = match &outcome {
            Ok(end) => matches!(end, End::Truncated { .. }),
            Err(_) => is_streaming && self.parser.missing() > 0,
        };
        let machine = self
            .machine
            .as_ref()
            .map(ReaderMachine::stats)
            .unwrap_or_default();
        // A run that was read and found nobody to take it.
        let kept_back = machine.data_frames.saturating_sub(self.stats.frames);
        self.task.shared.count(|stats| {
            stats.ignored_controls += machine.ignored_controls;
            stats.irregular_controls += machine.irregular_controls;
            stats.trailing_bytes += self.stats.trailing_bytes;
            stats.dropped.torn += u64::from(is_torn);
            stats.dropped.closed += kept_back;
            let (ended, failed) = (&mut stats.ended, &mut stats.failed);
            *match &outcome {
                Ok(End::Stop) => &mut ended.stop,
                Ok(End::Eof) => &mut ended.eof,
                Ok(End::Truncated { .. }) => &mut ended.truncated,
                Err(error) => match error {
                    SessionError::Frame(_) => &mut failed.malformed,
                    SessionError::Handshake(HandshakeError::NoAnswer { .. }) => &mut failed.unstarted,
                    SessionError::Handshake(_) => &mut failed.protocol,
                    SessionError::HandshakeTimeout => &mut failed.handshake_timeout,
                    SessionError::IdleTimeout => &mut failed.idle_timeout,
                    SessionError::FrameTimeout => &mut failed.frame_timeout,
                    SessionError::Memory => &mut failed.memory,
                    SessionError::Io(_) => &mut failed.io,
                    SessionError::Unconfirmed => &mut failed.unconfirmed,
                    SessionError::Closed => &mut failed.closed,
                },
            } += 1;
        });
        self.task.shared.leave(self.id);
        self.task.shared.tell(Event::Ended {
            session: self.id,
            peer: self.peer,
            outcome,
            stats: self.stats,
        });
        (self.io, Arc::clone(&self.task.shared))
    }
}

/// Waits before a refused connection is closed: its sender may try again at once, and for ever.
async fn keep(shared: &Shared) {
    if let Ok(_permit) = shared.kept.try_acquire() {
        let pause = tokio::time::sleep(shared.config.refusal_pause);
        race(shared.closing.cancelled(), pause).await;
    }
}

/// A machine of that mode. Its timeouts are off.
fn machine(stream: &handshake::Config, mode: Mode) -> Result<ReaderMachine, SessionError> {
    let config = stream
        .clone()
        .mode(mode)
        .finish(Finish::OnRelease)
        .handshake_timeout(core::time::Duration::MAX);
    ReaderMachine::new(config, tinwire_time::Instant::default())
        .map_err(|error| SessionError::Io(Arc::new(io::Error::new(io::ErrorKind::InvalidInput, error))))
}

fn broken(error: io::Error) -> SessionError {
    SessionError::Io(Arc::new(error))
}

impl From<Verdict> for SessionError {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Memory => Self::Memory,
            Verdict::Unconfirmed => Self::Unconfirmed,
            Verdict::Closed => Self::Closed,
        }
    }
}
