//! Classic CAN: data and remote frames.

use embedded_can::Id;

use super::{Dlc, MAX_CLASSIC_LEN};

/// A classic data frame: an identifier and 0..=8 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DataFrame {
    id: Id,
    dlc: Dlc,
    data: [u8; MAX_CLASSIC_LEN],
}

impl DataFrame {
    /// A frame with `data`, or `None` above 8 bytes.
    #[must_use]
    pub fn new(id: impl Into<Id>, data: &[u8]) -> Option<Self> {
        let dlc = u8::try_from(data.len())
            .ok()
            .filter(|&len| len <= 8)
            .and_then(Dlc::new)?;
        let mut frame = Self {
            id: id.into(),
            dlc,
            data: [0; MAX_CLASSIC_LEN],
        };
        frame.data.get_mut(..data.len())?.copy_from_slice(data);
        Some(frame)
    }

    /// The same frame with a raw DLC of 9..=15 on the wire, or `None` unless it has 8 bytes.
    ///
    /// ISO 11898-1 allows these codes in classic frames; all of them mean 8 bytes.
    #[must_use]
    pub fn with_raw_dlc(self, dlc: Dlc) -> Option<Self> {
        (dlc.classic_len() == self.data().len()).then_some(Self { dlc, ..self })
    }

    /// The identifier.
    #[must_use]
    pub const fn id(&self) -> Id {
        self.id
    }

    /// The code on the wire; above 8 only when it was asked for or received so.
    #[must_use]
    pub const fn dlc(&self) -> Dlc {
        self.dlc
    }

    /// The data, 0..=8 bytes.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        self.data.get(..self.dlc.classic_len()).unwrap_or_default()
    }
}

impl core::fmt::Debug for DataFrame {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("DataFrame")
            .field("id", &self.id)
            .field("dlc", &self.dlc.raw())
            .field("data", &format_args!("{:02x?}", self.data()))
            .finish()
    }
}

/// A classic remote frame: an identifier and a length, no data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RemoteFrame {
    id: Id,
    dlc: Dlc,
}

impl RemoteFrame {
    /// A request for `len` bytes, or `None` above 8.
    #[must_use]
    pub fn new(id: impl Into<Id>, len: usize) -> Option<Self> {
        let dlc = u8::try_from(len)
            .ok()
            .filter(|&len| len <= 8)
            .and_then(Dlc::new)?;
        Some(Self { id: id.into(), dlc })
    }

    /// The same request with a raw DLC of 9..=15, or `None` unless it asks for 8 bytes.
    #[must_use]
    pub fn with_raw_dlc(self, dlc: Dlc) -> Option<Self> {
        (dlc.classic_len() == self.len()).then_some(Self { dlc, ..self })
    }

    /// The identifier.
    #[must_use]
    pub const fn id(&self) -> Id {
        self.id
    }

    /// The code on the wire.
    #[must_use]
    pub const fn dlc(&self) -> Dlc {
        self.dlc
    }

    /// How many bytes are asked for, 0..=8.
    #[must_use]
    pub fn len(&self) -> usize {
        self.dlc.classic_len()
    }

    /// Whether zero bytes are asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
