//! RDP segments on their way in and out.

use alloc::boxed::Box;

use bytes::Bytes;
use tinwire_time::Instant;

use super::Node;
use crate::conn::{Connection, Origin, Role, Transport};
use crate::rdp::{self, Discard, Machine, Options, Segment, SegmentFlags, Verdict};
use crate::{
    ConnectError, ConnectionId, DropReason, Event, Flags, ListenerId, Message, Need, Peers, Priority,
    SendError, SocketConfig,
};

impl Node {
    /// Sends the first segment of a connection; what has no way out fails at once.
    pub(super) fn send_opening(&mut self, now: Instant, id: ConnectionId) -> Result<(), ConnectError> {
        if let Some((transmit, entry)) = self.poll_segment(id) {
            let (header, origin) = (entry.segment_header(&transmit), entry.origin());
            match self.originate(now, &origin, header, transmit.encode()) {
                // It is sent again when there is room, or a link.
                Ok(()) | Err(SendError::Full | SendError::LinkDown) => {}
                Err(error) => {
                    self.remove(id);
                    return Err(error.into());
                }
            }
        }
        self.tend(now, id);
        self.settle(now);
        Ok(())
    }

    pub(super) fn send_by_rdp(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        flags: Flags,
        payload: Bytes,
    ) -> Result<u64, SendError> {
        let machine = self.machine_mut(connection).ok_or(SendError::Closed)?;
        machine.check_send(&payload)?;
        let transmit = rdp::Transmit {
            segment: machine.next_segment(),
            body: payload,
            flags,
            urgency: rdp::Urgency::Own,
        };
        let entry = self.connections.get(connection.0).ok_or(SendError::Closed)?;
        let (header, origin) = (entry.segment_header(&transmit), entry.origin());
        let sent = self.originate(now, &origin, header, transmit.encode());
        if sent == Err(SendError::Full) {
            self.block(connection);
        }
        sent.map_err(without_trailer)?;
        let machine = self.machine_mut(connection).ok_or(SendError::Closed)?;
        let number = machine.sent(now, transmit.body, flags);
        self.schedule(connection);
        Ok(number)
    }

    /// Gives a segment to its connection.
    pub(super) fn deliver_segment(&mut self, id: ConnectionId, message: Message) {
        let now = message.received_at;
        let (interface, header) = (message.interface, message.header);
        let reason = match self.take_segment(id, message) {
            Ok(Verdict::Taken) => {
                self.stats.delivered = self.stats.delivered.wrapping_add(1);
                None
            }
            // Counted with the connection; nothing is lost.
            Ok(Verdict::Duplicate) => None,
            Ok(Verdict::Dropped(discard)) => Some(discard.into()),
            Err(reason) => Some(reason),
        };
        if let Some(reason) = reason {
            self.drop_packet(interface, Some(header), reason);
        }
        self.tend(now, id);
    }

    fn take_segment(&mut self, id: ConnectionId, message: Message) -> Result<Verdict, DropReason> {
        let now = message.received_at;
        let entry = self.connections.get_mut(id.0).ok_or(DropReason::NoListener)?;
        // A plain connection may take answers from anybody; here they would come in between.
        if message.header.source != entry.peers.remote
            || message.header.source_port != entry.peers.remote_port
        {
            return Err(DropReason::WrongPeer);
        }
        let Transport::Rdp(machine) = &mut entry.transport else {
            return Err(DropReason::RdpUnsupported);
        };
        let (mut body, about) = message.split();
        let (segment, len) = decode(&body)?;
        body.truncate(len);
        Ok(machine.handle_segment(now, segment, body, about))
    }

    /// A segment to a listening port that belongs to no connection.
    pub(super) fn deliver_opening(&mut self, id: ListenerId, config: SocketConfig, message: Message) {
        let (interface, header) = (message.interface, message.header);
        if let Err(reason) = self.open_by_rdp(id, config, message) {
            self.drop_packet(interface, Some(header), reason);
        }
    }

