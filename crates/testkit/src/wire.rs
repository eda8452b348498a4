//! A wire in virtual time.

use core::time::Duration;

use tinwire_time::Instant;

/// A small generator of pseudo-random numbers (xorshift), the same for the same seed everywhere.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A generator started with `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        // A state of zero would stay zero.
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// The next number.
    pub const fn next_u64(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `bound`; 0 when that is 0.
    pub const fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.next_u64() % bound }
    }

    /// True with a probability of `percent` in 100.
    pub const fn percent(&mut self, percent: u8) -> bool {
        self.below(100) < percent as u64
    }
}

/// What a wire does to what it carries, each in percent of the items.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Items that vanish.
    pub loss: u8,
    /// Items that arrive twice.
    pub duplication: u8,
    /// Items that arrive later than their successors.
    pub reordering: u8,
    /// How long every item takes.
    pub delay: Duration,
}

/// One direction of a link: items go in and come out later, in order unless [`Faults`] say otherwise.
#[derive(Debug)]
pub struct Wire<T> {
    faults: Faults,
    rng: Rng,
    queue: Vec<(Instant, u64, T)>,
    pushed: u64,
}

impl<T: Clone> Wire<T> {
    /// A wire with these faults; the same seed gives the same faults.
    #[must_use]
    pub const fn new(seed: u64, faults: Faults) -> Self {
        Self {
            faults,
            rng: Rng::new(seed),
            queue: Vec::new(),
            pushed: 0,
        }
    }

    /// Puts an item on the wire.
    pub fn push(&mut self, now: Instant, item: T) {
        if self.rng.percent(self.faults.loss) {
            return;
        }
        let copies = if self.rng.percent(self.faults.duplication) {
            2
        } else {
            1
        };
        for _ in 0..copies {
            let mut due = now + self.faults.delay;
            if self.rng.percent(self.faults.reordering) {
                due += Duration::from_micros(100 + self.rng.below(900));
            }
            self.pushed += 1;
            self.queue.push((due, self.pushed, item.clone()));
        }
        self.queue.sort_by_key(|(due, order, _)| (*due, *order));
    }

    /// When the next item arrives.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        self.queue.first().map(|(due, ..)| *due)
    }

    /// Takes the next item that has arrived.
    pub fn pop(&mut self, now: Instant) -> Option<T> {
        let due = self.next_due().filter(|&due| due <= now);
        due.map(|_| self.queue.remove(0).2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    #[test]
    fn a_wire_without_faults_keeps_order_and_takes_its_delay() {
        let faults = Faults {
            delay: Duration::from_micros(5),
            ..Faults::default()
        };
        let mut wire = Wire::new(1, faults);
        wire.push(at(0), 'a');
        wire.push(at(0), 'b');
        assert_eq!(wire.pop(at(4)), None);
        assert_eq!(wire.next_due(), Some(at(5)));
        assert_eq!(wire.pop(at(5)), Some('a'));
        assert_eq!(wire.pop(at(5)), Some('b'));
        assert_eq!(wire.pop(at(5)), None);
    }

    #[test]
    fn faults_happen_about_as_often_as_asked_and_repeat_with_the_seed() {
        let faults = Faults {
            loss: 10,
            duplication: 10,
            reordering: 10,
            ..Faults::default()
        };
        let run = |seed| {
            let mut wire = Wire::new(seed, faults);
            (0..1000).for_each(|n| wire.push(at(n), n));
            core::iter::from_fn(|| wire.pop(Instant::MAX)).collect::<Vec<_>>()
        };
        let items = run(7);
        assert_eq!(items, run(7));
        assert_ne!(items, run(8));
        assert!((950..1050).contains(&items.len()), "{}", items.len());
        assert!(!items.is_sorted());
    }
}
