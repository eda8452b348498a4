//! The way out.
//!
//! Which interfaces a packet leaves on (7.2), its trailers, and the transmit queues.

use bytes::Bytes;
use tinwire_time::Instant;

use super::{Node, Transmit};
use crate::ports::Binding;
use crate::seal::{seal, trailer_len};
use crate::{
    Address, ConnectConfig, ConnectionId, DropReason, Event, Flags, Header, InterfaceId, LinkState, Message,
    Packet, Port, SendError, SocketId,
};

/// The flags that ask for trailers which this node does not make.
pub(super) const fn unsupported(flags: Flags) -> Flags {
    let others = flags.without(Flags::RDP.with(Flags::XTEA));
    flags.without(others)
}

impl Node {
    /// Sends `payload` to the other end of a connection.
    ///
    /// # Errors
    /// Nothing was sent: see [`SendError`]. After [`SendError::Full`], [`Event::Writable`] tells when to try
    /// again.
    pub fn send(&mut self, now: Instant, connection: ConnectionId, payload: Bytes) -> Result<(), SendError> {
        let header = self
            .connections
            .get(connection.0)
            .ok_or(SendError::Closed)?
            .header();
        let sent = self.originate(header, payload);
        if sent == Err(SendError::Full) {
            self.block(connection);
        }
        self.settle(now);
        sent
    }

    /// Sends one packet without a connection.
    ///
    /// Its source port is `socket`'s; of one bound to any port, port 0.
    ///
    /// # Errors
    /// Nothing was sent: see [`SendError`]. [`SendError::Full`] is not followed by an event.
    pub fn send_to(
        &mut self,
        now: Instant,
        socket: SocketId,
        destination: (Address, Port),
        config: ConnectConfig,
        payload: Bytes,
    ) -> Result<(), SendError> {
        let socket = self.sockets.get(socket.0).ok_or(SendError::Closed)?;
        let source_port = match (config.local_port, socket.binding) {
            (Some(port), _) | (None, Binding::Port(port)) => port,
            (None, Binding::Any) => Port::CMP,
        };
        let mut header = Header::new((Address::LOOPBACK, source_port), destination);
        header.priority = config.priority;
        header.flags = config.flags.unwrap_or(self.config.flags);
        self.send_datagram(now, header, payload)
    }

    /// Sends `payload` to where `request` came from, with its priority (CONN-7).
    ///
    /// `flags`: those of the reply; `None`: those of the request.
    ///
    /// # Errors
    /// Nothing was sent: see [`SendError`].
    pub fn reply(
        &mut self,
        now: Instant,
        request: &Message,
        flags: Option<Flags>,
        payload: Bytes,
    ) -> Result<(), SendError> {
        let mut header = request.header.reply();
        header.flags = flags.unwrap_or(header.flags);
        header.source = self.answering_address(request.interface, header.source, request.broadcast);
        self.send_datagram(now, header, payload)
    }

