//! Measures the messages of one direction from the frames of both, without I/O.
//!
//! Times are those of the ends of frames. Where the bit rate is known, a frame's own time is taken off, so
//! that a gap is what the standard means: from the end of one consecutive frame to the begin of the next.

use core::time::Duration;

use can_link::frame::FdFlags;
use can_link::virtual_bus::{BitRate, frame_duration};
use can_link::{CanFrame, Id};
use isotp::{FlowControl, FlowStatus, Pci, Prefix, SequenceNumber, StMin};
use tinwire_time::Instant;

/// How long a transfer may pause before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whose messages are measured, and who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) source: (Id, Option<u8>),
    pub(super) destination: (Id, Option<u8>),
}

/// A message that went through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Measured {
    pub(super) len: u32,
    /// From its begin to its end.
    pub(super) took: Duration,
    /// From the end of its first frame to the end of its last one, as isotpperf has it.
    pub(super) between: Duration,
    /// What its frames, flow controls included, take back to back, where the bit rate is known.
    pub(super) frames_take: Option<Duration>,
    /// What block size and separation time make it take at least, where the bit rate is known.
    pub(super) must_take: Option<Duration>,
    pub(super) frames: u64,
    pub(super) frame: FrameKind,
    pub(super) block_size: u8,
    pub(super) st_min_bits: u8,
}

/// What the first frame looked like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameKind {
    pub(super) is_fd: bool,
    pub(super) has_brs: bool,
    pub(super) can_dl: usize,
}

impl FrameKind {
    fn of(frame: &CanFrame) -> Self {
        let flags = match frame {
            CanFrame::Fd(fd) => fd.flags(),
            _ => FdFlags::from_bits(0),
        };
        Self {
            is_fd: matches!(frame, CanFrame::Fd(_)),
            has_brs: flags.contains(FdFlags::BRS),
            can_dl: frame.payload().len().max(8),
        }
    }
}

/// A gap between two consecutive frames of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) asked: StMin,
    pub(super) kept: Duration,
}

/// What a frame has shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) gap: Option<Gap>,
    /// A message went on: bytes so far, and all.
    pub(super) progress: Option<(u32, u32)>,
    pub(super) measured: Option<Measured>,
    /// The message before this frame broke off.
    pub(super) failed: bool,
}

#[derive(Debug)]
pub(super) struct Meter {
    pair: Pair,
    rate: Option<BitRate>,
    block_size: u8,
    st_min_bits: u8,
    transfer: Option<Transfer>,
}

#[derive(Debug)]
struct Transfer {
    len: u32,
    received: u32,
    next: SequenceNumber,
    began: Instant,
    first_end: Instant,
    latest: Instant,
    frames: u64,
    frames_take: Duration,
    must_wait: Duration,
    /// The end of the consecutive frame before, if it is of this block.
    before: Option<Instant>,
    frame: FrameKind,
}

impl Meter {
    pub(super) const fn new(pair: Pair, rate: Option<BitRate>) -> Self {
        Self {
            pair,
            rate,
            block_size: 0,
            st_min_bits: 0,
            transfer: None,
        }
    }

    /// Whether a message has begun and not ended.
    pub(super) const fn is_measuring(&self) -> bool {
        self.transfer.is_some()
    }

    /// Gives up a transfer that has stood still for too long; whether there was one.
    pub(super) fn expire(&mut self, now: Instant) -> bool {
        let is_over = |transfer: &mut Transfer| now.saturating_since(transfer.latest) > PATIENCE;
        self.transfer.take_if(is_over).is_some()
    }

    pub(super) fn handle_frame(&mut self, now: Instant, frame: &CanFrame) -> Shown {
        if !matches!(frame, CanFrame::Data(_) | CanFrame::Fd(_)) {
            return Shown::default();
        }
        let is_source = frame.id() == self.pair.source.0;
        let byte = match frame.id() {
            _ if is_source => self.pair.source.1,
            id if id == self.pair.destination.0 => self.pair.destination.1,
            _ => return Shown::default(),
        };
        let (prefix, data) = match (byte, frame.payload().split_first()) {
            (None, _) => (Prefix::None, frame.payload()),
            (Some(byte), Some((&first, rest))) if byte == first => (Prefix::AddressByte, rest),
            _ => return Shown::default(),
        };
        let Ok((pci, data)) = Pci::decode_padded(data, prefix, usize::MAX) else {
            return Shown::default();
        };
        match pci {
            Pci::FlowControl(control) if !is_source => self.flow_control(now, frame, control),
            Pci::SingleFrame { len } if is_source => self.single(frame, len.into()),
            Pci::FirstFrame { len } if is_source => self.first(now, frame, len, data.len()),
            Pci::ConsecutiveFrame { sequence } if is_source => {
                let room = frame.payload().len().saturating_sub(prefix.len() + 1);
                self.consecutive(now, frame, sequence, room)
            }
            _ => Shown::default(),
        }
    }

