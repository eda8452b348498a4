//! The collector's one place that reads the clock, and its one alarm per session.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::boxed::Box;

use tokio::time::{Instant, Sleep};

#[expect(
    clippy::disallowed_methods,
    reason = "a driver reads the clock here, for all its sessions"
)]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// Wakes a session. A deadline that moves away costs nothing: the alarm goes off, is found early and is set
/// anew.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Ready once `deadline` has passed.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, deadline: Option<Instant>) -> Poll<()> {
        let Some(deadline) = deadline else {
            return Poll::Pending;
        };
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        loop {
            match sleep.as_mut().poll(cx) {
                Poll::Ready(()) if sleep.deadline() < deadline => sleep.as_mut().reset(deadline),
                Poll::Ready(()) => {
                    self.sleep = None;
                    return Poll::Ready(());
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
