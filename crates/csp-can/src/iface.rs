//! A CAN link as an interface of a node.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::boxed::Box;
use std::collections::VecDeque;
use std::io;
use std::vec::Vec;

use can_link::error_frame::ErrorClasses;
use can_link::link::{self, LinkChange};
use can_link::{CanFrame, CanLink, Event, EventBuf, FilterSet, LinkError, SendError};
use csp_core::rt::Incoming;
use csp_core::{DropReason, InterfaceConfig, LinkState, SubnetError, Transmit, Version};
use futures_core::Stream;
use futures_sink::Sink;
use thiserror::Error;
use tinwire_time::Origin;
use tokio::time::{Instant, Sleep};

pub use self::config::CanConfig;
use self::filters::Addresses;
pub use self::filters::CanAddresses;
use crate::{Fragmenter, IgnoreReason, MAX_CFP1_PAYLOAD, Reassembled, Reassembler, Received};

mod config;
mod filters;

/// Events of the link taken at once.
const BATCH: usize = 64;

/// Frames of other protocols passed over before other tasks get their turn.
const MAX_FOREIGN: usize = 64;

/// Joins a CAN link to a node.
///
/// Give it to [`Node::attach`](csp_core::rt::Node::attach) with the same [`InterfaceConfig`].
///
/// It lives as long as the link: when that goes down the node is told, and again when it comes up. A packet
/// whose frames cannot all be sent in time is given up, and so is what was half sent or half received when
/// the link went down (CAN-5).
#[derive(Debug)]
pub struct CanInterface<L> {
    link: L,
    config: CanConfig,
    addresses: CanAddresses,
    version: Version,
    reassembler: Reassembler,
    fragmenter: Fragmenter,
    clock: Origin,
    events: EventBuf,
    told: VecDeque<Incoming>,
    /// The frames of the packet that is being sent, and how many of them the link took.
    outgoing: Vec<CanFrame>,
    taken: usize,
    /// Until when what waits to be completed may wait.
    stale: Alarm,
    /// Until when the link is to take another frame.
    late: Alarm,
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
        let addresses = Addresses::of(interface)?;
        let (version, own) = (addresses.subnet.version(), addresses.subnet.address());
        let mtu = interface.max_payload();
        if version == Version::V1 && mtu > MAX_CFP1_PAYLOAD {
            return Err(CanInterfaceError::MtuTooLarge { mtu });
        }
        set_filters(&mut link, addresses.filters(&config))?;
        Ok(Self {
            link,
            config,
            addresses: CanAddresses::default(),
            version,
            reassembler: Reassembler::new(version, config.reassembly),
            fragmenter: Fragmenter::new(version, own).with_id_order(config.id_order),
            clock: Origin::new(clock()),
            events: EventBuf::with_capacity(BATCH),
            told: VecDeque::new(),
            outgoing: Vec::new(),
            taken: 0,
            stale: Alarm::default(),
            late: Alarm::default(),
        })
    }

    /// For changes of the addresses when the node has the interface.
    #[must_use]
    pub fn addresses(&self) -> CanAddresses {
        self.addresses.clone()
    }

    /// The link.
    pub const fn link(&self) -> &L {
        &self.link
    }

    /// What puts packets together, for its counters.
    pub const fn reassembler(&self) -> &Reassembler {
        &self.reassembler
    }

    /// Takes new addresses, if there are.
    fn follow_addresses(&mut self, cx: &Context<'_>) -> Result<(), LinkError> {
        let Some(addresses) = self.addresses.poll_next(cx) else {
            return Ok(());
        };
        self.fragmenter.set_address(addresses.subnet.address());
        set_filters(&mut self.link, addresses.filters(&self.config))
    }

    /// Takes one event of the link, in the order in which they happened.
    fn take(&mut self, event: Event) {
        match event {
            Event::Frame(received) if received.origin != link::Origin::Own => {
                let now = self.clock.at(clock());
                self.reassembler.handle_frame(now, &received.frame);
            }
            Event::Link(LinkChange::Down | LinkChange::Gone) => {
                self.reassembler.handle_link_down();
                if self.give_up() {
                    self.tell_discarded(DropReason::LinkSend, 1);
                }
                self.tell_received();
                self.told.push_back(Incoming::Link(LinkState::Down));
            }
            Event::Link(LinkChange::Up | LinkChange::Reconnected) => {
                self.told.push_back(Incoming::Link(LinkState::Up));
            }
            Event::Dropped { count, .. } => self.tell_discarded(DropReason::LinkFull, count),
            Event::BadInput(_) => self.tell_discarded(DropReason::LinkFrame, 1),
            // Own frames, and what the controller has to say of itself and its errors.
            _ => {}
        }
        self.tell_received();
    }

    /// Tells the node what came of the frames.
    fn tell_received(&mut self) {
        while let Some(received) = self.reassembler.poll_received() {
            self.told.extend(incoming(self.version, received));
        }
    }

    fn tell_discarded(&mut self, reason: DropReason, count: u64) {
        self.told.push_back(Incoming::Discarded { reason, count });
    }

    /// Discards what became too old, when its time has come.
    fn poll_stale(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = self.reassembler.poll_timeout();
        let deadline = deadline.and_then(|deadline| self.clock.deadline(deadline));
        let Some(deadline) = deadline else {
            self.stale.disarm();
            return Poll::Pending;
        };
        ready!(self.stale.poll(deadline.into(), cx));
        self.reassembler.handle_timeout(self.clock.at(clock()));
        Poll::Ready(())
    }

    /// Gives up what is half sent; true if there was something.
    fn give_up(&mut self) -> bool {
        let had = self.taken < self.outgoing.len();
        self.outgoing.clear();
        self.taken = 0;
        had
    }

    /// Hands all frames of the packet to the link.
    fn poll_hand_over(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = self.poll_send_frames(cx);
        self.poll_in_time(sent, cx)
    }

    /// Hands all frames of the packet to the link, and waits until they have left it.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = match self.poll_send_frames(cx) {
            Poll::Ready(Ok(())) => self.link.poll_flush(cx),
            other => other,
        };
        self.poll_in_time(sent, cx)
    }

    /// What the link does not go on to take is given up.
    fn poll_in_time(
        &mut self,
        sent: Poll<Result<(), SendError>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let sent = match sent {
            Poll::Ready(sent) => sent.map_err(io::Error::from),
            Poll::Pending => {
                let limit = self.config.send_timeout;
                ready!(self.late.poll_after(limit, cx));
                let text = std::format!("the link took no frame within {limit:?}");
                Err(io::Error::new(io::ErrorKind::TimedOut, text))
            }
        };
        self.late.disarm();
        self.give_up();
        Poll::Ready(sent)
    }

    fn poll_send_frames(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        while let Some(frames) = self
            .outgoing
            .get(self.taken..)
            .filter(|frames| !frames.is_empty())
        {
            self.taken += ready!(self.link.poll_send(cx, frames))?;
            self.late.disarm();
        }
        Poll::Ready(Ok(()))
    }
}

