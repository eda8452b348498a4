//! From the address of a link to an endpoint, whoever does the work.

#[cfg(all(feature = "linux", target_os = "linux"))]
mod interface;
mod sending;

use core::pin::Pin;
use core::task::{Context, Poll};
use std::boxed::Box;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

use bytes::Bytes;
use can_link::Link;
use can_link::address::{LinkAddress, SocketCanAddress};
use can_link::link::{CanLink, Echo};
use futures_core::Stream;
use futures_sink::Sink;

pub use self::sending::IsoTpSending;
use crate::address::{Address, Target};
use crate::backend::{Backend, Choice, Limits, OpenError, Reason, Worker};
use crate::config::Config;
use crate::error::SendError;
use crate::event::{Stats, TransferId};
use crate::isotpserver::Client;
#[cfg(all(feature = "linux", target_os = "linux"))]
use crate::kernel::KernelIsoTp;
use crate::payload::{self, Payload};
use crate::stream::{IsoTpStream, StreamError};

/// Something that names a link.
pub trait ToLinkAddress {
    /// The address.
    ///
    /// # Errors
    /// When it is text that names none.
    fn to_link_address(&self) -> Result<LinkAddress, OpenError>;
}

impl ToLinkAddress for LinkAddress {
    fn to_link_address(&self) -> Result<LinkAddress, OpenError> {
        Ok(self.clone())
    }
}

impl ToLinkAddress for str {
    fn to_link_address(&self) -> Result<LinkAddress, OpenError> {
        Ok(self.parse()?)
    }
}

impl ToLinkAddress for String {
    fn to_link_address(&self) -> Result<LinkAddress, OpenError> {
        self.as_str().to_link_address()
    }
}

/// Opens an endpoint on the link that is named, with the backend that is asked for.
///
/// ```
/// use can_link::StandardId;
/// use isotp::backend::{Backend, Worker};
/// use isotp::{Address, Config};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn core::error::Error>> {
/// let (request, response) = (StandardId::new(0x7E0).unwrap(), StandardId::new(0x7E8).unwrap());
/// let address = Address::normal(request, response)?;
/// let mut tester = isotp::open("virtual:garage", address, Config::default(), Backend::Auto).await?;
/// assert_eq!(tester.choice().worker(), Worker::User);
/// assert_eq!(tester.choice().to_string(), "user: the link is no CAN interface of Linux");
///
/// let mut ecu = isotp::open("virtual:garage", address.reversed(), Config::default(), Backend::User).await?;
/// let (sent, received) = tokio::join!(tester.send(vec![0x22; 200]), ecu.recv());
/// sent?;
/// assert_eq!(received.unwrap()?.len(), 200);
/// # Ok(()) }
/// ```
///
/// # Errors
/// When the link cannot be opened, or a backend that is asked for by name cannot do what is asked of it.
///
/// # Cancel safety
/// When the future is dropped nothing is opened.
///
/// # Panics
/// Outside of a tokio runtime with I/O and time enabled.
pub async fn open<A>(
    link: &A,
    address: Address,
    config: Config,
    backend: Backend,
) -> Result<IsoTp<Link>, OpenError>
where
    A: ToLinkAddress + ?Sized,
{
    let link = link.to_link_address()?;
    if let (LinkAddress::IsotpServer(_), Backend::Auto) = (&link, backend) {
        return Ok(IsoTp::from_server(Client::connect(&link.to_string()).await?));
    }
    open_with(&link, address, config, backend, async |link: &LinkAddress| {
        open_link(link).await
    })
    .await
}

/// As [`open`], with a way of your own to open the link for this library's backend. Nothing is opened when
/// the kernel works.
///
/// A link that gives back own frames tells more exactly when a message is through.
///
/// # Errors
/// As [`open`], and what `open_link` fails with.
///
/// # Cancel safety
/// When the future is dropped nothing is opened.
///
/// # Panics
/// Outside of a tokio runtime with I/O and time enabled.
pub async fn open_with<L, E, F>(
    link: &LinkAddress,
    address: Address,
    config: Config,
    backend: Backend,
    open_link: F,
) -> Result<IsoTp<L>, E>
where
    L: CanLink,
    E: From<OpenError>,
    F: AsyncFnOnce(&LinkAddress) -> Result<L, E>,
{
    let reasons = match kernel(link, &address, &config, backend)? {
        Kernel::Works(opened) => return Ok(opened),
        Kernel::Declined(reasons) => reasons,
    };
    let limits = Limits {
        max_send: usize::try_from(u32::MAX).unwrap_or(usize::MAX),
        max_send_functional: config.data_link.max_single_len(address.tx().prefix()),
        max_receive: usize::try_from(config.max_rx_len).unwrap_or(usize::MAX),
    };
    let link = open_link(link).await?;
    let stream = IsoTpStream::new(link, address, config).map_err(OpenError::Link)?;
    Ok(IsoTp {
        worker: Inner::User(Box::new(stream)),
        choice: Choice {
            worker: Worker::User,
            reasons,
            limits,
        },
    })
}

