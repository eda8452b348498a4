//! What happens in a story: who is there, what the links do, what the users mean to do.

use core::time::Duration;

use csp_core::rdp::{Acks, Options, Window};
use csp_core::{Address, Flags, Version};
use testkit::Rng;
use tinwire_time::Instant;

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) const fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// What the links of a story are like, and what else goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// Good links and little room: tiny queues, slow links, users that read late.
    Narrow,
    /// Loss to 30 %, duplication, reordering and corruption.
    Rough,
    /// Each packet takes up to 5 s, and overtakes others.
    Slow,
    /// Links go dark for up to a minute, nodes start anew, strangers send segments.
    Dark,
    /// Three nodes in a line; the one in the middle forwards, and talks to both.
    Crowd,
}

/// What one direction of a link does to packets; shares are in percent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weather {
    pub(crate) loss: u8,
    pub(crate) duplication: u8,
    pub(crate) corruption: u8,
    /// Packets that may overtake those before them.
    pub(crate) reordering: u8,
    /// Shortest and longest time on the way.
    pub(crate) delay: [Duration; 2],
    /// How long one packet keeps the link from taking the next.
    pub(crate) pace: Duration,
}

/// A time in which a link carries nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dark {
    pub(crate) link: usize,
    pub(crate) from: Instant,
    pub(crate) to: Instant,
    /// Whether the nodes are told that the link is down.
    pub(crate) told: bool,
}

/// What befalls one packet.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Oddity {
    Lost,
    /// It takes this long.
    Late(Duration),
    /// It arrives, and once more after this.
    Again(Duration),
}

/// How a user reads.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reading {
    AtOnce,
    /// A few messages, then a pause.
    Slowly {
        every: Duration,
        most: usize,
    },
    /// Nothing until so long after the opening.
    After(Duration),
    Never,
}

/// How a user ends a connection once everything is given to it; the other end's closing ends it in any case.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    /// Gracefully, within a limit.
    Finish(Duration),
    /// Promptly.
    Close,
    /// Not at all: the other end does.
    Wait,
}

/// What one user does on a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Script {
    pub(crate) messages: usize,
    pub(crate) longest: u64,
    /// How many messages are sent before a pause, and the pause.
    pub(crate) rhythm: (usize, Duration),
    pub(crate) reading: Reading,
    /// How many messages it waits for before it ends the connection.
    pub(crate) expects: usize,
    pub(crate) ending: Ending,
    /// After this the user closes whatever else is the case.
    pub(crate) patience: Duration,
    /// How long the user holds a connection that is over.
    pub(crate) hold: Duration,
}

impl Script {
    /// Sends so many messages at once and finishes.
    pub(crate) const fn sender(messages: usize) -> Self {
        Self {
            messages,
            longest: 100,
            rhythm: (usize::MAX, Duration::ZERO),
            reading: Reading::AtOnce,
            expects: 0,
            ending: Ending::Finish(ms(600_000)),
            patience: ms(3_600_000),
            hold: Duration::ZERO,
        }
    }

    /// Reads until the other end closes.
    pub(crate) const fn reader() -> Self {
        Self {
            ending: Ending::Wait,
            ..Self::sender(0)
        }
    }
}

/// The numbers of a SYN.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) window: u16,
    pub(crate) connection_timeout: Duration,
    pub(crate) packet_timeout: Duration,
    pub(crate) acks: Acks,
    pub(crate) ack_timeout: Duration,
    pub(crate) ack_delay_count: u16,
}

impl Terms {
    /// Those of libcsp.
    pub(crate) const DEFAULT: Self = Self {
        window: 4,
        connection_timeout: ms(10_000),
        packet_timeout: ms(1000),
        acks: Acks::Delayed,
        ack_timeout: ms(250),
        ack_delay_count: 2,
    };

