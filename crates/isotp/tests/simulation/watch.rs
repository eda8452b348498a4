//! Who sent what, what arrived of it, and whether that is what had to become of it.
//!
//! The wire carries each frame with a tag that the channels cannot see. So the watcher of a direction knows
//! of every delivered message which frames it was put together from, and can tell what a receiver that sees
//! sequence numbers of 4 bits has to notice from what it cannot notice.

use core::ops::AddAssign;
use core::time::Duration;

use can_link::CanFrame;
use isotp::{Event, IgnoreReason, NResult, Pci, Prefix};
use tinwire_time::Instant;

/// Which frame of which message this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    /// A flow control.
    Control,
    /// Frame `index` of message `message`; 0 is the single or first frame.
    Data { message: usize, index: usize },
}

/// A frame on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Tagged {
    pub(crate) frame: CanFrame,
    pub(crate) tag: Tag,
}

/// How a cell went, in messages unless it says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// All that were sent through the faults.
    pub(crate) messages: u32,
    /// Delivered intact and once.
    pub(crate) delivered: u32,
    /// Delivered again, because each of its frames arrived again.
    pub(crate) doubled: u32,
    /// Put together from frames whose numbers fit and which do not belong together.
    pub(crate) confused: u32,
    /// Refused by a receiver whose user had not taken the message before: N_BUFFER_OVFLW, or a single frame
    /// without room.
    pub(crate) refused: u32,
    /// Failed at the sender: N_TIMEOUT_Bs.
    pub(crate) timeout_bs: u32,
    /// Failed at the sender: N_BUFFER_OVFLW.
    pub(crate) overflow: u32,
    /// Receptions that failed: N_WRONG_SN.
    pub(crate) wrong_sn: u32,
    /// Receptions that failed: N_TIMEOUT_Cr.
    pub(crate) timeout_cr: u32,
    /// Receptions that failed: N_UNEXP_PDU.
    pub(crate) unexp_pdu: u32,
    /// Confirmed, but no first or single frame ever arrived: nobody can know.
    pub(crate) unheard: u32,
    /// Frames that arrived and were ignored with an event.
    pub(crate) ignored: u32,
    /// Frames put on the wire.
    pub(crate) frames: u32,
}

impl Tally {
    pub(crate) const fn columns(&self) -> [(&'static str, u32); 13] {
        [
            ("sent", self.messages),
            ("intact", self.delivered),
            ("twice", self.doubled),
            ("mixed", self.confused),
            ("unheard", self.unheard),
            ("refused", self.refused),
            ("  Bs", self.timeout_bs),
            ("OVFLW", self.overflow),
            ("  SN", self.wrong_sn),
            ("  Cr", self.timeout_cr),
            ("UNEXP", self.unexp_pdu),
            ("ignored", self.ignored),
            ("frames", self.frames),
        ]
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.messages += other.messages;
        self.delivered += other.delivered;
        self.doubled += other.doubled;
        self.confused += other.confused;
        self.refused += other.refused;
        self.timeout_bs += other.timeout_bs;
        self.overflow += other.overflow;
        self.wrong_sn += other.wrong_sn;
        self.timeout_cr += other.timeout_cr;
        self.unexp_pdu += other.unexp_pdu;
        self.unheard += other.unheard;
        self.ignored += other.ignored;
        self.frames += other.frames;
    }
}

struct Message {
    payload: Vec<u8>,
    outcome: Option<Result<(), NResult>>,
    /// How often each of its frames arrived.
    arrivals: Vec<u32>,
    /// Receptions that its first frame began, and what became of them.
    begun: u32,
    failed: u32,
    intact: u32,
    confused: u32,
    /// Receptions that waited for the user until they were refused.
    given_up: u32,
    /// Single or first frames of it that were refused with an event.
    refused: u32,
}

/// What a reception has taken so far.
struct Reception {
    /// The message whose first frame began it.
    message: usize,
    parts: Vec<(usize, usize)>,
    bytes: Vec<u8>,
}

/// Watches one direction.
pub(crate) struct Watch {
    messages: Vec<Message>,
    /// Frames of the message under way that were sent.
    sent: usize,
    reception: Option<Reception>,
    /// What the message that waits for the user must be.
    held: Option<Vec<u8>>,
    /// From when the sender waits for a flow control, and the receiver for a frame.
    sender_active: Instant,
    receiver_active: Instant,
    n_bs: Duration,
    n_cr: Duration,
    pub(crate) tally: Tally,
}

/// What a receiver said to one frame, or to the passing of time.
pub(crate) struct Reaction<'a> {
    pub(crate) now: Instant,
    /// The frame, if it was one.
    pub(crate) frame: Option<&'a Tagged>,
    pub(crate) events: &'a [Event],
    /// Bytes of the incoming message before and after.
    pub(crate) before: u32,
    pub(crate) after: u32,
}

