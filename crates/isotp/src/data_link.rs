//! What a PDU's frame looks like: classic or CAN FD, how long at most, how padded.

use can_link::frame::{DataFrame, Dlc, FdFlags, FdFrame, MAX_CLASSIC_LEN, MAX_FD_LEN, fd_padded_len};
use can_link::{CanFrame, Id};

use crate::error::ParameterError;
use crate::pci::{Pci, PciBytes, Prefix};

/// The usual filler: its bit pattern needs no stuff bits.
pub const DEFAULT_FILL: u8 = 0xCC;

/// The longest frame a node sends (TX_DL): 8, 12, 16, 20, 24, 32, 48 or 64 data bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TxDl(u8);

impl TxDl {
    /// 8 bytes, as in classic frames.
    pub const MIN: Self = Self(8);
    /// 64 bytes.
    pub const MAX: Self = Self(64);

    /// The length `len`, or `None` when CAN FD has no such length of 8 bytes or more.
    #[must_use]
    pub fn new(len: usize) -> Option<Self> {
        let len = u8::try_from(len).ok().filter(|&len| len >= 8)?;
        Dlc::exact(len.into()).map(|_| Self(len))
    }

    /// The length in bytes.
    #[must_use]
    pub const fn len(self) -> usize {
        self.0 as usize
    }

    /// Never: 8 bytes are the least.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        false
    }
}

impl TryFrom<usize> for TxDl {
    type Error = ParameterError;

    /// As [`new`](Self::new), with the reason.
    fn try_from(len: usize) -> Result<Self, ParameterError> {
        Self::new(len).ok_or(ParameterError::FrameLength { got: len })
    }
}

/// The kind of frame a node sends. It receives both kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DataLink {
    /// Classic frames of up to 8 bytes.
    #[default]
    Classic,
    /// CAN FD frames.
    Fd {
        /// The longest frame.
        tx_dl: TxDl,
        /// Bit-rate switch and error state indicator.
        flags: FdFlags,
    },
}

impl DataLink {
    /// CAN FD frames of up to 64 bytes with bit-rate switch.
    #[must_use]
    pub const fn fd() -> Self {
        Self::Fd {
            tx_dl: TxDl::MAX,
            flags: FdFlags::BRS,
        }
    }

    /// The longest frame.
    #[must_use]
    pub const fn tx_dl(&self) -> TxDl {
        match self {
            Self::Classic => TxDl::MIN,
            Self::Fd { tx_dl, .. } => *tx_dl,
        }
    }

    /// The longest message that a single frame holds.
    #[must_use]
    pub const fn max_single_len(&self, prefix: Prefix) -> usize {
        let pci = match self.tx_dl() {
            TxDl::MIN => 1,
            _ => 2,
        };
        self.tx_dl().len() - pci - prefix.len()
    }

    /// The frame of `pci` and as much of `data` as fits, padded; and how many bytes of `data` that were.
    pub(crate) fn frame(
        &self,
        id: Id,
        address_byte: Option<u8>,
        pci: Pci,
        data: &[u8],
        padding: Padding,
    ) -> (CanFrame, usize) {
        let frame = match self {
            Self::Classic => {
                let mut bytes = [padding.fill; MAX_CLASSIC_LEN];
                let (written, taken) = self.write(&mut bytes, address_byte, pci, data, padding);
                DataFrame::new(id, written).map(|frame| (CanFrame::Data(frame), taken))
            }
            Self::Fd { flags, .. } => {
                let mut bytes = [padding.fill; MAX_FD_LEN];
                let (written, taken) = self.write(&mut bytes, address_byte, pci, data, padding);
                FdFrame::new(id, written, *flags).map(|frame| (CanFrame::Fd(frame), taken))
            }
        };
        frame.expect("TX_DL is a length of this kind of frame")
    }

    /// How long a frame of `pci` is behind an address of `prefix` bytes where `rest` bytes of data are left,
    /// and how many of them it takes.
    pub(crate) fn part(&self, prefix: usize, pci: Pci, rest: usize, padding: Padding) -> (usize, usize) {
        let (_, can_dl, taken) = self.layout(prefix, pci, rest, padding);
        (can_dl, taken)
    }

    /// The head of a frame, its length, and how many bytes of data it takes.
    fn layout(&self, prefix: usize, pci: Pci, rest: usize, padding: Padding) -> (PciBytes, usize, usize) {
        let mut head = pci.encode(0);
        let mut used = prefix + head.as_ref().len();
        let mut can_dl = self.padded_len(used.saturating_add(rest), padding);
        if let Pci::SingleFrame { .. } = pci
            && can_dl > MAX_CLASSIC_LEN
        {
            // The escape form is one byte longer than the short form.
            head = pci.encode(can_dl);
            used = prefix + head.as_ref().len();
            can_dl = self.padded_len(used.saturating_add(rest), padding);
        }
        (head, can_dl, rest.min(can_dl - used))
    }

