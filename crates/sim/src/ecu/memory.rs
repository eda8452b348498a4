//! The program memory: erased as a whole or in part, then written block by block.

use core::ops::Range;
use std::vec::Vec;

use crc::{CRC_32_ISO_HDLC, Crc, NoTable};

use super::code::ResponseCode;

/// The address of the first cell.
pub const MEMORY_START: u32 = 0x0010_0000;
/// Cells of one byte.
pub const MEMORY_LEN: usize = 0x1_0000;
/// The longest transfer request, with service and counter, that is told to the tester.
pub const MAX_BLOCK_LEN: u16 = 0x0402;

const ERASED: u8 = 0xFF;
/// What the factory wrote.
const FACTORY: u8 = 0x5A;
/// Four bytes of address, four of length.
const FOUR_AND_FOUR: u8 = 0x44;
const CRC: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);

/// A download under way.
#[derive(Debug)]
struct Download {
    /// All that was announced.
    range: Range<usize>,
    written: usize,
    /// The last block's counter; the first block has 1, and FF is followed by 00.
    counter: u8,
}

#[derive(Debug)]
pub(super) struct Memory {
    cells: Vec<u8>,
    /// A cell that cannot be written.
    worn: Option<usize>,
    download: Option<Download>,
    /// Whether a download was completed, and nothing erased since.
    complete: bool,
}

impl Memory {
    pub(super) fn factory() -> Self {
        Self {
            cells: std::vec![FACTORY; MEMORY_LEN],
            worn: None,
            download: None,
            complete: true,
        }
    }

    pub(super) fn wear(&mut self, address: u32) {
        self.worn = offset(address).filter(|&at| at < MEMORY_LEN);
    }

    pub(super) fn cells(&self) -> &[u8] {
        &self.cells
    }

    pub(super) const fn is_complete(&self) -> bool {
        self.complete
    }

    /// Forgets a download under way; what was written stays.
    pub(super) fn abandon(&mut self) {
        self.download = None;
    }

    /// Erases what `option` says: all when it is empty, else four bytes of address and four of length.
    pub(super) fn erase(&mut self, option: &[u8]) -> Result<(), ResponseCode> {
        let range = match option {
            [] => 0..MEMORY_LEN,
            [FOUR_AND_FOUR, place @ ..] => self.place(place, 4, 4)?,
            [_, ..] => return Err(ResponseCode::RequestOutOfRange),
        };
        if self.download.is_some() {
            return Err(ResponseCode::ConditionsNotCorrect);
        }
        self.cells.get_mut(range).unwrap_or_default().fill(ERASED);
        self.complete = false;
        Ok(())
    }

    /// Gets ready for data: `00`, the lengths of length and address, address, length.
    pub(super) fn request_download(&mut self, request: &[u8]) -> Result<(), ResponseCode> {
        let [format, lengths, place @ ..] = request else {
            return Err(ResponseCode::WrongLength);
        };
        let (len_len, address_len) = (usize::from(lengths >> 4), usize::from(lengths & 0x0F));
        let known = 1..=4;
        if *format != 0 || !known.contains(&len_len) || !known.contains(&address_len) {
            return Err(ResponseCode::RequestOutOfRange);
        }
        let range = self.place(place, address_len, len_len)?;
        let blank = self
            .cells
            .get(range.clone())
            .is_some_and(|cells| cells.iter().all(|&cell| cell == ERASED));
        if self.download.is_some() || !blank {
            return Err(ResponseCode::ConditionsNotCorrect);
        }
        self.download = Some(Download {
            range,
            written: 0,
            counter: 0,
        });
        Ok(())
    }

    /// Writes a block: counter, data. A block that comes again is confirmed again, and not written.
    pub(super) fn transfer(&mut self, request: &[u8]) -> Result<u8, ResponseCode> {
        let [counter, data @ ..] = request else {
            return Err(ResponseCode::WrongLength);
        };
        if data.is_empty() || data.len() + 2 > usize::from(MAX_BLOCK_LEN) {
            return Err(ResponseCode::WrongLength);
        }
        let download = self.download.as_mut().ok_or(ResponseCode::RequestSequenceError)?;
        if download.written > 0 && *counter == download.counter {
            return Ok(*counter);
        }
        let at = download.range.start + download.written;
        let end = at + data.len();
        if at == download.range.end {
            return Err(ResponseCode::RequestSequenceError);
        }
        if *counter != download.counter.wrapping_add(1) {
            return Err(ResponseCode::WrongBlockSequenceCounter);
        }
        if end > download.range.end {
            self.download = None;
            return Err(ResponseCode::TransferDataSuspended);
        }
        if self.worn.is_some_and(|worn| (at..end).contains(&worn)) {
            self.download = None;
            return Err(ResponseCode::GeneralProgrammingFailure);
        }
        download.written += data.len();
        download.counter = *counter;
        let cells = self.cells.get_mut(at..end).unwrap_or_default();
        cells.iter_mut().zip(data).for_each(|(cell, byte)| *cell = *byte);
        Ok(*counter)
    }

    /// Ends a complete download; its checksum.
    pub(super) fn exit(&mut self, request: &[u8]) -> Result<u32, ResponseCode> {
        if !request.is_empty() {
            return Err(ResponseCode::WrongLength);
        }
        match self.download.take() {
            Some(download) if download.written == download.range.len() => {
                self.complete = true;
                Ok(checksum(self.cells.get(download.range).unwrap_or_default()))
            }
            unfinished => {
                self.download = unfinished;
                Err(ResponseCode::RequestSequenceError)
            }
        }
    }

    /// The cells of an address and a length in big-endian bytes.
    fn place(&self, place: &[u8], address_len: usize, len_len: usize) -> Result<Range<usize>, ResponseCode> {
        let (address, len) = match place.split_at_checked(address_len) {
            Some((address, len)) if len.len() == len_len => (number(address), number(len)),
            _ => return Err(ResponseCode::WrongLength),
        };
        let range = offset(address).zip(usize::try_from(len).ok());
        range
            .and_then(|(start, len)| Some(start..start.checked_add(len)?))
            .filter(|range| !range.is_empty() && self.cells.get(range.clone()).is_some())
            .ok_or(ResponseCode::RequestOutOfRange)
    }
}

/// CRC-32 as in Ethernet and ZIP, of what was downloaded.
#[must_use]
pub fn checksum(image: &[u8]) -> u32 {
    CRC.checksum(image)
}

fn offset(address: u32) -> Option<usize> {
    usize::try_from(address.checked_sub(MEMORY_START)?).ok()
}

/// Up to four bytes.
fn number(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .fold(0, |number, &byte| number << 8 | u32::from(byte))
}
