//! Two channels, a wire each way, and one virtual clock.

use core::time::Duration;
use std::collections::VecDeque;

use bytes::Bytes;
use can_link::candump::{LogLine, LogTime};
use can_link::{CanFrame, StandardId};
use isotp::{Address, BytesChannel, Event, FlowStatus, IgnoreReason, Pci, Prefix};
use testkit::{Faults, Rng, Wire};
use tinwire_time::Instant;

use crate::cell::Cell;
use crate::watch::{Reaction, Tag, Tagged, Tally, Watch};

/// An hour of bus time; no cell comes near it.
const END_OF_TIME: Instant = Instant::from_millis(3_600_000);

struct End {
    channel: BytesChannel,
    outbox: VecDeque<Bytes>,
    /// When the message that waits will be taken.
    take_at: Option<Instant>,
}

/// Side 0 sends on wire 0, which watch 0 watches; side 1 likewise.
pub(crate) struct World {
    cell: Cell,
    /// How long a received message waits.
    digestion: Duration,
    ends: [End; 2],
    wires: [Wire<Tagged>; 2],
    watches: [Watch; 2],
    now: Instant,
    trace: Trace,
}

/// Whether frames and events are printed, as candump writes them and as comments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trace {
    Silent,
    Printed,
}

impl World {
    /// Runs a cell to its end and judges it.
    pub(crate) fn run(cell: Cell, seed: u64, trace: Trace) -> Tally {
        Self::new(cell, seed, trace).story(seed)
    }

    fn new(cell: Cell, seed: u64, trace: Trace) -> Self {
        let id = |raw| StandardId::new(raw).unwrap();
        let address = Address::normal(id(0x7E0), id(0x7E8)).unwrap();
        let end = |address| End {
            channel: BytesChannel::new(address, cell.config()),
            outbox: VecDeque::new(),
            take_at: None,
        };
        let watch = || Watch::new(isotp::config::DEFAULT_TIMEOUT, isotp::config::DEFAULT_TIMEOUT);
        Self {
            cell,
            digestion: cell.digestion,
            ends: [end(address), end(address.reversed())],
            wires: [Wire::new(seed, cell.faults), Wire::new(!seed, cell.faults)],
            watches: [watch(), watch()],
            now: Instant::ZERO,
            trace,
        }
    }

    fn story(&mut self, seed: u64) -> Tally {
        let mut rng = Rng::new(seed ^ 0x5EED);
        let senders = if self.cell.both_ways { 0..2 } else { 0..1 };
        for side in senders.clone() {
            let messages = self.cell.messages(&mut rng);
            self.ends[side]
                .outbox
                .extend(messages.into_iter().map(Bytes::from));
        }
        // To the point where the last message is decided for its sender, while its receiver may be waiting
        // still.
        self.run_while(|world| (0..2).any(|side| world.is_busy(side)));
        // The next message passes, whatever happened before it.
        let clean = Faults {
            delay: self.cell.faults.delay,
            ..Faults::default()
        };
        self.wires = [Wire::new(seed, clean), Wire::new(!seed, clean)];
        self.digestion = Duration::ZERO;
        for end in &mut self.ends {
            end.take_at = end.take_at.map(|_| self.now);
        }
        for side in senders.clone() {
            self.ends[side].outbox.push_back(Bytes::from(vec![0xA5; 100]));
        }
        self.run_while(|_| true);
        let mut tally = Tally::default();
        for watch in &mut self.watches {
            watch.judge();
            tally += watch.tally;
        }
        for side in senders {
            assert!(
                self.watches[side].last_is_through(),
                "the message after it did not pass"
            );
            tally.messages -= 1;
            tally.delivered -= 1;
        }
        self.cell.assess(&tally);
        for end in &self.ends {
            assert!(end.channel.can_send() && end.channel.receiving().is_none());
            assert_eq!(end.channel.stats().events_lost, 0);
        }
        tally
    }

    fn is_busy(&self, side: usize) -> bool {
        let is_sending = !self.ends[side].outbox.is_empty() || self.watches[side].is_awaited();
        is_sending || self.wires[side].next_due().is_some()
    }

