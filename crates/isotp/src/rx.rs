//! The receiving machine: puts one message together and answers its sender (ISO-TP spec ch. 8).

mod state;

use core::fmt;

use can_link::CanFrame;
pub(crate) use state::Pdu;
use state::{FrameData, Kind, Paused, Reception, State};
use tinwire_time::{Instant, TimerTable};

use crate::address::{Target, TxAddress};
use crate::buffer::Buffer;
use crate::config::{Config, Role};
use crate::error::{IgnoreReason, Timeout, TransferError};
use crate::event::{Event, Report};
use crate::pci::{FlowControl, FlowStatus, Pci, SequenceNumber, as_u8};

pub(crate) struct Rx<R> {
    state: State,
    buffer: R,
    /// A functional message that waits for the user. It is another conversation than the physical one, and so
    /// common beside a long physical transfer (TesterPresent) that it must neither end that nor wait for it.
    functional: Option<FrameData>,
    /// The flow control that waits to be polled.
    answer: Option<FlowStatus>,
    /// Flow controls handed out and not confirmed.
    unconfirmed: u8,
    timers: TimerTable<Kind, 3>,
}

impl<R: Buffer> Rx<R> {
    pub(crate) const fn new(buffer: R) -> Self {
        Self {
            state: State::Idle,
            buffer,
            functional: None,
            answer: None,
            unconfirmed: 0,
            timers: TimerTable::new(),
        }
    }

    /// Whether a message waits for the user.
    #[cfg(feature = "tokio")]
    pub(crate) const fn is_holding(&self) -> bool {
        self.functional.is_some() || matches!(self.state, State::Holding | State::Paused(_))
    }

    /// The message that waits for the user; a functional one first.
    pub(crate) fn held(&self) -> Option<(Target, &[u8])> {
        match (&self.functional, &self.state) {
            (Some(data), _) => Some((Target::Functional, data.as_slice())),
            (None, State::Holding | State::Paused(_)) => Some((Target::Physical, self.buffer.filled())),
            (None, State::Idle | State::Receiving(_)) => None,
        }
    }

    #[cfg(feature = "alloc")]
    pub(crate) const fn buffer_mut(&mut self) -> &mut R {
        &mut self.buffer
    }

    /// Whether a message is arriving.
    pub(crate) const fn is_receiving(&self) -> bool {
        matches!(self.state, State::Receiving(_) | State::Paused(_))
    }

    /// How much of the arriving message is there, and its length.
    pub(crate) fn progress(&self) -> Option<(u32, u32)> {
        match &self.state {
            State::Idle | State::Holding => None,
            State::Receiving(reception) => Some((self.filled(), reception.len)),
            State::Paused(paused) => Some((paused.first.len.into(), paused.len)),
        }
    }

