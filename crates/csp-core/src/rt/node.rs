//! The handle of a running node.

use core::future::poll_fn;
use core::hash::BuildHasher;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::io;
use std::sync::Arc;
use std::vec::Vec;

use bytes::Bytes;
use futures_core::Stream;
use thiserror::Error;
use tinwire_time::Instant;
use tokio::task::coop::poll_proceed;

use super::driver::Link;
use super::seat::Seat;
use super::shared::{Locked, Shared};
use super::waiters::Reader;
use super::{Connection, Driver, Interface, Listener, RecvError, Socket};
use crate::rdp::CloseReason;
use crate::{
    Address, BindError, Binding, Config, ConnectConfig, ConnectError, DropReason, Event, InterfaceConfig,
    InterfaceError, InterfaceId, InterfaceName, InterfaceStats, Message, Port, RdpStatus, SendError,
    SocketConfig, Stats, Subnet,
};

/// A node that runs.
///
/// Clones are the same node; when the last is dropped the node stops and its interfaces with it.
#[derive(Clone, Debug)]
pub struct Node {
    alive: Arc<Alive>,
}

/// What all clones of a handle keep alive.
#[derive(Debug)]
struct Alive(Arc<Shared>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.lock().stop();
    }
}

impl Node {
    /// A node, and the future that drives it for the caller to run.
    ///
    /// Until that is polled nothing moves. The first ephemeral port is random.
    #[must_use]
    pub fn new(config: Config) -> (Self, Driver) {
        let seed = RandomState::new().hash_one("csp");
        let shared = Arc::new(Shared::new(crate::Node::new(config, seed)));
        let driver = Driver::new(Arc::clone(&shared));
        let alive = Arc::new(Alive(shared));
        (Self { alive }, driver)
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
    pub fn attach(
        &self,
        config: InterfaceConfig,
        link: impl Interface,
    ) -> Result<InterfaceId, CallError<InterfaceError>> {
        let mut state = self.running()?;
        let id = state.node.add_interface(config).map_err(CallError::Refused)?;
        state.arrivals.push(Link::new(id, link));
        state.wake_task();
        Ok(id)
    }

    /// Opens a connection to a port of another node.
    ///
    /// Without RDP nothing is sent, and there need be nobody there. With it
    /// ([`ConnectConfig::rdp`](crate::ConnectConfig::rdp)) the other node is asked, and waited for as long as
    /// the options' connection timeout says.
    ///
    /// # Errors
    /// No local port or no room for a connection, no way to ask, nobody who answers, or the node has stopped.
    ///
    /// # Cancel safety
    /// A dropped future leaves no connection behind.
    pub async fn connect(
        &self,
        remote: Address,
        port: Port,
        config: ConnectConfig,
    ) -> Result<Connection, CallError<ConnectError>> {
        let connection = self.open(remote, port, config)?;
        poll_fn(|cx| connection.poll_opened(cx)).await?;
        Ok(connection)
    }

    /// As [`connect`](Self::connect), if the other node answers within `limit`.
    ///
    /// # Errors
    /// As [`connect`](Self::connect); [`CloseReason::NoAnswer`] after `limit`.
    ///
    /// # Cancel safety
    /// A dropped future leaves no connection behind.
    pub async fn connect_timeout(
        &self,
        remote: Address,
        port: Port,
        config: ConnectConfig,
        limit: Duration,
    ) -> Result<Connection, CallError<ConnectError>> {
        let connected = tokio::time::timeout(limit, self.connect(remote, port, config)).await;
        connected.unwrap_or(Err(UNANSWERED))
    }

    fn open(
        &self,
        remote: Address,
        port: Port,
        config: ConnectConfig,
    ) -> Result<Connection, CallError<ConnectError>> {
        let mut state = self.running()?;
        let now = state.tick();
        let opened = state.node.connect(now, remote, port, config);
        let id = opened.map_err(CallError::Refused)?;
        state.connections.insert(id, Seat::default());
        state.collect();
        if state.is_by_rdp(id) == Some(true) {
            state.wake_task();
        }
        Ok(Connection::new(&self.alive.0, &state, id))
    }

    /// Waits for connections to a port, or to any (PORT-1).
    ///
    /// # Errors
    /// The port is in use or in the ephemeral range, or the node has stopped.
    pub fn listen(
        &self,
        binding: impl Into<Binding>,
        config: SocketConfig,
    ) -> Result<Listener, CallError<BindError>> {
        let mut state = self.running()?;
        let opened = state.node.listen(binding.into(), config);
        let id = opened.map_err(CallError::Refused)?;
        state.listeners.insert(id, Reader::default());
        Ok(Listener::new(Arc::clone(&self.alive.0), id))
    }

    /// Waits for single packets to a port, or to any (PORT-1).
    ///
    /// # Errors
    /// The port is in use or in the ephemeral range, or the node has stopped.
    pub fn bind(
        &self,
        binding: impl Into<Binding>,
        config: SocketConfig,
    ) -> Result<Socket, CallError<BindError>> {
        let mut state = self.running()?;
        let opened = state.node.bind(binding.into(), config);
        let id = opened.map_err(CallError::Refused)?;
        state.sockets.insert(id, Reader::default());
        Ok(Socket::new(Arc::clone(&self.alive.0), id))
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
    #[must_use]
    pub fn notices(&self) -> Notices {
        let mut state = self.alive.0.lock();
        let number = state.ticket();
        state.notices.join(number);
        drop(state);
        Notices {
            shared: Arc::clone(&self.alive.0),
            number,
        }
    }

    /// Counters and interfaces.
    #[must_use]
    pub fn status(&self) -> Status {
        let state = self.alive.0.lock();
        let interfaces = state.node.interfaces();
        let interfaces = interfaces.map(|(id, name, subnet, stats)| InterfaceStatus {
            id,
            name,
            subnet,
            stats: *stats,
        });
        Status {
            stats: state.node.stats(),
            drops: state.node.drops().collect(),
            rdp: state.node.rdp_connections().collect(),
            interfaces: interfaces.collect(),
        }
    }

    /// The clock's view of a time that the node tells, as [`Message::received_at`].
    ///
    /// `None` when the clock cannot express it.
    #[must_use]
    pub fn clock_at(&self, time: Instant) -> Option<std::time::Instant> {
        self.alive.0.lock().origin.deadline(time)
    }

    /// Waits until every packet sent so far was handed to its link, and the links have flushed.
    ///
    /// # Errors
    /// [`RecvError::Timeout`] after `limit`; [`RecvError::Closed`]: the node has stopped.
    ///
    /// # Cancel safety
    /// A dropped future has changed nothing; the packets go on their way.
    pub async fn flush(&self, limit: Duration) -> Result<(), RecvError> {
        let flush = Flush::new(&self.alive.0);
        let flushed = poll_fn(|cx| flush.poll(cx));
        let late = Err(RecvError::Timeout { limit });
        tokio::time::timeout(limit, flushed).await.unwrap_or(late)
    }

    /// Stops the node as dropping its last handle does.
    pub(crate) fn stop(&self) {
        self.alive.0.lock().stop();
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.alive.0
    }

    /// The state, while the node runs.
    pub(super) fn running<E>(&self) -> Result<Locked<'_>, CallError<E>> {
        let state = self.alive.0.lock();
        if state.stopped {
            return Err(CallError::Stopped);
        }
        Ok(state)
    }
}

/// What a connect comes to when its user's patience is over.
pub(crate) const UNANSWERED: CallError<ConnectError> = CallError::Refused(ConnectError::NotOpened {
    reason: CloseReason::NoAnswer,
});

/// Somebody who waits for the links to be through with what they have now.
struct Flush<'a> {
    shared: &'a Shared,
    number: u64,
    /// By interface, how many packets it will have let go of then.
    targets: Vec<(InterfaceId, u64)>,
}

