//! Frames as candump writes them.

use core::fmt;

use embedded_can::Id;

use super::Message;
use crate::candump::hex::Hex;
use crate::frame::{CanFrame, Dlc};
use crate::id;

/// Prints a frame as candump does, without making a [`Message`] of it.
#[derive(Clone, Copy, Debug)]
pub struct FrameText<'a>(pub &'a CanFrame);

impl fmt::Display for FrameText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            CanFrame::Data(frame) => {
                write!(
                    f,
                    "{}#{}{}",
                    IdText(frame.id()),
                    Hex(frame.data()),
                    RawDlc(frame.dlc())
                )
            }
            CanFrame::Remote(frame) if frame.is_empty() => write!(f, "{}#R", IdText(frame.id())),
            CanFrame::Remote(frame) => {
                write!(
                    f,
                    "{}#R{}{}",
                    IdText(frame.id()),
                    frame.len(),
                    RawDlc(frame.dlc())
                )
            }
            CanFrame::Fd(frame) => {
                // Bit 2 is FDF, which the kernel sets in each CAN FD frame.
                let flags = 0x4 | frame.flags().to_bits();
                write!(f, "{}##{flags:X}{}", IdText(frame.id()), Hex(frame.data()))
            }
            CanFrame::Xl(frame) => {
                let flags = 0x80 | frame.flags();
                let (vcid, priority) = (frame.vcid(), frame.priority().as_raw());
                let (sdu_type, acceptance) = (frame.sdu_type(), frame.acceptance());
                write!(
                    f,
                    "{vcid:02X}{priority:03X}#{flags:02X}:{sdu_type:02X}:{acceptance:08X}#"
                )?;
                write!(f, "{}", Hex(frame.data()))
            }
        }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(frame) => FrameText(frame).fmt(f),
            Self::Error(report) => {
                let word = report.classes().to_bits() | id::ERR_FLAG;
                write!(f, "{word:08X}#{}", Hex(report.data()))
            }
        }
    }
}

/// Prints an identifier with 3 or 8 digits.
pub(in crate::candump) struct IdText(pub(in crate::candump) Id);

impl fmt::Display for IdText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Id::Standard(id) => write!(f, "{:03X}", id.as_raw()),
            Id::Extended(id) => write!(f, "{:08X}", id.as_raw()),
        }
    }
}

/// Prints `_9` to `_F`, and nothing for the usual codes.
struct RawDlc(Dlc);

impl fmt::Display for RawDlc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.raw() {
            0..=8 => Ok(()),
            raw => write!(f, "_{raw:X}"),
        }
    }
}
