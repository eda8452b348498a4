//! Since when, and for what, a sender waits.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::boxed::Box;

use tokio::time::{Sleep, sleep};

use crate::link::Bottleneck;

/// A wait that began when the kernel first refused, and that a send timeout may end.
#[derive(Debug)]
pub(super) struct Stall {
    /// What was full when the kernel last refused.
    pub(super) waiting_for: Bottleneck,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Stall {
    /// A wait that begins now.
    pub(super) fn new(waiting_for: Bottleneck, timeout: Option<Duration>) -> Self {
        Self {
            waiting_for,
            deadline: timeout.map(|timeout| Box::pin(sleep(timeout))),
        }
    }

    /// Ready when the timeout is over, with what was waited for; never without a timeout.
    pub(super) fn poll_timeout(&mut self, cx: &mut Context<'_>) -> Poll<Bottleneck> {
        let Some(deadline) = &mut self.deadline else {
            return Poll::Pending;
        };
        ready!(deadline.as_mut().poll(cx));
        Poll::Ready(self.waiting_for)
    }
}
