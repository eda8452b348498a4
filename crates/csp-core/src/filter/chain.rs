//! The filters of a node, stage by stage, and the packets that wait for those outside.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;

use tinwire_time::Instant;

use super::{Asked, FilterContext, FilterId, OutsideConfig, Stage, Ticket, Verdict};
use crate::node::Way;
use crate::{Address, InterfaceId, Packet, Version};

/// What the node does with a packet once its filters let it pass.
#[derive(Clone, Debug)]
pub(crate) enum Passage {
    Incoming {
        interface: InterfaceId,
        looped: bool,
    },
    Outgoing(Way),
    Routed {
        from: InterfaceId,
        interface: InterfaceId,
        via: Option<Address>,
    },
}

impl Passage {
    pub(crate) const fn stage(&self) -> Stage {
        match self {
            Self::Incoming { .. } => Stage::Incoming,
            Self::Outgoing(_) => Stage::Outgoing,
            Self::Routed { .. } => Stage::Routed,
        }
    }

    pub(crate) const fn interface(&self) -> InterfaceId {
        match self {
            Self::Incoming { interface, .. } | Self::Routed { interface, .. } => *interface,
            Self::Outgoing(way) => way.interface,
        }
    }

    pub(crate) const fn context(&self, now: Instant, version: Version) -> FilterContext {
        let (from, via) = match self {
            Self::Incoming { .. } => (None, None),
            Self::Outgoing(way) => (None, way.via),
            Self::Routed { from, via, .. } => (Some(*from), *via),
        };
        FilterContext {
            now,
            stage: self.stage(),
            interface: self.interface(),
            version,
            from,
            via,
        }
    }
}

type Function = Box<dyn FnMut(&FilterContext, Packet) -> Verdict + Send>;

/// A packet in the queue of a filter outside.
#[derive(Debug)]
struct Waiting {
    ticket: u64,
    until: Instant,
    context: FilterContext,
    passage: Passage,
    /// As it came to the filter.
    packet: Packet,
    /// Comes back in any order; packets go on in the order they came.
    verdict: Option<Verdict>,
}

/// The queue of a filter outside: those asked about before those still to be asked.
#[derive(Debug)]
struct Outside {
    config: OutsideConfig,
    waiting: VecDeque<Waiting>,
    asked: usize,
}

impl Outside {
    fn pop(&mut self) -> Option<Waiting> {
        self.asked = self.asked.saturating_sub(1);
        self.waiting.pop_front()
    }
}

enum Kind {
    Function(Function),
    Outside(Outside),
}

struct Filter {
    number: u64,
    kind: Kind,
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Function(_) => f.debug_tuple("Function").field(&self.number).finish(),
            Kind::Outside(outside) => {
                let waiting = outside.waiting.len();
                f.debug_tuple("Outside")
                    .field(&self.number)
                    .field(&waiting)
                    .finish()
            }
        }
    }
}

/// What became of a packet that met the filters of a stage.
#[derive(Debug)]
pub(crate) enum Screened {
    /// All let it pass.
    Passed(Passage, Packet),
    /// It waits for the verdict of one outside.
    Held,
    /// One dropped it.
    Dropped,
    /// One outside has no room for it.
    Full,
}

/// A packet whose turn it is to go on, or to be dropped.
#[derive(Debug)]
pub(crate) struct Released {
    pub(crate) passage: Passage,
    pub(crate) packet: Packet,
    pub(crate) outcome: Outcome,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Dropped,
    Expired,
}

/// All filters of a node, those of each stage in the order they were added.
#[derive(Debug, Default)]
pub(crate) struct Filters {
    incoming: Vec<Filter>,
    outgoing: Vec<Filter>,
    routed: Vec<Filter>,
    next_filter: u64,
    next_ticket: u64,
}

impl Filters {
    const fn chain(&mut self, stage: Stage) -> &mut Vec<Filter> {
        match stage {
            Stage::Incoming => &mut self.incoming,
            Stage::Outgoing => &mut self.outgoing,
            Stage::Routed => &mut self.routed,
        }
    }

    pub(crate) const fn is_empty(&self, stage: Stage) -> bool {
        match stage {
            Stage::Incoming => self.incoming.is_empty(),
            Stage::Outgoing => self.outgoing.is_empty(),
            Stage::Routed => self.routed.is_empty(),
        }
    }

    fn add(&mut self, stage: Stage, kind: Kind) -> FilterId {
        self.next_filter = self.next_filter.wrapping_add(1);
        let number = self.next_filter;
        self.chain(stage).push(Filter { number, kind });
        FilterId { stage, number }
    }

    pub(crate) fn add_function(&mut self, stage: Stage, function: Function) -> FilterId {
        self.add(stage, Kind::Function(function))
    }

    pub(crate) fn add_outside(&mut self, stage: Stage, config: OutsideConfig) -> FilterId {
        let waiting = VecDeque::new();
        self.add(
            stage,
            Kind::Outside(Outside {
                config,
                waiting,
                asked: 0,
            }),
        )
    }

