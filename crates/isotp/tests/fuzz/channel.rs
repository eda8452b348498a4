//! Any sequence of frames, times and calls against one channel, beside a transfer between two others.

use core::time::Duration;
use std::collections::VecDeque;

use bytes::BytesMut;
use can_link::{CanFrame, ExtendedId, Id, StandardId};
use isotp::{
    Address, Buffer, Channel, Config, DataLink, Event, FlowControl, FlowParameters, FlowStatus, Pci, Role,
    Target, TransferId,
};
use testkit::fuzz::Input;
use tinwire_time::Instant;

use crate::bystander::Bystander;
use crate::choice::{self, Known, frame};

/// One more than the longest message that is sent.
const MAX_SENT: usize = 600;
/// Years away, and long before the clock overflows.
const END_OF_TIME: Instant = Instant::from_millis(1 << 40);

pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (address, (config, known)) = (choice::address(&mut input), choice::config(&mut input));
    let mut bystander = Bystander::new(&address);
    let mut subject = Subject::new(address, config, known);
    let mut peer = Peer {
        link: choice::data_link(&mut input),
        next: 1,
    };
    while !input.is_empty() {
        let heard = match input.byte() % 16 {
            0..=5 => Some(peer.frame(&mut input, &address)),
            6..=8 => subject.transmit(input.byte() % 4),
            15 => {
                let frame = bystander.step(subject.now);
                frame.iter().for_each(|frame| subject.hear_foreign(frame));
                None
            }
            call => {
                subject.call(call, &mut input);
                None
            }
        };
        if let Some(frame) = heard.filter(|frame| !bystander.owns(frame)) {
            bystander.hear(subject.now, &frame);
            subject.hear(&frame);
        }
        subject.check();
    }
    bystander.finish(subject.now);
    subject.finish();
}

/// The other node as far as it has a memory.
struct Peer {
    link: DataLink,
    /// The consecutive frame that would be right.
    next: u8,
}

impl Peer {
    /// A frame from the bus: mostly one for the channel, with a PCI that fits.
    fn frame(&mut self, input: &mut Input<'_>, address: &Address) -> CanFrame {
        let kind = input.byte();
        let id = match kind % 8 {
            0 => id(input),
            1 => StandardId::new(0x7DF).unwrap().into(),
            _ => address.reversed().tx().id(Target::Physical),
        };
        let mut data: Vec<u8> = match kind % 16 {
            8 => vec![input.byte()],
            _ => address.rx().address_byte().into_iter().collect(),
        };
        let pdu = choice::pdu(input, self.next, &self.link);
        match pdu.first().map(|first| first >> 4) {
            Some(1) => self.next = 1,
            Some(2) => self.next = self.next.wrapping_add(1),
            _ => {}
        }
        data.extend(pdu);
        data.truncate(64);
        frame(id, &data, self.link != DataLink::Classic)
    }
}

/// A buffer that grows, and knows by how much it may.
#[derive(Debug, Default)]
struct Metered {
    bytes: BytesMut,
    longest: usize,
}

impl Buffer for Metered {
    fn capacity(&self) -> usize {
        usize::MAX
    }

    fn clear(&mut self) {
        Buffer::clear(&mut self.bytes);
    }

    fn append(&mut self, data: &[u8]) {
        assert!(data.len() <= 63, "more than a frame holds");
        Buffer::append(&mut self.bytes, data);
        self.longest = self.longest.max(self.bytes.len());
        let capacity = self.bytes.capacity();
        assert!(
            capacity <= 2 * self.longest + 64,
            "{capacity} bytes for {}",
            self.longest
        );
    }

    fn filled(&self) -> &[u8] {
        self.bytes.filled()
    }
}

/// The channel, and what is known of it from outside.
struct Subject {
    channel: Channel<Vec<u8>, Metered>,
    known: Known,
    now: Instant,
    /// The message under way, and the last one before.
    running: Option<TransferId>,
    last: Option<TransferId>,
    /// What answered its first frame.
    first_control: Option<FlowControl>,
    /// The gap that was asked for, and until when it keeps the next frame back.
    gap: Duration,
    due: Option<Instant>,
    /// Consecutive frames until the next flow control; `None`: any number.
    allowed: Option<u8>,
    /// Frames that were handed out and neither confirmed nor refused.
    unconfirmed: VecDeque<CanFrame>,
    is_receiving: bool,
}

impl Subject {
    fn new(address: Address, config: Config, known: Known) -> Self {
        Self {
            channel: Channel::with_buffer(address, config, Metered::default()),
            known,
            now: Instant::ZERO,
            running: None,
            last: None,
            first_control: None,
            gap: Duration::ZERO,
            due: None,
            allowed: Some(0),
            unconfirmed: VecDeque::new(),
            is_receiving: false,
        }
    }

