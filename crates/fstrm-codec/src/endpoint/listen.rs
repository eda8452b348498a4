//! Listening.

use core::pin::Pin;
use core::time::Duration;
use std::boxed::Box;
use std::format;
use std::io;
#[cfg(unix)]
use std::os::fd::OwnedFd;
use std::string::ToString;

use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;
#[cfg(unix)]
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio::time::{Sleep, sleep};

#[cfg(unix)]
use super::grammar::Host;
use super::grammar::HostPort;
use super::network::{self, Keepalive, Options};
#[cfg(unix)]
use super::socket::{self, Fate, SocketFile};
use super::{Connect, Connection, Direction, Endpoint, EndpointError, Peer, Place};

/// Callers that the system lets wait.
const BACKLOG: i32 = 1024;
/// First pause after an accept that failed; doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How often the socket's file is looked after.
#[cfg(unix)]
const LOOK: Duration = Duration::from_secs(1);

/// How sockets listen.
#[derive(Clone, Debug)]
pub struct ListenConfig {
    mode: Option<u32>,
    backlog: i32,
    options: Options,
    #[cfg(feature = "tls")]
    tls: Option<crate::tls::Server>,
}

impl ListenConfig {
    /// The defaults: permissions by the umask, 1024 waiting callers, keepalive every 30 s.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            mode: None,
            backlog: BACKLOG,
            options: Options {
                keepalive: Some(Keepalive::DEFAULT),
            },
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Permissions of a Unix socket's file, as in `0o660`. Default what the umask leaves, as
    /// `fstrm_capture`. Whoever may write it may connect.
    #[must_use]
    pub const fn mode(mut self, mode: u32) -> Self {
        self.mode = Some(mode);
        self
    }

    /// Callers that the system lets wait until they are accepted; it may have a lower limit. Default 1024.
    #[must_use]
    pub const fn backlog(mut self, callers: u16) -> Self {
        // `From` is not const; the number is never negative.
        self.backlog = callers as i32;
        self
    }

    /// When a silent TCP peer is asked whether it lives. Default every 30 s.
    #[must_use]
    pub const fn keepalive(mut self, keepalive: Option<Keepalive>) -> Self {
        self.options.keepalive = keepalive;
        self
    }

    /// What peers of a `tls://` endpoint are shown, and who gets in. Default nothing: such endpoints are
    /// refused. It has no part in `tcp://` and `unix:`.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, server: crate::tls::Server) -> Self {
        self.tls = Some(server);
        self
    }
}

impl Default for ListenConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// Waits for peers.
///
/// A Unix socket's file that a dead process left behind is taken over; the socket of a live one and a file
/// that is none are left alone, and [`bind`](Self::bind) fails. The file is removed when the listener is
/// dropped, if it is still the listener's own; when somebody else removes it, it is made anew within a second
/// of waiting in [`accept`](Self::accept).
#[derive(Debug)]
pub struct Listener {
    socket: Bound,
    endpoint: Endpoint,
    config: ListenConfig,
    /// To be waited for before the next accept, over however many calls.
    pause: Option<Pin<Box<Sleep>>>,
    /// Pause after the next failure.
    next_pause: Duration,
}

#[derive(Debug)]
enum Bound {
    #[cfg(unix)]
    Unix {
        listener: UnixListener,
        /// None for a socket that was handed over: its file is its maker's. None too once another process
        /// has put its own socket in the place.
        file: Option<SocketFile>,
        look: Interval,
    },
    Tcp(TcpListener),
}

#[cfg(unix)]
impl Bound {
    fn unix(listener: UnixListener, file: Option<SocketFile>) -> Self {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self::Unix { listener, file, look }
    }
}

