//! The receiving half of a raw socket.

use core::task::{Context, Poll, ready};
use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::control::{Control, DropCounter};
use super::inbox::Inbox;
use super::netlink::{self, Interface, Notice, Watch, Which};
use super::opening::{Opened, Shape, failed};
use super::options::Reconnect;
use super::raw::{Reopened, Shared};
use super::readiness::{Progress, Readiness, budgeted};
use super::sys::{BATCH, ReceiveBatch};
use crate::error_frame::{BusState, ErrorClasses};
use crate::filter::FilterSet;
use crate::link::{CanRx, Capabilities, ChannelId, Event, EventBuf, FilterPlace, LinkChange, LinkError};
use crate::record::{CLASSIC_LEN, MAX_DATAGRAM_LEN, RECORD_LEN};

/// Reads in one turn that give no event, since the filters of this process refuse every frame: about a
/// thousand, then other tasks get their turn.
const MAX_FRUITLESS: u32 = 16;

/// Where the interface is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Up,
    Down,
    /// Deleted.
    Gone,
    /// An interface of the same name is there again, but down.
    Returned,
}

/// The receiving half of a [`RawSocket`](super::RawSocket).
///
/// One system call takes up to 64 frames into buffers that are allocated once; the half waits again only
/// after a call that found fewer.
#[derive(Debug)]
pub struct RawRx {
    shared: Arc<Shared>,
    generation: u64,
    socket: Readiness,
    batch: ReceiveBatch,
    /// None on all interfaces: changes of one would not be told from those of another.
    watch: Option<Watch>,
    shape: Shape,
    filters: FilterSet,
    place: FilterPlace,
    inbox: Inbox,
    presence: Presence,
}

impl RawRx {
    pub(super) fn new(shared: Arc<Shared>, socket: Opened, watch: Option<Watch>) -> Result<Self, LinkError> {
        let Opened { fd, shape, place } = socket;
        let context = |error| failed(&shared.name, "registering the socket", error);
        let mut rx = Self {
            generation: 0,
            socket: Readiness::readable(fd).map_err(context)?,
            batch: ReceiveBatch::new(datagram_len(&shape)),
            watch,
            shape,
            filters: shared.options.filters.clone(),
            place,
            inbox: Inbox {
                events: EventBuf::new(),
                lost: DropCounter::default(),
                state: (shape.index != 0).then_some(shape.bus_state),
                hardware_time: false,
            },
            presence: Presence::Up,
            shared,
        };
        if !shape.is_up {
            rx.is_down();
        }
        Ok(rx)
    }

    pub(super) const fn channel(&self) -> ChannelId {
        ChannelId(self.shape.index)
    }

    /// The controller's state as far as it is known.
    #[must_use]
    pub fn bus_state(&self) -> BusState {
        self.inbox.state.unwrap_or_default()
    }

    /// Reads one batch; `false` when there was nothing to read.
    fn read_frames(&mut self) -> Result<bool, LinkError> {
        match self.read_batch() {
            Ok(read) => Ok(read),
            Err(error) => {
                // The kernel reports an error before what it had queued; we report it behind.
                while self.read_batch().is_ok_and(|read| read) {}
                self.socket_error(error).map(|()| true)
            }
        }
    }

    fn read_batch(&mut self) -> io::Result<bool> {
        let batch = &mut self.batch;
        let received = self.socket.attempt(|fd| {
            let count = batch.receive(fd)?;
            // A short read has drained the socket: frames that come later raise a new event.
            Ok(if count < BATCH {
                Progress::Drained(count)
            } else {
                Progress::More(count)
            })
        })?;
        let Some(count) = received else {
            return Ok(false);
        };
        // A frame proves that the interface is up, and may be here before the notice of it.
        match self.presence {
            Presence::Down => self.is_up(LinkChange::Up),
            Presence::Returned => self.is_up(LinkChange::Reconnected),
            Presence::Up | Presence::Gone => {}
        }
        let software = (self.place == FilterPlace::Software).then_some(&self.filters);
        let monotonic = Instant::now();
        for datagram in self.batch.datagrams(count) {
            let control = Control::parse(datagram.control);
            self.inbox.take(&datagram, control, monotonic, software);
        }
        Ok(true)
    }

    /// The kernel reports each state once, as an error of the socket (chapter 7). Netlink tells the same with
    /// less haste; whichever is first counts.
    fn socket_error(&mut self, error: io::Error) -> Result<(), LinkError> {
        match error.raw_os_error() {
            Some(libc::ENETDOWN) => self.is_down(),
            Some(libc::ENODEV | libc::ENXIO) => self.is_gone(),
            Some(libc::EINTR) => {}
            _ => return Err(failed(&self.shared.name, "receiving", error)),
        }
        Ok(())
    }

    /// Reads one notice about interfaces; `false` when there is none.
    fn read_notices(&mut self) -> Result<bool, LinkError> {
        let notices = self.watch.as_mut().map_or(Ok(None), Watch::next);
        let notices = notices.map_err(|error| failed(&self.shared.name, "watching interfaces", error))?;
        let Some(notices) = notices else {
            return Ok(false);
        };
        for notice in notices {
            self.heed(notice);
        }
        Ok(true)
    }

