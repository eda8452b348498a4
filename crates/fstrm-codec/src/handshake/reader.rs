//! The reading end.

use alloc::vec::Vec;

use tinwire_time::{Instant, Timer};

use super::outbox::Outbox;
use super::{
    Absence, Config, DataBeforeStart, Event, Finish, Got, HandshakeError, Mode, ReadyBeforeStart, Stats,
    Verdict,
};
use crate::ContentType;
use crate::control::{BuildError, Control, ControlFrame, ControlType, Strictness};
use crate::frame::{End, Frame, Run};

/// Where the stream is.
///
/// ```text
///           READY             START             STOP, end of input
/// WaitReady -----> WaitStart -------> Streaming -------> Ended
///     any state but Ended: what may not come, a timeout -----> Failed
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Bidirectional only.
    WaitReady,
    WaitStart,
    Streaming,
    Ended(End),
    Failed(HandshakeError),
}

/// The reading end of a stream.
///
/// Hand each frame to [`handle_frame`](Self::handle_frame) and keep the payloads it says to deliver; then
/// call [`poll_transmit`](Self::poll_transmit) and [`poll_event`](Self::poll_event) until `None`, and
/// [`handle_timeout`](Self::handle_timeout) when [`poll_timeout`](Self::poll_timeout) is due. All three
/// answers change only by a `handle_*` call. It holds no payload; at most two control frames and 16 events
/// wait inside.
///
/// An `ACCEPT` names the content types of this reader that READY offers, in this reader's order. A reader
/// that takes everything names what READY offers, so that a writer of golang-framestream does not fall back
/// to no type at all.
#[derive(Debug)]
pub struct ReaderMachine {
    config: Config,
    state: State,
    content_type: Option<ContentType>,
    timer: Timer,
    /// STOP has come, and its answer waits for the owner's word.
    owes_finish: bool,
    out: Outbox,
}

impl ReaderMachine {
    /// A reader at the beginning of a stream.
    ///
    /// # Errors
    /// When the configured content types do not fit into one ACCEPT.
    pub fn new(config: Config, now: Instant) -> Result<Self, BuildError> {
        ControlFrame::build(ControlType::Accept, config.type_bytes(), config.control_limit)?;
        let mut timer = Timer::stopped();
        let state = match config.mode {
            Mode::Bidirectional => {
                timer.start(now + config.handshake_timeout);
                State::WaitReady
            }
            Mode::Unidirectional => State::WaitStart,
        };
        Ok(Self {
            config,
            state,
            content_type: None,
            timer,
            owes_finish: false,
            out: Outbox::default(),
        })
    }

    /// Takes one frame. Never fails: what is wrong becomes [`Event::Failed`].
    pub fn handle_frame(&mut self, now: Instant, frame: &Frame<'_>) -> Verdict {
        if let Frame::Control(control) = frame
            && control.irregularity().is_some()
        {
            self.out.stats.irregular_controls += 1;
        }
        match (&self.state, frame) {
            (State::Streaming, Frame::Data(payload)) => {
                self.out.count_data(payload.len());
                return Verdict::Deliver;
            }
            (State::Streaming, Frame::Skipped { len }) => self.out.skip(*len),
            (State::Streaming, Frame::Control(control)) => self.handle_streaming(control),
            (State::WaitReady | State::WaitStart, Frame::Data(_) | Frame::Skipped { .. })
                if self.config.data_before_start == DataBeforeStart::Accept =>
            {
                self.start(None);
                return self.handle_frame(now, frame);
            }
            (State::WaitReady, Frame::Control(control)) if control.control_type() == ControlType::Ready => {
                self.handle_ready(now, control);
            }
            (State::WaitReady, _) => self.unexpected("READY", frame),
            (State::WaitStart, Frame::Control(control)) if control.control_type() == ControlType::Start => {
                self.handle_start(control);
            }
            (State::WaitStart, Frame::Control(control))
                if control.control_type() == ControlType::Ready && self.reads_a_record() =>
            {
                self.out.ignore(control);
            }
            (State::WaitStart, _) => self.unexpected("START", frame),
            (State::Ended(_) | State::Failed(_), _) => self.out.stats.surplus_frames += 1,
        }
        Verdict::Absorbed
    }

