//! What every CAN link has in common: two object-safe halves that move batches.
//!
//! A link is a [`CanRx`] and a [`CanTx`]. Anything that is both is a [`CanLink`]; [`Link`] is the boxed pair
//! that `open` returns. Polling rather than async functions keeps the traits object safe without a boxed
//! future per frame, and makes cancellation harmless: a dropped receive has lost nothing, a dropped send has
//! taken the frame or not.

mod boxed;
mod confirm;
mod error;
mod event;
mod ext;
#[cfg(feature = "tokio")]
mod whole;

use core::task::{Context, Poll};

pub use boxed::Link;
pub use error::{Bottleneck, LinkError, SendError};
pub use event::{
    BadInput, BusError, ChannelId, DropReason, Event, EventBuf, LinkChange, Origin, Received, Timestamp,
};
pub use ext::{CanRxExt, CanTxExt};
#[cfg(feature = "tokio")]
pub(crate) use whole::whole_link;

use crate::filter::FilterSet;
use crate::frame::{CanFrame, MAX_CLASSIC_LEN, MAX_FD_LEN, MAX_XL_LEN};

/// The receiving half of a link.
pub trait CanRx: Send + Unpin {
    /// Appends up to `max` (at least 1) events to `out` and returns how many.
    ///
    /// `Ready(Ok(0))` means that the link has ended. Everything that is not a frame (bus errors, drops,
    /// interface changes) comes in order between the frames.
    ///
    /// # Errors
    /// When the link is of no further use. An interface that is down is an event, not an error.
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut EventBuf,
        max: usize,
    ) -> Poll<Result<usize, LinkError>>;

    /// Replaces the filters and tells where filtering happens. Frames queued before are not filtered again.
    ///
    /// # Errors
    /// When the link refuses to change filters.
    fn set_filters(&mut self, filters: &FilterSet) -> Result<FilterPlace, LinkError>;

    /// What the link can carry and report.
    fn capabilities(&self) -> Capabilities;
}

/// The sending half of a link.
pub trait CanTx: Send + Unpin {
    /// Accepts a prefix of `frames` (at least one frame) and returns its length, at least 1.
    ///
    /// `Pending` is back-pressure: nothing was taken. Frames keep their order. A link never answers a full
    /// queue with an error, except [`SendError::Timeout`] when a send timeout is configured.
    ///
    /// # Errors
    /// About the first frame, which was not taken; an error about a later one comes with the next call.
    fn poll_send(&mut self, cx: &mut Context<'_>, frames: &[CanFrame]) -> Poll<Result<usize, SendError>>;

    /// Completes when all accepted frames were handed to the driver, or written to the peer.
    ///
    /// # Errors
    /// When accepted frames could not be handed on.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>>;

    /// Flushes; then this half sends no more ([`SendError::Closed`]). The receiving half goes on until it is
    /// dropped.
    ///
    /// # Errors
    /// As [`poll_flush`](Self::poll_flush); the half is closed all the same.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>>;
}

/// Both halves in one value.
pub trait CanLink: CanRx + CanTx {}

impl<L: CanRx + CanTx + ?Sized> CanLink for L {}

impl<R: CanRx + ?Sized> CanRx for alloc::boxed::Box<R> {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut EventBuf,
        max: usize,
    ) -> Poll<Result<usize, LinkError>> {
        (**self).poll_recv(cx, out, max)
    }

    fn set_filters(&mut self, filters: &FilterSet) -> Result<FilterPlace, LinkError> {
        (**self).set_filters(filters)
    }

    fn capabilities(&self) -> Capabilities {
        (**self).capabilities()
    }
}

impl<T: CanTx + ?Sized> CanTx for alloc::boxed::Box<T> {
    fn poll_send(&mut self, cx: &mut Context<'_>, frames: &[CanFrame]) -> Poll<Result<usize, SendError>> {
        (**self).poll_send(cx, frames)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        (**self).poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        (**self).poll_close(cx)
    }
}

/// Where a link's filters are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FilterPlace {
    /// In the kernel: refused frames cost this process nothing.
    Kernel,
    /// In the adapter.
    Adapter,
    /// In this process.
    Software,
}

/// Whether a link is to receive its own frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Echo {
    /// It does not.
    #[default]
    Off,
    /// It does, with origin [`Own`](Origin::Own); when, its [`OwnEcho`] tells.
    On,
}

/// When a link gives a sender its own frame back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OwnEcho {
    /// Never.
    #[default]
    None,
    /// When the frame was queued.
    AtQueue,
    /// When the frame was on the wire: a transmit confirmation.
    OnWire,
}

/// What a link can carry and report.
///
/// Start from [`Default`] (classic frames only) and set the public fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Data bytes of the largest frame: 8, 64 or 2048.
    pub max_data: usize,
    /// Whether remote frames pass.
    pub remote: bool,
    /// Whether bus errors are reported.
    pub error_reports: bool,
    /// Whether received frames have a hardware time stamp.
    pub hardware_time: bool,
    /// When own frames come back.
    pub own_echo: OwnEcho,
    /// How many filters are applied outside this process; 0 when none are.
    pub filter_slots: usize,
}

impl Default for Capabilities {
    fn default() -> Self {
        Self {
            max_data: MAX_CLASSIC_LEN,
            remote: true,
            error_reports: false,
            hardware_time: false,
            own_echo: OwnEcho::None,
            filter_slots: 0,
        }
    }
}

impl Capabilities {
    /// Whether CAN FD frames pass.
    #[must_use]
    pub const fn fd(&self) -> bool {
        self.max_data >= MAX_FD_LEN
    }

    /// Whether CAN XL frames pass.
    #[must_use]
    pub const fn xl(&self) -> bool {
        self.max_data >= MAX_XL_LEN
    }

    /// Why `frame` cannot be sent on such a link, if it cannot.
    ///
    /// # Errors
    /// [`SendError::Unsupported`], naming the kind of frame.
    pub const fn check(&self, frame: &CanFrame) -> Result<(), SendError> {
        match frame {
            CanFrame::Fd(_) if !self.fd() => Err(SendError::Unsupported {
                what: "CAN FD frames",
            }),
            CanFrame::Xl(_) if !self.xl() => Err(SendError::Unsupported {
                what: "CAN XL frames",
            }),
            CanFrame::Remote(_) if !self.remote => Err(SendError::Unsupported {
                what: "remote frames",
            }),
            _ => Ok(()),
        }
    }
}
