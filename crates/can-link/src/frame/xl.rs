//! CAN XL frames.

use alloc::boxed::Box;

use embedded_can::StandardId;

use super::MAX_XL_LEN;

/// A CAN XL frame: an 11-bit priority and 1..=2048 bytes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct XlFrame {
    priority: StandardId,
    vcid: u8,
    flags: u8,
    sdu_type: u8,
    acceptance: u32,
    data: Box<[u8]>,
}

impl XlFrame {
    /// Flag: simple extended content (the data starts with a security header).
    pub const SEC: u8 = 0x01;
    /// Flag: remote request substitution.
    pub const RRS: u8 = 0x02;

    /// A frame with `data`, or `None` unless it has 1..=2048 bytes.
    #[must_use]
    pub fn new(priority: StandardId, data: impl Into<Box<[u8]>>) -> Option<Self> {
        let data = data.into();
        (1..=MAX_XL_LEN).contains(&data.len()).then_some(Self {
            priority,
            vcid: 0,
            flags: 0,
            sdu_type: 0,
            acceptance: 0,
            data,
        })
    }

    /// Sets the virtual CAN network id.
    #[must_use]
    pub fn with_vcid(self, vcid: u8) -> Self {
        Self { vcid, ..self }
    }

    /// Sets the flags [`SEC`](Self::SEC) and [`RRS`](Self::RRS); other bits are ignored.
    #[must_use]
    pub fn with_flags(self, flags: u8) -> Self {
        Self {
            flags: flags & 0x03,
            ..self
        }
    }

    /// Sets the service data unit type.
    #[must_use]
    pub fn with_sdu_type(self, sdu_type: u8) -> Self {
        Self { sdu_type, ..self }
    }

    /// Sets the 32-bit acceptance field.
    #[must_use]
    pub fn with_acceptance(self, acceptance: u32) -> Self {
        Self { acceptance, ..self }
    }

    /// The 11-bit priority, which decides arbitration.
    #[must_use]
    pub const fn priority(&self) -> StandardId {
        self.priority
    }

    /// The virtual CAN network id.
    #[must_use]
    pub const fn vcid(&self) -> u8 {
        self.vcid
    }

    /// [`SEC`](Self::SEC) and [`RRS`](Self::RRS).
    #[must_use]
    pub const fn flags(&self) -> u8 {
        self.flags
    }

    /// The service data unit type.
    #[must_use]
    pub const fn sdu_type(&self) -> u8 {
        self.sdu_type
    }

    /// The acceptance field.
    #[must_use]
    pub const fn acceptance(&self) -> u32 {
        self.acceptance
    }

    /// The data, 1..=2048 bytes.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.data
    }
}

impl core::fmt::Debug for XlFrame {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("XlFrame")
            .field("priority", &self.priority)
            .field("vcid", &self.vcid)
            .field("sdu_type", &self.sdu_type)
            .field("acceptance", &self.acceptance)
            .field("len", &self.data.len())
            .finish_non_exhaustive()
    }
}
