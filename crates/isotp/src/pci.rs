//! Protocol control information (N_PCI): the one to six bytes that say what a frame is.
//!
//! Pure functions over bytes; nothing else in the crate looks at a raw PCI byte. Bytes are counted behind the
//! address byte, where there is one; numbers are big-endian; the high nibble of byte 0 is the type.
//!
//! ```text
//!                  byte 0   1    2    3    4    5
//! single frame       0L     data                        L = 1..=7, frames of up to 8 bytes
//!   escape           00    LL   data                    LL = length, frames above 8 bytes (CAN FD)
//! first frame        1H    LL   data                    HLL = 1..=4095, data fills the frame
//!   32 bit           10    00   LL   LL   LL   LL data  above 4095
//! consecutive frame  2N    data                         N = sequence number
//! flow control       3S    BS   ST                      S = flow status, BS = block size, ST = STmin
//! ```

use core::fmt;

use can_link::frame::Dlc;
use thiserror::Error;

use crate::stmin::{BlockSize, StMin};

/// Bytes of the longest PCI: a first frame with a 32-bit length.
pub const MAX_PCI_LEN: usize = 6;
/// The longest message that a 12-bit first-frame length can announce.
pub const MAX_SHORT_LEN: u32 = 4095;
/// Bytes of a flow control's PCI.
pub const FLOW_CONTROL_LEN: usize = 3;

/// Whether an address byte precedes the PCI (extended and mixed addressing).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Prefix {
    /// The PCI is at the start of the frame (normal addressing).
    #[default]
    None,
    /// One address byte comes first.
    AddressByte,
}

impl Prefix {
    /// How many bytes it takes, 0 or 1.
    #[must_use]
    pub const fn len(self) -> usize {
        match self {
            Self::None => 0,
            Self::AddressByte => 1,
        }
    }

    /// Whether there is no address byte.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        matches!(self, Self::None)
    }
}

/// What a frame is, as its PCI says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pci {
    /// A whole message (SF).
    SingleFrame {
        /// Message length (SF_DL), 1..=62.
        len: u8,
    },
    /// The begin of a longer message (FF).
    FirstFrame {
        /// Message length (FF_DL).
        len: u32,
    },
    /// A further part of a message (CF).
    ConsecutiveFrame {
        /// Which one, modulo 16.
        sequence: SequenceNumber,
    },
    /// The receiver's answer to the sender (FC).
    FlowControl(FlowControl),
}

/// The number of a consecutive frame, 0..=15; the first one is 1 and 0 follows 15.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SequenceNumber(u8);

impl SequenceNumber {
    /// The first consecutive frame's number.
    pub const FIRST: Self = Self(1);

    /// The number `value`, or `None` above 15.
    #[must_use]
    pub const fn new(value: u8) -> Option<Self> {
        if value <= 0x0F { Some(Self(value)) } else { None }
    }

    /// The number `frames` frames later.
    #[must_use]
    pub const fn after(self, frames: u8) -> Self {
        Self(self.0.wrapping_add(frames) & 0x0F)
    }

    /// The number itself, 0..=15.
    #[must_use]
    pub const fn value(self) -> u8 {
        self.0
    }
}

/// What a flow control asks of the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FlowStatus {
    /// Send the next block (CTS).
    ContinueToSend,
    /// Wait for another flow control.
    Wait,
    /// The message is too long for the receiver (OVFLW).
    Overflow,
    /// One of the reserved values, 3..=15.
    Reserved(u8),
}

impl FlowStatus {
    /// The status in the low nibble of `bits`.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        match bits & 0x0F {
            0 => Self::ContinueToSend,
            1 => Self::Wait,
            2 => Self::Overflow,
            reserved => Self::Reserved(reserved),
        }
    }

    /// The status as a nibble.
    #[must_use]
    pub const fn to_bits(self) -> u8 {
        match self {
            Self::ContinueToSend => 0,
            Self::Wait => 1,
            Self::Overflow => 2,
            Self::Reserved(bits) => bits & 0x0F,
        }
    }
}

/// The fields of a flow control (FC).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowControl {
    /// What the sender shall do.
    pub status: FlowStatus,
    /// Frames until the next flow control; means something with [`FlowStatus::ContinueToSend`] only.
    pub block_size: BlockSize,
    /// The STmin byte as it is on the wire, possibly reserved; see [`st_min`](Self::st_min).
    pub st_min_bits: u8,
}