    fn filled(&self) -> u32 {
        u32::try_from(self.buffer.filled().len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn handle_pdu(&mut self, now: Instant, pdu: &Pdu<'_>, config: &Config, report: &mut Report) {
        match pdu.pci {
            Pci::SingleFrame { .. } => self.single_frame(pdu, config, report),
            Pci::FirstFrame { len } => self.first_frame(now, len, pdu, config, report),
            Pci::ConsecutiveFrame { sequence } => self.consecutive_frame(now, sequence, pdu, config, report),
            Pci::FlowControl(_) => {}
        }
    }

    fn max_len(&self, config: &Config) -> u32 {
        let capacity = u32::try_from(self.buffer.capacity()).unwrap_or(u32::MAX);
        config.max_rx_len.min(capacity)
    }

    fn single_frame(&mut self, pdu: &Pdu<'_>, config: &Config, report: &mut Report) {
        if pdu.target == Target::Physical {
            self.fail(TransferError::UnexpectedPdu, report);
        }
        let len = u32::try_from(pdu.data.len()).unwrap_or(u32::MAX);
        let max = self.max_len(config);
        let room = match pdu.target {
            Target::Physical => matches!(self.state, State::Idle),
            Target::Functional => self.functional.is_none(),
        };
        if !room {
            report.ignored(IgnoreReason::NoRoom);
        } else if len > max {
            // A single frame has no flow control that could refuse it.
            report.event(Event::Refused { len, max });
        } else if pdu.target == Target::Functional {
            self.functional = Some(FrameData::new(pdu.data));
            let target = Target::Functional;
            report.event(Event::Received { len, target });
        } else {
            self.buffer.clear();
            self.buffer.append(pdu.data);
            self.hold(report);
        }
    }

    fn hold(&mut self, report: &mut Report) {
        self.timers.stop_all();
        self.answer = None;
        self.state = State::Holding;
        report.event(Event::Received {
            len: self.filled(),
            target: Target::Physical,
        });
    }

    fn first_frame(&mut self, now: Instant, len: u32, pdu: &Pdu<'_>, config: &Config, report: &mut Report) {
        self.fail(TransferError::UnexpectedPdu, report);
        let max = self.max_len(config);
        if len > max {
            return self.refuse(len, max, config, report);
        }
        if let State::Holding = self.state {
            // A listener has nobody it could ask to wait.
            if config.role == Role::Listener || config.wft_max == 0 {
                return self.refuse(len, max, config, report);
            }
            self.state = State::Paused(Paused {
                len,
                rx_dl: as_u8(pdu.frame.len()),
                waits: 0,
                first: FrameData::new(pdu.data),
            });
            self.timers.start(Kind::NBr, config.n_br.after(now));
        } else {
            self.begin(now, len, as_u8(pdu.frame.len()), pdu.data, config);
        }
        report.event(Event::ReceiveStarted { len });
    }

    fn refuse(&mut self, len: u32, max: u32, config: &Config, report: &mut Report) {
        self.answer = (config.role == Role::Endpoint).then_some(FlowStatus::Overflow);
        report.event(Event::Refused { len, max });
    }

    /// Stores a first frame's data and answers it.
    fn begin(&mut self, now: Instant, len: u32, rx_dl: u8, data: &[u8], config: &Config) {
        self.buffer.clear();
        self.buffer.append(data);
        self.state = State::Receiving(Reception {
            len,
            rx_dl,
            expected: SequenceNumber::FIRST,
            left: None,
            latest: None,
        });
        self.next_block(now, config);
    }

    /// Asks for the next block. A listener only waits for it.
    fn next_block(&mut self, now: Instant, config: &Config) {
        match config.role {
            Role::Endpoint => {
                self.timers.stop(Kind::NCr);
                self.answer = Some(FlowStatus::ContinueToSend);
            }
            Role::Listener => self.timers.start(Kind::NCr, config.n_cr.after(now)),
        }
    }

    fn consecutive_frame(
        &mut self,
        now: Instant,
        sequence: SequenceNumber,
        pdu: &Pdu<'_>,
        config: &Config,
        report: &mut Report,
    ) {
        let State::Receiving(reception) = &mut self.state else {
            return report.ignored(IgnoreReason::UnexpectedConsecutiveFrame);
        };
        if let (Some(gap), Some(latest)) = (config.forced_rx_gap, reception.latest)
            && now - latest < gap
        {
            return report.ignored(IgnoreReason::TooSoon);
        }
        let pci_len = pdu.frame.len() - pdu.data.len();
        let full = usize::from(reception.rx_dl) - pci_len;
        let missing = usize::try_from(reception.len)
            .unwrap_or(usize::MAX)
            .saturating_sub(self.buffer.filled().len());
        let need = full.min(missing);
        let Some(data) = pdu.data.get(..need).filter(|_| pdu.data.len() <= full) else {
            let (need, got) = (as_u8(need), as_u8(pdu.data.len()));
            return report.ignored(IgnoreReason::ConsecutiveFrameLength { need, got });
        };
        if sequence != reception.expected {
            let expected = reception.expected;
            return self.fail(
                TransferError::WrongSequence {
                    expected,
                    got: sequence,
                },
                report,
            );
        }
        if need == missing
            && let Err(fault) = config.padding_check.check(pdu.frame, pci_len + need)
        {
            return report.ignored(fault.into());
        }
        // The sender has seen the flow control it follows; its confirmation is not needed any more.
        self.unconfirmed = 0;
        self.timers.stop(Kind::NAr);
        self.buffer.append(data);
        if need == missing {
            return self.hold(report);
        }
        reception.latest = Some(now);
        reception.expected = reception.expected.after(1);
        reception.left = reception.left.map(|left| left - 1);
        if reception.left == Some(0) {
            reception.left = None;
            self.next_block(now, config);
        } else {
            self.timers.start(Kind::NCr, config.n_cr.after(now));
        }
    }

    /// Another node, whose message this machine follows, has answered its sender.
    pub(crate) fn handle_answer(
        &mut self,
        now: Instant,
        status: FlowStatus,
        config: &Config,
        report: &mut Report,
    ) {
        if !self.is_receiving() {
            return;
        }
        match status {
            FlowStatus::ContinueToSend | FlowStatus::Wait => {
                self.timers.start(Kind::NCr, config.n_cr.after(now));
            }
            FlowStatus::Overflow => self.fail(TransferError::Overflow, report),
            FlowStatus::Reserved(_) => self.fail(TransferError::InvalidFlowStatus(status), report),
        }
    }

    /// The user has taken the held message.
    pub(crate) fn release(&mut self, now: Instant, config: &Config) {
        if self.functional.take().is_some() {
            return;
        }
        match self.state {
            State::Idle | State::Receiving(_) => {}
            State::Holding => {
                self.buffer.clear();
                self.state = State::Idle;
            }
            State::Paused(paused) => {
                self.timers.stop(Kind::NBr);
                self.begin(now, paused.len, paused.rx_dl, paused.first.as_slice(), config);
            }
        }
    }

    pub(crate) fn poll(
        &mut self,
        now: Instant,
        config: &Config,
        address: &TxAddress,
        report: &mut Report,
    ) -> Option<CanFrame> {
        let status = self.answer.take()?;
        match &mut self.state {
            // The block is as long as this flow control says, however the configuration changes.
            State::Receiving(reception) => reception.left = config.block_size.frames(),
            _ if status == FlowStatus::Wait => report.stats.waits_sent += 1,
            _ => {}
        }
        self.unconfirmed = self.unconfirmed.saturating_add(1);
        self.timers.start(Kind::NAr, config.n_ar.after(now));
        // WAIT and OVFLW carry the real values too: some senders take them from the first flow control (ch.
        // 3).
        let control = FlowControl::new(status, config.block_size, config.st_min);
        let (frame, _) = config.data_link.frame(
            address.id(Target::Physical),
            address.address_byte(),
            Pci::FlowControl(control),
            &[],
            config.padding,
        );
        Some(frame)
    }

    /// The link has sent a flow control.
    pub(crate) fn handle_transmitted(&mut self, now: Instant, config: &Config) {
        let Some(rest) = self.unconfirmed.checked_sub(1) else {
            return;
        };
        self.unconfirmed = rest;
        if rest > 0 {
            return;
        }
        self.timers.stop(Kind::NAr);
        match self.state {
            State::Idle | State::Holding => {}
            State::Receiving(_) => self.timers.start(Kind::NCr, config.n_cr.after(now)),
            State::Paused(_) => self.timers.start(Kind::NBr, config.n_br.after(now)),
        }
    }

    /// The link will not send a flow control: the oldest one that is not confirmed.
    pub(crate) fn handle_not_transmitted(&mut self, report: &mut Report) {
        let Some(rest) = self.unconfirmed.checked_sub(1) else {
            return;
        };
        self.unconfirmed = rest;
        // With another one behind it, the sender does not wait for this one, or it was for an older message.
        if rest == 0 {
            self.fail(TransferError::Link, report);
        }
    }

    /// The link is gone, and with it the flow controls that it had taken.
    pub(crate) fn handle_link_lost(&mut self, report: &mut Report) {
        self.unconfirmed = 0;
        self.fail(TransferError::Link, report);
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.timers.earliest()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, config: &Config, report: &mut Report) {
        if self.timers.fire(Kind::NAr, now) {
            self.unconfirmed = 0;
            self.fail(TransferError::Timeout(Timeout::NAr), report);
        }
        if self.timers.fire(Kind::NCr, now) {
            self.fail(TransferError::Timeout(Timeout::NCr), report);
        }
        if self.timers.fire(Kind::NBr, now) {
            self.wait_longer(config, report);
        }
    }

    /// N_Br is over and the user has not taken the held message.
    fn wait_longer(&mut self, config: &Config, report: &mut Report) {
        let State::Paused(paused) = &mut self.state else {
            return;
        };
        if paused.waits < config.wft_max {
            paused.waits += 1;
            self.answer = Some(FlowStatus::Wait);
        } else {
            let len = paused.len;
            self.state = State::Holding;
            let max = self.max_len(config);
            self.refuse(len, max, config, report);
        }
    }

    /// Ends the arriving message, if any.
    pub(crate) fn fail(&mut self, error: TransferError, report: &mut Report) {
        let Some((received, len)) = self.progress() else {
            return;
        };
        self.state = match self.state {
            State::Paused(_) => State::Holding,
            _ => {
                self.buffer.clear();
                State::Idle
            }
        };
        self.answer = None;
        self.timers.stop_all();
        report.event(Event::ReceiveFailed { error, received, len });
    }
}

impl<R> Rx<R> {
    pub(crate) const fn state_name(&self) -> &'static str {
        match &self.state {
            State::Idle => "Idle",
            State::Holding => "Holding",
            State::Receiving(_) => "Receiving",
            State::Paused(_) => "Paused",
        }
    }
}

impl<R: Buffer> fmt::Debug for Rx<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct(self.state_name());
        if let Some((received, len)) = self.progress() {
            out.field("received", &received).field("len", &len);
        }
        if let State::Receiving(reception) = &self.state {
            out.field("expected", &reception.expected.value());
        }
        if let State::Paused(paused) = &self.state {
            out.field("waits", &paused.waits);
        }
        out.field("due", &self.timers.earliest()).finish()
    }
}
