//! How long to wait for an acknowledgement.

use core::time::Duration;

use super::MIN_RTO;

/// The longest retransmission timer: a link that was dark is tried again after so long at most.
pub const MAX_RTO: Duration = Duration::from_secs(10);
/// How often the timer is doubled because the round trip is a guess.
const MAX_GUESSES: u32 = 3;

/// The round trip as measured, and the timer that follows from it. Times in microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rtt {
    initial: Duration,
    /// Smoothed round trip and its deviation, once there was a sample.
    smooth: Option<(i64, i64)>,
    /// How many such packets were acknowledged since the last sample.
    guesses: u32,
    /// How often the timer was doubled.
    doubled: u32,
}

impl Rtt {
    pub(super) const fn new(initial: Duration) -> Self {
        Self {
            initial,
            smooth: None,
            guesses: 0,
            doubled: 0,
        }
    }

    /// Takes a round trip that was measured for certain.
    pub(super) fn sample(&mut self, measured: Duration) {
        self.absorb(measured);
        self.doubled = 0;
        self.guesses = 0;
    }

    fn absorb(&mut self, measured: Duration) {
        let measured = i64::try_from(measured.as_micros()).unwrap_or(i64::MAX / 16);
        self.smooth = Some(match self.smooth {
            None => (measured, measured / 2),
            Some((smooth, deviation)) => {
                let error = measured - smooth;
                let step = (error.abs() - deviation) / 4;
                let step = if step < 0 { step / 8 } else { step };
                (smooth + error / 8, deviation + step)
            }
        });
    }

    /// The timer ran out.
    pub(super) const fn double(&mut self) {
        self.doubled = self.doubled.saturating_add(1);
    }

    /// What was sent again last `waited` ago was acknowledged, and nobody knows which copy of it.
    ///
    /// The timer is as it was before it ran out, if there ever was a sample. A packet that was alone under
    /// way might be sent twice for ever if the timer is too short: with each the timer stays doubled once
    /// more, until there is a sample. Of packets in a row there will be one.
    pub(super) fn repeated(&mut self, waited: Duration, is_lone: bool) {
        if self.smooth.is_none() {
            return;
        }
        if is_lone {
            self.absorb(waited);
            self.guesses = (self.guesses + 1).min(MAX_GUESSES);
        }
        self.doubled = self.guesses;
    }

    /// Whether there was a sample.
    pub(super) const fn is_certain(&self) -> bool {
        self.smooth.is_some()
    }

    /// The timer before it is doubled.
    pub(super) fn base(&self) -> Duration {
        let base = match self.smooth {
            None => self.initial,
            Some((smooth, deviation)) => micros(smooth.saturating_add(deviation.saturating_mul(4))),
        };
        base.clamp(MIN_RTO, MAX_RTO)
    }

    /// The timer.
    pub(super) fn timeout(&self) -> Duration {
        let factor = 1u32.checked_shl(self.doubled).unwrap_or(u32::MAX);
        self.base().saturating_mul(factor).min(MAX_RTO)
    }
}

fn micros(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_timer_is_the_round_trip_and_four_deviations_and_never_below_its_floor() {
        let mut rtt = Rtt::new(ms(1_000));
        assert_eq!(rtt.timeout(), ms(1_000));
        rtt.sample(ms(100));
        assert_eq!(rtt.timeout(), ms(300));
        for _ in 0..200 {
            rtt.sample(Duration::from_micros(80));
        }
        assert_eq!(rtt.timeout(), MIN_RTO);
    }

    #[test]
    fn doubling_ends_at_a_sample_or_at_ten_seconds() {
        let mut rtt = Rtt::new(ms(1_000));
        let timers = [(); 6].map(|()| {
            rtt.double();
            rtt.timeout().as_secs()
        });
        assert_eq!(timers, [2, 4, 8, 10, 10, 10]);
        rtt.sample(ms(10));
        assert_eq!(rtt.timeout(), ms(30));
        (0..99).for_each(|_| rtt.double());
        assert_eq!(rtt.timeout(), MAX_RTO);
    }

    #[test]
    fn what_was_sent_again_ends_the_doubling_and_says_nothing_else() {
        let mut rtt = Rtt::new(ms(1_000));
        rtt.sample(ms(400));
        rtt.double();
        rtt.repeated(ms(25), false);
        assert_eq!(rtt.timeout(), ms(1_200));
    }

    #[test]
    fn with_each_lone_packet_that_was_sent_again_the_timer_stays_doubled_once_more() {
        let mut rtt = Rtt::new(ms(1_000));
        rtt.sample(ms(400));
        for factor in [2, 4, 8, 8] {
            rtt.repeated(ms(400), true);
            assert_eq!(rtt.timeout(), (rtt.base() * factor).min(MAX_RTO));
        }
    }

    #[test]
    fn a_round_trip_longer_than_the_first_timer_is_found_out_by_lone_packets() {
        for trip in (20..9_000).step_by(7) {
            let mut rtt = Rtt::new(ms(1_000));
            let mut spurious = 0;
            for lone in 0..20 {
                let (mut sent, mut is_repeated) = (Duration::ZERO, false);
                while sent + rtt.timeout() < ms(trip) {
                    sent += rtt.timeout();
                    is_repeated = true;
                    spurious += u32::from(lone > 5);
                    rtt.double();
                }
                if is_repeated {
                    rtt.repeated(ms(trip) - sent, true);
                } else {
                    rtt.sample(ms(trip));
                }
            }
            assert_eq!(spurious, 0, "at {trip} ms");
        }
    }
}
