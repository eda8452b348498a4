//! What happens in a story.

use core::ops::Range;
use core::time::Duration;

use flow_core::frct::{Config, Delivery};
use testkit::Rng;
use tinwire_time::Instant;

use crate::network::Weather;

/// What a family of stories is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// Loss to 30 %, duplication, reordering, damage.
    Rough,
    /// Packets that take up to two seconds and overtake each other.
    Slow,
    /// Links that are dark for up to a minute.
    Dark,
    /// One end only sends, more than any window.
    OneWay,
    /// Little room, and readers that stall.
    Narrow,
    /// Sealed, with keys of 32 packets.
    #[cfg_attr(
        not(feature = "seal"),
        expect(dead_code, reason = "there is nothing to seal with")
    )]
    Sealed,
    /// In order, and not reliable.
    Ordered,
}

/// What one user does.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) packets: u32,
    /// Longest packet in bytes.
    pub(crate) len: u64,
    /// Longest time between two packets.
    pub(crate) think: Duration,
    /// Longest time between two looks at what has arrived.
    pub(crate) look: Duration,
    /// The user does not look at all for so long, at first.
    pub(crate) asleep: Duration,
    /// Packets read at each look.
    pub(crate) reads: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) config: Config,
    pub(crate) first: [u32; 2],
    pub(crate) weather: [Weather; 2],
    pub(crate) users: [User; 2],
    pub(crate) has_crc: bool,
    /// Bits of an epoch's length, if sealed.
    pub(crate) sealed: Option<u8>,
    /// Whether an end may give up.
    pub(crate) may_fail: bool,
}

impl Plan {
    pub(crate) fn random(family: Family, seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ (family as u64) << 40);
        let mut config = Config::default();
        let mut sealed = None;
        let mut has_crc = true;
        let mut weather = [(); 2].map(|()| rough(&mut rng));
        let mut users = [(); 2].map(|()| User {
            packets: number(&mut rng, 1..120),
            len: 60,
            think: millis(&mut rng, 0..40),
            look: millis(&mut rng, 0..20),
            asleep: Duration::ZERO,
            reads: 100,
        });
        match family {
            Family::Rough => {}
            Family::Slow => {
                for weather in &mut weather {
                    weather.loss = weather.loss.min(10);
                    weather.delay = [millis(&mut rng, 0..1000), Duration::from_secs(2)];
                }
            }
            Family::Dark => {
                for weather in &mut weather {
                    weather.dark = (0..3).map(|_| darkness(&mut rng)).collect();
                }
                users
                    .iter_mut()
                    .for_each(|user| user.think = millis(&mut rng, 0..2000));
            }
            Family::OneWay => {
                users[0].packets = number(&mut rng, 100..700);
                users[0].think = millis(&mut rng, 0..3);
                users[1].packets = 0;
                if seed.is_multiple_of(2) {
                    config = config.delivery(Delivery::Ordered);
                }
            }
            Family::Narrow => {
                let bytes = usize::try_from(number(&mut rng, 1000..4000)).unwrap();
                config = config.packets(64).bytes(bytes);
                for user in &mut users {
                    user.reads = usize::try_from(number(&mut rng, 1..4)).unwrap();
                    user.look = millis(&mut rng, 0..300);
                    // Beyond r, and beyond all inactivities, in a few: the rendez-vous of minutes are many.
                    user.asleep =
                        Duration::from_secs(rng.below(if seed.is_multiple_of(4) { 400 } else { 20 }));
                }
            }
            Family::Sealed => {
                sealed = Some(u8::try_from(5 + rng.below(3)).unwrap());
                has_crc = rng.percent(50);
                // Who is not heard for more than an epoch, here seconds of rendez-vous, has no key of the
                // other any more, and hears nothing either: not for as long as ends a flow.
                if rng.percent(30) {
                    let mut dark = darkness(&mut rng);
                    dark.end = dark.end.min(dark.start + Duration::from_secs(20));
                    weather[0].dark.push(dark);
                }
            }
            Family::Ordered => {
                config = config.delivery(Delivery::Ordered);
                if rng.percent(50) {
                    weather
                        .iter_mut()
                        .for_each(|weather| weather.dark.push(darkness(&mut rng)));
                }
                if rng.percent(50) {
                    users.iter_mut().for_each(|user| user.packets *= 4);
                }
            }
        }
        // Numbers that wrap within the story, in half of the stories.
        let first = [(); 2].map(|()| {
            if rng.percent(50) {
                u32::MAX - number(&mut rng, 0..200)
            } else {
                number(&mut rng, 0..u32::MAX)
            }
        });
        Self {
            seed,
            config,
            first,
            weather,
            users,
            has_crc,
            sealed,
            may_fail: family == Family::Dark,
        }
    }
}

fn rough(rng: &mut Rng) -> Weather {
    let percent = |rng: &mut Rng, most: u64| u8::try_from(rng.below(most + 1)).unwrap();
    let least = millis(rng, 0..40);
    Weather {
        loss: percent(rng, 30),
        duplication: percent(rng, 20),
        reordering: percent(rng, 30),
        corruption: percent(rng, 10),
        delay: [least, least + millis(rng, 0..60)],
        dark: Vec::new(),
    }
}

fn darkness(rng: &mut Rng) -> Range<Instant> {
    let start = Instant::ZERO + millis(rng, 0..30_000);
    start..start + millis(rng, 100..60_000)
}

fn number(rng: &mut Rng, range: Range<u32>) -> u32 {
    let below = u64::from(range.end - range.start);
    range.start + u32::try_from(rng.below(below)).unwrap()
}

fn millis(rng: &mut Rng, range: Range<u32>) -> Duration {
    Duration::from_millis(number(rng, range).into())
}
