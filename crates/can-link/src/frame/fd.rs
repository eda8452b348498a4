//! CAN FD frames.

use core::ops::BitOr;

use embedded_can::Id;

use super::{MAX_FD_LEN, fd_padded_len};

/// Flags of a CAN FD frame: bit-rate switch and error state indicator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FdFlags(u8);

impl FdFlags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// Bit-rate switch: the data phase runs at the data bit rate.
    pub const BRS: Self = Self(0x01);
    /// Error state indicator: the transmitter is error passive.
    pub const ESI: Self = Self(0x02);

    /// The flags in `bits` (bit 0 BRS, bit 1 ESI); other bits are ignored.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 0x03)
    }

    /// Bit 0 BRS, bit 1 ESI.
    #[must_use]
    pub const fn to_bits(self) -> u8 {
        self.0
    }

    /// Whether all flags of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for FdFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A CAN FD frame: an identifier and 0..=64 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FdFrame {
    id: Id,
    flags: FdFlags,
    len: u8,
    data: [u8; MAX_FD_LEN],
}

impl FdFrame {
    /// A frame with `data`, padded with zeros to the next length FD can express; `None` above 64 bytes.
    #[must_use]
    pub fn new(id: impl Into<Id>, data: &[u8], flags: FdFlags) -> Option<Self> {
        let mut frame = Self::with_exact_len(id, data, flags)?;
        frame.len = u8::try_from(fd_padded_len(data.len())?).ok()?;
        Some(frame)
    }

    /// A frame with exactly `data`, even of a length that has no DLC (9, 13, ...); `None` above 64 bytes.
    ///
    /// Virtual interfaces carry such frames unchanged; controllers round the length up.
    #[must_use]
    pub fn with_exact_len(id: impl Into<Id>, data: &[u8], flags: FdFlags) -> Option<Self> {
        let mut frame = Self {
            id: id.into(),
            flags,
            len: u8::try_from(data.len()).ok()?,
            data: [0; MAX_FD_LEN],
        };
        frame.data.get_mut(..data.len())?.copy_from_slice(data);
        Some(frame)
    }

    /// The identifier.
    #[must_use]
    pub const fn id(&self) -> Id {
        self.id
    }

    /// Bit-rate switch and error state indicator.
    #[must_use]
    pub const fn flags(&self) -> FdFlags {
        self.flags
    }

    /// The data, 0..=64 bytes.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        self.data.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl core::fmt::Debug for FdFrame {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("FdFrame")
            .field("id", &self.id)
            .field("flags", &self.flags)
            .field("data", &format_args!("{:02x?}", self.data()))
            .finish()
    }
}
