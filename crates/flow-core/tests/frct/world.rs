//! Two machines, their users, and the links between them.

use core::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use flow_core::Protection;
use flow_core::frct::{Event, HEADER_LEN, Header, Machine, SendError, Sequence, State};
use testkit::Rng;
use tinwire_time::Instant;

use crate::network::Wire;
use crate::plan::{Plan, User};
use crate::tally::Tally;

/// A story that is not over by then hangs.
const LAST_DAY: Instant = Instant::from_millis(3_600_000);
/// Nor is one of so many steps.
const MAX_STEPS: u32 = 200_000;

/// Whether what happens is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trace {
    Silent,
    Printed,
}

pub(crate) struct End {
    pub(crate) machine: Machine,
    pub(crate) protection: Protection,
    user: User,
    rng: Rng,
    /// Packets that the machine took to be sent.
    pub(crate) written: u32,
    /// Numbers of packets that arrived.
    pub(crate) got: Vec<u32>,
    next_write: Instant,
    next_look: Instant,
    pub(crate) over: Option<Event>,
    /// When the last packet was got.
    pub(crate) last: Instant,
    pub(crate) skipped: u64,
}

pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) now: Instant,
    pub(crate) ends: [End; 2],
    pub(crate) wires: [Wire; 2],
    trace: Trace,
}

/// The packet that `end` writes as its `number`th.
pub(crate) fn packet(seed: u64, end: usize, number: u32, longest: u64) -> Bytes {
    let mut rng = Rng::new(seed ^ u64::from(number) << 8 ^ end as u64);
    let mut packet = BytesMut::new();
    packet.put_u8(u8::try_from(end).unwrap());
    packet.put_u32(number);
    let filler = usize::try_from(rng.below(longest.max(6) - 5)).unwrap();
    packet.put_bytes(rng.next_u64().to_be_bytes()[0], filler);
    packet.freeze()
}

#[cfg(feature = "seal")]
fn sealed(protection: Protection, bit: u8) -> Protection {
    use flow_core::protect::{Key, Seal};
    let seal = Seal::new(flow_core::Wire::V0_23, Key::new([5; 32]));
    protection.with_seal(seal.with_rotation_bit(bit))
}

#[cfg(not(feature = "seal"))]
fn sealed(protection: Protection, _bit: u8) -> Protection {
    protection
}

impl World {
    pub(crate) fn new(plan: Plan, trace: Trace) -> Self {
        let ends = [0, 1].map(|place: usize| {
            let mut protection = Protection::none();
            if plan.has_crc {
                protection = protection.with_crc();
            }
            if let Some(bit) = plan.sealed {
                protection = sealed(protection, bit);
            }
            let user = plan.users[place].clone();
            End {
                machine: Machine::new(plan.config, Sequence::new(plan.first[place])),
                protection,
                next_look: Instant::ZERO + user.asleep,
                user,
                rng: Rng::new(plan.seed.wrapping_mul(7) + place as u64),
                written: 0,
                got: Vec::new(),
                next_write: Instant::ZERO,
                over: None,
                last: Instant::ZERO,
                skipped: 0,
            }
        });
        let wires = [0, 1].map(|place: usize| {
            Wire::new(
                plan.seed ^ 0x55 ^ (place as u64) << 32,
                plan.weather[place].clone(),
            )
        });
        Self {
            plan,
            now: Instant::ZERO,
            ends,
            wires,
            trace,
        }
    }

    /// Lets a story happen to its end, judges it, and tells what became of it.
    pub(crate) fn run(plan: Plan, trace: Trace) -> Tally {
        let mut world = Self::new(plan, trace);
        let mut steps = 0;
        while !world.is_over() {
            world.step();
            steps += 1;
            assert!(world.now < LAST_DAY && steps < MAX_STEPS, "it hangs");
        }
        world.judge();
        Tally::of(&world)
    }

    /// What has arrived can still be read of an end that gave up.
    fn is_over(&self) -> bool {
        let mut machines = self.ends.iter().map(|end| &end.machine);
        machines.all(|machine| machine.is_over() && machine.readable() == 0)
    }

    fn is_reliable(&self) -> bool {
        self.plan.config.is_reliable()
    }

    fn print(&self, what: core::fmt::Arguments<'_>) {
        if self.trace == Trace::Printed {
            println!("{:?} {what}", self.now);
        }
    }

    fn step(&mut self) {
        let times = (0..2).flat_map(|place| {
            let end = &self.ends[place];
            let user = [
                (self.writes(place)).then_some(end.next_write),
                (end.machine.readable() > 0).then_some(end.next_look),
            ];
            [self.wires[place].next_due(), end.machine.poll_timeout()]
                .into_iter()
                .chain(user)
        });
        // Who waits for nothing has something to close.
        self.now = self.now.max(times.flatten().min().unwrap_or(self.now));
        for place in 0..2 {
            self.arrive(place);
            self.act(place);
        }
    }

    fn arrive(&mut self, place: usize) {
        while let Some(packet) = self.wires[1 - place].pop(self.now) {
            let end = &mut self.ends[place];
            let Ok(packet) = end.protection.unprotect(packet) else {
                continue;
            };
            let shown = Header::decode(&packet).map(|(header, _)| header);
            let verdict = end.machine.handle_packet(self.now, packet);
            self.print(format_args!("{place} <- {shown:?}: {verdict:?}"));
            self.turn(place);
        }
    }

