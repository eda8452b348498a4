//! A CAN link as an interface of a node.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::boxed::Box;
use std::collections::VecDeque;
use std::io;

use can_link::error_frame::ErrorClasses;
use can_link::link::LinkChange;
use can_link::{CanLink, Event, Filter, FilterSet, LinkError, RecordStream};
use csp_core::rt::Incoming;
use csp_core::{
    Address, DropReason, InterfaceConfig, LinkState, Subnet, SubnetError, Switch, Transmit, Version,
};
use futures_core::Stream;
use futures_sink::Sink;
use thiserror::Error;
use tokio::time::Sleep;
use tokio_util::codec::Framed;

use crate::{CfpCodec, IdOrder, IgnoreReason, Reassembled, ReassemblyConfig, Received};

/// Frames of other protocols passed over before other tasks get their turn.
const MAX_FOREIGN: usize = 64;

/// How a CAN link serves a node.
#[derive(Clone, Copy, Debug)]
pub struct CanConfig {
    promiscuous: Switch,
    id_order: IdOrder,
    reassembly: ReassemblyConfig,
}

impl CanConfig {
    /// Whether frames for other addresses are taken too.
    ///
    /// A router between networks needs that with CFP 2, which does not carry the next hop (CAN-9). Default
    /// off: the link filters by the interface's addresses.
    #[must_use]
    pub const fn promiscuous(mut self, promiscuous: Switch) -> Self {
        self.promiscuous = promiscuous;
        self
    }

    /// Where source and destination stand in CFP 1 identifiers; CFP 2 is not affected.
    ///
    /// Default: as libcsp. Nodes of csp-py have them the other way round.
    #[must_use]
    pub const fn id_order(mut self, order: IdOrder) -> Self {
        self.id_order = order;
        self
    }

    /// Limits of the packets in the making. Default: those of [`ReassemblyConfig`].
    #[must_use]
    pub const fn reassembly(mut self, reassembly: ReassemblyConfig) -> Self {
        self.reassembly = reassembly;
        self
    }
}

impl Default for CanConfig {
    fn default() -> Self {
        Self {
            promiscuous: Switch::Off,
            id_order: IdOrder::default(),
            reassembly: ReassemblyConfig::default(),
        }
    }
}

/// Joins a CAN link to a node.
///
/// Give it to [`Node::attach`](csp_core::rt::Node::attach) with the same [`InterfaceConfig`].
///
/// It lives as long as the link: when that goes down the node is told, and again when it comes up. A packet
/// whose frames cannot all be sent is given up, and so is what was half sent when the link went down (CAN-5).
#[derive(Debug)]
pub struct CanInterface<L> {
    framed: Framed<RecordStream<L>, CfpCodec>,
    version: Version,
    sleep: Option<Pin<Box<Sleep>>>,
    told: VecDeque<Incoming>,
}

impl<L: CanLink> CanInterface<L> {
    /// An interface on `link`.
    ///
    /// Sets the link's filters to the addresses of `interface`.
    ///
    /// # Errors
    /// The configuration does not suit the link, or the link refuses the filters.
    pub fn new(
        mut link: L,
        interface: &InterfaceConfig,
        config: CanConfig,
    ) -> Result<Self, CanInterfaceError> {
        let subnet = interface.subnet()?;
        let filters = match config.promiscuous {
            Switch::On => FilterSet::any([extended(0, 0)]),
            Switch::Off => {
                let further = interface.aliases().iter().copied().chain(interface.names());
                address_filters(subnet, further, config.id_order)
            }
        };
        link.set_filters(&filters.with_errors(ErrorClasses::NONE))?;
        let codec = CfpCodec::new(subnet.version(), subnet.address(), config.reassembly)
            .with_id_order(config.id_order);
        Ok(Self {
            framed: Framed::new(RecordStream::new(link), codec),
            version: subnet.version(),
            sleep: None,
            told: VecDeque::new(),
        })
    }

    /// The link with its records and packets, for their counters.
    pub const fn framed(&self) -> &Framed<RecordStream<L>, CfpCodec> {
        &self.framed
    }

    /// Gives up what is half sent; true if there was something.
    fn give_up(&mut self) -> bool {
        let unsent = self.framed.write_buffer_mut();
        let had = !unsent.is_empty();
        unsent.clear();
        had
    }

    /// Tells the node what happened on the link besides frames.
    fn take_events(&mut self) {
        while let Some(event) = self.framed.get_mut().next_event() {
            match event {
                Event::Link(LinkChange::Down | LinkChange::Gone) => {
                    if self.give_up() {
                        self.told.push_back(Incoming::Discarded {
                            reason: DropReason::LinkSend,
                            count: 1,
                        });
                    }
                    self.told.push_back(Incoming::Link(LinkState::Down));
                }
                Event::Link(LinkChange::Up | LinkChange::Reconnected) => {
                    self.told.push_back(Incoming::Link(LinkState::Up));
                }
                Event::Dropped { count, .. } => {
                    self.told.push_back(Incoming::Discarded {
                        reason: DropReason::LinkFull,
                        count,
                    });
                }
                // Errors of the bus and frames of other protocols are the record stream's to count.
                _ => {}
            }
        }
    }