/// Opens a link for this library's backend.
pub(crate) async fn open_link(link: &LinkAddress) -> Result<Link, OpenError> {
    Ok(can_link::open(&with_echo(link.clone())).await?)
}

/// Own frames come back where the link can do that: a message is through when its last frame was on the wire.
fn with_echo(mut link: LinkAddress) -> LinkAddress {
    match &mut link {
        LinkAddress::SocketCan(address) => address.own = Echo::On,
        LinkAddress::Virtual(address) => address.own = true,
        LinkAddress::Bus(address) => address.own = true,
        _ => {}
    }
    link
}

/// What the kernel says to an endpoint.
enum Kernel<T> {
    #[cfg_attr(
        not(all(feature = "linux", target_os = "linux")),
        expect(dead_code, reason = "there is no kernel that could work")
    )]
    Works(T),
    /// It does not, or was not asked.
    Declined(Vec<Reason>),
}

#[cfg(all(feature = "linux", target_os = "linux"))]
fn kernel_on<L>(
    interface: &SocketCanAddress,
    address: &Address,
    config: &Config,
    backend: Backend,
) -> Result<Kernel<IsoTp<L>>, OpenError> {
    Ok(match interface::ask(interface, address, config, backend)? {
        Kernel::Works((socket, reasons)) => Kernel::Works(IsoTp::from_kernel(socket, reasons)),
        Kernel::Declined(reasons) => Kernel::Declined(reasons),
    })
}

#[cfg(not(all(feature = "linux", target_os = "linux")))]
fn kernel_on<L>(
    interface: &SocketCanAddress,
    _address: &Address,
    _config: &Config,
    backend: Backend,
) -> Result<Kernel<IsoTp<L>>, OpenError> {
    match backend {
        Backend::Kernel => Err(OpenError::NotHere {
            link: interface.to_string(),
            wanted: Worker::Kernel,
            reason: Reason::NotBuilt,
        }),
        _ => Ok(Kernel::Declined(vec![Reason::NotBuilt])),
    }
}

/// Asks for the kernel's endpoint.
fn kernel<L>(
    link: &LinkAddress,
    address: &Address,
    config: &Config,
    backend: Backend,
) -> Result<Kernel<IsoTp<L>>, OpenError> {
    let not_here = |wanted, reason| {
        let link = link.to_string();
        Err(OpenError::NotHere { link, wanted, reason })
    };
    let reason = match (link, backend) {
        (LinkAddress::IsotpServer(_), Backend::Kernel) => {
            return not_here(Worker::Kernel, Reason::CarriesMessages);
        }
        (LinkAddress::IsotpServer(_), Backend::User) => {
            return not_here(Worker::User, Reason::CarriesMessages);
        }
        (_, Backend::User) => Reason::Asked,
        (LinkAddress::SocketCan(interface), _) => return kernel_on(interface, address, config, backend),
        (_, Backend::Kernel) => return not_here(Worker::Kernel, Reason::NoInterface),
        (_, Backend::Auto) => Reason::NoInterface,
    };
    Ok(Kernel::Declined(vec![reason]))
}

/// A stream and sink of whole messages, whoever does the work: this library, the kernel, or a server.
///
/// Each item of the [`Stream`] is a message or the failure of one; the [`Sink`] takes one message at a time,
/// and flushing it waits until that is through. Reading and writing may happen in two tasks
/// (`StreamExt::split`). [`choice`](Self::choice) tells who works, why, and how long messages may be.
#[derive(Debug)]
pub struct IsoTp<L = Link> {
    worker: Inner<L>,
    choice: Choice,
}

#[derive(Debug)]
enum Inner<L> {
    User(Box<IsoTpStream<L>>),
    #[cfg(all(feature = "linux", target_os = "linux"))]
    Kernel(Box<KernelIsoTp>),
    Server(Box<Client>),
}

