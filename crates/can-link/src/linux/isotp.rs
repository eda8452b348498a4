//! A `CAN_ISOTP` socket: the kernel cuts and joins, we carry whole messages.
//!
//! The socket has three habits that an asynchronous user must know (ISO-TP specification, chapter 12):
//! - Errors of both directions share one slot, which the next call empties, whichever it is. Here the slot is
//!   emptied before each send, and an error goes to the direction it belongs to.
//! - "Writable" means that no message is under way: that is how the end of a transfer is learnt.
//! - Closing waits for a running transfer, up to a second without an answer. [`IsoTpSocket`] leaves that to a
//!   thread.

use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, Waker, ready};
use core::time::Duration;
use std::boxed::Box;
use std::format;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::string::String;
use std::vec;
use std::vec::Vec;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::socket::sockopt::{RcvBuf, RcvBufForce, SocketError};
use nix::sys::socket::{MsgFlags, getsockopt, recv, send, setsockopt};
use tokio::time::{Sleep, sleep};

use super::opening::{failed, find};
use super::outcome::{IsoTpError, Side, Transfer, error, side};
use super::readiness::{Progress, Readiness, budgeted};
use super::stall::Stall;
use super::support::max_pdu;
use super::sys;
use super::transport::IsoTpOptions;
use crate::id;
use crate::link::{Bottleneck, LinkError};

const FD_MTU: u32 = 72;
const MIN_PAUSE: Duration = Duration::from_millis(1);
const MAX_PAUSE: Duration = Duration::from_millis(5);
/// How long a full interface may refuse a message without a send timeout: the kernel's own N_As.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(2);

/// A bound kernel ISO-TP socket: one pair of identifiers on one interface; see [`IsoTpOptions`].
///
/// Sending and receiving are independent. The kernel has no send queue: a message waits until the one before
/// is through, and [`flush`](Self::flush) waits for the last. On kernels before about 6.3 "writable" is
/// always on; there `flush` returns early, and the error of a message comes with the next one.
#[derive(Debug)]
pub struct IsoTpSocket {
    /// Both registered descriptors are the same socket; only dropping takes them out.
    halves: Option<Halves>,
    buffer: Vec<u8>,
    max_send: usize,
    single_frame_len: usize,
    wants_answers: bool,
    transfer: Transfer,
    receive_error: Option<i32>,
    /// Who waits for a message. Once a sender has emptied the slot, the system has no event for the reader.
    reader: Option<Waker>,
    send_error: Option<i32>,
    send_timeout: Option<Duration>,
    stall: Option<Stall>,
    pause: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    name: String,
}

#[derive(Debug)]
struct Halves {
    read: Readiness,
    write: Readiness,
}

/// Takes the error out of the slot.
fn take_error(fd: BorrowedFd<'_>) -> io::Result<Option<i32>> {
    let errno = getsockopt(&fd, SocketError)?;
    Ok((errno != 0).then_some(errno))
}

/// Whether no message is under way, asked of the kernel itself: tokio's memory of it may be stale.
fn is_idle(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let mut fds = [PollFd::new(fd, PollFlags::POLLOUT)];
    nix::poll::poll(&mut fds, PollTimeout::ZERO)?;
    let [fd] = fds;
    Ok(fd
        .revents()
        .is_some_and(|events| events.contains(PollFlags::POLLOUT)))
}

