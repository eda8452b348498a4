//! Endpoints as text.

use core::fmt;
use core::str::FromStr;
use std::borrow::ToOwned;
use std::path::PathBuf;
use std::string::String;

use thiserror::Error;

/// Which side opens the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Wait for peers: `listen+`.
    Listen,
    /// Connect to the peer: `dial+`.
    Dial,
}

impl Direction {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Listen => "listen+",
            Self::Dial => "dial+",
        }
    }

    pub(super) const fn past(self) -> &'static str {
        match self {
            Self::Listen => "listened on",
            Self::Dial => "connected to",
        }
    }
}

/// The machine part of a network address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// Nothing in front of the port: this machine alone.
    Loopback,
    /// `*`: every address of this machine; only to listen.
    Any,
    /// A name or an address; IPv6 without its brackets.
    Named(String),
}

/// A machine and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// The machine.
    pub host: Host,
    /// The port; 0 lets the system choose one to listen on.
    pub port: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.port;
        match &self.host {
            Host::Loopback => write!(f, ":{port}"),
            Host::Any => write!(f, "*:{port}"),
            Host::Named(host) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Host::Named(host) => write!(f, "{host}:{port}"),
        }
    }
}

/// What an endpoint is, whoever connects.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// `unix:PATH`: a stream socket in the file system.
    Unix(PathBuf),
    /// `tcp://HOST:PORT`.
    Tcp(HostPort),
    /// `tls://HOST:PORT`: TLS over TCP.
    Tls(HostPort),
    /// `file:PATH`.
    File(PathBuf),
    /// `-`: standard input or output.
    Standard,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Tls(address) => write!(f, "tls://{address}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Standard => f.write_str("-"),
        }
    }
}

/// Where a stream comes from or goes to.
///
/// ```
/// use fstrm_codec::endpoint::{Direction, Endpoint};
///
/// let endpoint: Endpoint = "listen+tcp://*:6000".parse()?;
/// assert_eq!(endpoint.direction, Some(Direction::Listen));
/// assert_eq!(endpoint.to_string(), "listen+tcp://*:6000");
///
/// let error = "tcp://collector".parse::<Endpoint>().unwrap_err();
/// assert_eq!(error.to_string(), "\"collector\" has no port; write tcp://collector:6000");
/// # Ok::<(), fstrm_codec::endpoint::ParseEndpointError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Which side connects; `None` leaves it to the use: collectors listen, senders dial.
    pub direction: Option<Direction>,
    /// Where.
    pub place: Place,
}

impl Endpoint {
    /// An endpoint whose use decides which side connects.
    #[must_use]
    pub const fn new(place: Place) -> Self {
        Self {
            direction: None,
            place,
        }
    }

    /// Which side connects, if this is a socket; `default` where the text does not say.
    #[must_use]
    pub fn direction_or(&self, default: Direction) -> Option<Direction> {
        match self.place {
            Place::Unix(_) | Place::Tcp(_) | Place::Tls(_) => Some(self.direction.unwrap_or(default)),
            Place::File(_) | Place::Standard => None,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.direction.map_or("", Direction::prefix))?;
        self.place.fmt(f)
    }
}