/// The same call for every kind of worker.
macro_rules! each {
    ($inner:expr, $worker:pat => $call:expr) => {
        match $inner {
            Inner::User($worker) => $call,
            #[cfg(all(feature = "linux", target_os = "linux"))]
            Inner::Kernel($worker) => $call,
            Inner::Server($worker) => $call,
        }
    };
}

impl<L> IsoTp<L> {
    /// Which backend works, why, and with what limits.
    #[must_use]
    pub const fn choice(&self) -> &Choice {
        &self.choice
    }

    /// This library's stream, if that is who works: it tells more than others.
    #[must_use]
    pub const fn as_user(&mut self) -> Option<&mut IsoTpStream<L>> {
        match &mut self.worker {
            Inner::User(stream) => Some(stream),
            _ => None,
        }
    }

    /// The kernel's stream, if that is who works.
    #[cfg(all(feature = "linux", target_os = "linux"))]
    #[must_use]
    pub const fn as_kernel(&mut self) -> Option<&mut KernelIsoTp> {
        match &mut self.worker {
            Inner::Kernel(socket) => Some(socket),
            _ => None,
        }
    }

    fn from_server(client: Client) -> Self {
        let max = client.max_send();
        Self {
            choice: Choice {
                worker: Worker::Server,
                reasons: vec![Reason::CarriesMessages],
                limits: Limits {
                    max_send: max,
                    max_send_functional: 0,
                    max_receive: max,
                },
            },
            worker: Inner::Server(Box::new(client)),
        }
    }

    #[cfg(all(feature = "linux", target_os = "linux"))]
    fn from_kernel(socket: KernelIsoTp, reasons: Vec<Reason>) -> Self {
        Self {
            choice: Choice {
                worker: Worker::Kernel,
                reasons,
                limits: socket.limits(),
            },
            worker: Inner::Kernel(Box::new(socket)),
        }
    }
}

/// A server's client with the same face as the others.
impl<L> From<Client> for IsoTp<L> {
    fn from(client: Client) -> Self {
        Self::from_server(client)
    }
}

