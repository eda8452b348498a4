//! Who talks ISO-TP to whom: address pairs learnt from the frames of a bus.
//!
//! [`Survey`] watches every identifier at once, without I/O, and sends nothing. Each frame is read in two
//! ways, with the PCI in its first byte and in its second one, and what is said under one identifier (and
//! address byte) is one *talker*. What ties two talkers together:
//!
//! - a **handshake**: a first frame, then a flow control of another identifier, then consecutive frames in
//!   the right order. A **message** is a handshake that went on to the announced length.
//! - an **answer**: a message whose first byte answers that of another talker's message, as services do in
//!   diagnostics (`22` by `62`, or by `7F 22`).
//!
//! Chance produces each of these now and then, but a talker that is none contradicts itself all the time: it
//! sends reserved types, consecutive frames out of nowhere, first frames that nobody answers. So findings
//! carry both, and their [`Confidence`] weighs them.
//!
//! ```
//! use can_link::{CanFrame, StandardId};
//! use isotp::survey::{Confidence, Survey};
//! use tinwire_time::Instant;
//!
//! let frame = |id, data: &[u8]| CanFrame::data(StandardId::new(id).unwrap(), data).unwrap();
//! let mut survey = Survey::new();
//! for (millis, frame) in (0..).zip([
//!     frame(0x7E0, &[0x03, 0x22, 0xF1, 0x90]),
//!     frame(0x7E8, &[0x10, 0x0A, 0x62, 0xF1, 0x90, 1, 2, 3]),
//!     frame(0x7E0, &[0x30, 0x00, 0x00]),
//!     frame(0x7E8, &[0x21, 4, 5, 6, 7]),
//! ]) {
//!     survey.handle_frame(Instant::from_millis(millis), &frame);
//! }
//! let [finding] = &survey.findings()[..] else { panic!() };
//! assert_eq!(finding.source.id, StandardId::new(0x7E0).unwrap().into());
//! assert_eq!(finding.confidence, Confidence::Certain);
//! ```

mod finding;
mod talker;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use can_link::{CanFrame, Id, id};
pub use finding::{Confidence, Evidence, Finding, Mode, Party, is_functional};
use talker::{Said, Talker};
use tinwire_time::Instant;

use crate::pci::{FlowControl, Pci, Prefix};

/// Talkers that a survey follows, half of them with an address byte at most; frames of further ones are only
/// counted.
pub const MAX_TALKERS: usize = 8192;
/// Address bytes that are believed of one identifier: with more, the first byte is data.
pub const MAX_ADDRESS_BYTES: usize = 64;
/// Requests that an answer is looked up among.
const MAX_REQUESTS: usize = 32;
/// Long messages that are followed at the same time, in either reading.
const MAX_SENDING: usize = 64;
/// How long a flow control or a consecutive frame may take: the standard's second, and half of one.
const PATIENCE: Duration = Duration::from_millis(1500);
/// How long an answer may take (P2* of ISO 14229-2).
const ANSWER: Duration = Duration::from_secs(5);

/// An identifier with its format, as a number; and the byte before the PCI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    word: u32,
    byte: Option<u8>,
}

impl Key {
    fn new(id: Id, byte: Option<u8>) -> Self {
        let word = id::to_word(id);
        Self { word, byte }
    }

    const fn prefix(self) -> Prefix {
        match self.byte {
            Some(_) => Prefix::AddressByte,
            None => Prefix::None,
        }
    }
}

/// A message whose first byte asks for something.
#[derive(Clone, Copy, Debug)]
struct Request {
    from: Key,
    service: u8,
    at: Instant,
}

/// Learns address pairs from frames.
///
/// Memory is bounded by [`MAX_TALKERS`], a few hundred bytes each. `now` never goes back.
#[derive(Debug, Default)]
pub struct Survey {
    talkers: BTreeMap<Key, Talker>,
    /// Talkers with a long message under way.
    sending: Vec<Key>,
    requests: Vec<Request>,
    /// Talkers with an address byte.
    prefixed: usize,
    /// No identifier has so many address bytes that they must be data.
    is_crowded: bool,
    frames: u64,
    frames_unfollowed: u64,
}

impl Survey {
    /// A survey that knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A frame was seen on the bus. Frames that carry no data are passed over.
    pub fn handle_frame(&mut self, now: Instant, frame: &CanFrame) {
        if !matches!(frame, CanFrame::Data(_) | CanFrame::Fd(_)) {
            return;
        }
        self.frames += 1;
        let (id, data) = (frame.id(), frame.payload());
        self.hear(now, Key::new(id, None), data, data.len());
        if let Some((&byte, rest)) = data.split_first() {
            self.hear(now, Key::new(id, Some(byte)), rest, data.len());
        }
    }

    /// Frames that were seen.
    #[must_use]
    pub const fn frames(&self) -> u64 {
        self.frames
    }

    /// Frames that were not looked at, for there were more than [`MAX_TALKERS`].
    #[must_use]
    pub const fn frames_unfollowed(&self) -> u64 {
        self.frames_unfollowed
    }

    /// Identifiers that were seen, ISO-TP or not.
    #[must_use]
    pub fn identifiers(&self) -> usize {
        self.talkers.keys().filter(|key| key.byte.is_none()).count()
    }

    /// Whether anybody has sent with this identifier.
    #[must_use]
    pub fn has_heard(&self, id: Id) -> bool {
        self.talkers.contains_key(&Key::new(id, None))
    }

