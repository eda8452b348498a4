//! The sending machine: one message at a time (ISO-TP spec ch. 7).

mod transfer;

use core::fmt;
use core::time::Duration;

use can_link::CanFrame;
use tinwire_time::{Instant, TimerTable};
use transfer::{Fingerprint, Kind, Phase, Transfer};

use crate::address::{Target, TxAddress};
use crate::config::{Config, FlowParameters, Micros, Role};
use crate::error::{IgnoreReason, SendError, Timeout, TransferError};
use crate::event::{Event, Report, TransferId};
use crate::payload::Payload;
use crate::pci::{FlowControl, FlowStatus, Pci, SequenceNumber};
use crate::rate::Limiter;

/// Data bytes of a frame, at most.
const MAX_PART: usize = 64;
/// Frames handed out and not confirmed yet, at most. Only without a gap is it ever more than one.
const MAX_UNCONFIRMED: u8 = 32;
/// Within a block, consecutive frames from one progress event to the next, at most. More than can be
/// unconfirmed, so that confirmations that come all at once cause one event.
const PROGRESS_FRAMES: u8 = 64;
/// Within a block, the time from which on the next confirmed frame is a progress event.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

pub(crate) struct Tx<T> {
    transfer: Option<Transfer<T>>,
    timers: TimerTable<Kind, 4>,
    limiter: Limiter,
    last_id: TransferId,
}

impl<T: Payload> Tx<T> {
    pub(crate) const fn new() -> Self {
        Self {
            transfer: None,
            timers: TimerTable::new(),
            limiter: Limiter::new(),
            last_id: TransferId(0),
        }
    }

    pub(crate) const fn is_idle(&self) -> bool {
        self.transfer.is_none()
    }

    /// Whether the first frame of a message was handed out and it has not ended.
    pub(crate) fn is_transmitting(&self) -> bool {
        let phase = self.transfer.as_ref().map(|transfer| transfer.phase);
        phase.is_some_and(|phase| phase != Phase::Start)
    }

    /// The running transfer, how much of it was handed out, and its length.
    pub(crate) fn progress(&self) -> Option<(TransferId, u32, u32)> {
        let transfer = self.transfer.as_ref()?;
        Some((transfer.id, transfer.offset, transfer.len))
    }

    pub(crate) fn start(
        &mut self,
        payload: T,
        target: Target,
        config: &Config,
        address: &TxAddress,
    ) -> Result<TransferId, SendError> {
        let len = self.check(payload.message_len(), target, config, address)?;
        self.last_id = TransferId(self.last_id.0 + 1);
        self.transfer = Some(Transfer {
            id: self.last_id,
            payload,
            len,
            target,
            phase: Phase::Start,
            offset: 0,
            head: Fingerprint::default(),
            head_unconfirmed: false,
            unconfirmed: 0,
            next: SequenceNumber::FIRST,
            first_control: None,
            frame_len: u8::try_from(config.data_link.tx_dl().len() - 1 - address.prefix().len()).unwrap_or(0),
            unreported: 0,
            reported: Instant::ZERO,
        });
        Ok(self.last_id)
    }

    /// What can be said against a message of `len` bytes, or its length.
    pub(crate) fn check(
        &self,
        len: usize,
        target: Target,
        config: &Config,
        address: &TxAddress,
    ) -> Result<u32, SendError> {
        let single = config.data_link.max_single_len(address.prefix());
        match (config.role, target) {
            (Role::Listener, _) => return Err(SendError::Listener),
            _ if len == 0 => return Err(SendError::Empty),
            (_, Target::Functional) if len > single => {
                return Err(SendError::FunctionalTooLong { len, max: single });
            }
            _ if !self.is_idle() => return Err(SendError::Busy),
            _ => {}
        }
        let max = usize::try_from(u32::MAX).unwrap_or(usize::MAX);
        u32::try_from(len).map_err(|_| SendError::TooLong { len, max })
    }

