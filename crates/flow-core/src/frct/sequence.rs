//! Sequence numbers, which wrap at 2^32.

use core::fmt;

/// A sequence number, an acknowledgement number, or an edge of a window.
///
/// Arithmetic is modulo 2^32, and half of all numbers are before a given one. Hence there is no order, and no
/// `Ord`.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Sequence(u32);

impl Sequence {
    /// The number `bits`; every value is possible.
    #[must_use]
    pub const fn new(bits: u32) -> Self {
        Self(bits)
    }

    /// The number, as in a header.
    #[must_use]
    pub const fn to_bits(self) -> u32 {
        self.0
    }

    /// The low 24 bits, which is all that a header has of the edge of a window.
    #[must_use]
    pub const fn low_bits(self) -> u32 {
        self.0 & 0x00FF_FFFF
    }

    /// The number nearest to it that has these low 24 bits.
    #[must_use]
    pub const fn nearest(self, low_bits: u32) -> Self {
        let ahead = low_bits.wrapping_sub(self.0) & 0x00FF_FFFF;
        let behind = if ahead > 0x0080_0000 { 0x0100_0000 } else { 0 };
        Self(self.0.wrapping_add(ahead).wrapping_sub(behind))
    }

    /// The one after it.
    #[must_use]
    pub const fn next(self) -> Self {
        self.plus(1)
    }

    /// The one `count` later.
    #[must_use]
    pub const fn plus(self, count: u32) -> Self {
        Self(self.0.wrapping_add(count))
    }

    /// The one `count` earlier.
    #[must_use]
    pub const fn minus(self, count: u32) -> Self {
        Self(self.0.wrapping_sub(count))
    }

    /// How many steps lead from `earlier` to it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u32 {
        self.0.wrapping_sub(earlier.0)
    }

    /// Whether it is before `other`, by the sign of the difference (spec ch. 10).
    #[must_use]
    pub const fn is_before(self, other: Self) -> bool {
        self.since(other) >= 0x8000_0000
    }

    /// Whether it is after `other`.
    #[must_use]
    pub const fn is_after(self, other: Self) -> bool {
        other.is_before(self)
    }

    /// The later of the two.
    #[must_use]
    pub const fn later(self, other: Self) -> Self {
        if self.is_before(other) { other } else { self }
    }
}

impl fmt::Debug for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_wrapped_is_after_what_did_not() {
        let (last, first) = (Sequence::new(u32::MAX), Sequence::new(0));
        assert!(first.is_after(last) && last.is_before(first));
        assert!(!first.is_after(first) && !first.is_before(first));
        assert_eq!(last.next(), first);
        assert_eq!(first.since(last.minus(1)), 2);
        assert_eq!(last.later(first), first);
    }

    #[test]
    fn the_edge_of_a_window_goes_over_the_end_of_24_bits() {
        let edge = Sequence::new(0x12FF_FFF0);
        assert_eq!(edge.nearest(0x0000_0010), Sequence::new(0x1300_0010));
        assert_eq!(Sequence::new(0x1300_0010).nearest(0x00FF_FFF0), edge);
    }

    proptest! {
        #[test]
        fn any_edge_within_a_quarter_of_24_bits_is_found_again(at: u32, step in -0x40_0000i32..0x40_0000) {
            let edge = Sequence::new(at.wrapping_add_signed(step));
            prop_assert_eq!(Sequence::new(at).nearest(edge.low_bits()), edge);
        }
    }
}