    /// Takes a run of data frames, as [`handle_frame`](Self::handle_frame) would take each.
    pub fn handle_run(&mut self, now: Instant, run: &Run<'_>) -> Verdict {
        match self.state {
            State::WaitReady | State::WaitStart => {
                // Whatever the first one brings about, the others meet it.
                let payload = run.iter().next().unwrap_or_default();
                let verdict = self.handle_frame(now, &Frame::Data(payload));
                match verdict {
                    Verdict::Deliver => self.out.count_run(
                        run.frames() - 1,
                        run.payload_bytes() - u64::try_from(payload.len()).unwrap_or(u64::MAX),
                    ),
                    Verdict::Absorbed => self.out.stats.surplus_frames += run.frames() - 1,
                }
                verdict
            }
            State::Streaming => {
                self.out.count_run(run.frames(), run.payload_bytes());
                Verdict::Deliver
            }
            State::Ended(_) | State::Failed(_) => {
                self.out.stats.surplus_frames += run.frames();
                Verdict::Absorbed
            }
        }
    }

    /// Lets FINISH go, which [`Finish::OnRelease`] keeps back after STOP; nothing otherwise.
    pub fn release_finish(&mut self) {
        if core::mem::take(&mut self.owes_finish) {
            self.out.send(ControlFrame::finish());
        }
    }

    /// Whether STOP has come and its answer waits for [`release_finish`](Self::release_finish).
    #[must_use]
    pub const fn owes_finish(&self) -> bool {
        self.owes_finish
    }

    /// Counts data frames that were delivered without being shown.
    #[cfg(feature = "std")]
    pub(crate) fn count_run(&mut self, frames: u64, payload_bytes: u64) {
        self.out.count_run(frames, payload_bytes);
    }

    /// The input has ended, as [`Parser::end`](crate::Parser::end) tells.
    pub fn handle_end(&mut self, end: End) {
        let missing = match self.state {
            State::WaitReady => ControlType::Ready,
            State::WaitStart => ControlType::Start,
            State::Streaming => return self.end(end),
            State::Ended(_) | State::Failed(_) => return,
        };
        self.fail(HandshakeError::NoAnswer {
            missing,
            absence: Absence::Closed,
        });
    }

