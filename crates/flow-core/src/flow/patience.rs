//! How long a call waits.

use core::future::poll_fn;
use core::task::{Context, Poll};
use core::time::Duration;

/// How long the waiting calls of one direction wait.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Patience {
    /// For ever, unless told otherwise.
    pub(super) timeout: Option<Duration>,
    /// Not at all, whatever the timeout.
    pub(super) non_blocking: bool,
}

/// What a call says that did not wait any longer.
pub(super) struct Impatience<E> {
    pub(super) would_block: E,
    pub(super) timed_out: E,
}

impl Patience {
    /// This, with another timeout.
    pub(super) const fn of(self, timeout: Duration) -> Self {
        Self {
            timeout: Some(timeout),
            ..self
        }
    }

    /// Polls once without a context, which leaves no waker behind, then waits for as long as is right.
    pub(super) async fn wait<T, E>(
        self,
        otherwise: Impatience<E>,
        mut poll: impl FnMut(Option<&Context<'_>>) -> Poll<Result<T, E>>,
    ) -> Result<T, E> {
        if let Poll::Ready(result) = poll(None) {
            return result;
        }
        if self.non_blocking {
            return Err(otherwise.would_block);
        }
        let waits = poll_fn(|cx| poll(Some(cx)));
        match self.timeout {
            None => waits.await,
            Some(Duration::ZERO) => Err(otherwise.timed_out),
            Some(timeout) => tokio::time::timeout(timeout, waits)
                .await
                .unwrap_or(Err(otherwise.timed_out)),
        }
    }
}
