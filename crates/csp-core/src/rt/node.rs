//! The handle of a running node.

use core::hash::BuildHasher;
use core::time::Duration;
use std::boxed::Box;
use std::collections::hash_map::RandomState;
use std::io;
use std::sync::Arc;
use std::vec::Vec;

use bytes::Bytes;
use thiserror::Error;
use tokio::sync::{broadcast, mpsc, oneshot};

use super::command::{COMMAND_QUEUE, Command, call};
use super::{Connection, Driver, Interface, Listener, RecvError, Socket};
use crate::{
    Address, BindError, Binding, Config, ConnectConfig, ConnectError, Event, InterfaceConfig, InterfaceError,
    InterfaceId, InterfaceName, InterfaceStats, Message, Port, Route, RouteError, SendError, SocketConfig,
    Stats, Subnet,
};

/// How far a reader of [`Node::notices`] can be behind.
const NOTICE_QUEUE: usize = 64;

/// A node that runs.
///
/// Clones are the same node; when the last is dropped the node stops and its interfaces with it.
#[derive(Clone, Debug)]
pub struct Node {
    commands: mpsc::Sender<Command>,
    notices: broadcast::WeakSender<Notice>,
}

impl Node {
    /// A node, and the future that drives it for the caller to run.
    ///
    /// The first ephemeral port is random.
    #[must_use]
    pub fn new(config: Config) -> (Self, Driver) {
        let (commands, receiver) = mpsc::channel(COMMAND_QUEUE);
        let (notices, _) = broadcast::channel(NOTICE_QUEUE);
        let weak = (commands.downgrade(), notices.downgrade());
        let seed = RandomState::new().hash_one("csp");
        let driver = Driver::new(crate::Node::new(config, seed), receiver, weak.0, notices);
        (
            Self {
                commands,
                notices: weak.1,
            },
            driver,
        )
    }

