//! Where a node's random numbers come from.

use alloc::boxed::Box;
use core::fmt;

/// A source of random numbers.
pub(super) enum Random {
    /// A splitmix64 sequence.
    Seeded(u64),
    /// Whatever the owner has.
    Given(Box<dyn FnMut() -> u64 + Send>),
}

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        match self {
            Self::Seeded(state) => {
                *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
                let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
                mixed ^ (mixed >> 31)
            }
            Self::Given(random) => random(),
        }
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The numbers to come are nobody's business.
        f.write_str("Random")
    }
}
