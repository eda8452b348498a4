//! The server: one endpoint for any number of clients.

mod config;
mod connection;
mod event;
mod listener;
#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;

use bytes::{Bytes, BytesMut};
pub use config::{DEFAULT_MAX_CLIENTS, DEFAULT_MAX_QUEUED, DEFAULT_STALL_TIMEOUT, Failures, ServerConfig};
use connection::{Connection, Input, Offered};
pub use event::{ClientId, Departure, ServerEvent, ServerStats};
use futures_core::Stream;
use futures_sink::Sink;
pub use listener::Listener;
use tokio::task::coop::poll_proceed;
use tokio::time::Sleep;
use tokio_util::codec::Encoder;

use super::LineCodec;
use crate::error::TransferError;
use crate::event::TransferId;
use crate::stream::StreamError;

/// Why an endpoint could not be opened, which is for whoever opens it to say.
pub type OpenFailure = Box<dyn core::error::Error + Send + Sync>;

/// How long nobody is accepted after that failed, which it mostly does for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Shares an ISO-TP endpoint among the clients that connect.
///
/// It needs no task of its own: whoever awaits [`next_event`](Self::next_event), again and again, moves it.
/// Everything that happens is an event.
///
/// - **Endpoint.** `open` makes it when the first client comes and it is dropped with the last one, so that
///   nobody on the bus is answered while nobody listens. It may be any stream and sink of messages:
///   [`IsoTpStream`](crate::IsoTpStream), the kernel's, or one of a shared link.
/// - **From the bus**, every client gets every message. Here this differs from the original, which forks and
///   opens a kernel socket for each client: with two of them, two flow controls answer each first frame. One
///   endpoint sends one.
/// - **To the bus**, messages are sent one at a time, the clients taking turns, each in its own order. A
///   client is not read while its message waits, so that it is slowed down and nobody else is.
/// - **A client that does not read** misses messages once [`ServerConfig::max_queued`] bytes wait for it, and
///   is turned out after [`ServerConfig::stall_timeout`]. Nobody waits for it.
/// - **A failed transfer** is an event, and closes connections only with [`Failures::HangUp`].
/// - **Malformed text** is an event, and its client stays.
///
/// Memory: for each client one message on its way to the bus (and as text, while it arrives), and
/// `max_queued` bytes of lines.
pub struct Server<L: Listener, E, F, O> {
    listener: L,
    open: F,
    /// What `open` has begun.
    opening: Option<Pin<Box<O>>>,
    config: ServerConfig,
    endpoint: Option<E>,
    /// In the order of their numbers.
    clients: Vec<Connection<L::Io>>,
    /// The last client's number.
    number: u64,
    /// With whom the round begins: a task's budget may end within a round, and that must not always be to
    /// the cost of the same clients.
    first: usize,
    /// Whose message is on its way to the bus, or was last.
    turn: ClientId,
    sending: Option<Bytes>,
    pause: Option<Pin<Box<Sleep>>>,
    events: VecDeque<ServerEvent>,
    stats: ServerStats,
}

