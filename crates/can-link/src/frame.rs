//! What travels on a CAN bus.

mod classic;
mod dlc;
mod fd;
#[cfg(feature = "alloc")]
mod xl;

use embedded_can::Id;

pub use classic::{DataFrame, RemoteFrame};
pub use dlc::{Dlc, fd_padded_len};
pub use fd::{FdFlags, FdFrame};
#[cfg(feature = "alloc")]
pub use xl::XlFrame;

use crate::id::{self, Remote};

/// Data bytes of the largest classic frame.
pub const MAX_CLASSIC_LEN: usize = 8;
/// Data bytes of the largest CAN FD frame.
pub const MAX_FD_LEN: usize = 64;
/// Data bytes of the largest CAN XL frame.
pub const MAX_XL_LEN: usize = 2048;

/// A frame that may be sent as traffic.
///
/// Reports of bus errors are not frames here: see [`ErrorFrame`](crate::error_frame::ErrorFrame). Frames
/// compare by their meaningful fields; bytes behind the length do not exist.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CanFrame {
    /// Classic CAN with 0..=8 data bytes.
    Data(DataFrame),
    /// Classic CAN: a request for data.
    Remote(RemoteFrame),
    /// CAN FD with 0..=64 data bytes.
    Fd(FdFrame),
    /// CAN XL with 1..=2048 data bytes.
    #[cfg(feature = "alloc")]
    Xl(XlFrame),
}

impl CanFrame {
    /// A classic data frame, or `None` above 8 bytes.
    #[must_use]
    pub fn data(id: impl Into<Id>, data: &[u8]) -> Option<Self> {
        DataFrame::new(id, data).map(Self::Data)
    }

    /// A remote frame asking for `len` bytes, or `None` above 8.
    #[must_use]
    pub fn remote(id: impl Into<Id>, len: usize) -> Option<Self> {
        RemoteFrame::new(id, len).map(Self::Remote)
    }

    /// A CAN FD frame, padded with zeros to a length FD can express, or `None` above 64 bytes.
    #[must_use]
    pub fn fd(id: impl Into<Id>, data: &[u8], flags: FdFlags) -> Option<Self> {
        FdFrame::new(id, data, flags).map(Self::Fd)
    }

    /// The identifier; for CAN XL its priority.
    #[must_use]
    pub fn id(&self) -> Id {
        match self {
            Self::Data(frame) => frame.id(),
            Self::Remote(frame) => frame.id(),
            Self::Fd(frame) => frame.id(),
            #[cfg(feature = "alloc")]
            Self::Xl(frame) => Id::Standard(frame.priority()),
        }
    }

    /// The data bytes; empty for a remote frame.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        match self {
            Self::Data(frame) => frame.data(),
            Self::Remote(_) => &[],
            Self::Fd(frame) => frame.data(),
            #[cfg(feature = "alloc")]
            Self::Xl(frame) => frame.data(),
        }
    }

    /// Whether this is a remote frame.
    #[must_use]
    pub const fn is_remote(&self) -> bool {
        matches!(self, Self::Remote(_))
    }

    /// The identifier word with its EFF and RTR flags, as filters see it.
    #[must_use]
    pub fn id_word(&self) -> u32 {
        let rtr = if self.is_remote() { id::RTR_FLAG } else { 0 };
        id::to_word(self.id()) | rtr
    }

    /// Orders frames as arbitration does; the smaller one wins the bus.
    #[must_use]
    pub fn arbitration_key(&self) -> u32 {
        id::arbitration_key(
            self.id(),
            if self.is_remote() {
                Remote::Request
            } else {
                Remote::Data
            },
        )
    }
}

impl From<DataFrame> for CanFrame {
    fn from(frame: DataFrame) -> Self {
        Self::Data(frame)
    }
}

impl From<RemoteFrame> for CanFrame {
    fn from(frame: RemoteFrame) -> Self {
        Self::Remote(frame)
    }
}

impl From<FdFrame> for CanFrame {
    fn from(frame: FdFrame) -> Self {
        Self::Fd(frame)
    }
}

#[cfg(feature = "alloc")]
impl From<XlFrame> for CanFrame {
    fn from(frame: XlFrame) -> Self {
        Self::Xl(frame)
    }
}

/// Builds classic frames only; reads every kind.
impl embedded_can::Frame for CanFrame {
    fn new(id: impl Into<Id>, data: &[u8]) -> Option<Self> {
        Self::data(id, data)
    }

    fn new_remote(id: impl Into<Id>, dlc: usize) -> Option<Self> {
        Self::remote(id, dlc)
    }

    fn is_extended(&self) -> bool {
        matches!(Self::id(self), Id::Extended(_))
    }

    fn is_remote_frame(&self) -> bool {
        self.is_remote()
    }

    fn id(&self) -> Id {
        Self::id(self)
    }

    fn dlc(&self) -> usize {
        match self {
            Self::Remote(frame) => frame.len(),
            other => other.payload().len(),
        }
    }

    fn data(&self) -> &[u8] {
        self.payload()
    }
}

#[cfg(test)]
mod tests;