    /// The next packet to put on a link, the interfaces taking turns.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        let count = self.interfaces.len();
        for step in 0..count {
            let index = self.next_transmit.wrapping_add(step) % count;
            let transmit = InterfaceId::from_index(index).and_then(|id| self.poll_transmit_on(id));
            if transmit.is_some() {
                self.next_transmit = index.wrapping_add(1);
                return transmit;
            }
        }
        None
    }

    /// How many packets wait for the link of `interface`.
    #[must_use]
    pub fn waiting_on(&self, interface: InterfaceId) -> usize {
        self.interfaces
            .get(interface.index())
            .map_or(0, |interface| interface.queue.len())
    }

    /// The next packet to put on the link of `interface`.
    pub fn poll_transmit_on(&mut self, interface: InterfaceId) -> Option<Transmit> {
        let interface = self.interfaces.get_mut(interface.index())?;
        let transmit = interface.queue.pop_front()?;
        interface.stats.tx = interface.stats.tx.wrapping_add(1);
        let len = u64::try_from(transmit.packet.payload.len()).unwrap_or(u64::MAX);
        interface.stats.tx_bytes = interface.stats.tx_bytes.wrapping_add(len);
        self.tell_writable();
        Some(transmit)
    }

    /// Tells the connections that wait for room that there is some.
    pub(super) fn tell_writable(&mut self) {
        for connection in self.blocked.drain(..) {
            if let Some(entry) = self.connections.get_mut(connection.0) {
                entry.blocked = false;
                self.events.ready(Event::Writable(connection));
            }
        }
    }

    /// Remembers to tell `connection` when there is room to send.
    fn block(&mut self, connection: ConnectionId) {
        if let Some(entry) = self.connections.get_mut(connection.0)
            && !core::mem::replace(&mut entry.blocked, true)
        {
            self.blocked.push(connection);
        }
    }

    /// Own address for an answer to a packet that came for `asked`.
    ///
    /// That, or the interface's if it was a broadcast.
    pub(super) fn answering_address(
        &self,
        interface: InterfaceId,
        asked: Address,
        broadcast: bool,
    ) -> Address {
        let own = self
            .interfaces
            .get(interface.index())
            .map(super::Interface::address);
        if broadcast {
            own.unwrap_or(Address::LOOPBACK)
        } else {
            asked
        }
    }

    fn send_datagram(&mut self, now: Instant, header: Header, payload: Bytes) -> Result<(), SendError> {
        let flags = unsupported(header.flags);
        if flags.contains(Flags::RDP) {
            return Err(SendError::Unsupported { flags });
        }
        let sent = self.originate(header, payload);
        self.settle(now);
        sent
    }

    /// Queues a packet of our own on every way out. Succeeds if it left on one.
    pub(super) fn originate(&mut self, mut header: Header, payload: Bytes) -> Result<(), SendError> {
        let destination = header.destination;
        // ROUTE-2, ROUTE-12: what is for ourselves never sees a link.
        if let Some(own) = self
            .interfaces
            .iter()
            .position(|interface| interface.owns(destination))
        {
            return self.loop_back(own, header, payload);
        }
        let mut outputs = core::mem::take(&mut self.outputs);
        self.route(None, destination, &mut outputs);
        let sealed = seal(header.flags, payload.clone(), &self.config.hmac_key);
        let mut result = Err(SendError::NoRoute { destination });
        let mut left = false;
        for output in &outputs {
            let Some(interface) = self.interfaces.get_mut(output.interface) else {
                continue;
            };
            // Both stay changed for later copies, as in libcsp.
            if header.source == Address::LOOPBACK {
                header.source = interface.address();
            }
            if output.broadcast || header.destination == Address::BROADCAST {
                header.destination = interface.version.broadcast();
            }
            result = if interface.link == LinkState::Down {
                Err(SendError::LinkDown)
            } else if let Err(error) = header.encode(interface.version) {
                Err(error.into())
            } else if sealed.len() > interface.mtu {
                let max = interface.mtu.saturating_sub(trailer_len(header.flags));
                Err(SendError::TooLong {
                    len: payload.len(),
                    max,
                })
            } else if interface.queue.len() >= self.config.transmit_queue {
                Err(SendError::Full)
            } else {
                let Some(id) = InterfaceId::from_index(output.interface) else {
                    continue;
                };
                let packet = Packet::new(header, sealed.clone());
                interface.queue.push_back(Transmit {
                    interface: id,
                    packet,
                    via: output.via,
                });
                Ok(())
            };
            if result.is_err() {
                interface.stats.count(crate::Counter::TxError, 1);
            }
            left |= result.is_ok();
        }
        self.outputs = outputs;
        if left { Ok(()) } else { result }
    }

    /// Queues a packet to ourselves, as if received on the interface addressed.
    fn loop_back(&mut self, index: usize, mut header: Header, payload: Bytes) -> Result<(), SendError> {
        let Some((interface, id)) = self.interfaces.get_mut(index).zip(InterfaceId::from_index(index)) else {
            return Err(SendError::Closed);
        };
        if header.source == Address::LOOPBACK {
            header.source = interface.address();
        }
        let max = interface.mtu.saturating_sub(trailer_len(header.flags));
        if payload.len() > max {
            return Err(SendError::TooLong {
                len: payload.len(),
                max,
            });
        }
        let payload = seal(header.flags, payload, &self.config.hmac_key);
        interface.stats.tx = interface.stats.tx.wrapping_add(1);
        let len = u64::try_from(payload.len()).unwrap_or(u64::MAX);
        interface.stats.tx_bytes = interface.stats.tx_bytes.wrapping_add(len);
        self.looped.push_back((id, Packet::new(header, payload)));
        Ok(())
    }

    /// Carries a packet that is not for us onward, unchanged (SEC-2, ROUTE-11).
    pub(super) fn forward(&mut self, from: InterfaceId, mut packet: Packet) {
        let header = packet.header;
        let mut outputs = core::mem::take(&mut self.outputs);
        let matched = self.route(Some(from), header.destination, &mut outputs);
        if outputs.is_empty() {
            let reason = if matched {
                DropReason::Blocked
            } else {
                DropReason::NoRoute
            };
            self.drop_packet(from, Some(header), reason);
        }
        for output in &outputs {
            let Some(interface) = self.interfaces.get_mut(output.interface) else {
                continue;
            };
            let Some(id) = InterfaceId::from_index(output.interface) else {
                continue;
            };
            if output.broadcast {
                packet.header.destination = interface.version.broadcast();
            }
            let fault = if interface.link == LinkState::Down {
                Some(DropReason::LinkDown)
            } else if packet.header.encode(interface.version).is_err() {
                Some(DropReason::Unencodable)
            } else if packet.payload.len() > interface.mtu {
                Some(DropReason::TooLong)
            } else if interface.queue.len() >= self.config.transmit_queue {
                Some(DropReason::TransmitQueueFull)
            } else {
                interface.queue.push_back(Transmit {
                    interface: id,
                    packet: packet.clone(),
                    via: output.via,
                });
                self.stats.forwarded = self.stats.forwarded.wrapping_add(1);
                None
            };
            if let Some(reason) = fault {
                self.drop_packet(id, Some(packet.header), reason);
            }
        }
        self.outputs = outputs;
    }
}
