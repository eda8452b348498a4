//! Flows over CSP: `csp:ADDR:PORT?if=NAME`.
//!
//! A flow is a CSP connection, and a packet of the flow is a packet of the connection. What was asked decides
//! on the options of the connection:
//!
//! | asked | the connection has | the flow then has |
//! |---|---|---|
//! | `loss=0`, or in order | RDP | both, and a peer that is gone is noticed within RDP's connection timeout |
//! | `ber=0` | CRC32 | no bit errors |
//! | neither | nothing | whatever the links do |
//!
//! With `frct=reliable` or `frct=ordered` in the address of both ends, [FRCT](crate::frct) gives order and
//! arrival in place of RDP, over packets without: at its price of 12 bytes a packet, and with its windows of
//! 64 packets and more where RDP is used to 4.
//!
//! HMAC and encryption are not a matter of quality but of the provider's configuration
//! ([`CspConfig::connect`]), and the keys are the node's.
//!
//! Without RDP nothing tells a peer that a flow has begun or ended: it begins with the first packet, and its
//! end is not seen. An application that must know says so in its own packets, or asks for RDP. A CSP packet
//! without payload is no packet of a flow.
//!
//! The other end need not be a flow: any CSP program that connects to the port, or listens there, will do.

mod address;
mod transport;

use alloc::boxed::Box;
use alloc::string::ToString;
use core::time::Duration;

use csp_core::rt::{CallError, Connection, Listener, Node};
use csp_core::{ConnectConfig, ConnectError, Flags, SocketConfig, Switch, rdp};
use futures_core::future::BoxFuture;

pub use address::CspAddress;
use transport::Transport;

use super::arrivals::{Arrivals, Door, spawn};
use super::local::within;
use super::promised;
use crate::carrier::{CarryConfig, carry_with};
use crate::error::{AcceptError, AllocError, BindError};
use crate::flow::Flow;
use crate::frct::{self, Delivery, FrctConfig};
use crate::name::Name;
use crate::peer::Peer;
use crate::protect::Protection;
use crate::provider::Provider;
use crate::qos::{Order, PeerTimeout, QosSpec, Tolerance};
use crate::queue::QueueConfig;

/// How flows over CSP are made.
#[derive(Clone, Debug, Default)]
pub struct CspConfig {
    queue: QueueConfig,
    connect: ConnectConfig,
    socket: SocketConfig,
    rdp: rdp::Options,
    links: QosSpec,
}

impl CspConfig {
    /// Limits of each flow's queues. Default: 256 packets and 1 MiB per direction.
    #[must_use]
    pub fn queue(mut self, queue: QueueConfig) -> Self {
        self.queue = queue;
        self
    }

    /// What connections to others have beside RDP and CRC32, which follow from the quality asked: HMAC,
    /// XTEA, priority, keys. Default: nothing.
    #[must_use]
    pub fn connect(mut self, connect: ConnectConfig) -> Self {
        self.connect = connect;
        self
    }

    /// What connections from others must have. Default: anything goes.
    #[must_use]
    pub fn socket(mut self, socket: SocketConfig) -> Self {
        self.socket = socket;
        self
    }

    /// What whoever built the links promises of them: delay, bandwidth, availability, longest gap. CSP knows
    /// nothing of these, so by default none is promised, and a flow that asks for one is refused.
    #[must_use]
    pub const fn links(mut self, promised: QosSpec) -> Self {
        self.links = promised;
        self
    }

    /// The options of RDP. Default: those of libcsp.
    #[must_use]
    pub const fn rdp(mut self, rdp: rdp::Options) -> Self {
        self.rdp = rdp;
        self
    }
}

/// Gives flows over the connections of a CSP node.
#[derive(Debug)]
pub struct CspProvider {
    node: Node,
    config: CspConfig,
    arrivals: Arrivals,
}

impl CspProvider {
    /// Flows over the connections of `node`.
    #[must_use]
    pub fn new(node: Node) -> Self {
        Self::with_config(node, CspConfig::default())
    }

    /// As [`new`](Self::new), with other settings.
    #[must_use]
    pub fn with_config(node: Node, config: CspConfig) -> Self {
        Self {
            node,
            config,
            arrivals: Arrivals::default(),
        }
    }

    /// The node.
    #[must_use]
    pub const fn node(&self) -> &Node {
        &self.node
    }

    async fn connect(&self, name: &Name, asked: QosSpec) -> Result<Flow, AllocError> {
        let refused = |reason: Box<str>| AllocError::Address { reason };
        let address: CspAddress = name.as_str().parse()?;
        let remote = address
            .node()
            .ok_or_else(|| refused("a flow goes to one node; write csp:5:20".into()))?;
        address.check_interface(&self.node).map_err(|reason| {
            let name = name.clone();
            AllocError::Unreachable { name, reason }
        })?;
        let rdp = asked.loss().is_none() || asked.order() == Order::Kept;
        let options = Options {
            by: match address.frct() {
                Some(delivery) => By::Frct(delivery),
                None if rdp => By::Rdp,
                None => By::Itself,
            },
            checked: asked.ber().is_none(),
        };
        let granted = options.has(&self.config).grant(&asked)?;
        let connect = self.config.connect.clone().crc32(switch(options.checked));
        let connect = match options.by {
            By::Rdp => connect.rdp_options(self.config.rdp),
            By::Frct(_) | By::Itself => connect.rdp(Switch::Off),
        };
        let connection = self
            .node
            .connect(remote, address.port(), connect)
            .await
            .map_err(|error| alloc_error(name, &error))?;
        Ok(flow(name, granted, options.by, connection, self.config.queue))
    }
}

