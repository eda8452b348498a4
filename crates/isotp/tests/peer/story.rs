//! One endpoint and what happens to it, as a peer lived through it and as our machine does.

use bytes::Bytes;
use can_link::CanFrame;
use isotp::{Address, BytesChannel, Config, Event, Pci, SendError};
use sha2::{Digest, Sha256};
use testkit::vectors::{Tally, Value, hex};
use tinwire_time::Instant;

use super::setup::Setup;
use super::standard::Standard;
use super::{payload, text};

/// What is done to an endpoint.
#[derive(Clone, Debug)]
pub(crate) enum Stimulus {
    Frame(CanFrame),
    Send { payload: Bytes, functional: bool },
}

/// What a peer was seen doing.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    /// It sent a frame, or a run of them.
    Out(Value),
    Received(Value),
    /// It reported a failure that has this name in the standard.
    Failed(&'static str),
    /// It refused a message.
    Refused,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Do(Stimulus),
    /// Microseconds pass.
    Wait(u64),
    Seen(Deed),
}

/// A story from a file of vectors.
#[derive(Debug)]
pub(crate) struct Story<'a> {
    /// The entry, to be printed.
    pub(crate) entry: &'a Value,
    pub(crate) address: Address,
    pub(crate) setup: Setup,
    /// Each step with its time in microseconds, where the file tells it.
    pub(crate) steps: Vec<(Option<u64>, Step)>,
    /// Failures that this peer never reports.
    pub(crate) silent: &'static [&'static str],
    /// Whether this peer's deeds bind us where the file says nothing about the standard.
    pub(crate) binding: bool,
}

/// What came of it.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    /// Frames of messages, with their times.
    pub(crate) frames: Vec<(u64, String)>,
    /// Flow controls. How they interleave with the other frames is not defined.
    pub(crate) controls: Vec<(u64, String)>,
    pub(crate) received: Vec<Bytes>,
    /// The side and the N_Result, with the time.
    pub(crate) failures: Vec<(u64, &'static str)>,
    /// Messages that were refused.
    pub(crate) refused: usize,
    /// Messages that were sent as a whole.
    pub(crate) sent: usize,
    /// Positions in the story of frames that had no effect.
    pub(crate) without_effect: Vec<usize>,
}

impl Outcome {
    pub(crate) fn put(&mut self, is_control: bool, time: u64, frame: String) {
        let list = if is_control {
            &mut self.controls
        } else {
            &mut self.frames
        };
        list.push((time, frame));
    }

    /// With failures of the same time in the order of their names: that of two directions is not defined.
    pub(crate) fn sorted(mut self) -> Self {
        self.failures.sort_unstable();
        self
    }

    fn texts(list: &[(u64, String)]) -> Vec<String> {
        list.iter().map(|(_, frame)| frame.clone()).collect()
    }

    /// Failures up to `end`, in the order of their names.
    fn failures_until(&self, end: u64, silent: &[&str]) -> Vec<&'static str> {
        let in_time = self.failures.iter().filter(|(time, _)| *time <= end);
        let mut names: Vec<_> = in_time
            .map(|(_, name)| *name)
            .filter(|name| !silent.contains(name))
            .collect();
        names.sort_unstable();
        names
    }

    /// All but the times, which a rate limit changes.
    fn untimed(&self) -> impl PartialEq + core::fmt::Debug {
        let mut failures: Vec<_> = self.failures.iter().map(|(_, name)| *name).collect();
        failures.sort_unstable();
        (
            (Self::texts(&self.frames), Self::texts(&self.controls)),
            self.received.clone(),
            failures,
            (self.refused, self.sent),
            self.without_effect.clone(),
        )
    }
}

/// Our machine on its way through a story.
struct Play {
    channel: BytesChannel,
    now: u64,
    outbox: Vec<(Bytes, bool)>,
    outcome: Outcome,
}

impl Play {
    fn new(address: Address, config: Config) -> Self {
        Self {
            channel: BytesChannel::new(address, config),
            now: 0,
            outbox: Vec::new(),
            outcome: Outcome::default(),
        }
    }

    fn time(&self) -> Instant {
        Instant::from_micros(self.now)
    }

    /// Lets time pass until `end`.
    fn advance(&mut self, end: u64) {
        while let Some(due) = self.channel.poll_timeout().filter(|due| due.as_micros() <= end) {
            self.now = due.as_micros().max(self.now);
            self.channel.handle_timeout(self.time());
            self.drain();
        }
        self.now = end.max(self.now);
    }

