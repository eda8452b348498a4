//! Which address is asked next, which have answered, and which are given up.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use csp_core::Address;
use tokio::time::Instant;

/// Addresses that are asked, so many at once.
#[derive(Debug)]
pub(super) struct Sweep {
    waiting: VecDeque<(Address, u8)>,
    /// By when they were asked; each with the tries that are left.
    asked: BTreeMap<Address, (Instant, u8)>,
    /// Oldest first.
    order: VecDeque<(Instant, Address)>,
    /// Who was given up, and when they were last asked.
    given_up: BTreeMap<Address, Instant>,
    found: BTreeSet<Address>,
    max: usize,
    timeout: Duration,
    done: u64,
}

impl Sweep {
    pub(super) fn new(
        targets: impl IntoIterator<Item = Address>,
        max: u16,
        timeout: Duration,
        retries: u8,
    ) -> Self {
        Self {
            waiting: targets.into_iter().map(|target| (target, retries)).collect(),
            asked: BTreeMap::new(),
            order: VecDeque::new(),
            given_up: BTreeMap::new(),
            found: BTreeSet::new(),
            max: usize::from(max),
            timeout,
            done: 0,
        }
    }

    /// How many were asked to the end.
    pub(super) const fn done(&self) -> u64 {
        self.done
    }

    pub(super) fn is_over(&self) -> bool {
        self.waiting.is_empty() && self.asked.is_empty()
    }

    /// The next to ask, while there is room for it.
    pub(super) fn next(&self) -> Option<Address> {
        let (address, _) = self.waiting.front().filter(|_| self.asked.len() < self.max)?;
        Some(*address)
    }

    /// That one is asked.
    pub(super) fn ask(&mut self, now: Instant) {
        if let Some((address, retries)) = self.waiting.pop_front() {
            self.asked.insert(address, (now, retries));
            self.order.push_back((now, address));
        }
    }

    /// Somebody answered, late or in time: how long it took, if it is the first time.
    pub(super) fn answer(&mut self, now: Instant, from: Address) -> Option<Duration> {
        let at = if let Some((at, _)) = self.asked.remove(&from) {
            self.done += 1;
            at
        } else {
            self.given_up.remove(&from)?
        };
        self.found.insert(from).then(|| now.saturating_duration_since(at))
    }

    /// When somebody is given up next.
    pub(super) fn deadline(&mut self) -> Option<Instant> {
        while let Some((at, address)) = self.order.front() {
            if self.asked.get(address).is_some_and(|(asked, _)| asked == at) {
                return at.checked_add(self.timeout);
            }
            self.order.pop_front();
        }
        None
    }

    /// Gives up who has not answered in time, or asks once more later.
    pub(super) fn expire(&mut self, now: Instant) {
        while self.deadline().is_some_and(|deadline| deadline <= now) {
            let Some((_, address)) = self.order.pop_front() else {
                return;
            };
            let Some((at, retries)) = self.asked.remove(&address) else {
                continue;
            };
            self.given_up.insert(address, at);
            match retries.checked_sub(1) {
                Some(retries) => self.waiting.push_back((address, retries)),
                None => self.done += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(30);

    fn addresses(range: core::ops::RangeInclusive<u16>) -> impl Iterator<Item = Address> {
        range.filter_map(Address::new)
    }

    /// Asks as many as may be.
    fn ask(sweep: &mut Sweep, now: Instant) -> Vec<u16> {
        let mut asked = Vec::new();
        while let Some(address) = sweep.next() {
            sweep.ask(now);
            asked.push(address.to_bits());
        }
        asked
    }

    #[test]
    fn so_many_are_asked_at_once_and_answers_make_room() {
        let mut sweep = Sweep::new(addresses(1..=5), 2, LIMIT, 0);
        let start = Instant::now();
        assert_eq!(ask(&mut sweep, start), [1, 2]);
        let node = Address::new(2).unwrap();
        assert_eq!(sweep.answer(start, node), Some(Duration::ZERO));
        assert_eq!(sweep.answer(start, node), None, "a second answer");
        assert_eq!(ask(&mut sweep, start + LIMIT / 2), [3]);
        sweep.expire(start + LIMIT);
        assert_eq!(ask(&mut sweep, start + LIMIT), [4], "1 is given up, 3 is not");
        assert!(!sweep.is_over());
        sweep.expire(start + 2 * LIMIT);
        assert_eq!(ask(&mut sweep, start + 2 * LIMIT), [5]);
        sweep.expire(start + 3 * LIMIT);
        assert!(sweep.is_over());
        assert_eq!(sweep.done(), 5);
    }

    #[test]
    fn who_answers_late_is_found_while_others_are_asked() {
        let mut sweep = Sweep::new(addresses(1..=3), 1, LIMIT, 0);
        let start = Instant::now();
        assert_eq!(ask(&mut sweep, start), [1]);
        sweep.expire(start + LIMIT);
        assert_eq!(ask(&mut sweep, start + LIMIT), [2]);
        let late = Address::new(1).unwrap();
        assert_eq!(sweep.answer(start + 2 * LIMIT, late), Some(2 * LIMIT));
        assert_eq!(sweep.answer(start + 2 * LIMIT, late), None, "a second answer");
        let never_asked = Address::new(3).unwrap();
        assert_eq!(sweep.answer(start + 2 * LIMIT, never_asked), None);
        assert_eq!(sweep.done(), 1, "the late one was done when it was given up");
    }

    #[test]
    fn the_silent_are_asked_again_after_all_others() {
        let mut sweep = Sweep::new(addresses(1..=2), 1, LIMIT, 1);
        let start = Instant::now();
        let mut asked = Vec::new();
        for round in 0..4 {
            let now = start + LIMIT * round;
            sweep.expire(now);
            asked.extend(ask(&mut sweep, now));
        }
        assert_eq!(asked, [1, 2, 1, 2]);
    }

    #[test]
    fn the_whole_of_version_2_takes_less_than_eight_seconds_of_waiting() {
        let mut sweep = Sweep::new(addresses(1..=16382), 64, LIMIT, 0);
        let start = Instant::now();
        let mut now = start;
        while !sweep.is_over() {
            ask(&mut sweep, now);
            now = sweep.deadline().unwrap();
            sweep.expire(now);
        }
        assert_eq!(now - start, LIMIT * 256);
    }
}