    /// Fails the handshake if it is overdue; early and repeated calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.timer.fire(now) {
            self.fail(HandshakeError::NoAnswer {
                missing: match self.state {
                    State::WaitReady => ControlType::Ready,
                    _ => ControlType::Start,
                },
                absence: Absence::Timeout,
            });
        }
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

    /// Gets ready for the next stream of the same input; the counters go on.
    ///
    /// For inputs that hold several unidirectional streams back to back.
    pub fn restart(&mut self) {
        self.content_type = None;
        self.state = State::WaitStart;
    }

    /// Whether data may flow.
    #[must_use]
    pub const fn is_streaming(&self) -> bool {
        matches!(self.state, State::Streaming)
    }

    /// The content type of START, once it has come.
    #[must_use]
    pub const fn content_type(&self) -> Option<&ContentType> {
        self.content_type.as_ref()
    }

    /// How the stream ended, once it has.
    #[must_use]
    pub const fn end_of_stream(&self) -> Option<End> {
        match self.state {
            State::Ended(end) => Some(end),
            _ => None,
        }
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

    fn handle_ready(&mut self, now: Instant, ready: &Control<'_>) {
        let accept = if self.config.content_types.is_empty() {
            Ok(self.echo(ready))
        } else {
            let common = self.config.type_bytes().filter(|own| ready.matches(Some(own)));
            ControlFrame::build(ControlType::Accept, common, self.config.control_limit)
        };
        // Own types fit, as `new` has checked, so the only failure left is to have none in common.
        match accept {
            Ok(accept) if self.config.content_types.is_empty() || names_a_type(&accept) => {
                self.out.send(accept);
                self.state = State::WaitStart;
                self.timer.start(now + self.config.handshake_timeout);
            }
            _ => self.fail(HandshakeError::NoCommonType {
                ours: self.config.content_types.clone(),
                theirs: legal_types(ready),
            }),
        }
    }

    /// ACCEPT with as many of READY's types as fit.
    fn echo(&self, ready: &Control<'_>) -> ControlFrame {
        let limit = self.config.control_limit;
        let mut types = Vec::new();
        let mut accept = ControlFrame::build(ControlType::Accept, [], limit);
        for content_type in ready.content_types() {
            types.push(content_type);
            match ControlFrame::build(ControlType::Accept, types.iter().copied(), limit) {
                Ok(longer) => accept = Ok(longer),
                Err(_) => break,
            }
        }
        accept.expect("an ACCEPT without types is always built")
    }

    fn reads_a_record(&self) -> bool {
        self.config.mode == Mode::Unidirectional && self.config.ready_before_start == ReadyBeforeStart::Accept
    }

    fn handle_start(&mut self, start: &Control<'_>) {
        let named = start.content_type();
        let ours = &self.config.content_types;
        let welcome =
            named.is_none_or(|named| ours.is_empty() || ours.iter().any(|own| own.as_bytes() == named));
        let owned = named.and_then(|named| ContentType::new(named.to_vec()));
        if welcome {
            self.start(owned);
        } else {
            self.fail(HandshakeError::WrongType {
                ours: ours.clone(),
                got: owned.unwrap_or_default(),
            });
        }
    }

    fn handle_streaming(&mut self, control: &Control<'_>) {
        match control.control_type() {
            ControlType::Stop => {
                if self.config.mode == Mode::Bidirectional {
                    self.owes_finish = true;
                    if self.config.finish == Finish::AtOnce {
                        self.release_finish();
                    }
                }
                self.end(End::Stop);
            }
            // The documentation of Frame Streams asks for this; the C library refuses.
            ControlType::Unknown(_) => self.out.ignore(control),
            _ if self.config.frame.strictness == Strictness::Lenient => self.out.ignore(control),
            other => self.fail(HandshakeError::Unexpected {
                expected: "data or STOP",
                got: Got::Control(other),
            }),
        }
    }

    fn start(&mut self, content_type: Option<ContentType>) {
        self.timer.stop();
        self.content_type.clone_from(&content_type);
        self.state = State::Streaming;
        self.out.tell(Event::Started { content_type });
    }

    /// Ends the stream, wherever it is; for inputs that have no peer to blame.
    pub(crate) fn end(&mut self, end: End) {
        self.state = State::Ended(end);
        self.out.tell(Event::Ended(end));
    }

    fn unexpected(&mut self, expected: &'static str, frame: &Frame<'_>) {
        self.fail(HandshakeError::Unexpected {
            expected,
            got: frame.into(),
        });
    }

    fn fail(&mut self, error: HandshakeError) {
        self.timer.stop();
        self.out.drop_frames();
        self.state = State::Failed(error.clone());
        self.out.tell(Event::Failed(error));
    }
}

fn names_a_type(accept: &ControlFrame) -> bool {
    Control::decode_frame(accept.as_bytes(), Strictness::Strict)
        .is_ok_and(|accept| accept.content_type().is_some())
}

/// The content types of `control` that are not over-long.
pub(super) fn legal_types(control: &Control<'_>) -> Vec<ContentType> {
    control
        .content_types()
        .filter_map(|name| ContentType::new(name.to_vec()))
        .collect()
}
