//! The writing end.

use thiserror::Error;
use tinwire_time::{Instant, Timer};

use super::outbox::Outbox;
use super::reader::legal_types;
use super::{Absence, Config, Event, Got, HandshakeError, Mode, Stats};
use crate::ContentType;
use crate::control::{BuildError, Control, ControlFrame, ControlType, Strictness};
use crate::frame::{End, Frame};

/// Where the stream is.
///
/// ```text
///            ACCEPT             finish()              FINISH
/// WaitAccept ------> Streaming ---------> WaitFinish ------> Ended
///     any state but Ended: what may not come, a timeout, end of input -----> Failed
/// ```
///
/// A unidirectional writer begins in Streaming and goes from there to Ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    WaitAccept,
    Streaming,
    WaitFinish,
    Ended,
    Failed(HandshakeError),
}

/// STOP can be sent only while data may flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the stream is not open")]
pub struct NotStreaming;

/// The writing end of a stream.
///
/// Send what [`poll_transmit`](Self::poll_transmit) gives, in order with the data frames; data may be sent
/// while [`is_streaming`](Self::is_streaming). Hand each frame of the reader to
/// [`handle_frame`](Self::handle_frame), and call [`handle_timeout`](Self::handle_timeout) when
/// [`poll_timeout`](Self::poll_timeout) is due. All three `poll_*` answers change only by a `handle_*` call
/// or by [`finish`](Self::finish). It holds no payload; at most two control frames and 16 events wait inside.
///
/// START names the first of this writer's types that ACCEPT holds; when ACCEPT names none, this writer's
/// first; when this writer has none, none.
#[derive(Debug)]
pub struct WriterMachine {
    config: Config,
    state: State,
    content_type: Option<ContentType>,
    timer: Timer,
    out: Outbox,
}

impl WriterMachine {
    /// A writer that sends READY, or START when it is unidirectional.
    ///
    /// # Errors
    /// When the configured content types do not fit into one READY.
    pub fn new(config: Config, now: Instant) -> Result<Self, BuildError> {
        let ready = ControlFrame::build(ControlType::Ready, config.type_bytes(), config.control_limit)?;
        let mut writer = Self {
            config,
            state: State::WaitAccept,
            content_type: None,
            timer: Timer::stopped(),
            out: Outbox::default(),
        };
        match writer.config.mode {
            Mode::Bidirectional => {
                writer.out.send(ready);
                writer.timer.start(now + writer.config.handshake_timeout);
            }
            Mode::Unidirectional => writer.start(writer.config.content_types.first().cloned()),
        }
        Ok(writer)
    }

    /// Takes one frame of the reader. Never fails: what is wrong becomes [`Event::Failed`].
    pub fn handle_frame(&mut self, frame: &Frame<'_>) {
        let Frame::Control(control) = frame else {
            return match self.state {
                State::Ended | State::Failed(_) => self.out.stats.surplus_frames += 1,
                _ => self.unexpected("a control frame", Got::Data),
            };
        };
        if control.irregularity().is_some() {
            self.out.stats.irregular_controls += 1;
        }
        let got = control.control_type();
        match (&self.state, got) {
            (State::WaitAccept, ControlType::Accept) => self.handle_accept(control),
            (State::WaitAccept, _) => self.unexpected("ACCEPT", Got::Control(got)),
            (State::WaitFinish, ControlType::Finish) => {
                self.timer.stop();
                self.end();
            }
            (State::Ended | State::Failed(_), _) => self.out.stats.surplus_frames += 1,
            (State::Streaming | State::WaitFinish, ControlType::Unknown(_)) => self.out.ignore(control),
            (State::Streaming | State::WaitFinish, _)
                if self.config.frame.strictness == Strictness::Lenient =>
            {
                self.out.ignore(control);
            }
            (State::Streaming, _) => self.unexpected("nothing before STOP", Got::Control(got)),
            (State::WaitFinish, _) => self.unexpected("FINISH", Got::Control(got)),
        }
    }

