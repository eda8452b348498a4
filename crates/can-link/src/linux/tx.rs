//! The sending half of a raw socket.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::boxed::Box;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use tokio::time::{Sleep, sleep};

use super::netlink::{self, Which};
use super::opening::{Opened, Shape, error_monitor, failed, is_gone};
use super::options::{OnBusOff, Reconnect};
use super::raw::{Reopened, Shared};
use super::readiness::{Progress, Readiness, budgeted};
use super::stall::Stall;
use super::sys::{BATCH, ReceiveBatch, SendBatch};
use crate::error_frame::{BusState, ErrorFrame};
use crate::frame::CanFrame;
use crate::link::{Bottleneck, CanTx, Capabilities, ChannelId, LinkError, SendError};
use crate::record::{self, CLASSIC_LEN, MAX_DATAGRAM_LEN};

/// First pause after `ENOBUFS`, doubled each time.
const MIN_PAUSE: Duration = Duration::from_millis(1);
/// Longest pause after `ENOBUFS`: about the time a queue of 10 frames takes at 125 kbit/s.
const MAX_PAUSE: Duration = Duration::from_millis(10);

/// The sending half of a [`RawSocket`](super::RawSocket).
///
/// A full socket is waited for by readiness. A full interface queue cannot be (`poll` says "writable" all the
/// time), so it is retried after 1 ms, then 2, up to 10. Either way the frame stays with the caller, nothing
/// overtakes it, and the only error is [`SendError::Timeout`], when a send timeout is set.
#[derive(Debug)]
pub struct RawTx {
    shared: Arc<Shared>,
    generation: u64,
    socket: Readiness,
    batch: SendBatch,
    scratch: Box<[u8; MAX_DATAGRAM_LEN]>,
    shape: Shape,
    monitor: Option<Monitor>,
    pause: Pause,
    refused: Option<Refused>,
    closed: bool,
}

/// The backing-off timer for `ENOBUFS`.
#[derive(Debug)]
struct Pause {
    next: Duration,
    running: Option<Pin<Box<Sleep>>>,
}

impl Default for Pause {
    fn default() -> Self {
        Self {
            next: MIN_PAUSE,
            running: None,
        }
    }
}

impl Pause {
    /// Longer than the pause before.
    fn begin(&mut self) {
        self.running = Some(Box::pin(sleep(self.next)));
        self.next = (self.next * 2).min(MAX_PAUSE);
    }
}

/// A frame that the kernel has refused. The wait is its own: the next frame, after a send that was given up,
/// begins anew.
#[derive(Debug)]
struct Refused {
    frame: CanFrame,
    stall: Stall,
}

/// Follows the controller's state by its error reports, whether or not anybody receives.
#[derive(Debug)]
struct Monitor {
    socket: Readiness,
    batch: ReceiveBatch,
    state: BusState,
}

impl Monitor {
    fn new(fd: OwnedFd, state: BusState) -> io::Result<Self> {
        Ok(Self {
            socket: Readiness::readable(fd)?,
            batch: ReceiveBatch::new(CLASSIC_LEN),
            state,
        })
    }

    /// Takes in what has been reported; costs no system call when nothing was.
    fn update(&mut self) {
        loop {
            let batch = &mut self.batch;
            let received = self.socket.attempt(|fd| batch.receive(fd).map(Progress::More));
            match received {
                Ok(None) => return,
                Ok(Some(count)) => {
                    for datagram in self.batch.datagrams(count) {
                        if let Ok(record::Datagram::Error(report)) = record::decode(datagram.data) {
                            self.state = self.state.after(&report);
                        }
                    }
                }
                // Down or gone: a controller that comes up again starts afresh.
                Err(_) => {
                    self.state = BusState::Unknown;
                    return;
                }
            }
        }
    }
}

