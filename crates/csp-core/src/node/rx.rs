//! The way in.
//!
//! What a link received is for us, for somebody else, or for nobody (7.1, PORT-2).

use bytes::Bytes;
use tinwire_time::Instant;

use super::Node;
use crate::conn::{Connection, Inbox, Pushed, Role, Transport};
use crate::keys::Keys;
use crate::ports::Owner;
use crate::{
    ConnectionId, DropReason, Dropped, Event, Flags, Header, InterfaceId, LinkState, ListenerId, Message,
    Needs, Packet, Peers, Port, ReplyMatch, SocketId,
};

/// A packet for us, and how it got here.
pub(super) struct Arrival {
    pub(super) now: Instant,
    pub(super) interface: InterfaceId,
    pub(super) broadcast: bool,
    pub(super) packet: Packet,
}

/// Whether a receiver has a use for RDP segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaks {
    Plain,
    Rdp,
}

impl Node {
    /// Takes what the link of `interface` received: header and payload.
    pub fn handle_frame(&mut self, now: Instant, interface: InterfaceId, frame: Bytes) {
        let Some(version) = self.interfaces.get(interface).map(|interface| interface.version) else {
            return self.drop_packet(interface, None, DropReason::InterfaceRemoved);
        };
        match Packet::decode(version, frame) {
            Ok(packet) => self.handle_packet(now, interface, packet),
            Err(_) => self.drop_packet(interface, None, DropReason::ShortHeader),
        }
    }

    /// Takes a packet that the link of `interface` received.
    pub fn handle_packet(&mut self, now: Instant, interface: InterfaceId, packet: Packet) {
        // First what is due (9.6): a connection may end by it, and what is repeated tells of nothing later.
        self.handle_rdp_timeouts(now);
        self.receive(now, interface, false, packet);
        self.settle(now);
    }

    /// Counts and tells what the link of `interface` lost, `count` times.
    pub fn handle_discard(&mut self, interface: InterfaceId, reason: DropReason, count: u64) {
        self.drop_packets(Dropped {
            interface,
            header: None,
            reason,
            count,
        });
    }

    /// Counts interrupts of the driver of `interface`.
    ///
    /// Nothing but the statistics shows them.
    pub fn handle_interrupts(&mut self, interface: InterfaceId, count: u64) {
        if let Some(interface) = self.interfaces.get_mut(interface) {
            interface.stats.irq = interface.stats.irq.wrapping_add(count);
        }
    }

    /// Takes note that the link of `interface` went up or down.
    ///
    /// What waits for a link that goes down is dropped.
    pub fn handle_link(&mut self, interface: InterfaceId, state: LinkState) {
        let Some(entry) = self.interfaces.get_mut(interface) else {
            return;
        };
        if core::mem::replace(&mut entry.link, state) == state {
            return;
        }
        self.events.notice(Event::Link { interface, state });
        if state == LinkState::Down {
            for transmit in core::mem::take(&mut entry.queue) {
                self.drop_packet(interface, Some(transmit.packet.header), DropReason::LinkDown);
            }
            self.tell_writable();
        }
    }

    /// Handles the packets that this node sent to itself.
    pub(super) fn settle(&mut self, now: Instant) {
        while let Some((interface, packet)) = self.looped.pop_front() {
            self.receive(now, interface, true, packet);
        }
    }

    pub(super) fn deliver(&mut self, arrival: Arrival) {
        let header = arrival.packet.header;
        let known = (header.destination_port, header.source, header.source_port);
        match self.ports.owner(header.destination_port) {
            Some(Owner::Service) => self.deliver_to_service(arrival),
            Some(Owner::Socket(socket)) => self.deliver_to_socket(socket, arrival),
            Some(Owner::Client(connection)) => self.deliver_to_client(connection, arrival),
            owner => match (self.servers.get(&known).copied(), owner) {
                (Some(connection), _) => self.deliver_to_connection(connection, arrival),
                (None, Some(Owner::Listener(listener))) => self.deliver_to_listener(listener, arrival),
                // No service of the port is on: the request still says which it was for.
                (None, None) if header.destination_port <= Port::UPTIME => self.deliver_to_service(arrival),
                (None, _) => self.drop_packet(arrival.interface, Some(header), DropReason::NoListener),
            },
        }
    }

    fn deliver_to_service(&mut self, arrival: Arrival) {
        let (now, needs) = (arrival.now, self.config.service_needs);
        if let Some(request) = self.open(arrival, needs, &Keys::NONE, Speaks::Plain) {
            self.serve(now, request);
        }
    }

    fn deliver_to_socket(&mut self, id: SocketId, arrival: Arrival) {
        let Some(config) = self.sockets.get(id.0).map(|socket| &socket.config) else {
            return;
        };
        let (needs, keys) = (config.needs, config.keys.clone());
        let Some(message) = self.open(arrival, needs, &keys, Speaks::Plain) else {
            return;
        };
        let (interface, header) = (message.interface, message.header);
        let Some(socket) = self.sockets.get_mut(id.0) else {
            return;
        };
        let pushed = socket.inbox.push(message);
        self.pushed(pushed, Event::Datagram(id), interface, header);
    }

