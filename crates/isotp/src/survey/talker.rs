//! What one identifier (and address byte) has said, and how well it hangs together.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use tinwire_time::Instant;

use super::{Key, PATIENCE};
use crate::pci::{FlowControl, FlowStatus, Pci, Prefix, SequenceNumber};

/// Partners that are believed of one talker; with more it has none.
const MAX_PARTNERS: usize = 64;
/// Flow controls that may have been for the same first frame.
const MAX_CANDIDATES: usize = 8;

/// What ties a talker to another one, in this direction.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tie {
    /// The other's flow control came where one was awaited, and consecutive frames followed.
    pub(super) handshakes: u64,
    /// And it was this talker's turn among all who waited.
    pub(super) turns: u64,
    /// And all of them came.
    pub(super) messages: u64,
    pub(super) bytes: u64,
    /// The other answered a request.
    pub(super) answers: u64,
    /// Which services were answered, one bit each for the low 64.
    services: u64,
}

impl Tie {
    /// How many services were answered.
    pub(super) const fn services(&self) -> u32 {
        self.services.count_ones()
    }
}

/// A long message under way.
#[derive(Debug)]
struct Transfer {
    len: u32,
    received: u32,
    next: SequenceNumber,
    /// Data bytes of a consecutive frame that is not the last one.
    room: usize,
    /// Consecutive frames until the next flow control, where there is one.
    block: Option<u8>,
    /// When it last went on.
    latest: Instant,
    phase: Phase,
    /// Who may have sent the flow control that it waits for.
    candidates: Vec<Key>,
    /// The first of these that was not somebody else's in the order of those who wait.
    turn: Option<Key>,
    /// Who has, every time.
    partners: Vec<Key>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// A flow control has to come. The first one may have been for somebody else, so this lasts until the
    /// next consecutive frame.
    Awaiting,
    /// Consecutive frames may come.
    Sending,
}

/// What a frame has brought about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Nothing,
    /// A message begins, or is whole.
    Message {
        first: u8,
        second: Option<u8>,
        /// It is a long one, which has to be answered.
        is_long: bool,
    },
}

#[derive(Debug, Default)]
pub(super) struct Talker {
    /// Frames that are what they should be.
    pub(super) fitting: u64,
    /// Frames that no node speaking ISO-TP sends, and transfers that led nowhere.
    pub(super) contradictions: u64,
    /// Single and first frames: messages, if it is a talker at all.
    pub(super) messages: u64,
    transfer: Option<Transfer>,
    /// Whether the first bytes of its frames are too many to be addresses.
    pub(super) begins_with_data: bool,
    /// Whether a first frame was seen: before, consecutive frames may be of a transfer that began unseen.
    has_begun: bool,
    pub(super) ties: BTreeMap<Key, Tie>,
}

impl Talker {
    pub(super) const fn contradict(&mut self) {
        self.contradictions += 1;
    }

    /// Whether a long message is under way.
    pub(super) const fn is_sending(&self) -> bool {
        self.transfer.is_some()
    }

    /// The share of frames that are what they should be, in percent.
    pub(super) fn soundness(&self) -> u64 {
        let frames = self.fitting + self.contradictions;
        (self.fitting * 100).checked_div(frames).unwrap_or_default()
    }

    /// Gives up a transfer that does not go on.
    pub(super) fn expire(&mut self, now: Instant) {
        let latest = self.transfer.as_ref().map(|transfer| transfer.latest);
        if latest.is_some_and(|latest| now.saturating_since(latest) > PATIENCE) {
            self.break_off();
        }
    }

    fn break_off(&mut self) {
        if self.transfer.take().is_some() {
            self.contradict();
        }
    }

    /// The talker sent anything but a flow control.
    pub(super) fn say(&mut self, now: Instant, pci: Pci, data: &[u8], can_dl: usize, prefix: Prefix) -> Said {
        let message = |is_long| match data {
            [] => Said::Nothing,
            [first, rest @ ..] => Said::Message {
                first: *first,
                second: rest.first().copied(),
                is_long,
            },
        };
        match pci {
            Pci::SingleFrame { .. } => {
                self.break_off();
                self.fitting += 1;
                self.messages += 1;
                message(false)
            }
            Pci::FirstFrame { len } => {
                self.break_off();
                self.has_begun = true;
                self.messages += 1;
                self.transfer = Some(Transfer {
                    len,
                    received: u32::try_from(data.len()).unwrap_or(u32::MAX),
                    next: SequenceNumber::FIRST,
                    room: can_dl.saturating_sub(1 + prefix.len()),
                    block: None,
                    latest: now,
                    phase: Phase::Awaiting,
                    candidates: Vec::new(),
                    turn: None,
                    partners: Vec::new(),
                });
                message(true)
            }
            Pci::ConsecutiveFrame { sequence } => {
                self.go_on(now, sequence, data.len());
                Said::Nothing
            }
            Pci::FlowControl(_) => Said::Nothing,
        }
    }

