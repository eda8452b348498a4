//! What an application does with a node: listen, bind, connect, receive, close.

use alloc::collections::VecDeque;

use super::Node;
use super::tx::unsupported;
use crate::conn::{Connection, Inbox, Listener, Role, Socket};
use crate::ports::{Binding, Owner};
use crate::{
    Address, BindError, ConnectConfig, ConnectError, ConnectionId, Event, Flags, ListenerId, Message, Needs,
    Peers, Port, SocketConfig, SocketId,
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
    /// Nothing is sent; there need be nobody there.
    ///
    /// # Errors
    /// No local port or no room for a connection; see [`ConnectError`].
    pub fn connect(
        &mut self,
        remote: Address,
        remote_port: Port,
        config: ConnectConfig,
    ) -> Result<ConnectionId, ConnectError> {
        let flags = config.flags_over(self.config.flags);
        let unsupported = unsupported(flags);
        if unsupported != Flags::NONE {
            return Err(ConnectError::Unsupported { flags: unsupported });
        }
        let local_port = match config.local_port {
            Some(port) if self.ports.is_free(port) => port,
            Some(port) => return Err(ConnectError::PortInUse { port }),
            None => {
                let random = self.random();
                self.ports.ephemeral(random).ok_or(ConnectError::NoFreePort)?
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
            needs: Needs::of_replies(flags),
            keys: config.keys,
            inbox: Inbox::new(config.receive_queue),
            blocked: false,
        };
        let max = self.config.max_connections;
        let key = self
            .connections
            .insert(connection)
            .ok_or(ConnectError::TooManyConnections { max })?;
        let id = ConnectionId(key);
        self.ports.set(local_port.into(), Owner::Client(id));
        Ok(id)
    }

    /// The next connection that waits on `listener`.
    pub fn accept(&mut self, listener: ListenerId) -> Option<ConnectionId> {
        let listener = self.listeners.get_mut(listener.0)?;
        let Some(id) = listener.backlog.pop_front() else {
            listener.announced = false;
            return None;
        };
        self.connections.get_mut(id.0)?.role = Role::Server;
        Some(id)
    }

    /// The two ends of a connection; `None` when it is closed.
    #[must_use]
    pub fn peers(&self, connection: ConnectionId) -> Option<Peers> {
        Some(self.connections.get(connection.0)?.peers)
    }

    /// The next packet of a connection; `None`: nothing there.
    pub fn recv(&mut self, connection: ConnectionId) -> Option<Message> {
        self.connections.get_mut(connection.0)?.inbox.pop()
    }

    /// The next packet of a socket; `None`: nothing there.
    pub fn recv_from(&mut self, socket: SocketId) -> Option<Message> {
        self.sockets.get_mut(socket.0)?.inbox.pop()
    }

    /// Closes a connection and frees its port.
    ///
    /// Packets not yet received are dropped; nothing is sent (CONN-6).
    pub fn close(&mut self, connection: ConnectionId) {
        let Some(closed) = self.connections.remove(connection.0) else {
            return;
        };
        let Peers {
            local_port,
            remote,
            remote_port,
            ..
        } = closed.peers;
        match closed.role {
            Role::Client => self.ports.release(local_port.into()),
            Role::Server => {
                self.servers.remove(&(local_port, remote, remote_port));
            }
            Role::Pending { listener, .. } => {
                self.servers.remove(&(local_port, remote, remote_port));
                if let Some(listener) = self.listeners.get_mut(listener.0) {
                    listener.backlog.retain(|waiting| *waiting != connection);
                }
            }
        }
        self.blocked.retain(|id| *id != connection);
        self.events
            .forget(&[Event::Readable(connection), Event::Writable(connection)]);
    }

    /// Closes a listener with the connections that wait on it; those accepted live on.
    pub fn close_listener(&mut self, listener: ListenerId) {
        let Some(closed) = self.listeners.remove(listener.0) else {
            return;
        };
        self.ports.release(closed.binding);
        self.events.forget(&[Event::Incoming(listener)]);
        for connection in closed.backlog {
            self.close(connection);
        }
    }

    /// Closes a socket.
    pub fn close_socket(&mut self, socket: SocketId) {
        let Some(closed) = self.sockets.remove(socket.0) else {
            return;
        };
        self.ports.release(closed.binding);
        self.events.forget(&[Event::Datagram(socket)]);
    }
}
