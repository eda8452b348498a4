//! A TLS connection; one that was accepted does its handshake on the way.

use core::net::SocketAddr;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::boxed::Box;
use std::format;
use std::io::{self, IoSlice};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::{Accept, TlsConnector, TlsStream};

use super::fault::explain;

/// Bytes over TLS over TCP.
#[derive(Debug)]
pub(crate) struct TlsConnection(State);

enum State {
    Handshake {
        accept: Box<Accept<TcpStream>>,
        timeout: Duration,
        alarm: Pin<Box<Sleep>>,
    },
    Open(Box<TlsStream<TcpStream>>),
    /// The handshake has failed, and the error was told.
    Failed,
}

impl core::fmt::Debug for State {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Handshake { .. } => "Handshake",
            Self::Open(_) => "Open",
            Self::Failed => "Failed",
        })
    }
}

impl TlsConnection {
    pub(super) fn accepting(accept: Accept<TcpStream>, timeout: Duration) -> Self {
        Self(State::Handshake {
            accept: Box::new(accept),
            timeout,
            alarm: Box::pin(sleep(timeout)),
        })
    }

    /// Does the handshake over `stream`.
    pub(crate) async fn connect(
        connector: TlsConnector,
        name: ServerName<'static>,
        stream: TcpStream,
    ) -> io::Result<Self> {
        match connector.connect(name, stream).await {
            Ok(stream) => Ok(Self(State::Open(Box::new(stream.into())))),
            Err(error) => Err(explain(error)),
        }
    }

    /// The other end's address.
    pub(crate) fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            State::Handshake { accept, .. } => accept.get_ref().map(TcpStream::peer_addr),
            State::Open(stream) => Some(stream.get_ref().0.peer_addr()),
            State::Failed => None,
        }
        .unwrap_or_else(|| Err(io::ErrorKind::NotConnected.into()))
    }

    /// The stream, once the handshake is done.
    fn poll_open(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Pin<&mut TlsStream<TcpStream>>>> {
        let state = &mut self.get_mut().0;
        if let State::Handshake {
            accept,
            timeout,
            alarm,
        } = state
        {
            let outcome = match Pin::new(accept).poll(cx) {
                Poll::Ready(outcome) => outcome.map_err(explain),
                Poll::Pending => {
                    ready!(alarm.as_mut().poll(cx));
                    let what = format!("no TLS handshake within {timeout:?}");
                    Err(io::Error::new(io::ErrorKind::TimedOut, what))
                }
            };
            match outcome {
                Ok(stream) => *state = State::Open(Box::new(stream.into())),
                Err(error) => {
                    *state = State::Failed;
                    return Poll::Ready(Err(error));
                }
            }
        }
        Poll::Ready(match state {
            State::Open(stream) => Ok(Pin::new(stream)),
            State::Handshake { .. } | State::Failed => Err(io::ErrorKind::NotConnected.into()),
        })
    }
}

impl AsyncRead for TlsConnection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = ready!(ready!(self.poll_open(cx))?.poll_read(cx, buf));
        Poll::Ready(match read {
            // The peer closed without saying so in TLS. STOP tells a whole stream from a cut one, and it
            // came through TLS, so nothing can be cut off unseen.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
            read => read.map_err(explain),
        })
    }
}

impl AsyncWrite for TlsConnection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_open(cx))?.poll_write(cx, buf).map_err(explain)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_open(cx))?
            .poll_write_vectored(cx, bufs)
            .map_err(explain)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_open(cx))?.poll_flush(cx).map_err(explain)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_open(cx))?.poll_shutdown(cx).map_err(explain)
    }
}
