//! The same face over the kernel's own ISO-TP.

pub(crate) mod options;
mod outcome;
mod sending;

use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::string::String;

use bytes::Bytes;
use can_link::linux::{IsoTpError, IsoTpOptions, IsoTpSocket, IsoTpSupport};
use can_link::{Id, LinkError};
use futures_core::Stream;
use futures_sink::Sink;

use self::options::{lacks, options, too_long};
use self::outcome::{receive_error, send_error};
pub use self::sending::KernelSending;
use crate::address::{Address, Target};
use crate::backend::{Lack, Limits, OpenError};
use crate::config::{Config, Role};
use crate::error::SendError;
use crate::event::{Stats, TransferId};
use crate::payload::{self, Payload};
use crate::stream::StreamError;

/// A stream and sink of whole messages over `CAN_ISOTP` sockets of Linux.
///
/// The kernel cuts and joins the messages, so no frame costs a system call; in return it tells less than
/// [`IsoTpStream`](crate::IsoTpStream) and has its own rules (ISO-TP spec ch. 9 and 11):
///
/// - N_Bs and N_Cr are 1 s and N_As is 2 s, fixed. A message that finds no room in the interface's queue for
///   as long, or for a send timeout that was set, fails with N_TIMEOUT_A. It never sends WAIT: messages that
///   nobody takes are kept up to 2 MiB, and lost in silence beyond. How long they may be,
///   [`limits`](Self::limits) tells.
/// - It ignores malformed frames silently, and reports neither how far a failed message got, nor why a
///   sequence number was wrong, nor messages that it refused or that another one interrupted. [`Stats`] has
///   what can be counted here: messages.
/// - Some kernels end a message in silence when it is answered with a reserved flow status: it counts as
///   sent.
/// - A message that the kernel has taken cannot be stopped. Dropping this never waits for it.
/// - One socket is one pair of identifiers. In the fixed addressing modes all frames have to have the
///   priority of the address.
/// - With CAN FD it takes CAN FD frames only, else classic ones only.
///
/// Functional messages have sockets of their own: one to send, opened when the first is sent, and one to
/// receive where the address accepts them. Reading and writing may happen in two tasks (`StreamExt::split`).
#[derive(Debug)]
pub struct KernelIsoTp {
    physical: IsoTpSocket,
    to_all: ToAll,
    from_all: Option<IsoTpSocket>,
    /// Whether the last message came from all; the next look is at the other socket first.
    from_all_last: bool,
    role: Role,
    max_rx_len: u32,
    /// The message that the sink was given, to hand over next.
    pending: Option<Bytes>,
    /// The failure of a message of the sink, or of one whose states nobody looks at, until it is reported.
    failure: Option<StreamError>,
    /// To whom the message under way goes.
    under_way: Option<Target>,
    id: TransferId,
    len: u32,
    ended: bool,
    stats: Stats,
}

/// The socket for functional messages.
#[derive(Debug)]
enum ToAll {
    /// What it will be opened with.
    Closed(IsoTpOptions),
    Open(IsoTpSocket),
}

impl KernelIsoTp {
    /// Opens a socket on `interface`.
    ///
    /// The kernel's extra gap before each consecutive frame (`frame_txtime`) is zero, and block size and
    /// separation time are taken from every flow control where the kernel can do that.
    ///
    /// # Errors
    /// [`OpenError::KernelLacks`] when the kernel cannot do what `address` or `config` asks for, before any
    /// socket is bound; otherwise as [`IsoTpOptions::bind`].
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O and time enabled.
    pub fn open(interface: &str, address: &Address, config: &Config) -> Result<Self, OpenError> {
        let lacks = lacks(address, config, &IsoTpSupport::ask()?);
        if lacks.iter().any(Lack::is_total) {
            let link = interface.into();
            return Err(OpenError::KernelLacks { link, lacks });
        }
        Self::open_with(interface, address, config, |options| options)
    }

