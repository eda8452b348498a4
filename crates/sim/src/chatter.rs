//! What a car's bus says all the time: engine and wheel speeds, sent in turn by nobody in particular.

use core::time::Duration;

use can_link::{CanFrame, CanTx, CanTxExt as _, StandardId};
use tokio::time::MissedTickBehavior;

use crate::ecu::standard_id;
use crate::random::Random;

/// Engine: revolutions per minute times four (u16), coolant temperature in degrees Celsius plus 40 (u8).
pub const ENGINE_ID: u16 = 0x0C8;
/// Wheels: four speeds in hundredths of a km/h (u16 each).
pub const WHEELS_ID: u16 = 0x1A0;
/// Time between two rounds.
pub const PERIOD: Duration = Duration::from_millis(100);

/// The row of frames; no clock, no link.
#[derive(Clone, Debug)]
pub struct Chatter {
    random: Random,
    rpm: u32,
    coolant: u8,
    speed: u32,
}

impl Chatter {
    /// A drive that the seed decides.
    #[must_use]
    pub const fn seeded(seed: u64) -> Self {
        Self {
            random: Random::seeded(seed),
            rpm: 800,
            coolant: 20,
            speed: 0,
        }
    }

    /// The frames of the next round.
    pub fn next_round(&mut self) -> [Option<CanFrame>; 2] {
        let throttle = u32::from(self.random.next_u8());
        self.rpm = (self.rpm * 7 + 800 + throttle * 12) / 8;
        self.speed = (self.speed * 15 + throttle * 40) / 16;
        self.coolant = self.coolant.saturating_add(u8::from(throttle > 128)).min(90);
        let [high, low] = field(self.rpm * 4);
        let engine = frame(standard_id(ENGINE_ID), &[high, low, self.coolant + 40]);
        let mut wheels = [0; 8];
        for wheel in wheels.as_chunks_mut::<2>().0 {
            *wheel = field(self.speed + u32::from(self.random.next_u8() & 7));
        }
        [engine, frame(standard_id(WHEELS_ID), &wheels)]
    }

    /// Sends a round each [`PERIOD`] until the link fails.
    pub async fn run(mut self, mut link: impl CanTx) {
        let mut tick = tokio::time::interval(PERIOD);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            for frame in self.next_round().into_iter().flatten() {
                if link.send(frame).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Two bytes of a signal; the largest value where it does not fit.
fn field(value: u32) -> [u8; 2] {
    u16::try_from(value).unwrap_or(u16::MAX).to_be_bytes()
}

fn frame(id: StandardId, data: &[u8]) -> Option<CanFrame> {
    CanFrame::data(id, data)
}

#[cfg(test)]
mod tests {
    use can_link::{CanRxExt as _, VirtualBus};

    use super::*;

    #[test]
    fn the_seed_decides_the_drive() {
        let drive = |seed| {
            let mut chatter = Chatter::seeded(seed);
            core::array::from_fn::<_, 50, _>(|_| chatter.next_round())
        };
        assert_eq!(drive(1), drive(1));
        assert_ne!(drive(1), drive(2));
    }

    #[test]
    fn values_stay_in_range_for_an_hour() {
        let mut chatter = Chatter::seeded(3);
        for _ in 0..36_000 {
            chatter.next_round();
            assert!((700..=8_000).contains(&chatter.rpm), "{}", chatter.rpm);
            assert!(chatter.coolant <= 90 && chatter.speed <= 11_000);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_round_comes_each_period() {
        let bus = VirtualBus::new();
        let mut listener = bus.join();
        let chatter = tokio::spawn(Chatter::seeded(0).run(bus.join()));
        let start = tokio::time::Instant::now();
        for _ in 0..20 {
            listener.recv_frame().await.unwrap().unwrap();
        }
        assert_eq!(start.elapsed(), PERIOD * 9, "ten rounds of two");
        chatter.abort();
    }
}