    /// Takes a filter away and gives what waited for it.
    pub(crate) fn remove(&mut self, id: FilterId) -> Vec<Released> {
        let chain = self.chain(id.stage);
        let Some(at) = chain.iter().position(|filter| filter.number == id.number) else {
            return Vec::new();
        };
        match chain.remove(at).kind {
            Kind::Function(_) => Vec::new(),
            Kind::Outside(outside) => outside.waiting.into_iter().map(released).collect(),
        }
    }

    /// Shows a packet to the filters of its stage, those up to `after` left out.
    pub(crate) fn screen(
        &mut self,
        context: &FilterContext,
        after: Option<FilterId>,
        passage: Passage,
        mut packet: Packet,
    ) -> Screened {
        let ticket = self.next_ticket;
        let later = |filter: &&mut Filter| after.is_none_or(|after| filter.number > after.number);
        for filter in self.chain(context.stage).iter_mut().filter(later) {
            match &mut filter.kind {
                Kind::Function(function) => match function(context, packet) {
                    Verdict::Pass(passed) => packet = passed,
                    Verdict::Drop => return Screened::Dropped,
                },
                Kind::Outside(outside) if outside.waiting.len() >= outside.config.queue => {
                    return Screened::Full;
                }
                Kind::Outside(outside) => {
                    outside.waiting.push_back(Waiting {
                        ticket,
                        until: context.now + outside.config.timeout,
                        context: *context,
                        passage,
                        packet,
                        verdict: None,
                    });
                    self.next_ticket = ticket.wrapping_add(1);
                    return Screened::Held;
                }
            }
        }
        Screened::Passed(passage, packet)
    }

    fn outsides(&mut self) -> impl Iterator<Item = (FilterId, &mut Outside)> {
        let chains = [
            (Stage::Incoming, &mut self.incoming),
            (Stage::Outgoing, &mut self.outgoing),
            (Stage::Routed, &mut self.routed),
        ];
        chains.into_iter().flat_map(|(stage, chain)| {
            chain.iter_mut().filter_map(move |filter| match &mut filter.kind {
                Kind::Function(_) => None,
                Kind::Outside(outside) => Some((
                    FilterId {
                        stage,
                        number: filter.number,
                    },
                    outside,
                )),
            })
        })
    }

    /// The next packet to ask about.
    pub(crate) fn ask(&mut self) -> Option<Asked> {
        self.outsides().find_map(|(filter, outside)| {
            let waiting = outside.waiting.get(outside.asked)?;
            outside.asked = outside.asked.saturating_add(1);
            Some(Asked {
                ticket: Ticket {
                    filter,
                    number: waiting.ticket,
                },
                filter,
                context: waiting.context,
                packet: waiting.packet.clone(),
            })
        })
    }

    fn outside(&mut self, id: FilterId) -> Option<&mut Outside> {
        let filter = self
            .chain(id.stage)
            .iter_mut()
            .find(|filter| filter.number == id.number)?;
        match &mut filter.kind {
            Kind::Function(_) => None,
            Kind::Outside(outside) => Some(outside),
        }
    }

    /// Notes a verdict, unless none is waited for, and names the filter it is from.
    pub(crate) fn decide(&mut self, ticket: Ticket, verdict: Verdict) -> Option<FilterId> {
        let outside = self.outside(ticket.filter)?;
        let at = outside
            .waiting
            .binary_search_by_key(&ticket.number, |waiting| waiting.ticket)
            .ok()?;
        let waiting = outside.waiting.get_mut(at)?;
        // The first verdict counts.
        if waiting.verdict.is_none() {
            waiting.verdict = Some(verdict);
        }
        Some(ticket.filter)
    }

    /// The next packet of the filter that is decided, no earlier one being undecided.
    pub(crate) fn release(&mut self, id: FilterId) -> Option<Released> {
        let outside = self.outside(id)?;
        outside.waiting.front()?.verdict.as_ref()?;
        outside.pop().map(released)
    }

    /// The next packet that goes on because of the time, and the filter it waited for.
    ///
    /// Those late are dropped, and those decided behind them go on.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<(FilterId, Released)> {
        self.outsides().find_map(|(id, outside)| {
            let front = outside.waiting.front()?;
            let decided = front.verdict.is_some();
            if !decided && front.until > now {
                return None;
            }
            let mut released = released(outside.pop()?);
            if !decided {
                released.outcome = Outcome::Expired;
            }
            Some((id, released))
        })
    }

    /// When a verdict is late.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        [&self.incoming, &self.outgoing, &self.routed]
            .into_iter()
            .flatten()
            .filter_map(|filter| match &filter.kind {
                Kind::Function(_) => None,
                Kind::Outside(outside) => Some(outside.waiting.front()?.until),
            })
            .min()
    }
}

/// What waited, with its verdict; without one it passes unchanged.
fn released(waiting: Waiting) -> Released {
    let (packet, outcome) = match waiting.verdict {
        None => (waiting.packet, Outcome::Passed),
        Some(Verdict::Pass(packet)) => (packet, Outcome::Passed),
        Some(Verdict::Drop) => (waiting.packet, Outcome::Dropped),
    };
    Released {
        passage: waiting.passage,
        packet,
        outcome,
    }
}
