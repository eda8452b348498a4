//! One message on its way.

use alloc::sync::Arc;
use core::time::Duration;

use super::runner::Runner;
use super::wait::{block_for, block_on};
use crate::event::{SendState, TransferId};
use crate::network;
use crate::stream::StreamError;

/// A message that was started. It goes on when this is dropped.
#[derive(Debug)]
pub struct Sending {
    sending: network::Sending,
    /// Behind what it waits for.
    _runner: Arc<Runner>,
}

impl Sending {
    pub(super) const fn new(sending: network::Sending, runner: Arc<Runner>) -> Self {
        Self {
            sending,
            _runner: runner,
        }
    }

    /// Waits for the next state; `None` when there is none within `timeout`, or the last one was told.
    ///
    /// # Errors
    /// When the message cannot be sent, or failed on the way; that is told once.
    pub fn next_state(
        &mut self,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Option<SendState>, StreamError> {
        let state = block_for(self.sending.next_state(), timeout.into());
        state.flatten().transpose()
    }

    /// Waits until every frame is confirmed.
    ///
    /// # Errors
    /// When the message cannot be sent, or failed on the way.
    pub fn done(self) -> Result<(), StreamError> {
        block_on(self.sending.done())
    }

    /// The message's number; `None` while it waits for messages before it, or was refused.
    #[must_use]
    pub fn id(&self) -> Option<TransferId> {
        self.sending.id()
    }

    /// Ends the message as failed, unless it is through.
    pub fn abort(&self) {
        self.sending.abort();
    }
}