    /// What became too old, when its time has come.
    fn poll_stale(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        loop {
            // Several may have become too old at once.
            if let Some(received) = self.framed.codec_mut().handle_timeout() {
                return Poll::Ready(received);
            }
            let Some(deadline) = self.framed.codec().poll_timeout() else {
                self.sleep = None;
                return Poll::Pending;
            };
            let sleep = self
                .sleep
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
            if sleep.deadline() != deadline {
                sleep.as_mut().reset(deadline);
            }
            core::task::ready!(sleep.as_mut().poll(cx));
            self.sleep = None;
        }
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let framed = Pin::new(&mut self.framed);
        let flushed = core::task::ready!(Sink::<Transmit>::poll_flush(framed, cx));
        if flushed.is_err() {
            self.give_up();
        }
        Poll::Ready(flushed)
    }
}

impl<L: CanLink> Stream for CanInterface<L> {
    type Item = io::Result<Incoming>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let version = this.version;
        if let Some(told) = this.told.pop_front() {
            return Poll::Ready(Some(Ok(told)));
        }
        for _ in 0..MAX_FOREIGN {
            let next = Pin::new(&mut this.framed).poll_next(cx);
            this.take_events();
            let next = match next {
                Poll::Ready(Some(Ok(received))) => incoming(version, received).map(Ok),
                Poll::Ready(Some(Err(error))) => Some(Err(error)),
                Poll::Ready(None) if this.told.is_empty() => return Poll::Ready(None),
                Poll::Ready(None) | Poll::Pending => {
                    if let Some(told) = this.told.pop_front() {
                        return Poll::Ready(Some(Ok(told)));
                    }
                    let stale = core::task::ready!(this.poll_stale(cx));
                    incoming(version, stale).map(Ok)
                }
            };
            if next.is_some() {
                return Poll::Ready(next);
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// One packet is on its way to the link at a time, so that an error costs one.
impl<L: CanLink> Sink<Transmit> for CanInterface<L> {
    type Error = io::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_drain(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, transmit: Transmit) -> io::Result<()> {
        Pin::new(&mut self.framed).start_send(transmit)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_drain(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Sink::<Transmit>::poll_close(Pin::new(&mut self.framed), cx)
    }
}

/// Why a CAN link cannot serve a node.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CanInterfaceError {
    /// The address or the netmask does not fit the header version.
    #[error(transparent)]
    Subnet(#[from] SubnetError),
    /// The link refuses the filters.
    #[error(transparent)]
    Link(#[from] LinkError),
}

/// What a node is to know. It takes its own view of broadcasts, so the destination is put back; of the
/// traffic of other protocols it knows nothing.
fn incoming(version: Version, received: Received) -> Option<Incoming> {
    Some(match received {
        Received::Packet(Reassembled {
            mut packet,
            broadcast,
        }) => {
            if broadcast {
                packet.header.destination = version.broadcast();
            }
            Incoming::Packet(packet)
        }
        Received::Discarded { reason, .. } => Incoming::Discarded {
            reason: reason.drop_reason(),
            count: 1,
        },
        Received::Ignored(IgnoreReason::Malformed(_)) => Incoming::Discarded {
            reason: DropReason::LinkFrame,
            count: 1,
        },
        Received::Ignored(_) => return None,
    })
}

/// Frames for own address, aliases, subnet and global broadcast (CAN-8).
fn address_filters(subnet: Subnet, further: impl Iterator<Item = Address>, order: IdOrder) -> FilterSet {
    let own = [subnet.address(), subnet.broadcast(), subnet.version().broadcast()];
    let mut addresses: std::vec::Vec<_> = own.into_iter().chain(further).collect();
    addresses.sort_unstable();
    addresses.dedup();
    let shift = match (subnet.version(), order) {
        (Version::V1, IdOrder::SourceFirst) => 19,
        (Version::V1, IdOrder::DestinationFirst) => 24,
        (Version::V2, _) => 13,
    };
    let mask = u32::from(subnet.version().broadcast().to_bits()) << shift;
    let filter = |address: Address| extended(u32::from(address.to_bits()) << shift, mask);
    FilterSet::any(addresses.into_iter().map(filter))
}

/// Extended data frames that agree with `bits` under `mask`.
fn extended(bits: u32, mask: u32) -> Filter {
    Filter::masked(can_link::id::extended(bits).into(), mask)
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a test starts the applications that use a node"
)]
mod tests;