    /// Runs until nothing is due any more, or `go_on` says no.
    fn run_while(&mut self, go_on: impl Fn(&Self) -> bool) {
        while go_on(self) {
            for side in 0..2 {
                self.step(side);
            }
            let arrived = (0..2).find_map(|side| Some((1 - side, self.wires[side].pop(self.now)?)));
            if let Some((side, tagged)) = arrived {
                self.arrive(side, &tagged);
                continue;
            }
            let dues = (0..2).flat_map(|side| {
                let end = &self.ends[side];
                [
                    self.wires[side].next_due(),
                    end.channel.poll_timeout(),
                    end.take_at,
                ]
            });
            let Some(due) = dues.flatten().min() else { break };
            assert!(due < END_OF_TIME, "never quiet");
            self.now = due.max(self.now);
            for side in 0..2 {
                self.ends[side].channel.handle_timeout(self.now);
                self.report(side, None, 0);
            }
        }
    }

    /// Lets one side take, send and transmit what is due.
    fn step(&mut self, side: usize) {
        loop {
            let end = &mut self.ends[side];
            if end.take_at.is_some_and(|at| at <= self.now) {
                end.take_at = None;
                let (_, message) = end.channel.take_received(self.now).expect("a message waits");
                self.watches[1 - side].taken(&message);
            }
            if end.channel.can_send()
                && let Some(payload) = end.outbox.pop_front()
            {
                self.watches[side].given(&payload);
                end.channel.send(self.now, payload).unwrap();
            }
            let Some(frame) = end.channel.poll_transmit(self.now) else {
                break;
            };
            end.channel.handle_transmitted(self.now, &frame);
            let tag = match flow_status(&frame) {
                Some(_) => {
                    self.watches[1 - side].answered(self.now);
                    Tag::Control
                }
                None => self.watches[side].sent(self.now, &frame),
            };
            self.note(["a>", "b>"][side], &frame);
            self.report(side, None, 0);
            self.wires[side].push(self.now, Tagged { frame, tag });
        }
    }

    fn arrive(&mut self, side: usize, tagged: &Tagged) {
        self.note(["a<", "b<"][side], &tagged.frame);
        let channel = &mut self.ends[side].channel;
        let before = received(channel);
        channel.handle_frame(self.now, &tagged.frame);
        self.report(side, Some(tagged), before);
    }

    /// Tells the watches what a side has to say.
    fn report(&mut self, side: usize, frame: Option<&Tagged>, before: u32) {
        let channel = &mut self.ends[side].channel;
        let events: Vec<Event> = core::iter::from_fn(|| channel.poll_event()).collect();
        if self.trace == Trace::Printed {
            events
                .iter()
                .for_each(|event| println!("# {}: {event:?}", ["a", "b"][side]));
        }
        let (as_sender, as_receiver): (Vec<_>, Vec<_>) = events.into_iter().partition(|event| {
            matches!(
                event,
                Event::FirstFrameSent { .. }
                    | Event::Progress { .. }
                    | Event::Sent { .. }
                    | Event::SendFailed { .. }
                    | Event::Ignored(IgnoreReason::UnexpectedFlowControl)
            )
        });
        let control = frame.and_then(|tagged| flow_status(&tagged.frame));
        let is_ignored = as_sender.iter().any(|event| matches!(event, Event::Ignored(_)));
        if control == Some(FlowStatus::Wait) && !is_ignored {
            self.watches[side].waited(self.now);
        }
        for event in as_sender {
            match event {
                Event::Ignored(_) => self.watches[side].tally.ignored += 1,
                outcome => self.watches[side].concluded(self.now, &outcome),
            }
        }
        let frame = frame.filter(|_| control.is_none());
        if frame.is_none() && as_receiver.is_empty() {
            return;
        }
        if as_receiver
            .iter()
            .any(|event| matches!(event, Event::Received { .. }))
        {
            self.ends[side].take_at = Some(self.now + self.digestion);
        }
        self.watches[1 - side].reacted(&Reaction {
            now: self.now,
            frame,
            events: &as_receiver,
            before,
            after: received(&self.ends[side].channel),
        });
    }

    fn note(&self, interface: &str, frame: &CanFrame) {
        if self.trace == Trace::Printed {
            let micros = self.now.as_micros();
            let seconds = i64::try_from(micros / 1_000_000).unwrap();
            let nanos = u32::try_from(micros % 1_000_000 * 1000).unwrap();
            let time = LogTime::new(seconds, nanos).unwrap();
            println!("{}", LogLine::new(time, interface, frame.clone()));
        }
    }
}

fn received(channel: &BytesChannel) -> u32 {
    channel.receiving().map_or(0, |(received, _)| received)
}

fn flow_status(frame: &CanFrame) -> Option<FlowStatus> {
    match Pci::decode(frame.payload(), Prefix::None) {
        Ok((Pci::FlowControl(control), _)) => Some(control.status),
        _ => None,
    }
}
