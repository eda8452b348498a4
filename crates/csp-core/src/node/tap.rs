//! Taps in the node.

use tinwire_time::Instant;

use super::Node;
use crate::tap::Tap;
use crate::{Captured, Direction, Event, InterfaceId, Packet, TapConfig, TapId};

impl Node {
    /// Begins to copy all packets received, before they are routed, and all own ones, trailers on.
    ///
    /// Copies come by [`captured`](Self::captured) after [`Event::Tapped`]. Duplicates that were dropped are
    /// not shown, packets of the node to itself are shown once, and forwarded ones as they were received.
    /// What a link filters out never gets here: on CAN, promiscuous links see what is for others.
    pub fn tap(&mut self, config: TapConfig) -> TapId {
        self.next_tap = self.next_tap.wrapping_add(1);
        let id = TapId(self.next_tap);
        self.taps.push((id, Tap::new(config)));
        id
    }

    /// The next copy in a tap.
    pub fn captured(&mut self, tap: TapId) -> Option<Captured> {
        let (_, tap) = self.taps.iter_mut().find(|(id, _)| *id == tap)?;
        tap.pop()
    }

    /// How many copies found no place in a tap since it was opened.
    #[must_use]
    pub fn tap_missed(&self, tap: TapId) -> Option<u64> {
        let (_, tap) = self.taps.iter().find(|(id, _)| *id == tap)?;
        Some(tap.missed())
    }

    /// Ends a tap; the copies in it are gone.
    pub fn close_tap(&mut self, tap: TapId) {
        self.taps.retain(|(id, _)| *id != tap);
        self.events.forget_event(Event::Tapped(tap));
    }

    /// Gives every tap a copy.
    pub(super) fn capture(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        direction: Direction,
        packet: &Packet,
    ) {
        let Some(version) = self.interfaces.get(interface).map(|interface| interface.version) else {
            return;
        };
        for (id, tap) in &mut self.taps {
            let copy = Captured {
                at: now,
                interface,
                direction,
                version,
                packet: packet.clone(),
                missed: 0,
            };
            if tap.push(copy) {
                self.events.ready(Event::Tapped(*id));
            }
        }
    }
}
