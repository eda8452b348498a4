//! Where clients come from.

use alloc::string::{String, ToString};
use core::task::{Context, Poll};
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

/// Whoever has new connections for a [`Server`](super::Server): TCP, or whatever carries bytes.
pub trait Listener {
    /// A connection.
    type Io: AsyncRead + AsyncWrite + Unpin;

    /// The next connection and the name of its other end.
    ///
    /// # Errors
    /// When a connection could not be accepted. The server asks again after a pause.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(Self::Io, String)>>;
}

impl Listener for TcpListener {
    type Io = TcpStream;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, String)>> {
        Self::poll_accept(self, cx).map_ok(|(stream, peer)| {
            // A line is a whole message: nothing will follow that it could wait for. A connection on which
            // that cannot be said is slower, or gone already.
            let _ = stream.set_nodelay(true);
            (stream, peer.to_string())
        })
    }
}