    fn heed(&mut self, notice: Notice) {
        match notice {
            Notice::Gone { index } if index == self.shape.index => self.is_gone(),
            Notice::Present(interface) => self.is_present(&interface),
            Notice::Missed => match netlink::interface(Which::Name(&self.shared.name)) {
                Ok(interface) => {
                    if interface.index != self.shape.index {
                        self.is_gone();
                    }
                    self.is_present(&interface);
                }
                Err(_) => self.is_gone(),
            },
            Notice::Gone { .. } => {}
        }
    }

    fn is_present(&mut self, interface: &Interface) {
        match self.presence {
            Presence::Gone if interface.is_can && interface.name == self.shared.name => self.reopen(),
            _ if interface.index != self.shape.index => {}
            presence if interface.is_up() == (presence == Presence::Up) => {}
            // Notices queue up while the socket tells the same: this one may be old. If the interface is gone
            // by now, another notice says so.
            _ => {
                if let Ok(now) = netlink::interface(Which::Index(self.shape.index)) {
                    self.stands(&now);
                }
            }
        }
    }

    /// Takes in how the interface is at this moment.
    fn stands(&mut self, now: &Interface) {
        match self.presence {
            Presence::Up if !now.is_up() => self.is_down(),
            Presence::Down if now.is_up() => self.is_up(LinkChange::Up),
            Presence::Returned if now.is_up() => self.is_up(LinkChange::Reconnected),
            _ => {}
        }
    }

    fn is_up(&mut self, change: LinkChange) {
        self.presence = Presence::Up;
        self.inbox.events.push_back(Event::Link(change));
    }

    fn is_down(&mut self) {
        if self.presence == Presence::Up {
            self.presence = Presence::Down;
            self.inbox.forget_state();
            self.inbox.events.push_back(Event::Link(LinkChange::Down));
        }
    }

    fn is_gone(&mut self) {
        if self.presence != Presence::Gone {
            self.presence = Presence::Gone;
            self.inbox.forget_state();
            self.inbox.events.push_back(Event::Link(LinkChange::Gone));
        }
    }

    /// Goes on with a new interface of the same name. Failing is no error: the next notice tries again.
    fn reopen(&mut self) {
        if self.shared.options.reconnect == Reconnect::Never {
            return;
        }
        let Ok(Reopened { socket, generation }) = self.shared.reopen(self.generation) else {
            return;
        };
        let Opened { fd, shape, place } = socket;
        let Ok(socket) = Readiness::readable(fd) else {
            return;
        };
        self.socket = socket;
        self.place = place;
        self.generation = generation;
        self.batch = ReceiveBatch::new(datagram_len(&shape));
        self.inbox.lost = DropCounter::default();
        self.inbox.state = Some(shape.bus_state);
        self.shape = shape;
        if shape.is_up {
            self.is_up(LinkChange::Reconnected);
        } else {
            self.presence = Presence::Returned;
        }
    }

    /// Whether nothing will ever come again.
    fn is_over(&self) -> bool {
        self.presence == Presence::Gone && self.shared.options.reconnect == Reconnect::Never
    }

    fn poll_events(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut EventBuf,
        max: usize,
    ) -> Poll<Result<usize, LinkError>> {
        let mut fruitless = 0;
        loop {
            if !self.inbox.events.is_empty() {
                let count = max.max(1).min(self.inbox.events.len());
                out.extend(self.inbox.events.drain(..count));
                return Poll::Ready(Ok(count));
            }
            if self.is_over() {
                return Poll::Ready(Ok(0));
            }
            if fruitless == MAX_FRUITLESS {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if self.read_frames()? || self.read_notices()? {
                fruitless += 1;
                continue;
            }
            ready!(self.poll_news(cx))?;
        }
    }

    fn poll_news(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LinkError>> {
        let failed = |error| failed(&self.shared.name, "waiting for frames", error);
        let socket = self.socket.poll_ready(cx).map_err(failed)?;
        let watch = match &mut self.watch {
            Some(watch) => watch.poll_ready(cx).map_err(failed)?,
            None => Poll::Pending,
        };
        if socket.is_ready() || watch.is_ready() {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }
}

/// Bytes of the longest datagram that such a socket delivers.
const fn datagram_len(shape: &Shape) -> usize {
    if shape.capabilities.xl() {
        MAX_DATAGRAM_LEN
    } else if shape.capabilities.fd() {
        RECORD_LEN
    } else {
        CLASSIC_LEN
    }
}

/// Nobody reads any more: the kernel need not queue for us.
impl Drop for RawRx {
    fn drop(&mut self) {
        let nothing = FilterSet::any([]).with_errors(ErrorClasses::NONE);
        // When the kernel refuses, frames are queued in vain, up to the receive buffer: no harm but work.
        let _ = self.shared.set_filters(&nothing);
    }
}

impl CanRx for RawRx {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut EventBuf,
        max: usize,
    ) -> Poll<Result<usize, LinkError>> {
        budgeted(cx, |cx| self.poll_events(cx, out, max))
    }

    fn set_filters(&mut self, filters: &FilterSet) -> Result<FilterPlace, LinkError> {
        self.place = self
            .shared
            .set_filters(filters)
            .map_err(|error| failed(&self.shared.name, "setting filters", error))?;
        self.filters = filters.clone();
        Ok(self.place)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            hardware_time: self.inbox.hardware_time,
            ..self.shape.capabilities
        }
    }
}
