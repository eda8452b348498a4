//! Flows that come to an event queue by themselves.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::task::{Context, Poll};

use futures_core::future::BoxFuture;

use crate::error::AcceptError;
use crate::event::FlowId;
use crate::flow::Flow;
use crate::provider::Provider;

/// Flows that an [`EventQueue`](super::EventQueue) accepted and nobody took, unless told otherwise: 64.
pub const DEFAULT_UNTAKEN: usize = 64;

/// An accept that waits.
type Accept = BoxFuture<'static, Result<Flow, AcceptError>>;

struct Source {
    provider: Arc<dyn Provider>,
    accept: Option<Accept>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Source").field(&self.provider).finish()
    }
}

/// Where flows are accepted from, and those that nobody took yet.
#[derive(Debug)]
pub(super) struct Accepting {
    sources: Vec<Source>,
    untaken: BTreeMap<FlowId, Flow>,
    max_untaken: usize,
    failed: Option<AcceptError>,
}

impl Default for Accepting {
    fn default() -> Self {
        Self {
            sources: Vec::new(),
            untaken: BTreeMap::new(),
            max_untaken: DEFAULT_UNTAKEN,
            failed: None,
        }
    }
}

impl Source {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Flow, AcceptError>> {
        let accept = self.accept.get_or_insert_with(|| {
            let provider = Arc::clone(&self.provider);
            Box::pin(async move { provider.accept(None).await })
        });
        let accepted = accept.as_mut().poll(cx);
        if accepted.is_ready() {
            self.accept = None;
        }
        accepted
    }
}

impl Accepting {
    pub(super) const fn set_max_untaken(&mut self, max: usize) {
        self.max_untaken = max;
    }

    pub(super) fn add(&mut self, provider: Arc<dyn Provider>) {
        let accept = None;
        self.sources.push(Source { provider, accept });
    }

    pub(super) fn take(&mut self, flow: FlowId) -> Option<Flow> {
        self.untaken.remove(&flow)
    }

    pub(super) const fn take_error(&mut self) -> Option<AcceptError> {
        self.failed.take()
    }

    /// Accepts the next request, and returns its flow, which waits here to be taken.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<&Flow> {
        if self.untaken.len() >= self.max_untaken {
            // who else accepts for the name is to have what would be offered to nobody here
            self.sources.iter_mut().for_each(|source| source.accept = None);
            return Poll::Pending;
        }
        let mut accepted = None;
        let failed = &mut self.failed;
        self.sources.retain_mut(|source| {
            let polled = match accepted {
                None => source.poll(cx),
                Some(_) => Poll::Pending,
            };
            match polled {
                Poll::Ready(Ok(flow)) => accepted = Some(flow),
                Poll::Ready(Err(error)) => {
                    *failed = Some(error);
                    return false;
                }
                Poll::Pending => {}
            }
            true
        });
        let Some(flow) = accepted else {
            return Poll::Pending;
        };
        self.sources.rotate_left(1); // they take turns
        Poll::Ready(self.untaken.entry(flow.id()).or_insert(flow))
    }
}