impl RawTx {
    pub(super) fn new(
        shared: Arc<Shared>,
        fd: OwnedFd,
        monitor: Option<OwnedFd>,
        shape: Shape,
    ) -> Result<Self, LinkError> {
        let context = |error| failed(&shared.name, "registering the socket", error);
        Ok(Self {
            generation: 0,
            socket: Readiness::writable(fd).map_err(context)?,
            batch: SendBatch::default(),
            scratch: Box::new([0; MAX_DATAGRAM_LEN]),
            shape,
            monitor: monitor
                .map(|fd| Monitor::new(fd, shape.bus_state))
                .transpose()
                .map_err(context)?,
            pause: Pause::default(),
            refused: None,
            closed: false,
            shared,
        })
    }

    /// The controller's state as far as it is known.
    #[must_use]
    pub fn bus_state(&self) -> BusState {
        self.monitor
            .as_ref()
            .map_or(BusState::Unknown, |monitor| monitor.state)
    }

    /// What can be sent.
    #[must_use]
    pub const fn capabilities(&self) -> Capabilities {
        self.shape.capabilities
    }

    /// As [`CanTx::poll_send`], to one interface of a socket that was opened on all.
    ///
    /// # Errors
    /// As [`CanTx::poll_send`].
    pub fn poll_send_to(
        &mut self,
        cx: &mut Context<'_>,
        channel: ChannelId,
        frames: &[CanFrame],
    ) -> Poll<Result<usize, SendError>> {
        budgeted(cx, |cx| self.poll_send_through(cx, Some(channel.0), frames))
    }

    /// Sends an error report to every socket of the interface, as a faulty bus would. For tests: only virtual
    /// interfaces pass it on.
    ///
    /// # Errors
    /// As a plain send; without waiting, so also [`SendError::Io`] of kind `WouldBlock`.
    pub fn inject_error(&mut self, report: &ErrorFrame) -> Result<(), SendError> {
        if self.closed {
            return Err(SendError::Closed);
        }
        self.batch.clear();
        self.batch.push(&record::encode_error(report));
        let sent = self.batch.send(self.socket.as_fd(), None);
        sent.map(drop).map_err(|error| self.error(error))
    }

