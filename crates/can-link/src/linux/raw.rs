//! A `CAN_RAW` socket: opening it, and the part that both halves share.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::string::String;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::RcvBuf;

use super::netlink::Watch;
use super::opening::{
    ANY, Opened, Shape, apply_filters, dup, error_monitor, failed, is_gone, open, place_of,
};
use super::options::RawOptions;
use super::rx::RawRx;
use super::tx::RawTx;
use crate::error_frame::ErrorFrame;
use crate::filter::FilterSet;
use crate::link::{ChannelId, FilterPlace, Link, LinkError, SendError, whole_link};

/// A raw CAN socket; see [`RawOptions`].
///
/// It is a [`CanLink`](crate::CanLink). [`split`](Self::split) gives halves that share no lock while the
/// interface exists.
#[derive(Debug)]
pub struct RawSocket {
    rx: RawRx,
    tx: RawTx,
    receive_buffer: usize,
}

impl RawSocket {
    pub(super) fn open(options: RawOptions, name: String) -> Result<Self, LinkError> {
        // Before the interface is looked at, or a change in between would be missed.
        let watch = (name != ANY).then(Watch::new).transpose();
        let filters = options.filters.clone();
        let Opened { fd, shape, place } = open(&options, &filters, &name)?;
        let watch = watch.map_err(|error| failed(&name, "watching interfaces", error))?;
        let granted = getsockopt(&fd, RcvBuf).map_err(|error| failed(&name, "reading SO_RCVBUF", error))?;
        let error_monitor = error_monitor(&name, shape.index)?;
        let (second, third) = (dup(&name, &fd)?, dup(&name, &fd)?);
        let shared = Arc::new(Shared {
            options,
            name,
            slot: Mutex::new(Slot {
                fd: third,
                shape,
                filters,
                place,
                generation: 0,
            }),
        });
        Ok(Self {
            rx: RawRx::new(Arc::clone(&shared), Opened { fd, shape, place }, watch)?,
            tx: RawTx::new(shared, second, error_monitor, shape)?,
            receive_buffer: granted,
        })
    }

    /// Bytes of kernel memory granted for received frames, as the kernel counts them: twice what was asked
    /// for.
    #[must_use]
    pub const fn receive_buffer(&self) -> usize {
        self.receive_buffer
    }

    /// The interface's index, or 0 for all interfaces.
    #[must_use]
    pub const fn channel(&self) -> ChannelId {
        self.rx.channel()
    }

    /// The halves.
    #[must_use]
    pub fn split(self) -> (RawRx, RawTx) {
        (self.rx, self.tx)
    }

    /// The halves behind the common type.
    #[must_use]
    pub fn into_link(self) -> Link {
        Link::new(self.rx, self.tx)
    }

    /// Sends an error report to every socket of the interface, as a faulty bus would. For tests: only virtual
    /// interfaces pass it on.
    ///
    /// # Errors
    /// As a plain send; without waiting, so also [`SendError::Io`] of kind `WouldBlock`.
    pub fn inject_error(&mut self, report: &ErrorFrame) -> Result<(), SendError> {
        self.tx.inject_error(report)
    }
}

/// For what this type does not offer. Reading, writing and closing are its own business.
impl AsFd for RawSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tx.as_fd()
    }
}

whole_link!(RawSocket);

/// What a half needs to follow an interface that is deleted and comes back.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: RawOptions,
    pub(super) name: String,
    slot: Mutex<Slot>,
}

#[derive(Debug)]
struct Slot {
    fd: OwnedFd,
    shape: Shape,
    /// As they were last set: a socket that is opened by the sending half has them too.
    filters: FilterSet,
    place: FilterPlace,
    generation: u64,
}

/// A socket that follows one whose interface was deleted.
#[derive(Debug)]
pub(super) struct Reopened {
    pub(super) socket: Opened,
    pub(super) generation: u64,
}

impl Shared {
    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A socket newer than `generation`: the one the other half has opened, or a new one.
    pub(super) fn reopen(&self, generation: u64) -> Result<Reopened, LinkError> {
        let mut slot = self.slot();
        if slot.generation == generation {
            let Opened { fd, shape, place } = open(&self.options, &slot.filters, &self.name)?;
            slot.fd = fd;
            slot.shape = shape;
            slot.place = place;
            slot.generation = generation + 1;
        }
        Ok(Reopened {
            socket: Opened {
                fd: dup(&self.name, &slot.fd)?,
                shape: slot.shape,
                place: slot.place,
            },
            generation: slot.generation,
        })
    }

    /// Sets the filters of the newest socket (one before it is dead), and of those to come.
    pub(super) fn set_filters(&self, filters: &FilterSet) -> io::Result<FilterPlace> {
        let mut slot = self.slot();
        slot.place = match apply_filters(slot.fd.as_fd(), filters) {
            Err(error) if is_gone(&error) => place_of(filters),
            applied => applied?,
        };
        slot.filters = filters.clone();
        Ok(slot.place)
    }
}