    fn call(&mut self, call: u8, input: &mut Input<'_>) {
        match call {
            9 => self.wait(choice::duration(input)),
            10 => self.wait_for_timer(Duration::from_micros(input.flag().into())),
            11 => self.send(usize::from(input.word()) % MAX_SENT, input.pick(&TARGETS)),
            12 => self.conclude(input.flag()),
            13 => self.take(),
            _ => match input.byte() % 8 {
                0 => _ = self.channel.abort_send(),
                1 => self.channel.abort_receive(),
                2 => self.channel.handle_link_lost(),
                _ => {}
            },
        }
    }

    /// A frame from the bus.
    fn hear(&mut self, frame: &CanFrame) {
        let awaited = self.running;
        self.channel.handle_frame(self.now, frame);
        let events = self.events();
        assert!(events.len() <= 3, "{events:?}");
        let is_ignored = events.iter().any(|event| matches!(event, Event::Ignored(_)));
        let control = self.control_in(frame);
        if let Some(control) = control.filter(|_| !is_ignored && awaited.is_some()) {
            let first = *self.first_control.get_or_insert(control);
            if control.status == FlowStatus::ContinueToSend {
                let parameters = match self.known.flow_parameters {
                    FlowParameters::EachCts => control,
                    FlowParameters::First => first,
                };
                let gap = self.known.forced_gap;
                self.gap = gap.unwrap_or_else(|| parameters.st_min().gap());
                self.allowed = parameters.block_size.frames();
                self.due = None;
            }
        }
    }

    /// The flow control in a frame from the bus.
    fn control_in(&self, frame: &CanFrame) -> Option<FlowControl> {
        let rx = self.channel.address().rx();
        match Pci::decode(rx.matches(frame)?.1, rx.prefix()) {
            Ok((Pci::FlowControl(control), _)) if self.known.role == Role::Endpoint => Some(control),
            _ => None,
        }
    }

    /// A frame with another address does nothing at all.
    fn hear_foreign(&mut self, frame: &CanFrame) {
        let (state, foreign) = (format!("{:?}", self.channel), self.channel.stats().frames_foreign);
        self.channel.handle_frame(self.now, frame);
        assert_eq!(format!("{:?}", self.channel), state);
        assert_eq!(self.channel.stats().frames_foreign, foreign + 1);
        assert_eq!(self.events(), []);
    }

    /// What a frame of the channel's own says.
    fn own_pci(&self, frame: &CanFrame) -> Pci {
        let tx = self.channel.address().tx();
        let (_, data) = tx.matches(frame).expect("a frame with its address");
        Pci::decode_padded(data, tx.prefix(), 64).expect("a valid PDU").0
    }

    /// Takes one frame to send: it is confirmed at once, later or never, or refused.
    fn transmit(&mut self, fate: u8) -> Option<CanFrame> {
        let frame = self.channel.poll_transmit(self.now)?;
        assert_eq!(self.known.role, Role::Endpoint, "a listener sends");
        let pci = self.own_pci(&frame);
        match pci {
            Pci::FlowControl(control) => {
                assert_eq!(control.block_size, self.known.block_size);
                assert_eq!(control.st_min_bits, self.known.st_min.to_bits());
            }
            Pci::ConsecutiveFrame { .. } => {
                assert!(self.due.is_none_or(|due| due <= self.now), "sooner than STmin");
                let allowed = self.allowed.as_mut();
                if let Some(allowed) = allowed {
                    *allowed = allowed.checked_sub(1).expect("more frames than the block has");
                }
            }
            Pci::SingleFrame { .. } | Pci::FirstFrame { .. } => self.allowed = Some(0),
        }
        assert!(
            matches!(pci, Pci::FlowControl(_)) || self.running.is_some(),
            "a frame of no message"
        );
        match fate {
            0 | 1 => {
                if let Pci::ConsecutiveFrame { .. } = pci {
                    self.due = Some(self.now + self.gap);
                }
                self.channel.handle_transmitted(self.now, &frame);
            }
            2 => self.unconfirmed.push_back(frame.clone()),
            _ => {
                self.channel.handle_not_transmitted(self.now, &frame);
                return None;
            }
        }
        self.unconfirmed.truncate(64);
        Some(frame)
    }

    /// The link tells what became of the oldest frame that it has.
    fn conclude(&mut self, is_refused: bool) {
        match self.unconfirmed.pop_front() {
            Some(frame) if is_refused => self.channel.handle_not_transmitted(self.now, &frame),
            Some(frame) => self.channel.handle_transmitted(self.now, &frame),
            None => {}
        }
    }