    fn poll_send_through(
        &mut self,
        cx: &mut Context<'_>,
        to: Option<u32>,
        frames: &[CanFrame],
    ) -> Poll<Result<usize, SendError>> {
        if self.closed {
            return Poll::Ready(Err(SendError::Closed));
        }
        if self.shape.index == 0 && to.is_none_or(|index| index == 0) {
            return Poll::Ready(Err(SendError::Unsupported {
                what: "frames without an interface to send them on; open one interface by its name",
            }));
        }
        let Some(first) = frames.first() else {
            return Poll::Ready(Ok(0));
        };
        self.refused.take_if(|refused| refused.frame != *first);
        loop {
            if self.is_off_the_bus() {
                self.refused = None;
                return Poll::Ready(Err(SendError::BusOff));
            }
            // Each time round: an interface that came back may carry less.
            self.shape.capabilities.check(first)?;
            ready!(self.poll_pause(cx))?;
            match self.try_send(to, frames) {
                Ok(Some(count)) => {
                    self.refused = None;
                    // News of the controller may have let this one through before its pause was over.
                    self.pause = Pause::default();
                    return Poll::Ready(Ok(count));
                }
                Ok(None) => {
                    self.stalls_for(Bottleneck::Socket, first);
                    ready!(self.poll_room(cx))?;
                }
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    self.stalls_for(Bottleneck::DeviceQueue, first);
                    self.pause.begin();
                }
                Err(error) if is_gone(&error) && self.follow() => {}
                Err(error) => {
                    self.refused = None;
                    return Poll::Ready(Err(self.error(error)));
                }
            }
        }
    }

    /// Sends a prefix of `frames`, of which the first is supported; `None` when the socket has no room.
    fn try_send(&mut self, to: Option<u32>, frames: &[CanFrame]) -> io::Result<Option<usize>> {
        self.batch.clear();
        let capabilities = self.shape.capabilities;
        let supported = frames
            .iter()
            .take_while(|frame| capabilities.check(frame).is_ok());
        for frame in supported.take(BATCH) {
            let len = record::encode(frame, &mut self.scratch);
            self.batch.push(self.scratch.get(..len).unwrap_or_default());
        }
        let batch = &mut self.batch;
        self.socket.attempt(|fd| batch.send(fd, to).map(Progress::More))
    }

    fn is_off_the_bus(&mut self) -> bool {
        let Some(monitor) = &mut self.monitor else {
            return false;
        };
        monitor.update();
        if monitor.state != BusState::BusOff || self.shared.options.on_bus_off == OnBusOff::Wait {
            return false;
        }
        // The report of the restart may have been lost: a healthy controller says so itself.
        let state = self.ask_state();
        if let Some(monitor) = &mut self.monitor {
            monitor.state = state;
        }
        state == BusState::BusOff
    }

    fn stalls_for(&mut self, waiting_for: Bottleneck, frame: &CanFrame) {
        let timeout = self.shared.options.send_timeout;
        let refused = self.refused.get_or_insert_with(|| Refused {
            frame: frame.clone(),
            stall: Stall::new(waiting_for, timeout),
        });
        refused.stall.waiting_for = waiting_for;
    }

    /// Ready when no pause after `ENOBUFS` is running.
    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let Some(sleep) = &mut self.pause.running else {
            return Poll::Ready(Ok(()));
        };
        if sleep.as_mut().poll(cx).is_ready() {
            self.pause.running = None;
            return Poll::Ready(Ok(()));
        }
        self.poll_trouble(cx)
    }

    /// Ready when the socket may have room again.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        if self.socket.poll_ready(cx)?.is_ready() {
            return Poll::Ready(Ok(()));
        }
        self.poll_trouble(cx)
    }

    /// What ends a wait besides room: the send timeout, or news of the controller (which the caller looks
    /// at).
    fn poll_trouble(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        if let Some(Refused { stall, .. }) = &mut self.refused
            && let Poll::Ready(waiting_for) = stall.poll_timeout(cx)
        {
            self.refused = None;
            self.pause.running = None;
            return Poll::Ready(Err(SendError::Timeout {
                waiting_for,
                state: self.ask_state(),
            }));
        }
        match &mut self.monitor {
            Some(monitor) => {
                ready!(monitor.socket.poll_ready(cx))?;
                Poll::Ready(Ok(()))
            }
            None => Poll::Pending,
        }
    }

    /// The controller's own answer where it has one, else what was reported.
    fn ask_state(&self) -> BusState {
        netlink::interface(Which::Index(self.shape.index))
            .ok()
            .and_then(|interface| interface.bus_state)
            .unwrap_or_else(|| self.bus_state())
    }

    /// After the interface was deleted: goes on with one of the same name, if there is one.
    fn follow(&mut self) -> bool {
        if self.shared.options.reconnect == Reconnect::Never || self.shape.index == 0 {
            return false;
        }
        let Ok(Reopened { socket, generation }) = self.shared.reopen(self.generation) else {
            return false;
        };
        let Opened { fd, shape, .. } = socket;
        let monitor = error_monitor(&self.shared.name, shape.index)
            .ok()
            .flatten()
            .and_then(|fd| Monitor::new(fd, shape.bus_state).ok());
        let Ok(socket) = Readiness::writable(fd) else {
            return false;
        };
        self.socket = socket;
        self.monitor = monitor;
        self.shape = shape;
        self.generation = generation;
        true
    }

    fn error(&self, error: io::Error) -> SendError {
        match error.raw_os_error() {
            Some(libc::ENETDOWN) => SendError::Down,
            _ if is_gone(&error) => SendError::Gone,
            _ => SendError::Io(error),
        }
    }
}

/// For what this type does not offer. Reading, writing and closing are its own business.
impl AsFd for RawTx {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl CanTx for RawTx {
    fn poll_send(&mut self, cx: &mut Context<'_>, frames: &[CanFrame]) -> Poll<Result<usize, SendError>> {
        budgeted(cx, |cx| self.poll_send_through(cx, None, frames))
    }

    /// Ready at once: the kernel has every frame that was taken.
    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.closed = true;
        Poll::Ready(Ok(()))
    }
}
