//! The boxed pair of halves.

use alloc::boxed::Box;
use core::fmt;
use core::task::{Context, Poll, ready};

use super::confirm::{Kept, Outstanding};
use super::{CanRx, CanTx, Capabilities, EventBuf, FilterPlace, LinkError, OwnEcho, SendError};
use crate::filter::FilterSet;
use crate::frame::CanFrame;

/// Any CAN link: what `open` returns.
///
/// It is itself a [`CanLink`](super::CanLink), and comes apart into halves that need no lock between them.
/// [`send_confirmed`](Self::send_confirmed) sends a frame and waits for its echo.
pub struct Link {
    pub(super) rx: Box<dyn CanRx>,
    pub(super) tx: Box<dyn CanTx>,
    /// Events that arrived while a confirmation was awaited.
    pub(super) kept: Kept,
    /// Frames whose echo is still to come.
    pub(super) outstanding: Outstanding,
    /// What the receiving half delivers, echoes included.
    pub(super) filters: FilterSet,
}

impl Link {
    /// A link made of two halves, fresh ones: frames whose echo is still to come are unknown to it.
    #[must_use]
    pub fn new(rx: impl CanRx + 'static, tx: impl CanTx + 'static) -> Self {
        Self {
            rx: Box::new(rx),
            tx: Box::new(tx),
            kept: Kept::default(),
            outstanding: Outstanding::default(),
            filters: FilterSet::default(),
        }
    }

    /// The two halves. Events that were kept while a confirmation was awaited stay with the receiving half.
    #[must_use]
    pub fn split(self) -> (Box<dyn CanRx>, Box<dyn CanTx>) {
        if self.kept.is_empty() {
            return (self.rx, self.tx);
        }
        (
            Box::new(KeptRx {
                rx: self.rx,
                kept: self.kept,
            }),
            self.tx,
        )
    }
}

impl CanRx for Link {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut EventBuf,
        max: usize,
    ) -> Poll<Result<usize, LinkError>> {
        let before = match self.kept.drain_into(out, max) {
            0 => out.len(),
            moved => return Poll::Ready(Ok(moved)),
        };
        let moved = ready!(self.rx.poll_recv(cx, out, max))?;
        for event in out.iter().skip(before) {
            self.outstanding.settle(event);
        }
        Poll::Ready(Ok(moved))
    }

    fn set_filters(&mut self, filters: &FilterSet) -> Result<FilterPlace, LinkError> {
        let place = self.rx.set_filters(filters)?;
        self.filters = filters.clone();
        Ok(place)
    }

    fn capabilities(&self) -> Capabilities {
        self.rx.capabilities()
    }
}

impl CanTx for Link {
    fn poll_send(&mut self, cx: &mut Context<'_>, frames: &[CanFrame]) -> Poll<Result<usize, SendError>> {
        let taken = ready!(self.tx.poll_send(cx, frames))?;
        if self.rx.capabilities().own_echo != OwnEcho::None {
            let echoed = frames
                .iter()
                .take(taken)
                .filter(|frame| self.filters.accepts(frame));
            self.outstanding.extend(echoed.cloned());
        }
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.tx.poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.tx.poll_close(cx)
    }
}

/// A receiving half that first hands out what [`Link::send_confirmed`] kept.
struct KeptRx {
    rx: Box<dyn CanRx>,
    kept: Kept,
}

impl CanRx for KeptRx {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut EventBuf,
        max: usize,
    ) -> Poll<Result<usize, LinkError>> {
        match self.kept.drain_into(out, max) {
            0 => self.rx.poll_recv(cx, out, max),
            moved => Poll::Ready(Ok(moved)),
        }
    }

    fn set_filters(&mut self, filters: &FilterSet) -> Result<FilterPlace, LinkError> {
        self.rx.set_filters(filters)
    }

    fn capabilities(&self) -> Capabilities {
        self.rx.capabilities()
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("capabilities", &self.rx.capabilities())
            .finish_non_exhaustive()
    }
}
