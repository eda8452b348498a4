//! Whether there is a collector, and for how long there has been none.

use core::time::Duration;

use fstrm_codec::conn::ConnError;
use fstrm_codec::handshake::HandshakeError;
use fstrm_codec::sender::Event;
use tokio::time::Instant;

use crate::cmd::streams::{UNANSWERED, is_no_answer};
use crate::failure::{Code, Failure};
use crate::output::Output;
use crate::stop;

/// How long a collector that was there may be gone.
const GONE: Duration = Duration::from_secs(10);
/// How often in a row a collector may leave STOP without an answer while nothing new is confirmed: the frames
/// of those streams would be sent to it for ever.
const UNANSWERED_STREAMS: u32 = 5;

/// What the events of a sender come to.
#[derive(Debug)]
pub(super) struct Watch {
    collector: String,
    wait: Option<Duration>,
    was_there: bool,
    give_up: Option<Instant>,
    why: Option<ConnError>,
    failure: Option<Failure>,
    /// Whether frames are sent again until the collector says that it has them.
    needs_answers: bool,
    /// Whether it was told what helps.
    is_hinted: bool,
    unanswered: Unanswered,
}

/// Streams in a row of which nothing was confirmed.
#[derive(Debug, Default)]
struct Unanswered {
    streams: u32,
    since: Option<Instant>,
    /// Frames that were confirmed before them.
    sent: u64,
}

impl Watch {
    pub(super) const fn new(collector: String, wait: Option<Duration>) -> Self {
        Self {
            collector,
            wait,
            was_there: false,
            give_up: None,
            why: None,
            failure: None,
            needs_answers: false,
            is_hinted: false,
            unanswered: Unanswered {
                streams: 0,
                since: None,
                sent: 0,
            },
        }
    }

    /// Frames are sent again until the collector says that it has them.
    pub(super) const fn needs_answers(mut self, needs: bool) -> Self {
        self.needs_answers = needs;
        self
    }

    pub(super) fn collector(&self) -> &str {
        &self.collector
    }

    /// Takes an event of the sender, of whose frames so many are done.
    pub(super) fn see(&mut self, event: Option<Event>, sent: u64, output: &Output) {
        match event {
            Some(Event::Connected { .. }) => {
                if self.why.take().is_some() && self.was_there {
                    output.notice(format!("{}: connected again", self.collector));
                }
                self.was_there = true;
                self.give_up = None;
            }
            Some(Event::NotConnected { error, .. }) => self.gone(error),
            Some(Event::Lost { error, .. }) => {
                output.notice(format!("{}: lost: {}", self.collector, chain(&error)));
                let is_enough = is_no_answer(&error) && self.needs_answers && self.unanswered(sent, output);
                self.gone(error);
                if is_enough {
                    self.failure = Some(self.never_confirmed());
                }
            }
            _ => {}
        }
    }

    /// Why the command cannot go on, once that is clear.
    pub(super) fn failure(&mut self) -> Option<Failure> {
        self.failure.take()
    }

    /// Completes when there has been no collector for too long. May be dropped and called again.
    pub(super) async fn given_up(&mut self) -> Failure {
        stop::at(self.give_up).await;
        self.fail()
    }

    /// Counts a stream without an answer; whether there have been enough of them.
    fn unanswered(&mut self, sent: u64, output: &Output) -> bool {
        if !core::mem::replace(&mut self.is_hinted, true) {
            output.notice(UNANSWERED);
        }
        if sent > self.unanswered.sent {
            self.unanswered = Unanswered {
                sent,
                ..Unanswered::default()
            };
        }
        self.unanswered.streams += 1;
        let since = *self.unanswered.since.get_or_insert_with(Instant::now);
        let is_long = since.elapsed() >= self.wait.unwrap_or(Duration::ZERO);
        self.unanswered.streams >= UNANSWERED_STREAMS && is_long
    }

    fn never_confirmed(&self) -> Failure {
        let message = format!(
            "{} has left STOP unanswered {} times and confirms nothing",
            self.collector, self.unanswered.streams
        );
        Failure::new(Code::Lost, message).hint(UNANSWERED)
    }

    fn gone(&mut self, error: ConnError) {
        // Who takes another content type takes it tomorrow too.
        let is_final = matches!(
            error,
            ConnError::Handshake(HandshakeError::NoCommonType { .. } | HandshakeError::Unexpected { .. })
                | ConnError::Frame(_)
        );
        self.why = Some(error);
        let wait = match self.wait {
            _ if is_final => Duration::ZERO,
            None if self.was_there => GONE,
            wait => wait.unwrap_or(Duration::ZERO),
        };
        if wait.is_zero() {
            self.failure = Some(self.fail());
        } else if self.give_up.is_none() {
            self.give_up = Instant::now().checked_add(wait);
        }
    }

    fn fail(&mut self) -> Failure {
        let code = if self.was_there {
            Code::Lost
        } else {
            Code::CannotOpen
        };
        match self.why.take() {
            Some(error) if is_no_answer(&error) && self.unanswered.streams > 0 => self.never_confirmed(),
            // A dialer's errors name what it connects to.
            Some(ConnError::Io(error)) if error.to_string().starts_with(&self.collector) => {
                Failure::caused(code, error)
            }
            Some(error) => Failure::caused(code, error).context(&self.collector),
            None => Failure::new(code, format!("{}: no collector", self.collector)),
        }
    }
}

fn chain(error: &ConnError) -> String {
    let mut text = error.to_string();
    let mut cause = core::error::Error::source(error);
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}
