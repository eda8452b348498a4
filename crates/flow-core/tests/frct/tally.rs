//! What became of stories.

use core::fmt;
use core::ops::AddAssign;

use flow_core::frct::{DownReason, Event, Stats};

use crate::world::{End, World};

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) stories: u64,
    pub(crate) expired: u64,
    pub(crate) reset: u64,
    /// Ends that gave up though the other end has everything: the last acknowledgement was lost.
    pub(crate) unsure: u64,
    pub(crate) written: u64,
    pub(crate) got: u64,
    pub(crate) resent: u64,
    pub(crate) lost: u64,
    pub(crate) rendezvous: u64,
    pub(crate) epochs: u64,
}

impl Tally {
    pub(crate) fn of(world: &World) -> Self {
        let sum = |of: fn(Stats) -> u64| world.ends.iter().map(|end| of(end.machine.stats())).sum();
        let downs = |wanted: fn(&End, &End) -> bool| {
            let [one, two] = &world.ends;
            u64::from(wanted(one, two)) + u64::from(wanted(two, one))
        };
        Self {
            stories: 1,
            expired: downs(|end, other| has(end, DownReason::Expired) && !is_whole(end, other)),
            reset: downs(|end, other| has(end, DownReason::Reset) && !is_whole(end, other)),
            unsure: downs(|end, other| matches!(end.over, Some(Event::Down { .. })) && is_whole(end, other)),
            written: world.ends.iter().map(|end| u64::from(end.written)).sum(),
            got: sum(|stats| stats.delivered),
            resent: sum(|stats| stats.resent),
            lost: world.wires.iter().map(|wire| wire.lost).sum(),
            rendezvous: sum(|stats| stats.rendezvous_sent),
            epochs: epochs(world),
        }
    }
}

fn has(end: &End, wanted: DownReason) -> bool {
    matches!(end.over, Some(Event::Down { reason, .. }) if reason == wanted)
}

/// Whether `other` got all that `end` has written.
fn is_whole(end: &End, other: &End) -> bool {
    other.got.len() == usize::try_from(end.written).unwrap()
}

/// Packets protected by the end that protected more, over the length of an epoch.
fn epochs(world: &World) -> u64 {
    let protected = world
        .ends
        .iter()
        .map(|end| end.protection.stats().protected)
        .max();
    world.plan.sealed.map_or(0, |bit| protected.unwrap_or(0) >> bit)
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.stories += other.stories;
        self.expired += other.expired;
        self.reset += other.reset;
        self.unsure += other.unsure;
        self.written += other.written;
        self.got += other.got;
        self.resent += other.resent;
        self.lost += other.lost;
        self.rendezvous += other.rendezvous;
        self.epochs += other.epochs;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} stories, {} expired, {} reset, {} unsure; packets: {} written, {} got, {} sent again, \
             {} lost; {} rendez-vous, {} epochs",
            self.stories,
            self.expired,
            self.reset,
            self.unsure,
            self.written,
            self.got,
            self.resent,
            self.lost,
            self.rendezvous,
            self.epochs
        )
    }
}
