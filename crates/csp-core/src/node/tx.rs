//! The way out.
//!
//! Which interfaces a packet leaves on (7.2), its trailers, and the transmit queues.

use bytes::Bytes;
use tinwire_time::Instant;

use super::exit::Way;
use super::plan::Output;
use super::{Node, Transmit};
use crate::conn::Origin;
use crate::keys::Keys;
use crate::ports::{Binding, Owner};
use crate::{
    Address, ConnectConfig, ConnectionId, DropReason, Event, Flags, Header, InterfaceId, Message, Packet,
    Port, SendError, SocketId, Switch, Version,
};

impl Node {
    /// Sends `payload` to the other end of a connection; returns the message's number on it, from 0.
    ///
    /// # Errors
    /// Nothing was sent: see [`SendError`]. After [`SendError::Full`], [`Event::Writable`] tells when to try
    /// again.
    pub fn send(&mut self, now: Instant, connection: ConnectionId, payload: Bytes) -> Result<u64, SendError> {
        self.send_flagged(now, connection, Flags::NONE, payload)
    }

    /// Sends one packet without a connection.
    ///
    /// Its source port is `socket`'s; of one bound to any port, port 0. Its key is the one in `config`, else
    /// that of `socket`.
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
        // What the node does with RDP on connections is no request for it here.
        header.flags = config.flags_over(self.config.flags.without(Flags::RDP));
        let origin = Origin::of_socket(config.keys.or(&socket.config.keys));
        self.send_datagram(now, &origin, header, payload)
    }

    /// Sends `payload` to where `request` came from, with its priority (CONN-7).
    ///
    /// `flags`: those of the reply; `None`: those of the request (`CSP_O_SAME` 0x8000). It is sealed with the
    /// key of the socket that is bound to the port.
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
        let socket = match self.ports.owner(header.source_port) {
            Some(Owner::Socket(socket)) => self.sockets.get(socket.0),
            _ => None,
        };
        let origin = Origin::of_socket(socket.map_or(Keys::NONE, |socket| socket.config.keys.clone()));
        self.send_datagram(now, &origin, header, payload)
    }

    /// The next packet to put on a link, the interfaces taking turns.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        let count = self.interfaces.places();
        for step in 0..count {
            let place = self.next_transmit.wrapping_add(step) % count;
            let transmit = self.interfaces.at(place).and_then(|id| self.poll_transmit_on(id));
            if transmit.is_some() {
                self.next_transmit = place.wrapping_add(1);
                return transmit;
            }
        }
        None
    }

    /// How many packets wait for the link of `interface`.
    #[must_use]
    pub fn waiting_on(&self, interface: InterfaceId) -> usize {
        self.interfaces
            .get(interface)
            .map_or(0, |interface| interface.queue.len())
    }

    /// The next packet to put on the link of `interface`.
    pub fn poll_transmit_on(&mut self, interface: InterfaceId) -> Option<Transmit> {
        let interface = self.interfaces.get_mut(interface)?;
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
    pub(super) fn block(&mut self, connection: ConnectionId) {
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
            .get(interface)
            .map(|interface| interface.address());
        if broadcast {
            own.unwrap_or(Address::LOOPBACK)
        } else {
            asked
        }
    }

    fn send_datagram(
        &mut self,
        now: Instant,
        origin: &Origin,
        header: Header,
        payload: Bytes,
    ) -> Result<(), SendError> {
        if header.flags.contains(Flags::RDP) {
            return Err(SendError::Unsupported { flags: Flags::RDP });
        }
        let sent = self.originate(now, origin, header, payload);
        self.settle(now);
        sent
    }

    /// Sends a packet of our own on every way out. Succeeds if it left on one.
    ///
    /// The caller keeps what left on none; a copy lost beside others that left is dropped with its reason.
    pub(super) fn originate(
        &mut self,
        now: Instant,
        origin: &Origin,
        header: Header,
        payload: Bytes,
    ) -> Result<(), SendError> {
        let sent = self.attempt(now, origin, header, payload);
        let outputs = core::mem::take(&mut self.outputs);
        for (id, refused) in outputs.iter().filter_map(Output::refusal) {
            if sent.is_ok() || refused.error == SendError::Filtered {
                self.drop_packet(id, Some(header), refused.reason);
            } else if refused.error != SendError::Full
                && let Some(interface) = self.interfaces.get_mut(id)
            {
                // What waits for room is not lost.
                interface.stats.count(crate::Counter::TxError, 1);
            }
        }
        self.outputs = outputs;
        sent
    }

    /// Sends what no caller waits for; `cause` is the interface that gave rise to it.
    ///
    /// True if it left. Otherwise it is dropped with its reason.
    pub(super) fn originate_or_drop(
        &mut self,
        now: Instant,
        cause: InterfaceId,
        header: Header,
        payload: Bytes,
    ) -> bool {
        self.originate_for(now, &Origin::default(), cause, header, payload)
    }

    /// As [`originate_or_drop`](Self::originate_or_drop), with the protection of `origin`.
    pub(super) fn originate_for(
        &mut self,
        now: Instant,
        origin: &Origin,
        cause: InterfaceId,
        header: Header,
        payload: Bytes,
    ) -> bool {
        let sent = self.attempt(now, origin, header, payload);
        let outputs = core::mem::take(&mut self.outputs);
        if outputs.is_empty() {
            self.drop_packet(cause, Some(header), DropReason::NoRoute);
        }
        for (id, refused) in outputs.iter().filter_map(Output::refusal) {
            self.drop_packet(id, Some(header), refused.reason);
        }
        self.outputs = outputs;
        sent.is_ok()
    }

    /// Sends one copy per way out and notes with each way what became of it.
    fn attempt(
        &mut self,
        now: Instant,
        origin: &Origin,
        mut header: Header,
        payload: Bytes,
    ) -> Result<(), SendError> {
        let destination = header.destination;
        let mut outputs = core::mem::take(&mut self.outputs);
        // ROUTE-2, ROUTE-12: what is for ourselves never sees a link.
        let own = self
            .interfaces
            .iter()
            .find(|interface| interface.owns(destination));
        let own = own.map(|interface| interface.id);
        if let Some(own) = own {
            outputs.clear();
            outputs.push(Output::new(own, None));
        } else {
            self.route(None, destination, &mut outputs);
        }
        let space = self.space();
        let mut filled_in: Option<Version> = None;
        let mut result = Err(SendError::NoRoute { destination });
        for output in &mut outputs {
            let Some(interface) = self.interfaces.get(output.interface) else {
                continue;
            };
            // It stays for later copies, as in libcsp, unless they speak another version.
            if header.source == Address::LOOPBACK || filled_in.is_some_and(|old| old != interface.version) {
                header.source = interface.address();
                filled_in = Some(interface.version);
            }
            let way = Way {
                interface: output.interface,
                via: output.via,
                looped: own.is_some(),
                origin: origin.clone(),
            };
            let leaving = if way.looped {
                Ok(header)
            } else {
                output.header(interface, header, space)
            };
            let sent = leaving.and_then(|header| self.emit(now, way, Packet::new(header, payload.clone())));
            output.refused = sent.err();
            if result.is_err() {
                result = sent.map_err(|refused| refused.error);
            }
        }
        self.outputs = outputs;
        result
    }

    /// Carries a packet that is not for us onward, unchanged (SEC-2, ROUTE-11).
    pub(super) fn forward(&mut self, now: Instant, from: InterfaceId, packet: Packet) {
        let Packet { header, payload } = packet;
        if self.config.forward == Switch::Off {
            return self.drop_packet(from, Some(header), DropReason::NotForwarding);
        }
        let Some(space) = self.interfaces.get(from).map(|from| from.version) else {
            return self.drop_packet(from, Some(header), DropReason::InterfaceRemoved);
        };
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
            let Some(interface) = self.interfaces.get(output.interface) else {
                continue;
            };
            match output.header(interface, header, space) {
                Ok(leaving) => {
                    let transmit = Transmit {
                        interface: output.interface,
                        packet: Packet::new(leaving, payload.clone()),
                        via: output.via,
                    };
                    self.carry(now, from, transmit);
                }
                Err(refused) => self.drop_packet(output.interface, Some(header), refused.reason),
            }
        }
        self.outputs = outputs;
    }
}