    pub(crate) fn poll(
        &mut self,
        now: Instant,
        config: &Config,
        address: &TxAddress,
        report: &mut Report,
    ) -> Option<CanFrame> {
        let transfer = self.transfer.as_mut()?;
        let pci = match transfer.phase {
            Phase::WaitFlow { .. } | Phase::Finishing => return None,
            Phase::Start => head(transfer.len, config, address),
            Phase::Sending { gap, .. } => {
                let gap_runs = self.timers.deadline(Kind::Gap).is_some_and(|due| due > now);
                let in_flight = if gap.is_zero() { MAX_UNCONFIRMED } else { 1 };
                if gap_runs || transfer.unconfirmed >= in_flight {
                    return None;
                }
                Pci::ConsecutiveFrame {
                    sequence: transfer.next,
                }
            }
        };
        let link = &config.data_link;
        let (len, taken) = link.part(address.prefix().len(), pci, transfer.rest(), config.padding);
        // Before its bytes are taken: a source gives them once.
        if let Some(limit) = &config.rate_limit
            && let Err(due) = self.limiter.admit(now, len, limit)
        {
            self.timers.start(Kind::Rate, due);
            return None;
        }
        let mut room = [0; MAX_PART];
        let part = room.get_mut(..taken).unwrap_or_default();
        if let Err(error) = transfer.take(part) {
            self.fail(error, report);
            return None;
        }
        let id = address.id(transfer.target);
        let (frame, _) = link.frame(id, address.address_byte(), pci, part, config.padding);
        self.timers.stop(Kind::Gap);
        self.timers.stop(Kind::Rate);
        if transfer.all_confirmed() {
            self.timers.start(Kind::NAs, config.n_as.after(now));
        }
        transfer.phase = match transfer.phase {
            Phase::Start => {
                transfer.head = Fingerprint::of(part);
                transfer.head_unconfirmed = true;
                if transfer.rest() == 0 {
                    Phase::Finishing
                } else {
                    Phase::WaitFlow { waits: 0 }
                }
            }
            Phase::Sending { left, gap } => {
                transfer.unconfirmed += 1;
                transfer.next = transfer.next.after(1);
                match left.map(|left| left - 1) {
                    _ if transfer.rest() == 0 => Phase::Finishing,
                    Some(0) => Phase::WaitFlow { waits: 0 },
                    left => Phase::Sending { left, gap },
                }
            }
            phase => phase,
        };
        Some(frame)
    }

    /// The link has sent a frame of this machine.
    pub(crate) fn handle_transmitted(
        &mut self,
        now: Instant,
        (pci, data): (Pci, &[u8]),
        config: &Config,
        report: &mut Report,
    ) {
        let Some(transfer) = self.transfer.as_mut() else {
            return;
        };
        if !transfer.confirm(pci, data) {
            return;
        }
        if transfer.all_confirmed() {
            self.timers.stop(Kind::NAs);
        } else {
            self.timers.start(Kind::NAs, config.n_as.after(now));
        }
        match pci {
            Pci::FirstFrame { .. } => {
                transfer.reported = now;
                report.event(Event::FirstFrameSent { id: transfer.id });
            }
            Pci::ConsecutiveFrame { .. } if matches!(transfer.phase, Phase::Sending { .. }) => {
                transfer.unreported += 1;
                if transfer.unreported == PROGRESS_FRAMES || now - transfer.reported >= PROGRESS_INTERVAL {
                    transfer.report_progress(now, report);
                }
            }
            _ => {}
        }
        match transfer.phase {
            Phase::WaitFlow { .. } if transfer.all_confirmed() => {
                self.timers.start(Kind::NBs, config.n_bs.after(now));
            }
            Phase::Sending { gap, .. } if !gap.is_zero() => self.timers.start(Kind::Gap, gap.after(now)),
            Phase::Finishing if transfer.all_confirmed() => {
                let id = transfer.id;
                self.reset();
                report.event(Event::Sent { id });
            }
            _ => {}
        }
    }

    /// The link will not send a frame of this machine, perhaps of a message that has ended.
    pub(crate) fn handle_not_transmitted(&mut self, (pci, data): (Pci, &[u8]), report: &mut Report) {
        let transfer = self.transfer.as_ref();
        if transfer.is_some_and(|transfer| transfer.awaits(pci, data)) {
            self.fail(TransferError::Link, report);
        }
    }