impl FlowControl {
    /// A flow control with these fields.
    #[must_use]
    pub const fn new(status: FlowStatus, block_size: BlockSize, st_min: StMin) -> Self {
        Self {
            status,
            block_size,
            st_min_bits: st_min.to_bits(),
        }
    }

    /// The separation time the sender must keep: 127 ms when the byte is reserved (ISO-TP spec ch. 3).
    #[must_use]
    pub const fn st_min(&self) -> StMin {
        StMin::from_received(self.st_min_bits)
    }
}

/// A part of a PDU that can be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field {
    /// The first byte.
    Pci,
    /// The length of a single frame in the escape form.
    SingleFrameLength,
    /// The length of a first frame.
    FirstFrameLength,
    /// The three bytes of a flow control.
    FlowControl,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pci => "PCI",
            Self::SingleFrameLength => "single-frame length",
            Self::FirstFrameLength => "first-frame length",
            Self::FlowControl => "flow control",
        })
    }
}

/// Why bytes are not a PDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The frame ends too early.
    #[error("{field} needs {need} bytes, the frame has {got}")]
    Short {
        /// What is incomplete.
        field: Field,
        /// Bytes needed, counted from the PCI.
        need: u8,
        /// Bytes there.
        got: u8,
    },
    /// A PCI type of 4..=15.
    #[error("PCI type {0} is reserved")]
    ReservedType(u8),
    /// A single frame above 8 bytes whose length is in the low nibble; it must have the escape form.
    #[error("a single frame of {can_dl} bytes without the escape form")]
    MissingEscape {
        /// Data bytes of the frame, 255 for more.
        can_dl: u8,
    },
    /// A single frame's length does not suit the frame.
    #[error("a single-frame length of {got}; {min} to {max} suit this frame")]
    SingleFrameLength {
        /// The length field.
        got: u8,
        /// The shortest message for a frame of this length.
        min: u8,
        /// The longest message that fits it.
        max: u8,
    },
    /// A first frame that is neither 8 bytes nor a CAN FD length above.
    #[error("a first frame of {can_dl} bytes; it must fill the frame")]
    FirstFrameSize {
        /// Data bytes of the frame, 255 for more.
        can_dl: u8,
    },
    /// A first frame announces a message that a single frame, or the 12-bit form, would hold.
    #[error("a first-frame length of {got}; at least {min} expected here")]
    FirstFrameLength {
        /// The length field.
        got: u32,
        /// The least that this form may announce.
        min: u32,
    },
}

impl Pci {
    /// Splits a frame's data, behind the address byte, into its PCI and what follows it.
    ///
    /// The rest is cut to the message length for a single frame; for the other kinds it may end with padding.
    ///
    /// # Errors
    /// When the frame is one that a receiver ignores (ISO-TP spec ch. 2, 5 and 9). A reserved flow status and
    /// a reserved STmin byte are values, not errors: they have a meaning to the sender.
    pub fn decode(data: &[u8], prefix: Prefix) -> Result<(Self, &[u8]), DecodeError> {
        Self::decode_padded(data, prefix, 0)
    }

    /// As [`decode`](Self::decode), on a network that pads all frames to `min_can_dl` bytes.
    ///
    /// Above 8 bytes a single frame must be as short as its message allows; a frame of up to `min_can_dl`
    /// bytes may be longer than that.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn decode_padded(
        data: &[u8],
        prefix: Prefix,
        min_can_dl: usize,
    ) -> Result<(Self, &[u8]), DecodeError> {
        let short = |field, need| DecodeError::Short {
            field,
            need,
            got: as_u8(data.len()),
        };
        let (&first, rest) = data.split_first().ok_or_else(|| short(Field::Pci, 1))?;
        let low = first & 0x0F;
        match first >> 4 {
            0 => single_frame(low, rest, prefix, min_can_dl),
            1 => first_frame(low, data, prefix),
            2 => Ok((
                Self::ConsecutiveFrame {
                    sequence: SequenceNumber(low),
                },
                rest,
            )),
            3 => {
                let (&[block_size, st_min_bits], rest) = rest
                    .split_first_chunk()
                    .ok_or_else(|| short(Field::FlowControl, as_u8(FLOW_CONTROL_LEN)))?;
                let control = FlowControl {
                    status: FlowStatus::from_bits(low),
                    block_size: BlockSize::from_bits(block_size),
                    st_min_bits,
                };
                Ok((Self::FlowControl(control), rest))
            }
            reserved => Err(DecodeError::ReservedType(reserved)),
        }
    }

    /// The bytes of this PCI in a frame of `can_dl` data bytes: above 8 a single frame takes the escape form.
    #[must_use]
    pub fn encode(self, can_dl: usize) -> PciBytes {
        let mut out = PciBytes::default();
        match self {
            Self::SingleFrame { len } if can_dl > 8 => out.extend([0x00, len]),
            Self::SingleFrame { len } => out.extend([len & 0x0F]),
            Self::FirstFrame { len } if len > MAX_SHORT_LEN => {
                out.extend([0x10, 0x00]);
                out.extend(len.to_be_bytes());
            }
            Self::FirstFrame { len } => {
                let [_, _, high, low] = len.to_be_bytes();
                out.extend([0x10 | high, low]);
            }
            Self::ConsecutiveFrame { sequence } => out.extend([0x20 | sequence.value()]),
            Self::FlowControl(control) => out.extend([
                0x30 | control.status.to_bits(),
                control.block_size.to_bits(),
                control.st_min_bits,
            ]),
        }
        out
    }
}

