//! Waiting for one of two things.

use core::future::poll_fn;
use core::pin::pin;
use core::task::Poll;

/// What came first.
pub(super) enum Won<A, B> {
    /// The first one; it also wins where both are ready.
    First(A),
    /// The second one.
    Second(B),
}

/// Completes with the first of the two; the other one is dropped.
pub(super) async fn race<A: Future, B: Future>(first: A, second: B) -> Won<A::Output, B::Output> {
    let (mut first, mut second) = (pin!(first), pin!(second));
    poll_fn(|cx| {
        if let Poll::Ready(first) = first.as_mut().poll(cx) {
            return Poll::Ready(Won::First(first));
        }
        second.as_mut().poll(cx).map(Won::Second)
    })
    .await
}