    fn deliver_to_client(&mut self, id: ConnectionId, arrival: Arrival) {
        let Some(peers) = self.peers(id) else { return };
        let header = arrival.packet.header;
        if self.config.reply_match == ReplyMatch::Strict && !self.is_reply(peers, &header) {
            self.drop_packet(arrival.interface, Some(header), DropReason::WrongPeer);
            return;
        }
        self.deliver_to_connection(id, arrival);
    }

    /// Whether a packet to a client's port comes from the client's remote (CONN-1).
    ///
    /// A broadcast is answered by anybody.
    fn is_reply(&self, peers: Peers, header: &Header) -> bool {
        header.source_port == peers.remote_port
            && (header.source == peers.remote || self.is_broadcast(peers.remote))
    }

    fn deliver_to_connection(&mut self, id: ConnectionId, arrival: Arrival) {
        let Some(entry) = self.connections.get(id.0) else {
            return;
        };
        let (needs, keys) = (entry.needs, entry.keys.clone());
        let speaks = match entry.transport {
            Transport::Plain { .. } => Speaks::Plain,
            Transport::Rdp(_) => Speaks::Rdp,
        };
        let Some(message) = self.open(arrival, needs, &keys, speaks) else {
            return;
        };
        let (interface, header) = (message.interface, message.header);
        let Some(connection) = self.connections.get_mut(id.0) else {
            return;
        };
        let Transport::Plain { inbox, .. } = &mut connection.transport else {
            return self.deliver_segment(id, message);
        };
        let pushed = inbox.push(message);
        self.pushed(pushed, Event::Readable(id), interface, header);
    }

    /// The first packet of a connection makes it, whatever the packet is (CONN-2).
    fn deliver_to_listener(&mut self, id: ListenerId, arrival: Arrival) {
        let Some(listener) = self.listeners.get(id.0) else {
            return;
        };
        let (config, waiting) = (listener.config.clone(), listener.backlog.len());
        let now = arrival.now;
        let Some(message) = self.open(arrival, config.needs, &config.keys, Speaks::Rdp) else {
            return;
        };
        if message.header.flags.contains(Flags::RDP) {
            return self.deliver_opening(id, config, message);
        }
        let (interface, header) = (message.interface, message.header);
        if waiting >= config.backlog {
            self.drop_packet(interface, Some(header), DropReason::BacklogFull);
            return;
        }
        let peers = Peers {
            local: self.answering_address(interface, header.destination, message.broadcast),
            local_port: header.destination_port,
            remote: header.source,
            remote_port: header.source_port,
        };
        let connection = Connection {
            peers,
            role: Role::Pending {
                listener: id,
                until: now + config.accept_timeout,
            },
            flags: header.flags.without(Flags::FRAG),
            priority: header.priority,
            needs: config.needs,
            keys: config.keys,
            transport: Transport::Plain {
                inbox: Inbox::new(config.receive_queue),
                sent: 0,
                finished: false,
            },
            deadline: None,
            ended: None,
            blocked: false,
        };
        self.make_room(now, Some(peers.remote));
        let Some(key) = self.connections.insert(connection) else {
            self.drop_packet(interface, Some(header), DropReason::TooManyConnections);
            return;
        };
        let connection = ConnectionId(key);
        self.servers
            .insert((peers.local_port, peers.remote, peers.remote_port), connection);
        if let Some(entry) = self.connections.get_mut(key)
            && let Transport::Plain { inbox, .. } = &mut entry.transport
        {
            let pushed = inbox.push(message);
            self.pushed(pushed, Event::Readable(connection), interface, header);
        }
        if let Some(listener) = self.listeners.get_mut(id.0) {
            listener.backlog.push_back(connection);
            if !core::mem::replace(&mut listener.announced, true) {
                self.events.ready(Event::Incoming(id));
            }
        }
    }

    /// Checks what the receiver needs, then the trailers, and strips them.
    ///
    /// Otherwise the packet is dropped.
    fn open(&mut self, arrival: Arrival, needs: Needs, keys: &Keys, speaks: Speaks) -> Option<Message> {
        let Arrival {
            now,
            interface,
            broadcast,
            packet: Packet { header, payload },
        } = arrival;
        let entry = self.interfaces.get(interface)?;
        let protection = self.config.protection(keys, entry);
        let opened = match needs.refusal(header.flags, protection.encrypts(header.flags)) {
            Some(reason) => Err(reason),
            None if speaks == Speaks::Plain && header.flags.contains(Flags::RDP) => {
                Err(DropReason::RdpUnsupported)
            }
            None => protection.open(&header, payload).map_err(DropReason::from),
        };
        match opened {
            Ok(payload) => Some(Message {
                header,
                payload,
                interface,
                broadcast,
                received_at: now,
            }),
            Err(reason) => {
                self.drop_packet(interface, Some(header), reason);
                None
            }
        }
    }

    fn pushed(&mut self, pushed: Pushed, event: Event, interface: InterfaceId, header: Header) {
        match pushed {
            Pushed::Announce => self.events.ready(event),
            Pushed::Quiet => {}
            Pushed::Full => return self.drop_packet(interface, Some(header), DropReason::ReceiveQueueFull),
        }
        self.stats.delivered = self.stats.delivered.wrapping_add(1);
    }
}
