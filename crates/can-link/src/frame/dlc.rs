//! The data length code and the lengths CAN FD can express.

/// Data lengths by DLC 0..=15 in CAN FD.
const FD_LENGTHS: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24, 32, 48, 64];

/// A data length code, 0..=15.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dlc(u8);

impl Dlc {
    /// The code `raw`, or `None` above 15.
    #[must_use]
    pub const fn new(raw: u8) -> Option<Self> {
        if raw <= 15 { Some(Self(raw)) } else { None }
    }

    /// The code of the smallest frame that holds `len` bytes (CAN FD table), or `None` above 64.
    #[must_use]
    pub fn covering(len: usize) -> Option<Self> {
        let code = match len {
            0..=8 => u8::try_from(len).ok()?,
            9..=12 => 9,
            13..=16 => 10,
            17..=20 => 11,
            21..=24 => 12,
            25..=32 => 13,
            33..=48 => 14,
            49..=64 => 15,
            _ => return None,
        };
        Some(Self(code))
    }

    /// The code whose CAN FD length is exactly `len`, or `None` when there is none (9, 13, ...).
    #[must_use]
    pub fn exact(len: usize) -> Option<Self> {
        Self::covering(len).filter(|dlc| dlc.fd_len() == len)
    }

    /// The code itself.
    #[must_use]
    pub const fn raw(self) -> u8 {
        self.0
    }

    /// Data bytes of a classic frame with this code: codes above 8 mean 8.
    #[must_use]
    pub fn classic_len(self) -> usize {
        usize::from(self.0.min(8))
    }

    /// Data bytes of a CAN FD frame with this code.
    #[must_use]
    pub fn fd_len(self) -> usize {
        FD_LENGTHS
            .get(usize::from(self.0))
            .copied()
            .map_or(64, usize::from)
    }
}

/// The next length a CAN FD frame can have: 0..=8, 12, 16, 20, 24, 32, 48, 64; `None` above 64.
#[must_use]
pub fn fd_padded_len(len: usize) -> Option<usize> {
    Dlc::covering(len).map(Dlc::fd_len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_follow_the_fd_table() {
        let lengths: std::vec::Vec<_> = (0..=15).filter_map(Dlc::new).map(Dlc::fd_len).collect();
        assert_eq!(lengths, [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24, 32, 48, 64]);
        assert_eq!(Dlc::new(16), None);
    }

    #[test]
    fn a_length_without_a_code_is_padded_to_the_next_one() {
        assert_eq!(fd_padded_len(9), Some(12));
        assert_eq!(fd_padded_len(48), Some(48));
        assert_eq!(fd_padded_len(49), Some(64));
        assert_eq!(fd_padded_len(65), None);
        for len in 0..=64 {
            let shortest = (0..=15).filter_map(Dlc::new).find(|dlc| dlc.fd_len() >= len);
            assert_eq!(Dlc::covering(len), shortest, "{len}");
        }
        assert_eq!(Dlc::exact(9), None);
        assert_eq!(Dlc::exact(12).map(Dlc::raw), Some(9));
    }

    #[test]
    fn a_classic_frame_never_has_more_than_eight_bytes() {
        assert_eq!(Dlc::new(15).unwrap().classic_len(), 8);
        assert_eq!(Dlc::new(3).unwrap().classic_len(), 3);
    }
}