    /// Opens what lacks nothing that matters, with `adjust` applied to the options of its sockets.
    pub(crate) fn open_with(
        interface: &str,
        address: &Address,
        config: &Config,
        adjust: impl Fn(IsoTpOptions) -> IsoTpOptions,
    ) -> Result<Self, OpenError> {
        let Some(options) = options(address, config) else {
            return Err(LinkError::unsupported("the kernel has no such frame length").into());
        };
        let mut opened = Self::bind(interface, adjust(options.physical), options.to_all)?;
        if let Some(lack) = too_long(config, opened.physical.max_receive()) {
            let (link, lacks) = (interface.into(), [lack].into());
            return Err(OpenError::KernelLacks { link, lacks });
        }
        let from_all = options.from_all.map(|options| adjust(options).bind(interface));
        opened.from_all = from_all.transpose()?;
        opened.max_rx_len = config.max_rx_len;
        opened.role = config.role;
        Ok(opened)
    }

    /// Opens a socket with any options that the kernel has; functional messages go out with `to_all`.
    ///
    /// # Errors
    /// As [`IsoTpOptions::bind`].
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O and time enabled.
    pub fn bind(interface: &str, options: IsoTpOptions, to_all: impl Into<Id>) -> Result<Self, LinkError> {
        Ok(Self {
            to_all: ToAll::Closed(options.functional(to_all)),
            physical: options.bind(interface)?,
            from_all: None,
            from_all_last: false,
            role: Role::Endpoint,
            max_rx_len: u32::MAX,
            pending: None,
            failure: None,
            under_way: None,
            id: TransferId(0),
            len: 0,
            ended: false,
            stats: Stats::default(),
        })
    }

