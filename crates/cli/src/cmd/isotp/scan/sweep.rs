//! Asking one identifier after the other, without I/O: time and frames go in, probes come out.
//!
//! ```text
//! Listen ──► Sweep: a probe every gap ──► Settle: wait ──► Confirm: each suspect alone ──► Done
//! ```
//! During the sweep an answer may be to any probe of the last `wait`, so all of these are suspects; each is
//! then asked alone, and who answers every time is found. Whoever answers without being asked is found too,
//! but it is said that it does.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use can_link::frame::{FdFlags, fd_padded_len};
use can_link::{CanFrame, Id};
use isotp::{FlowStatus, Pci, Prefix};
use tinwire_time::Instant;

use crate::args::isotp::scan::Probe;

/// Bit of a positive response, added to the service that it answers.
const RESPONSE: u8 = 0x40;
const NEGATIVE: u8 = 0x7F;
/// The length that a first frame announces: too long for a single frame, classic or FD.
const ANNOUNCED: u16 = 0x0FF;

/// How one node is spoken to, or speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) id: Id,
    pub(super) byte: Option<u8>,
}

/// For an order of calls.
type CallKey = (u32, Option<u8>);

impl Call {
    fn key(self) -> CallKey {
        (can_link::id::to_word(self.id), self.byte)
    }
}

/// How probes look, and the pace.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) probe: Probe,
    /// Frames are filled with it.
    pub(super) filler: Option<u8>,
    /// Probes are CAN FD frames with these flags.
    pub(super) fd: Option<FdFlags>,
    pub(super) listen: Duration,
    pub(super) gap: Duration,
    pub(super) wait: Duration,
    pub(super) confirm: u8,
    /// Identifiers in use are asked, too.
    pub(super) all: bool,
}

/// How a probe was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Positive,
    /// With this code.
    Negative(u8),
    FlowControl,
}

/// Somebody who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) asked: Call,
    pub(super) answered: Call,
    pub(super) reply: Reply,
    /// From the link taking the probe to the answer; the shortest.
    pub(super) after: Duration,
    /// How often the same was said without being asked.
    pub(super) unasked: u64,
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Send this.
    Send(CanFrame),
    /// Nothing before this moment.
    Wait(Instant),
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Listen,
    Sweep,
    Settle,
    Confirm,
    Done,
}

#[derive(Clone, Copy, Debug)]
struct Answer {
    call: Call,
    reply: Reply,
    after: Duration,
    /// Rounds in which it came.
    rounds: u8,
    /// The latest of these.
    round: u8,
}

pub(super) struct Sweep {
    settings: Settings,
    calls: Vec<Call>,
    phase: Phase,
    /// When the next step is due.
    due: Instant,
    /// The call to make next.
    next: usize,
    /// Probes whose answers may still come, and when they were made.
    recent: Vec<(usize, Instant)>,
    heard: HashSet<Id>,
    skipped: usize,
    unasked: BTreeMap<CallKey, u64>,
    suspects: BTreeSet<usize>,
    /// The suspect at hand, and its answers so far.
    round: u8,
    answers: Vec<Answer>,
    found: Vec<Found>,
}

impl Sweep {
    pub(super) fn new(now: Instant, calls: Vec<Call>, settings: Settings) -> Self {
        Self {
            due: now + settings.listen,
            settings,
            calls,
            phase: Phase::Listen,
            next: 0,
            recent: Vec::new(),
            heard: HashSet::new(),
            skipped: 0,
            unasked: BTreeMap::new(),
            suspects: BTreeSet::new(),
            round: 0,
            answers: Vec::new(),
            found: Vec::new(),
        }
    }

    /// Who was found since the last call.
    pub(super) fn take_found(&mut self) -> Vec<Found> {
        core::mem::take(&mut self.found)
    }

    /// Identifiers that were left out because they are in use.
    pub(super) const fn skipped(&self) -> usize {
        self.skipped
    }

    /// How many probes are behind us, and how many there will be as far as is known.
    pub(super) fn progress(&self) -> (usize, usize) {
        let again = self.suspects.len() * usize::from(self.settings.confirm);
        match self.phase {
            Phase::Confirm => (self.calls.len(), self.calls.len() + again),
            _ => (self.next, self.calls.len() + again),
        }
    }

    /// What to do now; to be called again after each step.
    pub(super) fn poll(&mut self, now: Instant) -> Step {
        loop {
            if self.phase == Phase::Done {
                return Step::Done;
            }
            if now < self.due {
                return Step::Wait(self.due);
            }
            match self.phase {
                Phase::Listen => self.phase = Phase::Sweep,
                Phase::Sweep => match self.next_call() {
                    Some(at) => return self.ask(now, at, self.settings.gap),
                    None => {
                        self.phase = Phase::Settle;
                        self.due = now + self.settings.wait;
                    }
                },
                Phase::Settle => self.phase = Phase::Confirm,
                Phase::Confirm => match self.next_suspect() {
                    Some(at) => return self.ask(now, at, self.settings.wait),
                    None => self.phase = Phase::Done,
                },
                Phase::Done => {}
            }
        }
    }

