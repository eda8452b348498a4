//! Conversions to and from the frame types of the `socketcan` crate.
//!
//! That crate's types have no place for a raw DLC, for a CAN FD length without a code, or for CAN XL;
//! converting such a frame is an error rather than a silent change. An error report is traffic there and none
//! here.

use embedded_can::Frame as _;
use socketcan::{CanAnyFrame, CanDataFrame, CanErrorFrame, CanFdFrame, CanRemoteFrame};
use thiserror::Error;

use crate::error_frame::{ErrorClasses, ErrorFrame};
use crate::frame::{CanFrame, DataFrame, FdFlags, FdFrame, RemoteFrame};

/// Why a frame has no counterpart on the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ForeignFrame {
    /// An error report is no traffic; convert it to an [`ErrorFrame`].
    #[error("an error report is no traffic")]
    ErrorReport,
    /// The crate's classic frames have no raw DLC.
    #[error("a raw DLC of {0}, which the socketcan crate cannot express")]
    RawDlc(u8),
    /// The crate rounds a CAN FD length up to one that has a code.
    #[error("a CAN FD length of {0} bytes, which the socketcan crate cannot express")]
    Length(usize),
    /// The crate has no CAN XL frames.
    #[error("a CAN XL frame, which the socketcan crate cannot express")]
    Xl,
}

/// Why the crate's frames always convert.
const FITS: &str = "the crate's types hold no more than ours";

impl From<CanDataFrame> for DataFrame {
    fn from(frame: CanDataFrame) -> Self {
        Self::new(frame.id(), frame.data()).expect(FITS)
    }
}

impl From<CanRemoteFrame> for RemoteFrame {
    fn from(frame: CanRemoteFrame) -> Self {
        Self::new(frame.id(), frame.dlc()).expect(FITS)
    }
}

impl From<CanFdFrame> for FdFrame {
    fn from(frame: CanFdFrame) -> Self {
        let flags = FdFlags::from_bits(frame.flags().bits());
        Self::with_exact_len(frame.id(), frame.data(), flags).expect(FITS)
    }
}

impl From<CanErrorFrame> for ErrorFrame {
    fn from(frame: CanErrorFrame) -> Self {
        Self::new(ErrorClasses::from_bits(frame.error_bits()), frame.data())
    }
}

impl TryFrom<CanAnyFrame> for CanFrame {
    type Error = ForeignFrame;

    fn try_from(frame: CanAnyFrame) -> Result<Self, ForeignFrame> {
        match frame {
            CanAnyFrame::Normal(frame) => Ok(Self::Data(frame.into())),
            CanAnyFrame::Remote(frame) => Ok(Self::Remote(frame.into())),
            CanAnyFrame::Fd(frame) => Ok(Self::Fd(frame.into())),
            CanAnyFrame::Error(_) => Err(ForeignFrame::ErrorReport),
        }
    }
}

impl TryFrom<socketcan::CanFrame> for CanFrame {
    type Error = ForeignFrame;

    fn try_from(frame: socketcan::CanFrame) -> Result<Self, ForeignFrame> {
        CanAnyFrame::from(frame).try_into()
    }
}

impl TryFrom<&CanFrame> for CanAnyFrame {
    type Error = ForeignFrame;

    fn try_from(frame: &CanFrame) -> Result<Self, ForeignFrame> {
        match frame {
            CanFrame::Data(frame) => Ok(Self::Normal(frame.try_into()?)),
            CanFrame::Remote(frame) => Ok(Self::Remote(frame.try_into()?)),
            CanFrame::Fd(frame) => Ok(Self::Fd(frame.try_into()?)),
            CanFrame::Xl(_) => Err(ForeignFrame::Xl),
        }
    }
}

impl TryFrom<&DataFrame> for CanDataFrame {
    type Error = ForeignFrame;

    fn try_from(frame: &DataFrame) -> Result<Self, ForeignFrame> {
        let raw = ForeignFrame::RawDlc(frame.dlc().raw());
        if frame.dlc().raw() > 8 {
            return Err(raw);
        }
        Self::new(frame.id(), frame.data()).ok_or(raw)
    }
}