const fn switch(on: bool) -> Switch {
    if on { Switch::On } else { Switch::Off }
}

/// What sees to order and arrival.
#[derive(Clone, Copy, Debug)]
enum By {
    Itself,
    Rdp,
    Frct(Delivery),
}

/// What a connection is used with.
#[derive(Clone, Copy, Debug)]
struct Options {
    by: By,
    checked: bool,
}

impl Options {
    /// What a flow over it then has.
    fn has(self, config: &CspConfig) -> QosSpec {
        let raw = promised(config.links).with_timeout(PeerTimeout::OFF);
        let has = match self.checked {
            true => raw.with_ber(Tolerance::NONE),
            false => raw,
        };
        match self.by {
            By::Itself => has,
            By::Frct(Delivery::Ordered) => has.with_order(Order::Kept),
            By::Frct(Delivery::Reliable) => has.with_loss(Tolerance::NONE),
            By::Rdp => has
                .with_loss(Tolerance::NONE)
                .with_timeout(PeerTimeout::from_millis(config.rdp.connection_timeout_millis())),
        }
    }
}

fn alloc_error(name: &Name, error: &CallError<ConnectError>) -> AllocError {
    match error {
        CallError::Refused(ConnectError::TooManyConnections { max }) => AllocError::Full { max: *max },
        error => AllocError::Unreachable {
            name: name.clone(),
            reason: error.to_string().into(),
        },
    }
}

/// A flow over `connection`, carried by a task of its own.
fn flow(name: &Name, qos: QosSpec, by: By, connection: Connection, queue: QueueConfig) -> Flow {
    let peers = connection.peers();
    let peer = Peer::Csp {
        address: peers.remote.to_bits(),
        port: peers.remote_port.to_bits(),
    };
    let longest = connection.max_payload();
    let flow = if let By::Frct(_) = by {
        let config = FrctConfig::new(qos)
            .queue(queue)
            .max_message(longest.unwrap_or(usize::MAX));
        let transport = Transport::new(connection, None);
        let (flow, carrier) = frct::carry(transport, name, config, Protection::none());
        spawn(carrier);
        flow
    } else {
        // RDP has its own sign of life, and without RDP an empty packet would be a packet
        let mut config = CarryConfig::default().queue(queue).keepalive(PeerTimeout::OFF);
        if let Ok(longest) = longest {
            config = config.max_packet(longest.min(queue.max_packet()));
        }
        let transport = |losses| Transport::new(connection, Some(losses));
        let (flow, carrier) = carry_with(name, qos, config, transport);
        spawn(carrier);
        flow
    };
    flow.with_peer(peer)
}

/// Makes flows of the connections that others open to a port.
async fn listen(mut listener: Listener, frct: Option<Delivery>, door: Door, config: CspConfig) {
    loop {
        match listener.accept().await {
            Ok(connection) => {
                let flags = connection.flags().unwrap_or(Flags::NONE);
                let options = Options {
                    by: match frct {
                        _ if flags.contains(Flags::RDP) => By::Rdp,
                        Some(delivery) => By::Frct(delivery),
                        None => By::Itself,
                    },
                    checked: flags.contains(Flags::CRC32),
                };
                let has = options.has(&config);
                let flow = flow(door.name(), has, options.by, connection, config.queue);
                if !door.put(flow).await {
                    return;
                }
            }
            Err(error) => return door.fail(error.to_string().into()).await,
        }
    }
}

impl Provider for CspProvider {
    /// Binds a port: `csp:*:20`, or with the node's own address in place of the star.
    ///
    /// # Errors
    ///
    /// [`BindError::Address`] for another address, or a port that cannot be bound; [`BindError::Layer`]
    /// outside of a tokio runtime.
    fn bind(&self, name: &Name) -> Result<(), BindError> {
        let refused = |reason: alloc::string::String| BindError::Address {
            reason: reason.into(),
        };
        let address: CspAddress = name.as_str().parse()?;
        address
            .check_own(&self.node)
            .map_err(|reason| BindError::Address { reason })?;
        self.arrivals.bind(name, |door| {
            let listener = self
                .node
                .listen(address.port(), self.config.socket.clone())
                .map_err(|error| refused(error.to_string()))?;
            Ok(listen(listener, address.frct(), door, self.config.clone()))
        })
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
            within(timeout, self.connect(name, qos))
                .await
                .unwrap_or(Err(AllocError::TimedOut))
        })
    }

    fn accept(&self, timeout: Option<Duration>) -> BoxFuture<'_, Result<Flow, AcceptError>> {
        Box::pin(self.arrivals.accept(timeout))
    }
}
