//! Nodes for programs without a runtime.
//!
//! [`Node`] runs a [node](crate::rt::Node) on a thread of its own. Calls wait on the caller's thread, any
//! number of threads may use the same handles, and dropping the last [`Node`] ends the thread and waits for
//! it; who waits in a call is told. Within an async task use [`crate::rt`]: these calls would hold up its
//! runtime. Never use them in a filter or a platform of the same node, which would wait for itself.
//!
//! What does not wait is asked of [`Node::inner`], and whatever else [`crate::rt`] can wait for, or a link
//! needs to be opened, of [`Node::wait`].
//!
//! ```
//! use core::time::Duration;
//!
//! use csp_core::blocking::Node;
//! use csp_core::rt::{Call, PingConfig, pair};
//! use csp_core::{Address, Config, InterfaceConfig, InterfaceName, Netmask};
//!
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! let name = InterfaceName::new("PAIR").expect("a short name");
//! let network = Netmask::new(8).expect("at most 14 bits");
//! let [ground, satellite] = [1, 2].map(|bits| Address::new(bits).expect("below 16384"));
//!
//! let (left, right) = pair();
//! let one = Node::new(Config::default())?;
//! one.attach(InterfaceConfig::new(name, ground, network), left)?;
//! let two = Node::new(Config::default())?;
//! two.attach(InterfaceConfig::new(name, satellite, network), right)?;
//!
//! let pong = one.ping(satellite, PingConfig::default().timeout(Duration::from_secs(60)))?;
//! assert_eq!(pong.from, satellite);
//! let call = Call::default().timeout(Duration::from_secs(60));
//! let uptime = one.wait(one.inner().uptime(satellite, call))?;
//! assert!(uptime.value < Duration::from_secs(60));
//! # Ok(()) }
//! ```

mod connection;
mod socket;
mod wait;

#[cfg(test)]
mod tests;

use core::time::Duration;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

pub use self::connection::Connection;
pub use self::socket::{Listener, Notices, Socket, Tap};
use crate::rt::{
    self, CallError, Interface, PingConfig, PingError, Pong, RecvError, Status, TransactionError,
};
use crate::{
    Address, BindError, Binding, Config, ConnectConfig, ConnectError, InterfaceConfig, InterfaceError,
    InterfaceId, Message, Port, SocketConfig, TapConfig,
};

/// A node that runs on a thread of its own.
///
/// Clones are the same node; when the last is dropped the node stops, and its interfaces and its thread with
/// it.
#[derive(Clone, Debug)]
pub struct Node {
    runner: Arc<Runner>,
}

/// The thread that runs a node.
#[derive(Debug)]
struct Runner {
    node: rt::Node,
    runtime: Handle,
    /// Dropped, it lets the thread end.
    alive: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Runner {
    fn drop(&mut self) {
        // Somebody may have another handle of the node.
        self.node.stop();
        self.alive = None;
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            // A thread that panicked has ended too.
            let _ = thread.join();
        }
    }
}