impl IsoTpSocket {
    pub(super) fn bind(options: &IsoTpOptions, name: &str) -> Result<Self, LinkError> {
        options.check()?;
        let fd = sys::isotp_socket().map_err(|error| failed(name, "opening an ISO-TP socket", error))?;
        let interface = find(name)?;
        if options.is_fd() && interface.mtu < FD_MTU {
            return Err(LinkError::unsupported(format!(
                "{name}: the interface carries no CAN FD"
            )));
        }
        let context = |error: io::Error| failed(name, "setting ISO-TP options", error);
        options.apply(fd.as_fd()).map_err(context)?;
        setsockopt(&fd, RcvBufForce, &options.receive_buffer)
            .or_else(|_not_root| setsockopt(&fd, RcvBuf, &options.receive_buffer))
            .map_err(|error| context(error.into()))?;
        let (rx, tx) = (id::to_word(options.rx), id::to_word(options.tx));
        sys::bind_isotp(fd.as_fd(), interface.index, rx, tx)
            .map_err(|error| failed(name, "binding the ISO-TP socket", error))?;
        let registered = |error| failed(name, "registering the socket", error);
        let single_frame_len = options.single_frame_len();
        let max_send = if options.is_single_frame_broadcast() {
            single_frame_len
        } else {
            max_pdu(fd.as_fd())
        };
        Ok(Self {
            halves: Some(Halves {
                read: Readiness::readable(fd.try_clone().map_err(registered)?).map_err(registered)?,
                write: Readiness::writable(fd).map_err(registered)?,
            }),
            // One more than the limit would show a message that was cut.
            buffer: vec![0; max_send + 1],
            max_send,
            single_frame_len,
            wants_answers: options.wants_flow_control(),
            transfer: Transfer::Idle,
            receive_error: None,
            reader: None,
            send_error: None,
            send_timeout: options.send_timeout,
            stall: None,
            pause: MIN_PAUSE,
            sleep: None,
            name: name.into(),
        })
    }

    /// The interface.
    #[must_use]
    pub fn interface(&self) -> &str {
        &self.name
    }

    /// The longest message that can be sent, in bytes, as the kernel itself tells.
    #[must_use]
    pub const fn max_send(&self) -> usize {
        self.max_send
    }

    /// The longest message that is received, in bytes; none with a [`Broadcast`](super::Broadcast). A longer
    /// one is answered with an overflow, which the kernel does not report here.
    #[must_use]
    pub const fn max_receive(&self) -> usize {
        if self.wants_answers { self.max_send } else { 0 }
    }

    /// The longest message that goes into a single frame, in bytes.
    #[must_use]
    pub const fn single_frame_len(&self) -> usize {
        self.single_frame_len
    }

    fn route(&mut self, errno: i32) {
        // Where a malformed answer would have ended it, a transfer that goes on has nothing to do with it.
        let goes_on = |halves: &Halves| is_idle(halves.write.as_fd()).is_ok_and(|idle| !idle);
        let side = match side(errno, self.transfer) {
            Side::Both if errno == libc::EBADMSG && self.halves.as_ref().is_some_and(goes_on) => {
                Side::Receive
            }
            side => side,
        };
        if side != Side::Send {
            self.receive_error = Some(errno);
            self.reader.take().into_iter().for_each(Waker::wake);
        }
        self.transfer = match (side, self.transfer) {
            (Side::Receive, transfer) => transfer,
            // One message fails once.
            (Side::Send, Transfer::Abandoned) => Transfer::Idle,
            (Side::Both, Transfer::Plain | Transfer::Answered) => {
                self.send_error = Some(errno);
                Transfer::Abandoned
            }
            _ => {
                self.send_error = Some(errno);
                Transfer::Idle
            }
        };
    }

