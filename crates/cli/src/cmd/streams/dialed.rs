//! Streams that we connect to and read: to the collector, peers that come one at a time.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::io::{self, IoSlice};

use fstrm_codec::collector::Accept;
use fstrm_codec::endpoint::{Connection, Dialer, Peer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{mpsc, oneshot};

use super::{Arrival, Redial};
use crate::failure::{Code, Failure};

/// Connects, waits until the connection is over, and connects again, if that is wanted.
#[derive(Debug)]
pub(super) struct Dialed {
    dialer: Dialer,
    redial: Redial,
    /// Ends with the connection at hand.
    over: Option<oneshot::Receiver<()>>,
    /// Held while something may come.
    arrivals: Option<mpsc::Sender<Arrival>>,
}

impl Dialed {
    pub(super) const fn new(dialer: Dialer, redial: Redial, arrivals: mpsc::Sender<Arrival>) -> Self {
        Self {
            dialer,
            redial,
            over: None,
            arrivals: Some(arrivals),
        }
    }
}

impl Accept for Dialed {
    type Io = Lasting;

    async fn accept(&mut self) -> io::Result<(Lasting, Peer)> {
        if let Some(over) = &mut self.over {
            // The other end is dropped, never used.
            let _ = over.await;
            self.over = None;
            if self.redial == Redial::Never {
                self.arrivals = None;
            }
        }
        let Some(arrivals) = &self.arrivals else {
            return core::future::pending().await;
        };
        match self.dialer.dial().await {
            Ok(connection) => {
                let (end, over) = oneshot::channel();
                self.over = Some(over);
                let peer = connection.peer();
                let io = Lasting {
                    connection,
                    _end: end,
                };
                Ok((io, peer))
            }
            Err(error) if self.redial == Redial::Always => Err(error),
            Err(error) => {
                let failure = Failure::caused(Code::CannotOpen, error);
                // Nobody listens any more when the command has all it wants.
                let _ = arrivals.send(Arrival::Failed(failure)).await;
                self.arrivals = None;
                core::future::pending().await
            }
        }
    }
}

/// A connection whose end is noticed.
#[derive(Debug)]
pub(super) struct Lasting {
    connection: Connection,
    _end: oneshot::Sender<()>,
}

impl Lasting {
    fn inner(self: Pin<&mut Self>) -> Pin<&mut Connection> {
        Pin::new(&mut self.get_mut().connection)
    }
}

impl AsyncRead for Lasting {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_read(cx, buf)
    }
}

impl AsyncWrite for Lasting {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.inner().poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.inner().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_shutdown(cx)
    }
}