impl Listener {
    /// Listens at an endpoint. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the endpoint is no socket, says `dial+`, is taken, or the system refuses.
    ///
    /// # Cancel safety
    /// Dropping the future listens nowhere.
    pub async fn bind(endpoint: &Endpoint, config: ListenConfig) -> Result<Self, EndpointError> {
        let unfit = |reason| EndpointError::Unfit {
            endpoint: endpoint.to_string(),
            wanted: Direction::Listen,
            reason,
        };
        if endpoint.direction == Some(Direction::Dial) {
            return Err(unfit("it says dial+"));
        }
        let socket = match &endpoint.place {
            Place::File(_) | Place::Standard => return Err(unfit("it is no socket")),
            #[cfg(unix)]
            Place::Unix(path) => {
                let (listener, file) = socket::bind(path, config.mode, config.backlog).await?;
                Bound::unix(listener, Some(file))
            }
            #[cfg(not(unix))]
            Place::Unix(_) => return Err(unfit("this system has no Unix sockets; use tcp://:PORT")),
            Place::Tcp(address) => Bound::Tcp(bind_tcp(endpoint, address, config.backlog).await?),
            #[cfg(not(feature = "tls"))]
            Place::Tls(_) => return Err(unfit("this program was built without TLS; use the feature tls")),
            #[cfg(feature = "tls")]
            Place::Tls(_) if config.tls.is_none() => {
                return Err(unfit("no certificate to show; name one with its key"));
            }
            #[cfg(feature = "tls")]
            Place::Tls(address) => Bound::Tcp(bind_tcp(endpoint, address, config.backlog).await?),
        };
        Ok(Self::new(socket, endpoint.clone(), config))
    }

    /// Takes a listening socket that another process opened, as systemd does: Unix or TCP, as it is.
    ///
    /// Its file, if it has one, is neither watched nor removed. It speaks TLS if the configuration says how.
    ///
    /// # Errors
    /// When it is no stream socket of either kind, or the system refuses.
    #[cfg(unix)]
    pub fn adopt(socket: OwnedFd, config: ListenConfig) -> io::Result<Self> {
        use std::os::unix::net;

        let unix = net::UnixListener::from(socket);
        let (bound, place) = match unix.local_addr() {
            Ok(address) => {
                unix.set_nonblocking(true)?;
                let path = address.as_pathname().map(Into::into).unwrap_or_default();
                let listener = UnixListener::from_std(unix)?;
                (Bound::unix(listener, None), Place::Unix(path))
            }
            Err(_) => {
                let tcp = std::net::TcpListener::from(OwnedFd::from(unix));
                tcp.set_nonblocking(true)?;
                let address = host_port(tcp.local_addr()?);
                #[cfg(feature = "tls")]
                let place = match &config.tls {
                    Some(_) => Place::Tls(address),
                    None => Place::Tcp(address),
                };
                #[cfg(not(feature = "tls"))]
                let place = Place::Tcp(address);
                (Bound::Tcp(TcpListener::from_std(tcp)?), place)
            }
        };
        Ok(Self::new(bound, Endpoint::new(place), config))
    }

    const fn new(socket: Bound, endpoint: Endpoint, config: ListenConfig) -> Self {
        Self {
            socket,
            endpoint,
            config,
            pause: None,
            next_pause: FIRST_PAUSE,
        }
    }

    /// Where it listens, with the port that the system chose where 0 was asked for.
    #[must_use]
    pub fn local_endpoint(&self) -> Endpoint {
        let mut endpoint = self.endpoint.clone();
        if let (Bound::Tcp(listener), Place::Tcp(address) | Place::Tls(address)) =
            (&self.socket, &mut endpoint.place)
            && let Ok(local) = listener.local_addr()
        {
            address.port = local.port();
        }
        endpoint
    }

    /// The next peer.
    ///
    /// # Errors
    /// What went wrong, for telling and counting: too many open files, the socket's file gone and made anew.
    /// The listener goes on; call again. A call after a failure begins with a pause, up to 1 s, so a loop
    /// around it never spins.
    ///
    /// # Cancel safety
    /// Cancel safe: no peer is lost.
    pub async fn accept(&mut self) -> io::Result<(Connection, Peer)> {
        if let Some(pause) = &mut self.pause {
            pause.await;
            self.pause = None;
        }
        let outcome = self.next_peer().await;
        match &outcome {
            Ok(_) => self.next_pause = FIRST_PAUSE,
            Err(_) => {
                self.pause = Some(Box::pin(sleep(self.next_pause)));
                self.next_pause = (self.next_pause * 2).min(LONGEST_PAUSE);
            }
        }
        outcome.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", self.endpoint)))
    }