    /// Lets short gaps pass until so many frames are out.
    fn settle(&mut self, frames: usize) {
        let count = |outcome: &Outcome| outcome.frames.len() + outcome.controls.len();
        while count(&self.outcome) < frames
            && let Some(due) = self.channel.poll_timeout()
            && due.as_micros() <= self.now + 200_000
        {
            self.advance(due.as_micros());
        }
    }

    /// Does it; whether a frame had an effect.
    fn apply(&mut self, stimulus: &Stimulus, functional: bool) -> bool {
        let before = (
            self.channel.stats().ignored(),
            self.channel.stats().frames_foreign,
        );
        match stimulus {
            Stimulus::Frame(frame) => self.channel.handle_frame(self.time(), frame),
            Stimulus::Send {
                payload,
                functional: to_all,
            } => self.outbox.push((payload.clone(), *to_all || functional)),
        }
        let after = (
            self.channel.stats().ignored(),
            self.channel.stats().frames_foreign,
        );
        self.drain();
        before == after
    }

    fn drain(&mut self) {
        let now = self.time();
        loop {
            while let Some(event) = self.channel.poll_event() {
                self.note(event);
            }
            let taken = self.channel.take_received(now).map(|(_, message)| message);
            self.outcome.received.extend(taken);
            if let Some((message, functional)) = self.outbox.first().cloned() {
                let given = match functional {
                    true => self.channel.send_functional(now, message),
                    false => self.channel.send(now, message),
                };
                if given != Err(SendError::Busy) {
                    self.outbox.remove(0);
                    self.outcome.refused += usize::from(given.is_err());
                    continue;
                }
            }
            let Some(frame) = self.channel.poll_transmit(now) else {
                break;
            };
            self.channel.handle_transmitted(now, &frame);
            let tx = self.channel.address().tx();
            let (_, data) = tx.matches(&frame).unwrap();
            let is_control = matches!(Pci::decode(data, tx.prefix()), Ok((Pci::FlowControl(_), _)));
            self.outcome.put(is_control, self.now, text(&frame));
        }
    }

    fn note(&mut self, event: Event) {
        let (side, result) = match event {
            Event::SendFailed { error, .. } => ("sender", error.n_result().name()),
            Event::ReceiveFailed { error, .. } => ("receiver", error.n_result().name()),
            Event::Refused { .. } => ("receiver", "N_BUFFER_OVFLW"),
            Event::Sent { .. } => {
                self.outcome.sent += 1;
                return;
            }
            _ => return,
        };
        self.outcome
            .failures
            .push((self.now, failure(&format!("{side} {result}"))));
    }
}

/// The failures that stories tell of.
const FAILURES: [&str; 9] = [
    "sender N_TIMEOUT_A",
    "sender N_TIMEOUT_Bs",
    "sender N_BUFFER_OVFLW",
    "sender N_INVALID_FS",
    "sender N_WFT_OVRN",
    "receiver N_TIMEOUT_Cr",
    "receiver N_WRONG_SN",
    "receiver N_UNEXP_PDU",
    "receiver N_BUFFER_OVFLW",
];

fn failure(name: &str) -> &'static str {
    let known = FAILURES.iter().find(|known| **known == name);
    known.unwrap_or_else(|| panic!("unknown failure {name}"))
}

/// What our machine makes of the stimuli, each with its time.
pub(crate) fn play(address: Address, setup: &Setup, stimuli: &[(u64, usize, Stimulus)]) -> Outcome {
    let mut play = Play::new(address, setup.config());
    for (time, position, stimulus) in stimuli {
        play.advance(*time);
        if !play.apply(stimulus, setup.functional) {
            play.outcome.without_effect.push(*position);
        }
    }
    play.advance(play.now + 120_000_000);
    play.outcome.sorted()
}

