//! One link shared by any number of endpoints and groups.
//!
//! ```text
//!             Driver (one task): frames, time            handles
//! CanLink ◄─► link ── Endpoints behind a lock ── seats ─► Endpoint: Stream + Sink of messages
//!                                                     └─► Group: a request, answers of anybody
//! ```
//!
//! [`Network`] is what everything begins with. The driver moves frames between the link and the machine and
//! tells it the time; handles use the machine behind a lock that is held for one call, and never across a
//! wait. Each endpoint and group has a bounded inbox. A full one makes its senders wait by the protocol's own
//! means, and delays no other.
//!
//! The network lives until the last handle is dropped: [`Network`], [`Endpoint`] or [`Group`]. Then the task
//! ends, and the link is dropped. When the link ends first, each endpoint has an `Err` for its reader, then
//! the end; [`Network::closed`] tells it too.
//!
//! The link is asked for what endpoints and groups receive. With more than 64 different identifiers it is
//! left open, for filters are compared one by one, and the machine's index is not.
//!
//! On links that give own frames back once they were on the wire, that is what counts as sent; on others it
//! is that the link took the frames, and at the end of a message let go of them. There N_As covers the
//! taking, and once more for each frame that the link may still have (128 at most) the letting go. A message
//! that the link keeps for longer fails with N_TIMEOUT_A, although each of its frames was taken.

mod driver;
mod echoes;
mod endpoint;
mod filters;
mod group;
mod outbox;
mod seat;
mod sending;
mod shared;
mod waiters;

use alloc::sync::Arc;
use core::fmt;
use core::future::poll_fn;
use core::task::Poll;

use bytes::Bytes;
use can_link::link::{CanLink, OwnEcho};
use can_link::{CanFrame, Event as LinkEvent, LinkError};
pub use driver::Driver;
pub use endpoint::Endpoint;
use filters::Confirmation;
pub(crate) use group::Next;
pub use group::{Answers, Group};
pub use outbox::MAX_QUEUED;
pub use seat::{Answer, MAX_ANSWERS};
pub use sending::Sending;
use shared::{MAX_RAW, Raw, Shared, State, User, again};
use thiserror::Error;
use tokio::sync::oneshot;
use waiters::{On, Ticket};

use crate::address::{Address, TxAddress};
use crate::backend::OpenError;
use crate::channel::BytesChannel;
use crate::config::Config;
use crate::data_link::DataLink;
use crate::endpoints::{InsertError, send_only};
use crate::open::{ToLinkAddress, open_link};
use crate::responders::Responders;
use crate::stream::StreamError;

/// Why a network did not get another endpoint or group.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JoinError {
    /// It cannot be among those that are there.
    #[error(transparent)]
    Insert(#[from] InsertError),
    /// The configuration asks for frames that the link does not carry.
    #[error("the link does not carry CAN FD frames, which the configuration asks for")]
    NoFd,
    /// The link refused to change its filters, or has ended.
    #[error(transparent)]
    Link(#[from] LinkError),
}

/// Counters of a network; each endpoint has its own beside these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetworkStats {
    /// Endpoints, members of groups, and one more for each group.
    pub endpoints: usize,
    /// Received frames that somebody's address matched.
    pub frames_taken: u64,
    /// Received frames that nobody's address matched.
    pub frames_unclaimed: u64,
    /// Frames that the link reported as lost.
    pub frames_lost: u64,
    /// Events of the link that newer ones pushed out of a full queue.
    pub events_lost: u64,
    /// Messages that were refused before anything was sent, as when too many wait. Only what `start` returned
    /// tells which, and that may have been dropped.
    pub sends_refused: u64,
}

