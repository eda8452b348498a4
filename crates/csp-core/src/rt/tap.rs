//! Taps of a running node.

use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::sync::Arc;

use futures_core::Stream;
use tokio::task::coop::poll_proceed;

use super::shared::{Shared, State};
use super::waiters::Reader;
use super::{Node, RecvError};
use crate::{Captured, TapConfig, TapId};

/// Copies of all packets that a node receives and sends.
///
/// A reader that is slow loses copies, never packets. Dropping it ends the copying.
#[derive(Debug)]
pub struct Tap {
    shared: Arc<Shared>,
    id: TapId,
}

impl Tap {
    /// The next copy.
    ///
    /// # Errors
    /// [`RecvError::Closed`]: the node has stopped, and all copies were taken.
    ///
    /// # Cancel safety
    /// A dropped future has taken nothing.
    pub async fn recv(&mut self) -> Result<Captured, RecvError> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// How many copies found no place in the tap; [`Captured::missed`] tells where.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.shared.lock().node.tap_missed(self.id).unwrap_or(0)
    }

    fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Result<Captured, RecvError>> {
        let coop = ready!(poll_proceed(cx));
        let copy = self.shared.lock().poll_captured(self.id, cx);
        if copy.is_ready() {
            coop.made_progress();
        }
        copy
    }
}

/// The copies, until the node has stopped.
impl Stream for Tap {
    type Item = Captured;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Captured>> {
        self.poll_recv(cx).map(Result::ok)
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.node.close_tap(self.id);
        if let Some(mut reader) = state.taps.remove(&self.id) {
            reader.answer(&mut state.calls);
        }
    }
}

impl State {
    fn poll_captured(&mut self, id: TapId, cx: &Context<'_>) -> Poll<Result<Captured, RecvError>> {
        if let Some(copy) = self.node.captured(id) {
            return Poll::Ready(Ok(copy));
        }
        match self.taps.get_mut(&id) {
            Some(reader) if !self.stopped => {
                reader.wait(cx, &mut self.calls);
                Poll::Pending
            }
            _ => Poll::Ready(Err(RecvError::Closed)),
        }
    }
}

impl Node {
    /// Begins to copy all packets received, before they are routed, and all own ones, trailers on.
    #[must_use = "dropping it ends the copying"]
    pub fn tap(&self, config: TapConfig) -> Tap {
        let mut state = self.shared().lock();
        let id = state.node.tap(config);
        state.taps.insert(id, Reader::default());
        drop(state);
        Tap {
            shared: Arc::clone(self.shared()),
            id,
        }
    }
}
