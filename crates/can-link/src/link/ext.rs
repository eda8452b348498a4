//! The halves as futures.

use core::future::poll_fn;
use core::task::{Poll, ready};

use super::{CanRx, CanTx, Event, EventBuf, LinkError, Received, SendError};
use crate::frame::CanFrame;

/// Receiving as futures; every [`CanRx`] has them.
pub trait CanRxExt: CanRx {
    /// The next event, or `None` when the link has ended.
    ///
    /// # Errors
    /// When the link is of no further use.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    fn recv(&mut self) -> impl Future<Output = Result<Option<Event>, LinkError>> + Send {
        let mut out = EventBuf::with_capacity(1);
        poll_fn(move |cx| {
            ready!(self.poll_recv(cx, &mut out, 1))?;
            Poll::Ready(Ok(out.pop_front()))
        })
    }

    /// Appends up to `max` events to `out` and returns how many; 0 when the link has ended.
    ///
    /// # Errors
    /// When the link is of no further use.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    fn recv_many(
        &mut self,
        out: &mut EventBuf,
        max: usize,
    ) -> impl Future<Output = Result<usize, LinkError>> + Send {
        poll_fn(move |cx| self.poll_recv(cx, out, max))
    }

    /// The next frame, or `None` when the link has ended; events that are not frames are skipped.
    ///
    /// # Errors
    /// When the link is of no further use.
    ///
    /// # Cancel safety
    /// No frame is lost when the future is dropped.
    fn recv_frame(&mut self) -> impl Future<Output = Result<Option<Received>, LinkError>> + Send {
        let mut out = EventBuf::with_capacity(1);
        poll_fn(move |cx| {
            while ready!(self.poll_recv(cx, &mut out, 1))? > 0 {
                if let Some(Event::Frame(received)) = out.pop_front() {
                    return Poll::Ready(Ok(Some(received)));
                }
            }
            Poll::Ready(Ok(None))
        })
    }
}

impl<R: CanRx + ?Sized> CanRxExt for R {}

/// Sending as futures; every [`CanTx`] has them.
pub trait CanTxExt: CanTx {
    /// Sends one frame: waits for room, and completes when the link has taken it.
    ///
    /// # Errors
    /// When the frame was not taken.
    ///
    /// # Cancel safety
    /// When the future is dropped the frame was either taken whole or not at all.
    fn send(&mut self, frame: impl Into<CanFrame>) -> impl Future<Output = Result<(), SendError>> + Send {
        let frame = [frame.into()];
        poll_fn(move |cx| self.poll_send(cx, &frame).map_ok(drop))
    }

    /// Sends all frames in order; completes when the link has taken the last one.
    ///
    /// # Errors
    /// About the first frame that was not taken; those before it were.
    ///
    /// # Cancel safety
    /// When the future is dropped, a prefix of the frames was taken.
    fn send_all(&mut self, frames: &[CanFrame]) -> impl Future<Output = Result<(), SendError>> + Send {
        let mut rest = frames;
        poll_fn(move |cx| {
            while !rest.is_empty() {
                let taken = ready!(self.poll_send(cx, rest))?;
                rest = rest.get(taken..).unwrap_or_default();
            }
            Poll::Ready(Ok(()))
        })
    }

    /// Waits until all taken frames were handed to the driver, or written to the peer.
    ///
    /// # Errors
    /// When they could not be.
    ///
    /// # Cancel safety
    /// Safe.
    fn flush(&mut self) -> impl Future<Output = Result<(), SendError>> + Send {
        poll_fn(move |cx| self.poll_flush(cx))
    }

    /// Flushes; then this half sends no more. The receiving half goes on until it is dropped.
    ///
    /// # Errors
    /// When taken frames could not be handed on.
    ///
    /// # Cancel safety
    /// Safe; call again to finish.
    fn close(&mut self) -> impl Future<Output = Result<(), SendError>> + Send {
        poll_fn(move |cx| self.poll_close(cx))
    }
}

impl<T: CanTx + ?Sized> CanTxExt for T {}
