//! Who asks for a flow, and what becomes of it when somebody accepts.

use alloc::boxed::Box;

use crate::flow::Flow;
use crate::name::Name;
use crate::qos::QosSpec;
use crate::queue::QueueConfig;

#[cfg(unix)]
use crate::providers::machine::{LinkEnd, RemoteAsker};

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) enum Asker {
    /// Somebody in this process.
    Here,
    /// Somebody in another process, by a connection.
    #[cfg(unix)]
    There(RemoteAsker),
}

/// What an asker is given when somebody accepts.
#[derive(Debug)]
pub(crate) enum Given {
    /// The other end of the flow.
    Flow(Box<Flow>),
    /// What drives the flow's connection.
    #[cfg(unix)]
    Link(LinkEnd),
}

impl Asker {
    /// Makes the flow: what the asker is given, and what the accepter gets.
    pub(super) fn make(&self, name: &Name, qos: QosSpec, queue: QueueConfig) -> (Given, Flow) {
        match self {
            Self::Here => {
                let (theirs, ours) = Flow::pair(name, qos, queue);
                (Given::Flow(Box::new(theirs)), ours)
            }
            #[cfg(unix)]
            Self::There(asker) => {
                let (theirs, ours) = asker.make(name, qos, queue);
                (Given::Link(theirs), ours)
            }
        }
    }
}
