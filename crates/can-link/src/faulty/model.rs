//! What happens to each item, and when it comes out.

use alloc::collections::BTreeMap;
use core::time::Duration;

use tinwire_time::Instant;

use super::rng::Rng;

/// Items in flight at most; further ones are lost and counted as [`FaultStats::overflow`].
const MAX_IN_FLIGHT: usize = 65_536;

/// A probability between 0 and 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Probability(f64);

impl Probability {
    /// Never.
    pub const NEVER: Self = Self(0.0);
    /// Always.
    pub const ALWAYS: Self = Self(1.0);

    /// A probability, or `None` outside 0..=1 (and for NaN).
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        (0.0..=1.0).contains(&value).then_some(Self(value))
    }

    /// The value, 0..=1.
    #[must_use]
    pub const fn value(self) -> f64 {
        self.0
    }
}

/// Which faults, how often, and the seed that decides when.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FaultConfig {
    seed: u64,
    loss: Probability,
    duplicate: Probability,
    corrupt: Probability,
    reorder: Probability,
    hold: Duration,
    delay: Duration,
    jitter: Duration,
}

impl FaultConfig {
    /// No faults; the same `seed` gives the same faults for the same items.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self {
            seed,
            ..Self::default()
        }
    }

    /// How often an item vanishes. Default: never.
    #[must_use]
    pub const fn loss(self, loss: Probability) -> Self {
        Self { loss, ..self }
    }

    /// How often an item comes twice; the copy has a delay of its own. Default: never.
    #[must_use]
    pub const fn duplicate(self, duplicate: Probability) -> Self {
        Self { duplicate, ..self }
    }

    /// How often an item is damaged. Default: never.
    #[must_use]
    pub const fn corrupt(self, corrupt: Probability) -> Self {
        Self { corrupt, ..self }
    }

    /// How often an item is held back for up to `hold`, so that later ones overtake it. Default: never.
    #[must_use]
    pub const fn reorder(self, reorder: Probability, hold: Duration) -> Self {
        Self {
            reorder,
            hold,
            ..self
        }
    }

    /// How long every item takes. Default: no time.
    #[must_use]
    pub const fn delay(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// Up to how much longer an item takes, evenly spread; items keep their order. Default: none.
    #[must_use]
    pub const fn jitter(self, jitter: Duration) -> Self {
        Self { jitter, ..self }
    }
}

/// What the model did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FaultStats {
    /// Items that went in.
    pub seen: u64,
    /// Items that vanished.
    pub lost: u64,
    /// Extra copies.
    pub duplicated: u64,
    /// Damaged items.
    pub corrupted: u64,
    /// Items held back.
    pub reordered: u64,
    /// Items lost because 65,536 were in flight.
    pub overflow: u64,
}

/// Loses, doubles, delays, reorders and damages items. Time is an argument; nothing sleeps.
///
/// ```
/// use can_link::faulty::{FaultConfig, FaultModel, Probability};
/// use tinwire_time::Instant;
///
/// let mut model = FaultModel::new(FaultConfig::seeded(7).loss(Probability::ALWAYS));
/// model.handle_item(Instant::ZERO, "gone", |_, _| ());
/// assert_eq!(model.poll_item(Instant::ZERO), None);
/// assert_eq!(model.stats().lost, 1);
/// ```
#[derive(Debug)]
pub struct FaultModel<T> {
    config: FaultConfig,
    rng: Rng,
    /// By time of release, then by order.
    in_flight: BTreeMap<(Instant, u64), T>,
    order: u64,
    /// Release of the latest item that was not held back: jitter never reorders.
    in_order: Instant,
    stats: FaultStats,
}

impl<T: Clone> FaultModel<T> {
    /// A model that has seen nothing yet.
    #[must_use]
    pub fn new(config: FaultConfig) -> Self {
        Self {
            rng: Rng::new(config.seed),
            config,
            in_flight: BTreeMap::new(),
            order: 0,
            in_order: Instant::ZERO,
            stats: FaultStats::default(),
        }
    }

    /// Takes an item. `damage` is called with a random number when the item is to be corrupted.
    pub fn handle_item(&mut self, now: Instant, mut item: T, damage: impl FnOnce(&mut T, u64)) {
        self.stats.seen += 1;
        // every item draws the same number of random values, so that changing one probability keeps the
        // others' choices
        let [lost, doubled, corrupt, reorder] = [
            self.happens(self.config.loss),
            self.happens(self.config.duplicate),
            self.happens(self.config.corrupt),
            self.happens(self.config.reorder),
        ];
        let damage_at = self.rng.next();
        let [first, second, held] = [
            self.spread(self.config.jitter),
            self.spread(self.config.jitter),
            self.spread(self.config.hold),
        ];
        if lost {
            self.stats.lost += 1;
            return;
        }
        if corrupt {
            damage(&mut item, damage_at);
            self.stats.corrupted += 1;
        }
        let release = (now + self.config.delay + first).max(self.in_order);
        if reorder {
            self.stats.reordered += 1;
        } else {
            self.in_order = release;
        }
        if doubled {
            self.stats.duplicated += 1;
            self.insert((now + self.config.delay + second).max(release), item.clone());
        }
        // one microsecond at least, or nothing could overtake
        self.insert(
            if reorder {
                release + held + Duration::from_micros(1)
            } else {
                release
            },
            item,
        );
    }