/// Why a text is no endpoint. Each text names the part and gives a right example.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseEndpointError {
    /// No scheme at all.
    #[error("\"{text}\" does not say what it is; write file:{text} or unix:{text}")]
    NoScheme {
        /// The text.
        text: String,
    },
    /// Nothing there.
    #[error("empty; write unix:/run/dnstap.sock, tcp://host:6000, tls://host:6000, file:PATH or -")]
    Empty,
    /// No such scheme.
    #[error("unknown scheme \"{scheme}\"; known: unix:PATH tcp://HOST:PORT tls://HOST:PORT file:PATH -")]
    UnknownScheme {
        /// The scheme.
        scheme: String,
    },
    /// `tcp:` or `tls:` without slashes.
    #[error("\"{scheme}:{rest}\" lacks its slashes; write {scheme}://{rest}")]
    NoSlashes {
        /// The scheme.
        scheme: &'static str,
        /// What follows it.
        rest: String,
    },
    /// A scheme without its path.
    #[error("{scheme}: no path; write {scheme}:{example}")]
    NoPath {
        /// The scheme.
        scheme: &'static str,
        /// How it would be right.
        example: &'static str,
    },
    /// A path that nothing can have.
    #[error("{scheme}: the path holds a zero byte; write {scheme}:/run/dnstap.sock")]
    ZeroByte {
        /// The scheme.
        scheme: &'static str,
    },
    /// No machine to connect to.
    #[error("{scheme}: no host; write {scheme}://host:6000, or {scheme}://:6000 for this machine")]
    NoHost {
        /// The scheme.
        scheme: &'static str,
    },
    /// No port.
    #[error("\"{host}\" has no port; write {scheme}://{host}:6000")]
    NoPort {
        /// The scheme.
        scheme: &'static str,
        /// What stands before it.
        host: String,
    },
    /// A port that is no number from 0 to 65535.
    #[error("port \"{port}\" is not in 0\u{2013}65535; write {scheme}://{host}:6000")]
    BadPort {
        /// The scheme.
        scheme: &'static str,
        /// What stands before it.
        host: String,
        /// The port.
        port: String,
    },
    /// An IPv6 address without brackets, or with one.
    #[error("an IPv6 address stands in brackets; write {scheme}://[::1]:6000, not \"{text}\"")]
    Brackets {
        /// The scheme.
        scheme: &'static str,
        /// The text.
        text: String,
    },
    /// Something behind the port.
    #[error("nothing may follow the port, not \"{surplus}\"; write {scheme}://host:6000")]
    Surplus {
        /// The scheme.
        scheme: &'static str,
        /// What follows.
        surplus: String,
    },
    /// A host that is no name.
    #[error("\"{host}\" is no host name; write {scheme}://host:6000")]
    BadHost {
        /// The scheme.
        scheme: &'static str,
        /// The text.
        host: String,
    },
    /// `listen+` or `dial+` before what is no socket.
    #[error("{prefix} is for sockets; write {place} alone")]
    NoDirection {
        /// The prefix.
        prefix: &'static str,
        /// What it stands before.
        place: String,
    },
    /// `dial+` to every address, or to port 0.
    #[error("{address} can be listened on, not dialed; write dial+{scheme}://host:6000")]
    NotDialable {
        /// The scheme.
        scheme: &'static str,
        /// The address.
        address: String,
    },
}

impl FromStr for Endpoint {
    type Err = ParseEndpointError;

    fn from_str(text: &str) -> Result<Self, ParseEndpointError> {
        let (direction, rest) = match text.split_once('+') {
            Some(("listen", rest)) => (Some(Direction::Listen), rest),
            Some(("dial", rest)) => (Some(Direction::Dial), rest),
            _ => (None, text),
        };
        let place = parse_place(rest)?;
        match (direction, &place) {
            (Some(direction), Place::File(_) | Place::Standard) => Err(ParseEndpointError::NoDirection {
                prefix: direction.prefix(),
                place: rest.to_owned(),
            }),
            (Some(Direction::Dial), Place::Tcp(address)) if !is_dialable(address) => {
                Err(not_dialable("tcp", rest))
            }
            (Some(Direction::Dial), Place::Tls(address)) if !is_dialable(address) => {
                Err(not_dialable("tls", rest))
            }
            _ => Ok(Self { direction, place }),
        }
    }
}

/// Whether there is one machine and one port to connect to.
pub(super) const fn is_dialable(address: &HostPort) -> bool {
    !matches!(address.host, Host::Any) && address.port != 0
}

