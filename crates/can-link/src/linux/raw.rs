//! A `CAN_RAW` socket: opening it, and the part that both halves share.

use core::task::{Context, Poll};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::string::String;
use std::sync::{Arc, Mutex, PoisonError};

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::RcvBuf;

use super::opening::{Shape, apply_filters, dup, error_monitor, failed, open};
use super::options::RawOptions;
use super::rx::RawRx;
use super::tx::RawTx;
use crate::error_frame::ErrorFrame;
use crate::filter::FilterSet;
use crate::frame::CanFrame;
use crate::link::{CanRx, CanTx, Capabilities, ChannelId, EventBuf, FilterPlace, Link, LinkError, SendError};

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
        let (fd, shape) = open(&options, &name)?;
        let granted = getsockopt(&fd, RcvBuf).map_err(|error| failed(&name, "reading SO_RCVBUF", error))?;
        let error_monitor = error_monitor(&name, shape.index)?;
        let (second, third) = (dup(&name, &fd)?, dup(&name, &fd)?);
        let shared = Arc::new(Shared {
            options,
            name,
            slot: Mutex::new(Slot {
                fd: third,
                shape,
                generation: 0,
            }),
        });
        Ok(Self {
            rx: RawRx::new(Arc::clone(&shared), fd, shape)?,
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

impl CanRx for RawSocket {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut EventBuf,
        max: usize,
    ) -> Poll<Result<usize, LinkError>> {
        self.rx.poll_recv(cx, out, max)
    }

    fn set_filters(&mut self, filters: &FilterSet) -> Result<FilterPlace, LinkError> {
        self.rx.set_filters(filters)
    }

    fn capabilities(&self) -> Capabilities {
        self.rx.capabilities()
    }
}

impl CanTx for RawSocket {
    fn poll_send(&mut self, cx: &mut Context<'_>, frames: &[CanFrame]) -> Poll<Result<usize, SendError>> {
        self.tx.poll_send(cx, frames)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.tx.poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.tx.poll_close(cx)
    }
}

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
    generation: u64,
}

impl Shared {
    /// A socket newer than `generation`: the one the other half has opened, or a new one.
    ///
    /// `filters` replaces the options' filters, which may have changed since.
    pub(super) fn reopen(
        &self,
        generation: u64,
        filters: Option<&FilterSet>,
    ) -> Result<(OwnedFd, Shape, u64), LinkError> {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.generation == generation {
            let (fd, shape) = open(&self.options, &self.name)?;
            *slot = Slot {
                fd,
                shape,
                generation: generation + 1,
            };
        }
        if let Some(filters) = filters {
            apply_filters(slot.fd.as_fd(), filters)
                .map_err(|error| failed(&self.name, "setting filters", error))?;
        }
        Ok((dup(&self.name, &slot.fd)?, slot.shape, slot.generation))
    }
}