    pub(crate) fn handle_flow_control(
        &mut self,
        now: Instant,
        control: FlowControl,
        config: &Config,
        report: &mut Report,
    ) {
        let Some(transfer) = self.transfer.as_mut() else {
            return report.ignored(IgnoreReason::UnexpectedFlowControl);
        };
        let Phase::WaitFlow { waits } = transfer.phase else {
            return report.ignored(IgnoreReason::UnexpectedFlowControl);
        };
        // The receiver has seen what it answers, so a confirmation that is still under way is not needed any
        // more.
        if core::mem::take(&mut transfer.head_unconfirmed) {
            transfer.reported = now;
            report.event(Event::FirstFrameSent { id: transfer.id });
        }
        transfer.unconfirmed = 0;
        // With no more than the first frame out, nothing is answered that was not told.
        if waits == 0 && transfer.offset > u32::from(transfer.frame_len) {
            transfer.report_progress(now, report);
        }
        self.timers.stop(Kind::NAs);
        let first = *transfer.first_control.get_or_insert(control);
        let parameters = match config.flow_parameters {
            FlowParameters::EachCts => control,
            FlowParameters::First => first,
        };
        match control.status {
            FlowStatus::ContinueToSend => {
                self.timers.stop(Kind::NBs);
                let gap = config.forced_gap.unwrap_or_else(|| parameters.st_min().gap());
                transfer.phase = Phase::Sending {
                    left: parameters.block_size.frames(),
                    gap: Micros::covering(gap).plus(config.extra_gap),
                };
            }
            FlowStatus::Wait => {
                report.stats.waits_received += 1;
                match config.wait_limit {
                    Some(max) if waits >= max => self.fail(TransferError::TooManyWaits { max }, report),
                    _ => {
                        transfer.phase = Phase::WaitFlow {
                            waits: waits.saturating_add(1),
                        };
                        self.timers.start(Kind::NBs, config.n_bs.after(now));
                    }
                }
            }
            FlowStatus::Overflow => self.fail(TransferError::Overflow, report),
            FlowStatus::Reserved(_) => self.fail(TransferError::InvalidFlowStatus(control.status), report),
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.timers.earliest()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, report: &mut Report) {
        // With the gap over, or room for it, poll has something to send; there is nothing else to do.
        self.timers.fire(Kind::Gap, now);
        self.timers.fire(Kind::Rate, now);
        if self.timers.fire(Kind::NAs, now) {
            self.fail(TransferError::Timeout(Timeout::NAs), report);
        }
        if self.timers.fire(Kind::NBs, now) {
            self.fail(TransferError::Timeout(Timeout::NBs), report);
        }
    }

    /// Ends the running transfer, if any.
    pub(crate) fn fail(&mut self, error: TransferError, report: &mut Report) {
        if let Some(transfer) = self.reset() {
            report.event(Event::SendFailed {
                id: transfer.id,
                error,
                sent: transfer.offset,
                len: transfer.len,
            });
        }
    }

    fn reset(&mut self) -> Option<Transfer<T>> {
        self.timers.stop_all();
        self.transfer.take()
    }
}

/// The PCI that a message of `len` bytes begins with.
fn head(len: u32, config: &Config, address: &TxAddress) -> Pci {
    match u8::try_from(len) {
        Ok(short) if usize::from(short) <= config.data_link.max_single_len(address.prefix()) => {
            Pci::SingleFrame { len: short }
        }
        _ => Pci::FirstFrame { len },
    }
}

impl<T> Tx<T> {
    pub(crate) fn state_name(&self) -> &'static str {
        match self.transfer.as_ref().map(|transfer| transfer.phase) {
            None => "Idle",
            Some(Phase::Start) => "Start",
            Some(Phase::WaitFlow { .. }) => "WaitFlow",
            Some(Phase::Sending { .. }) => "Sending",
            Some(Phase::Finishing) => "Finishing",
        }
    }
}

impl<T> fmt::Debug for Tx<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct(self.state_name());
        if let Some(transfer) = &self.transfer {
            out.field("sent", &transfer.offset)
                .field("len", &transfer.len)
                .field("next", &transfer.next.value());
        }
        out.field("due", &self.timers.earliest()).finish()
    }
}