    /// How long messages may be, as this kernel tells.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            max_send: self.max_send(),
            max_send_functional: self.physical.single_frame_len(),
            max_receive: self.max_receive(),
        }
    }

    /// The longest message that the kernel sends, in bytes.
    #[must_use]
    pub const fn max_send(&self) -> usize {
        self.physical.max_send()
    }

    /// The longest message that is received, in bytes: the kernel's limit, or the configured one.
    #[must_use]
    pub fn max_receive(&self) -> usize {
        let configured = usize::try_from(self.max_rx_len).unwrap_or(usize::MAX);
        self.physical.max_receive().min(configured)
    }

    /// The interface.
    #[must_use]
    pub fn interface(&self) -> &str {
        self.physical.interface()
    }

    /// Counters since the socket was opened: those of messages. The kernel tells nothing of frames.
    #[must_use]
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The message being sent and its length; how much of it is out, the kernel does not tell.
    #[must_use]
    pub fn sending(&self) -> Option<(TransferId, u32)> {
        self.under_way.map(|_target| (self.id, self.len))
    }

    /// Ends a message that the sink took and the kernel did not, if any, as failed, and tells whether there
    /// was one. What the kernel has begun it ends itself: then this is false.
    pub fn abort_send(&mut self) -> bool {
        let Some(message) = self.pending.take() else {
            return false;
        };
        self.stats.sends_failed += 1;
        self.failure = Some(sending::aborted(&message));
        true
    }

    /// The next message; `None` when the interface is gone.
    ///
    /// # Errors
    /// When a message failed, or the interface went down or away.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn recv(&mut self) -> Option<Result<Bytes, StreamError>> {
        let item = self.recv_with_target().await?;
        Some(item.map(|(_, message)| message))
    }

    /// The next message, and whether it was for this node or for all; `None` when the interface is gone.
    ///
    /// # Errors
    /// When a message failed, or the interface went down or away.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn recv_with_target(&mut self) -> Option<Result<(Target, Bytes), StreamError>> {
        poll_fn(|cx| self.poll_message(cx)).await
    }

    /// Starts a message to one node and shows how it gets on.
    ///
    /// It is not affected by how earlier messages ended.
    pub fn start(&mut self, message: impl Into<Bytes>) -> KernelSending<'_> {
        KernelSending::new(self, message.into(), Target::Physical)
    }

    /// Starts a message to one node whose bytes `source` produces, and shows how it gets on.
    ///
    /// The kernel takes whole messages: the source is read to its end here and now, unless the message is
    /// longer than [`limits`](Self::limits) allow.
    pub fn start_from(&mut self, source: impl Payload) -> KernelSending<'_> {
        match payload::collect(source, self.max_send()) {
            Ok(message) => self.start(message),
            Err(failure) => KernelSending::failed(self, failure),
        }
    }

    /// Starts a message to all nodes, which must fit a single frame, and shows how it gets on.
    ///
    /// The first one opens a socket for such messages, which panics outside of a tokio runtime.
    pub fn start_functional(&mut self, message: impl Into<Bytes>) -> KernelSending<'_> {
        KernelSending::new(self, message.into(), Target::Functional)
    }

    /// Sends a message to one node and waits until its last frame is out.
    ///
    /// # Errors
    /// When it cannot be sent, or failed on the way.
    ///
    /// # Cancel safety
    /// When the future is dropped, the message is sent not at all or under way, and then goes on being sent.
    pub async fn send(&mut self, message: impl Into<Bytes>) -> Result<(), StreamError> {
        self.start(message).done().await
    }

    /// Sends a message to one node whose bytes `source` produces meanwhile, and waits until it is on the bus
    /// as a whole.
    ///
    /// # Errors
    /// As [`send`](Self::send), and when the source ended early or failed:
    /// [`TransferError::SourceEnded`](crate::TransferError::SourceEnded) or
    /// [`SourceFailed`](crate::TransferError::SourceFailed).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn send_from(&mut self, source: impl Payload) -> Result<(), StreamError> {
        self.start_from(source).done().await
    }

    /// Sends a message to all nodes, which must fit a single frame, and waits until it is out.
    ///
    /// # Errors
    /// As [`send`](Self::send), and when the socket for it cannot be opened.
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O and time enabled.
    pub async fn send_functional(&mut self, message: impl Into<Bytes>) -> Result<(), StreamError> {
        self.start_functional(message).done().await
    }

    /// What can be said against a message before the kernel is asked.
    fn check(&self, target: Target, message: &[u8]) -> Result<(), SendError> {
        let (len, limits) = (message.len(), self.limits());
        if self.role == Role::Listener {
            return Err(SendError::Listener);
        }
        match target {
            _ if len == 0 => Err(SendError::Empty),
            Target::Physical if len > limits.max_send => Err(SendError::TooLong {
                len,
                max: limits.max_send,
            }),
            Target::Functional if len > limits.max_send_functional => Err(SendError::FunctionalTooLong {
                len,
                max: limits.max_send_functional,
            }),
            _ => Ok(()),
        }
    }

    /// Waits until nothing is pending or under way. Failures wait for whoever reports them.
    fn poll_free(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Err(error) = ready!(self.poll_idle(cx)) {
                self.failure = Some(error);
            }
            let Some(message) = self.pending.clone() else {
                return Poll::Ready(());
            };
            let taken = ready!(self.poll_taken(cx, Target::Physical, &message));
            self.pending = None;
            if let Err(error) = taken {
                self.failure = Some(error);
            }
        }
    }

    /// Hands over a message when it is its turn.
    fn poll_given(
        &mut self,
        cx: &mut Context<'_>,
        target: Target,
        message: &[u8],
    ) -> Poll<Result<(), StreamError>> {
        self.check(target, message)?;
        ready!(self.poll_free(cx));
        self.poll_taken(cx, target, message)
    }

    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        ready!(self.poll_free(cx));
        Poll::Ready(self.failure.take().map_or(Ok(()), Err))
    }

    /// Hands a message to the kernel; the one before has to be through.
    fn poll_taken(
        &mut self,
        cx: &mut Context<'_>,
        target: Target,
        message: &[u8],
    ) -> Poll<Result<(), StreamError>> {
        if target == Target::Functional
            && let ToAll::Closed(options) = &self.to_all
        {
            self.to_all = ToAll::Open(options.clone().bind(self.physical.interface())?);
        }
        let Some(socket) = self.socket(target) else {
            return Poll::Ready(Err(LinkError::Closed.into()));
        };
        let sent = ready!(socket.poll_send(cx, message));
        self.id = TransferId(self.id.0 + 1);
        self.len = u32::try_from(message.len()).unwrap_or(u32::MAX);
        Poll::Ready(match sent {
            Ok(()) => {
                self.under_way = Some(target);
                Ok(())
            }
            Err(error) => Err(self.failed(error)),
        })
    }

    /// Waits until the last message is through.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        let Some(target) = self.under_way else {
            return Poll::Ready(Ok(()));
        };
        let done = match self.socket(target) {
            Some(socket) => ready!(socket.poll_flush(cx)),
            None => Ok(()),
        };
        self.under_way = None;
        Poll::Ready(match done {
            Ok(()) => {
                self.stats.messages_sent += 1;
                Ok(())
            }
            Err(error) => Err(self.failed(error)),
        })
    }

    const fn socket(&mut self, target: Target) -> Option<&mut IsoTpSocket> {
        match (target, &mut self.to_all) {
            (Target::Physical, _) => Some(&mut self.physical),
            (Target::Functional, ToAll::Open(socket)) => Some(socket),
            (Target::Functional, ToAll::Closed(_)) => None,
        }
    }

    fn failed(&mut self, error: IsoTpError) -> StreamError {
        self.stats.sends_failed += 1;
        send_error(error, self.id, self.len)
    }

    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<(Target, Bytes), StreamError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let order = if self.from_all_last {
            [Target::Physical, Target::Functional]
        } else {
            [Target::Functional, Target::Physical]
        };
        for target in order {
            if let Poll::Ready(item) = self.poll_message_to(cx, target) {
                self.from_all_last = target == Target::Functional;
                return Poll::Ready(Some(item));
            }
        }
        Poll::Pending
    }

    fn poll_message_to(
        &mut self,
        cx: &mut Context<'_>,
        target: Target,
    ) -> Poll<Result<(Target, Bytes), StreamError>> {
        loop {
            let received = match (target, &mut self.from_all) {
                (Target::Physical, _) => ready!(self.physical.poll_recv(cx)),
                (Target::Functional, Some(socket)) => ready!(socket.poll_recv(cx)),
                (Target::Functional, None) => return Poll::Pending,
            };
            let message = match (received, target) {
                (Ok(message), Target::Functional) if message.len() > self.physical.single_frame_len() => {
                    // For all nodes there are single frames only; the kernel joins others all the same.
                    self.stats.ignored_functional += 1;
                    continue;
                }
                (Ok(message), _) => message,
                // The other socket is on the same interface and tells the same.
                (Err(IsoTpError::Down | IsoTpError::Gone), Target::Functional) => return Poll::Pending,
                (Err(error), _) => return Poll::Ready(Err(self.not_received(error))),
            };
            let (len, max) = (u32::try_from(message.len()).unwrap_or(u32::MAX), self.max_rx_len);
            if len > max {
                self.stats.messages_refused += 1;
                return Poll::Ready(Err(StreamError::Refused { len, max }));
            }
            self.stats.messages_received += 1;
            return Poll::Ready(Ok((target, message.into())));
        }
    }

    fn not_received(&mut self, error: IsoTpError) -> StreamError {
        let error = receive_error(error, || String::from(self.physical.interface()));
        match error {
            StreamError::Link(_) => self.ended = true,
            _ => self.stats.receives_failed += 1,
        }
        error
    }
}

impl Stream for KernelIsoTp {
    type Item = Result<Bytes, StreamError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = ready!(self.poll_message(cx));
        Poll::Ready(item.map(|item| item.map(|(_, message)| message)))
    }
}

impl Sink<Bytes> for KernelIsoTp {
    type Error = StreamError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        self.poll_sent(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Bytes) -> Result<(), StreamError> {
        self.check(Target::Physical, &message)?;
        if self.pending.is_some() || self.under_way.is_some() {
            // The caller has not waited for `poll_ready`. What it gave before is not given up for this.
            return Err(SendError::Busy.into());
        }
        self.pending = Some(message);
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        self.poll_sent(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        self.poll_sent(cx)
    }
}
