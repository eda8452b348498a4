//! What the driver does when a handle asks.

use super::command::Command;
use super::driver::{Driver, Link, Parked};
use super::inbox::channel;
use super::{Connection, InterfaceStatus, Listener, Socket, Status};
use crate::{ConnectionId, SendError};

impl Driver {
    /// Does what a handle asks.
    ///
    /// A reply that nobody waits for any more takes its handle with it, which closes it.
    pub(super) fn execute(&mut self, command: Command) {
        // A handle dropped before this command was sent has freed its port by now.
        if self.attention.1.try_recv().is_ok() {
            self.attend();
        }
        match command {
            Command::Attach { config, link, reply } => {
                let added = self.node.add_interface(config);
                if let Ok(id) = added {
                    self.links.push(Link {
                        id,
                        io: Some(link),
                        unflushed: false,
                    });
                }
                let _ = reply.send(added);
            }
            Command::Route { route, reply } => drop(reply.send(self.node.add_route(route))),
            Command::Connect {
                remote: (address, port),
                config,
                reply,
            } => {
                let opened = self.node.connect(address, port, config);
                let _ = reply.send(opened.map(|id| self.connection(id)));
            }
            Command::Listen {
                binding,
                config,
                reply,
            } => {
                let opened = self.node.listen(binding, config).map(|id| {
                    let (outlet, inbox) = channel(&self.attention.0);
                    self.listeners.insert(id, outlet);
                    Listener::new(inbox)
                });
                let _ = reply.send(opened);
            }
            Command::Bind {
                binding,
                config,
                reply,
            } => {
                let opened = self.node.bind(binding, config).map(|id| {
                    let (outlet, inbox) = channel(&self.attention.0);
                    self.sockets.insert(id, outlet);
                    Socket::new(id, self.weak.clone(), inbox)
                });
                let _ = reply.send(opened);
            }
            Command::Send {
                connection,
                payload,
                turn,
                reply,
            } => {
                let parked = Parked { payload, turn, reply };
                self.parked.entry(connection).or_default().push_back(parked);
                self.retry(connection);
            }
            Command::SendTo {
                socket,
                destination,
                config,
                payload,
                reply,
            } => {
                let _ = reply.send(self.node.send_to(self.now, socket, destination, config, payload));
            }
            Command::Answer {
                request,
                flags,
                payload,
                reply,
            } => {
                let _ = reply.send(self.node.reply(self.now, &request, flags, payload));
            }
            Command::Status { reply } => drop(reply.send(self.status())),
            Command::Flush { reply } => {
                // While a link takes nothing, only here do those leave that were given up.
                self.flushes.retain(|flush| !flush.is_closed());
                self.flushes.push(reply);
            }
        }
    }

    /// Sends what a connection has to send, in order, until there is no room.
    pub(super) fn retry(&mut self, id: ConnectionId) {
        let Some(queue) = self.parked.get_mut(&id) else {
            return;
        };
        while let Some(parked) = queue.pop_front() {
            if parked.reply.is_closed() {
                continue;
            }
            match self.node.send(self.now, id, parked.payload.clone()) {
                Err(SendError::Full) => {
                    queue.push_front(parked);
                    return;
                }
                sent => drop(parked.reply.send(sent.map(|()| self.now))),
            }
        }
        self.parked.remove(&id);
    }

    /// The handle of a connection that was just opened.
    fn connection(&mut self, id: ConnectionId) -> Connection {
        let (outlet, inbox) = channel(&self.attention.0);
        self.connections.insert(id, outlet);
        let peers = self.node.peers(id).expect("a connection just opened is there");
        Connection::new(id, peers, self.weak.clone(), inbox)
    }

    fn status(&self) -> Status {
        let interfaces = self.node.interfaces();
        let interfaces = interfaces.map(|(id, name, subnet, stats)| InterfaceStatus {
            id,
            name,
            subnet,
            stats: *stats,
        });
        Status {
            stats: self.node.stats(),
            interfaces: interfaces.collect(),
        }
    }
}