    pub(crate) fn options(&self) -> Options {
        Options::default()
            .window(Window::new(self.window).unwrap())
            .connection_timeout(self.connection_timeout)
            .packet_timeout(self.packet_timeout)
            .acks(self.acks)
            .ack_timeout(self.ack_timeout)
            .ack_delay_count(self.ack_delay_count)
    }
}

/// One client and the server it connects to, perhaps some times in turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Session {
    pub(crate) client: usize,
    pub(crate) server: usize,
    pub(crate) local_port: Option<u8>,
    pub(crate) start: Instant,
    pub(crate) repeats: usize,
    pub(crate) flags: Flags,
    pub(crate) terms: Terms,
    pub(crate) receive_queue: usize,
    /// The client's user and the server's.
    pub(crate) users: [Script; 2],
}

/// What a stranger sends in the name of one end of a session.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Forgery {
    /// A reset with a number this far from the one that is due.
    Reset(u16),
    /// A SYN that is not the client's.
    Opening,
    Garbage,
}

/// A whole story.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// Header version of each link; one more node than links.
    pub(crate) versions: Vec<Version>,
    /// Both directions of each link.
    pub(crate) weather: Vec<[Weather; 2]>,
    pub(crate) dedup: bool,
    pub(crate) transmit_queue: usize,
    pub(crate) receive_queue: usize,
    pub(crate) backlog: usize,
    pub(crate) accept_delay: Duration,
    pub(crate) dark: Vec<Dark>,
    /// What befalls single packets, by their number in the story.
    pub(crate) oddities: Vec<(u64, Oddity)>,
    pub(crate) restarts: Vec<(Instant, usize)>,
    pub(crate) forgeries: Vec<(Instant, usize, Forgery)>,
    /// How often node 0 sends a datagram to the last one, and until when.
    pub(crate) chatter: Option<(Duration, Instant)>,
    pub(crate) sessions: Vec<Session>,
    /// What the random numbers of the nodes begin with, where it matters.
    pub(crate) initial: Option<u16>,
}

impl Plan {
    /// Two nodes, one good link, and one connection.
    pub(crate) fn pair(terms: Terms, client: Script, server: Script) -> Self {
        Self {
            seed: 1,
            versions: vec![Version::V2],
            weather: vec![
                [Weather {
                    delay: [ms(5); 2],
                    ..Weather::default()
                }; 2],
            ],
            dedup: false,
            transmit_queue: 64,
            receive_queue: 16,
            backlog: 16,
            accept_delay: Duration::ZERO,
            dark: vec![],
            oddities: vec![],
            restarts: vec![],
            forgeries: vec![],
            chatter: None,
            sessions: vec![Session {
                client: 0,
                server: 1,
                local_port: Some(40),
                start: at(1),
                repeats: 1,
                flags: Flags::CRC32,
                terms,
                receive_queue: 16,
                users: [client, server],
            }],
            initial: None,
        }
    }

    pub(crate) const fn hosts(&self) -> usize {
        self.versions.len() + 1
    }

    /// The longest that a packet is on its way once it has left its node.
    pub(crate) fn longest_delay(&self) -> Duration {
        let odd = self.oddities.iter().filter_map(|(_, oddity)| match oddity {
            Oddity::Lost => None,
            Oddity::Late(time) | Oddity::Again(time) => Some(*time),
        });
        let delays = self
            .weather
            .iter()
            .flatten()
            .map(|weather| weather.delay[1])
            .chain(odd);
        delays.sum::<Duration>() + ms(1000)
    }

    pub(crate) fn random(family: Family, seed: u64) -> Self {
        Dice(Rng::new(seed)).plan(family, seed)
    }
}

/// The address of a node as the other one knows it.
pub(crate) fn address(host: usize, seen_from: usize) -> Address {
    let bits = match (host, seen_from) {
        (0, _) => 10,
        (1, 2) => 17,
        (1, _) => 9,
        _ => 18,
    };
    Address::new(bits).unwrap()
}

