//! One message on its way out.

use tinwire_time::Instant;

use crate::address::Target;
use crate::config::Micros;
use crate::error::TransferError;
use crate::event::{Event, Report, TransferId};
use crate::payload::{Payload, SourceFailed};
use crate::pci::{FlowControl, Pci, SequenceNumber};

/// Where a transfer stands.
///
/// ```text
///            send                    poll: first frame
///   (idle) ────────► Start ──────────────────────────────► WaitFlow ◄───────────┐
///     ▲                │ poll: single frame                 │  ▲ │              │
///     │                │                               CTS  │  └─┘ WAIT         │ poll: block full
///     │                ▼                                    ▼                   │
///     └─────────── Finishing ◄──────────────────────────  Sending ──────────────┘
///       confirmed            poll: last consecutive frame   │ ▲ poll: consecutive frame,
///                                                           └─┘ then the gap
/// ```
/// N_As runs while a frame is not confirmed, N_Bs in `WaitFlow` from the last confirmation or WAIT. Either
/// one expiring, OVFLW, a reserved status, too many WAITs, a link error or the user end the transfer from any
/// state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The single or first frame waits to be polled.
    Start,
    /// The first frame or a block is out; a flow control must come.
    WaitFlow {
        /// WAITs received in a row.
        waits: u8,
    },
    /// Consecutive frames go out.
    Sending {
        /// How many of them until the next flow control; `None`: all.
        left: Option<u8>,
        /// From one's confirmation to the next one's request.
        gap: Micros,
    },
    /// All frames are out and not all are confirmed.
    Finishing,
}

#[derive(Clone, Copy)]
pub(super) enum Kind {
    NAs,
    NBs,
    Gap,
    Rate,
}

impl From<Kind> for usize {
    fn from(kind: Kind) -> Self {
        kind as Self
    }
}

/// What is kept of a message's first bytes to know their echo: a source does not give them twice.
///
/// FNV-1a of 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint(u32);

impl Default for Fingerprint {
    fn default() -> Self {
        Self(0x811C_9DC5)
    }
}

impl Fingerprint {
    pub(super) fn of(bytes: &[u8]) -> Self {
        bytes.iter().fold(Self::default(), |Self(hash), byte| {
            Self((hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
        })
    }
}

pub(super) struct Transfer<T> {
    pub(super) id: TransferId,
    pub(super) payload: T,
    pub(super) len: u32,
    pub(super) target: Target,
    pub(super) phase: Phase,
    /// Bytes handed out.
    pub(super) offset: u32,
    /// Of the data of the single or first frame, once that was handed out.
    pub(super) head: Fingerprint,
    /// Whether the single or first frame is out and not confirmed.
    pub(super) head_unconfirmed: bool,
    /// Consecutive frames out and not confirmed; the last ones before `next`.
    pub(super) unconfirmed: u8,
    /// The next consecutive frame's number.
    pub(super) next: SequenceNumber,
    /// The flow control that came first.
    pub(super) first_control: Option<FlowControl>,
    /// Data bytes of a consecutive frame that is not the last one.
    pub(super) frame_len: u8,
    /// Consecutive frames confirmed since progress was reported, and when that was.
    pub(super) unreported: u8,
    pub(super) reported: Instant,
}

impl<T: Payload> Transfer<T> {
    /// Bytes to hand out yet.
    pub(super) fn rest(&self) -> usize {
        usize::try_from(self.len - self.offset).unwrap_or(usize::MAX)
    }

    /// Fills `part`, which is not longer than the rest, with the bytes that are next.
    pub(super) fn take(&mut self, part: &mut [u8]) -> Result<(), TransferError> {
        let offset = usize::try_from(self.offset).unwrap_or(usize::MAX);
        match self.payload.supply(offset, part) {
            Ok(had) if had < part.len() => Err(TransferError::SourceEnded),
            Ok(_) => {
                self.offset += u32::try_from(part.len()).unwrap_or(0);
                Ok(())
            }
            Err(SourceFailed) => Err(TransferError::SourceFailed),
        }
    }

    pub(super) fn all_confirmed(&self) -> bool {
        !self.head_unconfirmed && self.unconfirmed == 0
    }

    /// Bytes whose frames were confirmed.
    pub(super) fn confirmed(&self) -> u32 {
        let waiting = u32::from(self.unconfirmed) * u32::from(self.frame_len);
        self.offset.saturating_sub(waiting)
    }

    /// Tells how much is confirmed, and counts from there.
    pub(super) fn report_progress(&mut self, now: Instant, report: &mut Report) {
        self.unreported = 0;
        self.reported = now;
        report.event(Event::Progress {
            id: self.id,
            sent: self.confirmed(),
            len: self.len,
        });
    }

    /// Whether the message begins with such a frame. One of a message before it, which was aborted, most
    /// likely differs.
    fn begins_with(&self, pci: Pci, data: &[u8]) -> bool {
        let is_as_long = match pci {
            Pci::SingleFrame { len } => u32::from(len) == self.len,
            Pci::FirstFrame { len } => len == self.len,
            Pci::ConsecutiveFrame { .. } | Pci::FlowControl(_) => false,
        };
        is_as_long && self.head == Fingerprint::of(data)
    }

    /// Whether this can be a frame that is out and not confirmed.
    pub(super) fn awaits(&self, pci: Pci, data: &[u8]) -> bool {
        match pci {
            Pci::ConsecutiveFrame { sequence } => {
                (1..=self.unconfirmed).any(|back| sequence.after(back % 16) == self.next)
            }
            _ => self.head_unconfirmed && self.begins_with(pci, data),
        }
    }

    /// Takes a frame for the echo of the oldest unconfirmed one, if it can be that.
    pub(super) fn confirm(&mut self, pci: Pci, data: &[u8]) -> bool {
        match pci {
            Pci::ConsecutiveFrame { sequence } if self.unconfirmed > 0 && !self.head_unconfirmed => {
                let oldest = self.next.after(16 - self.unconfirmed % 16);
                if sequence != oldest {
                    return false;
                }
                self.unconfirmed -= 1;
                true
            }
            Pci::SingleFrame { .. } | Pci::FirstFrame { .. } if self.begins_with(pci, data) => {
                core::mem::take(&mut self.head_unconfirmed)
            }
            _ => false,
        }
    }
}
