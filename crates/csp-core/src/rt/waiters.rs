//! Tasks that wait for something to happen in a node.

use core::task::{Context, Waker};
use std::collections::VecDeque;
use std::vec::Vec;

/// Wakers that are to be woken once the lock is given up.
///
/// Nearly always there is one or none, and that needs no memory.
#[derive(Debug, Default)]
pub(super) struct Wakes {
    first: Option<Waker>,
    second: Option<Waker>,
    others: Vec<Waker>,
}

impl Wakes {
    pub(super) fn push(&mut self, waker: Waker) {
        if self.first.is_none() {
            self.first = Some(waker);
        } else if self.second.is_none() {
            self.second = Some(waker);
        } else {
            self.others.push(waker);
        }
    }

    pub(super) fn wake(self) {
        for waker in [self.first, self.second].into_iter().flatten() {
            waker.wake();
        }
        for waker in self.others {
            waker.wake();
        }
    }
}

impl Extend<Waker> for Wakes {
    fn extend<T: IntoIterator<Item = Waker>>(&mut self, wakers: T) {
        for waker in wakers {
            self.push(waker);
        }
    }
}

/// Puts the task that polls into `place`, where one waits at a time.
pub(super) fn note(place: &mut Option<Waker>, cx: &Context<'_>) {
    match place {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *place = Some(cx.waker().clone()),
    }
}

/// How many readers were woken and have not emptied their queues since.
#[derive(Debug, Default)]
pub(super) struct Calls {
    count: usize,
    round: u64,
}

impl Calls {
    pub(super) const fn is_answered(&self) -> bool {
        self.count == 0
    }

    /// Those called so far are not waited for any more.
    pub(super) const fn give_up(&mut self) {
        self.count = 0;
        self.round = self.round.wrapping_add(1);
    }
}

/// One that takes what arrives. At most one task waits at a time.
#[derive(Debug, Default)]
pub(super) struct Reader {
    waker: Option<Waker>,
    /// In which round it was woken, until it has emptied its queue.
    called: Option<u64>,
}

impl Reader {
    /// Wakes it.
    pub(super) fn call(&mut self, wakes: &mut Wakes, calls: &mut Calls) {
        if let Some(waker) = self.waker.take() {
            wakes.push(waker);
            self.answer(calls);
            self.called = Some(calls.round);
            calls.count += 1;
        }
    }

    /// It found nothing, and waits.
    pub(super) fn wait(&mut self, cx: &Context<'_>, calls: &mut Calls) {
        self.answer(calls);
        note(&mut self.waker, cx);
    }

    /// It is not behind any more.
    pub(super) fn answer(&mut self, calls: &mut Calls) {
        if self.called.take() == Some(calls.round) {
            calls.count = calls.count.saturating_sub(1);
        }
    }
}

/// Tasks that wait for the same thing and are woken together, each with a number of its own.
#[derive(Debug, Default)]
pub(super) struct Waiters(Vec<(u64, Waker)>);

impl Waiters {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn wait(&mut self, number: u64, cx: &Context<'_>) {
        match self.0.iter_mut().find(|(other, _)| *other == number) {
            Some((_, waker)) => waker.clone_from(cx.waker()),
            None => self.0.push((number, cx.waker().clone())),
        }
    }

    pub(super) fn wake(&mut self, wakes: &mut Wakes) {
        wakes.extend(self.0.drain(..).map(|(_, waker)| waker));
    }

    pub(super) fn leave(&mut self, number: u64) {
        self.0.retain(|(other, _)| *other != number);
    }
}

/// Tasks that take turns in the order in which they came.
///
/// The first stays first until it leaves, so that nobody overtakes it between its waking and its turn.
#[derive(Debug, Default)]
pub(super) struct Line(VecDeque<(u64, Waker)>);

impl Line {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it is the turn of the one with this number, or of one who has none yet.
    pub(super) fn is_turn(&self, number: Option<u64>) -> bool {
        self.0.front().is_none_or(|(first, _)| Some(*first) == number)
    }

    pub(super) fn wait(&mut self, number: u64, cx: &Context<'_>) {
        match self.0.iter_mut().find(|(other, _)| *other == number) {
            Some((_, waker)) => waker.clone_from(cx.waker()),
            None => self.0.push_back((number, cx.waker().clone())),
        }
    }

    pub(super) fn wake_first(&self, wakes: &mut Wakes) {
        wakes.extend(self.0.front().map(|(_, waker)| waker.clone()));
    }

    pub(super) fn wake_all(&mut self, wakes: &mut Wakes) {
        wakes.extend(self.0.drain(..).map(|(_, waker)| waker));
    }

    /// Whoever is first then is woken: it may be there because the one before it gave up.
    pub(super) fn leave(&mut self, number: u64, wakes: &mut Wakes) {
        self.0.retain(|(other, _)| *other != number);
        self.wake_first(wakes);
    }
}