    /// The next item that is due.
    pub fn poll_item(&mut self, now: Instant) -> Option<T> {
        let entry = self.in_flight.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    /// When the next item is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.in_flight.first_key_value().map(|((release, _), _)| *release)
    }

    /// What the model did so far.
    #[must_use]
    pub const fn stats(&self) -> &FaultStats {
        &self.stats
    }

    fn insert(&mut self, release: Instant, item: T) {
        if self.in_flight.len() >= MAX_IN_FLIGHT {
            self.stats.overflow += 1;
            return;
        }
        self.order += 1;
        self.in_flight.insert((release, self.order), item);
    }

    fn happens(&mut self, probability: Probability) -> bool {
        // 53 random bits are what an f64 holds exactly: a number in 0..1
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit an f64")]
        let draw = (self.rng.next() >> 11) as f64 / (1u64 << 53) as f64;
        draw < probability.0
    }

    fn spread(&mut self, limit: Duration) -> Duration {
        let limit = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
        let draw = u128::from(self.rng.next()) * (u128::from(limit) + 1);
        Duration::from_micros(u64::try_from(draw >> 64).unwrap_or(limit))
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn often(value: f64) -> Probability {
        Probability::new(value).unwrap()
    }

    /// Feeds `0..count` one per millisecond, then lets time run out; what came out, with its time.
    fn run(config: FaultConfig, count: u64) -> (Vec<(u64, Instant)>, FaultStats) {
        let mut model = FaultModel::new(config);
        let mut out = Vec::new();
        for item in 0..count {
            let now = Instant::from_millis(item);
            model.handle_item(now, item, |item, _| *item += 1_000_000);
            while let Some(item) = model.poll_item(now) {
                out.push((item, now));
            }
        }
        while let Some(next) = model.poll_timeout() {
            while let Some(item) = model.poll_item(next) {
                out.push((item, next));
            }
        }
        (out, *model.stats())
    }

    #[test]
    fn without_faults_everything_comes_out_at_once_and_in_order() {
        let (out, stats) = run(FaultConfig::seeded(1), 100);
        assert!(
            out.iter()
                .enumerate()
                .all(|(at, (item, time))| { *item == at as u64 && *time == Instant::from_millis(at as u64) })
        );
        assert_eq!(
            stats,
            FaultStats {
                seen: 100,
                ..FaultStats::default()
            }
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_faults() {
        let config = FaultConfig::seeded(42)
            .loss(often(0.2))
            .duplicate(often(0.1))
            .corrupt(often(0.1));
        assert_eq!(run(config, 1_000), run(config, 1_000));
        assert_ne!(
            run(config, 1_000).0,
            run(FaultConfig { seed: 43, ..config }, 1_000).0
        );
    }

    #[test]
    fn rates_are_about_what_was_asked() {
        let config = FaultConfig::seeded(3)
            .loss(often(0.3))
            .duplicate(often(0.1))
            .corrupt(often(0.05));
        let (out, stats) = run(config, 10_000);
        assert!((2_800..3_200).contains(&stats.lost), "{stats:?}");
        assert_eq!(out.len() as u64, stats.seen - stats.lost + stats.duplicated);
        assert!(out.iter().any(|(item, _)| *item >= 1_000_000));
    }

    #[test]
    fn jitter_delays_but_keeps_the_order() {
        let config = FaultConfig::seeded(9)
            .delay(Duration::from_millis(2))
            .jitter(Duration::from_millis(5));
        let (out, _) = run(config, 500);
        assert!(out.is_sorted_by_key(|(item, _)| *item));
        assert!(
            out.iter()
                .all(|(item, time)| *time >= Instant::from_millis(item + 2))
        );
    }

    #[test]
    fn reordering_lets_later_items_overtake_and_loses_none() {
        let (mut out, stats) = run(
            FaultConfig::seeded(5).reorder(often(0.2), Duration::from_millis(4)),
            500,
        );
        assert!(!out.is_sorted_by_key(|(item, _)| *item));
        out.sort_unstable();
        assert!(stats.reordered > 50 && out.len() == 500);
    }

    #[test]
    fn a_probability_outside_its_range_cannot_be_built() {
        assert_eq!(Probability::new(1.01), None);
        assert_eq!(Probability::new(-0.1), None);
        assert_eq!(Probability::new(f64::NAN), None);
    }
}
