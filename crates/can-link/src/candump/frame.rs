//! One frame as text.

mod write;

use alloc::string::{String, ToString};

use embedded_can::Id;
use thiserror::Error;

use super::hex::Digits;
use crate::error_frame::{ErrorClasses, ErrorFrame};
use crate::frame::{
    CanFrame, DataFrame, Dlc, FdFlags, FdFrame, MAX_CLASSIC_LEN, MAX_FD_LEN, MAX_XL_LEN, RemoteFrame, XlFrame,
};
use crate::id;

pub use write::FrameText;
pub(super) use write::IdText;

/// What a frame's text stands for: traffic, or a report of bus errors.
///
/// Its `Display` is the frame's text as candump writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Traffic.
    Frame(CanFrame),
    /// A report of bus errors; always written with eight data bytes.
    Error(ErrorFrame),
}

impl From<CanFrame> for Message {
    fn from(frame: CanFrame) -> Self {
        Self::Frame(frame)
    }
}

impl From<ErrorFrame> for Message {
    fn from(report: ErrorFrame) -> Self {
        Self::Error(report)
    }
}

/// How to read what canplayer reads, but changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reading {
    /// Refuse it.
    #[default]
    Strict,
    /// Change it as canplayer does: cut surplus data bytes and identifier bits, take a remote length of 9 as
    /// 0, ignore what follows a complete frame.
    Lenient,
}

/// Why a text is not a frame. `at` counts bytes from the start of the frame's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrameTextError {
    /// There is no `#`.
    #[error("no '#' behind the identifier")]
    NoSeparator,
    /// The identifier has an unusual number of digits.
    #[error("an identifier of {got} digits; 3 are standard, 8 extended, 5 CAN XL")]
    IdDigits {
        /// How many there are.
        got: usize,
    },
    /// The identifier is too large for its kind.
    #[error("identifier {got:X} is above {max:X}")]
    IdRange {
        /// The identifier.
        got: u32,
        /// The largest one of this kind.
        max: u32,
    },
    /// Something that is not a hexadecimal digit.
    #[error("not a hexadecimal digit at byte {at}")]
    NotHex {
        /// Where.
        at: usize,
    },
    /// The text ends within a field; often an odd number of digits.
    #[error("the text ends at byte {at} within a field")]
    Short {
        /// Where.
        at: usize,
    },
    /// More data than this kind of frame holds.
    #[error("{got} data bytes; at most {max} fit")]
    TooLong {
        /// How many there are.
        got: usize,
        /// How many fit.
        max: usize,
    },
    /// A remote length that is no digit 0 to 8.
    #[error("a remote frame asks for 0 to 8 bytes; see byte {at}")]
    RemoteLength {
        /// Where.
        at: usize,
    },
    /// A raw DLC that is not 8 to F, or whose frame has not 8 bytes.
    #[error("a raw DLC is 9 to F behind 8 bytes; see byte {at}")]
    RawDlc {
        /// Where.
        at: usize,
    },
    /// An error report written as a remote or CAN FD frame.
    #[error("an error report is neither a remote nor a CAN FD frame")]
    ErrorKind,
    /// A CAN XL header that is not `flags:sdt:af#`.
    #[error("a CAN XL frame is written VVPPP#FF:TT:AAAAAAAA#data; see byte {at}")]
    XlHeader {
        /// Where.
        at: usize,
    },
    /// CAN XL flags without 0x80, or with unknown bits.
    #[error("CAN XL flags {got:02X}; 80 to 83 exist")]
    XlFlags {
        /// The flags.
        got: u8,
    },
    /// A CAN XL frame without data.
    #[error("a CAN XL frame has at least one data byte")]
    XlEmpty,
    /// Something behind the complete frame.
    #[error("surplus text at byte {at}")]
    Surplus {
        /// Where.
        at: usize,
    },
}

/// Reads one frame's text.
///
/// Three identifier digits are a standard frame, eight an extended one or (bit 29 set) an error report, five
/// a CAN XL frame. CAN FD lengths are kept as they are, also those without a DLC.
///
/// # Errors
/// [`FrameTextError`] tells what is wrong and where.
pub fn parse_frame(text: &str, reading: Reading) -> Result<Message, FrameTextError> {
    let (head, rest) = text.split_once('#').ok_or(FrameTextError::NoSeparator)?;
    let body = Digits::new(rest, head.len() + 1);
    match head.len() {
        5 => parse_xl(head, body, reading),
        3 | 8 => parse_classic_or_fd(head, body, reading),
        got => Err(FrameTextError::IdDigits { got }),
    }
}

/// Whom a three- or eight-digit text means.
enum Subject {
    Traffic(Id),
    Errors(ErrorClasses),
}

fn subject(head: &str, reading: Reading) -> Result<Subject, FrameTextError> {
    let got = Digits::new(head, 0).number(head.len())?;
    if head.len() == 3 {
        if got > id::STANDARD_MASK && reading == Reading::Strict {
            let max = id::STANDARD_MASK;
            return Err(FrameTextError::IdRange { got, max });
        }
        return Ok(Subject::Traffic(Id::Standard(id::standard(got))));
    }
    let max = id::EXTENDED_MASK | id::ERR_FLAG;
    // canplayer lets bit 31 through; bit 30 would turn data into a remote frame, so it is refused in any
    // case.
    if got & id::RTR_FLAG != 0 || (got > max && reading == Reading::Strict) {
        return Err(FrameTextError::IdRange { got, max });
    }
    Ok(if got & id::ERR_FLAG != 0 {
        Subject::Errors(ErrorClasses::from_bits(got))
    } else {
        Subject::Traffic(Id::Extended(id::extended(got)))
    })
}