    fn open_by_rdp(
        &mut self,
        id: ListenerId,
        config: SocketConfig,
        message: Message,
    ) -> Result<(), DropReason> {
        let (segment, len) = decode(&message.payload)?;
        if message.broadcast || segment.flags.contains(SegmentFlags::RST) {
            return Err(DropReason::RdpUnexpected);
        }
        if !segment.is_opening() {
            self.refuse(&config, &message);
            return Err(DropReason::RdpUnexpected);
        }
        let body = message.payload.get(..len).unwrap_or_default();
        let options = Options::decode(body).map_err(|_| DropReason::RdpMalformed)?;
        let (now, header) = (message.received_at, message.header);
        let waiting = self
            .listeners
            .get(id.0)
            .map_or(0, |listener| listener.backlog.len());
        if waiting >= config.backlog {
            return Err(DropReason::BacklogFull);
        }
        let half_open = self.opening_on(id);
        if waiting.saturating_add(half_open.len()) >= config.backlog {
            self.displace(now, half_open, Some(header.source), DropReason::BacklogFull);
        }
        let peers = Peers {
            local: header.destination,
            local_port: header.destination_port,
            remote: header.source,
            remote_port: header.source_port,
        };
        let options = config.rdp_limits.clamp(options);
        let initial = self.initial_number();
        let machine = Machine::accept(now, options, segment.sequence, initial, config.receive_queue);
        self.make_room(now, Some(peers.remote));
        let connection = Connection {
            peers,
            role: Role::Opening {
                listener: id,
                interface: message.interface,
                since: now,
            },
            flags: header.flags.without(Flags::FRAG),
            priority: header.priority,
            needs: config.needs.rdp(Need::Required),
            keys: config.keys,
            transport: Transport::Rdp(Box::new(machine)),
            deadline: None,
            ended: None,
            blocked: false,
        };
        let key = self
            .connections
            .insert(connection)
            .ok_or(DropReason::TooManyConnections)?;
        let connection = ConnectionId(key);
        self.servers
            .insert((peers.local_port, peers.remote, peers.remote_port), connection);
        self.tend(now, connection);
        Ok(())
    }

    /// Tells whoever believes in a connection that there is none (RDP-11).
    fn refuse(&mut self, config: &SocketConfig, message: &Message) {
        let segment = Segment {
            flags: SegmentFlags::RST,
            filler: self.filler.advance(),
            ..Segment::default()
        };
        let mut header = message.header.reply();
        header.flags = header.flags.without(Flags::FRAG);
        header.priority = header.priority.min(Priority::High);
        let origin = Origin::of_socket(config.keys.clone());
        let payload = Bytes::copy_from_slice(&segment.encode());
        self.originate_for(message.received_at, &origin, message.interface, header, payload);
    }

    /// Puts a connection that is open into its listener's backlog, or closes it where there is no room.
    pub(super) fn offer(&mut self, now: Instant, id: ListenerId, connection: ConnectionId) {
        let Some(entry) = self.connections.get_mut(connection.0) else {
            return;
        };
        match self.listeners.get_mut(id.0) {
            Some(listener) if listener.backlog.len() < listener.config.backlog => {
                entry.role = Role::Pending {
                    listener: id,
                    until: now + listener.config.accept_timeout,
                };
                listener.backlog.push_back(connection);
                if !core::mem::replace(&mut listener.announced, true) {
                    self.events.ready(Event::Incoming(id));
                }
            }
            _ => {
                entry.role = Role::Lingering { client: false };
                if let Transport::Rdp(machine) = &mut entry.transport {
                    machine.close(now);
                }
            }
        }
    }
}

/// The trailer of a segment, and how long what comes before it is.
fn decode(payload: &[u8]) -> Result<(Segment, usize), DropReason> {
    let (segment, body) = Segment::decode(payload).map_err(|_| DropReason::RdpMalformed)?;
    Ok((segment, body.len()))
}

/// A limit in terms of what the user gave.
fn without_trailer(error: SendError) -> SendError {
    match error {
        SendError::TooLong { len, max } => SendError::TooLong {
            len: len.saturating_sub(rdp::SEGMENT_LEN),
            max: max.saturating_sub(rdp::SEGMENT_LEN),
        },
        other => other,
    }
}

impl From<Discard> for DropReason {
    fn from(discard: Discard) -> Self {
        match discard {
            Discard::OutOfWindow => Self::RdpOutOfWindow,
            Discard::BadAcknowledgement => Self::RdpAcknowledgement,
            Discard::Unexpected => Self::RdpUnexpected,
            Discard::ReadQueueFull => Self::ReceiveQueueFull,
        }
    }
}