/// The node that an address is of.
pub(crate) fn host_at(address: Address) -> Option<usize> {
    match address.to_bits() {
        10 => Some(0),
        9 | 17 => Some(1),
        18 => Some(2),
        _ => None,
    }
}

struct Dice(Rng);

impl Dice {
    fn within(&mut self, low: u64, high: u64) -> u64 {
        low + self.0.below(high - low + 1)
    }

    fn size(&mut self, low: u64, high: u64) -> usize {
        usize::try_from(self.within(low, high)).unwrap()
    }

    fn percent_up_to(&mut self, most: u64) -> u8 {
        u8::try_from(self.0.below(most + 1)).unwrap()
    }

    /// Small ones as likely as large ones.
    fn time(&mut self, low: u64, high: u64) -> Duration {
        let mut high = high;
        while high > low * 4 && self.0.percent(50) {
            high /= 4;
        }
        ms(self.within(low, high.max(low)))
    }

    fn plan(&mut self, family: Family, seed: u64) -> Plan {
        let links = if family == Family::Crowd { 2 } else { 1 };
        let is_checked = self.0.percent(80);
        let weather = |dice: &mut Self| dice.weather(family, is_checked);
        let weather: Vec<_> = (0..links).map(|_| [weather(self), weather(self)]).collect();
        let longest = weather.iter().flatten().map(|weather| weather.delay[1]).max();
        let is_tight = family == Family::Narrow || self.0.percent(20);
        let mut plan = Plan {
            seed,
            versions: (0..links)
                .map(|_| {
                    if self.0.percent(30) {
                        Version::V1
                    } else {
                        Version::V2
                    }
                })
                .collect(),
            weather,
            dedup: self.0.percent(30),
            transmit_queue: if is_tight { self.size(1, 4) } else { 64 },
            receive_queue: if is_tight { self.size(1, 8) } else { 16 },
            backlog: if is_tight { self.size(1, 2) } else { 16 },
            accept_delay: if self.0.percent(15) {
                self.time(10, 15_000)
            } else {
                Duration::ZERO
            },
            dark: vec![],
            oddities: vec![],
            restarts: vec![],
            forgeries: vec![],
            chatter: self.0.percent(20).then(|| (self.time(20, 1000), at(20_000))),
            sessions: vec![],
            initial: None,
        };
        let count = match family {
            Family::Crowd => self.size(2, 6),
            _ if self.0.percent(25) => self.size(2, 4),
            _ => 1,
        };
        for _ in 0..count {
            let session = self.session(&plan, is_checked, longest.unwrap_or_default());
            plan.sessions.push(session);
        }
        if family == Family::Dark || self.0.percent(10) {
            self.trouble(&mut plan);
        }
        plan
    }

    fn weather(&mut self, family: Family, is_checked: bool) -> Weather {
        let mut weather = match family {
            Family::Narrow => Weather {
                delay: [ms(1), self.time(1, 50)],
                pace: if self.0.percent(50) {
                    self.time(1, 100)
                } else {
                    Duration::ZERO
                },
                ..Weather::default()
            },
            Family::Rough => Weather {
                loss: self.percent_up_to(30),
                duplication: self.percent_up_to(20),
                corruption: self.percent_up_to(10),
                reordering: self.percent_up_to(50),
                delay: [ms(1), self.time(1, 400)],
                pace: Duration::ZERO,
            },
            Family::Slow => Weather {
                loss: self.percent_up_to(10),
                duplication: self.percent_up_to(20),
                corruption: self.percent_up_to(3),
                reordering: 100,
                delay: [Duration::ZERO, ms(self.within(2000, 5000))],
                pace: Duration::ZERO,
            },
            Family::Dark | Family::Crowd => Weather {
                loss: self.percent_up_to(15),
                duplication: self.percent_up_to(5),
                corruption: self.percent_up_to(3),
                reordering: self.percent_up_to(20),
                delay: [ms(1), self.time(1, 200)],
                pace: if self.0.percent(20) { ms(2) } else { Duration::ZERO },
            },
        };
        if !is_checked {
            weather.corruption = 0;
        }
        weather
    }

