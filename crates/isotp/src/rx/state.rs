//! Where a reception stands.

use tinwire_time::Instant;

use crate::address::Target;
use crate::pci::{Pci, SequenceNumber};

/// Data bytes of the largest single and first frame: CAN FD, normal addressing.
const MAX_FRAME_DATA: usize = 62;

/// The data of one frame.
#[derive(Clone, Copy)]
pub(super) struct FrameData {
    bytes: [u8; MAX_FRAME_DATA],
    pub(super) len: u8,
}

impl FrameData {
    pub(super) fn new(data: &[u8]) -> Self {
        let mut bytes = [0; MAX_FRAME_DATA];
        bytes.iter_mut().zip(data).for_each(|(to, from)| *to = *from);
        let len = u8::try_from(data.len().min(MAX_FRAME_DATA)).unwrap_or(0);
        Self { bytes, len }
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len.into()).unwrap_or_default()
    }
}

/// Where a reception stands.
///
/// ```text
///           first frame (too long: OVFLW, stays)            first frame
///   Idle ─────────────────────────────► Receiving       ┌───────────────┐
///    ▲ │                                 │  ▲ ▲ │       │               ▼
///    │ │ single frame      last frame    │  │ └─┘ next  │             Paused ──┐ every N_Br: WAIT
///    │ ▼                                 ▼  │    frame  │              │ │ ▲───┘
///   Holding ◄────────────────────────────┘  └──────────────────────────┘ │
///    │   ▲                                    message taken: CTS         │
///    │   └───────────────────────────────────────────────────────────────┘ WFTmax reached: OVFLW
///    └─► Idle: message taken
/// ```
/// N_Ar runs while a flow control is not confirmed, N_Cr in `Receiving` from that confirmation or the last
/// frame. A wrong sequence number, either timer, another first or single frame, or the user end a reception.
#[derive(Clone, Copy)]
pub(super) enum State {
    /// Nothing is being received and nothing is held.
    Idle,
    /// A whole message waits in the buffer for the user.
    Holding,
    /// A message is arriving.
    Receiving(Reception),
    /// A whole message waits in the buffer, and its successor's sender is made to wait.
    Paused(Paused),
}

#[derive(Clone, Copy)]
pub(super) struct Reception {
    pub(super) len: u32,
    /// CAN_DL of the first frame; no consecutive frame is longer.
    pub(super) rx_dl: u8,
    pub(super) expected: SequenceNumber,
    /// Frames until the next flow control; `None`: no further one, or it was not sent yet.
    pub(super) left: Option<u8>,
    /// When the last consecutive frame came.
    pub(super) latest: Option<Instant>,
}

#[derive(Clone, Copy)]
pub(super) struct Paused {
    pub(super) len: u32,
    pub(super) rx_dl: u8,
    pub(super) waits: u8,
    pub(super) first: FrameData,
}

#[derive(Clone, Copy)]
#[expect(clippy::enum_variant_names, reason = "the names of ISO 15765-2")]
pub(super) enum Kind {
    NAr,
    NBr,
    NCr,
}

impl From<Kind> for usize {
    fn from(kind: Kind) -> Self {
        kind as Self
    }
}

/// A decoded frame for this machine.
pub(crate) struct Pdu<'a> {
    pub(crate) pci: Pci,
    pub(crate) data: &'a [u8],
    /// The whole data of the frame.
    pub(crate) frame: &'a [u8],
    pub(crate) target: Target,
}
