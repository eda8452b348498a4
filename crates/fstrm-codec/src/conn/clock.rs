//! The one place that reads the clock and sleeps.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::boxed::Box;

use tinwire_time::{Instant, Origin};
use tokio::time::Sleep;

/// tokio's clock as the machines see it, and one alarm.
#[derive(Debug)]
pub(crate) struct Clock {
    origin: Origin,
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
            self.alarm = None;
            return Poll::Pending;
        };
        if self.alarm.as_ref().is_none_or(|(at, _)| *at != deadline) {
            // A deadline beyond the clock's range never comes.
            let Some(at) = self.origin.deadline(deadline) else {
                return Poll::Pending;
            };
            self.alarm = Some((deadline, Box::pin(tokio::time::sleep_until(at.into()))));
        }
        match &mut self.alarm {
            Some((_, sleep)) => sleep.as_mut().poll(cx).map(|()| {
                self.alarm = None;
                // tokio wakes at the earliest on the deadline, rounded up to its own tick.
                self.now().max(deadline)
            }),
            None => Poll::Pending,
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a driver reads the clock here, for both machines"
)]
fn read() -> tokio::time::Instant {
    tokio::time::Instant::now()
}
