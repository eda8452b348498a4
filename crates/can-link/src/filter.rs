//! Acceptance filters: which frames a link delivers.

use embedded_can::Id;

use crate::frame::CanFrame;
use crate::id::{self, EFF_FLAG, ERR_FLAG, EXTENDED_MASK, RTR_FLAG, STANDARD_MASK};

#[cfg(feature = "alloc")]
mod merge;
#[cfg(feature = "alloc")]
mod set;

#[cfg(feature = "alloc")]
pub use set::{FilterSet, Join};

/// One acceptance filter: a frame passes when it agrees with the filter's word in every bit of the mask.
///
/// Words and masks contain the format and remote flags (see [`crate::id`]), as in Linux. [`Filter::id`]
/// compares all of them, so it accepts exactly one identifier of one format, data frames only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Filter {
    word: u32,
    mask: u32,
    inverted: bool,
}

/// Which of data and remote frames a filter accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RemoteRule {
    /// Data frames only.
    Never,
    /// Remote frames only.
    Only,
    /// Both.
    Both,
}

impl Filter {
    /// Accepts every frame.
    pub const ALL: Self = Self {
        word: 0,
        mask: 0,
        inverted: false,
    };

    /// Accepts data frames with exactly this identifier.
    #[must_use]
    pub fn id(id: Id) -> Self {
        Self::masked(id, EXTENDED_MASK)
    }

    /// Accepts data frames of the format of `id` that agree with it in the identifier bits of `mask`.
    #[must_use]
    pub fn masked(id: Id, mask: u32) -> Self {
        let bits = match id {
            Id::Standard(_) => STANDARD_MASK,
            Id::Extended(_) => EXTENDED_MASK,
        };
        Self {
            word: id::to_word(id),
            mask: mask & bits | EFF_FLAG | RTR_FLAG,
            inverted: false,
        }
    }

    /// Accepts data frames whose identifier begins with the `bits` most significant bits of `id`.
    #[must_use]
    pub fn range_prefix(id: Id, bits: u32) -> Self {
        let (width, all) = match id {
            Id::Standard(_) => (11, STANDARD_MASK),
            Id::Extended(_) => (29, EXTENDED_MASK),
        };
        let low = width - bits.min(width);
        Self::masked(id, all & !((1 << low) - 1))
    }

    /// The filter as Linux and candump write it: bit 29 of `word` inverts.
    #[must_use]
    pub const fn from_bits(word: u32, mask: u32) -> Self {
        Self {
            word: word & !ERR_FLAG,
            mask: mask & !ERR_FLAG,
            inverted: word & ERR_FLAG != 0,
        }
    }

    /// The word and mask as Linux takes them: bit 29 of the word inverts.
    #[must_use]
    pub const fn to_bits(self) -> (u32, u32) {
        (
            if self.inverted {
                self.word | ERR_FLAG
            } else {
                self.word
            },
            self.mask,
        )
    }

    /// Accepts exactly what the filter refused.
    #[must_use]
    pub const fn inverted(self) -> Self {
        Self {
            inverted: !self.inverted,
            ..self
        }
    }

    /// Whether the filter is inverted.
    #[must_use]
    pub const fn is_inverted(self) -> bool {
        self.inverted
    }

    /// Chooses between data and remote frames; the default is [`RemoteRule::Never`] for all but
    /// [`Filter::ALL`].
    #[must_use]
    pub const fn remote(self, rule: RemoteRule) -> Self {
        match rule {
            RemoteRule::Never => Self {
                word: self.word & !RTR_FLAG,
                mask: self.mask | RTR_FLAG,
                ..self
            },
            RemoteRule::Only => Self {
                word: self.word | RTR_FLAG,
                mask: self.mask | RTR_FLAG,
                ..self
            },
            RemoteRule::Both => Self {
                word: self.word & !RTR_FLAG,
                mask: self.mask & !RTR_FLAG,
                ..self
            },
        }
    }

    /// Whether `frame` passes.
    #[must_use]
    pub fn accepts(&self, frame: &CanFrame) -> bool {
        self.accepts_word(frame.id_word())
    }

    /// Whether a frame with this identifier word passes.
    #[must_use]
    pub const fn accepts_word(&self, word: u32) -> bool {
        ((word ^ self.word) & self.mask == 0) != self.inverted
    }
}

#[cfg(test)]
mod tests {
    use embedded_can::{ExtendedId, StandardId};

    use super::*;

    fn std_id(raw: u16) -> Id {
        StandardId::new(raw).unwrap().into()
    }

    #[test]
    fn an_exact_filter_tells_format_and_remote_apart() {
        let filter = Filter::id(std_id(0x123));
        assert!(filter.accepts_word(0x123));
        assert!(!filter.accepts_word(0x8000_0123), "extended");
        assert!(!filter.accepts_word(0x4000_0123), "remote");
        assert_eq!(filter.to_bits(), (0x123, 0xC000_07FF));
        assert_eq!(
            Filter::id(ExtendedId::new(0x123).unwrap().into()).to_bits(),
            (0x8000_0123, 0xDFFF_FFFF)
        );
    }

    #[test]
    fn the_remote_rule_selects_data_remote_or_both() {
        let filter = Filter::id(std_id(5));
        let accepts = |rule| {
            let filter = filter.remote(rule);
            (filter.accepts_word(5), filter.accepts_word(RTR_FLAG | 5))
        };
        assert_eq!(accepts(RemoteRule::Never), (true, false));
        assert_eq!(accepts(RemoteRule::Only), (false, true));
        assert_eq!(accepts(RemoteRule::Both), (true, true));
    }

    #[test]
    fn a_prefix_accepts_a_range() {
        let filter = Filter::range_prefix(std_id(0x7E0), 8);
        assert!((0x7E0..=0x7E7).all(|raw| filter.accepts_word(raw)));
        assert!(!filter.accepts_word(0x7E8) && !filter.accepts_word(0x7DF));
        assert!(Filter::range_prefix(std_id(0x7E0), 0).accepts_word(0));
    }

    #[test]
    fn inversion_is_bit_29_in_the_kernels_form() {
        let filter = Filter::from_bits(0x2000_0123, 0x7FF);
        assert!(!filter.accepts_word(0x123) && filter.accepts_word(0x124));
        assert_eq!(filter.to_bits(), (0x2000_0123, 0x7FF));
        assert_eq!(filter.inverted().inverted(), filter);
    }
}