fn single_frame(
    low: u8,
    rest: &[u8],
    prefix: Prefix,
    min_can_dl: usize,
) -> Result<(Pci, &[u8]), DecodeError> {
    let can_dl = prefix.len() + 1 + rest.len();
    if can_dl <= 8 {
        return single_data(low, 1, rest);
    }
    if low != 0 {
        return Err(DecodeError::MissingEscape {
            can_dl: as_u8(can_dl),
        });
    }
    let (&len, data) = rest.split_first().ok_or(DecodeError::Short {
        field: Field::SingleFrameLength,
        need: 2,
        got: 1,
    })?;
    // Neither a shorter frame nor the short form would have held the message (ISO-TP spec ch. 2).
    let shorter = (0..=15)
        .filter_map(Dlc::new)
        .map(Dlc::fd_len)
        .rfind(|&dl| dl < can_dl)
        .unwrap_or(8);
    let min = match shorter {
        _ if can_dl <= min_can_dl => 1,
        8 => 8 - prefix.len(),
        longer => longer - 1 - prefix.len(),
    };
    single_data(len, min, data)
}

fn single_data(len: u8, min: usize, data: &[u8]) -> Result<(Pci, &[u8]), DecodeError> {
    let content = data.get(..len.into()).filter(|_| usize::from(len) >= min);
    content
        .map(|content| (Pci::SingleFrame { len }, content))
        .ok_or_else(|| DecodeError::SingleFrameLength {
            got: len,
            min: as_u8(min),
            max: as_u8(data.len()),
        })
}

fn first_frame(low: u8, data: &[u8], prefix: Prefix) -> Result<(Pci, &[u8]), DecodeError> {
    let can_dl = prefix.len() + data.len();
    if can_dl < 8 || Dlc::exact(can_dl).is_none() {
        return Err(DecodeError::FirstFrameSize {
            can_dl: as_u8(can_dl),
        });
    }
    let short = DecodeError::Short {
        field: Field::FirstFrameLength,
        need: as_u8(MAX_PCI_LEN),
        got: as_u8(data.len()),
    };
    let (&[_, length], rest) = data.split_first_chunk().ok_or(short)?;
    let (len, min, rest) = match u16::from_be_bytes([low, length]) {
        0 => {
            let (bytes, rest) = rest.split_first_chunk().ok_or(short)?;
            (u32::from_be_bytes(*bytes), MAX_SHORT_LEN + 1, rest)
        }
        len => {
            // What no longer fits a single frame: 8 bytes have the short form, longer ones the escape form.
            let min = if can_dl == 8 { 8 } else { can_dl - 1 };
            let min = u32::try_from(min - prefix.len()).unwrap_or(u32::MAX);
            (u32::from(len), min, rest)
        }
    };
    if len < min {
        return Err(DecodeError::FirstFrameLength { got: len, min });
    }
    Ok((Pci::FirstFrame { len }, rest))
}

/// A length as a fault tells it.
pub(crate) fn as_u8(len: usize) -> u8 {
    u8::try_from(len).unwrap_or(u8::MAX)
}

/// The bytes of one PCI, 1..=6.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PciBytes {
    bytes: [u8; MAX_PCI_LEN],
    len: usize,
}

impl PciBytes {
    fn extend<const N: usize>(&mut self, bytes: [u8; N]) {
        let end = self.len + N;
        if let Some(room) = self.bytes.get_mut(self.len..end) {
            room.copy_from_slice(&bytes);
            self.len = end;
        }
    }
}

impl AsRef<[u8]> for PciBytes {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
