//! The client: messages by way of an isotpserver.

mod config;
mod dial;
#[cfg(test)]
mod tests;

use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::fmt;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, Waker, ready};
use std::io;

use bytes::Bytes;
use can_link::LinkError;
pub use config::{ClientConfig, DEFAULT_FIRST_PAUSE, DEFAULT_LONGEST_PAUSE, Reconnect};
use dial::Dial;
use futures_core::Stream;
use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::codec::Framed;

use super::line::{Decoded, LineCodec};
use crate::error::TransferError;
use crate::event::TransferId;
use crate::stream::StreamError;
use crate::stream::wakers::{Half, Wakers};

/// A stream and sink of messages by way of an isotpserver, which owns the identifiers and all parameters.
///
/// The protocol tells less than any other link (ISO-TP spec ch. 13):
///
/// - A message counts as sent when the connection has taken it. Whether it reaches the bus is never told.
/// - The original hangs up when a transfer fails in either direction, and when it ends. Both are
///   [`StreamError::HungUp`], which ends the stream unless [`ClientConfig::reconnect`] is set; then the
///   stream goes on with the next connection, and what the server sent in between is lost.
/// - Text that is no message is an `Err` item, [`StreamError::Malformed`], and the stream goes on.
/// - There are no functional messages.
///
/// ```no_run
/// # async fn example() -> Result<(), isotp::StreamError> {
/// use isotp::isotpserver::Client;
///
/// let mut client = Client::connect("isotpserver://192.0.2.7:2303").await?;
/// client.send(vec![0x22, 0xF1, 0x90]).await?;
/// let answer = client.recv().await;
/// # Ok(()) }
/// ```
pub struct Client<T = TcpStream> {
    server: String,
    config: ClientConfig,
    connection: Connection<T>,
    /// How to connect again.
    dial: Option<Dial<T>>,
    inbox: VecDeque<Result<Bytes, StreamError>>,
    /// The length of the message that was not handed over as a whole.
    unsent: Option<u32>,
    /// Why the one before never will be, until the sink reports it.
    failure: Option<StreamError>,
    id: TransferId,
    stats: ClientStats,
    wakers: Arc<Wakers>,
    waker: Waker,
}

/// What a [`Client`] counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientStats {
    /// Messages received.
    pub received: u64,
    /// Messages handed to the connection.
    pub sent: u64,
    /// Messages that were not handed over as a whole when the connection ended.
    pub failed: u64,
    /// Items of text that were no message.
    pub malformed: u64,
    /// Connections that ended without being closed from here.
    pub hang_ups: u64,
    /// Connections made after the first one.
    pub reconnects: u64,
}

enum Connection<T> {
    Up(Framed<T, LineCodec>),
    /// As `Up`, but nothing more will be written.
    Closing(Framed<T, LineCodec>),
    Dialling,
    Gone,
}

impl Client {
    /// Connects to `host:port`, which may have `isotpserver://` in front.
    ///
    /// # Errors
    /// When that is no address, or nobody listens there.
    ///
    /// # Cancel safety
    /// The connection is given up when the future is dropped.
    pub async fn connect(server: &str) -> Result<Self, LinkError> {
        Self::connect_with(server, ClientConfig::default()).await
    }