impl Watch {
    pub(crate) fn new(n_bs: Duration, n_cr: Duration) -> Self {
        Self {
            messages: Vec::new(),
            sent: 0,
            reception: None,
            held: None,
            sender_active: Instant::ZERO,
            receiver_active: Instant::ZERO,
            n_bs,
            n_cr,
            tally: Tally::default(),
        }
    }

    /// The sender was given a message.
    pub(crate) fn given(&mut self, payload: &[u8]) {
        self.sent = 0;
        self.tally.messages += 1;
        self.messages.push(Message {
            payload: payload.to_vec(),
            outcome: None,
            arrivals: Vec::new(),
            begun: 0,
            failed: 0,
            intact: 0,
            confused: 0,
            given_up: 0,
            refused: 0,
        });
    }

    /// The sender puts a frame of its message on the wire.
    pub(crate) fn sent(&mut self, now: Instant, frame: &CanFrame) -> Tag {
        self.tally.frames += 1;
        self.sender_active = now;
        let (pci, _) = Pci::decode(frame.payload(), Prefix::None).unwrap();
        let index = self.sent;
        match pci {
            Pci::SingleFrame { .. } | Pci::FirstFrame { .. } => assert_eq!(index, 0, "a head in the middle"),
            Pci::ConsecutiveFrame { sequence } => assert_eq!(usize::from(sequence.value()), index % 16),
            Pci::FlowControl(_) => unreachable!("belongs to the other direction"),
        }
        self.sent += 1;
        let message = self.messages.len() - 1;
        let known = self.messages.last_mut().unwrap();
        assert_eq!(known.outcome, None, "a frame of a message that has ended");
        known.arrivals.push(0);
        Tag::Data { message, index }
    }

    /// The receiver puts a flow control on the wire.
    pub(crate) const fn answered(&mut self, now: Instant) {
        self.tally.frames += 1;
        self.receiver_active = now;
    }

    /// The sender says how its message went.
    pub(crate) fn concluded(&mut self, now: Instant, event: &Event) {
        let message = self.messages.last_mut().unwrap();
        let outcome = match event {
            Event::FirstFrameSent { .. } | Event::Progress { .. } => return,
            Event::Sent { .. } => Ok(()),
            Event::SendFailed { error, len, .. } => {
                assert_eq!(usize::try_from(*len).unwrap(), message.payload.len());
                match error.n_result() {
                    NResult::TimeoutBs => {
                        assert_eq!(now, self.sender_active + self.n_bs, "N_Bs not in time");
                        self.tally.timeout_bs += 1;
                    }
                    NResult::BufferOvflw => self.tally.overflow += 1,
                    other => panic!("{other}: nothing of that kind can happen here"),
                }
                Err(error.n_result())
            }
            other => panic!("{other:?} is no outcome"),
        };
        assert_eq!(message.outcome.replace(outcome), None, "a second outcome");
    }

    /// A WAIT reached the sender.
    pub(crate) const fn waited(&mut self, now: Instant) {
        self.sender_active = now;
    }

    /// The receiver has handled something. Every data frame must have had an effect or an event.
    pub(crate) fn reacted(&mut self, reaction: &Reaction<'_>) {
        let arrived = reaction.frame.map(|tagged| self.arrived(tagged));
        for event in reaction.events {
            match *event {
                Event::ReceiveFailed { error, .. } => {
                    self.reception_failed(reaction.now, error.n_result(), arrived);
                }
                Event::ReceiveStarted { .. } => self.begin(arrived.unwrap()),
                Event::Refused { .. } => {
                    // At once, or after the WAITs of the reception that it began.
                    let waiting = self.reception.take().map(|reception| reception.message);
                    if let Some(message) = waiting {
                        self.messages[message].given_up += 1;
                    }
                    let message = waiting.unwrap_or_else(|| arrived.unwrap().0);
                    self.messages[message].refused += 1;
                }
                Event::Ignored(IgnoreReason::NoRoom) => {
                    let (message, _) = arrived.unwrap();
                    self.messages[message].refused += 1;
                    self.tally.ignored += 1;
                }
                Event::Ignored(_) => self.tally.ignored += 1,
                Event::Received { len, .. } => {
                    let part = arrived.unwrap();
                    if part.1 == 0 {
                        self.begin(part);
                    }
                    self.take(part, &reaction.frame.unwrap().frame);
                    self.completed(len);
                }
                other => panic!("{other:?} is none of a receiver's"),
            }
        }
        let Some(arrived) = arrived else { return };
        let grown = reaction.after > reaction.before
            || reaction
                .events
                .iter()
                .any(|event| matches!(event, Event::ReceiveStarted { .. }));
        if grown && self.reception.is_some() {
            self.receiver_active = reaction.now;
            self.take(arrived, &reaction.frame.unwrap().frame);
        }
        assert!(
            grown || !reaction.events.is_empty(),
            "frame {arrived:?} vanished without an event"
        );
    }