fn not_dialable(scheme: &'static str, address: &str) -> ParseEndpointError {
    ParseEndpointError::NotDialable {
        scheme,
        address: address.to_owned(),
    }
}

fn parse_place(text: &str) -> Result<Place, ParseEndpointError> {
    match text {
        "" => return Err(ParseEndpointError::Empty),
        "-" => return Ok(Place::Standard),
        _ => {}
    }
    match text.split_once(':') {
        Some(("unix", path)) => parse_path("unix", path, "/run/dnstap.sock").map(Place::Unix),
        Some(("file", path)) => parse_path("file", path, "capture.fstrm").map(Place::File),
        Some(("tcp", rest)) => parse_network("tcp", rest).map(Place::Tcp),
        Some(("tls", rest)) => parse_network("tls", rest).map(Place::Tls),
        Some((scheme, _)) if is_scheme(scheme) => Err(ParseEndpointError::UnknownScheme {
            scheme: scheme.to_owned(),
        }),
        _ => Err(ParseEndpointError::NoScheme {
            text: text.to_owned(),
        }),
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

fn parse_path(
    scheme: &'static str,
    path: &str,
    example: &'static str,
) -> Result<PathBuf, ParseEndpointError> {
    if path.is_empty() {
        return Err(ParseEndpointError::NoPath { scheme, example });
    }
    if path.contains('\0') {
        return Err(ParseEndpointError::ZeroByte { scheme });
    }
    Ok(PathBuf::from(path))
}

fn parse_network(scheme: &'static str, rest: &str) -> Result<HostPort, ParseEndpointError> {
    let Some(address) = rest.strip_prefix("//") else {
        return Err(ParseEndpointError::NoSlashes {
            scheme,
            rest: rest.to_owned(),
        });
    };
    if let Some(surplus) = address.find(['/', '?', '#']).and_then(|at| address.get(at..)) {
        return Err(ParseEndpointError::Surplus {
            scheme,
            surplus: surplus.to_owned(),
        });
    }
    if address.is_empty() {
        return Err(ParseEndpointError::NoHost { scheme });
    }
    let brackets = || ParseEndpointError::Brackets {
        scheme,
        text: address.to_owned(),
    };
    let (host, port) = if let Some(inner) = address.strip_prefix('[') {
        let (host, behind) = inner.split_once(']').ok_or_else(brackets)?;
        // A zone, as in fe80::1%eth0, is for the resolver.
        let number = host.split('%').next().unwrap_or(host);
        number.parse::<core::net::Ipv6Addr>().map_err(|_| brackets())?;
        (Host::Named(host.to_owned()), behind.strip_prefix(':'))
    } else {
        match address.rsplit_once(':') {
            None => (parse_host(scheme, address)?, None),
            Some((host, _)) if host.contains(':') => return Err(brackets()),
            Some((host, port)) => (parse_host(scheme, host)?, Some(port)),
        }
    };
    let Some(port) = port.filter(|port| !port.is_empty()) else {
        return Err(ParseEndpointError::NoPort {
            scheme,
            host: address.trim_end_matches(':').to_owned(),
        });
    };
    // Digits alone: the standard library would take a plus sign.
    match port.parse() {
        Ok(number) if port.bytes().all(|byte| byte.is_ascii_digit()) => Ok(HostPort { host, port: number }),
        _ => Err(ParseEndpointError::BadPort {
            scheme,
            host: address
                .rsplit_once(':')
                .map_or("host", |(host, _)| host)
                .to_owned(),
            port: port.to_owned(),
        }),
    }
}

fn parse_host(scheme: &'static str, host: &str) -> Result<Host, ParseEndpointError> {
    match host {
        "" => Ok(Host::Loopback),
        "*" => Ok(Host::Any),
        name if name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte) || byte >= 0x80) =>
        {
            Ok(Host::Named(name.to_owned()))
        }
        _ => Err(ParseEndpointError::BadHost {
            scheme,
            host: host.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests;
