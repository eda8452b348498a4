//! A channel in some state, and words for what it does.

use bytes::Bytes;
use can_link::frame::{FdFlags, FdFrame};
use can_link::{CanFrame, StandardId};
use isotp::{Address, BytesChannel, Config, Event, IgnoreReason};
use tinwire_time::Instant;

/// The length of the messages that are received and sent.
pub(crate) const RECEIVED_LEN: usize = 20;
pub(crate) const SENT_LEN: usize = 30;

/// Where a channel stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Idle,
    /// The first frame of 20 bytes is there.
    Receiving,
    /// The first frame of 30 bytes is out.
    WaitingForFlowControl,
    /// The first of four consecutive frames is out; the gap is 10 ms.
    Sending,
}

impl State {
    pub(crate) const ALL: [Self; 4] = [
        Self::Idle,
        Self::Receiving,
        Self::WaitingForFlowControl,
        Self::Sending,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Receiving => "receiving",
            Self::WaitingForFlowControl => "waiting for FC",
            Self::Sending => "sending CFs",
        }
    }
}

pub(crate) struct Bench {
    pub(crate) channel: BytesChannel,
    pub(crate) millis: u64,
}

fn id(raw: u16) -> StandardId {
    StandardId::new(raw).unwrap()
}

impl Bench {
    pub(crate) fn with(config: Config) -> Self {
        let address = Address::normal(id(0x7E0), id(0x7E8)).unwrap();
        Self {
            channel: BytesChannel::new(address, config),
            millis: 0,
        }
    }

    pub(crate) fn new(state: State) -> Self {
        let mut bench = Self::with(Config::default().max_rx_len(100));
        match state {
            State::Idle => {}
            State::Receiving => bench.frame(&first_frame(RECEIVED_LEN)),
            State::WaitingForFlowControl | State::Sending => {
                bench.send(SENT_LEN).unwrap();
                bench.settle();
            }
        }
        if state == State::Sending {
            bench.frame(&[0x30, 0, 10]);
        }
        bench.settle();
        bench
    }

    pub(crate) fn now(&self) -> Instant {
        Instant::from_millis(self.millis)
    }

    pub(crate) fn frame(&mut self, data: &[u8]) {
        let now = self.now();
        let frame = if data.len() > 8 {
            FdFrame::new(id(0x7E8), data, FdFlags::NONE).unwrap().into()
        } else {
            CanFrame::data(id(0x7E8), data).unwrap()
        };
        self.channel.handle_frame(now, &frame);
    }

    pub(crate) fn send(&mut self, len: usize) -> Result<(), isotp::SendError> {
        let now = self.now();
        self.channel.send(now, Bytes::from(vec![0x5A; len])).map(|_| ())
    }

    /// Lets time pass; what happens on the way.
    pub(crate) fn wait(&mut self, millis: u64) -> Vec<String> {
        let end = self.millis + millis;
        let mut seen = Vec::new();
        while let Some(due) = self
            .channel
            .poll_timeout()
            .map(|due| due.as_micros().div_ceil(1000))
            && due <= end
        {
            self.millis = due.max(self.millis);
            let now = self.now();
            self.channel.handle_timeout(now);
            seen.extend(self.settle());
        }
        self.millis = end;
        seen
    }

    /// What it reports and sends, each frame confirmed at once.
    pub(crate) fn settle(&mut self) -> Vec<String> {
        let now = self.now();
        let mut seen = Vec::new();
        loop {
            seen.extend(core::iter::from_fn(|| self.channel.poll_event()).map(|event| in_words(&event)));
            let Some(frame) = self.channel.poll_transmit(now) else {
                return seen;
            };
            seen.push(format!("sends {}", name(frame.payload())));
            self.channel.handle_transmitted(now, &frame);
        }
    }

    /// The messages it holds.
    pub(crate) fn take(&mut self) -> Vec<usize> {
        let now = self.now();
        core::iter::from_fn(|| self.channel.take_received(now))
            .map(|(_, message)| message.len())
            .collect()
    }
}

pub(crate) fn first_frame(len: usize) -> [u8; 8] {
    [0x10, u8::try_from(len).unwrap(), 0, 1, 2, 3, 4, 5]
}

pub(crate) const fn consecutive(number: u8) -> [u8; 8] {
    [0x20 | number, 0, 1, 2, 3, 4, 5, 6]
}

fn name(data: &[u8]) -> String {
    match data.first().copied().unwrap_or_default() {
        0x30 => String::from("FC.CTS"),
        0x31 => String::from("FC.WAIT"),
        0x32 => String::from("FC.OVFLW"),
        first => match first >> 4 {
            0 => String::from("SF"),
            1 => String::from("FF"),
            _ => format!("CF {}", first & 0x0F),
        },
    }
}

fn in_words(event: &Event) -> String {
    match event {
        Event::FirstFrameSent { .. } => String::from("FF confirmed"),
        Event::Progress { sent, len, .. } => format!("{sent} of {len} confirmed"),
        Event::Sent { .. } => String::from("sent"),
        Event::SendFailed { error, .. } => format!("send fails {}", error.n_result()),
        Event::ReceiveStarted { .. } => String::from("reception begins"),
        Event::Received { .. } => String::from("delivered"),
        Event::ReceiveFailed { error, .. } => format!("reception fails {}", error.n_result()),
        Event::Refused { .. } => String::from("refused"),
        Event::Ignored(IgnoreReason::Malformed(_)) => String::from("ignored"),
        Event::Ignored(_) => String::from("ignored"),
        other => format!("{other:?}"),
    }
}