impl Node {
    /// A node with its thread.
    ///
    /// # Errors
    /// There can be no thread, or no runtime for it.
    pub fn new(config: Config) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (node, driver) = rt::Node::new(config);
        let (alive, ended) = oneshot::channel::<()>();
        let serve = move || {
            runtime.block_on(async move {
                #[expect(clippy::disallowed_methods, reason = "the one place where it gets its task")]
                let driver = tokio::spawn(driver);
                // A driver that panicked, because of a filter or a link, leaves the runtime to those in it.
                let _ = ended.await;
                let _ = driver.await;
            });
        };
        let thread = thread::Builder::new().name("csp".into()).spawn(serve)?;
        let runner = Arc::new(Runner {
            node,
            runtime: handle,
            alive: Some(alive),
            thread: Some(thread),
        });
        Ok(Self { runner })
    }

    /// The node as async code has it, for what does not wait: filters, routes, counters.
    #[must_use]
    pub fn inner(&self) -> &rt::Node {
        &self.runner.node
    }

    /// Waits for a future, within the runtime of the node's thread.
    ///
    /// For links that need a runtime to be opened, and for the services of other nodes.
    pub fn wait<F: Future>(&self, future: F) -> F::Output {
        // The runtime lives as long as there is this handle.
        let _context = self.runner.runtime.enter();
        wait::block_on(future)
    }

    /// As [`wait`](Self::wait), for at most `limit`: then the future is dropped, and there is `None`.
    ///
    /// With it everything that can be waited for has a limit.
    pub fn wait_timeout<F: Future>(&self, limit: Duration, future: F) -> Option<F::Output> {
        let _context = self.runner.runtime.enter();
        wait::block_for(limit, future)
    }

    /// Adds an interface that packets come and go by.
    ///
    /// # Errors
    /// The configuration cannot work.
    pub fn attach(
        &self,
        config: InterfaceConfig,
        link: impl Interface,
    ) -> Result<InterfaceId, CallError<InterfaceError>> {
        self.inner().attach(config, link)
    }

    /// Opens a connection to a port of another node.
    ///
    /// As [`rt::Node::connect`].
    ///
    /// # Errors
    /// No local port or no room for a connection, no way to ask, or nobody who answers.
    pub fn connect(
        &self,
        remote: Address,
        port: Port,
        config: ConnectConfig,
    ) -> Result<Connection, CallError<ConnectError>> {
        let connection = self.wait(self.inner().connect(remote, port, config))?;
        Ok(Connection::new(connection))
    }

    /// As [`connect`](Self::connect), if the other node answers within `limit`.
    ///
    /// As [`rt::Node::connect_timeout`].
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn connect_timeout(
        &self,
        remote: Address,
        port: Port,
        config: ConnectConfig,
        limit: Duration,
    ) -> Result<Connection, CallError<ConnectError>> {
        let connecting = self.inner().connect(remote, port, config);
        let connected = self.wait_timeout(limit, connecting);
        connected.unwrap_or(Err(rt::UNANSWERED)).map(Connection::new)
    }

    /// Waits for connections to a port, or to any (PORT-1).
    ///
    /// # Errors
    /// The port is in use or in the ephemeral range.
    pub fn listen(
        &self,
        binding: impl Into<Binding>,
        config: SocketConfig,
    ) -> Result<Listener, CallError<BindError>> {
        let listener = self.inner().listen(binding, config)?;
        Ok(Listener::new(listener))
    }

    /// Waits for single packets to a port, or to any (PORT-1).
    ///
    /// # Errors
    /// The port is in use or in the ephemeral range.
    pub fn bind(
        &self,
        binding: impl Into<Binding>,
        config: SocketConfig,
    ) -> Result<Socket, CallError<BindError>> {
        let socket = self.inner().bind(binding, config)?;
        Ok(Socket::new(socket))
    }

    /// Sends `request` to a port and waits up to `limit` for one reply (CONN-8).
    ///
    /// # Errors
    /// No connection could be opened, the request could not be sent, or nothing came back in time.
    pub fn transaction(
        &self,
        remote: Address,
        port: Port,
        config: ConnectConfig,
        request: impl Into<Bytes>,
        limit: Duration,
    ) -> Result<Message, TransactionError> {
        self.wait(self.inner().transaction(remote, port, config, request, limit))
    }

    /// Asks the ping service of `remote` for an echo.
    ///
    /// # Errors
    /// Nothing or something else came back, or nothing could be sent: see [`PingError`].
    pub fn ping(&self, remote: Address, config: PingConfig) -> Result<Pong, PingError> {
        self.wait(self.inner().ping(remote, config))
    }

    /// What happens in the node from now on.
    #[must_use]
    pub fn notices(&self) -> Notices {
        Notices::new(self.inner().notices())
    }

    /// Begins to copy all packets that the node receives and sends.
    #[must_use = "dropping it ends the copying"]
    pub fn tap(&self, config: TapConfig) -> Tap {
        Tap::new(self.inner().tap(config))
    }

    /// Counters and interfaces.
    #[must_use]
    pub fn status(&self) -> Status {
        self.inner().status()
    }

    /// Waits until every packet sent so far was handed to its link, and the links have flushed.
    ///
    /// # Errors
    /// [`RecvError::Timeout`] after `limit`.
    pub fn flush(&self, limit: Duration) -> Result<(), RecvError> {
        self.wait(self.inner().flush(limit))
    }
}
