//! Taps: copies of all packets that a node receives and sends, for those who watch (promiscuous mode).

use alloc::collections::VecDeque;

use bytes::Bytes;
use tinwire_time::Instant;

use crate::{EncodeError, InterfaceId, Packet, Version};

/// Names a tap of one node; of no use after it is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TapId(pub(crate) u64);

/// Which way a packet went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From a link. Forwarded packets are shown so, once.
    Received,
    /// To a link, from this node.
    Sent,
    /// From this node to itself.
    Looped,
}

/// Which copy goes when a tap is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Overflow {
    /// The one that found no place, as in libcsp.
    #[default]
    Newest,
    /// The one that waits longest.
    Oldest,
}

/// How a tap is set up.
#[derive(Clone, Copy, Debug)]
pub struct TapConfig {
    queue: usize,
    overflow: Overflow,
    interface: Option<InterfaceId>,
}

impl TapConfig {
    /// Copies that wait to be taken. Default 16, as libcsp.
    #[must_use]
    pub const fn queue(mut self, copies: usize) -> Self {
        self.queue = copies;
        self
    }

    /// Which copy goes when that many wait. Default [`Overflow::Newest`], as libcsp.
    ///
    /// [`Captured::missed`] tells where copies are missing, and how many.
    #[must_use]
    pub const fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// Packets of one interface alone. Default those of all.
    #[must_use]
    pub const fn interface(mut self, interface: InterfaceId) -> Self {
        self.interface = Some(interface);
        self
    }
}

impl Default for TapConfig {
    fn default() -> Self {
        Self {
            queue: 16,
            overflow: Overflow::Newest,
            interface: None,
        }
    }
}

/// A copy of a packet, with what a trace needs (BET-10).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Captured {
    /// When it was received or queued for the link.
    pub at: Instant,
    /// The interface.
    pub interface: InterfaceId,
    /// Which way it went.
    pub direction: Direction,
    /// The header version of the interface.
    pub version: Version,
    /// The packet, trailers included.
    pub packet: Packet,
    /// Copies right before this one that found no place in the tap.
    pub missed: u64,
}

impl Captured {
    /// Header and payload as they are on the link, without what the link itself adds.
    ///
    /// # Errors
    /// The header has no form in the interface's version, which happens only to packets of the node to itself
    /// and to those that a link made up.
    pub fn encode(&self) -> Result<Bytes, EncodeError> {
        self.packet.encode(self.version)
    }
}

/// A bounded queue of copies.
#[derive(Debug)]
pub(crate) struct Tap {
    config: TapConfig,
    copies: VecDeque<Captured>,
    /// Copies lost since the last one that found a place.
    gap: u64,
    missed: u64,
    announced: bool,
}

impl Tap {
    pub(crate) const fn new(config: TapConfig) -> Self {
        Self {
            config,
            copies: VecDeque::new(),
            gap: 0,
            missed: 0,
            announced: false,
        }
    }

    /// Puts a copy in; true if the owner of the tap must be told that there is one.
    pub(crate) fn push(&mut self, mut copy: Captured) -> bool {
        if self.config.interface.is_some_and(|only| only != copy.interface) {
            return false;
        }
        if self.copies.len() >= self.config.queue {
            self.missed = self.missed.wrapping_add(1);
            let oldest = match self.config.overflow {
                Overflow::Newest => None,
                Overflow::Oldest => self.copies.pop_front(),
            };
            let Some(oldest) = oldest else {
                self.gap = self.gap.saturating_add(1);
                return false;
            };
            let gap = oldest.missed.saturating_add(1);
            let next = self.copies.front_mut().unwrap_or(&mut copy);
            next.missed = next.missed.saturating_add(gap);
        }
        copy.missed = copy.missed.saturating_add(core::mem::take(&mut self.gap));
        self.copies.push_back(copy);
        !core::mem::replace(&mut self.announced, true)
    }

    pub(crate) fn pop(&mut self) -> Option<Captured> {
        let copy = self.copies.pop_front();
        if copy.is_none() {
            self.announced = false;
        }
        copy
    }

    pub(crate) const fn missed(&self) -> u64 {
        self.missed
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::{Address, Header, Port};

    fn copy(number: u64) -> Captured {
        let port = Port::new(10).unwrap();
        let address = Address::new(1).unwrap();
        Captured {
            at: Instant::from_millis(number),
            interface: InterfaceId::LOOPBACK,
            direction: Direction::Received,
            version: Version::V2,
            packet: Packet::new(Header::new((address, port), (address, port)), Bytes::new()),
            missed: 0,
        }
    }

    /// Number and gap of all copies in the tap.
    fn drain(tap: &mut Tap) -> Vec<(u64, u64)> {
        core::iter::from_fn(|| tap.pop())
            .map(|copy| (copy.at.as_micros() / 1000, copy.missed))
            .collect()
    }

    #[test]
    fn a_full_tap_loses_the_newest_or_the_oldest_and_says_where() {
        let config = TapConfig::default().queue(2);
        let rules = [
            (Overflow::Newest, [(0, 0), (1, 0)], (4, 2)),
            (Overflow::Oldest, [(2, 2), (3, 0)], (4, 0)),
        ];
        for (overflow, kept, next) in rules {
            let mut tap = Tap::new(config.overflow(overflow));
            let told: Vec<_> = (0..4).map(|number| tap.push(copy(number))).collect();
            assert_eq!(told, [true, false, false, false]);
            assert_eq!(drain(&mut tap), kept);
            assert!(tap.push(copy(4)), "told again once it was empty");
            assert_eq!(drain(&mut tap), [next]);
            assert_eq!(tap.missed(), 2);
        }
    }

    proptest! {
        #[test]
        fn every_copy_is_taken_or_missed_and_gaps_stand_where_they_belong(
            queue in 0..4usize, oldest: bool, steps in proptest::collection::vec(any::<bool>(), 0..60),
        ) {
            let overflow = if oldest { Overflow::Oldest } else { Overflow::Newest };
            let mut tap = Tap::new(TapConfig::default().queue(queue).overflow(overflow));
            let (mut sent, mut seen) = (0, 0);
            let mut check = |taken: Vec<(u64, u64)>| {
                for (number, missed) in taken {
                    assert_eq!(number, seen + missed);
                    seen = number + 1;
                }
            };
            for push in steps {
                if push {
                    tap.push(copy(sent));
                    sent += 1;
                } else {
                    let taken = tap.pop().map(|copy| (copy.at.as_micros() / 1000, copy.missed));
                    check(taken.into_iter().collect());
                }
                prop_assert!(tap.copies.len() <= queue);
            }
            check(drain(&mut tap));
            let (missed, gap) = (tap.missed(), tap.gap);
            prop_assert!(gap <= missed);
            prop_assert_eq!(sent, seen + gap);
        }
    }
}