    fn session(&mut self, plan: &Plan, is_checked: bool, delay: Duration) -> Session {
        let hosts = plan.hosts() as u64;
        let client = self.size(0, hosts - 1);
        let server = (client + self.size(1, hosts - 1)) % plan.hosts();
        let flags = match self.within(0, 7) {
            _ if !is_checked => Flags::NONE,
            0 => Flags::HMAC,
            1 => Flags::HMAC | Flags::CRC32,
            _ => Flags::CRC32,
        };
        let local_port = self.0.percent(50).then(|| {
            let taken = u8::try_from(plan.sessions.len()).unwrap();
            40 + taken
        });
        Session {
            client,
            server,
            local_port,
            start: at(self.within(1, 3000)),
            repeats: if self.0.percent(30) { self.size(2, 3) } else { 1 },
            flags,
            terms: self.terms(delay),
            receive_queue: plan.receive_queue,
            users: [self.script(delay), self.script(delay)],
        }
    }

    fn terms(&mut self, delay: Duration) -> Terms {
        // Repetitions faster than the link would fill the story with copies.
        let packet_timeout = self.time(20, 2000).max(delay / 3);
        let connection_timeout = self.time(500, 30_000).max(packet_timeout * 2);
        Terms {
            window: match self.within(0, 5) {
                0 => 1,
                1 => 32,
                _ => u16::try_from(self.within(2, 10)).unwrap(),
            },
            connection_timeout,
            packet_timeout,
            acks: if self.0.percent(30) {
                Acks::Immediate
            } else {
                Acks::Delayed
            },
            ack_timeout: self.time(20, 1500).max(delay / 10),
            ack_delay_count: u16::try_from(self.within(0, 5)).unwrap(),
        }
    }

    fn script(&mut self, delay: Duration) -> Script {
        let reading = match self.within(0, 9) {
            0 => Reading::Never,
            1 => Reading::After(self.time(100, 20_000)),
            2 | 3 => Reading::Slowly {
                every: self.time(10, 1000),
                most: self.size(1, 4),
            },
            _ => Reading::AtOnce,
        };
        let ending = match self.within(0, 5) {
            0 => Ending::Close,
            1..=3 => Ending::Finish(self.time(1000, 60_000) + delay * 4),
            _ => Ending::Wait,
        };
        let burst = self.size(1, 12);
        Script {
            messages: self.size(0, 24),
            longest: if self.0.percent(50) { 8 } else { 200 },
            rhythm: if self.0.percent(40) {
                (burst, self.time(5, 4000))
            } else {
                (usize::MAX, Duration::ZERO)
            },
            reading,
            expects: 0,
            ending,
            patience: self.time(2000, 60_000) + delay * 4,
            hold: if self.0.percent(20) {
                self.time(1, 20_000)
            } else {
                Duration::ZERO
            },
        }
    }

    fn trouble(&mut self, plan: &mut Plan) {
        let links = plan.versions.len() as u64;
        for _ in 0..self.within(0, 2) {
            let from = at(self.within(1, 10_000));
            plan.dark.push(Dark {
                link: self.size(0, links - 1),
                from,
                to: from + self.time(500, 60_000),
                told: self.0.percent(40),
            });
        }
        if self.0.percent(40) {
            plan.restarts
                .push((at(self.within(10, 8000)), self.size(0, links)));
        }
        if self.0.percent(60) {
            for _ in 0..self.within(1, 12) {
                let session = self.size(0, plan.sessions.len() as u64 - 1);
                let forgery = match self.within(0, 4) {
                    0 => Forgery::Opening,
                    1 => Forgery::Garbage,
                    _ => Forgery::Reset(u16::try_from(self.within(0, 3)).unwrap()),
                };
                plan.forgeries
                    .push((at(self.within(100, 8000)), session, forgery));
            }
        }
    }
}
