//! One connection, whatever carries it.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::io::{self, IoSlice};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use super::Peer;
use super::network::canonical;

/// A connection over a Unix socket, TCP, TLS, or within this process.
///
/// Reads, writes and vectored writes are passed through.
#[derive(Debug)]
pub struct Connection(Carrier);

#[derive(Debug)]
enum Carrier {
    #[cfg(unix)]
    Unix(UnixStream),
    Tcp(TcpStream),
    #[cfg(feature = "tls")]
    Tls(crate::tls::TlsConnection),
    Memory(DuplexStream),
}

impl Connection {
    /// Both ends of a connection within this process; `capacity` bytes wait between them each way.
    #[must_use]
    pub fn pair(capacity: usize) -> (Self, Self) {
        let (one, other) = tokio::io::duplex(capacity);
        (Self(Carrier::Memory(one)), Self(Carrier::Memory(other)))
    }

    /// Who is at the other end.
    #[must_use]
    pub fn peer(&self) -> Peer {
        let address = |stream: &TcpStream| stream.peer_addr().map(canonical);
        match &self.0 {
            #[cfg(unix)]
            Carrier::Unix(stream) => Peer::of_unix(stream),
            Carrier::Tcp(stream) => address(stream).map_or(Peer::Unknown, Peer::Tcp),
            #[cfg(feature = "tls")]
            Carrier::Tls(stream) => stream.peer_addr().map(canonical).map_or(Peer::Unknown, Peer::Tls),
            Carrier::Memory(_) => Peer::Memory,
        }
    }

    fn carrier(self: Pin<&mut Self>) -> &mut Carrier {
        &mut self.get_mut().0
    }
}

#[cfg(unix)]
impl From<UnixStream> for Connection {
    fn from(stream: UnixStream) -> Self {
        Self(Carrier::Unix(stream))
    }
}

impl From<TcpStream> for Connection {
    fn from(stream: TcpStream) -> Self {
        Self(Carrier::Tcp(stream))
    }
}

#[cfg(feature = "tls")]
impl From<crate::tls::TlsConnection> for Connection {
    fn from(stream: crate::tls::TlsConnection) -> Self {
        Self(Carrier::Tls(stream))
    }
}

/// Calls the carrier's own method of that name.
macro_rules! carry {
    ($carrier:expr, $stream:ident => $call:expr) => {
        match $carrier {
            #[cfg(unix)]
            Carrier::Unix($stream) => $call,
            Carrier::Tcp($stream) => $call,
            #[cfg(feature = "tls")]
            Carrier::Tls($stream) => $call,
            Carrier::Memory($stream) => $call,
        }
    };
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        carry!(self.carrier(), stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        carry!(self.carrier(), stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        carry!(self.carrier(), stream => Pin::new(stream).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        carry!(&self.0, stream => stream.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        carry!(self.carrier(), stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        carry!(self.carrier(), stream => Pin::new(stream).poll_shutdown(cx))
    }
}
