//! Where streams come from and go to: addresses in text, sockets that listen, sockets that connect.
//!
//! ```text
//! unix:/run/dnstap.sock   tcp://collector:6000   tls://[2001:db8::1]:6001   file:day.fstrm   -
//! ```
//!
//! with `listen+` or `dial+` in front where the side that connects is not the usual one. Which side connects
//! says nothing about which side reads: that is the choice between [`FstrmReader`](crate::FstrmReader) and
//! [`FstrmWriter`](crate::FstrmWriter).
//!
//! Not here: files and standard input ([`file`](crate::file)), certificates (`tls`), connecting again after a
//! loss (`sender`).

mod connection;
mod dial;
mod grammar;
mod listen;
mod network;
mod peer;
#[cfg(unix)]
mod socket;

use std::io;
use std::string::String;

use thiserror::Error;

pub use connection::Connection;
pub use dial::{Connect, DEFAULT_CONNECT_TIMEOUT, DialConfig, Dialer};
pub use grammar::{Direction, Endpoint, Host, HostPort, ParseEndpointError, Place};
pub use listen::{ListenConfig, Listener};
pub use network::Keepalive;
pub use peer::Peer;

/// Why an endpoint cannot be listened on or connected to.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// The endpoint is none for this use.
    #[error("{endpoint} cannot be {} ({reason})", .wanted.past())]
    Unfit {
        /// The endpoint.
        endpoint: String,
        /// What was to be done with it.
        wanted: Direction,
        /// Why not, and what would do.
        reason: &'static str,
    },
    /// A live process listens there.
    #[error("{path}: another process listens on this socket; stop it, or choose another path")]
    InUse {
        /// The socket's path.
        path: String,
    },
    /// There is a file that is no socket; it is never removed.
    #[error("{path}: there is a file that is no socket; it is left alone, choose another path")]
    NotASocket {
        /// Its path.
        path: String,
    },
    /// The system refused.
    #[error("{what}")]
    Io {
        /// What was being done.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
}

impl EndpointError {
    pub(crate) const fn io(what: String, source: io::Error) -> Self {
        Self::Io { what, source }
    }
}

impl From<EndpointError> for io::Error {
    fn from(error: EndpointError) -> Self {
        let kind = match &error {
            EndpointError::Unfit { .. } => io::ErrorKind::InvalidInput,
            EndpointError::InUse { .. } => io::ErrorKind::AddrInUse,
            EndpointError::NotASocket { .. } => io::ErrorKind::AlreadyExists,
            EndpointError::Io { source, .. } => source.kind(),
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests;