    /// The next message.
    ///
    /// # Errors
    /// When a reception failed, or the interface went down or away. Except after [`IsoTpError::Gone`] the
    /// socket stays usable.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Vec<u8>, IsoTpError>> {
        budgeted(cx, |cx| self.poll_message(cx))
    }

    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Vec<u8>, IsoTpError>> {
        loop {
            if let Some(errno) = self.receive_error.take() {
                return Poll::Ready(Err(error(errno)));
            }
            let Some(halves) = &mut self.halves else {
                return Poll::Ready(Err(IsoTpError::Gone));
            };
            let buffer = &mut self.buffer;
            let received = halves.read.attempt(|fd| {
                let len = recv(fd.as_raw_fd(), buffer, MsgFlags::MSG_TRUNC)?;
                Ok(Progress::More(len))
            });
            match received {
                Ok(Some(len)) => {
                    // Errors come before messages: there was none, so what is through is through well.
                    if self.transfer != Transfer::Idle && is_idle(halves.read.as_fd())? {
                        self.transfer = Transfer::Idle;
                    }
                    return Poll::Ready(match self.buffer.get(..len) {
                        Some(message) => Ok(message.to_vec()),
                        None => Err(io::Error::new(
                            io::ErrorKind::InvalidData,
                            "a message longer than the kernel's own limit",
                        )
                        .into()),
                    });
                }
                Ok(None) => {
                    if halves.read.poll_ready(cx)?.is_pending() {
                        self.reader = Some(cx.waker().clone());
                        return Poll::Pending;
                    }
                }
                Err(error) => self.route(error.raw_os_error().ok_or(error)?),
            }
        }
    }

    /// Hands `message` to the kernel, as soon as the one before is through.
    ///
    /// # Errors
    /// [`IsoTpError::Empty`] and [`IsoTpError::TooLong`] at once. Otherwise the failure of the message
    /// *before*, in which case this one was not taken: call again to send it; or [`IsoTpError::Timeout`],
    /// when a send timeout is set, or the interface's queue stays full for 2 s.
    pub fn poll_send(&mut self, cx: &mut Context<'_>, message: &[u8]) -> Poll<Result<(), IsoTpError>> {
        budgeted(cx, |cx| match self.poll_taken(cx, message) {
            Poll::Pending => self.poll_timeout(cx),
            taken => {
                self.stall = None;
                taken
            }
        })
    }

    /// Gives the message up that [`poll_send`](Self::poll_send) is waiting with: the next one has the whole
    /// send timeout before it.
    pub fn give_up_send(&mut self) {
        self.stall = None;
    }

    fn poll_timeout(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), IsoTpError>> {
        let Some(stall) = &mut self.stall else {
            return Poll::Pending;
        };
        let waiting_for = ready!(stall.poll_timeout(cx));
        self.stall = None;
        Poll::Ready(Err(IsoTpError::Timeout { waiting_for }))
    }

    fn poll_taken(&mut self, cx: &mut Context<'_>, message: &[u8]) -> Poll<Result<(), IsoTpError>> {
        if message.is_empty() {
            return Poll::Ready(Err(IsoTpError::Empty));
        }
        let too_long = |max| {
            let len = message.len();
            Poll::Ready(Err(IsoTpError::TooLong { len, max }))
        };
        if message.len() > self.max_send {
            return too_long(self.max_send);
        }
        loop {
            ready!(self.poll_pause(cx));
            let Some(halves) = &mut self.halves else {
                return Poll::Ready(Err(IsoTpError::Gone));
            };
            let (mut pending, mut refused) = (None, false);
            let sent = halves.write.attempt(|fd| {
                // Otherwise the error of the other direction would make this send fail without sending.
                pending = take_error(fd)?;
                if pending.is_some() {
                    return Ok(Progress::More(false));
                }
                let sent = send(fd.as_raw_fd(), message, MsgFlags::empty());
                refused = sent == Err(Errno::EAGAIN);
                // A transfer has begun: the next event tells its end.
                sent.map(|_all| Progress::Drained(true)).map_err(io::Error::from)
            });
            if let Some(errno) = pending {
                self.route(errno);
            }
            if let Some(errno) = self.send_error.take() {
                return Poll::Ready(Err(error(errno)));
            }
            match sent {
                Ok(Some(true)) => {
                    let answered = self.wants_answers && message.len() > self.single_frame_len;
                    self.transfer = if answered {
                        Transfer::Answered
                    } else {
                        Transfer::Plain
                    };
                    self.pause = MIN_PAUSE;
                    return Poll::Ready(Ok(()));
                }
                Ok(Some(false)) => {}
                Ok(None) => {
                    self.stalls_for(Bottleneck::Socket);
                    let write = &mut halves_of(&mut self.halves)?.write;
                    if write.poll_ready(cx)?.is_pending() {
                        if !refused || !is_idle(write.as_fd())? {
                            return Poll::Pending;
                        }
                        // Refused and writable at once: on an old kernel that is so all the time, and no
                        // event comes.
                        self.pause();
                    }
                }
                // The interface's queue is full, which no readiness tells.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    self.stalls_for(Bottleneck::DeviceQueue);
                    self.pause();
                }
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                    return too_long(self.max_send);
                }
                Err(error) => {
                    let errno = error.raw_os_error().ok_or(error)?;
                    return Poll::Ready(Err(self::error(errno)));
                }
            }
        }
    }

    /// Completes when the last message is through: sent to its last frame.
    ///
    /// # Errors
    /// When it failed, the first time this is asked.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), IsoTpError>> {
        loop {
            if let Some(errno) = self.send_error.take() {
                return Poll::Ready(Err(error(errno)));
            }
            if matches!(self.transfer, Transfer::Idle | Transfer::Abandoned) {
                return Poll::Ready(Ok(()));
            }
            let write = &mut halves_of(&mut self.halves)?.write;
            let ended = write.attempt(|fd| {
                if !is_idle(fd)? {
                    return Err(Errno::EAGAIN.into());
                }
                Ok(Progress::More(take_error(fd)?))
            })?;
            match ended {
                Some(None) => self.transfer = Transfer::Idle,
                Some(Some(errno)) => {
                    self.route(errno);
                    // It is over; an error of the other direction says nothing about it.
                    self.transfer = Transfer::Idle;
                }
                None => ready!(write.poll_ready(cx))?,
            }
        }
    }

    fn stalls_for(&mut self, waiting_for: Bottleneck) {
        // The message before may take its time; room in the interface's queue is a matter of one frame.
        let timeout = self.send_timeout.or(match waiting_for {
            Bottleneck::DeviceQueue => Some(QUEUE_TIMEOUT),
            _ => None,
        });
        match &mut self.stall {
            // With a send timeout of its own one deadline covers all it waits for.
            Some(stall) if self.send_timeout.is_some() || stall.waiting_for == waiting_for => {
                stall.waiting_for = waiting_for;
            }
            stall => *stall = Some(Stall::new(waiting_for, timeout)),
        }
    }

    fn pause(&mut self) {
        self.sleep = Some(Box::pin(sleep(self.pause)));
        self.pause = (self.pause * 2).min(MAX_PAUSE);
    }

    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(sleep) = &mut self.sleep {
            ready!(sleep.as_mut().poll(cx));
            self.sleep = None;
        }
        Poll::Ready(())
    }

    /// The next message.
    ///
    /// # Errors
    /// As [`poll_recv`](Self::poll_recv).
    ///
    /// # Cancel safety
    /// No message is lost when the future is dropped.
    pub async fn recv(&mut self) -> Result<Vec<u8>, IsoTpError> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Hands `message` to the kernel, as soon as the one before is through.
    ///
    /// # Errors
    /// As [`poll_send`](Self::poll_send).
    ///
    /// # Cancel safety
    /// When the future is dropped the message was either taken whole or not at all.
    pub async fn send(&mut self, message: &[u8]) -> Result<(), IsoTpError> {
        // The wait of a send that was dropped is not this one's.
        self.give_up_send();
        poll_fn(|cx| self.poll_send(cx, message)).await
    }

    /// Waits until the last message is through.
    ///
    /// # Errors
    /// As [`poll_flush`](Self::poll_flush).
    ///
    /// # Cancel safety
    /// Safe; call again.
    pub async fn flush(&mut self) -> Result<(), IsoTpError> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }
}

fn halves_of(halves: &mut Option<Halves>) -> Result<&mut Halves, IsoTpError> {
    halves.as_mut().ok_or(IsoTpError::Gone)
}

/// Closing waits for a message that is under way, up to a second, so that is left to a thread. A message that
/// is not under way costs no thread.
impl Drop for IsoTpSocket {
    fn drop(&mut self) {
        let Some(Halves { read, write }) = self.halves.take() else {
            return;
        };
        let (read, write) = (read.into_fd(), write.into_fd());
        let idle = write
            .as_ref()
            .is_none_or(|fd| is_idle(fd.as_fd()).unwrap_or(true));
        drop(read);
        if !idle {
            // When there is no thread to be had, the closure is dropped here, and so is the socket.
            let _ = std::thread::Builder::new()
                .name("isotp-close".into())
                .spawn(move || drop(write));
        }
    }
}