/// One link, shared by any number of endpoints.
///
/// Clones are the same network.
///
/// # Examples
/// ```
/// use can_link::StandardId;
/// use can_link::virtual_bus::VirtualBus;
/// use isotp::{Address, Config, Network};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let bus = VirtualBus::new(); // or any other link
/// let id = |raw| StandardId::new(raw).unwrap();
/// let tester = Network::new(bus.join());
/// let engine = tester.endpoint(Address::normal(id(0x7E0), id(0x7E8))?, Config::default()).await?;
/// let gearbox = tester.endpoint(Address::normal(id(0x7E1), id(0x7E9))?, Config::default()).await?;
/// # let ecus = Network::new(bus.join());
/// # let first = ecus.endpoint(engine.address().reversed(), Config::default()).await?;
/// # let second = ecus.endpoint(gearbox.address().reversed(), Config::default()).await?;
/// # tokio::spawn(async move {
/// #     while let Some(Ok(request)) = first.recv().await { first.send(request).await.unwrap(); }
/// # });
/// # tokio::spawn(async move {
/// #     while let Some(Ok(request)) = second.recv().await { second.send(request).await.unwrap(); }
/// # });
///
/// // Both at the same time, over one link.
/// let (one, two) = tokio::join!(engine.send(vec![0x22; 300]), gearbox.send(vec![0x3E, 0x00]));
/// one?;
/// two?;
/// let answer = engine.recv().await.expect("the bus is still there")?;
/// assert_eq!(answer.len(), 300);
/// # assert_eq!(gearbox.recv().await.unwrap()?.len(), 2);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Network {
    user: User,
}

impl Network {
    /// Opens the link that is named, and shares it.
    ///
    /// # Errors
    /// When the link cannot be opened.
    ///
    /// # Cancel safety
    /// When the future is dropped nothing is opened.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O and time enabled.
    pub async fn open(link: &(impl ToLinkAddress + ?Sized)) -> Result<Self, OpenError> {
        let link = link.to_link_address()?;
        Ok(Self::new(open_link(&link).await?))
    }

