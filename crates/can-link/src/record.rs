//! Frames as the kernel's structures and as fixed 72-byte records. The only place that knows these layouts.
//!
//! ```text
//!            0        4     5       6     7          8
//! classic  | id word | len |   .   |  .  | raw DLC | data[8]     16 bytes
//! FD       | id word | len | flags |  .  |    .    | data[64]    72 bytes
//! XL       | prio    | flags | sdt | len (2)       | af(4) data  12 + len bytes
//! record   | id word | len | flags |  .  | raw DLC | data[64]    72 bytes
//! ```
//!
//! Numbers have the host's byte order. FD flags: bit 0 BRS, bit 1 ESI, bit 2 FDF, which tells an FD record
//! from a classic one. The raw DLC is 9..=15 in a classic frame of 8 bytes that was sent so, else 0. Bytes
//! without meaning are zero when written and never looked at when read: some senders leave rubbish there.

use embedded_can::Id;
use thiserror::Error;

use crate::error_frame::{ErrorClasses, ErrorFrame};
#[cfg(feature = "alloc")]
use crate::frame::XlFrame;
use crate::frame::{CanFrame, DataFrame, Dlc, FdFlags, FdFrame, MAX_XL_LEN, RemoteFrame};
use crate::id;

/// Bytes of a record, and of the kernel's CAN FD structure.
pub const RECORD_LEN: usize = 72;
/// Bytes of the kernel's classic structure.
pub const CLASSIC_LEN: usize = 16;
/// Bytes before the data of the kernel's CAN XL structure.
pub const XL_HEADER_LEN: usize = 12;
/// Bytes of the largest datagram: a full CAN XL structure.
pub const MAX_DATAGRAM_LEN: usize = XL_HEADER_LEN + MAX_XL_LEN;

const FDF: u8 = 0x04;
const XLF: u8 = 0x80;

/// Why bytes are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The number of bytes fits no kind of frame.
    #[error("a CAN datagram of {got} bytes; expected 16, 72 or 12 plus the CAN XL length")]
    Length {
        /// Bytes that were there.
        got: usize,
    },
    /// The length field is too large for the kind of frame.
    #[error("a length field of {got}; at most {max} fits")]
    DataLength {
        /// The field's value.
        got: usize,
        /// The largest value allowed.
        max: usize,
    },
    /// A standard identifier with bits above the eleventh.
    #[error("a standard identifier of {got:#x}; at most 0x7ff fits")]
    Id {
        /// The identifier.
        got: u32,
    },
    /// An error report stands where only traffic may.
    #[error("a record with the error flag; records carry traffic only")]
    ErrorFrame,
}

/// What a datagram from the kernel turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Datagram {
    /// Traffic.
    Frame(CanFrame),
    /// Traffic whose standard identifier had bits above the eleventh; they were cut. Virtual interfaces let
    /// such identifiers through.
    MaskedId(CanFrame),
    /// A report of bus errors.
    Error(ErrorFrame),
}

/// The fields before the data, the same in classic structure, FD structure and record.
struct Head {
    word: u32,
    len: usize,
    flags: u8,
    raw_dlc: u8,
}

