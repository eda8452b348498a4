//! One request to everybody, answers from anybody.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use tokio::time::Sleep;

use super::seat::{Answer, MAX_ANSWERS};
use super::shared::{State, User};
use super::waiters::{OWN, On};
use super::{Network, Sending};
use crate::address::Target;
use crate::endpoints::{EndpointId, GroupEvent, GroupId, GroupStats};
use crate::event::Stats;
use crate::responders::Responder;
use crate::stream::StreamError;

/// One functional request, and the answers of whoever answers.
///
/// Each responder has a machine of its own: long answers of several arrive at the same time, each
/// acknowledged on its own identifier, and a responder that fails or falls silent is an `Err` with its name
/// and delays nobody. One may answer several times, as with "response pending".
///
/// [`request`](Self::request) collects the answers to one request. As a [`Stream`] a group yields whatever
/// comes, asked for or not, until the link ends.
///
/// Dropping a group ends its transfers.
pub struct Group {
    id: GroupId,
    sender: EndpointId,
    user: User,
}

impl Group {
    pub(super) const fn new(id: GroupId, sender: EndpointId, user: User) -> Self {
        Self { id, sender, user }
    }

    /// The network that it belongs to.
    #[must_use]
    pub fn network(&self) -> Network {
        Network::of(self.user.clone())
    }

    /// Sends a request to all nodes, which must fit a single frame, and collects what comes.
    ///
    /// The answers end when nobody was heard for `window`, counted from the request and again from each
    /// message; a responder in the middle of a message is waited for. Where nodes may answer that the real
    /// answer takes longer (0x78 of UDS), the window must be as long as that may take (5 s by default).
    /// Answers to an earlier request that were not collected are given up, and
    /// [counted](Self::discarded).
    ///
    /// # Errors
    /// When the request cannot be sent, or was not.
    ///
    /// # Cancel safety
    /// When the future is dropped, the request is sent not at all or is under way, and then goes on.
    pub async fn request(
        &mut self,
        payload: impl Into<Bytes>,
        window: Duration,
    ) -> Result<Answers<'_>, StreamError> {
        self.ask(payload).done().await?;
        Ok(Answers {
            group: self,
            window,
            alarm: None,
            over: false,
        })
    }

    /// Gives up what waits, and starts a request.
    pub(crate) fn ask(&self, payload: impl Into<Bytes>) -> Sending {
        self.user.lock().forget_answers(self.id);
        let payload: Bytes = payload.into();
        Sending::new(
            self.user.shared(),
            self.sender,
            payload.into(),
            Target::Functional,
        )
    }

    /// The next answer of anybody; `None` when the link has ended.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn recv(&mut self) -> Option<Answer> {
        poll_fn(|cx| self.poll_answer(cx)).await
    }

    /// Who has spoken so far, by when they first did, and what was counted with each.
    #[must_use]
    pub fn members(&self) -> Vec<(Responder, Stats)> {
        let state = self.user.lock();
        let group = state.endpoints.group(self.id);
        let members = group.map_or(&[][..], |group| group.members());
        let one = |member: &EndpointId| {
            let (_, responder) = state.endpoints.member(*member)?;
            Some((responder, *state.endpoints.get(*member)?.stats()))
        };
        members.iter().filter_map(one).collect()
    }

    /// Counters since the group was made: who joined, and what was refused for there was no room.
    #[must_use]
    pub fn stats(&self) -> GroupStats {
        let state = self.user.lock();
        let group = state.endpoints.group(self.id);
        group.map_or_else(GroupStats::default, |group| *group.stats())
    }

    /// The oldest event that was not looked at: who joined, and who found no room. At most
    /// [`MAX_EVENTS`](crate::stream::MAX_EVENTS) are kept.
    #[must_use]
    pub fn next_event(&self) -> Option<GroupEvent> {
        self.user.lock().group(self.id)?.events.pop_front()
    }

    /// How many events newer ones pushed out of a full queue.
    #[must_use]
    pub fn events_lost(&self) -> u64 {
        self.user
            .lock()
            .group(self.id)
            .map_or(0, |group| group.events_lost)
    }

    /// How many answers were given up because the next request came first.
    #[must_use]
    pub fn discarded(&self) -> u64 {
        self.user.lock().group(self.id).map_or(0, |group| group.discarded)
    }

    fn poll_answer(&self, cx: &Context<'_>) -> Poll<Option<Answer>> {
        let mut state = self.user.lock();
        match state.take_answer(self.id) {
            Some(answer) => Poll::Ready(Some(answer)),
            None if state.end.is_some() => Poll::Ready(None),
            None => {
                state.wait(On::Group(self.id), OWN, cx);
                Poll::Pending
            }
        }
    }

    /// The next answer within `window`, or until when to wait for one.
    pub(crate) fn poll_next_answer(&self, window: Duration, cx: &Context<'_>) -> Next {
        let mut state = self.user.lock();
        if let Some(answer) = state.take_answer(self.id) {
            return Next::Answer(Box::new(answer));
        }
        let now = state.tick();
        let Some(latest) = state.group(self.id).map(|group| group.latest) else {
            return Next::Over;
        };
        let busy = state.is_group_busy(self.id);
        if state.end.is_some() || (!busy && latest + window <= now) {
            return Next::Over;
        }
        state.wait(On::Group(self.id), OWN, cx);
        // A message that has begun ends with its last frame, or a timeout of its own.
        let due = state.origin.deadline(latest + window);
        Next::Later(due.filter(|_| !busy))
    }
}

