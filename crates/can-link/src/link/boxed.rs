//! The boxed pair of halves.

use alloc::boxed::Box;
use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll, ready};

use super::{
    CanRx, CanTx, CanTxExt, Capabilities, DropReason, Event, EventBuf, FilterPlace, LinkError, Origin,
    OwnEcho, Received, SendError,
};
use crate::filter::FilterSet;
use crate::frame::CanFrame;

/// Events kept while a confirmation is awaited; further ones are dropped and counted.
const MAX_KEPT: usize = 1024;

/// Any CAN link: what `open` returns.
///
/// It is itself a [`CanLink`](super::CanLink), and comes apart into halves that need no lock between them.
pub struct Link {
    rx: Box<dyn CanRx>,
    tx: Box<dyn CanTx>,
    kept: EventBuf,
    kept_dropped: u64,
}

impl Link {
    /// A link made of two halves.
    #[must_use]
    pub fn new(rx: impl CanRx + 'static, tx: impl CanTx + 'static) -> Self {
        Self {
            rx: Box::new(rx),
            tx: Box::new(tx),
            kept: EventBuf::new(),
            kept_dropped: 0,
        }
    }

    /// The two halves. Events that were kept while a confirmation was awaited stay with the receiving half.
    #[must_use]
    pub fn split(self) -> (Box<dyn CanRx>, Box<dyn CanTx>) {
        if self.kept.is_empty() && self.kept_dropped == 0 {
            return (self.rx, self.tx);
        }
        let rx = KeptRx {
            rx: self.rx,
            kept: self.kept,
            dropped: self.kept_dropped,
        };
        (Box::new(rx), self.tx)
    }

    /// Sends one frame and waits for its own echo, which proves the transmission where the link's
    /// [`OwnEcho`] is [`OnWire`](OwnEcho::OnWire).
    ///
    /// The echo is matched by content, in order. Events that arrive meanwhile are kept for the next receive, at most
    /// 1024; more are dropped and counted as [`DropReason::ReceiveQueueFull`].
    ///
    /// # Errors
    /// [`SendError::Unsupported`] when the link does not echo own frames; otherwise as a plain send.
    ///
    /// # Cancel safety
    /// When the future is dropped the frame may or may not be sent, and its echo arrives as an ordinary event.
    pub async fn send_confirmed(&mut self, frame: impl Into<CanFrame>) -> Result<Received, SendError> {
        if self.rx.capabilities().own_echo == OwnEcho::None {
            return Err(SendError::Unsupported {
                what: "own echoes; open it with own=1",
            });
        }
        let frame = frame.into();
        self.tx.send(frame.clone()).await?;
        let mut out = EventBuf::with_capacity(1);
        poll_fn(|cx| {
            loop {
                match ready!(self.rx.poll_recv(cx, &mut out, 1)) {
                    Err(error) => return Poll::Ready(Err(SendError::Io(error.into()))),
                    Ok(0) => return Poll::Ready(Err(SendError::Closed)),
                    Ok(_) => {}
                }
                match out.pop_front() {
                    Some(Event::Frame(received))
                        if received.origin == Origin::Own && received.frame == frame =>
                    {
                        return Poll::Ready(Ok(received));
                    }
                    Some(_) if self.kept.len() >= MAX_KEPT => self.kept_dropped += 1,
                    Some(event) => self.kept.push_back(event),
                    None => {}
                }
            }
        })
        .await
    }
}

/// Hands out kept events first, then how many were dropped; 0 when there is nothing kept.
fn drain_kept(kept: &mut EventBuf, dropped: &mut u64, out: &mut EventBuf, max: usize) -> usize {
    let mut moved = 0;
    while moved < max {
        if let Some(event) = kept.pop_front() {
            out.push_back(event);
        } else if *dropped > 0 {
            let count = core::mem::take(dropped);
            out.push_back(Event::Dropped {
                count,
                reason: DropReason::ReceiveQueueFull,
            });
        } else {
            break;
        }
        moved += 1;
    }
    moved
}

impl CanRx for Link {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut EventBuf,
        max: usize,
    ) -> Poll<Result<usize, LinkError>> {
        match drain_kept(&mut self.kept, &mut self.kept_dropped, out, max) {
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

impl CanTx for Link {
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

/// A receiving half that first hands out what [`Link::send_confirmed`] kept.
struct KeptRx {
    rx: Box<dyn CanRx>,
    kept: EventBuf,
    dropped: u64,
}

impl CanRx for KeptRx {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut EventBuf,
        max: usize,
    ) -> Poll<Result<usize, LinkError>> {
        match drain_kept(&mut self.kept, &mut self.dropped, out, max) {
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