    /// The reader has closed its side.
    pub fn handle_end(&mut self) {
        match (&self.state, self.config.mode) {
            (State::WaitAccept, _) => self.fail(HandshakeError::NoAnswer {
                missing: ControlType::Accept,
                absence: Absence::Closed,
            }),
            (State::Streaming, Mode::Bidirectional) => self.fail(HandshakeError::ReaderGone),
            (State::WaitFinish, _) => self.fail(HandshakeError::NoFinish {
                absence: Absence::Closed,
            }),
            // A silent reader may close the side that it never uses.
            (State::Streaming, Mode::Unidirectional) | (State::Ended | State::Failed(_), _) => {}
        }
    }

    /// Fails the stream if ACCEPT or FINISH is overdue; early and repeated calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.timer.fire(now) {
            let absence = Absence::Timeout;
            self.fail(match self.state {
                State::WaitFinish => HandshakeError::NoFinish { absence },
                _ => HandshakeError::NoAnswer {
                    missing: ControlType::Accept,
                    absence,
                },
            });
        }
    }

    /// Ends the stream: STOP goes out, and a bidirectional writer waits for FINISH.
    ///
    /// # Errors
    /// When no data may flow: before ACCEPT, after `finish`, after a failure.
    pub fn finish(&mut self, now: Instant) -> Result<(), NotStreaming> {
        if self.state != State::Streaming {
            return Err(NotStreaming);
        }
        self.out.send(ControlFrame::stop());
        match self.config.mode {
            Mode::Bidirectional => {
                self.state = State::WaitFinish;
                self.timer.start(now + self.config.finish_timeout);
            }
            Mode::Unidirectional => self.end(),
        }
        Ok(())
    }

    /// Counts a data frame of `len` payload bytes that was sent.
    pub fn count_data(&mut self, len: usize) {
        self.out.count_data(len);
    }

    /// Counts a run of `frames` data frames, with `payload_bytes` in all, that was sent.
    pub fn count_run(&mut self, frames: u64, payload_bytes: u64) {
        self.out.count_run(frames, payload_bytes);
    }

    /// The next control frame to send.
    pub fn poll_transmit(&mut self) -> Option<ControlFrame> {
        self.out.poll_transmit()
    }

    /// The next thing to tell.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.out.poll_event()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.timer.deadline()
    }

    /// Whether data may be sent.
    #[must_use]
    pub const fn is_streaming(&self) -> bool {
        matches!(self.state, State::Streaming)
    }

    /// Whether the stream has ended in order.
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// The content type of START, once it is chosen.
    #[must_use]
    pub const fn content_type(&self) -> Option<&ContentType> {
        self.content_type.as_ref()
    }

    /// Why the stream failed, if it has.
    #[must_use]
    pub const fn failure(&self) -> Option<&HandshakeError> {
        match &self.state {
            State::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// The counters.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.out.stats
    }

    fn handle_accept(&mut self, accept: &Control<'_>) {
        let ours = &self.config.content_types;
        // The C writer gives up when its first type misses; looking at all of them is what its documentation
        // says.
        let chosen = ours.iter().find(|own| accept.matches(Some(own))).cloned();
        if chosen.is_some() || ours.is_empty() {
            self.start(chosen);
        } else {
            self.fail(HandshakeError::NoCommonType {
                ours: ours.clone(),
                theirs: legal_types(accept),
            });
        }
    }

    fn start(&mut self, content_type: Option<ContentType>) {
        self.timer.stop();
        let start = ControlFrame::start(content_type.as_deref());
        self.out
            .send(start.expect("a content type is never longer than START allows"));
        self.content_type.clone_from(&content_type);
        self.state = State::Streaming;
        self.out.tell(Event::Started { content_type });
    }

    fn end(&mut self) {
        self.state = State::Ended;
        self.out.tell(Event::Ended(End::Stop));
    }

    fn unexpected(&mut self, expected: &'static str, got: Got) {
        self.fail(HandshakeError::Unexpected { expected, got });
    }

    fn fail(&mut self, error: HandshakeError) {
        self.timer.stop();
        self.out.drop_frames();
        self.state = State::Failed(error.clone());
        self.out.tell(Event::Failed(error));
    }
}