    fn act(&mut self, place: usize) {
        let now = self.now;
        self.ends[place].machine.handle_timeout(now);
        if self.writes(place) && self.ends[place].next_write <= now {
            self.write(place);
        }
        if self.ends[place].next_look <= now && self.ends[place].machine.readable() > 0 {
            self.look(place);
        }
        if self.may_close(place) {
            self.print(format_args!("{place} closes"));
            self.ends[place].machine.close(now);
        }
        self.turn(place);
    }

    fn writes(&self, place: usize) -> bool {
        let end = &self.ends[place];
        end.machine.state() == State::Open && end.written < end.user.packets
    }

    fn write(&mut self, place: usize) {
        let now = self.now;
        let end = &mut self.ends[place];
        let packet = packet(self.plan.seed, place, end.written, end.user.len);
        let wait = match end.machine.send(now, packet) {
            Ok(()) => {
                end.written += 1;
                let most = u64::try_from(end.user.think.as_micros()).unwrap();
                Duration::from_micros(end.rng.below(most + 1))
            }
            Err(SendError::Full) => Duration::from_millis(1 + end.rng.below(50)),
            Err(error) => panic!("{error}"),
        };
        end.next_write = now + wait;
    }

    fn look(&mut self, place: usize) {
        let now = self.now;
        for _ in 0..self.ends[place].user.reads {
            let Some(got) = self.ends[place].machine.recv(now) else {
                break;
            };
            let number = u32::from_be_bytes(got[1..5].try_into().unwrap());
            let len = self.ends[1 - place].user.len;
            assert_eq!(got, packet(self.plan.seed, 1 - place, number, len), "unchanged");
            let end = &mut self.ends[place];
            let last = end.got.last().map_or(-1, |last| i64::from(*last));
            if self.is_reliable() {
                assert_eq!(i64::from(number), last + 1, "once and in order");
            } else {
                assert!(i64::from(number) > last, "in order");
            }
            let end = &mut self.ends[place];
            end.got.push(number);
            end.last = now;
        }
        let end = &mut self.ends[place];
        let most = u64::try_from(end.user.look.as_micros()).unwrap();
        end.next_look = now + Duration::from_micros(1000 + end.rng.below(most + 1));
    }

    /// A user closes when it has written everything and, as far as it can know, got everything.
    fn may_close(&self, place: usize) -> bool {
        let (end, other) = (&self.ends[place], &self.ends[1 - place]);
        if end.machine.state() != State::Open {
            return false;
        }
        if other.over.is_some_and(|over| matches!(over, Event::Down { .. })) {
            return true;
        }
        let has_all = if self.is_reliable() {
            end.got.len() == usize::try_from(other.user.packets).unwrap()
        } else {
            other.written == other.user.packets
                && other.machine.unsent() == 0
                && self.wires.iter().all(Wire::is_empty)
        };
        end.written == end.user.packets && has_all
    }

    /// Puts on the link what is to be sent, and looks at what must hold at any time.
    fn turn(&mut self, place: usize) {
        let now = self.now;
        self.ends[place].machine.handle_timeout(now);
        while let Some(transmit) = self.ends[place].machine.poll_transmit(now) {
            self.print(format_args!("{place} -> {:?}", transmit.header));
            let end = &mut self.ends[place];
            let mut iv = [0; 12];
            iv.iter_mut()
                .for_each(|byte| *byte = end.rng.next_u64().to_be_bytes()[0]);
            let header = transmit.header.encode();
            assert_eq!(header.len(), HEADER_LEN);
            let packet = end.protection.protect(&[&header, &transmit.payload], || iv);
            self.wires[place].push(now, packet);
        }
        while let Some(event) = self.ends[place].machine.poll_event() {
            self.print(format_args!("{place} {event:?}"));
            let end = &mut self.ends[place];
            match event {
                Event::Closed { .. } | Event::Down { .. } => {
                    assert_eq!(end.over.replace(event), None, "one end");
                }
                Event::Skipped { count } => end.skipped += count,
                Event::Discarded { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        let machine = &self.ends[place].machine;
        let due = machine.poll_timeout();
        assert!(
            due.is_none_or(|due| due > now),
            "it wakes for nothing: {machine:?}"
        );
        let (out, kept) = machine.bytes();
        let longest = usize::try_from(self.plan.users.iter().map(|user| user.len).max().unwrap()).unwrap();
        let limit = self.plan.config.max_bytes();
        assert!(
            out <= limit && kept <= 4 * limit + longest,
            "{out} and {kept} bytes"
        );
    }

    /// What must hold at the end.
    fn judge(&self) {
        for place in 0..2 {
            let (end, other) = (&self.ends[place], &self.ends[1 - place]);
            let is_whole = end.got.len() == usize::try_from(other.written).unwrap();
            match (end.over.expect("told"), other.over.expect("told")) {
                (Event::Closed { .. }, Event::Closed { .. }) => {
                    assert!(
                        is_whole || !self.is_reliable(),
                        "both ended well, and packets are missing"
                    );
                }
                // The last acknowledgement was lost, and repetitions of what it tells too.
                (Event::Closed { .. }, Event::Down { .. }) if is_whole => {}
                ends => assert!(is_whole || self.plan.may_fail, "given up without need: {ends:?}"),
            }
            let stats = end.machine.stats();
            assert_eq!(stats.skipped, end.skipped, "told");
            assert_eq!(u64::try_from(end.got.len()).unwrap(), stats.delivered);
        }
    }
}
