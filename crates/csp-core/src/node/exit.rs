//! The last steps out: what one copy of a packet meets on its way to one interface.

use tinwire_time::Instant;

use super::{Node, Transmit};
use crate::iface::Interface;
use crate::seal::{seal, trailer_len};
use crate::{Address, DropReason, InterfaceId, LinkState, Packet, SendError};

/// How one copy of our own packets leaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub(super) interface: InterfaceId,
    pub(super) via: Option<Address>,
    /// Back to ourselves, as if received on the interface.
    pub(super) looped: bool,
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
    const FULL: Self = Self {
        error: SendError::Full,
        reason: DropReason::TransmitQueueFull,
    };
}

impl Node {
    /// Sends one copy of a packet of our own, its payload still without trailers.
    pub(super) fn emit(&mut self, now: Instant, way: Way, packet: Packet) -> Result<(), Refused> {
        self.depart(now, way, packet)
    }

    /// Puts the trailers on and queues the copy.
    fn depart(&mut self, _now: Instant, way: Way, mut packet: Packet) -> Result<(), Refused> {
        let header = packet.header;
        let Some(interface) = self.interfaces.get_mut(way.interface.index()) else {
            return Err(Refused::LINK_DOWN);
        };
        let max = interface.mtu.saturating_sub(trailer_len(header.flags));
        let len = packet.payload.len();
        if len > max {
            return Err(Refused {
                error: SendError::TooLong { len, max },
                reason: DropReason::TooLong,
            });
        }
        if !way.looped {
            interface.can_take(&packet, self.config.transmit_queue)?;
        }
        packet.payload = seal(header.flags, packet.payload, &self.config.hmac_key);
        if way.looped {
            interface.stats.tx = interface.stats.tx.wrapping_add(1);
            let len = u64::try_from(packet.payload.len()).unwrap_or(u64::MAX);
            interface.stats.tx_bytes = interface.stats.tx_bytes.wrapping_add(len);
            self.looped.push_back((way.interface, packet));
        } else {
            interface.queue.push_back(Transmit {
                interface: way.interface,
                packet,
                via: way.via,
            });
        }
        Ok(())
    }

    /// Queues one copy of somebody else's packet, which goes on untouched (SEC-2).
    pub(super) fn carry(&mut self, transmit: Transmit) {
        let (id, header) = (transmit.interface, transmit.packet.header);
        let Some(interface) = self.interfaces.get_mut(id.index()) else {
            return;
        };
        let refused = if transmit.packet.payload.len() > interface.mtu {
            Some(DropReason::TooLong)
        } else {
            let taken = interface.can_take(&transmit.packet, self.config.transmit_queue);
            taken.err().map(|refused| refused.reason)
        };
        if let Some(reason) = refused {
            self.drop_packet(id, Some(header), reason);
        } else {
            interface.queue.push_back(transmit);
            self.stats.forwarded = self.stats.forwarded.wrapping_add(1);
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