    /// The pairs found so far, the most certain first.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        finding::pairs(&self.talkers)
    }

    fn hear(&mut self, now: Instant, key: Key, data: &[u8], can_dl: usize) {
        if !self.talkers.contains_key(&key) && !self.has_room(key) {
            self.frames_unfollowed += u64::from(key.byte.is_none());
            return;
        }
        // How the network pads is unknown, so no length is held against a frame.
        let pdu = Pci::decode_padded(data, key.prefix(), usize::MAX);
        let talker = self.talkers.entry(key).or_insert_with(|| {
            self.prefixed += usize::from(key.byte.is_some());
            Talker::default()
        });
        talker.expire(now);
        let Ok((pci, data)) = pdu else {
            talker.contradict();
            return;
        };
        match pci {
            Pci::FlowControl(control) => {
                let is_asked = self.answer_sending(now, key, control);
                if let Some(talker) = self.talkers.get_mut(&key) {
                    talker.flow_control(is_asked);
                }
            }
            pci => {
                let said = talker.say(now, pci, data, can_dl, key.prefix());
                self.follow_up(now, key, said);
            }
        }
    }

    /// Whether one talker more is followed.
    fn has_room(&mut self, key: Key) -> bool {
        let has_place = key.byte.is_none() || self.has_room_for_byte(key);
        has_place && self.talkers.len() < MAX_TALKERS
    }

    fn has_room_for_byte(&mut self, key: Key) -> bool {
        if self.prefixed >= MAX_TALKERS / 2 && !self.is_crowded {
            self.make_room();
        }
        self.prefixed < MAX_TALKERS / 2 && self.believes_in_bytes_of(key)
    }

    /// Whether the first byte of an identifier's frames may be an address: with too many of them it is data.
    fn believes_in_bytes_of(&mut self, key: Key) -> bool {
        let whole = self.talkers.get(&Key { byte: None, ..key });
        if whole.is_none_or(|talker| talker.begins_with_data) {
            return false;
        }
        let [first, last] = [u8::MIN, u8::MAX].map(|byte| Key {
            byte: Some(byte),
            ..key
        });
        let is_believed = self.talkers.range(first..=last).count() < MAX_ADDRESS_BYTES;
        if !is_believed {
            self.disbelieve(key.word);
        }
        is_believed
    }

    /// Takes the first byte of an identifier's frames for data from now on, and forgets the addresses that
    /// nothing spoke for.
    fn disbelieve(&mut self, word: u32) {
        if let Some(whole) = self.talkers.get_mut(&Key { word, byte: None }) {
            whole.begins_with_data = true;
        }
        let before = self.talkers.len();
        self.talkers
            .retain(|key, talker| key.word != word || key.byte.is_none() || !talker.ties.is_empty());
        self.prefixed -= before - self.talkers.len();
    }

    /// Gives up the address bytes of the identifier that has the most of them.
    fn make_room(&mut self) {
        let mut most = (0, 0);
        let mut run = (0, 0);
        for key in self.talkers.keys().filter(|key| key.byte.is_some()) {
            let count = if run.1 == key.word { run.0 + 1 } else { 1 };
            run = (count, key.word);
            most = most.max(run);
        }
        let (count, word) = most;
        let before = self.prefixed;
        // Where each has a few only, all of them may be addresses.
        if count >= MAX_ADDRESS_BYTES / 8 {
            self.disbelieve(word);
        }
        self.is_crowded = self.prefixed == before;
    }

    /// Gives a flow control to everybody it may be for; whether there is anybody.
    fn answer_sending(&mut self, now: Instant, from: Key, control: FlowControl) -> bool {
        let (mut is_asked, mut turn) = (false, Some(from));
        let talkers = &mut self.talkers;
        self.sending.retain(|&key| {
            let Some(talker) = talkers.get_mut(&key) else {
                return false;
            };
            talker.expire(now);
            if key.word != from.word && key.prefix() == from.prefix() {
                is_asked |= talker.hear_flow_control(now, from, control, &mut turn);
            }
            talker.is_sending()
        });
        is_asked
    }

    fn follow_up(&mut self, now: Instant, key: Key, said: Said) {
        let Said::Message {
            first,
            second,
            is_long,
        } = said
        else {
            return;
        };
        if is_long {
            self.sending.retain(|&other| other != key);
            if self.sending.len() == MAX_SENDING {
                self.sending.remove(0);
            }
            self.sending.push(key);
        }
        self.match_services(now, key, first, second);
    }

    /// Ties an answer to the latest request for it, or keeps a request for its answer.
    fn match_services(&mut self, now: Instant, key: Key, first: u8, second: Option<u8>) {
        let answered = match (first, second) {
            (0x7F, Some(service)) => service,
            (0x41..=0x4A | 0x50..=0x7E | 0xC3..=0xC8, _) => first & !0x40,
            (0x01..=0x0A | 0x10..=0x3E | 0x83..=0x88 | 0xBA..=0xBE, _) => {
                if self.requests.len() == MAX_REQUESTS {
                    self.requests.remove(0);
                }
                let request = Request {
                    from: key,
                    service: first,
                    at: now,
                };
                return self.requests.push(request);
            }
            _ => return,
        };
        let request = self.requests.iter().rev().find(|request| {
            request.service == answered
                && request.from.word != key.word
                && request.from.prefix() == key.prefix()
                && now.saturating_since(request.at) <= ANSWER
        });
        if let Some(&Request { from, service, .. }) = request
            && let Some(talker) = self.talkers.get_mut(&from)
        {
            talker.answered(key, service);
        }
    }
}

#[cfg(test)]
mod tests;
