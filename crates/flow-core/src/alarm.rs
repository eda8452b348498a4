//! The clock of a driver: the one place that reads it, and waits for it.

use alloc::boxed::Box;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use tinwire_time::{Instant, Origin};
use tokio::time::Sleep;

/// Tells a machine the time, and wakes its driver when it is due.
#[derive(Debug)]
pub(crate) struct Alarm {
    origin: Origin,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Its time begins now.
    pub(crate) fn new() -> Self {
        Self {
            origin: Origin::new(clock()),
            sleep: None,
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.origin.at(clock())
    }

    /// Ready at `deadline`; pending, without ever waking, if there is none.
    pub(crate) fn poll_at(&mut self, cx: &mut Context<'_>, deadline: Option<Instant>) -> Poll<()> {
        let Some(deadline) = deadline.and_then(|at| self.origin.deadline(at)) else {
            self.sleep = None;
            return Poll::Pending;
        };
        let deadline = tokio::time::Instant::from_std(deadline);
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        sleep.as_mut().poll(cx)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the driver's one place that reads the clock"
)]
fn clock() -> std::time::Instant {
    tokio::time::Instant::now().into_std()
}
