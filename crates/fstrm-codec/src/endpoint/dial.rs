//! Connecting.

use core::future::Future;
use core::time::Duration;
use std::format;
use std::io;
use std::string::ToString;

#[cfg(unix)]
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::grammar::{HostPort, is_dialable};
use super::network::{self, Keepalive, Options};
use super::{Connection, Direction, Endpoint, EndpointError, Place};

/// Default time for a connection to come about, names and TLS included: 5 s.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Makes connections, one after the other: what a [`sender`](crate) needs to come back after a loss.
///
/// Closures that return futures are such too, so tests connect in memory.
pub trait Connect {
    /// What carries the stream.
    type Io: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// Makes a connection.
    ///
    /// # Errors
    /// When it does not come about; the next call tries again.
    fn connect(&mut self) -> impl Future<Output = io::Result<Self::Io>> + Send;
}

impl<F, C, S> Connect for F
where
    F: FnMut() -> C + Send,
    C: Future<Output = io::Result<S>> + Send,
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    type Io = S;

    fn connect(&mut self) -> impl Future<Output = io::Result<S>> + Send {
        self()
    }
}

/// How connections are made.
#[derive(Clone, Debug)]
pub struct DialConfig {
    connect_timeout: Duration,
    options: Options,
    unix_send_buffer: Option<usize>,
    #[cfg(feature = "tls")]
    tls: Option<crate::tls::Client>,
}

impl DialConfig {
    /// The defaults: 5 s, keepalive every 30 s.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            options: Options {
                keepalive: Some(Keepalive::DEFAULT),
            },
            unix_send_buffer: None,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Longest time for a connection to come about, names and TLS included. Default 5 s; the C library waits
    /// as long as the system does.
    #[must_use]
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// When a silent TCP peer is asked whether it lives. Default every 30 s; the C library never asks.
    #[must_use]
    pub const fn keepalive(mut self, keepalive: Option<Keepalive>) -> Self {
        self.options.keepalive = keepalive;
        self
    }

    /// Bytes that a Unix socket may hold on their way to the peer, as far as the system allows. Default what
    /// the system has for all: on Linux 208 KiB.
    ///
    /// With more, who sends much and who takes it wait for each other less often. What the socket holds when
    /// the peer dies is lost.
    #[must_use]
    pub const fn unix_send_buffer(mut self, bytes: usize) -> Self {
        self.unix_send_buffer = Some(bytes);
        self
    }

    /// How the server of a `tls://` endpoint is recognised. Default not at all: such endpoints are refused.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, client: crate::tls::Client) -> Self {
        self.tls = Some(client);
        self
    }
}

impl Default for DialConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// Connects to an endpoint, as often as it is asked.
#[derive(Clone, Debug)]
pub struct Dialer {
    endpoint: Endpoint,
    config: DialConfig,
}

impl Dialer {
    /// A dialer; it connects when it is asked.
    ///
    /// # Errors
    /// When the endpoint is no socket, says `listen+`, or is not there on this system.
    pub fn new(endpoint: &Endpoint, config: DialConfig) -> Result<Self, EndpointError> {
        let unfit = |reason| EndpointError::Unfit {
            endpoint: endpoint.to_string(),
            wanted: Direction::Dial,
            reason,
        };
        if endpoint.direction == Some(Direction::Listen) {
            return Err(unfit("it says listen+"));
        }
        match &endpoint.place {
            Place::File(_) | Place::Standard => return Err(unfit("it is no socket")),
            Place::Unix(_) if !cfg!(unix) => {
                return Err(unfit("this system has no Unix sockets; use tcp://host:port"));
            }
            Place::Tcp(address) | Place::Tls(address) if !is_dialable(address) => {
                return Err(unfit("it names no machine, or no port"));
            }
            #[cfg(not(feature = "tls"))]
            Place::Tls(_) => return Err(unfit("this program was built without TLS; use the feature tls")),
            #[cfg(feature = "tls")]
            Place::Tls(_) if config.tls.is_none() => {
                return Err(unfit(
                    "nobody to trust; name the certificate of the server's authority",
                ));
            }
            #[cfg(feature = "tls")]
            Place::Tls(address) => {
                if let Some(client) = &config.tls {
                    client
                        .name_for(host_name(address))
                        .map_err(|error| EndpointError::io(endpoint.to_string(), io::Error::other(error)))?;
                }
            }
            Place::Unix(_) | Place::Tcp(_) => {}
        }
        Ok(Self {
            endpoint: endpoint.clone(),
            config,
        })
    }

    /// Where it connects to.
    #[must_use]
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Makes a connection.
    ///
    /// # Errors
    /// When the peer refuses, cannot be found, or is silent for the connect timeout. The text names the
    /// endpoint.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the attempt.
    pub async fn dial(&self) -> io::Result<Connection> {
        let attempt = timeout(self.config.connect_timeout, self.attempt());
        let outcome = attempt.await.unwrap_or_else(|_| {
            let waited = self.config.connect_timeout;
            Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no connection within {waited:?}"),
            ))
        });
        outcome.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", self.endpoint)))
    }

    async fn attempt(&self) -> io::Result<Connection> {
        match &self.endpoint.place {
            #[cfg(unix)]
            Place::Unix(path) => {
                let stream = tokio::net::UnixStream::connect(path).await?;
                if let Some(bytes) = self.config.unix_send_buffer {
                    // A wish: some systems refuse what is over their limit, Linux gives what it has.
                    let _ = SockRef::from(&stream).set_send_buffer_size(bytes);
                }
                Ok(stream.into())
            }
            Place::Tcp(address) => Ok(self.tcp(address).await?.into()),
            #[cfg(feature = "tls")]
            Place::Tls(address) => {
                let client = self.config.tls.as_ref().ok_or(io::ErrorKind::Unsupported)?;
                let name = client.name_for(host_name(address)).map_err(io::Error::other)?;
                let stream = self.tcp(address).await?;
                let connected = crate::tls::TlsConnection::connect(client.connector(), name, stream).await?;
                Ok(connected.into())
            }
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Tries one address after the other; each has its share of the time, so that a silent one leaves some
    /// to the others.
    async fn tcp(&self, address: &HostPort) -> io::Result<TcpStream> {
        let addresses = network::resolve(address).await?;
        let share = self.config.connect_timeout / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
        let mut outcome = Err(io::ErrorKind::NotFound.into());
        for address in addresses {
            outcome = timeout(share, TcpStream::connect(address))
                .await
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            if outcome.is_ok() {
                break;
            }
        }
        let stream = outcome?;
        self.config.options.apply(&stream)?;
        Ok(stream)
    }
}

/// What the server's certificate should name, unless told otherwise.
#[cfg(feature = "tls")]
fn host_name(address: &HostPort) -> &str {
    match &address.host {
        super::Host::Named(host) => host,
        super::Host::Loopback | super::Host::Any => "localhost",
    }
}

impl Connect for Dialer {
    type Io = Connection;

    fn connect(&mut self) -> impl Future<Output = io::Result<Connection>> + Send {
        self.dial()
    }
}
