//! One direction of a link, in virtual time.

use core::ops::Range;
use core::time::Duration;
use std::collections::BTreeMap;

use bytes::Bytes;
use testkit::Rng;
use tinwire_time::Instant;

/// What a link does to packets, in percent of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Weather {
    pub(crate) loss: u8,
    pub(crate) duplication: u8,
    pub(crate) reordering: u8,
    pub(crate) corruption: u8,
    /// Least and longest time on the way.
    pub(crate) delay: [Duration; 2],
    /// When nothing gets through.
    pub(crate) dark: Vec<Range<Instant>>,
}

/// Carries packets, later, twice, in another order, damaged, or not at all.
#[derive(Debug)]
pub(crate) struct Wire {
    weather: Weather,
    rng: Rng,
    /// By the time of arrival, and in the order of sending where that is the same.
    flying: BTreeMap<(Instant, u64), Bytes>,
    pushed: u64,
    /// When the last packet that keeps its place arrives.
    last: Instant,
    pub(crate) lost: u64,
}

impl Wire {
    pub(crate) const fn new(seed: u64, weather: Weather) -> Self {
        Self {
            weather,
            rng: Rng::new(seed),
            flying: BTreeMap::new(),
            pushed: 0,
            last: Instant::ZERO,
            lost: 0,
        }
    }

    pub(crate) fn push(&mut self, now: Instant, packet: Bytes) {
        let is_dark = self.weather.dark.iter().any(|dark| dark.contains(&now));
        if is_dark || self.rng.percent(self.weather.loss) {
            self.lost += 1;
            return;
        }
        let mut packet = packet;
        if self.rng.percent(self.weather.corruption) && !packet.is_empty() {
            let bit = usize::try_from(self.rng.below(packet.len() as u64 * 8)).unwrap();
            let mut bytes = packet.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            packet = bytes.into();
        }
        let due = self.due(now);
        if self.rng.percent(self.weather.duplication) {
            let again = now + self.span();
            self.put(again, packet.clone());
        }
        self.put(due, packet);
    }

    fn due(&mut self, now: Instant) -> Instant {
        let due = now + self.span();
        if self.rng.percent(self.weather.reordering) {
            return due;
        }
        self.last = self.last.max(due);
        self.last
    }

    fn span(&mut self) -> Duration {
        let [least, most] = self.weather.delay;
        let spread = u64::try_from(most.saturating_sub(least).as_micros()).unwrap();
        least + Duration::from_micros(self.rng.below(spread + 1))
    }

    fn put(&mut self, due: Instant, packet: Bytes) {
        self.pushed += 1;
        self.flying.insert((due, self.pushed), packet);
    }

    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.flying.first_key_value().map(|((due, _), _)| *due)
    }

    pub(crate) fn pop(&mut self, now: Instant) -> Option<Bytes> {
        let first = self.flying.first_entry().filter(|first| first.key().0 <= now);
        first.map(|first| first.remove())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.flying.is_empty()
    }
}