    /// A frame was heard, of another node.
    pub(super) fn handle_frame(&mut self, now: Instant, frame: &CanFrame) {
        let answer = self.answer(frame);
        match (self.phase, answer) {
            (Phase::Listen, answer) => {
                self.heard.insert(frame.id());
                if let Some((call, _)) = answer {
                    *self.unasked.entry(call.key()).or_default() += 1;
                }
            }
            (Phase::Sweep | Phase::Settle, Some((call, _))) => {
                // Whoever answers with an identifier is not to be asked with it.
                self.heard.insert(call.id);
                let wait = self.settings.wait;
                self.recent.retain(|&(_, at)| now.saturating_since(at) <= wait);
                let asked = self.recent.iter().map(|&(at, _)| at);
                let others = asked.filter(|&at| self.calls.get(at).is_some_and(|asked| asked.id != call.id));
                self.suspects.extend(others);
            }
            (Phase::Confirm, Some((call, reply))) => self.take(now, call, reply),
            _ => {}
        }
    }

    /// Takes down an answer to the suspect at hand.
    fn take(&mut self, now: Instant, call: Call, reply: Reply) {
        let Some(&(at, asked_at)) = self.recent.last() else {
            return;
        };
        if self.calls.get(at).is_none_or(|asked| asked.id == call.id) {
            return;
        }
        let after = now.saturating_since(asked_at);
        let round = self.round;
        match self.answers.iter_mut().find(|answer| answer.call == call) {
            Some(answer) if answer.round == round => {}
            Some(answer) => {
                answer.round = round;
                answer.rounds += 1;
                answer.after = answer.after.min(after);
            }
            None => self.answers.push(Answer {
                call,
                reply,
                after,
                rounds: 1,
                round,
            }),
        }
    }

    /// The next call that is not in use.
    fn next_call(&mut self) -> Option<usize> {
        loop {
            let at = self.next;
            let call = self.calls.get(at)?;
            self.next += 1;
            if self.settings.all || !self.heard.contains(&call.id) {
                return Some(at);
            }
            self.skipped += 1;
        }
    }

    /// The suspect to ask, now that the answers to the probe before are in.
    fn next_suspect(&mut self) -> Option<usize> {
        let at = *self.suspects.first()?;
        let has_answered = |answer: &Answer| answer.rounds == self.round;
        if self.round > 0 {
            // Whoever stays silent once was not the one.
            self.answers = self.answers.iter().copied().filter(has_answered).collect();
        }
        let is_silent = self.round > 0 && self.answers.is_empty();
        if self.round < self.settings.confirm && !is_silent {
            self.round += 1;
            return Some(at);
        }
        self.suspects.pop_first();
        self.round = 0;
        if let Some(&asked) = self.calls.get(at) {
            let found = self.answers.drain(..).map(|answer| Found {
                asked,
                answered: answer.call,
                reply: answer.reply,
                after: answer.after,
                unasked: self.unasked.get(&answer.call.key()).copied().unwrap_or_default(),
            });
            self.found.extend(found);
        }
        self.next_suspect()
    }

    fn ask(&mut self, now: Instant, at: usize, pause: Duration) -> Step {
        self.due = now + pause;
        if self.phase == Phase::Confirm {
            self.recent.clear();
        }
        let wait = self.settings.wait;
        self.recent.retain(|&(_, at)| now.saturating_since(at) <= wait);
        self.recent.push((at, now));
        match self.calls.get(at).and_then(|&call| self.frame(call)) {
            Some(frame) => Step::Send(frame),
            None => Step::Wait(self.due),
        }
    }

    fn frame(&self, call: Call) -> Option<CanFrame> {
        let mut bytes: Vec<u8> = call.byte.into_iter().collect();
        match &self.settings.probe {
            Probe::Request(request) => {
                bytes.push(u8::try_from(request.len()).ok()?);
                bytes.extend(request);
                if let Some(filler) = self.settings.filler
                    && bytes.len() < 8
                {
                    bytes.resize(8, filler);
                }
            }
            Probe::FirstFrame => {
                let [high, low] = ANNOUNCED.to_be_bytes();
                bytes.extend([0x10 | high, low]);
                bytes.resize(8, 0x00);
            }
        }
        match self.settings.fd {
            Some(flags) => {
                bytes.resize(fd_padded_len(bytes.len())?, self.settings.filler.unwrap_or(0xCC));
                CanFrame::fd(call.id, &bytes, flags)
            }
            None => CanFrame::data(call.id, &bytes),
        }
    }

    /// Who says what an answer to the probe would be.
    fn answer(&self, frame: &CanFrame) -> Option<(Call, Reply)> {
        if !matches!(frame, CanFrame::Data(_) | CanFrame::Fd(_)) {
            return None;
        }
        let has_byte = self.calls.first().is_some_and(|call| call.byte.is_some());
        let (byte, data, prefix) = match (has_byte, frame.payload().split_first()) {
            (true, Some((&byte, rest))) => (Some(byte), rest, Prefix::AddressByte),
            (true, None) => return None,
            (false, _) => (None, frame.payload(), Prefix::None),
        };
        let call = Call { id: frame.id(), byte };
        let (pci, data) = Pci::decode_padded(data, prefix, usize::MAX).ok()?;
        let reply = match (&self.settings.probe, pci) {
            (Probe::FirstFrame, Pci::FlowControl(control)) => match control.status {
                FlowStatus::Reserved(_) => return None,
                _ => Reply::FlowControl,
            },
            (Probe::Request(request), Pci::SingleFrame { .. } | Pci::FirstFrame { .. }) => {
                let service = *request.first()?;
                match *data {
                    [NEGATIVE, refused, code, ..] if refused == service => Reply::Negative(code),
                    [first, ..] if first == service | RESPONSE && first != service => Reply::Positive,
                    _ => return None,
                }
            }
            _ => return None,
        };
        Some((call, reply))
    }
}

#[cfg(test)]
mod tests;