    fn wait(&mut self, time: Duration) {
        if self.now + time > END_OF_TIME {
            return;
        }
        self.now += time;
        self.channel.handle_timeout(self.now);
        let late = self.channel.poll_timeout().filter(|&due| due <= self.now);
        assert_eq!(late, None, "a timer that is due still runs");
    }

    fn wait_for_timer(&mut self, early: Duration) {
        let due = self.channel.poll_timeout();
        let until = due.map(|due| due.saturating_since(self.now));
        self.wait(until.unwrap_or_default().saturating_sub(early));
    }

    fn send(&mut self, len: usize, target: Target) {
        let (payload, is_free) = (vec![7; len], self.channel.can_send());
        let result = match target {
            Target::Physical => self.channel.send(self.now, payload),
            Target::Functional => self.channel.send_functional(self.now, payload),
        };
        if let Ok(id) = result {
            assert!(is_free && len > 0 && self.last < Some(id));
            (self.running, self.last) = (Some(id), Some(id));
            (self.due, self.first_control) = (None, None);
        }
    }

    fn take(&mut self) {
        let held = self.channel.received().map(|(_, message)| message.len());
        if let Some(len) = held {
            assert!(len > 0 && u32::try_from(len).unwrap() <= self.known.max_rx_len);
            self.channel.release(self.now);
        }
    }

    /// Takes all events; each message has one outcome.
    fn events(&mut self) -> Vec<Event> {
        let events: Vec<_> = core::iter::from_fn(|| self.channel.poll_event()).collect();
        for event in &events {
            match *event {
                Event::FirstFrameSent { id } => assert_eq!(self.running, Some(id)),
                Event::Progress { id, sent, len } => assert!(self.running == Some(id) && sent < len),
                Event::Sent { id } => assert_eq!(self.running.take(), Some(id)),
                Event::SendFailed { id, sent, len, .. } => {
                    assert!(self.running.take() == Some(id) && sent <= len);
                }
                Event::ReceiveStarted { len } => {
                    assert!(!self.is_receiving && len <= self.known.max_rx_len);
                    self.is_receiving = true;
                }
                Event::ReceiveFailed { received, len, .. } => {
                    assert!(self.is_receiving && received < len);
                    self.is_receiving = false;
                }
                Event::Received { target, .. } => self.is_receiving &= target == Target::Functional,
                // It may be about another message than the one that is being received.
                Event::Refused { .. } => self.is_receiving &= self.channel.receiving().is_some(),
                _ => {}
            }
        }
        events
    }

    /// What holds at any time.
    fn check(&mut self) {
        self.events();
        assert_eq!(
            self.channel.sending().map(|(id, ..)| id),
            self.running,
            "a message ended silently"
        );
        assert!(self.channel.sending().is_none_or(|(_, sent, len)| sent <= len));
        assert_eq!(self.channel.can_send(), self.running.is_none());
        assert_eq!(
            self.channel.receiving().is_some(),
            self.is_receiving,
            "a message vanished"
        );
        assert!(
            self.channel
                .receiving()
                .is_none_or(|(received, len)| received < len)
        );
        assert_eq!(self.channel.stats().events_lost, 0);
    }

    /// Whatever happened, the channel works.
    fn finish(mut self) {
        self.channel.abort_send();
        self.channel.abort_receive();
        self.check();
        self.take();
        self.take();
        assert!(self.channel.received().is_none());
        while let Some(answer) = self.channel.poll_transmit(self.now) {
            assert!(matches!(self.own_pci(&answer), Pci::FlowControl(_)));
        }
        self.send(3, Target::Physical);
        if self.known.role == Role::Endpoint {
            // A rate limit lets it go after a while.
            let mut frame = self.transmit(0);
            for _ in 0..100 {
                if frame.is_none() {
                    self.wait_for_timer(Duration::ZERO);
                    frame = self.transmit(0);
                }
            }
            let frame = frame.expect("a single frame");
            assert!(matches!(self.own_pci(&frame), Pci::SingleFrame { len: 3 }));
            self.check();
            assert!(self.channel.can_send());
        }
    }
}

const TARGETS: [Target; 4] = [
    Target::Physical,
    Target::Physical,
    Target::Physical,
    Target::Functional,
];

/// An identifier, near those of the addresses or an extended one.
fn id(input: &mut Input<'_>) -> Id {
    let bits = input.byte();
    match bits >> 6 {
        0..=2 => StandardId::new(0x700 + u16::from(bits)).unwrap().into(),
        _ => ExtendedId::new(0x18DA_0000 + u32::from(bits)).unwrap().into(),
    }
}