    async fn next_peer(&mut self) -> io::Result<(Connection, Peer)> {
        match &mut self.socket {
            #[cfg(unix)]
            Bound::Unix { listener, file, look } => {
                let accepted = tokio::select! {
                    biased;
                    accepted = listener.accept() => accepted,
                    lost = watch(file.as_ref(), look) => return Err(self.recover(lost).await),
                };
                let (stream, _) = accepted?;
                let peer = Peer::of_unix(&stream);
                Ok((stream.into(), peer))
            }
            Bound::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                // A peer that has left in the meantime takes no options; reading tells that it has.
                let _ = self.config.options.apply(&stream);
                let address = network::canonical(address);
                #[cfg(feature = "tls")]
                if let (Place::Tls(_), Some(tls)) = (&self.endpoint.place, &self.config.tls) {
                    return Ok((tls.accept(stream).into(), Peer::Tls(address)));
                }
                Ok((stream.into(), Peer::Tcp(address)))
            }
        }
    }

    /// Makes the socket's file anew when it is gone; tells what has happened.
    #[cfg(unix)]
    async fn recover(&mut self, lost: Fate) -> io::Error {
        let Bound::Unix { listener, file, .. } = &mut self.socket else {
            return io::ErrorKind::Unsupported.into();
        };
        let Some(path) = file.as_ref().map(|file| file.path().to_path_buf()) else {
            return io::ErrorKind::Unsupported.into();
        };
        if lost == Fate::Replaced {
            // Dropping leaves the other one's file alone.
            *file = None;
            let told = "another process has put its own socket in the place of ours; new peers go there";
            return io::Error::new(io::ErrorKind::AddrInUse, told);
        }
        match socket::bind(&path, self.config.mode, self.config.backlog).await {
            Ok((new, new_file)) => {
                *listener = new;
                *file = Some(new_file);
                io::Error::new(
                    io::ErrorKind::NotFound,
                    "somebody has removed the socket; it was made anew",
                )
            }
            Err(error) => io::Error::other(format!("somebody has removed the socket: {error}")),
        }
    }
}

/// A connection is whoever comes next: a [`sender`](crate::sender) that listens.
impl Connect for Listener {
    type Io = Connection;

    async fn connect(&mut self) -> io::Result<Connection> {
        self.accept().await.map(|(connection, _)| connection)
    }
}

/// Completes when the socket's file is not ours any more.
#[cfg(unix)]
async fn watch(file: Option<&SocketFile>, look: &mut Interval) -> Fate {
    let Some(file) = file else {
        return core::future::pending().await;
    };
    loop {
        look.tick().await;
        let fate = file.fate();
        if fate != Fate::Ours {
            return fate;
        }
    }
}

async fn bind_tcp(
    endpoint: &Endpoint,
    address: &HostPort,
    backlog: i32,
) -> Result<TcpListener, EndpointError> {
    let failed = |error| EndpointError::io(format!("{endpoint}: cannot listen"), error);
    let mut outcome = Err(io::ErrorKind::NotFound.into());
    for address in network::resolve(address).await.map_err(failed)? {
        outcome = network::listen(address, backlog);
        if outcome.is_ok() {
            break;
        }
    }
    outcome.map_err(|error| {
        let hint = if error.kind() == io::ErrorKind::AddrNotAvailable {
            format!("{endpoint}: cannot listen on another machine's address; dial+{endpoint} connects to it")
        } else {
            format!("{endpoint}: cannot listen")
        };
        EndpointError::io(hint, error)
    })
}

#[cfg(unix)]
fn host_port(address: core::net::SocketAddr) -> HostPort {
    HostPort {
        host: if address.ip().is_unspecified() {
            Host::Any
        } else {
            Host::Named(address.ip().to_string())
        },
        port: address.port(),
    }
}
