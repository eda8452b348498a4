//! A request from another process, from the moment that somebody accepts it.

use alloc::sync::Arc;

use super::hello::{Answer, Window};
use super::shared::{self, Link};
use crate::flow::Flow;
use crate::name::Name;
use crate::peer::Peer;
use crate::pipe::End;
use crate::qos::QosSpec;
use crate::queue::QueueConfig;

/// Who asks, and what it takes.
#[derive(Clone, Debug)]
pub(crate) struct RemoteAsker {
    pub(super) window: Window,
    pub(super) peer: Peer,
}

impl RemoteAsker {
    /// Makes the flow. What is written to it waits until the connection is driven.
    pub(crate) fn make(&self, name: &Name, qos: QosSpec, queue: QueueConfig) -> (LinkEnd, Flow) {
        let (flow, link) = shared::flow(name, qos, queue, self.window);
        let window = Window::of(&queue);
        link.put_answer(&Answer::Accepted { qos, window });
        (LinkEnd(Some(link)), flow.with_peer(self.peer.clone()))
    }
}

/// The end of a connection that nobody drives yet. Dropping it ends the flow.
#[derive(Debug)]
pub(crate) struct LinkEnd(Option<Arc<Link>>);

impl LinkEnd {
    pub(super) const fn take(&mut self) -> Option<Arc<Link>> {
        self.0.take()
    }
}

impl Drop for LinkEnd {
    fn drop(&mut self) {
        if let Some(link) = self.0.take() {
            link.over(End::Dealloc, End::Dealloc);
        }
    }
}