    /// A node driven by a task of the current tokio runtime.
    ///
    /// # Panics
    /// Outside a tokio runtime, as every spawn.
    #[must_use]
    pub fn spawn(config: Config) -> Self {
        let (node, driver) = Self::new(config);
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place where a node gets its task"
        )]
        tokio::spawn(driver);
        node
    }

    /// Adds an interface that packets come and go by.
    ///
    /// # Errors
    /// The configuration cannot work, or the node has stopped.
    ///
    /// # Cancel safety
    /// A dropped future may or may not have added the interface.
    pub async fn attach(
        &self,
        config: InterfaceConfig,
        link: impl Interface,
    ) -> Result<InterfaceId, CallError<InterfaceError>> {
        let link = Box::pin(link);
        self.call(|reply| Command::Attach { config, link, reply }).await
    }

    /// Adds a route.
    ///
    /// # Errors
    /// The interface does not exist, the table is full, or the node has stopped.
    ///
    /// # Cancel safety
    /// A dropped future may or may not have added the route.
    pub async fn add_route(&self, route: Route) -> Result<(), CallError<RouteError>> {
        self.call(|reply| Command::Route { route, reply }).await
    }

    /// Opens a connection to a port of another node.
    ///
    /// Nothing is sent; there need be nobody there.
    ///
    /// # Errors
    /// No local port or no room for a connection, or the node has stopped.
    ///
    /// # Cancel safety
    /// A dropped future leaves no connection behind.
    pub async fn connect(
        &self,
        remote: Address,
        port: Port,
        config: ConnectConfig,
    ) -> Result<Connection, CallError<ConnectError>> {
        self.call(|reply| Command::Connect {
            remote: (remote, port),
            config,
            reply,
        })
        .await
    }

    /// Waits for connections to a port, or to any (PORT-1).
    ///
    /// # Errors
    /// The port is in use or in the ephemeral range, or the node has stopped.
    ///
    /// # Cancel safety
    /// A dropped future leaves no listener behind.
    pub async fn listen(
        &self,
        binding: impl Into<Binding>,
        config: SocketConfig,
    ) -> Result<Listener, CallError<BindError>> {
        let binding = binding.into();
        self.call(|reply| Command::Listen {
            binding,
            config,
            reply,
        })
        .await
    }

    /// Waits for single packets to a port, or to any (PORT-1).
    ///
    /// # Errors
    /// The port is in use or in the ephemeral range, or the node has stopped.
    ///
    /// # Cancel safety
    /// A dropped future leaves no socket behind.
    pub async fn bind(
        &self,
        binding: impl Into<Binding>,
        config: SocketConfig,
    ) -> Result<Socket, CallError<BindError>> {
        let binding = binding.into();
        self.call(|reply| Command::Bind {
            binding,
            config,
            reply,
        })
        .await
    }

    /// Sends `request` to a port and waits up to `limit` for one reply (CONN-8).
    ///
    /// # Errors
    /// No connection could be opened, the request could not be sent, or nothing came back in time.
    ///
    /// # Cancel safety
    /// A dropped future may have sent the request; its reply is then dropped.
    pub async fn transaction(
        &self,
        remote: Address,
        port: Port,
        config: ConnectConfig,
        request: impl Into<Bytes>,
        limit: Duration,
    ) -> Result<Message, TransactionError> {
        let exchange = async {
            let mut connection = self.connect(remote, port, config).await?;
            connection.send(request).await?;
            Ok(connection.recv().await?)
        };
        let late = Err(TransactionError::Recv(RecvError::Timeout { limit }));
        tokio::time::timeout(limit, exchange).await.unwrap_or(late)
    }

    /// What happens in the node from now on.
    ///
    /// A reader that is more than 64 notices behind misses the oldest and is told how many.
    #[must_use]
    pub fn notices(&self) -> broadcast::Receiver<Notice> {
        match self.notices.upgrade() {
            Some(notices) => notices.subscribe(),
            // The node has stopped: a receiver that says so.
            None => broadcast::channel(1).1,
        }
    }

    /// Counters and interfaces; `None` when the node has stopped.
    ///
    /// # Cancel safety
    /// A dropped future has changed nothing.
    pub async fn status(&self) -> Option<Status> {
        call(&self.commands, |reply| Command::Status { reply }).await
    }

    /// Waits until every packet sent so far was handed to its link.
    ///
    /// The links have then flushed too.
    ///
    /// # Errors
    /// [`RecvError::Timeout`] after `limit`; [`RecvError::Closed`]: the node has stopped.
    ///
    /// # Cancel safety
    /// A dropped future has changed nothing; the packets go on their way.
    pub async fn flush(&self, limit: Duration) -> Result<(), RecvError> {
        let flushed = call(&self.commands, |reply| Command::Flush { reply });
        match tokio::time::timeout(limit, flushed).await {
            Ok(flushed) => flushed.ok_or(RecvError::Closed),
            Err(_) => Err(RecvError::Timeout { limit }),
        }
    }

    async fn call<T, E>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, E>>) -> Command,
    ) -> Result<T, CallError<E>> {
        match call(&self.commands, command).await {
            Some(answer) => answer.map_err(CallError::Refused),
            None => Err(CallError::Stopped),
        }
    }
}

/// Something that happened in a running node.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Notice {
    /// An event of the node: a drop, or a link that went up or down.
    Event(Event),
    /// An interface ended for good.
    Ended {
        /// The interface.
        interface: InterfaceId,
        /// The link's error; `None`: it ended without one.
        error: Option<Arc<io::Error>>,
    },
}

/// What a running node looks like.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Status {
    /// Counters of the node.
    pub stats: Stats,
    /// Its interfaces, the loopback first.
    pub interfaces: Vec<InterfaceStatus>,
}

/// What an interface of a running node looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InterfaceStatus {
    /// Its id.
    pub id: InterfaceId,
    /// Its name.
    pub name: InterfaceName,
    /// Its address and netmask.
    pub subnet: Subnet,
    /// Its counters.
    pub stats: InterfaceStats,
}

/// Why a node did not do what it was asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CallError<E> {
    /// It has stopped.
    #[error("the node has stopped")]
    Stopped,
    /// It refused.
    #[error(transparent)]
    Refused(E),
}

/// Why a request got no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TransactionError {
    /// No connection could be opened.
    #[error(transparent)]
    Connect(#[from] CallError<ConnectError>),
    /// The request could not be sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// No reply came.
    #[error(transparent)]
    Recv(#[from] RecvError),
}

impl From<TransactionError> for io::Error {
    fn from(error: TransactionError) -> Self {
        match error {
            TransactionError::Connect(_) => Self::new(io::ErrorKind::AddrNotAvailable, error),
            TransactionError::Send(error) => error.into(),
            TransactionError::Recv(error) => error.into(),
        }
    }
}
