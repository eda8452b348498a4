//! The one source of chance: the same seed gives the same numbers everywhere.

use core::time::Duration;

/// SplitMix64.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    pub(crate) const fn next_u16(&mut self) -> u16 {
        let [high, low, ..] = self.next_u64().to_be_bytes();
        u16::from_be_bytes([high, low])
    }

    pub(crate) const fn next_u8(&mut self) -> u8 {
        let [byte, ..] = self.next_u64().to_be_bytes();
        byte
    }

    /// From half of `mean` to one and a half of it, evenly.
    pub(crate) fn spread(&mut self, mean: Duration) -> Duration {
        mean / 2 + mean * u32::from(self.next_u16()) / u32::from(u16::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_everything() {
        let numbers = |seed| {
            let mut random = Random::seeded(seed);
            [random.next_u64(), random.next_u64(), random.next_u64()]
        };
        assert_eq!(numbers(1), numbers(1));
        assert_ne!(numbers(1), numbers(2));
    }

    #[test]
    fn spread_times_stay_around_the_mean() {
        let mut random = Random::seeded(5);
        let mean = Duration::from_millis(10);
        for _ in 0..1000 {
            let time = random.spread(mean);
            assert!((mean / 2..=mean * 3 / 2).contains(&time), "{time:?}");
        }
    }
}
