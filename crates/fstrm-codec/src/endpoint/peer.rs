//! Who is at the other end.

use core::fmt;
use core::net::SocketAddr;

/// The other end of a connection, as far as the system tells.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Peer {
    /// A process on this machine. Who it was when it connected; the number may be another's by now.
    Unix {
        /// Its process number, where the system tells.
        pid: Option<i32>,
        /// Its user, where the system tells.
        uid: Option<u32>,
    },
    /// Over TCP.
    Tcp(SocketAddr),
    /// Over TLS.
    Tls(SocketAddr),
    /// Within this process.
    Memory,
    /// It has gone already, and the system does not say who it was.
    Unknown,
}

impl Peer {
    /// The network address, unless the peer is on this machine's file system or in this process.
    #[must_use]
    pub const fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) | Self::Tls(address) => Some(*address),
            Self::Unix { .. } | Self::Memory | Self::Unknown => None,
        }
    }

    #[cfg(unix)]
    pub(super) fn of_unix(stream: &tokio::net::UnixStream) -> Self {
        let credentials = stream.peer_cred().ok();
        Self::Unix {
            // A peer in another PID namespace has no number here and is told as 0.
            pid: credentials.and_then(|it| it.pid()).filter(|pid| *pid > 0),
            uid: credentials.map(|it| it.uid()),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix { pid, uid } => {
                f.write_str("unix")?;
                if let Some(pid) = pid {
                    write!(f, " pid {pid}")?;
                }
                uid.map_or(Ok(()), |uid| write!(f, " uid {uid}"))
            }
            Self::Tcp(address) => write!(f, "tcp {address}"),
            Self::Tls(address) => write!(f, "tls {address}"),
            Self::Memory => f.write_str("memory"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}