impl Head {
    fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (head, data) = bytes.split_first_chunk::<8>()?;
        let [w0, w1, w2, w3, len, flags, _, raw_dlc] = *head;
        Some((
            Self {
                word: u32::from_ne_bytes([w0, w1, w2, w3]),
                len: len.into(),
                flags,
                raw_dlc,
            },
            data,
        ))
    }

    fn classic(&self, data: &[u8]) -> Result<CanFrame, DecodeError> {
        let too_long = DecodeError::DataLength {
            got: self.len,
            max: 8,
        };
        let raw = Dlc::new(self.raw_dlc).filter(|dlc| self.len == 8 && dlc.raw() > 8);
        let id = id::from_word(self.word);
        if self.word & id::RTR_FLAG != 0 {
            let frame = RemoteFrame::new(id, self.len).ok_or(too_long)?;
            return Ok(raw
                .and_then(|dlc| frame.with_raw_dlc(dlc))
                .unwrap_or(frame)
                .into());
        }
        let frame = data
            .get(..self.len)
            .and_then(|data| DataFrame::new(id, data))
            .ok_or(too_long)?;
        Ok(raw
            .and_then(|dlc| frame.with_raw_dlc(dlc))
            .unwrap_or(frame)
            .into())
    }

    fn fd(&self, data: &[u8]) -> Result<CanFrame, DecodeError> {
        data.get(..self.len)
            .and_then(|data| {
                FdFrame::with_exact_len(id::from_word(self.word), data, FdFlags::from_bits(self.flags))
            })
            .map(CanFrame::Fd)
            .ok_or(DecodeError::DataLength {
                got: self.len,
                max: 64,
            })
    }

    /// Whether a standard identifier has bits above the eleventh.
    const fn has_surplus_id_bits(&self) -> bool {
        self.word & id::EFF_FLAG == 0 && self.word & id::EXTENDED_MASK > id::STANDARD_MASK
    }

    fn masked(&self, frame: CanFrame) -> Datagram {
        if self.has_surplus_id_bits() {
            Datagram::MaskedId(frame)
        } else {
            Datagram::Frame(frame)
        }
    }
}

/// Reads one datagram of a CAN_RAW socket; its kind follows from its length and one flag.
///
/// # Errors
/// [`DecodeError::Length`] when no kind of frame has that many bytes, [`DecodeError::DataLength`] when the
/// length field does not fit the kind.
pub fn decode(bytes: &[u8]) -> Result<Datagram, DecodeError> {
    let length = DecodeError::Length { got: bytes.len() };
    // A classic or FD length never has bit 7, so this holds for CAN XL alone, also for one of 16 or 72 bytes.
    if bytes.get(4).is_some_and(|flags| flags & XLF != 0) {
        return decode_xl(bytes);
    }
    let (head, data) = Head::read(bytes).ok_or(length)?;
    match bytes.len() {
        CLASSIC_LEN if head.word & id::ERR_FLAG != 0 => {
            let classes = ErrorClasses::from_bits(head.word);
            Ok(Datagram::Error(ErrorFrame::new(
                classes,
                data.get(..head.len.min(8)).unwrap_or_default(),
            )))
        }
        CLASSIC_LEN => head.classic(data).map(|frame| head.masked(frame)),
        RECORD_LEN => head.fd(data).map(|frame| head.masked(frame)),
        _ => Err(length),
    }
}

#[cfg(feature = "alloc")]
fn decode_xl(bytes: &[u8]) -> Result<Datagram, DecodeError> {
    let length = DecodeError::Length { got: bytes.len() };
    let (head, data) = bytes.split_first_chunk::<XL_HEADER_LEN>().ok_or(length)?;
    let [p0, p1, p2, p3, flags, sdu_type, l0, l1, a0, a1, a2, a3] = *head;
    let prio = u32::from_ne_bytes([p0, p1, p2, p3]);
    let len = usize::from(u16::from_ne_bytes([l0, l1]));
    if len != data.len() {
        return Err(length);
    }
    let [_, vcid, ..] = prio.to_be_bytes();
    XlFrame::new(id::standard(prio), data)
        .map(|frame| {
            frame
                .with_vcid(vcid)
                .with_flags(flags)
                .with_sdu_type(sdu_type)
                .with_acceptance(u32::from_ne_bytes([a0, a1, a2, a3]))
        })
        .map(|frame| Datagram::Frame(frame.into()))
        .ok_or(DecodeError::DataLength {
            got: len,
            max: MAX_XL_LEN,
        })
}

#[cfg(not(feature = "alloc"))]
fn decode_xl(bytes: &[u8]) -> Result<Datagram, DecodeError> {
    Err(DecodeError::Length { got: bytes.len() })
}

