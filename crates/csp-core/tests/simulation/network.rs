//! One direction of a link, in virtual time.

use core::time::Duration;
use std::collections::BTreeMap;

use csp_core::Packet;
use testkit::Rng;
use tinwire_time::Instant;

use crate::plan::{Oddity, Weather};

/// Carries packets, later, twice, in another order, damaged, or not at all.
#[derive(Debug)]
pub(crate) struct Wire {
    weather: Weather,
    rng: Rng,
    /// By the time of arrival, and in the order of sending where that is the same.
    flying: BTreeMap<(Instant, u64), Packet>,
    pushed: u64,
    /// When the last packet that keeps its place arrives.
    last: Instant,
    /// Until when the last packet keeps the link from taking another.
    busy_until: Instant,
}

/// What became of a packet, for the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Lost,
    Damaged,
    Carried,
}

impl Wire {
    pub(crate) const fn new(seed: u64, weather: Weather) -> Self {
        Self {
            weather,
            rng: Rng::new(seed),
            flying: BTreeMap::new(),
            pushed: 0,
            last: Instant::ZERO,
            busy_until: Instant::ZERO,
        }
    }

    /// The same link with other weather; what is on its way arrives.
    pub(crate) const fn set_weather(&mut self, weather: Weather) {
        self.weather = weather;
    }

    pub(crate) fn has_room(&self, now: Instant) -> bool {
        now >= self.busy_until
    }

    /// When there is room, if there is none.
    pub(crate) fn room_at(&self, now: Instant) -> Option<Instant> {
        (!self.has_room(now)).then_some(self.busy_until)
    }

    pub(crate) fn push(
        &mut self,
        now: Instant,
        mut packet: Packet,
        is_dark: bool,
        oddity: Option<Oddity>,
    ) -> Fate {
        self.busy_until = now + self.weather.pace;
        match oddity {
            Some(Oddity::Lost) => return Fate::Lost,
            Some(Oddity::Late(time)) => {
                self.put(now + time, packet);
                return Fate::Carried;
            }
            Some(Oddity::Again(time)) => self.put(now + time, packet.clone()),
            None => {}
        }
        if is_dark || self.rng.percent(self.weather.loss) {
            return Fate::Lost;
        }
        let mut fate = Fate::Carried;
        if self.rng.percent(self.weather.corruption) {
            fate = Fate::Damaged;
            let mut payload = packet.payload.to_vec();
            // The header is not protected (section 4), so that alone is spared.
            let bit = usize::try_from(self.rng.below(payload.len() as u64 * 8)).unwrap();
            payload[bit / 8] ^= 1 << (bit % 8);
            packet.payload = payload.into();
        }
        let due = self.due(now);
        if self.rng.percent(self.weather.duplication) {
            let due = now + self.span();
            self.put(due, packet.clone());
        }
        self.put(due, packet);
        fate
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

    fn put(&mut self, due: Instant, packet: Packet) {
        self.pushed += 1;
        self.flying.insert((due, self.pushed), packet);
    }

    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.flying.first_key_value().map(|((due, _), _)| *due)
    }

    pub(crate) fn pop(&mut self, now: Instant) -> Option<Packet> {
        let first = self.flying.first_entry().filter(|first| first.key().0 <= now);
        first.map(|first| first.remove())
    }
}