    /// Writes a frame's data over its padding; what was written, and how many bytes of `data` that were.
    fn write<'a>(
        &self,
        bytes: &'a mut [u8],
        address_byte: Option<u8>,
        pci: Pci,
        data: &[u8],
        padding: Padding,
    ) -> (&'a [u8], usize) {
        let prefix = usize::from(address_byte.is_some());
        let (head, can_dl, taken) = self.layout(prefix, pci, data.len(), padding);
        let mut room = &mut *bytes;
        for part in [
            address_byte.as_slice(),
            head.as_ref(),
            data.get(..taken).unwrap_or_default(),
        ] {
            let Some((start, rest)) = room.split_at_mut_checked(part.len()) else {
                break;
            };
            start.copy_from_slice(part);
            room = rest;
        }
        (bytes.get(..can_dl).unwrap_or_default(), taken)
    }

    /// The length of a frame that holds `used` bytes, or as many as fit.
    fn padded_len(&self, used: usize, padding: Padding) -> usize {
        let len = used.max(padding.min_len()).min(self.tx_dl().len());
        match self {
            Self::Classic => len,
            Self::Fd { .. } => fd_padded_len(len).unwrap_or(MAX_FD_LEN),
        }
    }
}

/// How frames with room to spare are filled.
///
/// CAN FD frames above 8 bytes are always filled to the next length that CAN FD has. The content is never
/// looked at when receiving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Padding {
    min: Dlc,
    fill: u8,
}

impl Padding {
    /// Frames as short as possible; the filler above 8 bytes is 0xCC.
    #[must_use]
    pub fn none() -> Self {
        Self::at_least(Dlc::covering(0).unwrap_or_else(full_dlc), DEFAULT_FILL)
    }

    /// Frames of at least 8 bytes, filled with `fill`: what most vehicle networks ask for.
    #[must_use]
    pub fn filled(fill: u8) -> Self {
        Self::at_least(full_dlc(), fill)
    }

    /// Frames of at least the length of `min`, or TX_DL where that is shorter, filled with `fill`.
    ///
    /// Above 8 bytes this network's single frames may be longer than their message needs, so they are
    /// accepted too.
    #[must_use]
    pub const fn at_least(min: Dlc, fill: u8) -> Self {
        Self { min, fill }
    }

    /// The least length of a frame.
    #[must_use]
    pub fn min_len(&self) -> usize {
        self.min.fd_len()
    }

    /// The filler.
    #[must_use]
    pub const fn fill(&self) -> u8 {
        self.fill
    }
}

/// The DLC of 8 bytes.
fn full_dlc() -> Dlc {
    Dlc::covering(8).expect("8 bytes have a DLC")
}

impl Default for Padding {
    fn default() -> Self {
        Self::filled(DEFAULT_FILL)
    }
}

#[cfg(test)]
mod tests {
    use can_link::StandardId;

    use super::*;

    fn single(link: DataLink, padding: Padding, len: u8) -> CanFrame {
        let data = [0x11; 64];
        let id = StandardId::new(0x7E0).unwrap();
        let (frame, taken) = link.frame(
            id.into(),
            None,
            Pci::SingleFrame { len },
            &data[..len.into()],
            padding,
        );
        assert_eq!(taken, usize::from(len));
        frame
    }

    #[test]
    fn classic_frames_are_padded_to_eight_by_default() {
        let frame = single(DataLink::Classic, Padding::default(), 2);
        assert_eq!(frame.payload(), [0x02, 0x11, 0x11, 0xCC, 0xCC, 0xCC, 0xCC, 0xCC]);
        let frame = single(DataLink::Classic, Padding::none(), 2);
        assert_eq!(frame.payload(), [0x02, 0x11, 0x11]);
    }

    #[test]
    fn fd_frames_have_a_length_that_fd_has() {
        let frame = single(DataLink::fd(), Padding::none(), 8);
        assert_eq!(frame.payload().len(), 12);
        assert_eq!(frame.payload()[..2], [0x00, 0x08]);
        assert_eq!(frame.payload()[10..], [0xCC, 0xCC]);
        assert_eq!(single(DataLink::fd(), Padding::none(), 7).payload().len(), 8);
        assert_eq!(single(DataLink::fd(), Padding::default(), 1).payload().len(), 8);
    }

    #[test]
    fn a_minimum_above_eight_bytes_takes_the_escape_form() {
        let padding = Padding::at_least(Dlc::exact(12).unwrap(), 0xAA);
        let frame = single(DataLink::fd(), padding, 3);
        assert_eq!(frame.payload()[..6], [0x00, 0x03, 0x11, 0x11, 0x11, 0xAA]);
        assert_eq!(frame.payload().len(), 12);
    }

    #[test]
    fn only_lengths_of_can_fd_are_a_maximum() {
        let valid: std::vec::Vec<_> = (0..=70).filter(|&len| TxDl::new(len).is_some()).collect();
        assert_eq!(valid, [8, 12, 16, 20, 24, 32, 48, 64]);
        let refused = TxDl::try_from(9).unwrap_err();
        assert_eq!(
            std::string::ToString::to_string(&refused),
            "TX_DL of 9 bytes; 8, 12, 16, 20, 24, 32, 48 or 64 bytes are possible"
        );
        assert_eq!(DataLink::Classic.max_single_len(Prefix::AddressByte), 6);
        assert_eq!(DataLink::fd().max_single_len(Prefix::None), 62);
    }
}
