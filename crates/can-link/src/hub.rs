//! One link shared by many stacks.
//!
//! A [`Hub`] owns a link and a task that serves it. Each [`HubPort`] is a link of its own: with its own
//! filters, a bounded receive queue (a slow port loses frames of its own, with a count, and slows nobody) and
//! a bounded transmit queue. Transmit queues are served in turn, one frame each, so that no port can starve
//! the others.
//!
//! Ports see each other's frames as [`Origin::LocalHost`](crate::link::Origin::LocalHost), as sockets on one
//! interface do, when the link has taken the frame (or, where the link echoes, when the echo came). On
//! SocketCAN one socket per stack does the same and costs less; a hub is for links that exist once: serial
//! adapters, TCP connections, tests.

mod port;
mod seat;
mod shared;
mod task;
#[cfg(test)]
mod tests;

use crate::link::Link;
pub use port::{HubPort, HubPortConfig, HubRx, HubTx};
pub use shared::HubStats;
use shared::{Shared, User};

/// A link and the task that shares it. Clones are the same hub.
///
/// The task ends, and the link is dropped, when the hub and all its ports are dropped, or when the link ends;
/// then every port ends.
#[derive(Clone, Debug)]
pub struct Hub {
    user: User,
}

impl Hub {
    /// Shares `link`. Must be called within a tokio runtime, which runs the task.
    #[must_use]
    pub fn new(link: Link) -> Self {
        let (rx, tx) = link.split();
        let user = User::new(Shared::new(rx.capabilities()));
        tokio::spawn(task::Task::new(rx, tx, user.shared()));
        Self { user }
    }

    /// A port with default settings.
    #[must_use]
    pub fn join(&self) -> HubPort {
        self.join_with(HubPortConfig::default())
    }

    /// A port.
    #[must_use]
    pub fn join_with(&self, config: HubPortConfig) -> HubPort {
        HubPort::join(self.user.clone(), config)
    }

    /// Counts since the hub was made.
    #[must_use]
    pub fn stats(&self) -> HubStats {
        self.user.lock().stats
    }
}