impl<L, E, F, O> Server<L, E, F, O>
where
    L: Listener,
    E: Stream<Item = Result<Bytes, StreamError>> + Sink<Bytes, Error = StreamError> + Unpin,
    F: FnMut() -> O,
    O: Future<Output = Result<E, OpenFailure>>,
{
    /// Serves those whom `listener` brings with the endpoint that `open` makes.
    ///
    /// ```
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use can_link::StandardId;
    /// use can_link::virtual_bus::VirtualBus;
    /// use isotp::isotpserver::{Server, ServerConfig};
    /// use isotp::{Address, Config, IsoTpStream};
    ///
    /// let bus = VirtualBus::new();
    /// let address = Address::normal(StandardId::new(0x123).unwrap(), StandardId::new(0x456).unwrap())?;
    /// let open = async || Ok(IsoTpStream::new(bus.join(), address, Config::default())?);
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:2303").await?;
    /// let mut server = Server::new(listener, open, ServerConfig::default());
    /// loop {
    ///     println!("{:?}", server.next_event().await);
    /// }
    /// # }
    /// ```
    pub fn new(listener: L, open: F, config: ServerConfig) -> Self {
        Self {
            listener,
            open,
            opening: None,
            config,
            endpoint: None,
            clients: Vec::new(),
            number: 0,
            first: 0,
            turn: ClientId(0),
            sending: None,
            pause: None,
            events: VecDeque::new(),
            stats: ServerStats::default(),
        }
    }

    /// Serves until there is something to tell.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped; the server then stands still until it is asked again.
    pub async fn next_event(&mut self) -> ServerEvent {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    /// As [`next_event`](Self::next_event).
    pub fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<ServerEvent> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Poll::Ready(event);
            }
            // A single read can be worth thousands of events: other tasks get their turns between them.
            let round = ready!(poll_proceed(cx));
            let mut moved = self.accept(cx);
            moved |= self.open(cx);
            moved |= self.read(cx);
            moved |= self.serve(cx);
            for client in in_turn(&mut self.clients, self.first) {
                moved |= client.write(cx, &self.config);
            }
            self.first = self.first.wrapping_add(1);
            self.part();
            if !moved && self.events.is_empty() {
                return Poll::Pending;
            }
            round.made_progress();
        }
    }

    /// Takes a new client, if there is one.
    fn accept(&mut self, cx: &mut Context<'_>) -> bool {
        if let Some(pause) = &mut self.pause {
            if pause.as_mut().poll(cx).is_pending() {
                return false;
            }
            self.pause = None;
        }
        match self.listener.poll_accept(cx) {
            Poll::Pending => return false,
            Poll::Ready(Ok((io, peer))) => self.welcome(io, peer),
            Poll::Ready(Err(error)) => {
                self.pause = Some(Box::pin(tokio::time::sleep(ACCEPT_PAUSE)));
                self.events.push_back(ServerEvent::NotAccepted(error));
            }
        }
        true
    }

    fn welcome(&mut self, io: L::Io, peer: String) {
        let max = self.config.max_clients;
        if self.clients.len() >= max {
            self.stats.turned_away += 1;
            return self.events.push_back(ServerEvent::TurnedAway { peer, max });
        }
        self.number += 1;
        self.stats.joined += 1;
        let client = ClientId(self.number);
        self.clients.push(Connection::new(client, io, &self.config));
        self.events.push_back(ServerEvent::Joined { client, peer });
        if self.endpoint.is_none() && self.opening.is_none() {
            self.opening = Some(Box::pin((self.open)()));
        }
    }

    /// Waits for the endpoint, if somebody needs it.
    fn open(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(opening) = &mut self.opening else {
            return false;
        };
        let Poll::Ready(opened) = opening.as_mut().poll(cx) else {
            return false;
        };
        self.opening = None;
        match opened {
            Ok(endpoint) => self.endpoint = Some(endpoint),
            Err(error) => {
                self.events.push_back(ServerEvent::NotOpened(error));
                self.turn_out();
            }
        }
        true
    }

    /// Reads an item from each client.
    fn read(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = false;
        for connection in in_turn(&mut self.clients, self.first) {
            let Poll::Ready(input) = connection.poll_input(cx) else {
                continue;
            };
            moved = true;
            if let Input::Malformed(reason) = input {
                self.stats.malformed += 1;
                let client = connection.id;
                self.events.push_back(ServerEvent::Malformed { client, reason });
            }
        }
        moved
    }

    /// Moves what goes to the bus and takes what comes from there.
    fn serve(&mut self, cx: &mut Context<'_>) -> bool {
        let sent = self.send(cx);
        let started = self.start(cx);
        let received = self.receive(cx);
        sent || started || received
    }

    /// Sees whether the message under way is done.
    fn send(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(endpoint) = self.endpoint.as_mut().filter(|_| self.sending.is_some()) else {
            return false;
        };
        let Poll::Ready(flushed) = Pin::new(endpoint).poll_flush(cx) else {
            return false;
        };
        let client = self.turn;
        match (self.sending.take(), flushed) {
            (Some(message), Ok(())) => {
                self.stats.sent += 1;
                self.events.push_back(ServerEvent::Sent { client, message });
            }
            (_, Ok(())) => {}
            (_, Err(error)) => self.send_failed(client, error),
        }
        true
    }

    /// Starts the message of the client whose turn it is.
    fn start(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(endpoint) = self.endpoint.as_mut().filter(|_| self.sending.is_none()) else {
            return false;
        };
        let waits = |client: &&mut Connection<L::Io>| client.wants_to_send();
        let turn = self.turn;
        let (before, behind) = {
            let next = self.clients.partition_point(|client| client.id <= turn);
            self.clients.split_at_mut(next)
        };
        let Some(client) = behind.iter_mut().chain(before).find(waits) else {
            return false;
        };
        let Poll::Ready(ready) = Pin::new(&mut *endpoint).poll_ready(cx) else {
            return false;
        };
        let (id, message) = (client.id, client.message.take().unwrap_or_default());
        self.turn = id;
        match ready.and_then(|()| Pin::new(endpoint).start_send(message.clone())) {
            Ok(()) => self.sending = Some(message),
            Err(error) => self.send_failed(id, error),
        }
        true
    }

    /// Takes a message from the bus, if there is one.
    fn receive(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(endpoint) = &mut self.endpoint else {
            return false;
        };
        let Poll::Ready(item) = Pin::new(endpoint).poll_next(cx) else {
            return false;
        };
        match item {
            Some(Ok(message)) => self.pass_on(message),
            Some(Err(error @ StreamError::Link(_))) => self.end(Some(error)),
            Some(Err(error)) => {
                let hangs_up = fails_the_original(&error);
                self.receive_failed(error);
                if hangs_up {
                    self.hang_up_on_all();
                }
            }
            None => self.end(None),
        }
        true
    }

    fn pass_on(&mut self, message: Bytes) {
        let max = self.config.max_len;
        if self.config.failures == Failures::HangUp && message.len() > max {
            let len = |len| u32::try_from(len).unwrap_or(u32::MAX);
            let (len, max) = (len(message.len()), len(max));
            self.receive_failed(StreamError::Refused { len, max });
            return self.hang_up_on_all();
        }
        let mut line = BytesMut::new();
        // Of any length: the endpoint has limited it.
        let mut codec = LineCodec::server().max_len(usize::MAX);
        if codec.encode(message.clone(), &mut line).is_err() {
            return;
        }
        let line = line.freeze();
        let (mut clients, len) = (0, message.len());
        for connection in &mut self.clients {
            match connection.offer(&line, self.config.max_queued) {
                Offered::Queued => clients += 1,
                Offered::Late => {}
                Offered::Full => {
                    self.stats.missed += 1;
                    let client = connection.id;
                    self.events.push_back(ServerEvent::Missed { client, len });
                }
            }
        }
        self.stats.received += 1;
        self.events.push_back(ServerEvent::Received { message, clients });
    }

    fn receive_failed(&mut self, error: StreamError) {
        self.stats.receive_failed += 1;
        self.events.push_back(ServerEvent::ReceiveFailed(error));
    }

    fn send_failed(&mut self, client: ClientId, error: StreamError) {
        let is_end = matches!(error, StreamError::Link(_));
        self.stats.send_failed += 1;
        self.events.push_back(ServerEvent::SendFailed { client, error });
        if is_end {
            return self.end(None);
        }
        if self.config.failures == Failures::HangUp {
            let failed = self.clients.iter_mut().find(|connection| connection.id == client);
            if let Some(connection) = failed {
                connection.hang_up(Departure::HungUp);
            }
        }
    }

    fn hang_up_on_all(&mut self) {
        if self.config.failures == Failures::HangUp {
            for client in &mut self.clients {
                client.hang_up(Departure::HungUp);
            }
        }
    }

    /// The endpoint is gone, and its clients go with it.
    fn end(&mut self, error: Option<StreamError>) {
        self.endpoint = None;
        if let Some(message) = self.sending.take() {
            self.drop_message(self.turn, &message);
        }
        self.events.push_back(ServerEvent::EndpointEnded(error));
        self.turn_out();
    }

    /// Without an endpoint there is nothing to stay for.
    fn turn_out(&mut self) {
        for client in &mut self.clients {
            client.hang_up(Departure::NoEndpoint);
        }
    }

    /// A client's message that will not be sent.
    fn drop_message(&mut self, client: ClientId, message: &Bytes) {
        let error = StreamError::SendFailed {
            id: TransferId::default(),
            error: TransferError::Aborted,
            sent: None,
            len: u32::try_from(message.len()).unwrap_or(u32::MAX),
            cause: None,
        };
        self.stats.send_failed += 1;
        self.events.push_back(ServerEvent::SendFailed { client, error });
    }

    /// Forgets clients that are gone, and the endpoint when nobody is left.
    fn part(&mut self) {
        let sending = self.sending.as_ref().map(|_| self.turn);
        let mut left = Vec::new();
        self.clients.retain_mut(|connection| {
            let departure = connection.departure(sending == Some(connection.id));
            let stays = departure.is_none();
            left.extend(departure.map(|reason| (connection.id, connection.message.take(), reason)));
            stays
        });
        for (client, message, reason) in left {
            if let Some(message) = message {
                self.drop_message(client, &message);
            }
            self.stats.stalled += u64::from(matches!(reason, Departure::Stalled));
            self.events.push_back(ServerEvent::Left { client, reason });
        }
        if self.clients.is_empty() && self.sending.is_none() {
            self.endpoint = None;
            self.opening = None;
        }
    }
}

