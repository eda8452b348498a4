//! What an application does with a node: listen, bind, connect, receive, close.

use alloc::collections::VecDeque;

use tinwire_time::Instant;

use super::Node;
use crate::conn::{Connection, Inbox, Listener, Role, Socket, Transport};
use crate::ports::{Binding, Owner};
use crate::{
    Address, BindError, ConnectConfig, ConnectError, ConnectionId, Event, Flags, ListenerId, Message, Peers,
    Port, SocketConfig, SocketId,
};

impl Node {
    /// Waits for connections to `binding`; they come by [`accept`](Self::accept).
    ///
    /// # Errors
    /// The port is in use or in the ephemeral range.
    pub fn listen(&mut self, binding: Binding, config: SocketConfig) -> Result<ListenerId, BindError> {
        self.ports.check(binding)?;
        let listener = Listener {
            binding,
            config,
            backlog: VecDeque::new(),
            announced: false,
        };
        let id = ListenerId(
            self.listeners
                .insert(listener)
                .ok_or(BindError::InUse { binding })?,
        );
        self.ports.set(binding, Owner::Listener(id));
        Ok(id)
    }

    /// Waits for single packets to `binding`.
    ///
    /// They come by [`recv_from`](Self::recv_from).
    ///
    /// # Errors
    /// The port is in use or in the ephemeral range.
    pub fn bind(&mut self, binding: Binding, config: SocketConfig) -> Result<SocketId, BindError> {
        self.ports.check(binding)?;
        let socket = Socket {
            binding,
            inbox: Inbox::new(config.receive_queue),
            config,
        };
        let id = SocketId(self.sockets.insert(socket).ok_or(BindError::InUse { binding })?);
        self.ports.set(binding, Owner::Socket(id));
        Ok(id)
    }

    /// Opens a connection to a port of another node.
    ///
    /// Without RDP nothing is sent, and there need be nobody there. With it the other end is asked:
    /// [`Event::Connected`] or [`Event::Closed`] follows.
    ///
    /// # Errors
    /// No local port or no room for a connection, or no way to ask; see [`ConnectError`].
    pub fn connect(
        &mut self,
        now: Instant,
        remote: Address,
        remote_port: Port,
        config: ConnectConfig,
    ) -> Result<ConnectionId, ConnectError> {
        let flags = config.flags_over(self.config.flags);
        let by_rdp = flags.contains(Flags::RDP);
        if by_rdp && self.is_broadcast(remote) {
            return Err(ConnectError::Unsupported { flags: Flags::RDP });
        }
        let local_port = match config.local_port {
            Some(port) if self.ports.is_free(port) => port,
            Some(port) => return Err(ConnectError::PortInUse { port }),
            None => {
                let random = self.random();
                let free = self.ports.ephemeral(random);
                free.or_else(|| self.take_over_port(remote))
                    .ok_or(ConnectError::NoFreePort)?
            }
        };
        let transport = if by_rdp {
            self.rdp_client(now, &config)
        } else {
            Transport::Plain {
                inbox: Inbox::new(config.receive_queue),
                sent: 0,
                finished: false,
            }
        };
        let connection = Connection {
            peers: Peers {
                local: Address::LOOPBACK,
                local_port,
                remote,
                remote_port,
            },
            role: Role::Client,
            flags,
            priority: config.priority,
            needs: config.needs_of_replies(flags),
            keys: config.keys,
            transport,
            deadline: None,
            ended: None,
            blocked: false,
        };
        self.make_room(now, None);
        let max = self.config.max_connections;
        let key = self
            .connections
            .insert(connection)
            .ok_or(ConnectError::TooManyConnections { max })?;
        let id = ConnectionId(key);
        self.ports.set(local_port.into(), Owner::Client(id));
        if by_rdp {
            self.send_opening(now, id)?;
        }
        Ok(id)
    }

    /// The next connection that waits on `listener`.
    pub fn accept(&mut self, listener: ListenerId) -> Option<ConnectionId> {
        let listener = self.listeners.get_mut(listener.0)?;
        let Some(id) = listener.backlog.pop_front() else {
            listener.announced = false;
            return None;
        };
        let entry = self.connections.get_mut(id.0)?;
        entry.role = Role::Server;
        if let Some(ended) = entry.ended.take() {
            self.events.ready(ended);
        }
        Some(id)
    }

