//! Filters in the node: where packets meet them, and how they go on.

use alloc::boxed::Box;

use tinwire_time::Instant;

use super::exit::Refused;
use super::{Node, Transmit};
use crate::filter::{Outcome, Passage, Released, Screened};
use crate::{
    Asked, DropReason, FilterContext, FilterId, OutsideConfig, Packet, SendError, Stage, Ticket, Verdict,
};

impl Node {
    /// Adds a filter behind those that the stage has.
    pub fn filter<F>(&mut self, stage: Stage, function: F) -> FilterId
    where
        F: FnMut(&FilterContext, Packet) -> Verdict + Send + 'static,
    {
        self.filters.add_function(stage, Box::new(function))
    }

    /// Adds a filter outside of the node behind those that the stage has.
    ///
    /// Its packets are handed out by [`poll_filter`](Self::poll_filter). Their verdicts may come in any
    /// order; the packets go on in the order they came.
    pub fn filter_outside(&mut self, stage: Stage, config: OutsideConfig) -> FilterId {
        self.filters.add_outside(stage, config)
    }

    /// Takes a filter away.
    ///
    /// What waits for its verdict goes on as if the filter had never been there.
    pub fn remove_filter(&mut self, now: Instant, filter: FilterId) {
        for released in self.filters.remove(filter) {
            self.proceed(now, filter, released);
        }
        self.settle(now);
        self.tell_writable();
    }

    /// The next packet that a filter outside is asked about.
    ///
    /// Any number may be asked about before the first verdict.
    pub fn poll_filter(&mut self) -> Option<Asked> {
        self.filters.ask()
    }

    /// Takes the verdict of a filter outside: the packet, or `None` to drop it.
    ///
    /// A ticket that is unknown, for instance because the verdict is late, is ignored.
    pub fn handle_verdict(&mut self, now: Instant, ticket: Ticket, verdict: impl Into<Verdict>) {
        let Some(filter) = self.filters.decide(ticket, verdict.into()) else {
            return;
        };
        while let Some(released) = self.filters.release(filter) {
            self.proceed(now, filter, released);
        }
        self.settle(now);
        self.tell_writable();
    }

    /// Drops what waits for a verdict that is late.
    pub(super) fn expire_filters(&mut self, now: Instant) {
        while let Some((filter, released)) = self.filters.expire(now) {
            self.proceed(now, filter, released);
            self.settle(now);
            self.tell_writable();
        }
    }

    /// Shows a packet to the filters of its stage, then does with it what they were asked about.
    pub(super) fn pass(&mut self, now: Instant, after: Option<FilterId>, passage: Passage, packet: Packet) {
        let (id, header) = (passage.interface(), packet.header);
        match self.screen(now, after, passage, packet) {
            Screened::Passed(Passage::Incoming { interface, looped }, packet) => {
                self.admit(now, interface, looped, packet);
            }
            Screened::Passed(Passage::Outgoing(way), packet) => {
                if let Err(refused) = self.depart(now, way, packet) {
                    self.drop_packet(id, Some(header), refused.reason);
                }
            }
            Screened::Passed(Passage::Routed { interface, via, .. }, packet) => {
                let transmit = Transmit {
                    interface,
                    packet,
                    via,
                };
                self.carry_on(now, transmit);
            }
            Screened::Held => {}
            Screened::Dropped => self.drop_packet(id, Some(header), DropReason::Filtered),
            Screened::Full => self.drop_packet(id, Some(header), DropReason::FilterQueueFull),
        }
    }

    pub(super) fn screen(
        &mut self,
        now: Instant,
        after: Option<FilterId>,
        passage: Passage,
        packet: Packet,
    ) -> Screened {
        // Where it goes on, it is dropped for that.
        let Some(interface) = self.interfaces.get(passage.interface()) else {
            return Screened::Passed(passage, packet);
        };
        let context = passage.context(now, interface.version);
        self.filters.screen(&context, after, passage, packet)
    }

    /// Goes on with a packet behind the filter it waited for.
    fn proceed(&mut self, now: Instant, filter: FilterId, released: Released) {
        let Released {
            passage,
            packet,
            outcome,
        } = released;
        let reason = match outcome {
            Outcome::Passed => return self.pass(now, Some(filter), passage, packet),
            Outcome::Dropped => DropReason::Filtered,
            Outcome::Expired => DropReason::FilterTimeout,
        };
        self.drop_packet(passage.interface(), Some(packet.header), reason);
    }
}

impl Refused {
    pub(super) const FILTERED: Self = Self {
        error: SendError::Filtered,
        reason: DropReason::Filtered,
    };
    pub(super) const FILTER_FULL: Self = Self {
        error: SendError::Full,
        reason: DropReason::FilterQueueFull,
    };
}