/// What there is for who collects answers.
pub(crate) enum Next {
    Answer(Box<Answer>),
    /// Nothing until then; `None`: until woken.
    Later(Option<std::time::Instant>),
    Over,
}

impl State {
    fn take_answer(&mut self, id: GroupId) -> Option<Answer> {
        self.tick();
        let seat = self.group(id)?;
        let was_full = seat.inbox.len() >= MAX_ANSWERS;
        let answer = seat.inbox.pop_front()?;
        if was_full {
            // Somebody may be waiting for this room.
            self.fill_all(id);
        }
        Some(answer)
    }

    fn fill_all(&mut self, id: GroupId) {
        let members = self.endpoints.group(id).map(|group| group.members().to_vec());
        for member in members.unwrap_or_default() {
            self.fill_group(id, member);
        }
    }

    /// Gives up all answers that nobody has collected.
    fn forget_answers(&mut self, id: GroupId) {
        while self.take_answer(id).is_some() {
            if let Some(seat) = self.group(id) {
                seat.discarded += 1;
            }
        }
    }

    /// Whether a responder is in the middle of a message.
    fn is_group_busy(&self, id: GroupId) -> bool {
        let group = self.endpoints.group(id);
        let members = group.map_or(&[][..], |group| group.members());
        let receives = |member: &EndpointId| {
            let channel = self.endpoints.get(*member);
            channel.is_some_and(|channel| channel.receiving().is_some())
        };
        members.iter().any(receives)
    }
}

impl Stream for Group {
    type Item = Answer;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_answer(cx)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.user.lock().leave_group(self.id);
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The answers to one request of a [`Group`].
///
/// When this is dropped, answers still come to the group, where the next request gives them up.
pub struct Answers<'a> {
    group: &'a mut Group,
    window: Duration,
    alarm: Option<Pin<Box<Sleep>>>,
    over: bool,
}

impl Answers<'_> {
    /// The next answer; `None` when there are no more.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn recv(&mut self) -> Option<Answer> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Answer>> {
        while !self.over {
            let due = match self.group.poll_next_answer(self.window, cx) {
                Next::Answer(answer) => return Poll::Ready(Some(*answer)),
                Next::Over => break,
                Next::Later(due) => due,
            };
            let Some(due) = due.map(tokio::time::Instant::from_std) else {
                return Poll::Pending;
            };
            let alarm = self
                .alarm
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
            if alarm.deadline() != due {
                alarm.as_mut().reset(due);
            }
            if alarm.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
        self.over = true;
        Poll::Ready(None)
    }
}

impl Stream for Answers<'_> {
    type Item = Answer;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_recv(cx)
    }
}

impl fmt::Debug for Answers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers")
            .field("window", &self.window)
            .field("over", &self.over)
            .finish_non_exhaustive()
    }
}