impl Story<'_> {
    /// The stimuli with the times at which they happen to our machine.
    ///
    /// Where the file tells no times, a stimulus comes when the frames are out that came before it. With it
    /// goes the time at which the peer's trace ends, perhaps while transfers are still open.
    fn timed(&self) -> (Vec<(u64, usize, Stimulus)>, u64) {
        let mut play = Play::new(self.address, self.setup.config());
        let (mut stimuli, mut out) = (Vec::new(), 0);
        for (position, (time, step)) in self.steps.iter().enumerate() {
            match step {
                Step::Seen(Deed::Out(run)) => out += run["count"].as_u64().unwrap_or(1),
                Step::Seen(_) => {}
                Step::Wait(_) if time.is_some() => {}
                Step::Wait(micros) => play.advance(play.now + micros),
                Step::Do(stimulus) => {
                    match time {
                        Some(time) => play.advance(*time),
                        None => play.settle(usize::try_from(out).unwrap()),
                    }
                    stimuli.push((play.now, position, stimulus.clone()));
                    play.apply(stimulus, self.setup.functional);
                }
            }
        }
        let end = self.steps.iter().filter_map(|(time, _)| *time).max();
        (stimuli, end.unwrap_or(play.now))
    }

    fn deeds(&self) -> impl Iterator<Item = &Deed> {
        self.steps.iter().filter_map(|(_, step)| match step {
            Step::Seen(deed) => Some(deed),
            _ => None,
        })
    }

    /// Runs it, and compares our outcome with the standard's and the peer's.
    pub(crate) fn check(mut self, tally: &mut Tally) {
        let entry = self.entry;
        let reserved = self.setup.take_reserved_st_min();
        let (stimuli, end) = self.timed();
        let ours = play(self.address, &self.setup, &stimuli);
        let standard = Standard::run(self.address, &self.setup, &stimuli);
        if self.setup.rate_limit.is_some() {
            let same = ours.untimed() == standard.untimed();
            assert!(same, "{entry}\nours: {ours:#?}\nstandard: {standard:#?}");
        } else {
            assert_eq!(ours, standard, "{entry}");
        }
        tally.checked();
        if reserved.is_some() {
            return tally.remark("a reserved STmin cannot be configured");
        }
        let like_peer = self.is_what_the_peer_did(&ours, end);
        match entry.get("iso").and_then(Value::as_str) {
            Some(iso) => {
                self.keeps_promise(iso, &ours);
                assert!(like_peer || !self.is_praised(iso), "{entry}: {ours:#?}");
                if !like_peer {
                    tally.remark(format!("unlike that peer: {iso}"));
                }
            }
            None if like_peer => {}
            None if self.binding => panic!("{entry}: ours is not the peer's outcome: {ours:#?}"),
            None => {
                let what = entry.get("desc").and_then(Value::as_str).unwrap_or_default();
                tally.remark(format!("unlike that peer, {}: {what}", in_short(&ours)));
            }
        }
    }

    /// What the file says in words about the standard must be in our outcome.
    fn keeps_promise(&self, iso: &str, ours: &Outcome) {
        let entry = self.entry;
        let named = FAILURES
            .iter()
            .filter_map(|name| name.split_once(' ').map(|(_, result)| result));
        for result in named.filter(|result| iso.contains(result)) {
            // A file that only says how long a timer is tells of no failure.
            let expected = !iso.starts_with("N_Cr =") && !iso.starts_with("each WAIT restarts N_Bs, ");
            let reported = ours.failures.iter().any(|(_, name)| name.ends_with(result));
            assert!(reported || !expected, "{entry}: no {result}: {ours:#?}");
        }
        let reported = |name| ours.failures.iter().any(|(_, failure)| *failure == name);
        if iso.contains("UNEXP_PDU") {
            assert!(reported("receiver N_UNEXP_PDU"), "{entry}: {ours:#?}");
        }
        // Said of a peer whose limit of length is lower than the kernel's.
        if iso.contains("FC.OVFLW") && self.binding {
            assert!(
                reported("receiver N_BUFFER_OVFLW") && !ours.controls.is_empty(),
                "{entry}: {ours:#?}"
            );
        }
        if iso.starts_with("not for this link") || iso.starts_with("ignore") {
            // A 12-bit length of zero *is* the 32-bit form; a label that takes it for "FF_DL 0" overlooks
            // that.
            let ignored = !ours.without_effect.is_empty() || reported("receiver N_BUFFER_OVFLW");
            assert!(ignored, "{entry}: nothing was ignored: {ours:#?}");
        }
        if iso.contains("127 ms") {
            let times: Vec<_> = ours.frames.iter().skip(1).map(|(time, _)| *time).collect();
            assert!(
                times.windows(2).all(|pair| pair[1] - pair[0] == 127_000),
                "{entry}: {times:?}"
            );
            assert_eq!(ours.sent, 1, "{entry}");
        }
    }

    /// Whether the file says that the peer did what the standard asks for.
    fn is_praised(&self, iso: &str) -> bool {
        let shared = [
            "accept",
            "full duplex",
            "report UNEXP_PDU",
            "abort with N_WRONG_SN",
            "FC.OVFLW",
            "N_TIMEOUT_Bs",
            "N_Cr =",
            "OVFLW is allowed",
            "old reception",
        ];
        let did_it = |deed: &Deed| matches!(deed, Deed::Out(_) | Deed::Received(_));
        // A peer that did nothing and complained of something was of another opinion.
        let mut steps = self.entry["trace"].as_array().into_iter().flatten();
        let complained = steps.any(|step| step["op"] == "error");
        let is_shared = shared.iter().any(|words| iso.starts_with(words));
        self.binding && is_shared && (!complained || self.deeds().any(did_it))
    }

    fn is_what_the_peer_did(&self, ours: &Outcome, end: u64) -> bool {
        let runs: Vec<_> = self
            .deeds()
            .filter_map(|deed| match deed {
                Deed::Out(run) => Some(run),
                _ => None,
            })
            .collect();
        let prefix = self.address.tx().prefix().len();
        let is_control = |run: &Value| {
            let first = run.get("frame").unwrap_or_else(|| &run["head"][0]);
            super::frame(first.as_str().unwrap())
                .payload()
                .get(prefix)
                .is_some_and(|pci| pci >> 4 == 3)
        };
        let (controls, frames): (Vec<_>, Vec<_>) = runs.into_iter().partition(|run| is_control(run));
        let messages: Vec<_> = self
            .deeds()
            .filter_map(|deed| match deed {
                Deed::Received(message) => Some(message),
                _ => None,
            })
            .collect();
        let mut failures: Vec<_> = self
            .deeds()
            .filter_map(|deed| match deed {
                Deed::Failed(name) => Some(*name),
                _ => None,
            })
            .collect();
        failures.sort_unstable();
        // Peers differ in whether they refuse an empty message or do nothing.
        let is_empty =
            |step: &Step| matches!(step, Step::Do(Stimulus::Send { payload, .. }) if payload.is_empty());
        let empty = self.steps.iter().filter(|(_, step)| is_empty(step)).count();
        let refused = self
            .deeds()
            .filter(|deed| matches!(deed, Deed::Refused))
            .count()
            .max(empty);
        matches_frames(&frames, &Outcome::texts(&ours.frames))
            && matches_frames(&controls, &Outcome::texts(&ours.controls))
            && messages.len() == ours.received.len()
            && messages
                .iter()
                .zip(&ours.received)
                .all(|(told, message)| is_message(told, message))
            && failures == ours.failures_until(end, self.silent)
            && refused == ours.refused
    }
}

