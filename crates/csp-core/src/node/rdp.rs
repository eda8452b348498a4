//! RDP connections among the others of a node (spec 9).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use tinwire_time::Instant;

use super::Node;
use crate::conn::{Connection, Origin, Role, Transport};
use crate::ports::Owner;
use crate::rdp::{
    self, Clamped, CloseReason, Discard, Machine, Options, Segment, SegmentFlags, Sequence, State, Verdict,
};
use crate::{
    Address, ConnectConfig, ConnectError, ConnectionId, DropReason, Event, Flags, InterfaceId, ListenerId,
    Message, Need, Peers, Priority, SendError, SocketConfig,
};

/// An RDP connection as the node sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RdpStatus {
    /// The two ends.
    pub peers: Peers,
    /// What it is doing.
    pub state: State,
    /// Its options, and what was changed to get there.
    pub options: Clamped,
    /// Messages sent, and how many of them are acknowledged.
    pub progress: (u64, u64),
    /// Its name; `None` where nobody has it: about to open, or closed and the other end may not know yet.
    pub connection: Option<ConnectionId>,
}

impl Node {
    /// All RDP connections, those included that nobody has yet or any more.
    pub fn rdp_connections(&self) -> impl Iterator<Item = RdpStatus> {
        self.connections.iter().filter_map(|(key, entry)| {
            let Transport::Rdp(machine) = &entry.transport else {
                return None;
            };
            let is_held = !matches!(entry.role, Role::Opening { .. } | Role::Lingering { .. });
            Some(RdpStatus {
                peers: entry.peers,
                state: machine.state(),
                options: machine.options(),
                progress: machine.progress(),
                connection: is_held.then_some(ConnectionId(key)),
            })
        })
    }

    /// What an RDP connection is doing; `None` for others, and for those that are closed.
    #[must_use]
    pub fn state(&self, connection: ConnectionId) -> Option<State> {
        Some(self.machine(connection)?.state())
    }

    /// How many messages the other end of an RDP connection has acknowledged.
    ///
    /// Acknowledged are those numbered below that. `None` for others, and for those that are closed.
    #[must_use]
    pub fn acknowledged(&self, connection: ConnectionId) -> Option<u64> {
        let (_, acknowledged) = self.machine(connection)?.progress();
        Some(acknowledged)
    }

    /// How many messages were sent on an RDP connection.
    ///
    /// `None` for others, and for those that are closed.
    #[must_use]
    pub fn sent(&self, connection: ConnectionId) -> Option<u64> {
        let (sent, _) = self.machine(connection)?.progress();
        Some(sent)
    }

    /// Closes a connection once everything sent is acknowledged, after `limit` at the latest (BET-3).
    ///
    /// Nothing more can be sent; what comes meanwhile can be received. [`Event::Closed`] tells how it went,
    /// and [`close`](Self::close) then frees the connection, as it does earlier.
    pub fn finish(&mut self, now: Instant, connection: ConnectionId, limit: Duration) {
        if let Some(machine) = self.machine_mut(connection) {
            machine.finish(now, limit);
        } else if self.connections.get(connection.0).is_some() {
            self.events.ready(Event::Closed {
                connection,
                reason: CloseReason::Finished,
                unacknowledged: 0,
            });
        }
        self.tend(now, connection);
        self.settle(now);
    }

    fn machine(&self, connection: ConnectionId) -> Option<&Machine<crate::conn::About>> {
        match &self.connections.get(connection.0)?.transport {
            Transport::Rdp(machine) => Some(machine),
            Transport::Plain { .. } => None,
        }
    }

    fn machine_mut(&mut self, connection: ConnectionId) -> Option<&mut Machine<crate::conn::About>> {
        match &mut self.connections.get_mut(connection.0)?.transport {
            Transport::Rdp(machine) => Some(machine),
            Transport::Plain { .. } => None,
        }
    }

    pub(super) fn rdp_stats(&self) -> rdp::Stats {
        let mut sum = self.stats.rdp;
        for (_, entry) in self.connections.iter() {
            if let Transport::Rdp(machine) = &entry.transport {
                sum.add(machine.stats());
            }
        }
        sum
    }