    /// Shares `link`, and has a task of the current tokio runtime serve it.
    ///
    /// # Panics
    /// Outside a tokio runtime, as every spawn.
    #[must_use]
    pub fn new(link: impl CanLink + 'static) -> Self {
        let (network, driver) = Self::with_driver(link);
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place where a network gets its task"
        )]
        tokio::spawn(driver);
        network
    }

    /// Shares `link`, and leaves it to the caller to run the future that serves it.
    ///
    /// Until that is polled nothing moves, and [`endpoint`](Self::endpoint) and [`group`](Self::group) wait.
    #[must_use]
    pub fn with_driver<L: CanLink>(link: L) -> (Self, Driver<L>) {
        let capabilities = link.capabilities();
        let confirmation = match capabilities.own_echo {
            OwnEcho::OnWire => Confirmation::Echo,
            _ => Confirmation::Taken,
        };
        let shared = Arc::new(Shared::new(State::new(capabilities)));
        let user = User::new(&shared);
        (Self { user }, Driver::new(link, shared, confirmation))
    }

    const fn of(user: User) -> Self {
        Self { user }
    }

    /// Adds an endpoint. From then on its frames are received.
    ///
    /// # Errors
    /// When another endpoint or a group receives its frames already, the link does not carry such frames or
    /// refuses the filters, or it has ended.
    ///
    /// # Cancel safety
    /// A dropped future leaves no endpoint behind.
    pub async fn endpoint(&self, address: Address, config: Config) -> Result<Endpoint, JoinError> {
        let (endpoint, ready) = {
            let mut state = self.user.lock();
            admit(&state, &config)?;
            let id = state.endpoints.insert(address, config)?;
            state.seat_endpoint(id);
            let ready = state.change_filters();
            drop(state);
            (Endpoint::new(id, address, self.user.clone()), ready)
        };
        settled(ready).await?;
        Ok(endpoint)
    }

    /// Adds a group: `sender` is the address of requests to everybody, `responders` tells who may answer, and
    /// `config` is for each of them.
    ///
    /// # Errors
    /// As [`endpoint`](Self::endpoint).
    ///
    /// # Cancel safety
    /// A dropped future leaves no group behind.
    pub async fn group(
        &self,
        sender: TxAddress,
        responders: Responders,
        config: Config,
    ) -> Result<Group, JoinError> {
        let (group, ready) = {
            let mut state = self.user.lock();
            admit(&state, &config)?;
            let id = state.endpoints.insert_group(sender, responders, config)?;
            let sender = state.endpoints.group(id).map(|group| group.sender());
            let sender = sender.expect("it was just inserted");
            state.seat_endpoint(sender);
            state.seat_group(id);
            let ready = state.change_filters();
            drop(state);
            (Group::new(id, sender, self.user.clone()), ready)
        };
        settled(ready).await?;
        Ok(group)
    }

    /// Sends one frame as it is, between those of the endpoints, and waits until the link has taken it.
    ///
    /// # Errors
    /// When the link refuses the frame, or has ended.
    ///
    /// # Cancel safety
    /// When the future is dropped, the frame is sent or not.
    pub async fn send_frame(&self, frame: CanFrame) -> Result<(), can_link::SendError> {
        let ticket = Ticket::new(&self.user, On::Raw);
        let mut frame = Some(frame);
        let sent = poll_fn(|cx| {
            let mut state = self.user.lock();
            if state.end.is_some() {
                return Poll::Ready(Err(can_link::SendError::Closed));
            }
            if state.raw.len() >= MAX_RAW {
                state.wait(On::Raw, ticket.number(), cx);
                return Poll::Pending;
            }
            let (reply, sent) = oneshot::channel();
            state.raw.extend(frame.take().map(|frame| Raw { frame, reply }));
            state.wake_task();
            Poll::Ready(Ok(sent))
        });
        sent.await?.await.unwrap_or(Err(can_link::SendError::Closed))
    }

    /// Sends one message to everybody, which must fit a single frame, without waiting for answers.
    ///
    /// # Errors
    /// When the message does not fit, or the link refuses the frame or has ended.
    ///
    /// # Cancel safety
    /// When the future is dropped, the frame is sent or not.
    pub async fn send_functional(
        &self,
        sender: TxAddress,
        message: impl Into<Bytes>,
        config: Config,
    ) -> Result<(), StreamError> {
        let now = tinwire_time::Instant::ZERO;
        let mut channel = BytesChannel::new(send_only(sender), config.rate_limit(None));
        channel.send_functional(now, message.into())?;
        let frame = channel.poll_transmit(now).ok_or(LinkError::Closed)?;
        let refused = |error: can_link::SendError| match error {
            can_link::SendError::Closed => LinkError::Closed,
            error => LinkError::io("sending a frame", error.into()),
        };
        Ok(self.send_frame(frame).await.map_err(refused)?)
    }

    /// The oldest event of the link that was not looked at and is not a frame: bus errors, losses, link
    /// changes. At most [`MAX_EVENTS`](crate::stream::MAX_EVENTS) are kept.
    #[must_use]
    pub fn next_link_event(&self) -> Option<LinkEvent> {
        self.user.lock().link_events.pop_front()
    }

    /// Counters since the network was made.
    #[must_use]
    pub fn stats(&self) -> NetworkStats {
        let state = self.user.lock();
        let counted = state.endpoints.stats();
        NetworkStats {
            endpoints: state.endpoints.len(),
            frames_taken: counted.frames_taken,
            frames_unclaimed: counted.frames_unclaimed,
            ..state.stats
        }
    }

    /// Waits until the link has ended, and tells why.
    ///
    /// # Cancel safety
    /// A dropped future has changed nothing.
    pub async fn closed(&self) -> LinkError {
        let ticket = Ticket::new(&self.user, On::End);
        poll_fn(|cx| {
            let mut state = self.user.lock();
            if let Some(error) = &state.end {
                return Poll::Ready(again(error));
            }
            state.wait(On::End, ticket.number(), cx);
            Poll::Pending
        })
        .await
    }

    /// Whether the link has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.user.lock().end.is_some()
    }
}

/// Whether the link can carry what a configuration asks for, while there is a link.
fn admit(state: &State, config: &Config) -> Result<(), JoinError> {
    if let Some(error) = &state.end {
        return Err(again(error).into());
    }
    match config.data_link {
        DataLink::Fd { .. } if !state.capabilities.fd() => Err(JoinError::NoFd),
        _ => Ok(()),
    }
}

/// Waits until the link delivers what is wanted.
async fn settled(ready: oneshot::Receiver<Result<(), LinkError>>) -> Result<(), LinkError> {
    ready.await.unwrap_or(Err(LinkError::Closed))
}

impl State {
    /// Has the driver tell the link what is wanted, and tells when it has.
    fn change_filters(&mut self) -> oneshot::Receiver<Result<(), LinkError>> {
        let (reply, ready) = oneshot::channel();
        self.filters_waiting.push(reply);
        self.filters_changed = true;
        self.wake_task();
        ready
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