/// What we did, for a remark.
fn in_short(ours: &Outcome) -> String {
    let mut done: Vec<String> = ours.failures.iter().map(|(_, name)| (*name).to_owned()).collect();
    let counts = [
        (ours.sent, "sent"),
        (ours.received.len(), "received"),
        (ours.refused, "refused"),
        (ours.without_effect.len(), "frames ignored"),
    ];
    let counts = counts.into_iter().filter(|(count, _)| *count > 0);
    done.extend(counts.map(|(count, what)| format!("{count} {what}")));
    done.join(", ")
}

/// Whether a message is the one that a file tells of.
pub(crate) fn is_message(told: &Value, message: &Bytes) -> bool {
    match told.get("sha256") {
        None => payload(told) == *message,
        Some(expected) => {
            let digest: String = Sha256::digest(message)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            let hex_agrees = told
                .get("hex")
                .is_none_or(|digits| hex(digits.as_str().unwrap()) == message[..]);
            *expected == digest && told["len"] == message.len() && hex_agrees
        }
    }
}

/// Whether `frames` are those that the steps show.
pub(crate) fn matches_frames(steps: &[&Value], frames: &[String]) -> bool {
    let mut rest = frames;
    for step in steps {
        let count = step["count"]
            .as_u64()
            .map_or(1, |count| usize::try_from(count).unwrap());
        let Some((run, later)) = rest.split_at_checked(count) else {
            return false;
        };
        rest = later;
        let same = match step.get("sha256") {
            None => step["frame"] == *run[0],
            Some(expected) => {
                let digest = Sha256::digest(run.join("\n"));
                let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                *expected == digest
            }
        };
        if !same {
            return false;
        }
    }
    rest.is_empty()
}