    pub(super) fn reset_rdp_stats(&mut self) {
        for (_, entry) in self.connections.iter_mut() {
            if let Transport::Rdp(machine) = &mut entry.transport {
                machine.reset_stats();
            }
        }
    }

    /// The machine of a connection that this node asks for.
    pub(super) fn rdp_client(&mut self, now: Instant, config: &ConnectConfig) -> Transport {
        let initial = [self.initial_number(), self.initial_number()];
        let machine = Machine::connect(now, config.rdp_options, initial, config.receive_queue);
        Transport::Rdp(Box::new(machine))
    }

    /// A number that nobody can guess: the peers' are their clocks, so that both ends often have the same.
    fn initial_number(&mut self) -> Sequence {
        let [.., high, low] = self.random().to_be_bytes();
        Sequence::new(u16::from_be_bytes([high, low]))
    }

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

    fn poll_segment(&mut self, id: ConnectionId) -> Option<(rdp::Transmit, &Connection)> {
        let Self {
            connections, filler, ..
        } = self;
        let entry = connections.get_mut(id.0)?;
        let Transport::Rdp(machine) = &mut entry.transport else {
            return None;
        };
        let transmit = machine.poll_transmit(filler)?;
        Some((transmit, entry))
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
        let waiting = self
            .listeners
            .get(id.0)
            .map_or(0, |listener| listener.backlog.len());
        if waiting.saturating_add(self.opening_on(id).len()) >= config.backlog {
            return Err(DropReason::BacklogFull);
        }
        let (now, header) = (message.received_at, message.header);
        let peers = Peers {
            local: header.destination,
            local_port: header.destination_port,
            remote: header.source,
            remote_port: header.source_port,
        };
        let options = config.rdp_limits.clamp(options);
        let initial = self.initial_number();
        let machine = Machine::accept(now, options, segment.sequence, initial, config.receive_queue);
        self.make_room();
        let connection = Connection {
            peers,
            role: Role::Opening { listener: id },
            flags: header.flags.without(Flags::FRAG),
            priority: header.priority,
            needs: config.needs.rdp(Need::Required),
            keys: config.keys,
            transport: Transport::Rdp(Box::new(machine)),
            deadline: None,
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

    /// Sends what a connection has to send, tells what it has to tell, and forgets it when it is over.
    pub(super) fn tend(&mut self, now: Instant, id: ConnectionId) {
        loop {
            while let Some((transmit, entry)) = self.poll_segment(id) {
                let (header, origin) = (entry.segment_header(&transmit), entry.origin());
                // What is lost here is lost as on a link: it is sent again if it matters.
                self.originate_for(now, &origin, InterfaceId::LOOPBACK, header, transmit.encode());
            }
            let Some(event) = self.machine_mut(id).and_then(Machine::poll_event) else {
                break;
            };
            self.tell(now, id, event);
        }
        let Some(entry) = self.connections.get_mut(id.0) else {
            return;
        };
        if let Transport::Rdp(machine) = &entry.transport
            && machine.is_over()
        {
            match entry.role {
                Role::Opening { .. } | Role::Lingering { .. } => return self.remove(id),
                role => {
                    // RDP-12: the port is free at once, the rest when its owner has seen that it failed.
                    let peers = entry.peers;
                    entry.role = Role::Failed;
                    self.release(peers, role);
                }
            }
        }
        self.schedule(id);
    }

    /// Passes on what a machine tells.
    fn tell(&mut self, now: Instant, id: ConnectionId, event: rdp::Event) {
        let Some(entry) = self.connections.get(id.0) else {
            return;
        };
        match (event, entry.role) {
            (rdp::Event::Connected, Role::Opening { listener }) => self.offer(now, listener, id),
            (rdp::Event::Connected, _) => self.events.ready(Event::Connected(id)),
            (rdp::Event::Readable, _) => self.events.ready(Event::Readable(id)),
            (rdp::Event::Acknowledged, _) => self.events.ready(Event::Acknowledged(id)),
            (rdp::Event::Writable, _) => self.events.ready(Event::Writable(id)),
            (rdp::Event::Closed(reason), _) => {
                let unacknowledged = self.machine(id).map_or(0, |machine| {
                    let (sent, acknowledged) = machine.progress();
                    sent.saturating_sub(acknowledged)
                });
                self.events.ready(Event::Closed {
                    connection: id,
                    reason,
                    unacknowledged,
                });
            }
        }
    }

    /// Puts a connection that is open into its listener's backlog, or closes it where there is no room.
    fn offer(&mut self, now: Instant, id: ListenerId, connection: ConnectionId) {
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

    /// Connections that are about to open on a listener.
    pub(super) fn opening_on(&self, id: ListenerId) -> Vec<ConnectionId> {
        let is_opening = |entry: &Connection| entry.role == Role::Opening { listener: id };
        self.connections
            .iter()
            .filter(|(_, entry)| is_opening(entry))
            .map(|(key, _)| ConnectionId(key))
            .collect()
    }

    /// Closes the user's end; what is left to do happens under another name.
    pub(super) fn close_rdp(&mut self, now: Instant, old: ConnectionId) {
        self.unschedule(old);
        let Some(mut entry) = self.connections.remove(old.0) else {
            return;
        };
        self.forget(old);
        if let Transport::Rdp(machine) = &mut entry.transport {
            machine.close(now);
        }
        let peers = entry.peers;
        let is_client = match entry.role {
            Role::Failed => {
                if let Transport::Rdp(machine) = &entry.transport {
                    self.stats.rdp.add(machine.stats());
                }
                return;
            }
            role => matches!(role, Role::Client),
        };
        entry.role = Role::Lingering { client: is_client };
        let Some(key) = self.connections.insert(entry) else {
            return;
        };
        let new = ConnectionId(key);
        if is_client {
            self.ports.set(peers.local_port.into(), Owner::Client(new));
        } else {
            self.servers
                .insert((peers.local_port, peers.remote, peers.remote_port), new);
        }
        self.tend(now, new);
    }

    /// Where the node has its fill of connections, gives up one that nobody has any more.
    pub(super) fn make_room(&mut self) {
        if !self.connections.is_full() {
            return;
        }
        let lingering = self
            .connections
            .iter()
            .filter(|(_, entry)| matches!(entry.role, Role::Lingering { .. }))
            .min_by_key(|(_, entry)| entry.deadline)
            .map(|(key, _)| ConnectionId(key));
        if let Some(id) = lingering {
            self.remove(id);
        }
    }

    pub(super) fn handle_rdp_timeouts(&mut self, now: Instant) {
        let due: Vec<_> = self
            .timers
            .iter()
            .take_while(|(deadline, _)| *deadline <= now)
            .map(|(_, id)| *id)
            .collect();
        for id in due {
            if let Some(machine) = self.machine_mut(id) {
                machine.handle_timeout(now);
            }
            self.tend(now, id);
        }
    }

    /// Keeps the timer of a connection where its machine wants it.
    pub(super) fn schedule(&mut self, id: ConnectionId) {
        let Some(entry) = self.connections.get_mut(id.0) else {
            return;
        };
        let Transport::Rdp(machine) = &entry.transport else {
            return;
        };
        let deadline = machine.poll_timeout();
        let old = core::mem::replace(&mut entry.deadline, deadline);
        if old == deadline {
            return;
        }
        if let Some(old) = old {
            self.timers.remove(&(old, id));
        }
        if let Some(deadline) = deadline {
            self.timers.insert((deadline, id));
        }
    }

    pub(super) fn unschedule(&mut self, id: ConnectionId) {
        let entry = self.connections.get_mut(id.0);
        if let Some(deadline) = entry.and_then(|entry| entry.deadline.take()) {
            self.timers.remove(&(deadline, id));
        }
    }

    /// Whether all nodes of some network are at `address`.
    pub(super) fn is_broadcast(&self, address: Address) -> bool {
        address == Address::BROADCAST
            || self
                .interfaces
                .real()
                .any(|interface| interface.subnet.is_broadcast(address))
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
