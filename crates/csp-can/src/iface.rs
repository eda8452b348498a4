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
    Address, DropReason, InterfaceConfig, LinkState, Priority, Subnet, SubnetError, Switch, Transmit, Version,
};
use futures_core::Stream;
use futures_sink::Sink;
use thiserror::Error;
use tokio::time::Sleep;
use tokio_util::codec::Framed;

use crate::{CfpCodec, CfpId, Reassembled, ReassemblyConfig, Received, Sender};

/// How a CAN link serves a node.
#[derive(Clone, Copy, Debug)]
pub struct CanConfig {
    promiscuous: Switch,
    reassembly: ReassemblyConfig,
}

impl CanConfig {
    /// Whether frames for other addresses are taken too.
    ///
    /// A router between networks needs that, because CFP 2 does not carry the next hop (CAN-9). Default off:
    /// the link filters by the interface's addresses.
    #[must_use]
    pub const fn promiscuous(mut self, promiscuous: Switch) -> Self {
        self.promiscuous = promiscuous;
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
        if subnet.version() != Version::V2 {
            return Err(CanInterfaceError::Version {
                version: subnet.version(),
            });
        }
        let filters = match config.promiscuous {
            Switch::On => FilterSet::any([every_cfp_frame()]),
            Switch::Off => address_filters(subnet, interface.aliases()),
        };
        link.set_filters(&filters.with_errors(ErrorClasses::NONE))?;
        let codec = CfpCodec::new(subnet.address(), config.reassembly);
        Ok(Self {
            framed: Framed::new(RecordStream::new(link), codec),
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
            if let Some(received) = self.framed.codec_mut().handle_timeout() {
                return Poll::Ready(received);
            }
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
        if let Some(told) = this.told.pop_front() {
            return Poll::Ready(Some(Ok(told)));
        }
        let next = Pin::new(&mut this.framed).poll_next(cx);
        this.take_events();
        match next {
            Poll::Ready(Some(Ok(received))) => return Poll::Ready(Some(Ok(incoming(received)))),
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
            Poll::Ready(None) if this.told.is_empty() => return Poll::Ready(None),
            Poll::Ready(None) | Poll::Pending => {}
        }
        if let Some(told) = this.told.pop_front() {
            return Poll::Ready(Some(Ok(told)));
        }
        this.poll_stale(cx).map(|received| Some(Ok(incoming(received))))
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
    /// The header version has no fragmentation protocol here.
    #[error("CAN interfaces speak header version 2 (CFP 2), not {version:?}")]
    Version {
        /// The version asked for.
        version: Version,
    },
    /// The link refuses the filters.
    #[error(transparent)]
    Link(#[from] LinkError),
}

/// A node takes its own view of broadcasts, so the destination is put back.
fn incoming(received: Received) -> Incoming {
    match received {
        Received::Packet(Reassembled {
            mut packet,
            broadcast,
        }) => {
            if broadcast {
                packet.header.destination = Address::BROADCAST;
            }
            Incoming::Packet(packet)
        }
        Received::Discarded { reason, .. } => Incoming::Discarded {
            reason: reason.drop_reason(),
            count: 1,
        },
    }
}

/// Frames for own address, aliases, subnet and global broadcast (CAN-8).
fn address_filters(subnet: Subnet, aliases: &[Address]) -> FilterSet {
    let own = [subnet.address(), subnet.broadcast(), Address::BROADCAST];
    let mut addresses: std::vec::Vec<_> = own.iter().chain(aliases).copied().collect();
    addresses.sort_unstable();
    addresses.dedup();
    FilterSet::any(
        addresses
            .into_iter()
            .map(|address| Filter::masked(to(address).into(), DESTINATION_MASK)),
    )
}

/// The destination's bits of an identifier.
const DESTINATION_MASK: u32 = 0x3FFF << 13;

/// Extended data frames, whatever their identifier.
fn every_cfp_frame() -> Filter {
    Filter::masked(to(Address::LOOPBACK).into(), 0)
}

fn to(destination: Address) -> can_link::ExtendedId {
    let id = CfpId {
        priority: Priority::Critical,
        destination,
        sender: Sender::of(Address::LOOPBACK),
        packet: 0,
        fragment: 0,
        begin: false,
        end: false,
    };
    id.to_id()
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a test starts the applications that use a node"
)]
mod tests;