    /// The two ends of a connection; `None` when it is closed.
    #[must_use]
    pub fn peers(&self, connection: ConnectionId) -> Option<Peers> {
        Some(self.connections.get(connection.0)?.peers)
    }

    /// What is on each packet that a connection sends; `None` when it is closed.
    #[must_use]
    pub fn flags(&self, connection: ConnectionId) -> Option<Flags> {
        let connection = self.connections.get(connection.0)?;
        let rdp = match connection.transport {
            Transport::Rdp(_) => Flags::RDP,
            Transport::Plain { .. } => Flags::NONE,
        };
        Some(connection.flags | rdp)
    }

    /// The next packet of a connection; `None`: nothing there.
    pub fn recv(&mut self, connection: ConnectionId) -> Option<Message> {
        match &mut self.connections.get_mut(connection.0)?.transport {
            Transport::Plain { inbox, .. } => inbox.pop(),
            Transport::Rdp(machine) => {
                let received = machine.recv();
                self.schedule(connection);
                received.map(|(payload, about)| Message::join(payload, about))
            }
        }
    }

    /// The next packet of a socket; `None`: nothing there.
    pub fn recv_from(&mut self, socket: SocketId) -> Option<Message> {
        self.sockets.get_mut(socket.0)?.inbox.pop()
    }

    /// Closes a connection at once; its id is of no use any more.
    ///
    /// Packets not yet received are dropped. Without RDP nothing is sent (CONN-6), and the port is free. With
    /// it the other end is told, what it has not acknowledged may be lost (RDP-8), and the port is free once
    /// it knows, or would have noticed, or no other is left: [`finish`](Self::finish) is for those who can
    /// wait. One that never opened is gone at once (RDP-12).
    pub fn close(&mut self, now: Instant, connection: ConnectionId) {
        let Some(entry) = self.connections.get(connection.0) else {
            return;
        };
        if let Role::Pending { listener, .. } = entry.role
            && let Some(listener) = self.listeners.get_mut(listener.0)
        {
            listener.backlog.retain(|waiting| *waiting != connection);
        }
        match entry.transport {
            Transport::Plain { .. } => self.remove(connection),
            Transport::Rdp(_) => self.close_rdp(now, connection),
        }
        self.settle(now);
    }

    /// Forgets a connection: its port, its timer, and what its owner was to be told.
    pub(super) fn remove(&mut self, connection: ConnectionId) {
        self.unschedule(connection);
        let Some(removed) = self.connections.remove(connection.0) else {
            return;
        };
        self.release(removed.peers, removed.role);
        self.forget(connection);
        if let Transport::Rdp(machine) = removed.transport {
            self.stats.rdp.add(machine.stats());
        }
    }

    /// Frees the port that leads to a connection.
    pub(super) fn release(&mut self, peers: Peers, role: Role) {
        match role {
            Role::Client | Role::Lingering { client: true } => self.ports.release(peers.local_port.into()),
            Role::Server
            | Role::Pending { .. }
            | Role::Opening { .. }
            | Role::Lingering { client: false } => {
                self.servers
                    .remove(&(peers.local_port, peers.remote, peers.remote_port));
            }
            Role::Failed => {}
        }
    }

    /// Takes back what the owner of a connection was to be told.
    pub(super) fn forget(&mut self, connection: ConnectionId) {
        self.blocked.retain(|id| *id != connection);
        self.events.forget(connection);
    }

    /// Closes a listener with the connections that wait on it; those accepted live on.
    pub fn close_listener(&mut self, now: Instant, listener: ListenerId) {
        let Some(closed) = self.listeners.remove(listener.0) else {
            return;
        };
        self.ports.release(closed.binding);
        self.events.forget_event(Event::Incoming(listener));
        for connection in closed.backlog {
            self.close(now, connection);
        }
        for connection in self.opening_on(listener) {
            self.close(now, connection);
        }
    }

    /// Closes a socket.
    pub fn close_socket(&mut self, socket: SocketId) {
        let Some(closed) = self.sockets.remove(socket.0) else {
            return;
        };
        self.ports.release(closed.binding);
        self.events.forget_event(Event::Datagram(socket));
    }
}