/// Writes `frame` as the kernel's structure and returns how many bytes that are: 16, 72, or 12 plus the XL
/// length.
pub fn encode(frame: &CanFrame, out: &mut [u8; MAX_DATAGRAM_LEN]) -> usize {
    let len = match frame {
        CanFrame::Data(_) | CanFrame::Remote(_) => CLASSIC_LEN,
        CanFrame::Fd(_) => RECORD_LEN,
        #[cfg(feature = "alloc")]
        CanFrame::Xl(frame) => XL_HEADER_LEN + frame.data().len(),
    };
    let Some(out) = out.get_mut(..len) else { return 0 };
    out.fill(0);
    #[cfg(feature = "alloc")]
    if let CanFrame::Xl(frame) = frame {
        encode_xl(frame, out);
        return len;
    }
    write_head_and_data(frame, out);
    len
}

/// Writes an error report as the kernel's structure, for tests that play a faulty bus.
#[must_use]
pub fn encode_error(frame: &ErrorFrame) -> [u8; CLASSIC_LEN] {
    let mut out = [0; CLASSIC_LEN];
    let word = frame.classes().to_bits() | id::ERR_FLAG;
    let fields = word
        .to_ne_bytes()
        .into_iter()
        .chain([8, 0, 0, 0])
        .chain(*frame.data());
    out.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
    out
}

#[cfg(feature = "alloc")]
fn encode_xl(frame: &XlFrame, out: &mut [u8]) {
    let prio = u32::from(frame.priority().as_raw()) | u32::from(frame.vcid()) << 16;
    let len = u16::try_from(frame.data().len()).unwrap_or(u16::MAX);
    let fields = prio
        .to_ne_bytes()
        .into_iter()
        .chain([XLF | frame.flags(), frame.sdu_type()])
        .chain(len.to_ne_bytes())
        .chain(frame.acceptance().to_ne_bytes())
        .chain(frame.data().iter().copied());
    out.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
}

fn write_head_and_data(frame: &CanFrame, out: &mut [u8]) {
    let raw = |dlc: Dlc| if dlc.raw() > 8 { dlc.raw() } else { 0 };
    let (len, flags, raw_dlc) = match frame {
        CanFrame::Data(frame) => (frame.data().len(), 0, raw(frame.dlc())),
        CanFrame::Remote(frame) => (frame.len(), 0, raw(frame.dlc())),
        CanFrame::Fd(frame) => (frame.data().len(), FDF | frame.flags().to_bits(), 0),
        #[cfg(feature = "alloc")]
        CanFrame::Xl(_) => return,
    };
    let len = u8::try_from(len).unwrap_or(u8::MAX);
    let fields = frame
        .id_word()
        .to_ne_bytes()
        .into_iter()
        .chain([len, flags, 0, raw_dlc]);
    out.iter_mut()
        .zip(fields.chain(frame.payload().iter().copied()))
        .for_each(|(to, from)| *to = from);
}

/// Writes `frame` as a record, or `None` for CAN XL, which does not fit one.
#[must_use]
pub fn encode_record(frame: &CanFrame) -> Option<[u8; RECORD_LEN]> {
    #[cfg(feature = "alloc")]
    if matches!(frame, CanFrame::Xl(_)) {
        return None;
    }
    let mut out = [0; RECORD_LEN];
    write_head_and_data(frame, &mut out);
    Some(out)
}

/// Reads a record.
///
/// # Errors
/// [`DecodeError::ErrorFrame`] when the error flag is set, [`DecodeError::Id`] when a standard identifier has
/// more than 11 bits, [`DecodeError::DataLength`] when the length exceeds what the kind of frame holds.
pub fn decode_record(record: &[u8; RECORD_LEN]) -> Result<CanFrame, DecodeError> {
    let (head, data) = Head::read(record).ok_or(DecodeError::Length { got: record.len() })?;
    if head.word & id::ERR_FLAG != 0 {
        return Err(DecodeError::ErrorFrame);
    }
    if head.has_surplus_id_bits() {
        return Err(DecodeError::Id {
            got: head.word & id::EXTENDED_MASK,
        });
    }
    if head.flags & FDF != 0 {
        head.fd(data)
    } else {
        head.classic(data)
    }
}

/// The identifier at the start of a record.
#[must_use]
pub fn record_id(record: &[u8; RECORD_LEN]) -> Id {
    let [w0, w1, w2, w3, ..] = *record;
    id::from_word(u32::from_ne_bytes([w0, w1, w2, w3]))
}

#[cfg(test)]
mod tests;
