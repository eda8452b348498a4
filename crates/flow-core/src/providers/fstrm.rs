//! Flows over Frame Streams: `fstrm:ENDPOINT?type=TYPE`.
//!
//! ENDPOINT is what `fstrm-codec` listens on and connects to, `unix:/run/x.sock` or `tcp://host:6000`, and
//! TYPE the content type that both ends agree on in the handshake.
//!
//! A stream goes one way: who asks for the flow writes, who accepts it reads, and the flow's access says so
//! from the start. Its packets are the data frames, in order and complete as the byte stream beneath is. STOP
//! is the writer's end and FINISH the reader's confirmation that its application has read everything, so
//! [`dealloc`](Flow::dealloc) waits for it. A stream that breaks off without STOP is a peer that is gone.
//!
//! The other end need not be a flow: any Frame Streams collector or sender will do.

mod address;
mod reading;
mod writing;

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::sync::Arc;
use core::time::Duration;

use fstrm_codec::endpoint::{Connection, DialConfig, Dialer, ListenConfig, Listener};
use fstrm_codec::handshake::Finish;
use fstrm_codec::{Config, FstrmReader, FstrmWriter};
use futures_core::future::BoxFuture;
use tokio::sync::Semaphore;

pub use address::FstrmAddress;
use reading::Reading;
use writing::Writing;

use super::arrivals::{Arrivals, Door, spawn};
use super::local::within;
use super::promised;
use crate::carrier::{CarryConfig, carry_with};
use crate::error::{AcceptError, AllocError, BindError};
use crate::flow::{Access, Flow};
use crate::name::Name;
use crate::peer::Peer;
use crate::provider::Provider;
use crate::qos::{Order, PeerTimeout, QosSpec, Tolerance};
use crate::queue::QueueConfig;

/// Handshakes under way at once, per name; who comes beyond waits in the socket's backlog.
const HANDSHAKES: usize = 64;

/// How flows over Frame Streams are made.
#[derive(Clone, Debug, Default)]
pub struct FstrmConfig {
    queue: QueueConfig,
    stream: Config,
    dial: DialConfig,
    listen: ListenConfig,
    links: QosSpec,
}

impl FstrmConfig {
    /// Limits of each flow's queue. Default: 256 packets and 1 MiB.
    #[must_use]
    pub fn queue(mut self, queue: QueueConfig) -> Self {
        self.queue = queue;
        self
    }

    /// Handshake, limits and timeouts of streams; the content type comes from the address. Default: those of
    /// `fstrm-codec`.
    #[must_use]
    pub fn stream(mut self, stream: Config) -> Self {
        self.stream = stream;
        self
    }

    /// How connections are made. Default: those of `fstrm-codec`.
    #[must_use]
    pub fn dial(mut self, dial: DialConfig) -> Self {
        self.dial = dial;
        self
    }

    /// How connections are waited for. Default: those of `fstrm-codec`.
    #[must_use]
    pub fn listen(mut self, listen: ListenConfig) -> Self {
        self.listen = listen;
        self
    }

    /// What whoever built the network promises of it: delay, bandwidth, availability, longest gap. By default
    /// none is promised, and a flow that asks for one is refused.
    #[must_use]
    pub const fn links(mut self, promised: QosSpec) -> Self {
        self.links = promised;
        self
    }

    fn has(&self) -> QosSpec {
        promised(self.links)
            .with_loss(Tolerance::NONE)
            .with_order(Order::Kept)
            .with_ber(Tolerance::NONE)
            .with_timeout(PeerTimeout::OFF)
    }

    /// How a flow that goes one way is carried.
    fn carry(&self, access: Access) -> CarryConfig {
        let frame = usize::try_from(self.stream.frame().max_data_len().get()).unwrap_or(usize::MAX);
        CarryConfig::default()
            .queue(self.queue)
            .keepalive(PeerTimeout::OFF) // the byte stream has its own
            .max_packet(frame.min(self.queue.max_packet()))
            .access(access)
    }
}

/// Gives flows over Frame Streams to whatever endpoint an address names.
#[derive(Debug, Default)]
pub struct FstrmProvider {
    config: FstrmConfig,
    arrivals: Arrivals,
}