    fn go_on(&mut self, now: Instant, sequence: SequenceNumber, len: usize) {
        let Some(mut transfer) = self.transfer.take() else {
            self.contradictions += u64::from(self.has_begun);
            return;
        };
        let rest = usize::try_from(transfer.len.saturating_sub(transfer.received)).unwrap_or(usize::MAX);
        let is_asked = transfer.phase == Phase::Sending || !transfer.candidates.is_empty();
        if sequence != transfer.next || len < rest.min(transfer.room) || !is_asked {
            return self.contradict();
        }
        self.fitting += 1;
        self.settle(&mut transfer);
        if len >= rest {
            // The first frame is part of the whole.
            self.fitting += 1;
            for key in &transfer.partners {
                if let Some(tie) = tie(&mut self.ties, *key) {
                    tie.messages += 1;
                    tie.bytes += u64::from(transfer.len);
                }
            }
            return;
        }
        transfer.latest = now;
        transfer.received += u32::try_from(len).unwrap_or_default();
        transfer.next = transfer.next.after(1);
        transfer.phase = match &mut transfer.block {
            Some(1) => Phase::Awaiting,
            Some(left) => {
                *left -= 1;
                Phase::Sending
            }
            None => Phase::Sending,
        };
        self.transfer = Some(transfer);
    }

    /// Those who may have sent the flow control have, now that it was obeyed.
    fn settle(&mut self, transfer: &mut Transfer) {
        if transfer.candidates.is_empty() {
            return;
        }
        let candidates = core::mem::take(&mut transfer.candidates);
        if transfer.partners.is_empty() {
            transfer.partners.clone_from(&candidates);
        } else {
            transfer.partners.retain(|key| candidates.contains(key));
        }
        let turn = transfer.turn.take();
        for key in candidates {
            if let Some(tie) = tie(&mut self.ties, key) {
                tie.handshakes += 1;
                tie.turns += u64::from(turn == Some(key));
            }
        }
    }

    /// Somebody else sent a flow control during this talker's transfer; whether it may be for it. Of those it
    /// may be for, the first one who has none yet takes its turn.
    pub(super) fn hear_flow_control(
        &mut self,
        now: Instant,
        from: Key,
        control: FlowControl,
        turn: &mut Option<Key>,
    ) -> bool {
        let Some(transfer) = &mut self.transfer else {
            return false;
        };
        // In the middle of a block only whoever counts blocks differently has a say.
        let counts = transfer.block.is_some() && transfer.partners.contains(&from);
        if transfer.phase == Phase::Sending && !counts {
            return false;
        }
        transfer.latest = now;
        match control.status {
            FlowStatus::Wait => {}
            // The other one refuses a message in the way of this protocol.
            FlowStatus::Overflow => {
                self.transfer = None;
                self.fitting += 1;
            }
            FlowStatus::Reserved(_) => return false,
            FlowStatus::ContinueToSend => {
                transfer.block = control.block_size.frames();
                if transfer.turn.is_none() {
                    transfer.turn = turn.take();
                }
                if transfer.candidates.len() < MAX_CANDIDATES && !transfer.candidates.contains(&from) {
                    transfer.candidates.push(from);
                }
            }
        }
        true
    }

    /// The talker sent a flow control, which somebody waited for or not.
    pub(super) const fn flow_control(&mut self, asked: bool) {
        if asked {
            self.fitting += 1;
        } else {
            self.contradict();
        }
    }

    /// A message of `by` answers a request of this talker for `service`.
    pub(super) fn answered(&mut self, by: Key, service: u8) {
        if let Some(tie) = tie(&mut self.ties, by) {
            tie.answers += 1;
            tie.services |= 1 << (service & 0x3F);
        }
    }
}

fn tie(ties: &mut BTreeMap<Key, Tie>, key: Key) -> Option<&mut Tie> {
    if ties.len() >= MAX_PARTNERS && !ties.contains_key(&key) {
        return None;
    }
    Some(ties.entry(key).or_default())
}