    fn arrived(&mut self, tagged: &Tagged) -> (usize, usize) {
        let Tag::Data { message, index } = tagged.tag else {
            unreachable!("a flow control does not reach a receiver")
        };
        self.messages[message].arrivals[index] += 1;
        (message, index)
    }

    fn begin(&mut self, (message, _): (usize, usize)) {
        self.messages[message].begun += 1;
        self.reception = Some(Reception {
            message,
            parts: Vec::new(),
            bytes: Vec::new(),
        });
    }

    /// The reception takes a frame, which must have the number that is due and no more than that.
    fn take(&mut self, part: (usize, usize), frame: &CanFrame) {
        let reception = self
            .reception
            .as_mut()
            .expect("a frame was taken by no reception");
        let due = reception.parts.len();
        assert_eq!(part.1 % 16, due % 16, "frame {part:?} taken as number {due}");
        assert_eq!(part.1 == 0, due == 0, "a head in the middle");
        reception.parts.push(part);
        let (_, data) = Pci::decode(frame.payload(), Prefix::None).unwrap();
        reception.bytes.extend_from_slice(data);
    }

    fn completed(&mut self, len: u32) {
        let Reception {
            message: number,
            parts,
            mut bytes,
        } = self.reception.take().expect("a message of no reception");
        bytes.truncate(len.try_into().unwrap());
        let message = &mut self.messages[number];
        if parts
            .iter()
            .enumerate()
            .all(|(index, part)| *part == (number, index))
        {
            assert!(
                bytes == message.payload,
                "message {number} was damaged on the way"
            );
            message.intact += 1;
        } else {
            message.confused += 1;
            self.tally.confused += 1;
        }
        assert_eq!(self.held.replace(bytes), None, "a message on top of another");
    }

    /// The user takes the message that waits.
    pub(crate) fn taken(&mut self, payload: &[u8]) {
        let expected = self.held.take().expect("a message out of nothing");
        assert!(expected == payload, "not what the frames contained");
    }

    fn reception_failed(&mut self, now: Instant, result: NResult, arrived: Option<(usize, usize)>) {
        let reception = self.reception.take().expect("the failure of no reception");
        self.messages[reception.message].failed += 1;
        let due = reception.parts.len();
        match result {
            NResult::WrongSn => {
                let (message, index) = arrived.expect("a frame has the number");
                assert!(
                    index % 16 != due % 16,
                    "frame {index} of {message} has the number that is due"
                );
                self.tally.wrong_sn += 1;
            }
            NResult::UnexpPdu => {
                assert_eq!(arrived.map(|(_, index)| index), Some(0), "no message began");
                self.tally.unexp_pdu += 1;
            }
            NResult::TimeoutCr => {
                assert_eq!(now, self.receiver_active + self.n_cr, "N_Cr not in time");
                self.tally.timeout_cr += 1;
            }
            other => panic!("{other}: nothing of that kind can happen here"),
        }
    }

    /// Nothing moves any more: each message must have been delivered or told of.
    pub(crate) fn judge(&mut self) {
        assert!(self.reception.is_none(), "a reception did not end");
        assert!(self.held.is_none(), "a message was not taken");
        for (number, message) in self.messages.iter().enumerate() {
            let outcome = message
                .outcome
                .unwrap_or_else(|| panic!("message {number} has no outcome"));
            assert_eq!(
                message.begun,
                message.intact + message.confused + message.failed + message.given_up,
                "message {number}: a reception ended without a word"
            );
            // A second delivery needs a second copy of every frame.
            let copies = message.arrivals.iter().copied().min().unwrap_or_default();
            assert!(
                message.intact <= copies,
                "message {number} delivered {} times",
                message.intact
            );
            match outcome {
                Err(result) => assert_eq!(message.intact, 0, "message {number} arrived in spite of {result}"),
                Ok(()) if message.intact > 0 => {}
                Ok(()) if message.failed + message.confused + message.refused > 0 => {}
                Ok(()) => {
                    assert_eq!(
                        message.arrivals[0], 0,
                        "message {number} vanished without a report"
                    );
                    self.tally.unheard += 1;
                }
            }
            self.tally.refused += message.refused;
            self.tally.delivered += u32::from(message.intact > 0);
            self.tally.doubled += message.intact.saturating_sub(1);
        }
    }

    /// Whether the last message was confirmed, arrived intact, and arrived once.
    pub(crate) fn last_is_through(&self) -> bool {
        let last = self.messages.last().unwrap();
        last.outcome == Some(Ok(())) && last.intact == 1
    }

    pub(crate) fn is_awaited(&self) -> bool {
        self.messages
            .last()
            .is_some_and(|message| message.outcome.is_none())
    }
}