impl<'a> Flush<'a> {
    fn new(shared: &'a Shared) -> Self {
        let mut state = shared.lock();
        let number = state.ticket();
        let interfaces = state.node.interfaces().map(|(id, ..)| id);
        let waiting = interfaces.map(|id| (id, state.node.waiting_on(id)));
        let target = |(id, waiting): (InterfaceId, usize)| {
            let taken = state.progress.get(&id).map_or(0, |progress| progress.taken);
            (
                id,
                taken.saturating_add(u64::try_from(waiting).unwrap_or(u64::MAX)),
            )
        };
        let targets = waiting.map(target).collect();
        drop(state);
        Self {
            shared,
            number,
            targets,
        }
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<Result<(), RecvError>> {
        let mut state = self.shared.lock();
        if state.stopped {
            return Poll::Ready(Err(RecvError::Closed));
        }
        let is_through = |&(id, target): &(InterfaceId, u64)| {
            let progress = state.progress.get(&id).copied().unwrap_or_default();
            // What a link that went down never took is through as well.
            progress.flushed >= target
                || (state.node.waiting_on(id) == 0 && progress.flushed == progress.taken)
        };
        if self.targets.iter().all(is_through) {
            return Poll::Ready(Ok(()));
        }
        state.flushes.wait(self.number, cx);
        Poll::Pending
    }
}

impl Drop for Flush<'_> {
    fn drop(&mut self) {
        self.shared.lock().flushes.leave(self.number);
    }
}

/// What happens in a node, as a `Stream` that ends when the node stops.
///
/// A reader that is more than 64 notices behind misses the oldest, which [`lost`](Self::lost) counts.
#[derive(Debug)]
pub struct Notices {
    shared: Arc<Shared>,
    number: u64,
}

impl Notices {
    /// The next notice; `None` when the node has stopped.
    ///
    /// # Cancel safety
    /// A dropped future has taken nothing.
    pub async fn recv(&mut self) -> Option<Notice> {
        poll_fn(|cx| self.poll_notice(cx)).await
    }

    /// How many notices were missed.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.shared.lock().notices.lost(self.number)
    }

    fn poll_notice(&self, cx: &mut Context<'_>) -> Poll<Option<Notice>> {
        let coop = ready!(poll_proceed(cx));
        let mut state = self.shared.lock();
        let stopped = state.stopped;
        let notice = state.notices.poll_next(self.number, cx).map(Some);
        if notice.is_pending() && stopped {
            return Poll::Ready(None);
        }
        if notice.is_ready() {
            coop.made_progress();
        }
        notice
    }
}

impl Stream for Notices {
    type Item = Notice;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Notice>> {
        self.poll_notice(cx)
    }
}

impl Drop for Notices {
    fn drop(&mut self) {
        self.shared.lock().notices.leave(self.number);
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
    /// How many packets it dropped for each reason, those at zero left out.
    pub drops: BTreeMap<DropReason, u64>,
    /// Its RDP connections, those included that nobody has yet or any more.
    pub rdp: Vec<RdpStatus>,
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