impl<L: CanLink> IsoTp<L> {
    /// The next message; `None` when the link has ended.
    ///
    /// # Errors
    /// When a message failed, or the link did.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn recv(&mut self) -> Option<Result<Bytes, StreamError>> {
        each!(&mut self.worker, worker => worker.recv().await)
    }

    /// The next message, and whether it was for this node or for all; `None` when the link has ended.
    ///
    /// # Errors
    /// When a message failed, or the link did.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn recv_with_target(&mut self) -> Option<Result<(Target, Bytes), StreamError>> {
        match &mut self.worker {
            Inner::User(stream) => stream.recv_with_target().await,
            #[cfg(all(feature = "linux", target_os = "linux"))]
            Inner::Kernel(socket) => socket.recv_with_target().await,
            Inner::Server(client) => {
                let item = client.recv().await?;
                Some(item.map(|message| (Target::Physical, message)))
            }
        }
    }

    /// Starts a message to one node and shows how it gets on.
    ///
    /// It is not affected by how earlier messages ended. The end of a message whose handle was dropped is
    /// counted in [`stats`](Self::stats); what else is told of it depends on the worker: an event of this
    /// library's stream, or an error of the [`Sink`] side.
    pub fn start(&mut self, message: impl Into<Bytes>) -> IsoTpSending<'_, L> {
        match &mut self.worker {
            Inner::User(stream) => IsoTpSending::user(stream.start(message)),
            #[cfg(all(feature = "linux", target_os = "linux"))]
            Inner::Kernel(socket) => IsoTpSending::kernel(socket.start(message)),
            Inner::Server(client) => IsoTpSending::server(client, Ok(message.into())),
        }
    }

    /// Starts a message to one node whose bytes `source` produces, and shows how it gets on.
    ///
    /// This library sends them as they are produced. The kernel and a server take whole messages, so for them
    /// the source is read to its end first, here and now, unless the message is longer than they can send:
    /// [`choice`](Self::choice) tells the limit.
    pub fn start_from(&mut self, source: impl Payload + Send + 'static) -> IsoTpSending<'_, L> {
        match &mut self.worker {
            Inner::User(stream) => IsoTpSending::user(stream.start_from(source)),
            #[cfg(all(feature = "linux", target_os = "linux"))]
            Inner::Kernel(socket) => IsoTpSending::kernel(socket.start_from(source)),
            Inner::Server(client) => {
                let message = payload::collect(source, client.max_send());
                IsoTpSending::server(client, message)
            }
        }
    }

    /// Starts a message to all nodes, which must fit a single frame, and shows how it gets on.
    pub fn start_functional(&mut self, message: impl Into<Bytes>) -> IsoTpSending<'_, L> {
        match &mut self.worker {
            Inner::User(stream) => IsoTpSending::user(stream.start_functional(message)),
            #[cfg(all(feature = "linux", target_os = "linux"))]
            Inner::Kernel(socket) => IsoTpSending::kernel(socket.start_functional(message)),
            Inner::Server(client) => IsoTpSending::server(client, Err(SendError::NoFunctional.into())),
        }
    }

    /// Sends a message to one node and waits until it is through.
    ///
    /// # Errors
    /// When it cannot be sent, or failed on the way.
    ///
    /// # Cancel safety
    /// When the future is dropped, the message is sent not at all or under way, and then goes on being sent.
    pub async fn send(&mut self, message: impl Into<Bytes>) -> Result<(), StreamError> {
        self.start(message).done().await
    }

    /// Sends a message to one node whose bytes `source` produces meanwhile, and waits until it is on the bus
    /// as a whole.
    ///
    /// # Errors
    /// As [`send`](Self::send), and when the source ended early or failed:
    /// [`TransferError::SourceEnded`](crate::TransferError::SourceEnded) or
    /// [`SourceFailed`](crate::TransferError::SourceFailed).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn send_from(&mut self, source: impl Payload + Send + 'static) -> Result<(), StreamError> {
        self.start_from(source).done().await
    }

    /// Sends a message to all nodes, which must fit a single frame, and waits until it is through.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn send_functional(&mut self, message: impl Into<Bytes>) -> Result<(), StreamError> {
        self.start_functional(message).done().await
    }

    /// Ends the message that is being sent, if any, as failed, and tells whether it did. What the kernel has
    /// begun, and what a server was given, they end themselves: then this is false.
    pub fn abort_send(&mut self) -> bool {
        match &mut self.worker {
            Inner::User(stream) => stream.abort_send(),
            #[cfg(all(feature = "linux", target_os = "linux"))]
            Inner::Kernel(socket) => socket.abort_send(),
            Inner::Server(_) => false,
        }
    }

    /// The message being sent, how many of its bytes were handed to the link, and its length. The kernel and
    /// a server do not tell how far it got.
    #[must_use]
    pub fn sending(&self) -> Option<(TransferId, Option<u32>, u32)> {
        match &self.worker {
            Inner::User(stream) => stream.sending().map(|(id, sent, len)| (id, Some(sent), len)),
            #[cfg(all(feature = "linux", target_os = "linux"))]
            Inner::Kernel(socket) => socket.sending().map(|(id, len)| (id, None, len)),
            Inner::Server(client) => client.sending().map(|(id, len)| (id, None, len)),
        }
    }

    /// How many bytes of the message being received are there, and its length. The kernel and a server show
    /// whole messages only.
    #[must_use]
    pub fn receiving(&self) -> Option<(u32, u32)> {
        match &self.worker {
            Inner::User(stream) => stream.receiving(),
            #[cfg(all(feature = "linux", target_os = "linux"))]
            Inner::Kernel(_) => None,
            Inner::Server(_) => None,
        }
    }

    /// Counters since it was opened. The kernel and a server let messages be counted and nothing else.
    #[must_use]
    pub fn stats(&self) -> Stats {
        match &self.worker {
            Inner::User(stream) => *stream.stats(),
            #[cfg(all(feature = "linux", target_os = "linux"))]
            Inner::Kernel(socket) => *socket.stats(),
            Inner::Server(client) => Stats {
                messages_sent: client.stats().sent,
                messages_received: client.stats().received,
                sends_failed: client.stats().failed,
                ignored_malformed: client.stats().malformed,
                ..Stats::default()
            },
        }
    }
}

impl<L: CanLink> Stream for IsoTp<L> {
    type Item = Result<Bytes, StreamError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        each!(&mut self.worker, worker => Pin::new(&mut **worker).poll_next(cx))
    }
}

impl<L: CanLink> Sink<Bytes> for IsoTp<L> {
    type Error = StreamError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        each!(&mut self.worker, worker => Pin::new(&mut **worker).poll_ready(cx))
    }

    fn start_send(mut self: Pin<&mut Self>, message: Bytes) -> Result<(), StreamError> {
        each!(&mut self.worker, worker => Pin::new(&mut **worker).start_send(message))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        each!(&mut self.worker, worker => Pin::new(&mut **worker).poll_flush(cx))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        each!(&mut self.worker, worker => Pin::new(&mut **worker).poll_close(cx))
    }
}

#[cfg(test)]
mod tests;
