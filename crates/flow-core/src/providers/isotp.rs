//! Flows over ISO-TP: `isotp:LINK?tx=ID&rx=ID`.
//!
//! A packet of the flow is an ISO-TP message. LINK is any link of `can-link`; the identifiers are in hex,
//! with 3 digits for 11 bits and 8 for 29. `tx` is what this side sends: the two ends of one flow have them
//! exchanged.
//!
//! ISO-TP finds errors and repeats nothing, and it has no beginning, no end and no sign of life. So a flow
//! over it keeps the order and lets no bit error pass, and loses messages: those whose transfer failed, which
//! it counts and tells (`Dropped`). A flow that may lose nothing is refused. The flow begins for the asking
//! side when the link is open, for the accepting side with the first message, and ends for either when it
//! lets go; accepting again then waits for the next message.

mod address;
mod transport;

use alloc::boxed::Box;
use alloc::string::ToString;
use core::time::Duration;

use can_link::Link;
use futures_core::future::BoxFuture;
use isotp::{Backend, Config, IsoTp};

pub use address::IsoTpAddress;
use transport::Transport;

use super::arrivals::{Arrivals, Door, spawn};
use super::local::within;
use super::promised;
use crate::carrier::{Carrier, CarryConfig, carry_with};
use crate::error::{AcceptError, AllocError, BindError};
use crate::flow::Flow;
use crate::name::Name;
use crate::peer::Peer;
use crate::provider::Provider;
use crate::qos::{Order, PeerTimeout, QosSpec, Tolerance};
use crate::queue::QueueConfig;

/// How flows over ISO-TP are made.
#[derive(Clone, Debug, Default)]
pub struct IsoTpConfig {
    queue: QueueConfig,
    isotp: Config,
    backend: Backend,
    links: QosSpec,
}

impl IsoTpConfig {
    /// Limits of each flow's queues. Default: 256 packets and 1 MiB per direction.
    #[must_use]
    pub fn queue(mut self, queue: QueueConfig) -> Self {
        self.queue = queue;
        self
    }

    /// The parameters of ISO-TP: data link, padding, block size, separation time, timeouts. Default: those
    /// of `isotp`.
    #[must_use]
    pub fn isotp(mut self, isotp: Config) -> Self {
        self.isotp = isotp;
        self
    }

    /// Who does the work, this library or the kernel. Default: the kernel where it can.
    #[must_use]
    pub const fn backend(mut self, backend: Backend) -> Self {
        self.backend = backend;
        self
    }

    /// What whoever built the links promises of them: delay, bandwidth, availability, longest gap. By default
    /// none is promised, and a flow that asks for one is refused.
    #[must_use]
    pub const fn links(mut self, promised: QosSpec) -> Self {
        self.links = promised;
        self
    }

    fn has(&self) -> QosSpec {
        promised(self.links)
            .with_order(Order::Kept)
            .with_ber(Tolerance::NONE)
            .with_timeout(PeerTimeout::OFF)
    }

    async fn open(&self, address: &IsoTpAddress) -> Result<IsoTp<Link>, isotp::OpenError> {
        let link = address.link();
        isotp::open(link, address.isotp(), self.isotp, self.backend).await
    }

    /// A flow over `worker`, and what carries it.
    fn carry(
        &self,
        name: &Name,
        address: &IsoTpAddress,
        qos: QosSpec,
        worker: IsoTp<Link>,
        first: Option<bytes::Bytes>,
    ) -> (Flow, Carrier<Transport>) {
        let config = CarryConfig::default()
            .queue(self.queue)
            .keepalive(PeerTimeout::OFF) // there is no empty message
            .max_packet(worker.choice().limits().max_send.min(self.queue.max_packet()));
        let (flow, carrier) = carry_with(name, qos, config, |losses| Transport::new(worker, first, losses));
        let (tx, rx) = address.identifiers();
        let link = address.link().into();
        (flow.with_peer(Peer::IsoTp { link, tx, rx }), carrier)
    }
}

/// Gives flows over ISO-TP on whatever link an address names.
#[derive(Debug, Default)]
pub struct IsoTpProvider {
    config: IsoTpConfig,
    arrivals: Arrivals,
}

impl IsoTpProvider {
    /// Flows with the parameters of `isotp`'s defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// As [`new`](Self::new), with other settings.
    #[must_use]
    pub fn with_config(config: IsoTpConfig) -> Self {
        Self {
            config,
            arrivals: Arrivals::default(),
        }
    }

    async fn open(&self, name: &Name, asked: QosSpec) -> Result<Flow, AllocError> {
        let address: IsoTpAddress = name.as_str().parse()?;
        let granted = self.config.has().grant(&asked)?;
        let worker = self
            .config
            .open(&address)
            .await
            .map_err(|error| AllocError::Unreachable {
                name: name.clone(),
                reason: error.to_string().into(),
            })?;
        let (flow, carrier) = self.config.carry(name, &address, granted, worker, None);
        spawn(carrier);
        Ok(flow)
    }
}

/// Makes a flow of each conversation that another node begins, one after the other.
async fn listen(address: IsoTpAddress, door: Door, config: IsoTpConfig) {
    loop {
        let mut worker = match config.open(&address).await {
            Ok(worker) => worker,
            Err(error) => return door.fail(error.to_string().into()).await,
        };
        let first = loop {
            match worker.recv().await {
                Some(Ok(message)) => break message,
                Some(Err(error)) if transport::is_survivable(&error) => {} // no message, so no flow yet
                Some(Err(error)) => return door.fail(error.to_string().into()).await,
                None => return door.fail("the link has ended".into()).await,
            }
        };
        let has = config.has();
        let (flow, carrier) = config.carry(door.name(), &address, has, worker, Some(first));
        // of its own: what was accepted outlives the binding
        let carried = spawn(carrier);
        if !door.put(flow).await {
            return;
        }
        let _who_ended_it_is_the_flows_affair = carried.await;
    }
}

impl Provider for IsoTpProvider {
    /// Binds the two identifiers on a link. The link is opened in the background; that it cannot be opened is
    /// what [`accept`](Provider::accept) then fails with.
    ///
    /// # Errors
    ///
    /// [`BindError::Address`]; [`BindError::Layer`] outside of a tokio runtime.
    fn bind(&self, name: &Name) -> Result<(), BindError> {
        let address: IsoTpAddress = name.as_str().parse()?;
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
