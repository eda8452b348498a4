//! One request to everybody, answers from anybody.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use can_link::LinkError;

use super::runner::Runner;
use super::wait::{Step, block_for, block_on, poll_until};
use crate::endpoints::{GroupEvent, GroupStats};
use crate::event::Stats;
use crate::network::{self, Answer, Next};
use crate::responders::Responder;
use crate::stream::StreamError;

/// One functional request, and the answers of whoever answers; see [`crate::Group`].
#[derive(Debug)]
pub struct Group {
    // In this order: the group ends before the thread is waited for.
    group: network::Group,
    _runner: Arc<Runner>,
}

impl Group {
    pub(super) const fn new(group: network::Group, runner: Arc<Runner>) -> Self {
        Self {
            group,
            _runner: runner,
        }
    }

    /// Sends a request to all nodes, which must fit a single frame, and returns what comes, one after the
    /// other.
    ///
    /// The answers end when nobody was heard for `window`, counted from the request and again from each
    /// message; a responder in the middle of a message is waited for. See [`crate::Group::request`].
    ///
    /// # Errors
    /// When the request cannot be sent, or was not.
    pub fn request(
        &mut self,
        payload: impl Into<Bytes>,
        window: Duration,
    ) -> Result<Answers<'_>, StreamError> {
        block_on(self.group.ask(payload).done())?;
        Ok(Answers {
            group: &mut self.group,
            window,
            over: false,
        })
    }

    /// Waits for the next answer of anybody, asked for or not; `None` when there is none within `timeout`.
    ///
    /// # Errors
    /// When the link has ended.
    pub fn recv(&mut self, timeout: impl Into<Option<Duration>>) -> Result<Option<Answer>, StreamError> {
        match block_for(self.group.recv(), timeout.into()) {
            None => Ok(None),
            Some(Some(answer)) => Ok(Some(answer)),
            Some(None) => Err(LinkError::Closed.into()),
        }
    }

    /// Who has spoken so far, by when they first did, and what was counted with each.
    #[must_use]
    pub fn members(&self) -> Vec<(Responder, Stats)> {
        self.group.members()
    }

    /// Counters since the group was made.
    #[must_use]
    pub fn stats(&self) -> GroupStats {
        self.group.stats()
    }

    /// The oldest event that was not looked at: who joined, and who found no room.
    #[must_use]
    pub fn next_event(&self) -> Option<GroupEvent> {
        self.group.next_event()
    }

    /// How many answers were given up because the next request came first.
    #[must_use]
    pub fn discarded(&self) -> u64 {
        self.group.discarded()
    }
}

/// The answers to one request of a [`Group`], each when it is there.
#[derive(Debug)]
pub struct Answers<'a> {
    group: &'a mut network::Group,
    window: Duration,
    over: bool,
}

impl Iterator for Answers<'_> {
    type Item = Answer;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let next = poll_until(|cx| match self.group.poll_next_answer(self.window, cx) {
            Next::Answer(answer) => Step::Ready(Some(*answer)),
            Next::Over => Step::Ready(None),
            Next::Later(due) => Step::Later(due),
        });
        self.over = next.is_none();
        next
    }
}