    /// How long a frame occupies the bus; no time where the bit rate is unknown.
    fn time_of(&self, frame: &CanFrame) -> Duration {
        self.rate
            .map_or(Duration::ZERO, |rate| frame_duration(frame, rate))
    }

    fn flow_control(&mut self, now: Instant, frame: &CanFrame, control: FlowControl) -> Shown {
        self.block_size = control.block_size.to_bits();
        self.st_min_bits = control.st_min_bits;
        let time = self.time_of(frame);
        let Some(transfer) = &mut self.transfer else {
            return Shown::default();
        };
        transfer.latest = now;
        transfer.frames += 1;
        transfer.frames_take += time;
        transfer.before = None;
        let progress = Some((transfer.received, transfer.len));
        let failed = control.status == FlowStatus::Overflow;
        if failed {
            self.transfer = None;
        }
        Shown {
            progress,
            failed,
            ..Shown::default()
        }
    }

    fn single(&mut self, frame: &CanFrame, len: u32) -> Shown {
        let failed = self.transfer.take().is_some();
        let time = self.time_of(frame);
        let known = self.rate.map(|_| time);
        Shown {
            failed,
            progress: Some((len, len)),
            measured: Some(Measured {
                len,
                took: time,
                between: Duration::ZERO,
                frames_take: known,
                must_take: known,
                frames: 1,
                frame: FrameKind::of(frame),
                block_size: self.block_size,
                st_min_bits: self.st_min_bits,
            }),
            ..Shown::default()
        }
    }

    fn first(&mut self, now: Instant, frame: &CanFrame, len: u32, data: usize) -> Shown {
        let time = self.time_of(frame);
        let received = u32::try_from(data).unwrap_or(u32::MAX).min(len);
        let began = now.as_micros().saturating_sub(micros(time));
        let failed = self.transfer.replace(Transfer {
            len,
            received,
            next: SequenceNumber::FIRST,
            began: Instant::from_micros(began),
            first_end: now,
            latest: now,
            frames: 1,
            frames_take: time,
            must_wait: Duration::ZERO,
            before: None,
            frame: FrameKind::of(frame),
        });
        Shown {
            failed: failed.is_some(),
            progress: Some((received, len)),
            ..Shown::default()
        }
    }

    fn consecutive(
        &mut self,
        now: Instant,
        frame: &CanFrame,
        sequence: SequenceNumber,
        data: usize,
    ) -> Shown {
        let time = self.time_of(frame);
        let asked = StMin::from_received(self.st_min_bits);
        let Some(mut transfer) = self.transfer.take() else {
            return Shown::default();
        };
        if sequence != transfer.next {
            return Shown {
                failed: true,
                ..Shown::default()
            };
        }
        transfer.next = sequence.after(1);
        transfer.frames += 1;
        transfer.frames_take += time;
        let gap = transfer.before.map(|before| {
            transfer.must_wait += asked.gap();
            let kept = now.saturating_since(before).saturating_sub(time);
            Gap { asked, kept }
        });
        (transfer.before, transfer.latest) = (Some(now), now);
        let rest = transfer.len.saturating_sub(transfer.received);
        let taken = u32::try_from(data).unwrap_or(u32::MAX).min(rest);
        transfer.received += taken;
        let progress = Some((transfer.received, transfer.len));
        if taken < rest {
            self.transfer = Some(transfer);
            return Shown {
                gap,
                progress,
                ..Shown::default()
            };
        }
        let frames_take = self.rate.map(|_| transfer.frames_take);
        Shown {
            gap,
            progress,
            measured: Some(Measured {
                len: transfer.len,
                took: now.saturating_since(transfer.began),
                between: now.saturating_since(transfer.first_end),
                frames_take,
                must_take: frames_take.map(|take| take + transfer.must_wait),
                frames: transfer.frames,
                frame: transfer.frame,
                block_size: self.block_size,
                st_min_bits: self.st_min_bits,
            }),
            failed: false,
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