impl TryFrom<&RemoteFrame> for CanRemoteFrame {
    type Error = ForeignFrame;

    fn try_from(frame: &RemoteFrame) -> Result<Self, ForeignFrame> {
        let raw = ForeignFrame::RawDlc(frame.dlc().raw());
        Self::new_remote(frame.id(), frame.dlc().raw().into()).ok_or(raw)
    }
}

impl TryFrom<&FdFrame> for CanFdFrame {
    type Error = ForeignFrame;

    fn try_from(frame: &FdFrame) -> Result<Self, ForeignFrame> {
        let flags = socketcan::id::FdFlags::from_bits_truncate(frame.flags().to_bits());
        Self::with_flags(frame.id(), frame.data(), flags)
            .filter(|converted| converted.data().len() == frame.data().len())
            .ok_or_else(|| ForeignFrame::Length(frame.data().len()))
    }
}

impl From<&ErrorFrame> for CanErrorFrame {
    fn from(frame: &ErrorFrame) -> Self {
        Self::new_error(frame.classes().to_bits(), frame.data()).expect("eight bytes, which is what it takes")
    }
}

#[cfg(test)]
mod tests {
    use embedded_can::{ExtendedId, StandardId};

    use super::*;
    use crate::frame::{Dlc, XlFrame};

    fn id(raw: u16) -> StandardId {
        StandardId::new(raw).unwrap()
    }

    #[track_caller]
    fn assert_round_trip(frame: &CanFrame) {
        let there = CanAnyFrame::try_from(frame).unwrap();
        assert_eq!(CanFrame::try_from(there).as_ref(), Ok(frame));
    }

    #[test]
    fn frames_come_back_as_they_went() {
        let ext = ExtendedId::new(0x1FFF_FFFF).unwrap();
        assert_round_trip(&CanFrame::data(id(0x7FF), &[]).unwrap());
        assert_round_trip(&CanFrame::data(ext, &[1, 2, 3, 4, 5, 6, 7, 8]).unwrap());
        assert_round_trip(&CanFrame::data(ExtendedId::new(1).unwrap(), &[9]).unwrap());
        assert_round_trip(&CanFrame::remote(id(1), 0).unwrap());
        assert_round_trip(&CanFrame::remote(ext, 8).unwrap());
        for flags in 0..4 {
            assert_round_trip(&CanFrame::fd(ext, &[7; 64], FdFlags::from_bits(flags)).unwrap());
        }
        assert_round_trip(&CanFrame::fd(id(0), &[7; 12], FdFlags::NONE).unwrap());
    }

    #[test]
    fn what_the_other_side_cannot_express_is_an_error() {
        let dlc = Dlc::new(12).unwrap();
        let data = DataFrame::new(id(1), &[0; 8]).unwrap().with_raw_dlc(dlc).unwrap();
        assert_eq!(
            CanDataFrame::try_from(&data).unwrap_err(),
            ForeignFrame::RawDlc(12)
        );
        let remote = RemoteFrame::new(id(1), 8).unwrap().with_raw_dlc(dlc).unwrap();
        assert_eq!(
            CanRemoteFrame::try_from(&remote).unwrap_err(),
            ForeignFrame::RawDlc(12)
        );
        let exact = FdFrame::with_exact_len(id(1), &[0; 9], FdFlags::NONE).unwrap();
        assert_eq!(CanFdFrame::try_from(&exact).unwrap_err(), ForeignFrame::Length(9));
        let xl = CanFrame::from(XlFrame::new(id(1), [0u8].as_slice()).unwrap());
        assert_eq!(CanAnyFrame::try_from(&xl).unwrap_err(), ForeignFrame::Xl);
    }

    #[test]
    fn an_error_report_converts_as_one_and_never_as_traffic() {
        let report = ErrorFrame::new(ErrorClasses::from_bits(0x204), &[0, 0x20, 0, 0, 0, 0, 128, 1]);
        let there = CanErrorFrame::from(&report);
        assert_eq!(ErrorFrame::from(there), report);
        let there = CanAnyFrame::from(there);
        assert_eq!(CanFrame::try_from(there), Err(ForeignFrame::ErrorReport));
    }
}