    /// As [`connect`](Self::connect), with a configuration.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    ///
    /// # Cancel safety
    /// As [`connect`](Self::connect).
    pub async fn connect_with(server: &str, config: ClientConfig) -> Result<Self, LinkError> {
        let address = dial::address(server)?;
        let dial = dial::tcp(address.endpoint.to_string(), config.reconnect);
        let connected = dial.once().await;
        let io = connected.map_err(|error| LinkError::io(address.to_string(), error))?;
        let dial = config.reconnect.is_some().then_some(dial);
        Ok(Self::build(address.to_string(), io, config, dial))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Client<T> {
    /// Speaks to the server at the other end of `io`, which errors call `server`. It cannot reconnect.
    #[must_use]
    pub fn over(server: impl Into<String>, io: T, config: ClientConfig) -> Self {
        Self::build(server.into(), io, config, None)
    }

    fn build(server: String, io: T, config: ClientConfig, dial: Option<Dial<T>>) -> Self {
        let wakers = Arc::new(Wakers::default());
        Self {
            server,
            connection: Connection::Up(Framed::new(io, config.codec())),
            config,
            dial,
            inbox: VecDeque::new(),
            unsent: None,
            failure: None,
            id: TransferId::default(),
            stats: ClientStats::default(),
            waker: Waker::from(Arc::clone(&wakers)),
            wakers,
        }
    }

    /// The next message; `None` when the connection has ended for good.
    ///
    /// # Errors
    /// When the server hung up, or sent text that is no message.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn recv(&mut self) -> Option<Result<Bytes, StreamError>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Sends a message and waits until the connection has taken it, which says nothing about the bus.
    ///
    /// It is not affected by how earlier messages ended.
    ///
    /// # Errors
    /// When it cannot be sent, or was not handed over as a whole.
    ///
    /// # Cancel safety
    /// When the future is dropped, the message is sent not at all or goes on being handed over; should that
    /// fail, [`ClientStats::failed`] counts it and the [`Sink`] side tells it.
    pub async fn send(&mut self, message: impl Into<Bytes>) -> Result<(), StreamError> {
        let message = message.into();
        poll_fn(|cx| self.poll_free(cx)).await?;
        self.give(message)?;
        poll_fn(|cx| self.poll_given(cx)).await
    }

    /// The message that the connection has not taken as a whole, and its length.
    #[must_use]
    pub fn sending(&self) -> Option<(TransferId, u32)> {
        self.unsent.map(|len| (self.id, len))
    }

    /// The server, as errors call it.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Counters since the client was made.
    #[must_use]
    pub const fn stats(&self) -> &ClientStats {
        &self.stats
    }

    /// The longest message that can be sent, in bytes.
    #[must_use]
    pub const fn max_send(&self) -> usize {
        self.config.max_len
    }

    /// Takes the connection for ended; the sink tells what was not handed over.
    fn hang_up(&mut self, cause: Option<io::Error>) {
        if let Some(failure) = self.lose(cause) {
            self.failure = Some(failure);
        }
    }

    /// Takes the connection for ended, and gives the failure of the message that was not handed over.
    fn lose(&mut self, cause: Option<io::Error>) -> Option<StreamError> {
        let ended = core::mem::replace(&mut self.connection, Connection::Gone);
        let failure = self.unsent.take().map(|len| StreamError::SendFailed {
            id: self.id,
            error: TransferError::Link,
            sent: None,
            len,
            cause: Some(can_link::SendError::Gone),
        });
        self.stats.failed += u64::from(failure.is_some());
        let closed_here = matches!(ended, Connection::Closing(_)) && cause.is_none();
        if let Connection::Up(mut framed) | Connection::Closing(mut framed) = ended {
            // What it had sent before is not lost with it. There is no more than the socket had room for.
            let mut cx = Context::from_waker(Waker::noop());
            while let Poll::Ready(Some(Ok(decoded))) = Pin::new(&mut framed).poll_next(&mut cx) {
                let item = self.item(decoded);
                self.inbox.push_back(item);
            }
        }
        if !closed_here {
            self.stats.hang_ups += 1;
            let server = self.server.clone();
            self.inbox.push_back(Err(StreamError::HungUp { server, cause }));
            if let Some(dial) = &mut self.dial {
                dial.start();
                self.connection = Connection::Dialling;
            }
        }
        self.wakers.wake_half(Half::Reader);
        self.wakers.wake_half(Half::Writer);
        failure
    }

    fn item(&mut self, decoded: Decoded) -> Result<Bytes, StreamError> {
        match decoded {
            Decoded::Message(message) => {
                self.stats.received += 1;
                Ok(message)
            }
            Decoded::Malformed(reason) => {
                self.stats.malformed += 1;
                Err(reason.into())
            }
        }
    }

    /// Waits for a new connection, or for the end of trying.
    fn poll_dial(&mut self) -> Poll<()> {
        let Some(dial) = &mut self.dial else {
            self.connection = Connection::Gone;
            return Poll::Ready(());
        };
        // Both sides may wait for it, and the one that asked last may have stopped to.
        match ready!(dial.poll(&mut Context::from_waker(&self.waker))) {
            Ok(io) => {
                self.stats.reconnects += 1;
                self.connection = Connection::Up(Framed::new(io, self.config.codec()));
            }
            Err(error) => {
                self.connection = Connection::Gone;
                let error = LinkError::io(self.server.clone(), error);
                self.inbox.push_back(Err(error.into()));
            }
        }
        self.wakers.wake_half(Half::Reader);
        self.wakers.wake_half(Half::Writer);
        Poll::Ready(())
    }

    /// Waits until the connection would take more. The failure of what it had not taken is left to the sink.
    pub(crate) fn poll_free(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        loop {
            match ready!(self.poll_given(cx)) {
                Err(failure @ StreamError::SendFailed { .. }) => self.failure = Some(failure),
                free => return Poll::Ready(free),
            }
        }
    }

    /// Hands a message to the connection, which has to be free.
    pub(crate) fn give(&mut self, message: Bytes) -> Result<(), StreamError> {
        let Connection::Up(framed) = &mut self.connection else {
            return Err(LinkError::Closed.into());
        };
        framed.codec().check(&message)?;
        self.id = TransferId(self.id.0 + 1);
        self.unsent = Some(u32::try_from(message.len()).unwrap_or(u32::MAX));
        match Pin::new(framed).start_send(message) {
            Ok(()) => Ok(()),
            Err(error) => self.lose(Some(error)).map_or(Ok(()), Err),
        }
    }

    /// Waits until the connection has taken the message that was given last, and would take more.
    pub(crate) fn poll_given(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        loop {
            self.wakers.register(Half::Writer, cx);
            match &mut self.connection {
                Connection::Up(framed) => match ready!(Pin::new(framed).poll_flush(cx)) {
                    Ok(()) => {
                        self.stats.sent += u64::from(self.unsent.take().is_some());
                        return Poll::Ready(Ok(()));
                    }
                    Err(error) => {
                        if let Some(failure) = self.lose(Some(error)) {
                            return Poll::Ready(Err(failure));
                        }
                    }
                },
                Connection::Dialling => ready!(self.poll_dial()),
                Connection::Closing(_) => return Poll::Ready(Err(LinkError::Closed.into())),
                Connection::Gone => {
                    let link = self.server.clone();
                    return Poll::Ready(Err(LinkError::Gone { link }.into()));
                }
            }
        }
    }

    /// As [`poll_given`](Self::poll_given), for the sink, which tells the failures that nobody was told.
    fn poll_handed_over(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        if let Some(failure) = self.failure.take() {
            return Poll::Ready(Err(failure));
        }
        self.poll_given(cx)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Stream for Client<T> {
    type Item = Result<Bytes, StreamError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(item) = self.inbox.pop_front() {
                return Poll::Ready(Some(item));
            }
            self.wakers.register(Half::Reader, cx);
            match &mut self.connection {
                Connection::Up(framed) | Connection::Closing(framed) => {
                    match ready!(Pin::new(framed).poll_next(cx)) {
                        Some(Ok(decoded)) => return Poll::Ready(Some(self.item(decoded))),
                        Some(Err(error)) => self.hang_up(Some(error)),
                        None => self.hang_up(None),
                    }
                }
                Connection::Dialling => ready!(self.poll_dial()),
                Connection::Gone => return Poll::Ready(None),
            }
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Sink<Bytes> for Client<T> {
    type Error = StreamError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        self.poll_handed_over(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Bytes) -> Result<(), StreamError> {
        self.give(message)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        if self.unsent.is_none() && self.failure.is_none() {
            return Poll::Ready(Ok(()));
        }
        self.poll_handed_over(cx)
    }

    /// Says that nothing more will be sent. The server's last messages can still be received.
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        ready!(self.as_mut().poll_flush(cx))?;
        let this = &mut *self;
        this.dial = None;
        this.connection = match core::mem::replace(&mut this.connection, Connection::Gone) {
            Connection::Up(framed) | Connection::Closing(framed) => Connection::Closing(framed),
            Connection::Dialling | Connection::Gone => return Poll::Ready(Ok(())),
        };
        let Connection::Closing(framed) = &mut this.connection else {
            return Poll::Ready(Ok(()));
        };
        let closed = ready!(Pin::new(framed).poll_close(cx));
        Poll::Ready(closed.map_err(|error| LinkError::io(this.server.clone(), error).into()))
    }
}

impl<T> fmt::Debug for Client<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let connection = match &self.connection {
            Connection::Up(_) => "up",
            Connection::Closing(_) => "closing",
            Connection::Dialling => "dialling",
            Connection::Gone => "gone",
        };
        f.debug_struct("Client")
            .field("server", &self.server)
            .field("connection", &connection)
            .field("unsent", &self.unsent)
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}
