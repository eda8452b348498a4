//! Who gets a request when several processes accept.

use alloc::vec::Vec;

/// Who gets a request when several processes are bound to a name and wait in accept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Balance {
    /// They take turns (as at the peer, whose default it is, too).
    #[default]
    RoundRobin,
    /// The youngest that waits gets all, the next only what that one does not take.
    SpillOver,
}

impl Balance {
    /// The word for it in files and on the screen.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RoundRobin => "round-robin",
            Self::SpillOver => "spill-over",
        }
    }

    /// The policy of this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::RoundRobin, Self::SpillOver]
            .into_iter()
            .find(|balance| balance.as_str() == word)
    }

    /// Puts seats in the order to ask them; `number` tells a seat's age, a higher one is younger, and `last`
    /// is the number of the seat that had the last turn.
    pub(super) fn order<T>(self, mut seats: Vec<T>, last: u32, number: impl Fn(&T) -> u32) -> Vec<T> {
        match self {
            Self::RoundRobin => {
                seats.sort_by_key(|seat| (number(seat) <= last, number(seat)));
            }
            Self::SpillOver => seats.sort_by_key(|seat| core::cmp::Reverse(number(seat))),
        }
        seats
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn turns_go_round_from_the_one_after_the_last() {
        let order = |last| Balance::RoundRobin.order(vec![7, 3, 5], last, |number| *number);
        assert_eq!(order(0), [3, 5, 7]);
        assert_eq!(order(3), [5, 7, 3]);
        assert_eq!(order(4), [5, 7, 3], "the last may be gone");
        assert_eq!(order(7), [3, 5, 7]);
    }

    #[test]
    fn spilling_over_begins_with_the_youngest_each_time() {
        let order = |last| Balance::SpillOver.order(vec![7, 3, 9], last, |number| *number);
        assert_eq!((order(0), order(7)), (vec![9, 7, 3], vec![9, 7, 3]));
    }

    #[test]
    fn a_policy_is_its_word() {
        for balance in [Balance::RoundRobin, Balance::SpillOver] {
            assert_eq!(Balance::from_word(balance.as_str()), Some(balance));
        }
        assert_eq!(Balance::from_word("random"), None);
    }
}