impl<L: Listener, E, F, O> Server<L, E, F, O> {
    /// Counters since the server was made.
    #[must_use]
    pub const fn stats(&self) -> &ServerStats {
        &self.stats
    }

    /// How many clients are connected.
    #[must_use]
    pub const fn clients(&self) -> usize {
        self.clients.len()
    }

    /// Whether a message is on its way to the bus.
    #[must_use]
    pub const fn is_sending(&self) -> bool {
        self.sending.is_some()
    }

    /// The listener.
    #[must_use]
    pub const fn listener(&self) -> &L {
        &self.listener
    }

    /// The endpoint, while there are clients.
    #[must_use]
    pub const fn endpoint(&self) -> Option<&E> {
        self.endpoint.as_ref()
    }
}

/// All of them, from a place on that may be beyond the last.
fn in_turn<T>(all: &mut [T], first: usize) -> impl Iterator<Item = &mut T> {
    let at = first.checked_rem(all.len()).unwrap_or(0);
    let (before, behind) = all.split_at_mut(at);
    behind.iter_mut().chain(before)
}

/// Whether the kernel reports such a failure of a reception, which is what ends a child of the original. It
/// says nothing of messages that it refused, or that another one cut short (ISO-TP spec ch. 11).
const fn fails_the_original(error: &StreamError) -> bool {
    let is_silent = matches!(
        error,
        StreamError::Refused { .. }
            | StreamError::Malformed(_)
            | StreamError::ReceiveFailed {
                error: TransferError::UnexpectedPdu,
                ..
            }
    );
    !is_silent
}

impl<L: Listener, E, F, O> fmt::Debug for Server<L, E, F, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("config", &self.config)
            .field("clients", &self.clients.len())
            .field("is_sending", &self.sending.is_some())
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}