fn parse_classic_or_fd(
    head: &str,
    mut body: Digits<'_>,
    reading: Reading,
) -> Result<Message, FrameTextError> {
    let subject = subject(head, reading)?;
    let fd = body.take(b'#');
    let remote = !fd && (body.take(b'R') || body.take(b'r'));
    let message = match subject {
        Subject::Errors(_) if fd || remote => return Err(FrameTextError::ErrorKind),
        Subject::Errors(classes) => {
            let data = data(&mut body, MAX_CLASSIC_LEN, reading)?;
            ErrorFrame::new(classes, &data).into()
        }
        Subject::Traffic(id) if remote => remote_frame(id, &mut body, reading)?.into(),
        Subject::Traffic(id) if fd => fd_frame(id, &mut body, reading)?.into(),
        Subject::Traffic(id) => data_frame(id, &mut body, reading)?.into(),
    };
    finish(&body, reading)?;
    Ok(message)
}

fn finish(body: &Digits<'_>, reading: Reading) -> Result<(), FrameTextError> {
    if body.is_empty() || reading == Reading::Lenient {
        return Ok(());
    }
    Err(FrameTextError::Surplus { at: body.at() })
}

fn data(body: &mut Digits<'_>, max: usize, reading: Reading) -> Result<alloc::vec::Vec<u8>, FrameTextError> {
    let (data, got) = body.data(max)?;
    if got > max && reading == Reading::Strict {
        return Err(FrameTextError::TooLong { got, max });
    }
    Ok(data)
}

/// `_9` to `_F` behind 8 bytes; `_8` says nothing new and is taken too.
fn raw_dlc(body: &mut Digits<'_>, len: usize, reading: Reading) -> Result<Option<Dlc>, FrameTextError> {
    let at = body.at();
    if !body.take(b'_') {
        return Ok(None);
    }
    let error = FrameTextError::RawDlc { at };
    let raw = body.nibble()?;
    match (len, raw) {
        (8, 9..) => Ok(Dlc::new(raw)),
        (8, 8) => Ok(None),
        (8, _) if reading == Reading::Lenient => Ok(None),
        _ => Err(error),
    }
}

fn data_frame(id: Id, body: &mut Digits<'_>, reading: Reading) -> Result<CanFrame, FrameTextError> {
    let data = data(body, MAX_CLASSIC_LEN, reading)?;
    let (got, max) = (data.len(), MAX_CLASSIC_LEN);
    let frame = DataFrame::new(id, &data).ok_or(FrameTextError::TooLong { got, max })?;
    let raw = raw_dlc(body, got, reading)?;
    Ok(raw
        .and_then(|dlc| frame.with_raw_dlc(dlc))
        .unwrap_or(frame)
        .into())
}

fn remote_frame(id: Id, body: &mut Digits<'_>, reading: Reading) -> Result<CanFrame, FrameTextError> {
    let at = body.at();
    let error = FrameTextError::RemoteLength { at };
    let len = match body.nibble() {
        Ok(len) if len <= 8 => len,
        Err(FrameTextError::Short { .. }) => 0,
        _ if reading == Reading::Lenient => 0,
        _ => return Err(error),
    };
    let frame = RemoteFrame::new(id, len.into()).ok_or(error)?;
    let raw = raw_dlc(body, len.into(), reading)?;
    Ok(raw
        .and_then(|dlc| frame.with_raw_dlc(dlc))
        .unwrap_or(frame)
        .into())
}

fn fd_frame(id: Id, body: &mut Digits<'_>, reading: Reading) -> Result<CanFrame, FrameTextError> {
    let flags = FdFlags::from_bits(body.nibble()?);
    let data = data(body, MAX_FD_LEN, reading)?;
    let (got, max) = (data.len(), MAX_FD_LEN);
    let frame = FdFrame::with_exact_len(id, &data, flags).ok_or(FrameTextError::TooLong { got, max })?;
    Ok(frame.into())
}

fn parse_xl(head: &str, mut body: Digits<'_>, reading: Reading) -> Result<Message, FrameTextError> {
    let word = Digits::new(head, 0).number(5)?;
    let [_, _, low, _] = (word >> 4).to_be_bytes();
    let (vcid, priority) = (low, word & 0xFFF);
    if priority > id::STANDARD_MASK && reading == Reading::Strict {
        let max = id::STANDARD_MASK;
        return Err(FrameTextError::IdRange { got: priority, max });
    }
    let flags = body.byte()?;
    if !(0x80..=0x83).contains(&flags) && reading == Reading::Strict {
        return Err(FrameTextError::XlFlags { got: flags });
    }
    separator(&mut body, b':')?;
    let sdu_type = body.byte()?;
    separator(&mut body, b':')?;
    let acceptance = body.number(8)?;
    separator(&mut body, b'#')?;
    let data = data(&mut body, MAX_XL_LEN, reading)?;
    let frame = XlFrame::new(id::standard(priority), data).ok_or(FrameTextError::XlEmpty)?;
    finish(&body, reading)?;
    let frame = frame
        .with_vcid(vcid)
        .with_flags(flags)
        .with_sdu_type(sdu_type)
        .with_acceptance(acceptance);
    Ok(CanFrame::Xl(frame).into())
}

fn separator(body: &mut Digits<'_>, byte: u8) -> Result<(), FrameTextError> {
    let at = body.at();
    body.take(byte)
        .then_some(())
        .ok_or(FrameTextError::XlHeader { at })
}

/// A strict reading; use [`parse_frame`] to choose.
impl core::str::FromStr for Message {
    type Err = FrameTextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_frame(text, Reading::Strict)
    }
}

impl From<Message> for String {
    fn from(message: Message) -> Self {
        message.to_string()
    }
}

#[cfg(test)]
mod tests;
