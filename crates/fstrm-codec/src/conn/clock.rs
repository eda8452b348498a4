//! The one place that reads the clock and sleeps.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::boxed::Box;

use tinwire_time::{Instant, Origin};
use tokio::time::Sleep;

/// tokio's clock as the machines see it, and one alarm.
#[derive(Debug)]
pub(crate) struct Clock {
    origin: Origin,
    /// When it rings, and what rings. It may ring too early, for a deadline that has moved on since: a
    /// deadline that moves with every read costs no timer.
    alarm: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self {
            origin: Origin::new(read().into_std()),
            alarm: None,
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.origin.at(read().into_std())
    }

    /// Ready with the time once `deadline` has passed.
    pub(crate) fn poll_deadline(&mut self, cx: &mut Context<'_>, deadline: Option<Instant>) -> Poll<Instant> {
        let Some(deadline) = deadline else {
            return Poll::Pending;
        };
        loop {
            // A deadline beyond the clock's range never comes.
            let Some(target) = self.origin.deadline(deadline) else {
                return Poll::Pending;
            };
            let (at, sleep) = match &mut self.alarm {
                Some(alarm) => alarm,
                None => self
                    .alarm
                    .insert((deadline, Box::pin(tokio::time::sleep_until(target.into())))),
            };
            if *at > deadline || sleep.is_elapsed() {
                sleep.as_mut().reset(target.into());
                *at = deadline;
            }
            ready!(sleep.as_mut().poll(cx));
            if *at >= deadline {
                self.alarm = None;
                // tokio wakes at the earliest on the deadline, rounded up to its own tick.
                return Poll::Ready(self.now().max(deadline));
            }
        }
    }
}

/// The earlier of two deadlines.
pub(super) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a driver reads the clock here, for both machines"
)]
fn read() -> tokio::time::Instant {
    tokio::time::Instant::now()
}
