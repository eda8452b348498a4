//! One message on its way, as the states it goes through.

use alloc::sync::Arc;
use core::fmt;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll};

use can_link::LinkError;
use futures_core::Stream;

use super::outbox::{Letter, Sender};
use super::shared::Shared;
use crate::address::Target;
use crate::endpoints::{EndpointId, Key};
use crate::event::{SendState, TransferId};
use crate::payload::Outgoing;
use crate::stream::{Fate, StreamError};

/// A message that was started, as a stream of [`SendState`]s that ends behind `Done` or an error.
///
/// Whoever looks seldom sees the latest state, not all. It belongs to nobody: the message goes on whether
/// this is polled or not, and when it is dropped. Dropping the endpoint ends the message as aborted.
pub struct Sending {
    shared: Arc<Shared>,
    endpoint: EndpointId,
    /// `None`: there is no room to note how the message gets on.
    letter: Option<Key>,
    told: Option<SendState>,
    fate: Option<Fate>,
}

impl Sending {
    pub(super) fn new(shared: &Arc<Shared>, endpoint: EndpointId, message: Outgoing, target: Target) -> Self {
        let mut state = shared.lock();
        state.tick();
        let letter = state.letters.insert(Letter::default());
        if let Some(letter) = letter {
            state.post(endpoint, message, target, Sender::Letter(letter));
        }
        Self {
            shared: Arc::clone(shared),
            endpoint,
            letter,
            told: None,
            fate: None,
        }
    }

    /// The message's number; `None` while it waits for messages before it, or was refused.
    #[must_use]
    pub fn id(&self) -> Option<TransferId> {
        self.shared.lock().letters.get(self.letter?)?.id
    }

    /// Ends the message as failed, unless it is through; the stream of states then ends with that error.
    ///
    /// Nothing tells the receiver; it notices by its N_Cr.
    pub fn abort(&self) {
        if let Some(letter) = self.letter {
            self.shared.lock().abort(self.endpoint, letter);
        }
    }

    /// The next state; `None` behind the last one.
    ///
    /// # Errors
    /// When the message cannot be sent, or failed on the way; that is told once.
    ///
    /// # Cancel safety
    /// No end is missed when the future is dropped, and no state but for a later one.
    pub async fn next_state(&mut self) -> Option<Result<SendState, StreamError>> {
        poll_fn(|cx| self.poll_state(cx)).await
    }

    /// Waits until every frame is confirmed.
    ///
    /// # Errors
    /// When the message cannot be sent, or failed on the way.
    ///
    /// # Cancel safety
    /// When the future is dropped, the message goes on.
    pub async fn done(mut self) -> Result<(), StreamError> {
        while let Some(state) = self.next_state().await {
            state?;
        }
        self.fate.map_or(Ok(()), Fate::again)
    }

    fn poll_state(&mut self, cx: &Context<'_>) -> Poll<Option<Result<SendState, StreamError>>> {
        if self.fate.is_some() {
            return Poll::Ready(None);
        }
        let mut state = self.shared.lock();
        let letter = self.letter.and_then(|key| state.letters.get_mut(key));
        let Some(letter) = letter else {
            self.fate = Some(Fate::LinkLost);
            return Poll::Ready(Some(Err(LinkError::Closed.into())));
        };
        // Of one that was refused at once the error is all there is.
        if self.told.is_none() && (letter.id.is_some() || letter.outcome.is_none()) {
            self.told = Some(SendState::Queued);
            return Poll::Ready(Some(Ok(SendState::Queued)));
        }
        match letter.outcome.take() {
            Some(Err(error)) => {
                self.fate = Some(Fate::of(&error));
                return Poll::Ready(Some(Err(error)));
            }
            Some(Ok(())) => {
                self.fate = Some(Fate::Done);
                return Poll::Ready(Some(Ok(SendState::Done)));
            }
            None => {}
        }
        let latest = letter.state.unwrap_or(SendState::Queued);
        if self.told == Some(latest) {
            letter.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        self.told = Some(latest);
        Poll::Ready(Some(Ok(latest)))
    }
}

impl Stream for Sending {
    type Item = Result<SendState, StreamError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_state(cx)
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if let Some(letter) = self.letter {
            self.shared.lock().letters.remove(letter);
        }
    }
}

impl fmt::Debug for Sending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending")
            .field("endpoint", &self.endpoint)
            .field("told", &self.told)
            .finish_non_exhaustive()
    }
}
