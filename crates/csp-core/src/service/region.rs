//! Memory that may be read and written by request: a map of byte arrays, and never the real one.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use thiserror::Error;

use super::Refusal;

/// A map of addresses to bytes, for [`Platform::peek`](super::Platform::peek) and
/// [`poke`](super::Platform::poke).
///
/// An access lies within one region or is refused whole.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    regions: BTreeMap<u64, Region>,
}

#[derive(Clone, Debug)]
struct Region {
    bytes: Vec<u8>,
    writable: bool,
}

impl Memory {
    /// No memory.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            regions: BTreeMap::new(),
        }
    }

    /// Adds a region that can be read and written.
    ///
    /// # Errors
    /// It reaches into another or beyond the last address.
    pub fn add(&mut self, start: u64, bytes: impl Into<Vec<u8>>) -> Result<(), RegionError> {
        self.insert(start, bytes.into(), true)
    }

    /// Adds a region that can be read alone.
    ///
    /// # Errors
    /// It reaches into another or beyond the last address.
    pub fn add_fixed(&mut self, start: u64, bytes: impl Into<Vec<u8>>) -> Result<(), RegionError> {
        self.insert(start, bytes.into(), false)
    }

    fn insert(&mut self, start: u64, bytes: Vec<u8>, writable: bool) -> Result<(), RegionError> {
        let end = end(start, bytes.len()).ok_or(RegionError::BeyondEnd { start })?;
        // The last region that begins before our end is the only one that could reach into us.
        let before = self.regions.range(..end).next_back();
        let clash = before.filter(|(at, other)| {
            self::end(**at, other.bytes.len()).is_none_or(|other_end| other_end > start) || **at == start
        });
        if let Some((other, _)) = clash {
            return Err(RegionError::Overlap { other: *other });
        }
        self.regions.insert(start, Region { bytes, writable });
        Ok(())
    }

    /// Fills `data` with the bytes at `address`.
    ///
    /// # Errors
    /// They are not all in one region.
    pub fn read(&self, address: u64, data: &mut [u8]) -> Result<(), Refusal> {
        let (start, region) = self
            .regions
            .range(..=address)
            .next_back()
            .ok_or(Refusal::Refused)?;
        let range = range(*start, address, data.len()).ok_or(Refusal::Refused)?;
        data.copy_from_slice(region.bytes.get(range).ok_or(Refusal::Refused)?);
        Ok(())
    }

    /// Writes `data` to `address`.
    ///
    /// # Errors
    /// The bytes there are not all in one region, or it can only be read. Nothing was written.
    pub fn write(&mut self, address: u64, data: &[u8]) -> Result<(), Refusal> {
        let (start, region) = self
            .regions
            .range_mut(..=address)
            .next_back()
            .filter(|(_, region)| region.writable)
            .ok_or(Refusal::Refused)?;
        let range = range(*start, address, data.len()).ok_or(Refusal::Refused)?;
        region
            .bytes
            .get_mut(range)
            .ok_or(Refusal::Refused)?
            .copy_from_slice(data);
        Ok(())
    }
}

fn end(start: u64, len: usize) -> Option<u64> {
    start.checked_add(u64::try_from(len).ok()?)
}

/// Where `len` bytes at `address` lie in a region that begins at `start`.
fn range(start: u64, address: u64, len: usize) -> Option<core::ops::Range<usize>> {
    let from = usize::try_from(address.checked_sub(start)?).ok()?;
    Some(from..from.checked_add(len)?)
}

/// Why a region cannot be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RegionError {
    /// It reaches into another.
    #[error("the region reaches into the one at {other:#x}")]
    Overlap {
        /// Where the other begins.
        other: u64,
    },
    /// It ends beyond the last address.
    #[error("the region at {start:#x} reaches beyond the last address")]
    BeyondEnd {
        /// Where it would begin.
        start: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory() -> Memory {
        let mut memory = Memory::new();
        memory.add(0x1000, [1, 2, 3, 4]).unwrap();
        memory.add_fixed(0x1004, [5, 6]).unwrap();
        memory
    }

    #[test]
    fn an_access_lies_within_one_region_or_is_refused_whole() {
        let mut memory = memory();
        let mut data = [0; 2];
        assert_eq!(memory.read(0x1002, &mut data), Ok(()));
        assert_eq!(data, [3, 4]);
        for at in [0, 0xFFF, 0x1003, 0x1005, 0x1006, u64::MAX] {
            assert_eq!(memory.read(at, &mut data), Err(Refusal::Refused), "{at:#x}");
            assert_eq!(memory.write(at, &[9, 9]), Err(Refusal::Refused), "{at:#x}");
        }
        assert_eq!(memory.write(0x1001, &[9, 8]), Ok(()));
        let mut all = [0; 4];
        memory.read(0x1000, &mut all).unwrap();
        assert_eq!(all, [1, 9, 8, 4]);
    }

    #[test]
    fn a_fixed_region_is_read_and_never_written() {
        let mut memory = memory();
        let mut data = [0; 2];
        assert_eq!(memory.read(0x1004, &mut data), Ok(()));
        assert_eq!(memory.write(0x1004, &data), Err(Refusal::Refused));
    }

    #[test]
    fn regions_that_reach_into_another_are_refused() {
        let mut memory = memory();
        for (start, other) in [
            (0x1000, 0x1000),
            (0xFFF, 0x1000),
            (0x1002, 0x1000),
            (0x1005, 0x1004),
        ] {
            assert_eq!(
                memory.add(start, [0; 2]),
                Err(RegionError::Overlap { other }),
                "{start:#x}"
            );
        }
        let start = u64::MAX;
        assert_eq!(memory.add(start, [0; 2]), Err(RegionError::BeyondEnd { start }));
    }
}
