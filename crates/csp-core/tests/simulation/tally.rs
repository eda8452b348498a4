//! What became of many stories.

use core::fmt;
use core::ops::AddAssign;
use std::collections::BTreeMap;

use crate::network::Fate;
use crate::user::End;

/// Counts over stories.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) connections: u64,
    pub(crate) messages: u64,
    pub(crate) delivered: u64,
    pub(crate) segments: u64,
    /// Segments that came and may be answered at once.
    pub(crate) arrivals: u64,
    pub(crate) lost: u64,
    pub(crate) damaged: u64,
    pub(crate) restarts: u64,
    pub(crate) forged: u64,
    /// How the connections ended, for each user.
    pub(crate) ends: BTreeMap<String, u64>,
}

impl Tally {
    pub(crate) const fn count_fate(&mut self, fate: Fate) {
        match fate {
            Fate::Lost => self.lost += 1,
            Fate::Damaged => self.damaged += 1,
            Fate::Carried => {}
        }
    }

    pub(crate) fn count_end(&mut self, end: End) {
        *self.ends.entry(format!("{end:?}")).or_default() += 1;
    }

    pub(crate) fn ends(&self, end: End) -> u64 {
        self.ends.get(&format!("{end:?}")).copied().unwrap_or_default()
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        let pairs = [
            (&mut self.connections, other.connections),
            (&mut self.messages, other.messages),
            (&mut self.delivered, other.delivered),
            (&mut self.segments, other.segments),
            (&mut self.arrivals, other.arrivals),
            (&mut self.lost, other.lost),
            (&mut self.damaged, other.damaged),
            (&mut self.restarts, other.restarts),
            (&mut self.forged, other.forged),
        ];
        pairs.into_iter().for_each(|(sum, count)| *sum += count);
        for (end, count) in other.ends {
            *self.ends.entry(end).or_default() += count;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} connections, {} of {} messages read, {} segments, {} packets lost, {} damaged, {} restarts, \
             {} from strangers",
            self.connections,
            self.delivered,
            self.messages,
            self.segments,
            self.lost,
            self.damaged,
            self.restarts,
            self.forged
        )?;
        self.ends
            .iter()
            .try_for_each(|(end, count)| writeln!(f, "  {count:>6} {end}"))
    }
}
