//! Sequence numbers, which wrap at 2^16.

use core::fmt;

/// A sequence or acknowledgement number.
///
/// Arithmetic is modulo 2^16, and half of all numbers are before a given one (9.2). Hence there is no order,
/// and no `Ord`.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Sequence(u16);

impl Sequence {
    /// The number `bits`; every value is possible.
    #[must_use]
    pub const fn new(bits: u16) -> Self {
        Self(bits)
    }

    /// The number, as in a segment.
    #[must_use]
    pub const fn to_bits(self) -> u16 {
        self.0
    }

    /// The one after it.
    #[must_use]
    pub const fn next(self) -> Self {
        self.plus(1)
    }

    /// The one before it.
    #[must_use]
    pub const fn previous(self) -> Self {
        self.minus(1)
    }

    /// The one `count` later.
    #[must_use]
    pub const fn plus(self, count: u16) -> Self {
        Self(self.0.wrapping_add(count))
    }

    /// The one `count` earlier.
    #[must_use]
    pub const fn minus(self, count: u16) -> Self {
        Self(self.0.wrapping_sub(count))
    }

    /// How many steps lead from `earlier` to it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u16 {
        self.0.wrapping_sub(earlier.0)
    }

    /// Whether it is before `other`.
    #[must_use]
    pub const fn is_before(self, other: Self) -> bool {
        self.since(other) >= 0x8000
    }

    /// Whether it is after `other`.
    #[must_use]
    pub const fn is_after(self, other: Self) -> bool {
        other.is_before(self)
    }

    /// Whether it is one of `first` to `last`, both included.
    #[must_use]
    pub const fn is_between(self, first: Self, last: Self) -> bool {
        last.since(first) >= self.since(first)
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

    #[test]
    fn what_wrapped_is_after_what_did_not() {
        let (last, first) = (Sequence::new(0xFFFF), Sequence::new(0));
        assert!(first.is_after(last) && last.is_before(first));
        assert!(!first.is_after(first) && !first.is_before(first));
        assert_eq!(last.next(), first);
        assert_eq!(first.since(last.previous()), 2);
    }

    #[test]
    fn a_range_includes_both_ends_and_may_wrap() {
        let number = Sequence::new;
        let is_in = |bits| number(bits).is_between(number(0xFFFE), number(1));
        assert!([0xFFFE, 0xFFFF, 0, 1].into_iter().all(is_in));
        assert!(![0xFFFD, 2, 0x8000].into_iter().any(is_in));
    }
}
