//! The futures of asking and accepting. Each takes back what it left in the registry when it is dropped.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use super::asker::{Asker, Given};
use super::provider::Shared;
use super::registry::{AcceptId, ProviderId, RequestId, Withdrawn};
use crate::error::{AcceptError, AllocError};
use crate::flow::Flow;
use crate::name::Name;
use crate::qos::QosSpec;

/// Waits until a request is accepted.
#[derive(Debug)]
pub(crate) struct Requesting<'a> {
    shared: &'a Shared,
    request: Option<RequestId>,
}

impl<'a> Requesting<'a> {
    pub(super) fn new(
        shared: &'a Shared,
        name: &Name,
        qos: QosSpec,
        asker: Asker,
    ) -> Result<Self, AllocError> {
        let (request, wakers) = shared.lock().registry.request(name, qos, asker)?;
        wakers.wake();
        let request = Some(request);
        Ok(Self { shared, request })
    }
}

impl Future for Requesting<'_> {
    type Output = Result<Given, AllocError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(request) = self.request else {
            return Poll::Pending; // polled after it was ready
        };
        let result = self.shared.lock().registry.poll_request(request, cx.waker());
        match result {
            Some(result) => {
                self.request = None;
                Poll::Ready(result)
            }
            None => Poll::Pending,
        }
    }
}

impl Drop for Requesting<'_> {
    fn drop(&mut self) {
        let Some(request) = self.request else { return };
        let withdrawn = {
            let mut layer = self.shared.lock();
            let withdrawn = layer.registry.withdraw(request);
            layer.stats.withdrawn += u64::from(matches!(withdrawn, Withdrawn::Waiting(_)));
            withdrawn
        };
        match withdrawn {
            Withdrawn::Waiting(wakers) => wakers.wake(),
            Withdrawn::Accepted(given) => drop(given), // the peer sees it end
            Withdrawn::Nothing => {}
        }
    }
}

/// Waits for a request.
#[derive(Debug)]
pub(super) struct Accepting<'a> {
    shared: &'a Shared,
    provider: ProviderId,
    accept: AcceptId,
}

impl<'a> Accepting<'a> {
    pub(super) fn new(shared: &'a Shared, provider: ProviderId) -> Self {
        let (accept, wakers) = shared.lock().registry.listen(provider);
        wakers.wake();
        Self {
            shared,
            provider,
            accept,
        }
    }
}

impl Future for Accepting<'_> {
    type Output = Result<Flow, AcceptError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut layer = self.shared.lock();
        if !layer.registry.is_bound(self.provider) {
            return Poll::Ready(Err(AcceptError::NoName));
        }
        let queue = self.shared.config.queue;
        let make = |name: &Name, qos, asker: &Asker| asker.make(name, qos, queue);
        match layer.registry.poll_accept(self.accept, cx.waker(), make) {
            Some((flow, wakers)) => {
                layer.stats.flows += 1;
                drop(layer);
                wakers.wake();
                Poll::Ready(Ok(flow))
            }
            None => Poll::Pending,
        }
    }
}

impl Drop for Accepting<'_> {
    fn drop(&mut self) {
        let wakers = self.shared.lock().registry.leave(self.accept);
        wakers.wake();
    }
}