impl<L: CanLink> Stream for CanInterface<L> {
    type Item = io::Result<Incoming>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        this.follow_addresses(cx)?;
        for _ in 0..MAX_FOREIGN {
            if let Some(told) = this.told.pop_front() {
                return Poll::Ready(Some(Ok(told)));
            }
            if let Some(event) = this.events.pop_front() {
                this.take(event);
                continue;
            }
            match this.link.poll_recv(cx, &mut this.events, BATCH) {
                Poll::Ready(Ok(0)) => return Poll::Ready(None),
                Poll::Ready(received) => drop(received?),
                Poll::Pending => {
                    ready!(this.poll_stale(cx));
                    this.tell_received();
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// One packet is on its way to the link at a time, so that an error costs one. The next one follows when the
/// link has taken all its frames, not only when they have left it: so the bus has no gap between packets.
impl<L: CanLink> Sink<Transmit> for CanInterface<L> {
    type Error = io::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_hand_over(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, Transmit { packet, via, .. }: Transmit) -> io::Result<()> {
        let this = &mut *self;
        let fragments = this.fragmenter.fragments(&packet.header, via, &packet.payload);
        let fragments = fragments.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        this.outgoing.extend(fragments);
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_drain(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let drained = ready!(self.poll_drain(cx));
        let closed = ready!(self.link.poll_close(cx)).map_err(Into::into);
        Poll::Ready(drained.and(closed))
    }
}

/// Why a CAN link cannot serve a node.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CanInterfaceError {
    /// The address or the netmask does not fit the header version.
    #[error(transparent)]
    Subnet(#[from] SubnetError),
    /// CFP 1 cannot carry the largest payload of the interface (CFP1-1).
    #[error("an MTU of {mtu} is too large for CFP 1, which carries {MAX_CFP1_PAYLOAD} bytes")]
    MtuTooLarge {
        /// The MTU of the interface.
        mtu: usize,
    },
    /// The link refuses the filters.
    #[error(transparent)]
    Link(#[from] LinkError),
}

/// No error frames: nobody reads them here.
fn set_filters(link: &mut impl CanLink, filters: FilterSet) -> Result<(), LinkError> {
    link.set_filters(&filters.with_errors(ErrorClasses::NONE))
        .map(drop)
}

/// A sleep that is made when it is needed and moved when it is not due.
#[derive(Debug, Default)]
struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Ready when `deadline` is over.
    fn poll(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self
            .0
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        core::task::ready!(sleep.as_mut().poll(cx));
        self.disarm();
        Poll::Ready(())
    }

    /// Ready when `limit` is over since the first of these calls.
    fn poll_after(&mut self, limit: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        sleep.as_mut().poll(cx)
    }

    fn disarm(&mut self) {
        self.0 = None;
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the interface is where the reassembler's time comes from"
)]
fn clock() -> std::time::Instant {
    Instant::now().into_std()
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

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a test starts the applications that use a node"
)]
mod tests;
