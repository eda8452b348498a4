//! The last steps out: what one copy of a packet meets on its way to one interface.

use tinwire_time::Instant;

use super::{Node, Transmit};
use crate::conn::Origin;
use crate::filter::{Passage, Screened};
use crate::iface::Interface;
use crate::{Address, Direction, DropReason, Flags, InterfaceId, LinkState, Need, Packet, SendError, Stage};

/// How one copy of our own packets leaves.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) interface: InterfaceId,
    pub(crate) via: Option<Address>,
    /// Back to ourselves, as if received on the interface.
    pub(super) looped: bool,
    /// Whose packet it is: whose keys seal it.
    pub(super) origin: Origin,
}

/// Why a copy did not leave.
///
/// What a caller is told, and what is counted where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) error: SendError,
    pub(super) reason: DropReason,
}

impl Refused {
    const LINK_DOWN: Self = Self {
        error: SendError::LinkDown,
        reason: DropReason::LinkDown,
    };
    /// The packet waited for a filter, and the interface is gone.
    const REMOVED: Self = Self {
        error: SendError::LinkDown,
        reason: DropReason::InterfaceRemoved,
    };
    /// What is to be encrypted would not be, or cannot be.
    const ENCRYPTION: Self = Self {
        error: SendError::Unsupported { flags: Flags::XTEA },
        reason: DropReason::Unencodable,
    };
    const FULL: Self = Self {
        error: SendError::Full,
        reason: DropReason::TransmitQueueFull,
    };
}

impl Node {
    /// Sends one copy of a packet of our own, its payload still without trailers.
    pub(super) fn emit(&mut self, now: Instant, way: Way, packet: Packet) -> Result<(), Refused> {
        if self.filters.is_empty(Stage::Outgoing) {
            return self.depart(now, way, packet);
        }
        // While somebody waits for the answer.
        self.check(&way, &packet)?;
        match self.screen(now, None, Passage::Outgoing(way), packet) {
            Screened::Passed(Passage::Outgoing(way), packet) => self.depart(now, way, packet),
            Screened::Full => Err(Refused::FILTER_FULL),
            Screened::Dropped => Err(Refused::FILTERED),
            Screened::Passed(..) | Screened::Held => Ok(()),
        }
    }

    /// Puts the trailers on and queues the copy.
    pub(super) fn depart(&mut self, now: Instant, way: Way, mut packet: Packet) -> Result<(), Refused> {
        self.check(&way, &packet)?;
        let flags = packet.header.flags;
        let encrypts = |interface| {
            self.config
                .protection(&way.origin.keys, interface)
                .encrypts(flags)
        };
        // Random numbers may be dear: see `with_random`.
        let nonce = if self.interfaces.get(way.interface).is_some_and(encrypts) {
            self.nonce()
        } else {
            0
        };
        let Some(interface) = self.interfaces.get_mut(way.interface) else {
            return Err(Refused::REMOVED);
        };
        let protection = self.config.protection(&way.origin.keys, interface);
        packet.payload = protection
            .seal(packet.header.flags, packet.payload, nonce)
            .map_err(|_| Refused::ENCRYPTION)?;
        if way.looped {
            interface.stats.tx = interface.stats.tx.wrapping_add(1);
            let len = u64::try_from(packet.payload.len()).unwrap_or(u64::MAX);
            interface.stats.tx_bytes = interface.stats.tx_bytes.wrapping_add(len);
            self.looped.push_back((way.interface, packet));
            return Ok(());
        }
        if self.bridge.is_some() {
            self.note_leaving(now, way.interface, &packet);
        }
        if !self.taps.is_empty() {
            self.capture(now, way.interface, Direction::Sent, &packet);
        }
        if let Some(interface) = self.interfaces.get_mut(way.interface) {
            interface.queue.push_back(Transmit {
                interface: way.interface,
                packet,
                via: way.via,
            });
        }
        Ok(())
    }

    /// Whether the copy could leave as it is.
    fn check(&self, way: &Way, packet: &Packet) -> Result<(), Refused> {
        let Some(interface) = self.interfaces.get(way.interface) else {
            return Err(Refused::REMOVED);
        };
        let flags = packet.header.flags;
        let protection = self.config.protection(&way.origin.keys, interface);
        if way.origin.encrypted == Need::Required && !protection.encrypts(flags) {
            return Err(Refused::ENCRYPTION);
        }
        let max = interface.mtu.saturating_sub(protection.trailer_len(flags));
        let len = packet.payload.len();
        if len > max {
            return Err(Refused {
                error: SendError::TooLong { len, max },
                reason: DropReason::TooLong,
            });
        }
        if way.looped {
            Ok(())
        } else {
            interface.can_take(packet, self.config.transmit_queue)
        }
    }

    /// Sends one copy of somebody else's packet.
    pub(super) fn carry(&mut self, now: Instant, from: InterfaceId, transmit: Transmit) {
        if self.filters.is_empty(Stage::Routed) {
            return self.carry_on(now, transmit);
        }
        let Transmit {
            interface,
            packet,
            via,
        } = transmit;
        let passage = Passage::Routed { from, interface, via };
        self.pass(now, None, passage, packet);
    }

    /// Queues the copy, its payload untouched (SEC-2).
    pub(super) fn carry_on(&mut self, now: Instant, transmit: Transmit) {
        let (id, header) = (transmit.interface, transmit.packet.header);
        let Some(interface) = self.interfaces.get_mut(id) else {
            return self.drop_packet(id, Some(header), DropReason::InterfaceRemoved);
        };
        let refused = if transmit.packet.payload.len() > interface.mtu {
            Some(DropReason::TooLong)
        } else {
            let taken = interface.can_take(&transmit.packet, self.config.transmit_queue);
            taken.err().map(|refused| refused.reason)
        };
        if let Some(reason) = refused {
            self.drop_packet(id, Some(header), reason);
            return;
        }
        self.stats.forwarded = self.stats.forwarded.wrapping_add(1);
        if self.bridge.is_some() {
            self.note_leaving(now, id, &transmit.packet);
        }
        if let Some(interface) = self.interfaces.get_mut(id) {
            interface.queue.push_back(transmit);
        }
    }
}

impl Interface {
    /// Whether the link is up, the header has a form on it, and the queue has room.
    fn can_take(&self, packet: &Packet, transmit_queue: usize) -> Result<(), Refused> {
        if self.link == LinkState::Down {
            return Err(Refused::LINK_DOWN);
        }
        if let Err(error) = packet.header.encode(self.version) {
            return Err(Refused {
                error: error.into(),
                reason: DropReason::Unencodable,
            });
        }
        if self.queue.len() >= transmit_queue {
            return Err(Refused::FULL);
        }
        Ok(())
    }
}