impl FstrmProvider {
    /// Flows with the defaults of `fstrm-codec`.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// As [`new`](Self::new), with other settings.
    #[must_use]
    pub fn with_config(config: FstrmConfig) -> Self {
        Self {
            config,
            arrivals: Arrivals::default(),
        }
    }

    async fn open(&self, name: &Name, asked: QosSpec) -> Result<Flow, AllocError> {
        let wrong = |reason: Box<str>| AllocError::Address { reason };
        let address: FstrmAddress = name.as_str().parse()?;
        let granted = self.config.has().grant(&asked)?;
        let unreachable = |reason: Box<str>| AllocError::Unreachable {
            name: name.clone(),
            reason,
        };
        let dialer = Dialer::new(address.endpoint(), self.config.dial.clone())
            .map_err(|error| wrong(error.to_string().into()))?;
        let connection = dialer
            .dial()
            .await
            .map_err(|error| unreachable(error.to_string().into()))?;
        let stream = self
            .config
            .stream
            .clone()
            .content_type(address.content_type().clone());
        let writer = FstrmWriter::open(connection, stream)
            .await
            .map_err(|error| unreachable(error.to_string().into()))?;
        let config = self.config.carry(Access::WriteOnly);
        let (flow, carrier) = carry_with(name, granted, config, |_losses| Writing(writer));
        spawn(carrier);
        let endpoint = address.endpoint().to_string().into();
        Ok(flow.with_peer(Peer::Stream { endpoint }))
    }
}

/// Makes a flow of each stream that another opens. One that is slow with its handshake, or does none, holds
/// nobody up.
async fn listen(address: FstrmAddress, door: Door, config: FstrmConfig) {
    let mut listener = match Listener::bind(address.endpoint(), config.listen.clone()).await {
        Ok(listener) => listener,
        Err(error) => return door.fail(error.to_string().into()).await,
    };
    let stream = config
        .stream
        .clone()
        .content_type(address.content_type().clone())
        .finish(Finish::OnRelease);
    let door = Arc::new(door);
    let places = Arc::new(Semaphore::new(HANDSHAKES));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        // an accept that fails is tried again by the listener itself, after a pause
        let Ok((connection, peer)) = listener.accept().await else {
            continue;
        };
        let peer = Peer::Stream {
            endpoint: peer.to_string().into(),
        };
        let (door, config, stream) = (Arc::clone(&door), config.clone(), stream.clone());
        spawn(async move {
            if let Some(flow) = greet(connection, stream, &config, door.name()).await {
                drop(place);
                door.put(flow.with_peer(peer)).await;
            }
        });
    }
}

/// Does the handshake; who fails it never was a flow, and is let go of.
async fn greet(connection: Connection, stream: Config, config: &FstrmConfig, name: &Name) -> Option<Flow> {
    let reader = FstrmReader::open(connection, stream).await.ok()?;
    let carry = config.carry(Access::ReadOnly);
    let (flow, carrier) = carry_with(name, config.has(), carry, |losses| Reading::new(reader, losses));
    spawn(carrier);
    Some(flow)
}

impl Provider for FstrmProvider {
    /// Binds an endpoint to listen on. It is listened on from the background; that it cannot be is what
    /// [`accept`](Provider::accept) then fails with.
    ///
    /// # Errors
    ///
    /// [`BindError::Address`]; [`BindError::Layer`] outside of a tokio runtime.
    fn bind(&self, name: &Name) -> Result<(), BindError> {
        let address: FstrmAddress = name.as_str().parse()?;
        let config = self.config.clone();
        self.arrivals.bind(name, |door| Ok(listen(address, door, config)))
    }

    fn unbind(&self, name: &Name) -> bool {
        self.arrivals.unbind(name)
    }

    fn alloc<'a>(
        &'a self,
        name: &'a Name,
        qos: QosSpec,
        timeout: Option<Duration>,
    ) -> BoxFuture<'a, Result<Flow, AllocError>> {
        Box::pin(async move {
            within(timeout, self.open(name, qos))
                .await
                .unwrap_or(Err(AllocError::TimedOut))
        })
    }

    fn accept(&self, timeout: Option<Duration>) -> BoxFuture<'_, Result<Flow, AcceptError>> {
        Box::pin(self.arrivals.accept(timeout))
    }
}
